//! What the generator is told, and all that it is told: which operations are served, and the few places where
//! the public model needs a word from us. Everything else follows from the model.
//!
//! Serving one more operation is one more line in its service's list; the compiler then asks for its implementation.

mod events;
mod logs;
mod scheduler;
mod sns;
mod sqs;

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
        ("CheckpointDurableExecution", Coverage::Done),
        ("CreateAlias", Coverage::Done),
        ("CreateCapacityProvider", Coverage::Done),
        ("CreateCodeSigningConfig", Coverage::Done),
        ("CreateEventSourceMapping", Coverage::Done),
        ("CreateFunction", Coverage::Done),
        ("CreateFunctionUrlConfig", Coverage::Done),
        ("DeleteAlias", Coverage::Done),
        ("DeleteCapacityProvider", Coverage::Done),
        ("DeleteCodeSigningConfig", Coverage::Done),
        ("DeleteDurableExecution", Coverage::Done),
        ("DeleteEventSourceMapping", Coverage::Done),
        ("DeleteFunction", Coverage::Done),
        ("DeleteFunctionCodeSigningConfig", Coverage::Done),
        ("DeleteFunctionConcurrency", Coverage::Done),
        ("DeleteFunctionEventInvokeConfig", Coverage::Done),
        ("DeleteFunctionUrlConfig", Coverage::Done),
        ("DeleteLayerVersion", Coverage::Done),
        ("DeleteProvisionedConcurrencyConfig", Coverage::Done),
        ("DeleteResourcePolicy", Coverage::Done),
        ("GetAccountSettings", Coverage::Done),
        ("GetAlias", Coverage::Done),
        ("GetCapacityProvider", Coverage::Done),
        ("GetCodeSigningConfig", Coverage::Done),
        ("GetDurableExecution", Coverage::Done),
        ("GetDurableExecutionHistory", Coverage::Done),
        ("GetDurableExecutionState", Coverage::Done),
        ("GetEventSourceMapping", Coverage::Done),
        ("GetFunction", Coverage::Done),
        ("GetFunctionCodeSigningConfig", Coverage::Done),
        ("GetFunctionConcurrency", Coverage::Done),
        ("GetFunctionConfiguration", Coverage::Done),
        ("GetFunctionEventInvokeConfig", Coverage::Done),
        ("GetFunctionRecursionConfig", Coverage::Done),
        ("GetFunctionScalingConfig", Coverage::Done),
        ("GetFunctionUrlConfig", Coverage::Done),
        ("GetLayerVersion", Coverage::Done),
        ("GetLayerVersionByArn", Coverage::Done),
        ("GetLayerVersionPolicy", Coverage::Done),
        ("GetPolicy", Coverage::Done),
        ("GetProvisionedConcurrencyConfig", Coverage::Done),
        ("GetResourcePolicy", Coverage::Done),
        ("GetRuntimeManagementConfig", Coverage::Done),
        ("Invoke", Coverage::Done),
        ("InvokeAsync", Coverage::Done),
        ("InvokeWithResponseStream", Coverage::Done),
        ("ListAliases", Coverage::Done),
        ("ListCapacityProviders", Coverage::Done),
        ("ListCodeSigningConfigs", Coverage::Done),
        ("ListDurableExecutionsByFunction", Coverage::Done),
        ("ListEventSourceMappings", Coverage::Done),
        ("ListFunctionEventInvokeConfigs", Coverage::Done),
        ("ListFunctionUrlConfigs", Coverage::Done),
        ("ListFunctionVersionsByCapacityProvider", Coverage::Done),
        ("ListFunctions", Coverage::Done),
        ("ListFunctionsByCodeSigningConfig", Coverage::Done),
        ("ListLayerVersions", Coverage::Done),
        ("ListLayers", Coverage::Done),
        ("ListProvisionedConcurrencyConfigs", Coverage::Done),
        ("ListTags", Coverage::Done),
        ("ListVersionsByFunction", Coverage::Done),
        ("PauseDurableExecution", Coverage::Done),
        ("PublishLayerVersion", Coverage::Done),
        ("PublishVersion", Coverage::Done),
        ("PutFunctionCodeSigningConfig", Coverage::Done),
        ("PutFunctionConcurrency", Coverage::Done),
        ("PutFunctionEventInvokeConfig", Coverage::Done),
        ("PutFunctionRecursionConfig", Coverage::Done),
        ("PutFunctionScalingConfig", Coverage::Done),
        ("PutProvisionedConcurrencyConfig", Coverage::Done),
        ("PutResourcePolicy", Coverage::Done),
        ("PutRuntimeManagementConfig", Coverage::Done),
        ("RemoveLayerVersionPermission", Coverage::Done),
        ("RemovePermission", Coverage::Done),
        ("ResumeDurableExecution", Coverage::Done),
        ("SendDurableExecutionCallbackFailure", Coverage::Done),
        ("SendDurableExecutionCallbackHeartbeat", Coverage::Done),
        ("SendDurableExecutionCallbackSuccess", Coverage::Done),
        ("StopDurableExecution", Coverage::Done),
        ("TagResource", Coverage::Done),
        ("UntagResource", Coverage::Done),
        ("UpdateAlias", Coverage::Done),
        ("UpdateCapacityProvider", Coverage::Done),
        ("UpdateCodeSigningConfig", Coverage::Done),
        ("UpdateEventSourceMapping", Coverage::Done),
        ("UpdateFunctionCode", Coverage::Done),
        ("UpdateFunctionConfiguration", Coverage::Done),
        ("UpdateFunctionEventInvokeConfig", Coverage::Done),
        ("UpdateFunctionUrlConfig", Coverage::Done),
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

