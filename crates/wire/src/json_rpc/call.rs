//! A call between HTTP and an operation's input and output, in both directions.
//!
//! A target that does not begin with the service's prefix is another service's; one that does and names no operation
//! is unknown. Neither is guessed at.

use http::{HeaderMap, HeaderValue, header};

use crate::check::{Check, Refused, Violations};
use crate::error::{self, ErrorShape};
use crate::json::{Malformed, Structure, to_json};
use crate::message::{self, ClientRequest, Reply};

/// The header that names service and operation.
pub const TARGET: &str = "x-amz-target";

/// A service of these protocols.
#[derive(Debug)]
pub struct Service {
    /// What stands before the dot of a target.
    pub target_prefix: &'static str,
    /// The content type of requests and answers, which names the protocol's version.
    pub content_type: &'static str,
    /// The names of all operations, served or not, in alphabetical order.
    pub operations: &'static [&'static str],
    /// The errors of the model.
    pub errors: &'static [ErrorShape],
    /// The answer to a failure on the service's own side.
    pub fault: ErrorShape,
    /// How it tells errors to clients that know it from the query protocol, if there are such.
    pub compatible: Option<&'static QueryCompatible>,
}

/// How a service that once spoke the query protocol alone tells its errors: in the words of both protocols.
/// See <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsquerycompatible-trait>.
#[derive(Debug)]
pub struct QueryCompatible {
    /// What stands before codes.
    pub namespace: &'static str,
    /// Errors that the model does not list.
    pub common: &'static [ErrorShape],
    /// Codes, and what they are in the query protocol where that is something else; in alphabetical order.
    pub codes: &'static [(&'static str, &'static str)],
}

impl QueryCompatible {
    /// What a code is in the query protocol.
    #[must_use]
    pub fn code(&self, code: &'static str) -> &'static str {
        self.codes.binary_search_by_key(&code, |(known, _)| known).map_or(code, |place| self.codes[place].1)
    }
}

impl Service {
    /// Whether a target is this service's, whatever operation it names.
    #[must_use]
    pub fn owns(&self, target: &str) -> bool {
        self.operation_name(target).is_some()
    }

    /// The place in [`Service::operations`] of the operation that a target names.
    #[must_use]
    pub fn find(&self, target: &str) -> Option<usize> {
        self.operations.binary_search(&self.operation_name(target)?).ok()
    }

    /// The error of a code.
    #[must_use]
    pub fn error(&self, code: &str) -> Option<&'static ErrorShape> {
        let common = || error::find(self.compatible?.common, code);
        error::find(self.errors, code).or_else(common)
    }

    fn operation_name<'t>(&self, target: &'t str) -> Option<&'t str> {
        target.strip_prefix(self.target_prefix)?.strip_prefix('.')
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

impl Rpc {
    /// The operation in the form of [`TARGET`].
    #[must_use]
    pub fn target(&self) -> String {
        format!("{}.{}", self.service.target_prefix, self.name)
    }
}

/// An operation's input.
pub trait Call: Check + Structure {
    /// What the operation answers.
    type Output: Output;
    /// How it is called.
    const RPC: Rpc;

    /// Reads and checks: what a server does with a request's body. An empty body has no members.
    fn accept(body: &[u8]) -> Result<Self, Refused> {
        let input: Self = message::document(body).map_err(Refused::Malformed)?;
        Violations::of(&input).map_err(Refused::Invalid)?;
        Ok(input)
    }

    /// Writes the call for a client.
    fn to_request(&self) -> ClientRequest {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Self::RPC.service.content_type));
        // The names are the model's own: letters, digits, underscores and dots.
        if let Ok(target) = HeaderValue::from_str(&Self::RPC.target()) {
            headers.insert(TARGET, target);
        }
        let body = to_json(self).into();
        ClientRequest { method: "POST", path: "/".to_owned(), query: String::new(), headers, body }
    }
}

/// An operation's output.
pub trait Output: Sized {
    /// Writes the answer of the operation that `rpc` describes.
    fn reply(&self, rpc: Rpc) -> Reply;
    /// Reads an answer, for a client; the status has been found good.
    fn read(reply: &Reply) -> Result<Self, Malformed>;
}

impl<S: Structure> Output for S {
    fn reply(&self, rpc: Rpc) -> Reply {
        let mut reply = Reply::of_status(200);
        reply.json(rpc.service.content_type, self);
        reply
    }

    fn read(reply: &Reply) -> Result<Self, Malformed> {
        reply.read_document()
    }
}

/// Operations without any output answer with an empty body.
impl Output for () {
    fn reply(&self, rpc: Rpc) -> Reply {
        let mut reply = Reply::of_status(200);
        reply.content_type(rpc.service.content_type);
        reply
    }

    fn read(_: &Reply) -> Result<Self, Malformed> {
        Ok(())
    }
}
