//! Users, groups, roles and managed policies: what an account's owner wrote down about who may do what.
//!
//! Texts of policies are kept as they were given; what they say is read in the crate `policy`. A user's record holds its
//! keys, its memberships and its grants, so that every change is one write.
//!
//! Source: IAM User Guide, "IAM identities"; IAM API reference.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::id::AccountId;
use crate::time::Timestamp;

/// What all four have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// Whose it is.
    pub account: AccountId,
    /// Unique in the account and kind, whatever the case of its letters.
    pub name: String,
    /// `/` or `/division/team/`.
    pub path: String,
    /// `AIDA…`: never given out again, whatever becomes of the name.
    pub id: String,
    /// Since when it is there.
    pub created: Timestamp,
    /// Its labels.
    pub tags: BTreeMap<String, String>,
}

impl Entity {
    /// `arn:aws:iam::ACCOUNT:KIND/PATH/NAME`.
    #[must_use]
    pub fn arn(&self, kind: &str) -> String {
        format!("arn:aws:iam::{}:{kind}{}{}", self.account, self.path, self.name)
    }

    /// The name under which no second one can be.
    #[must_use]
    pub fn filed(name: &str) -> String {
        name.to_ascii_lowercase()
    }
}

/// What users, groups and roles are granted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// ARNs of managed policies.
    pub attached: BTreeSet<String>,
    /// Policies of its own by name.
    pub inline: BTreeMap<String, String>,
    /// ARN of the managed policy that bounds it. Groups have none.
    pub boundary: Option<String>,
}

/// Somebody with long-lived keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Name and so on.
    pub entity: Entity,
    /// What it may do.
    pub grants: Grants,
    /// Its access keys, oldest first.
    pub keys: Vec<AccessKey>,
    /// The ids of the groups that it is in.
    pub groups: BTreeSet<String>,
}

/// A key to sign requests with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// `AKIA…`.
    pub id: String,
    /// Its secret half.
    pub secret: KeySecret,
    /// Whether it can be used.
    pub is_active: bool,
    /// Since when it is there.
    pub created: Timestamp,
}

/// The secret half of an access key. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySecret(String);

impl KeySecret {
    /// Takes a secret.
    #[must_use]
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret, to be sealed, signed with, or told once to its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(…)")
    }
}

/// Users that are granted the same. Who is in it stands with the users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Name and so on; groups have no tags.
    pub entity: Entity,
    /// What its users may do.
    pub grants: Grants,
}

/// An identity that is taken on for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Name and so on.
    pub entity: Entity,
    /// What its sessions may do.
    pub grants: Grants,
    /// The policy that says who may take it on.
    pub trust: String,
    /// What it is for.
    pub description: Option<String>,
    /// The longest session.
    pub session_s_max: u32,
}

/// A managed policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Name and so on.
    pub entity: Entity,
    /// What it is for.
    pub description: Option<String>,
    /// When a version was last added, removed or made the default.
    pub updated: Timestamp,
    /// Its versions by number; never empty.
    pub versions: BTreeMap<u32, PolicyVersion>,
    /// The version that counts.
    pub default_version: u32,
    /// The highest number that was ever given out.
    pub last_version: u32,
}

/// A version of a managed policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyVersion {
    /// The policy's text.
    pub document: String,
    /// Since when it is there.
    pub created: Timestamp,
}

/// The last time that a key or role was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    /// Whose it is.
    pub account: AccountId,
    /// The id of the key, or the unique id of the role.
    pub subject: String,
    /// When.
    pub time: Timestamp,
    /// For which service: `lambda`.
    pub service: String,
    /// In which region.
    pub region: String,
}

impl Policy {
    /// The text that counts. Empty, and so no policy, only if a record was damaged.
    #[must_use]
    pub fn document(&self) -> &str {
        self.versions.get(&self.default_version).map_or("", |version| &version.document)
    }
}
