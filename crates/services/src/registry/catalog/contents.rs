//! What a repository holds, as values: settings, images, blob links.
//!
//! Knows neither records nor locks; `repository` keeps the two in step.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicI64;

use model::id::Digest;
use model::time::Timestamp;
use store::records::Revision;

use crate::oci::name::Tag;

/// `imageTagMutability` with its exclusion filters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagMutability {
    /// Whether a tag stays where it is until it is deleted.
    pub immutable: bool,
    /// Tags for which the opposite holds: patterns in which `*` stands for any text.
    pub except: Vec<String>,
}

impl TagMutability {
    /// Whether this tag may not be moved.
    #[must_use]
    pub fn holds(&self, tag: &Tag) -> bool {
        self.immutable != self.except.iter().any(|pattern| matches(pattern, tag.as_str()))
    }
}

/// Whether a text is of the form of a pattern; each piece between stars is taken where it occurs first, which
/// finds a match if there is one.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some((_, after)) = text.split_once(piece) else { return false };
        text = after;
    }
    text.ends_with(last)
}

/// What the owner has set for a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Whether tags can be moved.
    pub mutability: TagMutability,
    /// Stored and returned; nothing is scanned here.
    pub scan_on_push: bool,
    /// Type (`AES256`, `KMS`) and key, stored and returned.
    pub encryption: Option<(String, Option<String>)>,
    /// The owner's labels.
    pub tags: BTreeMap<String, String>,
    /// The repository policy, JSON as given.
    pub policy: Option<String>,
}

/// One manifest in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Of the manifest.
    pub digest: Digest,
    /// Of the manifest.
    pub media_type: String,
    /// Of the manifest itself.
    pub manifest_bytes: u64,
    /// Of configuration and layers together; the manifests' own for an index.
    pub size_bytes: u64,
    /// When it was first pushed here.
    pub pushed: Timestamp,
    /// The manifest that this one is about.
    pub subject: Option<Digest>,
    /// The kind of artifact.
    pub artifact_type: Option<String>,
}

/// A blob that a repository may use.
#[derive(Debug)]
pub struct Link {
    /// Its size.
    pub size_bytes: u64,
    /// When somebody was last told that it is here.
    pub(super) seen_ms: AtomicI64,
    pub(super) revision: Revision,
}

/// Everything in a repository, with the revisions of the records.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) settings: Settings,
    pub(super) revision: Revision,
    pub(super) deleted: bool,
    pub(super) images: BTreeMap<Digest, (Image, Revision)>,
    pub(super) tags: BTreeMap<Tag, (Digest, Revision)>,
    pub(super) links: HashMap<Digest, Link>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exclusions_turn_the_rule_around() {
        let holds = |immutable, pattern: &str, tag: &str| {
            TagMutability { immutable, except: vec![pattern.to_owned()] }.holds(&Tag::parse(tag).unwrap())
        };
        for (pattern, tag, excluded) in [
            ("latest", "latest", true),
            ("latest", "latest2", false),
            ("dev-*", "dev-1", true),
            ("*-dev", "a-dev", true),
            ("*", "x", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "acb", false),
            ("aa*aa", "aaa", false),
        ] {
            assert_eq!(holds(true, pattern, tag), !excluded, "{pattern} {tag}");
            assert_eq!(holds(false, pattern, tag), excluded, "{pattern} {tag}");
        }
    }
}
