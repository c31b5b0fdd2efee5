//! What each operation needs: one action on one resource, and for functions what they take along.
//!
//! The table is complete by the compiler: an operation that is not in it does not build. Its rows are in the words of
//! the Service Authorization Reference, "Actions, resources, and condition keys for AWS Lambda".

use std::collections::BTreeMap;

use wire::lambda::Input;

/// The resource of an action, as a request names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// A function, or one version or alias of it.
    Function { name: Option<&'a str>, qualifier: Option<&'a str> },
    /// A function as a whole; `$LATEST` behind its name is no more than that.
    Whole(Option<&'a str>),
    /// A layer, or one version of it.
    Layer { name: Option<&'a str>, number: Option<i64> },
    /// A capacity provider.
    CapacityProvider(Option<&'a str>),
    /// An event source mapping.
    EventSource(Option<&'a str>),
    /// Something of this kind that gets its id when it is made.
    New(&'static str),
    /// Whatever this ARN names.
    Arn(Option<&'a str>),
    /// An object with code.
    Object { bucket: Option<&'a str>, key: Option<&'a str> },
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
        it => Target::Whole(it.function_name.as_deref()), for [
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

/// What else an operation needs: the role that it hands over, the code and layers that it reads, the capacity provider and
/// the configuration that it binds to, and to tag what it makes with tags.
pub(super) fn further(input: &Input) -> Vec<(&'static str, Target<'_>)> {
    let mut needs = Vec::new();
    let tagged = |tags: &Option<BTreeMap<String, String>>| tags.as_ref().is_some_and(|tags| !tags.is_empty());
    let (layers, new) = match input {
        Input::CreateFunction(input) => {
            let new = Target::Whole(input.function_name.as_deref());
            (input.layers.as_deref(), tagged(&input.tags).then_some(new))
        }
        Input::UpdateFunctionConfiguration(input) => (input.layers.as_deref(), None),
        Input::CreateEventSourceMapping(input) => {
            (None, tagged(&input.tags).then_some(Target::New("event-source-mapping")))
        }
        Input::CreateCodeSigningConfig(input) => {
            (None, tagged(&input.tags).then_some(Target::New("code-signing-config")))
        }
        Input::CreateCapacityProvider(input) => {
            let new = Target::CapacityProvider(input.capacity_provider_name.as_deref());
            (None, tagged(&input.tags).then_some(new))
        }
        Input::PutFunctionCodeSigningConfig(input) => {
            let arn = input.code_signing_config_arn.as_deref();
            needs.push(("lambda:PutFunctionCodeSigningConfig", Target::Arn(arn)));
            (None, None)
        }
        _ => (None, None),
    };
    needs.extend(role(input).map(|arn| ("iam:PassRole", Target::Role(arn))));
    needs.extend(object(input));
    let provider = provider(input).map(|arn| Target::CapacityProvider(Some(arn)));
    needs.extend(provider.map(|provider| ("lambda:PassCapacityProvider", provider)));
    let layers = layers.unwrap_or_default().iter().map(String::as_str);
    needs.extend(layers.map(|arn| ("lambda:GetLayerVersion", Target::Arn(Some(arn)))));
    needs.extend(new.map(|new| ("lambda:TagResource", new)));
    needs
}

/// The function URL that an operation is about and leaves as open as it is: whose it is, and its qualifier.
pub(super) fn address(input: &Input) -> Option<(Option<&str>, Option<&str>)> {
    match input {
        Input::GetFunctionUrlConfig(input) => {
            Some((input.function_name.as_deref(), input.qualifier.as_deref()))
        }
        Input::DeleteFunctionUrlConfig(input) => {
            Some((input.function_name.as_deref(), input.qualifier.as_deref()))
        }
        Input::UpdateFunctionUrlConfig(input) if input.auth_type.is_none() => {
            Some((input.function_name.as_deref(), input.qualifier.as_deref()))
        }
        _ => None,
    }
}

/// The role that an operation hands over.
pub(super) fn role(input: &Input) -> Option<&str> {
    match input {
        Input::CreateFunction(input) => input.role.as_deref(),
        Input::UpdateFunctionConfiguration(input) => input.role.as_deref(),
        Input::CreateCapacityProvider(input) => {
            input.permissions_config.as_ref()?.capacity_provider_operator_role_arn.as_deref()
        }
        _ => None,
    }
}

/// The right to read the object that an operation takes code from.
///
/// Source: Lambda API reference, `CreateFunction`, `FunctionCode`; Amazon S3's actions for one version of an object.
fn object(input: &Input) -> Option<(&'static str, Target<'_>)> {
    let (bucket, key, version) = match input {
        Input::CreateFunction(input) => {
            let code = input.code.as_ref()?;
            (&code.s3_bucket, &code.s3_key, &code.s3_object_version)
        }
        Input::UpdateFunctionCode(input) => (&input.s3_bucket, &input.s3_key, &input.s3_object_version),
        Input::PublishLayerVersion(input) => {
            let content = input.content.as_ref()?;
            (&content.s3_bucket, &content.s3_key, &content.s3_object_version)
        }
        _ => return None,
    };
    if bucket.is_none() && key.is_none() {
        return None;
    }
    let action = if version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
    Some((action, Target::Object { bucket: bucket.as_deref(), key: key.as_deref() }))
}

/// The capacity provider that an operation lets a function run on.
///
/// Source: Lambda Developer Guide, "Permissions for Lambda Managed Instances".
fn provider(input: &Input) -> Option<&str> {
    let config = match input {
        Input::CreateFunction(input) => &input.capacity_provider_config,
        Input::UpdateFunctionConfiguration(input) => &input.capacity_provider_config,
        _ => return None,
    };
    let instances = config.as_ref()?.lambda_managed_instances_capacity_provider_config.as_ref()?;
    instances.capacity_provider_arn.as_deref()
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
