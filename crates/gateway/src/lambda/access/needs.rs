//! What each operation needs: one action on one resource, and for functions what they take along.
//!
//! The table is complete by the compiler: an operation that is not in it does not build. Its rows are in the words of
//! the Service Authorization Reference, "Actions, resources, and condition keys for AWS Lambda".

use wire::lambda::Input;

/// The resource of an action, as a request names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// A function, or one version or alias of it.
    Function { name: Option<&'a str>, qualifier: Option<&'a str> },
    /// A layer, or one version of it.
    Layer { name: Option<&'a str>, number: Option<i64> },
    /// A capacity provider.
    CapacityProvider(Option<&'a str>),
    /// An event source mapping.
    EventSource(Option<&'a str>),
    /// Whatever this ARN names.
    Arn(Option<&'a str>),
    /// A role that is handed over to Lambda.
    Role(&'a str),
    /// The action knows no resource.
    Everything,
}

/// Operations whose target is found in the same way stand together.
macro_rules! targets {
    ($input:expr; $($bound:ident => $target:expr, for [$($operation:ident)*];)*) => {
        match $input {
            Input::Invoke(input) => {
                ("lambda:InvokeFunction", named(&input.function_name, &input.qualifier))
            }
            Input::InvokeWithResponseStream(input) => {
                ("lambda:InvokeFunction", named(&input.function_name, &input.qualifier))
            }
            Input::InvokeAsync(input) => ("lambda:InvokeFunction", named(&input.function_name, &None)),
            Input::GetLayerVersionByArn(input) => {
                ("lambda:GetLayerVersion", Target::Arn(input.arn.as_deref()))
            }
            $($(Input::$operation($bound) => (concat!("lambda:", stringify!($operation)), $target),)*)*
        }
    };
}

/// The action of an operation, and what it is done to.
pub(super) fn own(input: &Input) -> (&'static str, Target<'_>) {
    targets! { input;
        it => named(&it.function_name, &it.qualifier), for [
            AddPermission RemovePermission GetPolicy GetFunction GetFunctionConfiguration DeleteFunction
            CreateFunctionUrlConfig GetFunctionUrlConfig UpdateFunctionUrlConfig DeleteFunctionUrlConfig
            PutFunctionEventInvokeConfig GetFunctionEventInvokeConfig UpdateFunctionEventInvokeConfig
            DeleteFunctionEventInvokeConfig PutProvisionedConcurrencyConfig GetProvisionedConcurrencyConfig
            DeleteProvisionedConcurrencyConfig PutFunctionScalingConfig GetFunctionScalingConfig
            PutRuntimeManagementConfig GetRuntimeManagementConfig ListDurableExecutionsByFunction
        ];
        it => named(&it.function_name, &None), for [
            CreateFunction UpdateFunctionCode UpdateFunctionConfiguration PublishVersion ListVersionsByFunction
            CreateAlias GetAlias UpdateAlias DeleteAlias ListAliases PutFunctionConcurrency GetFunctionConcurrency
            DeleteFunctionConcurrency ListProvisionedConcurrencyConfigs ListFunctionEventInvokeConfigs
            ListFunctionUrlConfigs PutFunctionCodeSigningConfig GetFunctionCodeSigningConfig
            DeleteFunctionCodeSigningConfig PutFunctionRecursionConfig GetFunctionRecursionConfig
        ];
        it => Target::Layer { name: it.layer_name.as_deref(), number: it.version_number }, for [
            GetLayerVersion DeleteLayerVersion AddLayerVersionPermission RemoveLayerVersionPermission
            GetLayerVersionPolicy
        ];
        it => Target::Layer { name: it.layer_name.as_deref(), number: None }, for [
            PublishLayerVersion ListLayerVersions
        ];
        it => Target::Arn(it.resource_arn.as_deref()), for [
            PutResourcePolicy GetResourcePolicy DeleteResourcePolicy
        ];
        it => Target::Arn(it.resource.as_deref()), for [TagResource UntagResource ListTags];
        it => Target::Arn(it.code_signing_config_arn.as_deref()), for [
            GetCodeSigningConfig UpdateCodeSigningConfig DeleteCodeSigningConfig ListFunctionsByCodeSigningConfig
        ];
        it => Target::Arn(it.durable_execution_arn.as_deref()), for [
            CheckpointDurableExecution GetDurableExecution GetDurableExecutionHistory GetDurableExecutionState
            StopDurableExecution PauseDurableExecution ResumeDurableExecution DeleteDurableExecution
        ];
        it => Target::CapacityProvider(it.capacity_provider_name.as_deref()), for [
            CreateCapacityProvider GetCapacityProvider UpdateCapacityProvider DeleteCapacityProvider
            ListFunctionVersionsByCapacityProvider
        ];
        it => Target::EventSource(it.uuid.as_deref()), for [
            GetEventSourceMapping UpdateEventSourceMapping DeleteEventSourceMapping
        ];
        _it => Target::Everything, for [
            ListFunctions ListLayers GetAccountSettings ListCapacityProviders CreateCodeSigningConfig
            ListCodeSigningConfigs CreateEventSourceMapping ListEventSourceMappings
            SendDurableExecutionCallbackSuccess SendDurableExecutionCallbackFailure
            SendDurableExecutionCallbackHeartbeat
        ];
    }
}

/// What else an operation needs: the role that it hands over, and the layers that it reads.
pub(super) fn further(input: &Input) -> impl Iterator<Item = (&'static str, Target<'_>)> {
    let (role, layers) = match input {
        Input::CreateFunction(input) => (input.role.as_deref(), input.layers.as_deref()),
        Input::UpdateFunctionConfiguration(input) => (input.role.as_deref(), input.layers.as_deref()),
        Input::CreateCapacityProvider(input) => {
            let permissions = input.permissions_config.as_ref();
            (permissions.and_then(|it| it.capacity_provider_operator_role_arn.as_deref()), None)
        }
        _ => (None, None),
    };
    let role = role.map(|arn| ("iam:PassRole", Target::Role(arn)));
    let layer = |arn| ("lambda:GetLayerVersion", Target::Arn(Some(arn)));
    role.into_iter().chain(layers.unwrap_or_default().iter().map(String::as_str).map(layer))
}

/// A function that a request names without doing anything to it itself: it has to be the caller's own.
pub(super) fn mentioned(input: &Input) -> Option<&str> {
    match input {
        Input::CreateEventSourceMapping(input) => input.function_name.as_deref(),
        Input::UpdateEventSourceMapping(input) => input.function_name.as_deref(),
        Input::ListEventSourceMappings(input) => input.function_name.as_deref(),
        _ => None,
    }
}

fn named<'a>(name: &'a Option<String>, qualifier: &'a Option<String>) -> Target<'a> {
    Target::Function { name: name.as_deref(), qualifier: qualifier.as_deref() }
}
