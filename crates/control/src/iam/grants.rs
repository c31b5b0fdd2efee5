//! What users, groups and roles are granted, and their labels: written once for all three.
//!
//! Every policy was read before it is kept, and every managed policy that is attached is there.

use std::collections::BTreeMap;

use model::iam::Policy;
use model::id::AccountId;

use super::kept::{Bounded, Holder, Kept};
use super::{Iam, IamError, Inner, Page, PageOf, check_tags, id, managed};
use crate::policy::{Document, Kind};

/// Managed policies on one identity; AWS lets this be raised to 20.
const ATTACHED_MAX: usize = 10;

impl Iam {
    /// Attaches a managed policy.
    ///
    /// # Errors
    /// `NoSuchEntity`, `LimitExceeded`.
    pub async fn attach<T: Holder>(&self, account: AccountId, name: &str, arn: &str) -> Result<(), IamError> {
        let arn = arn.to_owned();
        self.change(account, name, move |iam, holder: &mut T| {
            let policy = iam.attachable(account, &arn)?;
            let attached = &mut holder.grants_mut().attached;
            if attached.len() >= ATTACHED_MAX && !attached.contains(&policy) {
                let title = T::WORDS.title;
                let message = format!("Cannot exceed quota for PoliciesPer{title}: {ATTACHED_MAX}");
                return Err(IamError::LimitExceeded(message));
            }
            attached.insert(policy);
            Ok(())
        })
        .await
    }

    /// Takes a managed policy off.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub async fn detach<T: Holder>(&self, account: AccountId, name: &str, arn: &str) -> Result<(), IamError> {
        check_arn(arn)?;
        let arn = arn.to_owned();
        self.change(account, name, move |_, holder: &mut T| match holder.grants_mut().attached.remove(&arn) {
            true => Ok(()),
            false => Err(IamError::NoSuchEntity(format!("Policy {arn} was not found."))),
        })
        .await
    }

    /// The names and ARNs of the managed policies that are attached.
    ///
    /// # Errors
    /// `NoSuchEntity`, `Validation`.
    pub fn attached<T: Holder>(
        &self,
        account: AccountId,
        name: &str,
        page: &PageOf,
    ) -> Result<Page<(String, String)>, IamError> {
        let holder = self.get::<T>(account, name)?;
        let attached = holder.grants().attached.iter();
        page.of(attached.filter(|arn| page.wants(&path_of(arn))).map(|arn| {
            let name = arn.rsplit('/').next().unwrap_or_default();
            (arn.clone(), (name.to_owned(), arn.clone()))
        }))
    }

    /// Writes an inline policy.
    ///
    /// # Errors
    /// `NoSuchEntity`, `MalformedPolicyDocument`, `LimitExceeded`.
    pub async fn put_inline<T: Holder>(
        &self,
        account: AccountId,
        name: &str,
        policy: &str,
        document: String,
    ) -> Result<(), IamError> {
        id::check_word(policy, "policyName", 128)?;
        let policy = policy.to_owned();
        self.change(account, name, move |_, holder: &mut T| {
            Document::parse(&document, Kind::Identity)?;
            let shown = holder.entity().name.clone();
            let inline = &mut holder.grants_mut().inline;
            inline.insert(policy, document);
            if inline.values().map(|text| size_of(text)).sum::<usize>() > T::INLINE_CHARS_MAX {
                let (noun, most) = (T::WORDS.noun, T::INLINE_CHARS_MAX);
                let message = format!("Maximum policy size of {most} bytes exceeded for {noun} {shown}");
                return Err(IamError::LimitExceeded(message));
            }
            Ok(())
        })
        .await
    }

    /// The text of an inline policy.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn inline<T: Holder>(
        &self,
        account: AccountId,
        name: &str,
        policy: &str,
    ) -> Result<String, IamError> {
        let holder = self.get::<T>(account, name)?;
        holder.grants().inline.get(policy).cloned().ok_or_else(|| no_inline::<T>(policy))
    }

    /// Removes an inline policy.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub async fn delete_inline<T: Holder>(
        &self,
        account: AccountId,
        name: &str,
        policy: &str,
    ) -> Result<(), IamError> {
        let policy = policy.to_owned();
        self.change(account, name, move |_, holder: &mut T| {
            let removed = holder.grants_mut().inline.remove(&policy);
            removed.map(drop).ok_or_else(|| no_inline::<T>(&policy))
        })
        .await
    }

    /// The names of the inline policies.
    ///
    /// # Errors
    /// `NoSuchEntity`, `Validation`.
    pub fn inline_names<T: Holder>(
        &self,
        account: AccountId,
        name: &str,
        page: &PageOf,
    ) -> Result<Page<String>, IamError> {
        let holder = self.get::<T>(account, name)?;
        page.of(holder.grants().inline.keys().map(|name| (name.clone(), name.clone())))
    }

    /// Sets or takes away the boundary.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub async fn set_boundary<T: Bounded>(
        &self,
        account: AccountId,
        name: &str,
        boundary: Option<String>,
    ) -> Result<(), IamError> {
        self.change(account, name, move |iam, holder: &mut T| {
            if boundary.is_none() && holder.grants().boundary.is_none() {
                let (noun, name) = (T::WORDS.noun, &holder.entity().name);
                let message = format!("The {noun} with name {name} has no permissions boundary.");
                return Err(IamError::NoSuchEntity(message));
            }
            holder.grants_mut().boundary = boundary.map(|arn| iam.attachable(account, &arn)).transpose()?;
            Ok(())
        })
        .await
    }

    /// Adds labels, or writes them over.
    ///
    /// # Errors
    /// `NoSuchEntity`, `LimitExceeded`, `InvalidInput`.
    pub async fn tag<T: Kept>(
        &self,
        account: AccountId,
        name: &str,
        tags: BTreeMap<String, String>,
    ) -> Result<(), IamError> {
        check_tags(&tags)?;
        self.change(account, name, move |_, value: &mut T| {
            let known = &mut value.entity_mut().tags;
            // Keys are the same in capitals or not; the last one says how it is written.
            known.retain(|key, _| !tags.keys().any(|given| given.eq_ignore_ascii_case(key)));
            known.extend(tags);
            check_tags(known)
        })
        .await
    }

    /// Takes labels off; those that are not there do not matter.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub async fn untag<T: Kept>(
        &self,
        account: AccountId,
        name: &str,
        keys: Vec<String>,
    ) -> Result<(), IamError> {
        self.change(account, name, move |_, value: &mut T| {
            let is_meant = |key: &str| keys.iter().any(|given| given.eq_ignore_ascii_case(key));
            value.entity_mut().tags.retain(|key, _| !is_meant(key));
            Ok(())
        })
        .await
    }

    /// The labels.
    ///
    /// # Errors
    /// `NoSuchEntity`, `Validation`.
    pub fn tags<T: Kept>(
        &self,
        account: AccountId,
        name: &str,
        page: &PageOf,
    ) -> Result<Page<(String, String)>, IamError> {
        let value = self.get::<T>(account, name)?;
        let tags = &value.entity().tags;
        page.of(tags.iter().map(|(key, value)| (key.clone(), (key.clone(), value.clone()))))
    }
}

