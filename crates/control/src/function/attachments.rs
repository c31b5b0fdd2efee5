//! All that belongs to functions without being a version of them, kind by kind. What is listed here goes with its
//! function, in the same durable write.

use model::concurrency::ReservedConcurrency;
use model::resource_policy::FunctionPolicy;
use store::records::RecordError;
use store::records::typed::TypedRecords;

use crate::table::{Attached, Table};

/// One table for each kind. A new kind is one more field, and one more line in [`Attachments::load`] and
/// [`Attachments::all`].
pub(super) struct Attachments {
    /// Reserved concurrency; its name is empty.
    pub(super) reserved: Table<ReservedConcurrency>,
    /// Resource policies, by qualifier.
    pub(super) policies: Table<FunctionPolicy>,
}

impl Attachments {
    pub(super) async fn load(records: &TypedRecords) -> Result<Self, RecordError> {
        Ok(Self { reserved: Table::load(records).await?, policies: Table::load(records).await? })
    }

    /// Every kind, for what happens to all of them alike.
    pub(super) fn all(&self) -> [&dyn Attached; 2] {
        [&self.reserved, &self.policies]
    }
}
