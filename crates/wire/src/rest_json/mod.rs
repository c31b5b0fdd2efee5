//! The `restJson1` protocol as the generated code uses it: which operation a method and path mean, its members in
//! path, query, headers and body, the answer's in status, headers and body, and the same backwards for a client.
//!
//! Nothing here knows a service; the generated modules are data and short calls into this one. Input is hostile:
//! every reader is total, bounded and reports in AWS's words.

mod error;
mod reply;
mod request;
mod route;

pub use crate::message::{ClientRequest, Reply};
pub use error::{Service, auth_reply, error_reply, shape_of};
pub use reply::Output;
pub use request::{Call, FromText, Request, ToText};
pub use route::{Http, Labels, Segment, Template, match_templates};
