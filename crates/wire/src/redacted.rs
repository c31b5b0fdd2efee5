//! What stands in `Debug` for a member that must not reach a log.
//!
//! The generated types use it wherever the model, or the generator's own list, calls a member sensitive.

use std::fmt;

/// Stands for a sensitive member in `Debug`.
pub struct Redacted;

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Redacted {
    /// Keeps only whether the member is set.
    #[must_use]
    pub fn of<T>(value: Option<&T>) -> Option<Redacted> {
        value.map(|_| Redacted)
    }
}
