//! Users, groups, roles and managed policies of all accounts, and the temporary credentials that are given out for them.
//!
//! All is in memory for reading and durable before it is shown. Writers take turns, so that no policy goes while it is
//! attached and no group while somebody is in it. Knows no wire: refusals leave as [`IamError`], and whether a caller may
//! do something is asked by whoever speaks the protocol. What a user or a session may do, ready to decide by, is kept
//! until the next change ([`standing`]).
//!
//! Source: IAM API reference; IAM User Guide, "IAM and AWS STS quotas".

mod error;
mod grants;
mod group;
pub(crate) mod id;
mod kept;
mod managed;
mod meant;
mod page;
mod policy;
mod role;
pub(crate) mod service;
mod simulate;
pub(crate) mod standing;
pub mod sts;
mod used;
mod user;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use model::iam::{Entity, Group, Policy, Role, User};
use model::id::AccountId;
use model::limits::Quotas;
use model::port::{Clock, Entropy};
use store::records::RecordError;
use store::records::typed::TypedRecords;

use crate::durable::{not_written, to_the_end};
use crate::table::{Entry, Table};
pub use error::IamError;
use kept::missing;
pub use kept::{Bounded, Holder, Kept, Words};
use meant::Ids;
pub use page::{Page, PageOf};
pub use policy::{Described, PolicyFilter, PolicyUsers, VersionOf};
pub use role::NewRole;
pub use simulate::{Matched, Simulated, Simulation};
use standing::Standings;
use used::Uses;

/// Most tags on one thing.
const TAGS_MAX: usize = 50;

/// The identities of all accounts. Clones share them.
#[derive(Clone)]
pub struct Iam(Arc<Inner>);

/// See [`Iam`].
pub struct Inner {
    users: Table<User>,
    groups: Table<Group>,
    roles: Table<Role>,
    policies: Table<Policy>,
    /// The users of access keys, as account and filed name.
    keys: RwLock<HashMap<String, (AccountId, String)>>,
    /// The users and roles that policies mean.
    ids: Ids,
    standings: Standings,
    uses: Uses,
    records: TypedRecords,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    quotas: Quotas,
    /// Whoever changes anything holds this.
    writing: tokio::sync::Mutex<()>,
}

/// What is said of something new, whatever its kind.
#[derive(Debug, Clone, Default)]
pub struct New {
    /// Its name.
    pub name: String,
    /// Its path; `/` where none is given.
    pub path: Option<String>,
    /// ARN of the policy that bounds it.
    pub boundary: Option<String>,
    /// Its labels.
    pub tags: BTreeMap<String, String>,
}

impl Iam {
    /// Takes what was stored.
    ///
    /// # Errors
    /// [`RecordError`] when a record cannot be read.
    pub async fn open(
        records: TypedRecords,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        quotas: Quotas,
    ) -> Result<Self, RecordError> {
        let inner = Inner {
            users: Table::load(&records).await?,
            groups: Table::load(&records).await?,
            roles: Table::load(&records).await?,
            policies: Table::load(&records).await?,
            keys: RwLock::default(),
            ids: Ids::default(),
            standings: Standings::default(),
            uses: Uses::load(&records).await?,
            records,
            clock,
            entropy,
            quotas,
            writing: tokio::sync::Mutex::default(),
        };
        for user in inner.users.gather(|user| Some(user.clone())) {
            inner.index_user(None, Some(&user));
        }
        for role in inner.roles.gather(|role| Some(role.clone())) {
            inner.index_role(None, Some(&role));
        }
        Ok(Self(Arc::new(inner)))
    }

