//! What making an image of the built-in registry the code of a function needs, so that nobody reads an image by running
//! it: that the repository's policy lets Lambda pull, or that whoever asks could change that policy to do so.
//!
//! Says it, and decides nothing; no policy is changed here. Images of other registries and on this disk need nobody's
//! leave: where they may come from is set with the server.
//!
//! Source: Lambda Developer Guide, "Create a Lambda function using a container image", "Amazon ECR permissions".

use model::arn::Scope;
use policy::Need;

use super::reference::{Place, Reference, own_scopes};
use crate::registry::Registry;

/// What one repository asks for: one of the two.
pub struct ImageNeeds {
    /// Of Lambda, for the function.
    pub to_pull: [Need; 2],
    /// Of whoever makes or changes the function.
    pub to_let_in: [Need; 2],
}

/// What the image `uri` needs to become the code of a function of `scope`. An address that leaves open in which region
/// the repository is means all that are there, since it is looked for again when the image is fetched.
#[must_use]
pub fn needs(registry: &Registry, scope: &Scope, uri: &str) -> Vec<ImageNeeds> {
    let Ok(Reference { place: Place::Own { scope: named, repository }, .. }) =
        Reference::parse(uri, registry.address())
    else {
        return Vec::new();
    };
    let possible = own_scopes(named.as_ref(), scope);
    let is_there = |at: &Scope| registry.catalog().find(at, &repository).is_some();
    let there: Vec<Scope> = possible.iter().filter(|at| is_there(at)).cloned().collect();
    let scopes = if there.is_empty() { possible } else { there };
    let name = repository.as_str();
    let of_one = |at: &Scope| ImageNeeds {
        to_pull: registry.needs_to_pull(at, name),
        to_let_in: ["ecr:GetRepositoryPolicy", "ecr:SetRepositoryPolicy"]
            .map(|action| registry.need(at, action, name)),
    };
    scopes.iter().map(of_one).collect()
}
