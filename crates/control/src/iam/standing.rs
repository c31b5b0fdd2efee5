//! What users and sessions may do, ready to decide by: documents that were read once and are shared until anything
//! changes.
//!
//! Standings are kept by access key id, and documents by their text for all who hold them: a session more costs no more
//! than what is its own. Any change of any identity forgets all of it: changes are rare, and calls are not. So does more
//! than there is room for. A policy that is not there or cannot be read might have been a denial or a limit, so its holder is denied
//! everything: to have no policies would let it in where a resource's policy does.
//!
//! Source: IAM User Guide, "Policy evaluation logic", "AWS global condition context keys", "Session policies".

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use model::iam::{Grants, Role, User};
use model::id::{AccountId, Digest};
use model::time::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{Iam, Inner, Kept};
use crate::identity::{FunctionBearer, Standing};
use crate::policy::{Context, Document, Held, Kind};

/// Key ids that are kept; when there are more, all are read anew.
const KEPT_MAX: usize = 4_096;
/// Bytes of text of all that is kept, each document once. Read, it takes some 17 times as much, and up to 43 where it
/// consists of wildcards.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// A session of a role, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SessionOf {
    /// Its name.
    pub name: String,
    /// The policy that bounds it.
    pub policy: Option<String>,
    /// The managed policies that bound it.
    pub policy_arns: Vec<String>,
    /// Labels that it has besides its role's.
    pub tags: BTreeMap<String, String>,
    /// Who stands behind it.
    pub source_identity: Option<String>,
}

/// See the module's description.
#[derive(Default)]
pub(super) struct Standings(RwLock<Known>);

#[derive(Default)]
struct Known {
    /// How often everything was forgotten.
    age: u64,
    by_key: HashMap<String, Arc<Standing>>,
    by_text: HashMap<Digest, Arc<Document>>,
    size_bytes: usize,
}

impl Known {
    /// Makes room for something of this size.
    fn make_room(&mut self, size_bytes: usize) {
        if self.by_key.len() >= KEPT_MAX || self.size_bytes + size_bytes > KEPT_BYTES_MAX {
            self.clear();
        }
        self.size_bytes += size_bytes;
    }

    fn clear(&mut self) {
        self.by_key.clear();
        self.by_text.clear();
        self.size_bytes = 0;
    }
}

impl Standings {
    /// To be called after every change.
    pub(super) fn forget(&self) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.age += 1;
        known.clear();
    }

    fn get_or_make(&self, key_id: &str, make: impl FnOnce() -> Option<Standing>) -> Option<Arc<Standing>> {
        let age = {
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(standing) = known.by_key.get(key_id) {
                return Some(Arc::clone(standing));
            }
            known.age
        };
        let standing = Arc::new(make()?);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // What was made from before a change is good for this call and for no later one.
        if known.age == age {
            known.make_room(key_id.len() + standing.arn.len() + standing.facts.size_bytes());
            known.by_key.insert(key_id.to_owned(), Arc::clone(&standing));
        }
        Some(standing)
    }

    /// Reads a policy that was read before it was stored, unless somebody else holds the same.
    fn read(&self, text: &str) -> Option<Arc<Document>> {
        let digest = Digest::from_bytes(Sha256::digest(text.as_bytes()).into());
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = known.by_text.get(&digest) {
            return Some(Arc::clone(document));
        }
        drop(known);
        let document = match Document::parse(text, Kind::Identity) {
            Ok(document) => Arc::new(document),
            Err(error) => {
                tracing::error!(%error, "a stored policy cannot be read; its holder may do nothing");
                return None;
            }
        };
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // What a text says never changes, so that it may be kept whatever has been forgotten meanwhile.
        if !known.by_text.contains_key(&digest) {
            known.make_room(text.len());
            known.by_text.insert(digest, Arc::clone(&document));
        }
        Some(document)
    }
}

