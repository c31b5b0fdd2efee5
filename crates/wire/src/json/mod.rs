//! JSON as the generated code uses it, whatever protocol carries it: structures, lists, maps and scalars of the
//! API models, read in one pass and written without a document tree.
//!
//! Nothing here knows a service or HTTP. Input is hostile: every reader is total, bounded, and reports in AWS's
//! words; what is written, a reader gives back as the same value.

mod open_enum;
mod read;
mod write;

pub use open_enum::OpenEnum;
pub(crate) use open_enum::open_enum;
pub use read::{ELEMENTS_MAX, FromJson, Malformed, Numeral, Structure, from_json, next, skip};
pub(crate) use write::write_text;
pub use write::{Object, ToJson, to_json};