/// AWS Identity and Access Management: the part that tools call to let functions and people in.
const IAM: Service = Service {
    name: "iam",
    api_version: "2010-05-08",
    operations: &[
        ("AddUserToGroup", Coverage::Done),
        ("AttachGroupPolicy", Coverage::Done),
        ("AttachRolePolicy", Coverage::Done),
        ("AttachUserPolicy", Coverage::Done),
        ("CreateAccessKey", Coverage::Done),
        ("CreateGroup", Coverage::Done),
        ("CreatePolicy", Coverage::Done),
        ("CreatePolicyVersion", Coverage::Done),
        ("CreateRole", Coverage::Done),
        ("CreateUser", Coverage::Done),
        ("DeleteAccessKey", Coverage::Done),
        ("DeleteGroup", Coverage::Done),
        ("DeleteGroupPolicy", Coverage::Done),
        ("DeletePolicy", Coverage::Done),
        ("DeletePolicyVersion", Coverage::Done),
        ("DeleteRole", Coverage::Done),
        ("DeleteRolePermissionsBoundary", Coverage::Done),
        ("DeleteRolePolicy", Coverage::Done),
        ("DeleteUser", Coverage::Done),
        ("DeleteUserPermissionsBoundary", Coverage::Done),
        ("DeleteUserPolicy", Coverage::Done),
        ("DetachGroupPolicy", Coverage::Done),
        ("DetachRolePolicy", Coverage::Done),
        ("DetachUserPolicy", Coverage::Done),
        ("GetAccessKeyLastUsed", Coverage::Done),
        ("GetGroup", Coverage::Done),
        ("GetGroupPolicy", Coverage::Done),
        ("GetPolicy", Coverage::Done),
        ("GetPolicyVersion", Coverage::Done),
        ("GetRole", Coverage::Done),
        ("GetRolePolicy", Coverage::Done),
        ("GetUser", Coverage::Done),
        ("GetUserPolicy", Coverage::Done),
        ("ListAccessKeys", Coverage::Done),
        ("ListAttachedGroupPolicies", Coverage::Done),
        ("ListAttachedRolePolicies", Coverage::Done),
        ("ListAttachedUserPolicies", Coverage::Done),
        ("ListEntitiesForPolicy", Coverage::Done),
        ("ListGroupPolicies", Coverage::Done),
        ("ListGroups", Coverage::Done),
        ("ListGroupsForUser", Coverage::Done),
        ("ListInstanceProfilesForRole", Coverage::Done),
        ("ListPolicies", Coverage::Done),
        ("ListPolicyTags", Coverage::Done),
        ("ListPolicyVersions", Coverage::Done),
        ("ListRolePolicies", Coverage::Done),
        ("ListRoleTags", Coverage::Done),
        ("ListRoles", Coverage::Done),
        ("ListUserPolicies", Coverage::Done),
        ("ListUserTags", Coverage::Done),
        ("ListUsers", Coverage::Done),
        ("PutGroupPolicy", Coverage::Done),
        ("PutRolePermissionsBoundary", Coverage::Done),
        ("PutRolePolicy", Coverage::Done),
        ("PutUserPermissionsBoundary", Coverage::Done),
        ("PutUserPolicy", Coverage::Done),
        ("RemoveUserFromGroup", Coverage::Done),
        ("SetDefaultPolicyVersion", Coverage::Done),
        ("SimulateCustomPolicy", Coverage::Done),
        ("SimulatePrincipalPolicy", Coverage::Done),
        ("TagPolicy", Coverage::Done),
        ("TagRole", Coverage::Done),
        ("TagUser", Coverage::Done),
        ("UntagPolicy", Coverage::Done),
        ("UntagRole", Coverage::Done),
        ("UntagUser", Coverage::Done),
        ("UpdateAccessKey", Coverage::Done),
        ("UpdateAssumeRolePolicy", Coverage::Done),
        ("UpdateGroup", Coverage::Done),
        ("UpdateRole", Coverage::Done),
        ("UpdateRoleDescription", Coverage::Done),
        ("UpdateUser", Coverage::Done),
    ],
    sensitive: &["AccessKey.SecretAccessKey"],
    enums_checked_by_operation: &[],
    patterns: &[],
};

/// AWS Security Token Service.
const STS: Service = Service {
    name: "sts",
    api_version: "2011-06-15",
    operations: &[
        ("AssumeRole", Coverage::Done),
        ("GetAccessKeyInfo", Coverage::Done),
        ("GetCallerIdentity", Coverage::Done),
        ("GetSessionToken", Coverage::Done),
    ],
    sensitive: &["Credentials.SecretAccessKey", "Credentials.SessionToken"],
    enums_checked_by_operation: &[],
    patterns: &[],
};

/// Every service that code is generated for.
pub(super) const SERVICES: &[Service] =
    &[ECR, events::EVENTS, IAM, LAMBDA, logs::LOGS, scheduler::SCHEDULER, sns::SNS, sqs::SQS, STS];
