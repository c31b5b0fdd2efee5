//! What the generator is told, and all that it is told: which operations are served, and the few places where
//! the public model needs a word from us. Everything else follows from the model.
//!
//! Serving one more operation is one more line in its service's list; the compiler then asks for its implementation.

/// How much of an operation works; the word in the golden list of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coverage {
    /// Every documented member is honoured or refused with a reason.
    Done,
    /// Served, with members that are not honoured yet.
    Partial,
}

/// One service and what is served of it.
pub(super) struct Service {
    /// Folder of the generated code, name of the golden list, and folder of botocore's data.
    pub(super) name: &'static str,
    /// The model's version folder in botocore's data.
    pub(super) api_version: &'static str,
    /// Operations served; all others of the service are routed and answered as not served.
    pub(super) operations: &'static [(&'static str, Coverage)],
    /// `Shape` or `Shape.Member` that must never reach a log although the model does not mark it.
    pub(super) sensitive: &'static [&'static str],
    /// `Shape.Member` of an enum whose unknown values the operation itself refuses, with an error of its own.
    pub(super) enums_checked_by_operation: &'static [&'static str],
    /// Patterns that the `regex` crate cannot compile, and an equal pattern that it can.
    pub(super) patterns: &'static [(&'static str, &'static str)],
}

/// AWS Lambda.
const LAMBDA: Service = Service {
    name: "lambda",
    api_version: "2015-03-31",
    operations: &[
        ("AddLayerVersionPermission", Coverage::Done),
        ("AddPermission", Coverage::Done),
        ("CheckpointDurableExecution", Coverage::Partial),
        ("CreateAlias", Coverage::Partial),
        ("CreateCapacityProvider", Coverage::Partial),
        ("CreateCodeSigningConfig", Coverage::Done),
        ("CreateEventSourceMapping", Coverage::Partial),
        ("CreateFunction", Coverage::Done),
        ("CreateFunctionUrlConfig", Coverage::Partial),
        ("DeleteAlias", Coverage::Partial),
        ("DeleteCapacityProvider", Coverage::Partial),
        ("DeleteCodeSigningConfig", Coverage::Done),
        ("DeleteDurableExecution", Coverage::Partial),
        ("DeleteEventSourceMapping", Coverage::Partial),
        ("DeleteFunction", Coverage::Done),
        ("DeleteFunctionCodeSigningConfig", Coverage::Done),
        ("DeleteFunctionConcurrency", Coverage::Partial),
        ("DeleteFunctionEventInvokeConfig", Coverage::Partial),
        ("DeleteFunctionUrlConfig", Coverage::Partial),
        ("DeleteLayerVersion", Coverage::Done),
        ("DeleteProvisionedConcurrencyConfig", Coverage::Partial),
        ("DeleteResourcePolicy", Coverage::Done),
        ("GetAccountSettings", Coverage::Partial),
        ("GetAlias", Coverage::Partial),
        ("GetCapacityProvider", Coverage::Partial),
        ("GetCodeSigningConfig", Coverage::Done),
        ("GetDurableExecution", Coverage::Partial),
        ("GetDurableExecutionHistory", Coverage::Partial),
        ("GetDurableExecutionState", Coverage::Partial),
        ("GetEventSourceMapping", Coverage::Partial),
        ("GetFunction", Coverage::Done),
        ("GetFunctionCodeSigningConfig", Coverage::Done),
        ("GetFunctionConcurrency", Coverage::Partial),
        ("GetFunctionConfiguration", Coverage::Done),
        ("GetFunctionEventInvokeConfig", Coverage::Partial),
        ("GetFunctionRecursionConfig", Coverage::Done),
        ("GetFunctionScalingConfig", Coverage::Partial),
        ("GetFunctionUrlConfig", Coverage::Partial),
        ("GetLayerVersion", Coverage::Done),
        ("GetLayerVersionByArn", Coverage::Done),
        ("GetLayerVersionPolicy", Coverage::Done),
        ("GetPolicy", Coverage::Done),
        ("GetProvisionedConcurrencyConfig", Coverage::Partial),
        ("GetResourcePolicy", Coverage::Done),
        ("GetRuntimeManagementConfig", Coverage::Done),
        ("Invoke", Coverage::Done),
        ("InvokeAsync", Coverage::Partial),
        ("InvokeWithResponseStream", Coverage::Done),
        ("ListAliases", Coverage::Partial),
        ("ListCapacityProviders", Coverage::Partial),
        ("ListCodeSigningConfigs", Coverage::Done),
        ("ListDurableExecutionsByFunction", Coverage::Partial),
        ("ListEventSourceMappings", Coverage::Partial),
        ("ListFunctionEventInvokeConfigs", Coverage::Partial),
        ("ListFunctionUrlConfigs", Coverage::Partial),
        ("ListFunctionVersionsByCapacityProvider", Coverage::Partial),
        ("ListFunctions", Coverage::Done),
        ("ListFunctionsByCodeSigningConfig", Coverage::Done),
        ("ListLayerVersions", Coverage::Done),
        ("ListLayers", Coverage::Done),
        ("ListProvisionedConcurrencyConfigs", Coverage::Partial),
        ("ListTags", Coverage::Done),
        ("ListVersionsByFunction", Coverage::Partial),
        ("PauseDurableExecution", Coverage::Partial),
        ("PublishLayerVersion", Coverage::Done),
        ("PublishVersion", Coverage::Partial),
        ("PutFunctionCodeSigningConfig", Coverage::Done),
        ("PutFunctionConcurrency", Coverage::Partial),
        ("PutFunctionEventInvokeConfig", Coverage::Partial),
        ("PutFunctionRecursionConfig", Coverage::Done),
        ("PutFunctionScalingConfig", Coverage::Partial),
        ("PutProvisionedConcurrencyConfig", Coverage::Partial),
        ("PutResourcePolicy", Coverage::Done),
        ("PutRuntimeManagementConfig", Coverage::Done),
        ("RemoveLayerVersionPermission", Coverage::Done),
        ("RemovePermission", Coverage::Done),
        ("ResumeDurableExecution", Coverage::Partial),
        ("SendDurableExecutionCallbackFailure", Coverage::Partial),
        ("SendDurableExecutionCallbackHeartbeat", Coverage::Partial),
        ("SendDurableExecutionCallbackSuccess", Coverage::Partial),
        ("StopDurableExecution", Coverage::Partial),
        ("TagResource", Coverage::Done),
        ("UntagResource", Coverage::Done),
        ("UpdateAlias", Coverage::Partial),
        ("UpdateCapacityProvider", Coverage::Partial),
        ("UpdateCodeSigningConfig", Coverage::Done),
        ("UpdateEventSourceMapping", Coverage::Partial),
        ("UpdateFunctionCode", Coverage::Done),
        ("UpdateFunctionConfiguration", Coverage::Done),
        ("UpdateFunctionEventInvokeConfig", Coverage::Partial),
        ("UpdateFunctionUrlConfig", Coverage::Partial),
    ],
    // The shape is the signed address of a function's code; the members carry what a caller or function wrote.
    sensitive: &[
        "SensitiveStringOnServerOnly",
        "InvocationRequest.ClientContext",
        "InvocationResponse.LogResult",
        "InvokeWithResponseStreamCompleteEvent.ErrorDetails",
        "InvokeWithResponseStreamCompleteEvent.LogResult",
        "InvokeWithResponseStreamRequest.ClientContext",
    ],
    // Lambda answers InvalidParameterValueException and also takes an ARN there.
    enums_checked_by_operation: &[
        "CreateFunctionRequest.Runtime",
        "UpdateFunctionConfigurationRequest.Runtime",
    ],
    patterns: &[
        (r"[0-9A-Za-z\.\-_]*(?<!\.)", r"([0-9A-Za-z.\-_]*[0-9A-Za-z\-_])?"),
        // Not digits alone.
        (r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)", r"[0-9]*[a-zA-Z\-_][a-zA-Z0-9\-_]*"),
        (r"((?!^\d+$)^[0-9a-zA-Z-_]+$)", r"[0-9]*[a-zA-Z\-_][a-zA-Z0-9\-_]*"),
        (
            r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:((?!\d+$)[0-9a-zA-Z-_]+))?",
            r"(arn:(aws[a-zA-Z\-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-[0-9]{1}:)?([0-9]{12}:)?(function:)?([a-zA-Z0-9\-_]{1,64})(:([0-9]*[a-zA-Z\-_][0-9a-zA-Z\-_]*))?",
        ),
        // Does not begin with `system.`.
        (
            r"(^(?!(system\x2e)))(^[_a-zA-Z0-9])([^$]*)",
            r"([_a-rt-zA-Z0-9][^$]*|s([^y$][^$]*)?|sy([^s$][^$]*)?|sys([^t$][^$]*)?|syst([^e$][^$]*)?|syste([^m$][^$]*)?|system([^.$][^$]*)?)",
        ),
    ],
};

