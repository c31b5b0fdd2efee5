//! Managed policies and their versions: the account's own, which can be changed, and the built-in ones, which cannot.
//!
//! A policy always has a version that counts, and a number is never given out again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::iam::{Group, Policy, PolicyVersion, Role, User};
use model::id::AccountId;

use super::grants::{check_arn, size_of};
use super::{Holder, Iam, IamError, Inner, Kept, New, Page, PageOf, managed};
use crate::policy::{Document, Kind};

/// Versions of one policy that are kept.
const VERSIONS_MAX: usize = 5;
const POLICY_CHARS_MAX: usize = 6_144;

/// A policy, and how it is used.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// The policy.
    pub policy: Arc<Policy>,
    /// Its ARN.
    pub arn: String,
    /// How many users, groups and roles it is attached to.
    pub attachments: usize,
    /// How many users and roles it bounds.
    pub bounds: usize,
}

/// A version by its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionOf {
    /// Its number; `v3` on the wire.
    pub number: u32,
    /// The text and its time.
    pub version: PolicyVersion,
    /// Whether it counts.
    pub is_default: bool,
}

/// Which policies are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PolicyFilter {
    /// Not the account's own ones.
    pub without_own: bool,
    /// Not the built-in ones.
    pub without_built_in: bool,
    /// Only those that are used: as permissions, as boundary, or (none) in any way.
    pub only_attached: bool,
    /// Only what is used as boundary (true) or as permissions (false).
    pub as_boundary: Option<bool>,
}

/// Who uses a policy.
#[derive(Debug, Clone, PartialEq)]
pub enum PolicyUsers {
    /// A user.
    User(Arc<User>),
    /// A group.
    Group(Arc<Group>),
    /// A role.
    Role(Arc<Role>),
}

impl Iam {
    /// Makes a policy, with this text as version 1.
    ///
    /// # Errors
    /// `EntityAlreadyExists`, `MalformedPolicyDocument`, `LimitExceeded`, `Validation`.
    pub async fn create_policy(
        &self,
        account: AccountId,
        new: New,
        description: Option<String>,
        document: String,
    ) -> Result<Described, IamError> {
        check_document(&document)?;
        let entity = self.0.entity(account, Policy::WORDS.id_prefix, new);
        let created = entity.created;
        let policy = Policy {
            entity,
            description,
            updated: created,
            versions: BTreeMap::from([(1, PolicyVersion { document, created })]),
            default_version: 1,
            last_version: 1,
        };
        let policy = self.create(policy, |_, _| Ok(())).await?;
        Ok(Described { arn: policy.arn(), policy, attachments: 0, bounds: 0 })
    }

