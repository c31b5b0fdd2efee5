//! All that belongs to functions without being a version of them, kind by kind. What is listed here goes with its
//! function, in the same durable write.

use model::alias::Alias;
use model::capacity::FunctionScaling;
use model::code_signing::FunctionCodeSigning;
use model::concurrency::{ProvisionedConcurrency, ReservedConcurrency};
use model::event_invoke::EventInvokeConfig;
use model::management::{Recursion, RuntimeManagement};
use model::resource_policy::FunctionPolicy;
use model::url::FunctionUrl;
use model::version::LastVersion;
use store::records::RecordError;
use store::records::typed::TypedRecords;

use crate::table::{Attached, Table};

/// One table for each kind. A new kind is one more field, and one more line in [`Attachments::load`] and
/// [`Attachments::all`].
pub(super) struct Attachments {
    /// Aliases.
    pub(super) aliases: Table<Alias>,
    /// Numbers of versions that are gone; its name is empty.
    pub(super) last_versions: Table<LastVersion>,
    /// How asynchronous invocations are configured, by qualifier.
    pub(super) event_invokes: Table<EventInvokeConfig>,
    /// Function URLs, by qualifier.
    pub(super) urls: Table<FunctionUrl>,
    /// Reserved concurrency; its name is empty.
    pub(super) reserved: Table<ReservedConcurrency>,
    /// Provisioned concurrency, by version or alias.
    pub(super) provisioned: Table<ProvisionedConcurrency>,
    /// Resource policies, by qualifier.
    pub(super) policies: Table<FunctionPolicy>,
    /// When runtimes are updated, by version.
    pub(super) runtimes: Table<RuntimeManagement>,
    /// What becomes of circles; its name is empty.
    pub(super) recursion: Table<Recursion>,
    /// Who may sign the code; its name is empty.
    pub(super) signing: Table<FunctionCodeSigning>,
    /// How many environments versions may have, by version.
    pub(super) scaling: Table<FunctionScaling>,
}

impl Attachments {
    pub(super) async fn load(records: &TypedRecords) -> Result<Self, RecordError> {
        Ok(Self {
            aliases: Table::load(records).await?,
            last_versions: Table::load(records).await?,
            event_invokes: Table::load(records).await?,
            urls: Table::load(records).await?,
            reserved: Table::load(records).await?,
            provisioned: Table::load(records).await?,
            policies: Table::load(records).await?,
            runtimes: Table::load(records).await?,
            recursion: Table::load(records).await?,
            signing: Table::load(records).await?,
            scaling: Table::load(records).await?,
        })
    }

    /// Every kind, for what happens to all of them alike.
    pub(super) fn all(&self) -> Vec<&dyn Attached> {
        vec![
            &self.aliases,
            &self.last_versions,
            &self.event_invokes,
            &self.urls,
            &self.reserved,
            &self.provisioned,
            &self.policies,
            &self.runtimes,
            &self.recursion,
            &self.signing,
            &self.scaling,
        ]
    }
}
