//! All that belongs to functions without being a version of them, kind by kind. What is listed here goes with its
//! function, in the same durable write.

use model::concurrency::ReservedConcurrency;
use store::records::RecordError;
use store::records::typed::TypedRecords;

use crate::table::{Attached, Table};

/// One table for each kind. A new kind is one more field, and one more line in [`Attachments::load`] and
/// [`Attachments::all`].
pub(super) struct Attachments {
    /// Reserved concurrency; its name is empty.
    pub(super) reserved: Table<ReservedConcurrency>,
}

impl Attachments {
    pub(super) async fn load(records: &TypedRecords) -> Result<Self, RecordError> {
        Ok(Self { reserved: Table::load(records).await? })
    }

    /// Every kind, for what happens to all of them alike.
    pub(super) fn all(&self) -> [&dyn Attached; 1] {
        [&self.reserved]
    }
}
