//! Lambda's operations: each request read into its generated type, its caller authorized, and handed to the file
//! of its family. Conversions between wire and domain types are written out in `request` and `configuration`.

mod access;
mod alias;
mod capacity;
mod code_signing;
mod concurrency;
mod configuration;
mod durable;
mod event_invoke;
mod event_source;
mod function;
pub mod invoke;
mod layer;
mod management;
mod policy;
mod request;
mod source;
mod stream;
mod tags;
mod told;
mod unserved;
mod url;
mod version;

pub use request::reference;

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use model::error::ServiceError;
use model::limits;
use wire::lambda::{Input, Operation, route};
use wire::rest_json::{self, Request};

use crate::app::{Answered, App, Call, Entry};
use crate::audit;
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
    /// Whether a function sent it.
    is_inside: bool,
    peer: Option<std::net::SocketAddr>,
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
        if is_control(&input) {
            app.throttle.take(who.scope.account, app.parts.clock.now())?;
        }
        let event = kept(app, operation, &input).map(|name| {
            let parameters = parameters_of(&head, &input, &held.bytes);
            let (service, time, peer) = (SERVICE, app.parts.clock.now(), entry.peer);
            audit::Event::of(audit::Call {
                service,
                operation: name,
                time,
                id,
                head: &head,
                peer,
                who: &who,
                parameters,
            })
        });
        let Entry { local, peer, is_inside } = entry;
        let call = Context { id, head, local, is_inside, peer };
        let answered = perform(Asked { app, who, call }, input).await;
        if let (Some(event), Some(sink)) = (event, &app.parts.audit) {
            let error = match &answered {
                Err(Failure::Service(error)) => Some(error),
                // Who is not known has not come this far.
                Err(Failure::Auth(_)) | Ok(_) => None,
            };
            sink.keep(event.end(error));
        }
        answered
    };
    (name, answered.await)
}

/// The name of a call that the audit log keeps.
fn kept(app: &App, operation: Option<Operation>, input: &Input) -> Option<&'static str> {
    operation.filter(|_| app.parts.audit.is_some() && is_control(input)).map(Operation::name)
}

/// Whether a call is no invocation and no step of a durable execution.
fn is_control(input: &Input) -> bool {
    !matches!(
        input,
        Input::Invoke(_)
            | Input::InvokeAsync(_)
            | Input::InvokeWithResponseStream(_)
            | Input::CheckpointDurableExecution(_)
            | Input::GetDurableExecutionState(_)
            | Input::SendDurableExecutionCallbackSuccess(_)
            | Input::SendDurableExecutionCallbackFailure(_)
            | Input::SendDurableExecutionCallbackHeartbeat(_)
    )
}

fn parameters_of(head: &Parts, input: &Input, body: &Bytes) -> serde_json::Map<String, serde_json::Value> {
    let query = head.uri.query().unwrap_or_default();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let routed = route(head.method.as_str(), head.uri.path(), query);
    let labels = routed.as_ref().map(|(_, labels)| labels);
    // Of a body too large to be read again: whose code it is.
    let large = match input {
        Input::CreateFunction(input) => input.function_name.as_deref(),
        _ => None,
    };
    let large = large.map(|name| ("FunctionName", name));
    audit::parameters(labels.into_iter().flat_map(|labels| labels.iter()).chain(pairs).chain(large), body)
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
    access::check(&asked, &input)?;
    match input {
        Input::Invoke(input) => invoke::invoke(&asked, input).await,
        Input::InvokeAsync(input) => event_invoke::invoke_async(&asked, input).await,
        // Kept apart, so that the future of every call is no larger than that of an invocation.
        other => Box::pin(perform_other(asked, other)).await,
    }
}

