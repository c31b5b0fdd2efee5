//! The runtimes of this server: who wants to know sees them, the owner adds and removes some.
//!
//! What adding one takes is behind [`RuntimeAdmin`]. Its JSON is stable, as that of [`super::status`].

use std::path::PathBuf;
use std::sync::Arc;

use http::{Method, Response, StatusCode};
use model::error::ServiceError;
use model::port::{Pending, ReadyRuntime};
use model::runtime::{Effect, Offer, Origin, RuntimeName};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::{App, Call};
use crate::audit;
use crate::auth::Authenticated;
use crate::respond::{Body, Failure, content};

/// A body says where one runtime is.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// The longest identifier of a runtime that is looked up.
const NAME_BYTES_MAX: usize = 64;

/// Adds and removes runtimes for good. Implemented where the server is composed.
pub trait RuntimeAdmin: Send + Sync {
    /// What is behind each runtime, those that wait for the next start included. What is ready is also known without
    /// it, by name and interpreter alone.
    fn offers(&self) -> Vec<Offer> {
        Vec::new()
    }

    /// Adds a runtime, in place of an earlier one of that name.
    ///
    /// # Errors
    /// `InvalidParameterValue` when there is none, or it cannot serve that name.
    fn add(&self, name: RuntimeName, source: RuntimeSource) -> Pending<'_, Result<Effect, ServiceError>>;

    /// Forgets an added runtime.
    ///
    /// # Errors
    /// `ResourceNotFound` if none was added under that name.
    fn remove(&self, name: RuntimeName) -> Pending<'_, Result<(), ServiceError>>;
}

/// Where a runtime comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuntimeSource {
    /// A directory of this machine that holds the interpreter.
    Path(PathBuf),
    /// A container image that holds interpreter and runtime client.
    Image(String),
}

/// The body of a request that adds a runtime: exactly one of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    path: Option<PathBuf>,
    image: Option<String>,
}

/// All runtimes that functions can use here.
pub fn list(app: &App) -> Response<Body> {
    content("application/json", json!({ "runtimes": all(app) }).to_string())
}

/// One of them.
pub fn get(app: &App, name: &str) -> Result<Response<Body>, Failure> {
    let runtime = all(app).into_iter().find(|runtime| runtime["name"] == name).ok_or_else(|| {
        let name: String = name.chars().take(NAME_BYTES_MAX).collect();
        ServiceError::ResourceNotFound(format!("The runtime {name:?} is not ready here."))
    })?;
    Ok(content("application/json", runtime.to_string()))
}

/// Adds or removes a runtime, if it is the owner who asks.
pub async fn change(app: &Arc<App>, call: Call, name: &str) -> Result<Response<Body>, Failure> {
    let Call { id, head, body, entry } = call;
    let held = app.read(&head, body, entry, BODY_BYTES_MAX, "ChangeRuntimes").await?;
    let who = app.authenticator.authenticate(&head, &held.bytes, "lambda")?;
    let event = app.parts.audit.is_some().then(|| {
        audit::Event::of(audit::Call {
            service: "dormouse",
            operation: if head.method == Method::DELETE { "RemoveRuntime" } else { "AddRuntime" },
            time: app.parts.clock.now(),
            id,
            head: &head,
            peer: entry.peer,
            who: &who,
            parameters: audit::parameters([("runtimeName", name)], &held.bytes),
        })
    });
    let changed = perform(app, &who, &head.method, name, &held.bytes).await;
    if let (Some(event), Some(sink)) = (event, &app.parts.audit) {
        sink.keep(event.end(changed.as_ref().err()));
    }
    Ok(changed?)
}

async fn perform(
    app: &App,
    who: &Authenticated,
    method: &Method,
    name: &str,
    body: &[u8],
) -> Result<Response<Body>, ServiceError> {
    if !who.caller.owns(who.scope.account) {
        let message = format!(
            "User: {} is not authorized to change the runtimes of this server.",
            who.caller.standing().arn
        );
        return Err(ServiceError::AccessDenied(message));
    }
    let name = parse(name)?;
    if method == Method::DELETE {
        app.parts.runtime_admin.remove(name).await?;
        let mut response = content("application/json", "");
        *response.status_mut() = StatusCode::NO_CONTENT;
        return Ok(response);
    }
    let effect = match app.parts.runtime_admin.add(name.clone(), source(body)?).await? {
        Effect::Now => "now",
        Effect::NextStart => "next-start",
    };
    Ok(content("application/json", json!({ "name": name.as_str(), "effect": effect }).to_string()))
}

