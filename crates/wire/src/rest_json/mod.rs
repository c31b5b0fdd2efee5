//! The `restJson1` protocol as the generated code uses it: reading a request into its type, checking it against
//! the model's constraints, writing an answer, and the same backwards for a client.
//!
//! Nothing here knows a service; the generated modules are data and short calls into this one. Input is hostile:
//! every reader is total, bounded and reports in AWS's words. No value is ever echoed that the model marks
//! sensitive.

mod check;
mod open_enum;
mod read;
mod reply;
mod request;
mod route;
mod write;

pub use check::{Check, List, Map, Number, Pattern, Text, Violations};
pub use open_enum::OpenEnum;
pub(crate) use open_enum::open_enum;
pub use read::{ELEMENTS_MAX, FromJson, Malformed, Numeral, Structure, from_json, next, skip};
pub use reply::{ErrorShape, Output, Reply};
pub use request::{Call, ClientRequest, FromText, Redacted, Refused, Request, ToText};
pub use route::{Http, Labels, Segment, Template, match_templates};
pub(crate) use write::write_text;
pub use write::{Object, ToJson, to_json};
