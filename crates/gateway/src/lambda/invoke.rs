//! `Invoke`: the warm path, and what it shares with streamed invocations. Everything here is in memory, nothing is
//! copied that can be shared, and no lock is held while the function runs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use control::function::tenant_of;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use model::arn::FunctionId;
use model::error::ServiceError;
use model::event::{Directory as _, Event};
use model::id::RequestId;
use model::lease::{Phases, StartReason};
use model::limits;
use model::lineage;
use model::name::Qualifier;
use model::port::{self, Invocation, Outcome};
use wire::lambda as api;
use wire::lambda::errors::RECURSIVE_INVOCATION_EXCEPTION;
use wire::rest_json::{Call as _, Output as _};

use super::{Asked, request, unserved};
use crate::app::App;
use crate::respond::{Body, Failure, content, whole};

/// Carries the trace of a request through all that it causes.
pub const TRACE_HEADER: &str = "x-amzn-trace-id";
/// What a client may send as a trace at most; longer ones are replaced.
pub const TRACE_BYTES_MAX: usize = 512;

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

pub(super) async fn invoke(
    asked: &Asked<'_>,
    input: api::InvocationRequest,
) -> Result<Response<Body>, Failure> {
    let unserved = unserved::check_invoke(&input);
    let is_dry = input.invocation_type == Some(api::InvocationType::DryRun);
    let is_event = input.invocation_type == Some(api::InvocationType::Event);
    let (mut invocation, named) = prepare(
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
    if is_event {
        return accept(asked, invocation, named).await;
    }
    one_hop_more(asked.app, asked.call.is_inside, &mut invocation)?;
    let version = invocation.function.version.to_string();
    let trace = invocation.trace.clone();
    let outcome = asked.app.parts.invoke.invoke(invocation).await?;
    asked.app.metrics.invocation(outcome.reason, outcome.result.is_err());
    Ok(answer(asked.call.id, outcome, version, trace.as_deref())?)
}

/// Checks all that can be checked before anything runs. With the invocation comes the qualifier that the caller named.
///
/// # Errors
/// `ResourceNotFound`, `ResourceConflict`, `InvalidParameterValue` for a tenant that is missing or too much,
/// `InvalidRequestContent`.
pub(super) fn prepare(
    asked: &Asked<'_>,
    wanted: Wanted<'_>,
) -> Result<(Invocation, Option<Qualifier>), Failure> {
    let reference = request::reference(wanted.name)?;
    let qualifier = request::qualifier(wanted.qualifier)?;
    let function = asked.app.parts.functions.resolve(&asked.who.scope, &reference, qualifier.as_ref())?;
    let tenant = tenant_of(&function, wanted.tenant)?;
    let client_context = wanted.client_context.map(request::client_context).transpose()?;
    let payload = request::event(wanted.payload)?;
    let named = qualifier.or(reference.qualifier);
    let invocation = Invocation {
        request: asked.call.id,
        invoked_arn: arn(&function.id, named.as_ref()),
        function,
        payload,
        client_context,
        cognito_identity: None,
        trace: Some(trace(asked.app, &asked.call.head.headers)),
        tail: wanted.log_type == Some(&api::LogType::Tail),
        streaming: wanted.streaming,
        tenant,
    };
    Ok((invocation, named))
}

/// Takes an invocation that nobody waits for; answered when it is on the disk. Which version it runs is decided when it
/// runs.
///
/// # Errors
/// `RequestTooLarge`; `Internal` if it cannot be kept, `Unavailable` if the server stops.
pub(super) async fn accept(
    asked: &Asked<'_>,
    invocation: Invocation,
    named: Option<Qualifier>,
) -> Result<Response<Body>, Failure> {
    let Invocation { request, function, payload, client_context, trace, tenant, .. } = invocation;
    let limit_bytes = limits::PAYLOAD_ASYNC_BYTES_MAX;
    if payload.len() > limit_bytes {
        return Err(ServiceError::RequestTooLarge(format!(
            "Request must be smaller than {limit_bytes} bytes for the InvokeFunction operation with \
             InvocationType Event"
        ))
        .into());
    }
    let event = Event {
        request,
        function: function.id.clone(),
        qualifier: named,
        payload,
        client_context,
        trace: trace.clone(),
        tenant,
    };
    asked.app.parts.events.accept(event).await?;
    let mut response = content("application/json", Bytes::new());
    *response.status_mut() = StatusCode::ACCEPTED;
    if let Some(Ok(trace)) = trace.as_deref().map(HeaderValue::from_str) {
        response.headers_mut().insert(TRACE_HEADER, trace);
    }
    Ok(response)
}

/// The answer to a caller who only wanted to know whether it could have been done.
pub(super) fn dry_run() -> Response<Body> {
    let mut response = content("application/json", Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// The ARN as a caller invoked it.
pub fn arn(id: &FunctionId, qualifier: Option<&Qualifier>) -> String {
    qualifier.map_or_else(|| id.arn().to_string(), |qualifier| id.qualified_arn(qualifier).to_string())
}

/// The caller's trace, or a new one that is not sampled.
pub fn trace(app: &App, headers: &HeaderMap) -> String {
    let sent = headers.get(TRACE_HEADER).and_then(|value| value.to_str().ok());
    if let Some(sent) = sent.filter(|sent| !sent.is_empty() && sent.len() <= TRACE_BYTES_MAX) {
        return sent.to_owned();
    }
    let mut random = [0; 20];
    app.parts.entropy.fill(&mut random);
    let number = |from: &[u8]| from.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    let (root, parent) = (number(&random[..12]), number(&random[12..]));
    let seconds = app.parts.clock.now().as_millis() / 1_000;
    format!("Root=1-{seconds:08x}-{root:024x};Parent={parent:016x};Sampled=0")
}

/// Counts how often a chain of functions has come through this one, and breaks the circle. Chains begin inside: a call
/// from outside is the first of its own.
///
/// # Errors
/// `RecursiveInvocationException`.
pub fn one_hop_more(app: &App, is_inside: bool, invocation: &mut Invocation) -> Result<(), ServiceError> {
    if !is_inside {
        return Ok(());
    }
    let (function, trace) = (&invocation.function.id, invocation.trace.as_deref().unwrap_or_default());
    let (trace, hops) = lineage::step(trace, function);
    let may_recur = || app.parts.functions.event_settings(function, None).may_recur;
    if hops > lineage::HOPS_MAX && !may_recur() {
        return Err(RECURSIVE_INVOCATION_EXCEPTION.error(
            "Lambda has detected your function being invoked in a recursive loop and stopped your function's \
             invocation.",
        ));
    }
    invocation.trace = Some(trace);
    Ok(())
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
        Err(failure) => (wire::failure::body(id, failure), Some("Unhandled".to_owned())),
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
pub fn describe(headers: &mut HeaderMap, reason: StartReason, phases: Phases, trace: Option<&str>) {
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