    /// A user, group or role.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn get<T: Kept>(&self, account: AccountId, name: &str) -> Result<Arc<T>, IamError> {
        self.0.entry::<T>(account, name).map(|entry| entry.value)
    }

    /// A page of all, in order of their names.
    ///
    /// # Errors
    /// `Validation` for a marker that is none.
    pub fn list<T: Kept>(&self, account: AccountId, page: &PageOf) -> Result<Page<Arc<T>>, IamError> {
        let all = T::table(&self.0).all(&account).into_iter();
        page.of(all
            .map(|entry| entry.value)
            .filter(|value| page.wants(&value.entity().path))
            .map(|value| (value.name(), value)))
    }

    /// The ARN by which a caller's right to something is asked: that of what is there, or of what it would be.
    #[must_use]
    pub fn arn_of<T: Kept>(&self, account: AccountId, name: &str) -> String {
        match self.0.entry::<T>(account, name) {
            Ok(entry) => entry.value.arn(),
            Err(_) => Self::arn_of_new::<T>(account, "/", name),
        }
    }

    /// The ARN that something will have that is made with this path.
    #[must_use]
    pub fn arn_of_new<T: Kept>(account: AccountId, path: &str, name: &str) -> String {
        format!("arn:aws:iam::{account}:{}{path}{name}", T::WORDS.noun)
    }

    /// Carries out a change when it is its turn, to its end.
    async fn in_turn<R: Send + 'static, F>(
        &self,
        change: impl FnOnce(Iam) -> F + Send + 'static,
    ) -> Result<R, IamError>
    where
        F: Future<Output = Result<R, IamError>> + Send,
    {
        let iam = self.clone();
        to_the_end(async move {
            let shared = iam.clone();
            let _turn = shared.0.writing.lock().await;
            change(iam).await
        })
        .await
    }

    /// Keeps something new, if the check finds nothing when it is its turn.
    async fn create<T: Kept>(
        &self,
        value: T,
        check: impl FnOnce(&Inner, &T) -> Result<(), IamError> + Send + 'static,
    ) -> Result<Arc<T>, IamError> {
        self.in_turn(move |iam| async move {
            let words = T::WORDS;
            let entity = value.entity();
            id::check_name::<T>(&entity.name)?;
            id::check_path(&entity.path)?;
            check_tags(&entity.tags)?;
            check(&iam.0, &value)?;
            let table = T::table(&iam.0);
            if table.get(&entity.account, &value.name()).is_some() {
                return Err(taken::<T>(&entity.name));
            }
            let (titles, count_max) = (words.titles, words.count_max.min(iam.0.quotas.identities));
            if table.count(&entity.account) >= count_max {
                let message = format!("Cannot exceed quota for {titles}PerAccount: {count_max}");
                return Err(IamError::LimitExceeded(message));
            }
            iam.0.replace(None, value).await
        })
        .await
    }

    /// Changes something.
    async fn change<T: Kept, R: Send + 'static>(
        &self,
        account: AccountId,
        name: &str,
        change: impl FnOnce(&Inner, &mut T) -> Result<R, IamError> + Send + 'static,
    ) -> Result<R, IamError> {
        let name = name.to_owned();
        self.in_turn(move |iam| async move {
            let entry = iam.0.entry::<T>(account, &name)?;
            let mut value = (*entry.value).clone();
            let result = change(&iam.0, &mut value)?;
            if value != *entry.value {
                iam.0.replace(Some(entry), value).await?;
            }
            Ok(result)
        })
        .await
    }

    /// Gives something another name or path.
    ///
    /// # Errors
    /// `NoSuchEntity`, `EntityAlreadyExists`, `Validation`.
    async fn rename<T: Kept>(
        &self,
        account: AccountId,
        name: &str,
        new_name: Option<String>,
        new_path: Option<String>,
    ) -> Result<(), IamError> {
        self.change(account, name, move |iam, value: &mut T| {
            if let Some(path) = new_path {
                id::check_path(&path)?;
                value.entity_mut().path = path;
            }
            let Some(new_name) = new_name else { return Ok(()) };
            id::check_name::<T>(&new_name)?;
            let filed = Entity::filed(&new_name);
            if filed != value.name() && T::table(iam).get(&account, &filed).is_some() {
                return Err(taken::<T>(&new_name));
            }
            value.entity_mut().name = new_name;
            Ok(())
        })
        .await
    }

    /// Removes something to which nothing belongs any more.
    async fn delete<T: Kept>(
        &self,
        account: AccountId,
        name: &str,
        check: impl FnOnce(&Inner, &T) -> Result<(), IamError> + Send + 'static,
    ) -> Result<(), IamError> {
        let name = name.to_owned();
        self.in_turn(move |iam| async move {
            let entry = iam.0.entry::<T>(account, &name)?;
            check(&iam.0, &entry.value)?;
            let filed = Entity::filed(&name);
            let removed = T::table(&iam.0).remove(&account, &filed, entry.stored).await;
            removed.map_err(|error| not_written(entry.value.arn(), &error))?;
            T::shown(&iam.0, Some(&entry.value), None);
            iam.0.standings.forget();
            Ok(())
        })
        .await
    }
}

