//! Who may deliver to a resource, and who is meant by its policy.
//!
//! The questions that services ask; whoever knows users and roles answers them.

use model::delivery::Sender;

use super::Need;

/// Decides about senders of deliveries, and knows principals. Implemented by `control`, which knows roles.
pub trait Admission: Send + Sync {
    /// Whether a sender has a right. A sender with a role may what its role may, as far as the resource's policy does not
    /// deny it; a service without a role has to be let in by the resource's policy.
    fn admits(&self, sender: &Sender, need: &Need) -> bool;

    /// Whether a statement denies it: asked about a further name of the resource, under which nobody needs leave.
    fn denies(&self, sender: &Sender, need: &Need) -> bool;

    /// A policy as it is to be kept: those users and roles that are there stand in it by their ids, so that nobody who gets
    /// the name of one of them later is let in. What is no policy stays as it is.
    fn meant(&self, policy: &str) -> String;

    /// A kept policy as it is to be shown: with names, and the ids of those who have gone.
    fn shown(&self, policy: &str) -> String;
}
