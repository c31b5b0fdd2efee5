//! A call between HTTP and an operation's input and output.
//!
//! An answer wraps its output in two elements named after the operation, beside the request's id.

use serde_json::Value;

use super::form::{Form, Parameters};
use super::xml;
use crate::check::{Check, Refused, Violations};
use crate::error::{self, ErrorShape};
use crate::json::{Malformed, Structure, from_json, to_json};
use crate::message::Reply;

/// The content type of answers.
pub(super) const XML: &str = "text/xml";

/// A service of this protocol.
#[derive(Debug)]
pub struct Service {
    /// The version that requests name.
    pub version: &'static str,
    /// The namespace of answers.
    pub namespace: &'static str,
    /// The names of all operations, served or not, in alphabetical order.
    pub operations: &'static [&'static str],
    /// The errors of the model.
    pub errors: &'static [ErrorShape],
    /// The answer to a failure on the service's own side.
    pub fault: ErrorShape,
}

impl Service {
    /// The place in [`Service::operations`] of the operation that a request names with `Action`.
    #[must_use]
    pub fn find(&self, parameters: &Parameters) -> Option<usize> {
        // Tools that leave the version out mean this one.
        let is_version = parameters.get("Version").is_none_or(|version| version == self.version);
        let action = parameters.get("Action").filter(|_| is_version)?;
        self.operations.binary_search(&action).ok()
    }

    /// The error of a code.
    #[must_use]
    pub fn error(&self, code: &str) -> Option<&'static ErrorShape> {
        error::find(self.errors, code)
    }
}

/// How an operation is called.
#[derive(Debug, Clone, Copy)]
pub struct Rpc {
    /// Whose operation it is.
    pub service: &'static Service,
    /// The operation's name.
    pub name: &'static str,
}

/// An operation's input.
pub trait Call: Check + Structure {
    /// What the operation answers.
    type Output: Output;
    /// How it is called.
    const RPC: Rpc;
    /// The form of its members.
    const FORM: &'static Form;

    /// Reads and checks: what a server does with a request's parameters.
    fn accept(parameters: &Parameters) -> Result<Self, Refused> {
        let input: Self = read(parameters, Self::FORM).map_err(Refused::Malformed)?;
        Violations::of(&input).map_err(Refused::Invalid)?;
        Ok(input)
    }
}

fn read<T: Structure>(parameters: &Parameters, form: &Form) -> Result<T, Malformed> {
    from_json(parameters.to_json(form)?.to_string().as_bytes())
}

/// An operation's output.
pub trait Output {
    /// What stands in the result's element, written by its form; none for an operation without output.
    fn result(&self) -> Option<(Value, &'static Form)>;

    /// Writes the answer of the operation that `rpc` describes to the request of this id.
    fn reply(&self, rpc: Rpc, request: &str) -> Reply {
        let result = self.result();
        let result = result.as_ref().map(|(value, form)| (value, *form));
        answer(rpc.service.namespace, rpc.name, result, request)
    }
}

/// The answer of an operation to the request of this id.
pub(super) fn answer(
    namespace: &str,
    operation: &str,
    result: Option<(&Value, &Form)>,
    request: &str,
) -> Reply {
    let (outer, inner) = (format!("{operation}Response"), format!("{operation}Result"));
    let mut out = format!("<{outer} xmlns=\"{namespace}\">");
    if let Some((value, form)) = result {
        xml::write(&inner, value, form, &mut out);
    }
    xml::open("ResponseMetadata", &mut out);
    xml::element("RequestId", request, &mut out);
    xml::close("ResponseMetadata", &mut out);
    xml::close(&outer, &mut out);
    let mut reply = Reply::of_status(200);
    reply.content_type(XML);
    reply.body = out.into();
    reply
}

/// An output's JSON, for generated code.
pub(crate) fn json_of<T: Structure>(output: &T) -> Value {
    // What was just written can be read.
    serde_json::from_slice(&to_json(output)).unwrap_or_default()
}

impl Output for () {
    fn result(&self) -> Option<(Value, &'static Form)> {
        None
    }
}
