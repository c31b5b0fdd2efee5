//! Lambda's operations: each request read into its generated type, its caller authorized, and handed to the file
//! of its family. Conversions between wire and domain types are written out in `request` and `configuration`.

mod configuration;
mod function;
mod invoke;
mod layer;
mod request;
mod source;
mod stream;
mod unserved;

pub use request::reference;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use model::error::ServiceError;
use model::limits;
use model::name::FunctionReference;
use wire::lambda::{Input, Operation, route};
use wire::rest_json::{self, Request};

use crate::app::{Answered, App, Call};
use crate::auth::Authenticated;
use crate::respond::{Body, Failure, whole};

/// The signing name.
const SERVICE: &str = "lambda";
/// Bodies from this size on are hashed and parsed off the async threads: it takes milliseconds.
const HEAVY_BYTES_MIN: usize = 512 * 1024;

/// A request on its way to an operation's family.
struct Asked<'a> {
    app: &'a Arc<App>,
    who: Authenticated,
    call: Context,
}

/// What is left of a call once its input has been read.
struct Context {
    id: model::id::RequestId,
    head: Parts,
    local: std::net::SocketAddr,
}

/// Answers a request to Lambda.
pub async fn answer(app: &Arc<App>, call: Call) -> Answered {
    let Call { id, head, body, entry } = call;
    let operation = find(&head);
    let name = operation.map_or("unknown", Operation::name);
    let answered = async {
        let (limit_bytes, named) = (body_bytes_max(app, operation), message_name(operation));
        let held = app.read(&head, body, entry, limit_bytes, named).await?;
        let (who, input, head) = admit_anywhere(app, head, held.bytes.clone()).await?;
        perform(Asked { app, who, call: Context { id, head, local: entry.local } }, input).await
    };
    (name, answered.await)
}

fn find(head: &Parts) -> Option<Operation> {
    let query = head.uri.query().unwrap_or_default();
    route(head.method.as_str(), head.uri.path(), query).map(|(operation, _)| operation)
}

fn body_bytes_max(app: &App, operation: Option<Operation>) -> usize {
    match operation {
        Some(Operation::CreateFunction | Operation::UpdateFunctionCode | Operation::PublishLayerVersion) => {
            limits::REQUEST_BYTES_MAX
        }
        Some(Operation::Invoke | Operation::InvokeWithResponseStream) => app.parts.payload_bytes_max,
        _ => limits::PAYLOAD_SYNC_BYTES_MAX,
    }
}

/// The operation as AWS's message about size names it.
fn message_name(operation: Option<Operation>) -> &'static str {
    match operation {
        Some(Operation::Invoke) => "InvokeFunction",
        Some(other) => other.name(),
        None => "unknown",
    }
}

async fn admit_anywhere(
    app: &Arc<App>,
    head: Parts,
    body: Bytes,
) -> Result<(Authenticated, Input, Parts), Failure> {
    if body.len() < HEAVY_BYTES_MIN {
        let (who, input) = admit(app, &head, &body)?;
        return Ok((who, input, head));
    }
    let app = Arc::clone(app);
    let admitted = tokio::task::spawn_blocking(move || {
        let (who, input) = admit(&app, &head, &body)?;
        Ok((who, input, head))
    });
    admitted.await.unwrap_or_else(|error| {
        tracing::error!(%error, "reading a request broke off");
        Err(ServiceError::Internal("The request could not be read.".to_owned()).into())
    })
}

/// Finds the caller, then reads and checks the input; in this order, so that strangers learn nothing.
fn admit(app: &App, head: &Parts, body: &Bytes) -> Result<(Authenticated, Input), Failure> {
    let who = app.authenticator.authenticate(head, body, SERVICE)?;
    let (method, path) = (head.method.as_str(), head.uri.path());
    let query = head.uri.query().unwrap_or_default();
    let (operation, labels) = route(method, path, query).ok_or_else(|| {
        let shown: String = path.chars().take(100).collect();
        ServiceError::UnknownOperation(format!("No operation of Lambda answers to {method} {shown:?}."))
    })?;
    let request = Request { labels, query, headers: &head.headers, body };
    match Input::accept(operation, &request) {
        None => Err(ServiceError::NotServed(format!(
            "This version of Dormouse does not serve the operation {} yet.",
            operation.name()
        ))
        .into()),
        Some(read) => Ok((who, read.map_err(ServiceError::from)?)),
    }
}

async fn perform(asked: Asked<'_>, input: Input) -> Result<Response<Body>, Failure> {
    match input {
        Input::Invoke(input) => invoke::invoke(&asked, input).await,
        // Kept apart, so that the future of every call is no larger than that of an invocation.
        other => Box::pin(perform_other(asked, other)).await,
    }
}

async fn perform_other(asked: Asked<'_>, input: Input) -> Result<Response<Body>, Failure> {
    match input {
        Input::Invoke(input) => invoke::invoke(&asked, input).await,
        Input::CreateFunction(input) => function::create(&asked, input).await,
        Input::GetFunction(input) => function::get(&asked, &input),
        Input::GetFunctionConfiguration(input) => function::get_configuration(&asked, &input),
        Input::ListFunctions(input) => function::list(&asked, &input),
        Input::UpdateFunctionCode(input) => function::update_code(&asked, input).await,
        Input::UpdateFunctionConfiguration(input) => function::update_configuration(&asked, input).await,
        Input::DeleteFunction(input) => function::delete(&asked, &input).await,
        Input::InvokeWithResponseStream(input) => stream::invoke(&asked, input).await,
        Input::PublishLayerVersion(input) => layer::publish(&asked, input).await,
        Input::GetLayerVersion(input) => layer::get(&asked, &input),
        Input::GetLayerVersionByArn(input) => layer::get_by_arn(&asked, &input),
        Input::DeleteLayerVersion(input) => layer::delete(&asked, &input).await,
        Input::ListLayers(input) => layer::list(&asked, &input),
        Input::ListLayerVersions(input) => layer::list_versions(&asked, &input),
    }
}

/// The answer that an operation with input `I` gives.
fn respond<I: rest_json::Call<Output = O>, O: rest_json::Output>(output: &O) -> Response<Body> {
    whole(output.reply(I::HTTP))
}

impl Asked<'_> {
    /// Whether the caller may do `action` to a function.
    fn authorize(&self, action: &str, reference: &FunctionReference) -> Result<(), ServiceError> {
        self.who.caller.authorize(action, Resource { scope: &self.who.scope, reference })
    }
}

/// The ARN that a reference means to this caller, written only when a denial names it.
struct Resource<'a> {
    scope: &'a model::arn::Scope,
    reference: &'a FunctionReference,
}

impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let region = self.reference.region.as_ref().unwrap_or(&self.scope.region);
        let account = self.reference.account.unwrap_or(self.scope.account);
        write!(f, "arn:aws:lambda:{region}:{account}:function:{}", self.reference.name)?;
        self.reference.qualifier.as_ref().map_or(Ok(()), |qualifier| write!(f, ":{qualifier}"))
    }
}
