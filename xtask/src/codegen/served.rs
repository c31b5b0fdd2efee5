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
        ("CreateFunction", Coverage::Done),
        ("DeleteFunction", Coverage::Done),
        ("DeleteLayerVersion", Coverage::Done),
        ("GetFunction", Coverage::Done),
        ("GetFunctionConfiguration", Coverage::Done),
        ("GetLayerVersion", Coverage::Done),
        ("GetLayerVersionByArn", Coverage::Done),
        ("Invoke", Coverage::Done),
        ("InvokeWithResponseStream", Coverage::Done),
        ("ListFunctions", Coverage::Done),
        ("ListLayerVersions", Coverage::Done),
        ("ListLayers", Coverage::Done),
        ("PublishLayerVersion", Coverage::Partial),
        ("UpdateFunctionCode", Coverage::Done),
        ("UpdateFunctionConfiguration", Coverage::Done),
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
    patterns: &[(r"[0-9A-Za-z\.\-_]*(?<!\.)", r"([0-9A-Za-z.\-_]*[0-9A-Za-z\-_])?")],
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