/// Every runtime as JSON, by name.
fn all(app: &App) -> Vec<Value> {
    let offers = app.parts.runtime_admin.offers();
    if offers.is_empty() {
        return app.parts.runtimes.ready().iter().map(ready).collect();
    }
    offers.iter().map(offered).collect()
}

fn ready(runtime: &ReadyRuntime) -> Value {
    let interpreter = runtime.interpreter.as_ref().map(|path| path.to_string_lossy());
    json!({ "name": runtime.name.as_str(), "interpreter": interpreter })
}

fn offered(offer: &Offer) -> Value {
    let (directory, interpreter, image, is_ready) = match &offer.origin {
        Origin::Host { interpreter } => (None, Some(interpreter), None, true),
        Origin::Added { directory, interpreter } => {
            (Some(directory), interpreter.as_ref(), None, interpreter.is_some())
        }
        Origin::Image { uri } => (None, None, Some(uri), true),
        Origin::Package => (None, None, None, true),
    };
    let path = |path: Option<&PathBuf>| path.map(|path| path.to_string_lossy().into_owned());
    json!({
        "name": offer.name.as_str(),
        "version": offer.version,
        "interpreter": path(interpreter),
        "directory": path(directory),
        "image": image,
        "ready": is_ready,
    })
}

fn parse(name: &str) -> Result<RuntimeName, ServiceError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(legal) {
        return Err(ServiceError::InvalidParameterValue(
            "A runtime is named by letters, digits, dots and hyphens, such as ruby3.3.".to_owned(),
        ));
    }
    Ok(RuntimeName::new(name))
}

fn source(body: &[u8]) -> Result<RuntimeSource, ServiceError> {
    let refused = |why: String| {
        ServiceError::InvalidParameterValue(format!(
            "The body says where the runtime is, as {{\"path\": DIRECTORY}} or {{\"image\": REFERENCE}}: {why}."
        ))
    };
    let wanted: Wanted = serde_json::from_slice(body).map_err(|error| refused(error.to_string()))?;
    match (wanted.path, wanted.image) {
        (Some(path), None) if path.is_absolute() => Ok(RuntimeSource::Path(path)),
        (Some(_), None) => Err(refused("the directory must be absolute".to_owned())),
        (None, Some(image)) if !image.is_empty() => Ok(RuntimeSource::Image(image)),
        _ => Err(refused("exactly one of the two is wanted".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(origin: Origin, expect: Value) {
        let offer = Offer { name: RuntimeName::new("ruby3.3"), version: Some("3.1.2".to_owned()), origin };
        let seen = offered(&offer);
        for (member, value) in expect.as_object().expect("an object") {
            assert_eq!(seen[member], *value, "{offer:?}: {member}");
        }
        assert_eq!((&seen["name"], &seen["version"]), (&json!("ruby3.3"), &json!("3.1.2")));
    }

    #[test]
    fn a_runtime_says_what_is_behind_it() {
        let (directory, ruby) = (PathBuf::from("/opt/ruby"), PathBuf::from("/opt/ruby/bin/ruby"));
        check(
            Origin::Host { interpreter: ruby.clone() },
            json!({ "interpreter": "/opt/ruby/bin/ruby", "directory": null, "image": null, "ready": true }),
        );
        check(
            Origin::Added { directory: directory.clone(), interpreter: Some(ruby) },
            json!({ "interpreter": "/opt/ruby/bin/ruby", "directory": "/opt/ruby", "ready": true }),
        );
        check(
            Origin::Added { directory, interpreter: None },
            json!({ "interpreter": null, "directory": "/opt/ruby", "ready": false }),
        );
        check(Origin::Image { uri: "a/b:1".to_owned() }, json!({ "image": "a/b:1", "ready": true }));
        check(Origin::Package, json!({ "interpreter": null, "image": null, "ready": true }));
    }
}
