//! Who is meant by the principals of a statement, and how well a caller is meant by them.
//!
//! An account as principal means that account's owner decides: within the account it grants nothing by itself. A user or
//! role is meant by its unique id wherever the policy was written while it was there, so that another one of the same
//! name inherits nothing.
//! Source: IAM User Guide, "AWS JSON policy elements: Principal".

use super::Malformed;
use super::json::Json;

/// Who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor<'a> {
    /// The root, a user, or a session of a role.
    Principal {
        /// The account that it belongs to.
        account: &'a str,
        /// `arn:aws:iam::…:user/…` or `arn:aws:sts::…:assumed-role/…/…`.
        arn: &'a str,
        /// The role of a session.
        role_arn: Option<&'a str>,
        /// The unique id of the user, or of the session's role.
        id: &'a str,
    },
    /// An AWS service, by all names that it has: `s3.amazonaws.com`.
    Service(&'a [&'a str]),
    /// Whoever an identity provider vouches for.
    Federated(&'a str),
    /// Somebody without credentials.
    Anonymous,
}

/// How a statement's principals mean a caller; a better match is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// By its account: its own identity policies have to allow it too.
    Account,
    /// By its role: its session's policies and boundary still limit it.
    Role,
    /// By itself, or as everybody.
    Direct,
}

/// The principals of a statement.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Principals(Vec<Principal>);

#[derive(Debug, Clone, PartialEq)]
enum Principal {
    Everybody,
    Account(String),
    Arn(String),
    /// The unique id of a user or role.
    Id(String),
    Service(String),
    Federated(String),
    /// Accepted for compatibility; nobody here has one.
    Canonical,
}

impl Principals {
    pub(crate) fn parse(json: &Json) -> Result<Self, Malformed> {
        match json {
            Json::Text(text) if text == "*" => Ok(Self(vec![Principal::Everybody])),
            Json::Object(kinds) if !kinds.is_empty() => {
                let mut principals = Vec::new();
                for (kind, values) in kinds {
                    for value in values.items() {
                        let value = value.as_str().ok_or_else(Malformed::syntax)?;
                        principals.push(Principal::parse(kind, value)?);
                    }
                }
                Ok(Self(principals))
            }
            _ => Err(Malformed::syntax()),
        }
    }

    pub(crate) fn has_everybody(&self) -> bool {
        self.0.contains(&Principal::Everybody)
    }

    pub(crate) fn find(&self, actor: Actor<'_>) -> Option<Match> {
        self.0.iter().filter_map(|principal| principal.find(actor)).max()
    }
}

impl Principal {
    fn parse(kind: &str, value: &str) -> Result<Self, Malformed> {
        let invalid = || {
            let shown: String = value.chars().take(200).collect();
            Malformed::because(format!("Invalid principal in policy: \"{kind}\":\"{shown}\""))
        };
        match kind {
            "AWS" if value == "*" => Ok(Self::Everybody),
            "AWS" if is_account(value) => Ok(Self::Account(value.to_owned())),
            "AWS" if is_id(value) => Ok(Self::Id(value.to_owned())),
            "AWS" => {
                let parts: Vec<&str> = value.splitn(6, ':').collect();
                match parts.as_slice() {
                    ["arn", _, "iam", "", account, "root"] if is_account(account) => {
                        Ok(Self::Account((*account).to_owned()))
                    }
                    // No part of an ARN may be left open here.
                    ["arn", _, "iam" | "sts", "", account, name]
                        if is_account(account) && name.contains('/') && !name.contains(['*', '?']) =>
                    {
                        Ok(Self::Arn(value.to_owned()))
                    }
                    _ => Err(invalid()),
                }
            }
            "Service" if value.contains('.') && !value.contains(['*', ':', ' ']) => {
                Ok(Self::Service(value.to_owned()))
            }
            "Federated" if !value.is_empty() => Ok(Self::Federated(value.to_owned())),
            "CanonicalUser" if !value.is_empty() => Ok(Self::Canonical),
            "Service" | "Federated" | "CanonicalUser" => Err(invalid()),
            _ => Err(Malformed::syntax()),
        }
    }

    fn find(&self, actor: Actor<'_>) -> Option<Match> {
        match (self, actor) {
            (Self::Everybody, _) => Some(Match::Direct),
            (Self::Account(meant), Actor::Principal { account, .. }) => {
                (meant == account).then_some(Match::Account)
            }
            (Self::Id(meant), Actor::Principal { id, role_arn, .. }) => {
                let matched = if role_arn.is_some() { Match::Role } else { Match::Direct };
                (meant == id).then_some(matched)
            }
            (Self::Arn(meant), Actor::Principal { arn, role_arn, account, .. }) => {
                // A session may be called after a role of another account, without coming from there.
                if meant.split(':').nth(4) != Some(account) {
                    None
                } else if meant == arn {
                    Some(Match::Direct)
                } else {
                    role_arn.is_some_and(|role| role == meant).then_some(Match::Role)
                }
            }
            (Self::Service(meant), Actor::Service(names)) => {
                names.contains(&meant.as_str()).then_some(Match::Direct)
            }
            (Self::Federated(meant), Actor::Federated(name)) => (meant == name).then_some(Match::Direct),
            _ => None,
        }
    }
}

/// Gives the users and roles that a policy's statements name other names; those of which nothing is known keep theirs.
///
/// # Errors
/// What `rename` refuses.
pub fn rename<E>(
    policy: &mut Json,
    mut rename: impl FnMut(&str) -> Result<Option<String>, E>,
) -> Result<(), E> {
    let statements = policy.get_mut("Statement").map(Json::items_mut).unwrap_or_default();
    for statement in statements {
        for member in ["Principal", "NotPrincipal"] {
            let named = statement.get_mut(member).and_then(|principals| principals.get_mut("AWS"));
            for name in named.map(Json::items_mut).unwrap_or_default() {
                if let Some(other) = name.as_str().map(&mut rename).transpose()?.flatten() {
                    *name = Json::text(other);
                }
            }
        }
    }
    Ok(())
}

/// Whether a text has the form of the unique id of a user or role.
pub fn is_id(text: &str) -> bool {
    (text.starts_with("AIDA") || text.starts_with("AROA"))
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