    /// A policy of the account's own, or a built-in one.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn policy(&self, account: AccountId, arn: &str) -> Result<Described, IamError> {
        let policy = self.0.policy_there(account, arn)?;
        let uses = self.0.uses(account);
        let (attachments, bounds) = uses.get(arn).copied().unwrap_or_default();
        Ok(Described { policy, arn: arn.to_owned(), attachments, bounds })
    }

    /// The labels of a policy; the built-in ones have none.
    ///
    /// # Errors
    /// `NoSuchEntity`, `Validation`.
    pub fn policy_tags(
        &self,
        account: AccountId,
        arn: &str,
        page: &PageOf,
    ) -> Result<Page<(String, String)>, IamError> {
        let policy = self.0.policy_there(account, arn)?;
        page.of(policy.entity.tags.iter().map(|(key, value)| (key.clone(), (key.clone(), value.clone()))))
    }

    /// A page of policies, in order of their ARNs.
    ///
    /// # Errors
    /// `Validation`.
    pub fn policies(
        &self,
        account: AccountId,
        filter: PolicyFilter,
        page: &PageOf,
    ) -> Result<Page<Described>, IamError> {
        let uses = self.0.uses(account);
        let mut all: BTreeMap<String, Arc<Policy>> = BTreeMap::new();
        if !filter.without_built_in {
            all.extend(managed::all().iter().map(|(arn, policy)| (arn.clone(), Arc::clone(policy))));
        }
        if !filter.without_own {
            let own = self.0.policies.all(&account).into_iter().map(|entry| entry.value);
            all.extend(own.map(|policy| (policy.arn(), policy)));
        }
        let described = all.into_iter().map(|(arn, policy)| {
            let (attachments, bounds) = uses.get(&arn).copied().unwrap_or_default();
            (arn.clone(), Described { policy, arn, attachments, bounds })
        });
        page.of(described.filter(|(_, it)| page.wants(&it.policy.entity.path) && filter.wants(it)))
    }

    /// Removes a policy that nobody uses and that has one version.
    ///
    /// # Errors
    /// `NoSuchEntity`, `DeleteConflict`, `AccessDenied` for a built-in one.
    pub async fn delete_policy(&self, account: AccountId, arn: &str) -> Result<(), IamError> {
        let name = self.own_name(account, arn)?;
        let arn = arn.to_owned();
        self.delete(account, &name, move |iam, policy: &Policy| {
            let conflict = |message: &str| Err(IamError::DeleteConflict(message.to_owned()));
            if iam.uses(account).contains_key(&arn) {
                return conflict("Cannot delete a policy attached to entities.");
            }
            if policy.versions.len() > 1 {
                return conflict(
                    "This policy has more than one version. Before you delete a policy, you must delete the policy's \
                     versions. The default version is deleted with the policy.",
                );
            }
            Ok(())
        })
        .await
    }

    /// Adds a version.
    ///
    /// # Errors
    /// `NoSuchEntity`, `MalformedPolicyDocument`, `LimitExceeded`.
    pub async fn create_policy_version(
        &self,
        account: AccountId,
        arn: &str,
        document: String,
        as_default: bool,
    ) -> Result<VersionOf, IamError> {
        let name = self.own_name(account, arn)?;
        check_document(&document)?;
        self.change(account, &name, move |iam, policy: &mut Policy| {
            if policy.versions.len() >= VERSIONS_MAX {
                let message = format!(
                    "A managed policy can have up to {VERSIONS_MAX} versions. Before you create a new version, you \
                     must delete an existing version."
                );
                return Err(IamError::LimitExceeded(message));
            }
            let number = policy.last_version.saturating_add(1);
            let version = PolicyVersion { document, created: iam.clock.now() };
            policy.last_version = number;
            policy.updated = version.created;
            policy.versions.insert(number, version.clone());
            if as_default {
                policy.default_version = number;
            }
            Ok(VersionOf { number, version, is_default: as_default })
        })
        .await
    }

    /// A version, named as `v3`.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn policy_version(
        &self,
        account: AccountId,
        arn: &str,
        version: &str,
    ) -> Result<VersionOf, IamError> {
        let policy = self.0.policy_there(account, arn)?;
        version_of(&policy, arn, version)
    }

    /// All versions.
    ///
    /// # Errors
    /// `NoSuchEntity`, `Validation`.
    pub fn policy_versions(
        &self,
        account: AccountId,
        arn: &str,
        page: &PageOf,
    ) -> Result<Page<VersionOf>, IamError> {
        let policy = self.0.policy_there(account, arn)?;
        let described = |(number, version): (&u32, &PolicyVersion)| {
            let is_default = *number == policy.default_version;
            (format!("{number:010}"), VersionOf { number: *number, version: version.clone(), is_default })
        };
        page.of(policy.versions.iter().map(described))
    }

    /// Removes a version that does not count.
    ///
    /// # Errors
    /// `NoSuchEntity`, `DeleteConflict`.
    pub async fn delete_policy_version(
        &self,
        account: AccountId,
        arn: &str,
        version: &str,
    ) -> Result<(), IamError> {
        let name = self.own_name(account, arn)?;
        let (arn, version) = (arn.to_owned(), version.to_owned());
        self.change(account, &name, move |iam, policy: &mut Policy| {
            let found = version_of(policy, &arn, &version)?;
            if found.is_default {
                let message = "Cannot delete the default version of a policy.";
                return Err(IamError::DeleteConflict(message.to_owned()));
            }
            policy.versions.remove(&found.number);
            policy.updated = iam.clock.now();
            Ok(())
        })
        .await
    }

    /// Makes a version the one that counts.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub async fn set_default_policy_version(
        &self,
        account: AccountId,
        arn: &str,
        version: &str,
    ) -> Result<(), IamError> {
        let name = self.own_name(account, arn)?;
        let (arn, version) = (arn.to_owned(), version.to_owned());
        self.change(account, &name, move |iam, policy: &mut Policy| {
            policy.default_version = version_of(policy, &arn, &version)?.number;
            policy.updated = iam.clock.now();
            Ok(())
        })
        .await
    }

    /// Who uses a policy: as permissions (false), as boundary (true), or in any way.
    ///
    /// # Errors
    /// `NoSuchEntity`, `Validation`.
    pub fn entities_for_policy(
        &self,
        account: AccountId,
        arn: &str,
        as_boundary: Option<bool>,
        kinds: impl Fn(&PolicyUsers) -> bool,
        page: &PageOf,
    ) -> Result<Page<PolicyUsers>, IamError> {
        self.0.policy_there(account, arn)?;
        let mut found = Vec::new();
        found.extend(self.0.users_of::<Group>(account, arn, as_boundary, page).map(PolicyUsers::Group));
        found.extend(self.0.users_of::<Role>(account, arn, as_boundary, page).map(PolicyUsers::Role));
        found.extend(self.0.users_of::<User>(account, arn, as_boundary, page).map(PolicyUsers::User));
        let keyed = found.into_iter().filter(|user| kinds(user)).map(|user| (user.arn(), user));
        page.of(keyed)
    }

    /// The name under which a policy that can be changed is filed.
    ///
    /// # Errors
    /// `NoSuchEntity`, `AccessDenied`.
    pub fn own_name(&self, account: AccountId, arn: &str) -> Result<String, IamError> {
        if managed::find(arn).is_some() {
            let message = format!("Policy {arn} is managed by AWS and cannot be changed.");
            return Err(IamError::AccessDenied(message));
        }
        check_arn(arn)?;
        let entry = self.0.own_policy(account, arn).ok_or_else(|| not_found(arn))?;
        Ok(entry.value.entity.name.clone())
    }
}

