//! The `awsJson1_0` and `awsJson1_1` protocols as the generated code uses them: every operation is a POST to `/`
//! that names itself in `X-Amz-Target`, with input, output and errors as JSON bodies.
//!
//! Nothing here knows a service: what a service is called and which errors it has is data ([`Service`]). Input is
//! hostile, as everywhere in this crate. See <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>.

mod call;
mod error;

pub use crate::message::{ClientRequest, Reply};
pub use call::{Call, Output, QueryCompatible, Rpc, Service, TARGET};
pub use error::{auth_reply, error_reply, query_code, shape_of};
