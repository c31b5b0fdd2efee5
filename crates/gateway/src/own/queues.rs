//! How much waits, queue by queue: the asynchronous events of each function, what is to be delivered, and the
//! messages of SQS, in the account and region of the caller. Signed like the API.
//!
//! Only queues that hold something are told. Its JSON is stable, as that of [`super::status`].

use std::sync::Arc;

use http::Response;
use model::arn::Scope;
use model::error::ServiceError;
use model::queue::{Counts, Purpose, QueueError, QueueName};
use policy::Need;
use serde_json::{Value, json};
use wire::{percent, time};

use super::may;
use crate::app::{App, Call};
use crate::respond::{Body, Failure, content};

/// A body is not expected here.
const BODY_BYTES_MAX: usize = 1_024;
/// Queues that are counted for one answer, which others wait for.
const PAGE_MAX: usize = 100;
/// The right to see the measures of a whole account, which AWS has in CloudWatch and gives for `*` only.
const RIGHT: &str = "cloudwatch:GetMetricData";

/// Tells of the queues behind the one that the query names as `after`, or of the first ones.
pub async fn serve(app: &Arc<App>, call: Call) -> Result<Response<Body>, Failure> {
    let held = app.read(&call.head, call.body, call.entry, BODY_BYTES_MAX, "ListQueues").await?;
    let who = app.authenticator.authenticate(&call.head, &held.bytes, "lambda")?;
    may(app, &who, (&call.head, call.entry), Need::of(RIGHT, "*"))?;
    let after = after(call.head.uri.query().unwrap_or_default())?;
    Ok(content("application/json", page(app, &who.scope, after.as_ref()).await?.to_string()))
}

async fn page(app: &App, scope: &Scope, after: Option<&QueueName>) -> Result<Value, ServiceError> {
    let mut behind = Vec::new();
    for purpose in Purpose::ALL {
        let queues = app.parts.queue.queues(&purpose.prefix_in(scope)).await.map_err(unreadable)?;
        behind.extend(queues.into_iter().map(|(queue, _)| (purpose, queue)));
    }
    behind.retain(|(_, queue)| after.is_none_or(|after| queue > after));
    let mut told = Vec::new();
    for (purpose, queue) in behind.iter().take(PAGE_MAX) {
        let counts = app.parts.queue.counts(queue).await.map_err(unreadable)?;
        told.push(one(*purpose, called(scope, *purpose, queue), counts));
    }
    let next = behind.get(PAGE_MAX).and(behind.get(PAGE_MAX - 1)).map(|(_, last)| last.as_str());
    Ok(json!({ "queues": told, "next": next }))
}

fn one(purpose: Purpose, name: &str, counts: Counts) -> Value {
    json!({
        "purpose": purpose.as_str(),
        "name": name,
        "waiting": counts.waiting,
        "inFlight": counts.out,
        "delayed": counts.delayed,
        "oldestAt": counts.oldest.map(time::rfc3339),
    })
}

/// What people call a queue: not which of all those that have borne its name it is.
fn called<'a>(scope: &Scope, purpose: Purpose, queue: &'a QueueName) -> &'a str {
    let rest = queue.as_str().strip_prefix(&purpose.prefix_in(scope)).unwrap_or(queue.as_str());
    match purpose {
        Purpose::Sqs => rest.split('/').next().unwrap_or(rest),
        Purpose::Asynchronous | Purpose::Delivery => rest,
    }
}

fn after(query: &str) -> Result<Option<QueueName>, ServiceError> {
    let mut after = None;
    for (name, value) in percent::query_pairs(query).flatten() {
        if name == "after" {
            let queue = QueueName::parse(&value).map_err(|_| {
                let message = "`after` must be the `next` of an earlier answer.";
                ServiceError::InvalidParameterValue(message.to_owned())
            })?;
            after = Some(queue);
        }
    }
    Ok(after)
}

/// What a caller is told when the queues cannot be read; the log has the cause.
fn unreadable(error: QueueError) -> ServiceError {
    tracing::error!(%error, "queues cannot be counted");
    ServiceError::Unavailable("The queues cannot be counted now.".to_owned())
}
