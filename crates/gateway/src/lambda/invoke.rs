//! `Invoke`: the warm path. Everything here is in memory, nothing is copied that can be shared, and no lock is
//! held while the function runs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use model::fault::Fault;
use model::id::RequestId;
use model::name::Qualifier;
use model::port::{FunctionFailure, Invocation, Outcome};
use wire::lambda as api;
use wire::rest_json::{Call as _, Output as _};

use super::{Asked, request, unserved};
use crate::respond::{Body, Failure, content, whole};

/// Carries the trace of a request through all that it causes.
const TRACE_HEADER: &str = "x-amzn-trace-id";
/// What a client may send as a trace at most; longer ones are replaced.
const TRACE_BYTES_MAX: usize = 512;

pub async fn invoke(asked: &Asked<'_>, input: api::InvocationRequest) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let qualifier = request::qualifier(input.qualifier.as_deref())?;
    asked.authorize("lambda:InvokeFunction", &reference)?;
    unserved::check_invoke(&input)?;
    let parts = &asked.app.parts;
    let function = parts.functions.resolve(&asked.who.scope, &reference, qualifier.as_ref())?;
    let client_context = input.client_context.as_deref().map(request::client_context).transpose()?;
    let payload = request::event(input.payload)?;
    if input.invocation_type == Some(api::InvocationType::DryRun) {
        let mut response = content("application/json", Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        return Ok(response);
    }

    let named = qualifier.as_ref().or(reference.qualifier.as_ref());
    let trace = trace(asked);
    let version = function.version.to_string();
    let invocation = Invocation {
        request: asked.call.id,
        invoked_arn: arn(&function.id, named),
        function,
        payload,
        client_context,
        cognito_identity: None,
        trace: Some(trace.clone()),
        tail: input.log_type == Some(api::LogType::Tail),
    };
    let outcome = parts.invoke.invoke(invocation).await?;
    asked.app.metrics.invocation(outcome.reason, outcome.result.is_err());
    Ok(answer(asked.call.id, outcome, version, &trace))
}

fn arn(id: &model::arn::FunctionId, qualifier: Option<&Qualifier>) -> String {
    qualifier.map_or_else(|| id.arn().to_string(), |qualifier| id.qualified_arn(qualifier).to_string())
}

/// The caller's trace, or a new one that is not sampled.
fn trace(asked: &Asked<'_>) -> String {
    let sent = asked.call.head.headers.get(TRACE_HEADER).and_then(|value| value.to_str().ok());
    if let Some(sent) = sent.filter(|sent| !sent.is_empty() && sent.len() <= TRACE_BYTES_MAX) {
        return sent.to_owned();
    }
    let mut random = [0; 20];
    asked.app.parts.entropy.fill(&mut random);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let seconds = asked.app.parts.clock.now().as_millis() / 1_000;
    format!("Root=1-{seconds:08x}-{};Parent={};Sampled=0", hex(&random[..12]), hex(&random[12..]))
}

fn answer(id: RequestId, outcome: Outcome, version: String, trace: &str) -> Response<Body> {
    let Outcome { result, tail, reason, phases } = outcome;
    let (payload, function_error) = match result {
        Ok(payload) => (payload, None),
        Err(failure) => (failure_body(id, failure), Some("Unhandled".to_owned())),
    };
    let reply = api::InvocationResponse {
        status_code: Some(200),
        function_error,
        log_result: tail.map(|tail| STANDARD.encode(tail)),
        payload: Some(payload),
        executed_version: Some(version),
        durable_execution_arn: None,
    };
    let mut response = whole(reply.reply(api::InvocationRequest::HTTP));
    let headers = response.headers_mut();
    headers.insert("x-dormouse-start", HeaderValue::from_static(reason.as_str()));
    let phases = format!(
        "waited={};sandbox={};init={};run={}",
        phases.waited.as_micros(),
        phases.sandbox.as_micros(),
        phases.init.as_micros(),
        phases.run.as_micros()
    );
    // Digits and letters fit every header; a trace came in one.
    for (name, text) in [("x-dormouse-phases", phases.as_str()), (TRACE_HEADER, trace)] {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    }
    response
}

/// What the caller gets of a function that failed: its own JSON, or Lambda's.
fn failure_body(id: RequestId, failure: FunctionFailure) -> Bytes {
    match failure {
        FunctionFailure::Reported { payload } | FunctionFailure::Fault(Fault::Reported { payload, .. }) => {
            payload
        }
        FunctionFailure::Fault(fault) => {
            // Written by hand because the order of the members is part of what clients compare.
            let text = |text: &str| serde_json::Value::from(text).to_string();
            let (kind, message) = (text(fault.error_type()), text(&fault.message(id)));
            format!(r#"{{"errorType":{kind},"errorMessage":{message}}}"#).into()
        }
    }
}
