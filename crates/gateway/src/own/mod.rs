//! What Dormouse adds to AWS's API, all under `/_dormouse/`: health, metrics, runtimes, logs, the fate of events, what
//! waits in queues, and the packages that `Code.Location` points to. Health, metrics and the list of runtimes tell
//! nothing of any function and need no signature.

pub mod code;
mod events;
mod logs;
mod queues;
mod runtimes;
mod status;

pub use runtimes::{RuntimeAdmin, RuntimeSource};

use std::sync::Arc;

use http::Method;
use http::request::Parts;
use model::error::ServiceError;
use policy::Need;

use crate::app::{Answered, App, Call, Entry};
use crate::auth::{self, Authenticated};
use crate::facts;

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
        (&Method::GET, ["queues"]) => ("own:queues", queues::serve(app, call).await),
        (&Method::GET, ["events", request]) => ("own:events", events::serve(app, call, request).await),
        _ => ("own:other", Err(nothing(&path).into())),
    }
}

/// Whether the caller of a page may see what it shows, with what is known of the call.
fn may(
    app: &App,
    who: &Authenticated,
    (head, entry): (&Parts, Entry),
    need: Need,
) -> Result<(), ServiceError> {
    let known = facts::of_call(app.parts.clock.now(), entry.peer, head, &who.scope.region);
    auth::may(who, &known, &[need])
}

fn nothing(path: &str) -> ServiceError {
    let shown: String = path.chars().take(100).collect();
    ServiceError::UnknownOperation(format!(
        "There is nothing to get or do at {PREFIX}{shown}. There are health, metrics, runtimes, \
         functions/NAME/logs, events/REQUEST-ID, queues and url/URL-ID/."
    ))
}