// tidy: table
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
        Input::CreateAlias(input) => alias::create_alias(&asked, input).await,
        Input::GetAlias(input) => alias::get_alias(&asked, input).await,
        Input::UpdateAlias(input) => alias::update_alias(&asked, input).await,
        Input::DeleteAlias(input) => alias::delete_alias(&asked, input).await,
        Input::ListAliases(input) => alias::list_aliases(&asked, input).await,
        Input::PublishVersion(input) => version::publish_version(&asked, input).await,
        Input::ListVersionsByFunction(input) => version::list_versions_by_function(&asked, input).await,
        Input::GetFunctionConcurrency(input) => concurrency::get_function_concurrency(&asked, input).await,
        Input::PutFunctionConcurrency(input) => concurrency::put_function_concurrency(&asked, input).await,
        Input::DeleteFunctionConcurrency(input) => {
            concurrency::delete_function_concurrency(&asked, input).await
        }
        Input::PutProvisionedConcurrencyConfig(input) => {
            concurrency::put_provisioned_concurrency_config(&asked, input).await
        }
        Input::GetProvisionedConcurrencyConfig(input) => {
            concurrency::get_provisioned_concurrency_config(&asked, input).await
        }
        Input::DeleteProvisionedConcurrencyConfig(input) => {
            concurrency::delete_provisioned_concurrency_config(&asked, input).await
        }
        Input::ListProvisionedConcurrencyConfigs(input) => {
            concurrency::list_provisioned_concurrency_configs(&asked, input).await
        }
        Input::GetAccountSettings(input) => concurrency::get_account_settings(&asked, input).await,
        Input::PutFunctionScalingConfig(input) => {
            concurrency::put_function_scaling_config(&asked, input).await
        }
        Input::GetFunctionScalingConfig(input) => {
            concurrency::get_function_scaling_config(&asked, input).await
        }
        Input::CreateCapacityProvider(input) => capacity::create_capacity_provider(&asked, input).await,
        Input::GetCapacityProvider(input) => capacity::get_capacity_provider(&asked, input).await,
        Input::UpdateCapacityProvider(input) => capacity::update_capacity_provider(&asked, input).await,
        Input::DeleteCapacityProvider(input) => capacity::delete_capacity_provider(&asked, input).await,
        Input::ListCapacityProviders(input) => capacity::list_capacity_providers(&asked, input).await,
        Input::ListFunctionVersionsByCapacityProvider(input) => {
            capacity::list_function_versions_by_capacity_provider(&asked, input).await
        }
        Input::PutFunctionEventInvokeConfig(input) => {
            event_invoke::put_function_event_invoke_config(&asked, input).await
        }
        Input::UpdateFunctionEventInvokeConfig(input) => {
            event_invoke::update_function_event_invoke_config(&asked, input).await
        }
        Input::GetFunctionEventInvokeConfig(input) => {
            event_invoke::get_function_event_invoke_config(&asked, input).await
        }
        Input::DeleteFunctionEventInvokeConfig(input) => {
            event_invoke::delete_function_event_invoke_config(&asked, input).await
        }
        Input::ListFunctionEventInvokeConfigs(input) => {
            event_invoke::list_function_event_invoke_configs(&asked, input).await
        }
        Input::InvokeAsync(input) => event_invoke::invoke_async(&asked, input).await,
        Input::CreateEventSourceMapping(input) => {
            event_source::create_event_source_mapping(&asked, input).await
        }
        Input::GetEventSourceMapping(input) => event_source::get_event_source_mapping(&asked, input).await,
        Input::UpdateEventSourceMapping(input) => {
            event_source::update_event_source_mapping(&asked, input).await
        }
        Input::DeleteEventSourceMapping(input) => {
            event_source::delete_event_source_mapping(&asked, input).await
        }
        Input::ListEventSourceMappings(input) => {
            event_source::list_event_source_mappings(&asked, input).await
        }
        Input::CreateFunctionUrlConfig(input) => url::create_function_url_config(&asked, input).await,
        Input::GetFunctionUrlConfig(input) => url::get_function_url_config(&asked, input).await,
        Input::UpdateFunctionUrlConfig(input) => url::update_function_url_config(&asked, input).await,
        Input::DeleteFunctionUrlConfig(input) => url::delete_function_url_config(&asked, input).await,
        Input::ListFunctionUrlConfigs(input) => url::list_function_url_configs(&asked, input).await,
        Input::CheckpointDurableExecution(input) => {
            durable::checkpoint_durable_execution(&asked, input).await
        }
        Input::DeleteDurableExecution(input) => durable::delete_durable_execution(&asked, input).await,
        Input::GetDurableExecution(input) => durable::get_durable_execution(&asked, input).await,
        Input::GetDurableExecutionHistory(input) => {
            durable::get_durable_execution_history(&asked, input).await
        }
        Input::GetDurableExecutionState(input) => durable::get_durable_execution_state(&asked, input).await,
        Input::ListDurableExecutionsByFunction(input) => {
            durable::list_durable_executions_by_function(&asked, input).await
        }
        Input::PauseDurableExecution(input) => durable::pause_durable_execution(&asked, input).await,
        Input::ResumeDurableExecution(input) => durable::resume_durable_execution(&asked, input).await,
        Input::SendDurableExecutionCallbackFailure(input) => {
            durable::send_durable_execution_callback_failure(&asked, input).await
        }
        Input::SendDurableExecutionCallbackHeartbeat(input) => {
            durable::send_durable_execution_callback_heartbeat(&asked, input).await
        }
        Input::SendDurableExecutionCallbackSuccess(input) => {
            durable::send_durable_execution_callback_success(&asked, input).await
        }
        Input::StopDurableExecution(input) => durable::stop_durable_execution(&asked, input).await,
        Input::AddPermission(input) => policy::add_permission(&asked, input).await,
        Input::RemovePermission(input) => policy::remove_permission(&asked, input).await,
        Input::GetPolicy(input) => policy::get_policy(&asked, input).await,
        Input::PutResourcePolicy(input) => policy::put_resource_policy(&asked, input).await,
        Input::GetResourcePolicy(input) => policy::get_resource_policy(&asked, input).await,
        Input::DeleteResourcePolicy(input) => policy::delete_resource_policy(&asked, input).await,
        Input::AddLayerVersionPermission(input) => policy::add_layer_version_permission(&asked, input).await,
        Input::RemoveLayerVersionPermission(input) => {
            policy::remove_layer_version_permission(&asked, input).await
        }
        Input::GetLayerVersionPolicy(input) => policy::get_layer_version_policy(&asked, input).await,
        Input::CreateCodeSigningConfig(input) => {
            code_signing::create_code_signing_config(&asked, input).await
        }
        Input::GetCodeSigningConfig(input) => code_signing::get_code_signing_config(&asked, input).await,
        Input::UpdateCodeSigningConfig(input) => {
            code_signing::update_code_signing_config(&asked, input).await
        }
        Input::DeleteCodeSigningConfig(input) => {
            code_signing::delete_code_signing_config(&asked, input).await
        }
        Input::ListCodeSigningConfigs(input) => code_signing::list_code_signing_configs(&asked, input).await,
        Input::ListFunctionsByCodeSigningConfig(input) => {
            code_signing::list_functions_by_code_signing_config(&asked, input).await
        }
        Input::PutFunctionCodeSigningConfig(input) => {
            code_signing::put_function_code_signing_config(&asked, input).await
        }
        Input::GetFunctionCodeSigningConfig(input) => {
            code_signing::get_function_code_signing_config(&asked, input).await
        }
        Input::DeleteFunctionCodeSigningConfig(input) => {
            code_signing::delete_function_code_signing_config(&asked, input).await
        }
        Input::PutRuntimeManagementConfig(input) => {
            management::put_runtime_management_config(&asked, input).await
        }
        Input::GetRuntimeManagementConfig(input) => {
            management::get_runtime_management_config(&asked, input).await
        }
        Input::PutFunctionRecursionConfig(input) => {
            management::put_function_recursion_config(&asked, input).await
        }
        Input::GetFunctionRecursionConfig(input) => {
            management::get_function_recursion_config(&asked, input).await
        }
        Input::TagResource(input) => tags::tag_resource(&asked, input).await,
        Input::UntagResource(input) => tags::untag_resource(&asked, input).await,
        Input::ListTags(input) => tags::list_tags(&asked, input).await,
    }
}

/// The answer that an operation with input `I` gives.
fn respond<I: rest_json::Call<Output = O>, O: rest_json::Output>(output: &O) -> Response<Body> {
    whole(output.reply(I::HTTP))
}
