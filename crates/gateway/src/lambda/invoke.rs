//! `Invoke`: the warm path, and what it shares with streamed invocations. Everything here is in memory, nothing is
//! copied that can be shared, and no lock is held while the function runs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use control::function::tenant_of;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use model::error::ServiceError;
use model::fault::Fault;
use model::id::RequestId;
use model::lease::{Phases, StartReason};
use model::name::Qualifier;
use model::port::{self, FunctionFailure, Invocation, Outcome};
use wire::lambda as api;
use wire::rest_json::{Call as _, Output as _};

use super::{Asked, request, unserved};
use crate::respond::{Body, Failure, content, whole};

/// Carries the trace of a request through all that it causes.
const TRACE_HEADER: &str = "x-amzn-trace-id";
/// What a client may send as a trace at most; longer ones are replaced.
const TRACE_BYTES_MAX: usize = 512;

/// What both ways to invoke a function ask for.
pub(super) struct Wanted<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) qualifier: Option<&'a str>,
    pub(super) client_context: Option<&'a str>,
    pub(super) tenant: Option<&'a str>,
    pub(super) log_type: Option<&'a api::LogType>,
    pub(super) payload: Option<Bytes>,
    /// Whether the caller takes the response as it comes.
    pub(super) streaming: bool,
}

pub async fn invoke(asked: &Asked<'_>, input: api::InvocationRequest) -> Result<Response<Body>, Failure> {
    let unserved = unserved::check_invoke(&input);
    let is_dry = input.invocation_type == Some(api::InvocationType::DryRun);
    let invocation = prepare(
        asked,
        Wanted {
            name: input.function_name.as_deref(),
            qualifier: input.qualifier.as_deref(),
            client_context: input.client_context.as_deref(),
            tenant: input.tenant_id.as_deref(),
            log_type: input.log_type.as_ref(),
            payload: input.payload,
            streaming: false,
        },
    )?;
    unserved?;
    if is_dry {
        return Ok(dry_run());
    }
    let version = invocation.function.version.to_string();
    let trace = invocation.trace.clone();
    let outcome = asked.app.parts.invoke.invoke(invocation).await?;
    asked.app.metrics.invocation(outcome.reason, outcome.result.is_err());
    Ok(answer(asked.call.id, outcome, version, trace.as_deref())?)
}

/// Checks all that can be checked before anything runs.
///
/// # Errors
/// `ResourceNotFound`, `ResourceConflict`, `InvalidParameterValue` for a tenant that is missing or too much,
/// `InvalidRequestContent`.
pub(super) fn prepare(asked: &Asked<'_>, wanted: Wanted<'_>) -> Result<Invocation, Failure> {
    let reference = request::reference(wanted.name)?;
    let qualifier = request::qualifier(wanted.qualifier)?;
    let function = asked.app.parts.functions.resolve(&asked.who.scope, &reference, qualifier.as_ref())?;
    let tenant = tenant_of(&function, wanted.tenant)?;
    let client_context = wanted.client_context.map(request::client_context).transpose()?;
    let payload = request::event(wanted.payload)?;
    let named = qualifier.as_ref().or(reference.qualifier.as_ref());
    Ok(Invocation {
        request: asked.call.id,
        invoked_arn: arn(&function.id, named),
        function,
        payload,
        client_context,
        cognito_identity: None,
        trace: Some(trace(asked)),
        tail: wanted.log_type == Some(&api::LogType::Tail),
        streaming: wanted.streaming,
        tenant,
    })
}

/// The answer to a caller who only wanted to know whether it could have been done.
pub(super) fn dry_run() -> Response<Body> {
    let mut response = content("application/json", Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
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

fn answer(
    id: RequestId,
    outcome: Outcome,
    version: String,
    trace: Option<&str>,
) -> Result<Response<Body>, ServiceError> {
    let Outcome { result, tail, reason, phases } = outcome;
    let (payload, function_error) = match result {
        Ok(port::Response::Whole(payload)) => (payload, None),
        Ok(port::Response::Stream { .. }) => {
            tracing::error!(request = %id, "a stream came for a caller who takes none");
            return Err(ServiceError::Internal("The response could not be read.".to_owned()));
        }
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
    describe(response.headers_mut(), reason, phases, trace);
    Ok(response)
}

/// The headers that say how an invocation went: Lambda's trace, and why it was warm or cold.
pub(super) fn describe(headers: &mut HeaderMap, reason: StartReason, phases: Phases, trace: Option<&str>) {
    headers.insert("x-dormouse-start", HeaderValue::from_static(reason.as_str()));
    let phases = format!(
        "waited={};sandbox={};init={};run={}",
        phases.waited.as_micros(),
        phases.sandbox.as_micros(),
        phases.init.as_micros(),
        phases.run.as_micros()
    );
    // Digits and letters fit every header; a trace came in one.
    for (name, text) in [("x-dormouse-phases", Some(phases.as_str())), (TRACE_HEADER, trace)] {
        if let Some(Ok(value)) = text.map(HeaderValue::from_str) {
            headers.insert(name, value);
        }
    }
}

/// What the caller gets of a function that failed: its own JSON, or Lambda's.
pub(super) fn failure_body(id: RequestId, failure: FunctionFailure) -> Bytes {
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
