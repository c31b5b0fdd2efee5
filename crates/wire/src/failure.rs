//! What a caller, or a destination, gets of a function that failed: the function's own JSON, or Lambda's.
//!
//! Source: the behaviour of the public runtime interface emulator; see `model::fault`.

use bytes::Bytes;
use model::fault::Fault;
use model::id::RequestId;
use model::port::FunctionFailure;

/// The JSON.
#[must_use]
pub fn body(id: RequestId, failure: FunctionFailure) -> Bytes {
    match failure {
        FunctionFailure::Reported { payload } | FunctionFailure::Fault(Fault::Reported { payload, .. }) => {
            payload
        }
        FunctionFailure::Fault(fault) => {
            // Written by hand because the order of the members is part of what clients compare.
            let text = |text: &str| serde_json::Value::from(text).to_string();
            let (kind, message) = (text(fault.error_type()), text(&fault.message(id)));
            format!(r#"{{"errorType":{kind},"errorMessage":{message}}}"#).into()
        }
    }
}
