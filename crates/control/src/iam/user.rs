//! Users and their access keys.
//!
//! The secret of a key is told once, when it is made, and sealed wherever it is kept.

use std::sync::Arc;

use model::iam::{AccessKey, Grants, KeySecret, User};
use model::id::AccountId;

use super::grants::check_bare;
use super::{Iam, IamError, Inner, Kept, New, id};

/// Access keys of one user.
const KEYS_MAX: usize = 2;

impl Iam {
    /// Makes a user.
    ///
    /// # Errors
    /// `EntityAlreadyExists`, `LimitExceeded`, `NoSuchEntity` for a boundary, `Validation`.
    pub async fn create_user(&self, account: AccountId, mut new: New) -> Result<Arc<User>, IamError> {
        let grants = Grants { boundary: new.boundary.take(), ..Grants::default() };
        let user = User {
            entity: self.0.entity(account, User::WORDS.id_prefix, new),
            grants,
            keys: Vec::new(),
            groups: Default::default(),
        };
        self.create(user, Inner::check_boundary).await
    }

    /// Gives a user another name or path. Its keys, sessions and memberships stay.
    ///
    /// # Errors
    /// `NoSuchEntity`, `EntityAlreadyExists`, `Validation`.
    pub async fn update_user(
        &self,
        account: AccountId,
        name: &str,
        new_name: Option<String>,
        new_path: Option<String>,
    ) -> Result<(), IamError> {
        self.rename::<User>(account, name, new_name, new_path).await
    }

    /// Removes a user that has nothing any more.
    ///
    /// # Errors
    /// `NoSuchEntity`, `DeleteConflict`.
    pub async fn delete_user(&self, account: AccountId, name: &str) -> Result<(), IamError> {
        self.delete(account, name, |_, user: &User| {
            let conflict = |what: &str| {
                Err(IamError::DeleteConflict(format!("Cannot delete entity, must {what} first.")))
            };
            if !user.keys.is_empty() {
                return conflict("delete access keys");
            }
            if !user.groups.is_empty() {
                return conflict("remove user from all groups");
            }
            check_bare(user)
        })
        .await
    }

    /// Makes an access key: the only time that its secret is told.
    ///
    /// # Errors
    /// `NoSuchEntity`, `LimitExceeded`.
    pub async fn create_access_key(&self, account: AccountId, user: &str) -> Result<AccessKey, IamError> {
        let entropy = &*self.0.entropy;
        let key = AccessKey {
            id: id::access_key(entropy),
            secret: KeySecret::new(id::secret(entropy)),
            is_active: true,
            created: self.0.clock.now(),
        };
        self.change(account, user, move |_, user: &mut User| {
            if user.keys.len() >= KEYS_MAX {
                let message = format!("Cannot exceed quota for AccessKeysPerUser: {KEYS_MAX}");
                return Err(IamError::LimitExceeded(message));
            }
            user.keys.push(key.clone());
            Ok(key)
        })
        .await
    }

    /// Switches a key on or off.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub async fn update_access_key(
        &self,
        account: AccountId,
        user: &str,
        key_id: &str,
        is_active: bool,
    ) -> Result<(), IamError> {
        let key_id = key_id.to_owned();
        self.change(account, user, move |_, user: &mut User| {
            let key = user.keys.iter_mut().find(|key| key.id == key_id);
            key.ok_or_else(|| no_key(&key_id))?.is_active = is_active;
            Ok(())
        })
        .await
    }

    /// Removes a key.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub async fn delete_access_key(
        &self,
        account: AccountId,
        user: &str,
        key_id: &str,
    ) -> Result<(), IamError> {
        let key_id = key_id.to_owned();
        self.change(account, user, move |_, user: &mut User| {
            let place = user.keys.iter().position(|key| key.id == key_id).ok_or_else(|| no_key(&key_id))?;
            user.keys.remove(place);
            Ok(())
        })
        .await
    }

    /// The user that a key belongs to.
    #[must_use]
    pub fn user_of_key(&self, key_id: &str) -> Option<Arc<User>> {
        self.0.user_of_key(key_id)
    }
}

fn no_key(key_id: &str) -> IamError {
    IamError::NoSuchEntity(format!("The Access Key with id {key_id} cannot be found."))
}
