//! AWS Lambda's API: the generated types, routes and errors, and the few words that its model leaves out.
//!
//! A server finds the operation with [`route`], reads and checks its input with [`Input::accept`], and writes the
//! answer with [`rest_json::Output::reply`](crate::rest_json::Output::reply).

mod response_event;
#[cfg(test)]
mod tests;

pub use crate::generated::lambda::*;
use crate::json::OpenEnum as _;
pub use response_event::ResponseEvent;

/// What Lambda says of a runtime that it does not know: unlike other enums an `InvalidParameterValueException`,
/// raised by the operation. The value is cut where it is too long to repeat.
#[must_use]
pub fn unknown_runtime_message(runtime: &str) -> String {
    let shown: String = runtime.chars().take(100).collect();
    format!(
        "Value {shown} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{}] or be a \
         valid ARN",
        Runtime::VALUES.join(", ")
    )
}
