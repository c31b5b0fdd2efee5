//! Who else may use a function or a layer, as its owner allowed it: the policy of one resource.
//!
//! The text is a policy of IAM's language, whole, as it is given back; what it says is `control`'s matter.
//!
//! Source: Lambda Developer Guide, "Working with resource-based IAM policies in Lambda".

use crate::arn::FunctionId;
use crate::id::RevisionId;
use crate::layer::LayerVersionId;

/// The policy of a function, or of one of its versions or aliases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionPolicy {
    /// The function.
    pub function: FunctionId,
    /// The version or alias that it is for; empty for the function without one.
    pub qualifier: String,
    /// The policy.
    pub text: String,
    /// What its holder's revision became when the text changed; that goes on with the holder.
    pub revision: RevisionId,
}

/// The policy of one version of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerPolicy {
    /// The version.
    pub layer: LayerVersionId,
    /// The policy.
    pub text: String,
    /// Changes whenever the text does.
    pub revision: RevisionId,
}
