//! Who may deliver to a resource.
//!
//! The question that targets of deliveries ask; whoever knows roles answers it.

use model::delivery::Sender;

use super::Need;

/// Decides about senders of deliveries. Implemented by `control`, which knows roles.
pub trait Admission: Send + Sync {
    /// Whether a sender has a right. A sender with a role may what its role may, as far as the resource's policy does not
    /// deny it; a service without a role has to be let in by the resource's policy.
    fn admits(&self, sender: &Sender, need: &Need) -> bool;

    /// Whether a statement denies it: asked about a further name of the resource, under which nobody needs leave.
    fn denies(&self, sender: &Sender, need: &Need) -> bool;
}