/// Amazon Elastic Container Registry.
const ECR: Service = Service {
    name: "ecr",
    api_version: "2015-09-21",
    operations: &[
        ("BatchCheckLayerAvailability", Coverage::Done),
        ("BatchDeleteImage", Coverage::Done),
        ("BatchGetImage", Coverage::Done),
        ("CompleteLayerUpload", Coverage::Done),
        ("CreateRepository", Coverage::Partial),
        ("DeleteRepository", Coverage::Done),
        ("DeleteRepositoryPolicy", Coverage::Done),
        ("DescribeImages", Coverage::Done),
        ("DescribeRegistry", Coverage::Done),
        ("DescribeRepositories", Coverage::Done),
        ("GetAuthorizationToken", Coverage::Done),
        ("GetDownloadUrlForLayer", Coverage::Done),
        ("GetRepositoryPolicy", Coverage::Done),
        ("InitiateLayerUpload", Coverage::Done),
        ("ListImages", Coverage::Done),
        ("ListTagsForResource", Coverage::Done),
        ("PutImage", Coverage::Done),
        ("PutImageTagMutability", Coverage::Partial),
        ("SetRepositoryPolicy", Coverage::Done),
        ("TagResource", Coverage::Done),
        ("UntagResource", Coverage::Done),
        ("UploadLayerPart", Coverage::Done),
    ],
    // Both let their holder in: a password, and an address that needs none.
    sensitive: &["AuthorizationData.authorizationToken", "GetDownloadUrlForLayerResponse.downloadUrl"],
    enums_checked_by_operation: &[],
    patterns: &[],
};

/// Every service that code is generated for.
pub(super) const SERVICES: &[Service] = &[ECR, LAMBDA];
