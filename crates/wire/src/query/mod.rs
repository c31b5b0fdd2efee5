//! The `awsQuery` protocol as the generated code uses it: every operation is a POST (or GET) to `/` whose form names it
//! with `Action`, and whose members are the other parameters; answers and errors are XML.
//!
//! Nothing here knows a service: what a service is called, which errors it has and how its shapes travel is data
//! ([`Service`], [`Form`]). Input is hostile, as everywhere in this crate.
//! See <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>.

mod call;
mod compatible;
mod error;
mod form;
mod xml;

pub use crate::message::Reply;
pub(crate) use call::json_of;
pub use call::{Call, Output, Rpc, Service};
pub use compatible::Forms;
pub use error::{auth_reply, error_reply, shape_of};
pub use form::{Form, Parameters};
