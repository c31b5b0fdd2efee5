//! What became of one asynchronous invocation, by its request id. Signed like the API.
//!
//! Known are the events that wait or run, and the newest ones that have ended.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use model::arn::{FunctionId, Scope};
use model::error::ServiceError;
use model::event::Fate;
use model::id::RequestId;
use model::name::FunctionReference;
use serde_json::json;
use wire::time;

use super::may;
use crate::app::{App, Call};
use crate::respond::{Body, Failure, content};

/// A body is not expected here.
const BODY_BYTES_MAX: usize = 1_024;

/// Gives the fate of the event of a request.
pub async fn serve(app: &Arc<App>, call: Call, request: &str) -> Result<Response<Body>, Failure> {
    let held = app.read(&call.head, call.body, call.entry, BODY_BYTES_MAX, "GetEvent").await?;
    let who = app.authenticator.authenticate(&call.head, &held.bytes, "lambda")?;
    let unknown = || ServiceError::ResourceNotFound(format!("No event of the request {request} is known."));
    let id =
        RequestId::parse(request).map_err(|error| ServiceError::InvalidParameterValue(error.to_string()))?;
    let Fate { function, status, failed, at } = app.parts.events.fate(id).await?.ok_or_else(unknown)?;
    // Those of another account are not even said to be there.
    if function.split(':').nth(4) != Some(who.scope.account.as_str()) {
        return Err(unknown().into());
    }
    let named = FunctionReference::parse(&function).ok().and_then(|reference| {
        let scope = Scope { account: reference.account?, region: reference.region? };
        Some(FunctionId { scope, name: reference.name })
    });
    let need = app.parts.functions.need("lambda:GetFunction", &named.ok_or_else(unknown)?, None);
    may(app, &who, (&call.head, call.entry), need)?;
    let told = json!({
        "requestId": id.to_string(),
        "functionArn": function,
        "status": status,
        "failedAttempts": failed,
        "at": time::rfc3339(at),
    });
    Ok(content("application/json", Bytes::from(told.to_string())))
}
