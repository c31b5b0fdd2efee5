//! Who is meant by the users and roles that a policy names: written down by their unique ids, shown by their ARNs.
//!
//! A policy goes on meaning the same user through every change of its name, and nobody any more once that user is gone:
//! another one of the same name inherits nothing. It then shows the id, as at AWS. Policies that name no user or role
//! stay as they were written, to the byte.
//!
//! Source: IAM User Guide, "AWS JSON policy elements: Principal", on principals that were deleted.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{PoisonError, RwLock};

use model::iam::{Role, User};
use model::id::AccountId;

use super::{Iam, Inner, Kept};
use crate::policy::json::Json;
use crate::policy::{is_id, rename};

/// The ARNs of all users and roles by their unique ids.
#[derive(Default)]
pub(super) struct Ids(RwLock<HashMap<String, String>>);

/// A principal that is not there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Nobody(pub String);

impl Ids {
    /// To be told of whatever was made, changed or removed.
    pub(super) fn shown<T: Kept>(&self, before: Option<&T>, after: Option<&T>) {
        let mut ids = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = before {
            ids.remove(&before.entity().id);
        }
        if let Some(after) = after {
            ids.insert(after.entity().id.clone(), after.arn());
        }
    }

    pub(super) fn arn(&self, id: &str) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

impl Iam {
    /// The policy with ids in the place of ARNs. Who is not there keeps the name that was given, for whoever has it then.
    pub(crate) fn meaning(&self, policy: &str) -> String {
        let id = |name: &str| Ok::<_, Infallible>(self.0.id_of(name));
        renamed(policy, id).unwrap_or_else(|never| match never {})
    }

    /// The same for a policy that may name nobody who is not there.
    ///
    /// # Errors
    /// [`Nobody`].
    pub(super) fn meaning_of_trust(&self, policy: &str) -> Result<String, Nobody> {
        renamed(policy, |name| match self.0.id_of(name) {
            Some(id) => Ok(Some(id)),
            None if is_id(name) && self.0.ids.arn(name).is_some() => Ok(None),
            None if is_id(name) || place(name).is_some() => Err(Nobody(name.to_owned())),
            None => Ok(None),
        })
    }

    /// The policy with ARNs in the place of ids, but for those of users and roles that have gone.
    #[must_use]
    pub fn shown(&self, policy: &str) -> String {
        if !policy.contains("\"AIDA") && !policy.contains("\"AROA") {
            return policy.to_owned();
        }
        let arn = |name: &str| Ok::<_, Infallible>(is_id(name).then(|| self.0.ids.arn(name)).flatten());
        renamed(policy, arn).unwrap_or_else(|never| match never {})
    }
}

impl Inner {
    /// The id of the user or role that has this ARN.
    pub(super) fn id_of(&self, arn: &str) -> Option<String> {
        let (account, kind, name) = place(arn)?;
        match kind {
            "user" => self.id_if::<User>(account, name, arn),
            _ => self.id_if::<Role>(account, name, arn),
        }
    }

    fn id_if<T: Kept>(&self, account: AccountId, name: &str, arn: &str) -> Option<String> {
        let value = self.entry::<T>(account, name).ok()?.value;
        (value.arn() == arn).then(|| value.entity().id.clone())
    }
}

/// The account, kind and name of the ARN of a user or role.
fn place(arn: &str) -> Option<(AccountId, &str, &str)> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", _, "iam", "", account, resource] = parts.as_slice() else { return None };
    let (kind, name) = resource.split_once('/').filter(|(kind, _)| matches!(*kind, "user" | "role"))?;
    Some((AccountId::parse(account).ok()?, kind, name.rsplit('/').next()?))
}

/// A policy that was read before, its principals renamed; the same text where none is.
fn renamed<E>(policy: &str, mut other: impl FnMut(&str) -> Result<Option<String>, E>) -> Result<String, E> {
    let Ok(mut json) = Json::parse(policy) else { return Ok(policy.to_owned()) };
    let mut is_other = false;
    rename::<E>(&mut json, |name| {
        let name = other(name)?;
        is_other |= name.is_some();
        Ok(name)
    })?;
    Ok(if is_other { json.to_string() } else { policy.to_owned() })
}
