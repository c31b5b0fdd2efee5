//! What Dormouse adds to AWS's API, all under `/_dormouse/`: health, metrics, runtimes, logs, the fate of events, and the packages that
//! `Code.Location` points to. Health, metrics and the list of runtimes tell nothing of any function and need no
//! signature.

pub mod code;
mod events;
mod logs;
mod runtimes;
mod status;

pub use runtimes::{RuntimeAdmin, RuntimeSource};

use std::sync::Arc;

use http::Method;
use model::error::ServiceError;

use crate::app::{Answered, App, Call};

const PREFIX: &str = "/_dormouse/";

/// Whether a path is one of ours.
pub fn is_own(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Answers a request to one of our pages.
pub async fn answer(app: &Arc<App>, call: Call) -> Answered {
    let path = call.head.uri.path().strip_prefix(PREFIX).unwrap_or_default().to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    match (&call.head.method, parts.as_slice()) {
        (&Method::GET, ["health"]) => ("own:health", Ok(status::health(app))),
        (&Method::GET, ["metrics"]) => ("own:metrics", Ok(status::metrics(app))),
        (&Method::GET, ["runtimes"]) => ("own:runtimes", Ok(runtimes::list(app))),
        (&Method::GET, ["runtimes", name]) => ("own:runtimes", runtimes::get(app, name)),
        (&Method::POST | &Method::DELETE, ["runtimes", name]) => {
            ("own:runtimes", runtimes::change(app, call, name).await)
        }
        (&Method::GET, ["code", digest]) => ("own:code", code::serve(app, &call.head, digest).await),
        (&Method::GET, ["functions", name, "logs"]) => ("own:logs", logs::serve(app, call, name).await),
        (&Method::GET, ["events", request]) => ("own:events", events::serve(app, call, request).await),
        _ => ("own:other", Err(nothing(&path).into())),
    }
}

fn nothing(path: &str) -> ServiceError {
    let shown: String = path.chars().take(100).collect();
    ServiceError::UnknownOperation(format!(
        "There is nothing to get or do at {PREFIX}{shown}. There are health, metrics, runtimes, \
         functions/NAME/logs, events/REQUEST-ID and url/URL-ID/."
    ))
}
