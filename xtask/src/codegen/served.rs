//! What the generator is told, and all that it is told: which operations are served, and the few places where
//! the public model needs a word from us. Everything else follows from the model.
//!
//! Serving one more operation is one more line in [`LAMBDA`]; the compiler then asks for its implementation.

/// How much of an operation works; the word in the golden list of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(dead_code, reason = "an operation may be served in part while it is being built")]
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
    /// Enums whose unknown values are refused by the operation itself, with an error of its own.
    pub(super) enums_checked_by_operation: &'static [&'static str],
    /// Patterns that the `regex` crate cannot compile, and an equal pattern that it can.
    pub(super) patterns: &'static [(&'static str, &'static str)],
}

/// AWS Lambda.
pub(super) const LAMBDA: Service = Service {
    name: "lambda",
    api_version: "2015-03-31",
    operations: &[
        ("CreateFunction", Coverage::Done),
        ("DeleteFunction", Coverage::Done),
        ("GetFunction", Coverage::Done),
        ("GetFunctionConfiguration", Coverage::Done),
        ("Invoke", Coverage::Done),
        ("ListFunctions", Coverage::Done),
        ("UpdateFunctionCode", Coverage::Done),
        ("UpdateFunctionConfiguration", Coverage::Done),
    ],
    // The shape is the signed address of a function's code; the members carry what a caller or function wrote.
    sensitive: &[
        "SensitiveStringOnServerOnly",
        "InvocationRequest.ClientContext",
        "InvocationResponse.LogResult",
    ],
    // Lambda answers InvalidParameterValueException and also takes an ARN there.
    enums_checked_by_operation: &["Runtime"],
    patterns: &[(r"[0-9A-Za-z\.\-_]*(?<!\.)", r"([0-9A-Za-z.\-_]*[0-9A-Za-z\-_])?")],
};

/// Every service that code is generated for.
pub(super) const SERVICES: &[Service] = &[LAMBDA];