impl Iam {
    /// The user of an active key, what it may do, and its secret.
    pub(crate) fn user_standing(&self, key_id: &str) -> Option<(AccountId, Arc<Standing>, String)> {
        let user = self.0.user_of_key(key_id)?;
        let key = user.keys.iter().find(|key| key.id == key_id && key.is_active)?;
        let standing = self.0.standings.get_or_make(key_id, || Some(self.0.user(&user, false)))?;
        Some((user.entity.account, standing, key.secret.expose().to_owned()))
    }

    /// What a user may do with temporary credentials of its own, while it is there.
    pub(crate) fn user_session(
        &self,
        key_id: &str,
        account: AccountId,
        user_id: &str,
        issued: Timestamp,
    ) -> Option<Arc<Standing>> {
        self.0.standings.get_or_make(key_id, || {
            let user = self.0.users.all(&account).into_iter().find(|it| it.value.entity.id == user_id)?;
            let mut standing = self.0.user(&user.value, true);
            tell_issued(&mut standing, issued);
            Some(standing)
        })
    }

    /// What a session of a role may do, while the role is there.
    pub(crate) fn role_session(
        &self,
        key_id: &str,
        account: AccountId,
        role_id: &str,
        session: &SessionOf,
        issued: Timestamp,
    ) -> Option<Arc<Standing>> {
        self.0.standings.get_or_make(key_id, || {
            let role = self.0.roles.all(&account).into_iter().find(|it| it.value.entity.id == role_id)?;
            let mut standing = self.0.session(&role.value, session);
            tell_issued(&mut standing, issued);
            Some(standing)
        })
    }

    /// What a function may do that has taken on its execution role, while this one is there.
    pub(crate) fn execution_session(
        &self,
        key_id: &str,
        account: AccountId,
        of: &FunctionBearer,
        issued: Timestamp,
    ) -> Option<Arc<Standing>> {
        self.0.standings.get_or_make(key_id, || {
            let is_it = |role: &Arc<Role>| {
                role.entity.account == account && of.role_id.as_ref() == Some(&role.entity.id)
            };
            let role = self.role_of_arn(&of.role_arn).filter(is_it)?;
            let session = SessionOf { name: of.name().to_owned(), ..SessionOf::default() };
            let mut standing = self.0.session(&role, &session);
            standing.facts.set("lambda:SourceFunctionArn", of.arn.as_str());
            tell_issued(&mut standing, issued);
            Some(standing)
        })
    }
}

impl Inner {
    pub(super) fn user(&self, user: &User, temporary: bool) -> Standing {
        let mut facts = Context::new();
        facts.set("aws:username", user.entity.name.as_str());
        facts.set("aws:userid", user.entity.id.as_str());
        facts.set("aws:PrincipalType", "User");
        tell_tags(&mut facts, &user.entity.tags);
        if temporary {
            facts.set("aws:MultiFactorAuthPresent", "false");
        }
        let groups = self.groups_of(user);
        let grants = groups.iter().map(|group| &group.grants).chain([&user.grants]);
        Standing {
            arn: user.arn(),
            role_arn: None,
            facts,
            held: self.held(user.entity.account, grants, user.grants.boundary.as_deref(), None),
            temporary,
        }
    }

    pub(super) fn session(&self, role: &Role, session: &SessionOf) -> Standing {
        let account = role.entity.account;
        let mut facts = Context::new();
        facts.set("aws:userid", format!("{}:{}", role.entity.id, session.name));
        facts.set("aws:PrincipalType", "AssumedRole");
        facts.set("aws:MultiFactorAuthPresent", "false");
        facts.set_some("aws:SourceIdentity", session.source_identity.as_deref());
        tell_tags(&mut facts, &role.entity.tags);
        tell_tags(&mut facts, &session.tags);
        let is_bounded = session.policy.is_some() || !session.policy_arns.is_empty();
        Standing {
            arn: format!("arn:aws:sts::{account}:assumed-role/{}/{}", role.entity.name, session.name),
            role_arn: Some(role.arn()),
            facts,
            held: self.held(
                account,
                std::iter::once(&role.grants),
                role.grants.boundary.as_deref(),
                is_bounded.then_some(session),
            ),
            temporary: true,
        }
    }