impl PolicyFilter {
    fn wants(self, described: &Described) -> bool {
        let (attachments, bounds) = (described.attachments > 0, described.bounds > 0);
        match self.as_boundary {
            Some(true) => bounds,
            Some(false) => attachments || !self.only_attached && !bounds,
            None => !self.only_attached || attachments || bounds,
        }
    }
}

impl PolicyUsers {
    fn arn(&self) -> String {
        match self {
            Self::User(user) => user.arn(),
            Self::Group(group) => group.arn(),
            Self::Role(role) => role.arn(),
        }
    }
}

impl Inner {
    /// A policy of the account's own, or a built-in one.
    ///
    /// # Errors
    /// `InvalidInput`, `NoSuchEntity`.
    fn policy_there(&self, account: AccountId, arn: &str) -> Result<Arc<Policy>, IamError> {
        check_arn(arn)?;
        self.policy(account, arn).ok_or_else(|| not_found(arn))
    }

    /// The same, if it is there.
    pub(super) fn policy(&self, account: AccountId, arn: &str) -> Option<Arc<Policy>> {
        managed::find(arn).or_else(|| self.own_policy(account, arn).map(|entry| entry.value))
    }

    fn users_of<'a, T: Holder>(
        &self,
        account: AccountId,
        arn: &'a str,
        as_boundary: Option<bool>,
        page: &'a PageOf,
    ) -> impl Iterator<Item = Arc<T>> + 'a {
        let all = T::table(self).all(&account).into_iter().map(|entry| entry.value);
        all.filter(move |holder| {
            let grants = holder.grants();
            let (attached, bounded) =
                (grants.attached.contains(arn), grants.boundary.as_deref() == Some(arn));
            let fits = match as_boundary {
                None => attached || bounded,
                Some(true) => bounded,
                Some(false) => attached,
            };
            fits && page.wants(&holder.entity().path)
        })
    }

    /// How often each policy is attached, and how often it bounds.
    fn uses(&self, account: AccountId) -> HashMap<String, (usize, usize)> {
        let mut uses = HashMap::new();
        count::<User>(self, account, &mut uses);
        count::<Group>(self, account, &mut uses);
        count::<Role>(self, account, &mut uses);
        uses
    }
}

fn count<T: Holder>(iam: &Inner, account: AccountId, uses: &mut HashMap<String, (usize, usize)>) {
    for entry in T::table(iam).all(&account) {
        let grants = entry.value.grants();
        for arn in &grants.attached {
            uses.entry(arn.clone()).or_default().0 += 1;
        }
        if let Some(arn) = &grants.boundary {
            uses.entry(arn.clone()).or_default().1 += 1;
        }
    }
}

fn check_document(document: &str) -> Result<(), IamError> {
    Document::parse(document, Kind::Identity)?;
    if size_of(document) > POLICY_CHARS_MAX {
        let message = format!("Cannot exceed quota for PolicySize: {POLICY_CHARS_MAX}");
        return Err(IamError::LimitExceeded(message));
    }
    Ok(())
}

fn version_of(policy: &Policy, arn: &str, version: &str) -> Result<VersionOf, IamError> {
    let number = version.strip_prefix('v').and_then(|number| number.parse().ok());
    let found = number.and_then(|number: u32| Some((number, policy.versions.get(&number)?)));
    let Some((number, found)) = found else {
        let message = format!("Policy {arn} version {version} does not exist or is not attachable.");
        return Err(IamError::NoSuchEntity(message));
    };
    Ok(VersionOf { number, version: found.clone(), is_default: number == policy.default_version })
}

fn not_found(arn: &str) -> IamError {
    IamError::NoSuchEntity(format!("Policy {arn} was not found."))
}