impl Inner {
    fn entry<T: Kept>(&self, account: AccountId, name: &str) -> Result<Entry<T>, IamError> {
        T::table(self).get(&account, &Entity::filed(name)).ok_or_else(|| missing::<T>(name))
    }

    fn entity(&self, account: AccountId, prefix: &str, new: New) -> Entity {
        Entity {
            account,
            name: new.name,
            path: new.path.unwrap_or_else(|| "/".to_owned()),
            id: id::unique(prefix, self.entropy.as_ref()),
            created: self.clock.now(),
            tags: new.tags,
        }
    }

    /// Keeps a value in the place of another one, which may have had another name.
    async fn replace<T: Kept>(&self, before: Option<Entry<T>>, value: T) -> Result<Arc<T>, IamError> {
        let table = T::table(self);
        let (account, name) = (value.owner(), value.name());
        let renamed = before.as_ref().filter(|before| before.value.name() != name);
        let failed = |error| not_written(value.arn(), &error);
        let stored = match renamed {
            None => {
                let expected = before.as_ref().map(|before| before.stored);
                self.records.commit_one(table.keep(&value, expected)).await.map_err(failed)?
            }
            Some(before) => {
                let removal = table.removal(&account, &before.value.name(), before.stored);
                let revisions =
                    self.records.commit(vec![table.keep(&value, None), removal]).await.map_err(failed)?;
                table.forget_one(&account, &before.value.name());
                // As many revisions as writes.
                revisions.first().copied().ok_or_else(|| failed(RecordError::Closed))?
            }
        };
        let value = Arc::new(value);
        table.install(Arc::clone(&value), stored);
        T::shown(self, before.as_ref().map(|before| &*before.value), Some(&value));
        self.standings.forget();
        Ok(value)
    }

    /// Keeps the index of roles true.
    fn index_role(&self, before: Option<&Role>, after: Option<&Role>) {
        self.ids.shown(before, after);
    }

    /// Keeps the indexes of users and keys true.
    fn index_user(&self, before: Option<&User>, after: Option<&User>) {
        self.ids.shown(before, after);
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        for (key, _) in before.into_iter().flat_map(places) {
            keys.remove(&key);
        }
        keys.extend(after.into_iter().flat_map(places));
    }

    /// The user with this key.
    fn user_of_key(&self, key_id: &str) -> Option<Arc<User>> {
        let (account, name) =
            self.keys.read().unwrap_or_else(PoisonError::into_inner).get(key_id).cloned()?;
        self.users.get(&account, &name).map(|entry| entry.value)
    }
}

/// The keys of a user, and where it is filed.
fn places(user: &User) -> impl Iterator<Item = (String, (AccountId, String))> {
    let place = (user.entity.account, Entity::filed(&user.entity.name));
    user.keys.iter().map(move |key| (key.id.clone(), place.clone()))
}

fn taken<T: Kept>(name: &str) -> IamError {
    IamError::EntityAlreadyExists(match T::WORDS.noun {
        "policy" => format!("A policy called {name} already exists. Duplicate names are not allowed."),
        _ => format!("{} with name {name} already exists.", T::WORDS.title),
    })
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), IamError> {
    if tags.len() > TAGS_MAX {
        let message = format!("The number of tags has reached the maximum limit of {TAGS_MAX}.");
        return Err(IamError::LimitExceeded(message));
    }
    let longest = tags
        .iter()
        .find(|(key, value)| key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256);
    if longest.is_some() {
        let message = "A tag's key has 1 to 128 characters and its value at most 256.";
        return Err(IamError::InvalidInput(message.to_owned()));
    }
    if tags.keys().any(|key| key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))) {
        let message = "Tag keys must not begin with aws:, which is reserved for AWS.";
        return Err(IamError::InvalidInput(message.to_owned()));
    }
    Ok(())
}