    pub(super) fn held<'a>(
        &self,
        account: AccountId,
        grants: impl Iterator<Item = &'a Grants>,
        boundary: Option<&str>,
        session: Option<&SessionOf>,
    ) -> Held {
        let held = || -> Option<Held> {
            let mut identity = Vec::new();
            for grants in grants {
                for text in grants.inline.values() {
                    identity.push(self.standings.read(text)?);
                }
                for arn in &grants.attached {
                    identity.push(self.managed(account, arn)?);
                }
            }
            let boundary = match boundary {
                None => None,
                Some(arn) => Some(self.managed(account, arn)?),
            };
            let session = match session {
                None => None,
                Some(session) => {
                    let own = session.policy.iter().map(|text| self.standings.read(text));
                    let managed = session.policy_arns.iter().map(|arn| self.managed(account, arn));
                    Some(own.chain(managed).collect::<Option<Vec<_>>>()?)
                }
            };
            Some(Held { identity, boundary, session })
        };
        held().unwrap_or_else(Held::nothing)
    }

    fn managed(&self, account: AccountId, arn: &str) -> Option<Arc<Document>> {
        let policy = self.policy(account, arn);
        if policy.is_none() {
            tracing::error!(
                arn,
                "a managed policy of an identity or a session is not there; its holder may do nothing"
            );
        }
        self.standings.read(policy?.document())
    }
}

/// Lets policies end the sessions that began before a time.
fn tell_issued(standing: &mut Standing, issued: Timestamp) {
    standing.facts.set("aws:TokenIssueTime", (issued.as_millis() / 1_000).to_string());
}

fn tell_tags(facts: &mut Context, tags: &BTreeMap<String, String>) {
    for (key, value) in tags {
        facts.set(format!("aws:PrincipalTag/{key}"), value.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(number: usize, bytes: usize) -> String {
        let function = format!("arn:aws:lambda:us-east-1:000000000000:function:f{number:0>bytes$}");
        format!(r#"{{"Statement":{{"Effect":"Allow","Action":"lambda:*","Resource":"{function}"}}}}"#)
    }

    fn keep(standings: &Standings, key_id: &str, text: &str) -> Arc<Standing> {
        let identity = vec![standings.read(text).expect("a policy")];
        let held = Held { identity, boundary: None, session: None };
        let standing = Standing { held, ..Standing::default() };
        standings.get_or_make(key_id, || Some(standing)).expect("a standing")
    }

    #[test]
    fn whoever_holds_the_same_policy_shares_it() {
        let standings = Standings::default();
        let shared = policy(1, 1_000);
        let (one, two) = (keep(&standings, "one", &shared), keep(&standings, "two", &shared));
        assert!(Arc::ptr_eq(&one.held.identity[0], &two.held.identity[0]));
        standings.forget();
        let known = standings.0.read().expect("the lock");
        assert_eq!((known.by_key.len(), known.by_text.len(), known.size_bytes), (0, 0, 0));
    }

    #[test]
    fn what_is_kept_is_bounded_by_its_bytes() {
        let standings = Standings::default();
        for number in 0..KEPT_MAX / 2 {
            keep(&standings, &number.to_string(), &policy(number, 5_000));
            let known = standings.0.read().expect("the lock");
            let bytes = known.by_text.len() * 5_000;
            assert!(bytes <= known.size_bytes && known.size_bytes <= KEPT_BYTES_MAX, "{bytes}");
        }
        let mut tagged = Standing::default();
        tagged.facts.set("aws:PrincipalTag/a", "a".repeat(KEPT_BYTES_MAX));
        standings.get_or_make("tagged", || Some(tagged));
        assert_eq!(standings.0.read().expect("the lock").by_text.len(), 0);
    }
}