impl Inner {
    /// The ARN of a policy that is there: the account's own or a built-in one.
    pub(super) fn attachable(&self, account: AccountId, arn: &str) -> Result<String, IamError> {
        check_arn(arn)?;
        let is_there = managed::find(arn).is_some() || self.own_policy(account, arn).is_some();
        let message = || format!("Policy {arn} does not exist or is not attachable.");
        is_there.then(|| arn.to_owned()).ok_or_else(|| IamError::NoSuchEntity(message()))
    }

    /// Refuses somebody new whose boundary is not there.
    pub(super) fn check_boundary<T: Bounded>(&self, holder: &T) -> Result<(), IamError> {
        let boundary = holder.grants().boundary.as_deref();
        boundary.map_or(Ok(()), |arn| self.attachable(holder.entity().account, arn).map(drop))
    }

    /// A policy of the account's own by its whole ARN.
    pub(super) fn own_policy(&self, account: AccountId, arn: &str) -> Option<crate::table::Entry<Policy>> {
        let entry = self.entry::<Policy>(account, arn.rsplit('/').next()?).ok()?;
        (entry.value.arn() == arn).then_some(entry)
    }
}

/// Refuses what cannot be the ARN of a policy.
pub(super) fn check_arn(arn: &str) -> Result<(), IamError> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, "iam", "", _, resource] if resource.starts_with("policy/") => Ok(()),
        _ => Err(IamError::InvalidInput(format!("ARN {arn} is not valid."))),
    }
}

/// How large a policy counts: without white space.
pub(super) fn size_of(text: &str) -> usize {
    text.chars().filter(|char| !char.is_whitespace()).count()
}

/// The path that a policy's ARN shows.
fn path_of(arn: &str) -> String {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let named = resource.strip_prefix("policy").unwrap_or_default();
    named.rsplit_once('/').map_or_else(String::new, |(path, _)| format!("{path}/"))
}

/// Refuses to remove what still has something.
pub(super) fn check_bare<T: Holder>(holder: &T) -> Result<(), IamError> {
    let grants = holder.grants();
    let conflict =
        |what: &str| Err(IamError::DeleteConflict(format!("Cannot delete entity, must {what} first.")));
    if !grants.attached.is_empty() {
        return conflict("detach all policies");
    }
    if !grants.inline.is_empty() {
        return conflict("delete policies");
    }
    Ok(())
}

fn no_inline<T: Holder>(policy: &str) -> IamError {
    IamError::NoSuchEntity(format!("The {} policy with name {policy} cannot be found.", T::WORDS.noun))
}
