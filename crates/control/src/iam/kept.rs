//! What the four kinds have alike, so that each operation is written once: their names in messages and ARNs, their
//! quotas, their tables. Nothing here decides anything.
//!
//! Source of the quotas: IAM User Guide, "IAM and AWS STS quotas".

use model::iam::{Entity, Grants, Group, Policy, Role, User};
use model::id::AccountId;
use store::records::typed::Stored;

use super::{IamError, Inner};
use crate::table::Table;

/// How a kind is spoken of, and how many there may be.
#[derive(Debug)]
pub struct Words {
    /// `user`, in ARNs and messages.
    pub noun: &'static str,
    /// `User`, at the beginning of a message and in quotas.
    pub title: &'static str,
    /// `Users`.
    pub titles: &'static str,
    /// `AIDA`.
    pub id_prefix: &'static str,
    /// The longest name.
    pub name_chars_max: usize,
    /// The most in an account.
    pub count_max: usize,
}

/// A user, group, role or managed policy.
pub trait Kept: Stored<Owner = AccountId> + Clone + PartialEq {
    /// How it is spoken of.
    const WORDS: Words;

    /// Name and so on.
    fn entity(&self) -> &Entity;
    /// The same, to be changed.
    fn entity_mut(&mut self) -> &mut Entity;
    /// All of the kind.
    fn table(iam: &Inner) -> &Table<Self>;

    /// Told whenever one was made, changed or removed.
    fn shown(_: &Inner, _before: Option<&Self>, _after: Option<&Self>) {}

    /// Its ARN.
    fn arn(&self) -> String {
        self.entity().arn(Self::WORDS.noun)
    }
}

/// What can be granted something: a user, group or role.
pub trait Holder: Kept {
    /// The most characters of all its inline policies, white space apart.
    const INLINE_CHARS_MAX: usize;

    /// What it is granted.
    fn grants(&self) -> &Grants;
    /// The same, to be changed.
    fn grants_mut(&mut self) -> &mut Grants;
}

/// Whether some kind can be bounded: all but groups.
pub trait Bounded: Holder {}

macro_rules! kept {
    ($kind:ident, $table:ident, $words:expr $(, $shown:path)?) => {
        impl Kept for $kind {
            const WORDS: Words = $words;

            fn entity(&self) -> &Entity {
                &self.entity
            }
            fn entity_mut(&mut self) -> &mut Entity {
                &mut self.entity
            }
            fn table(iam: &Inner) -> &Table<Self> {
                &iam.$table
            }
            $(fn shown(iam: &Inner, before: Option<&Self>, after: Option<&Self>) {
                $shown(iam, before, after);
            })?
        }
    };
}

macro_rules! holder {
    ($kind:ident, $chars:expr) => {
        impl Holder for $kind {
            const INLINE_CHARS_MAX: usize = $chars;

            fn grants(&self) -> &Grants {
                &self.grants
            }
            fn grants_mut(&mut self) -> &mut Grants {
                &mut self.grants
            }
        }
    };
}

kept!(
    User,
    users,
    Words {
        noun: "user",
        title: "User",
        titles: "Users",
        id_prefix: "AIDA",
        name_chars_max: 64,
        count_max: 5_000
    },
    Inner::index_user
);
kept!(
    Group,
    groups,
    Words {
        noun: "group",
        title: "Group",
        titles: "Groups",
        id_prefix: "AGPA",
        name_chars_max: 128,
        count_max: 300
    }
);
kept!(
    Role,
    roles,
    Words {
        noun: "role",
        title: "Role",
        titles: "Roles",
        id_prefix: "AROA",
        name_chars_max: 64,
        count_max: 1_000
    },
    Inner::index_role
);
kept!(
    Policy,
    policies,
    Words {
        noun: "policy",
        title: "Policy",
        titles: "Policies",
        id_prefix: "ANPA",
        name_chars_max: 128,
        count_max: 1_500
    }
);
holder!(User, 2_048);
holder!(Group, 5_120);
holder!(Role, 10_240);
impl Bounded for User {}
impl Bounded for Role {}

/// The answer where there is none of this name.
pub(super) fn missing<T: Kept>(name: &str) -> IamError {
    IamError::NoSuchEntity(format!("The {} with name {name} cannot be found.", T::WORDS.noun))
}
