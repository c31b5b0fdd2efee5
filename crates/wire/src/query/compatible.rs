//! Forms of services that speak the JSON protocol, for clients that know them from the query protocol.
//!
//! Parameters become the JSON of the input, and the JSON of the output becomes XML; in between nobody knows how the request
//! came. The models of such services no longer say how their shapes travel in forms, so that stands beside them by hand: one
//! form for all inputs, since a name means the same in each of them.

use model::error::ServiceError;
use serde_json::{Map, Value};

use super::call::answer;
use super::error::{auth_shape, write};
use super::form::{Form, Parameters};
use crate::error::ErrorShape;
use crate::json_rpc::{self, Service};
use crate::message::Reply;
use crate::sigv4::AuthError;

/// How a service travels in forms.
#[derive(Debug)]
pub struct Forms {
    /// The service.
    pub service: &'static Service,
    /// The namespace of answers.
    pub namespace: &'static str,
    /// The version that requests name.
    pub version: &'static str,
    /// The members of all inputs.
    pub input: &'static Form,
    /// The members of an operation's output; none if it has none.
    pub output: fn(&str) -> Option<&'static Form>,
    /// The member that the path of a request stands for.
    pub path_member: &'static str,
}

impl Forms {
    /// The operation that a request names, and its input as JSON.
    ///
    /// # Errors
    /// For what names no operation, or cannot be read.
    pub fn read(&self, parameters: &Parameters, path: &str) -> Result<(&'static str, Vec<u8>), ServiceError> {
        let action = parameters.get("Action").unwrap_or_default();
        let is_version = parameters.get("Version").is_none_or(|version| version == self.version);
        let place = self.service.operations.binary_search(&action).ok().filter(|_| is_version);
        let operation = place.map(|place| self.service.operations[place]).ok_or_else(|| {
            let shown: String = action.chars().take(100).collect();
            ServiceError::UnknownOperation(format!("The action {shown} is not valid for this endpoint."))
        })?;
        let mut members = match parameters.to_json(self.input)? {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        if path.len() > 1 && !members.contains_key(self.path_member) {
            members.insert(self.path_member.to_owned(), Value::from(path));
        }
        Ok((operation, Value::Object(members).to_string().into_bytes()))
    }

    /// An answer in JSON as one in XML.
    #[must_use]
    pub fn reply(&self, operation: &str, reply: &Reply, request: &str) -> Reply {
        let value = serde_json::from_slice(&reply.body).unwrap_or(Value::Object(Map::new()));
        let result = (self.output)(operation).map(|form| (&value, form));
        answer(self.namespace, operation, result, request)
    }

    /// A service error as the answer to the request of this id.
    #[must_use]
    pub fn error_reply(&self, error: &ServiceError, request: &str) -> Reply {
        let shape = json_rpc::shape_of(self.service, error);
        let (code, _) = json_rpc::query_code(self.service, error);
        write(self.namespace, ErrorShape { code, ..shape }, &error.to_string(), request)
    }

    /// A failed authentication as the answer to the request of this id.
    #[must_use]
    pub fn auth_reply(&self, error: &AuthError, request: &str) -> Reply {
        write(self.namespace, auth_shape(error), &error.to_string(), request)
    }
}
