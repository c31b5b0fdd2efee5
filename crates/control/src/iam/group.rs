//! Groups, and who is in them.
//!
//! Memberships stand with the users, by the group's id, so that a group can change its name.

use std::sync::Arc;

use model::iam::{Entity, Group, User};
use model::id::AccountId;

use super::grants::check_bare;
use super::{Iam, IamError, Inner, Kept, New, Page, PageOf};

/// Groups that one user can be in.
const GROUPS_PER_USER_MAX: usize = 10;

impl Iam {
    /// Makes a group.
    ///
    /// # Errors
    /// `EntityAlreadyExists`, `LimitExceeded`, `Validation`.
    pub async fn create_group(&self, account: AccountId, new: New) -> Result<Arc<Group>, IamError> {
        let entity = self.0.entity(account, Group::WORDS.id_prefix, new);
        self.create(Group { entity, grants: Default::default() }, |_, _| Ok(())).await
    }

    /// Gives a group another name or path.
    ///
    /// # Errors
    /// `NoSuchEntity`, `EntityAlreadyExists`, `Validation`.
    pub async fn update_group(
        &self,
        account: AccountId,
        name: &str,
        new_name: Option<String>,
        new_path: Option<String>,
    ) -> Result<(), IamError> {
        self.rename::<Group>(account, name, new_name, new_path).await
    }

    /// Removes a group that nobody is in and that has nothing.
    ///
    /// # Errors
    /// `NoSuchEntity`, `DeleteConflict`.
    pub async fn delete_group(&self, account: AccountId, name: &str) -> Result<(), IamError> {
        self.delete(account, name, move |iam, group: &Group| {
            if !iam.members(account, group).is_empty() {
                let message = "Cannot delete entity, must remove users from group first.";
                return Err(IamError::DeleteConflict(message.to_owned()));
            }
            check_bare(group)
        })
        .await
    }

    /// Takes a user into a group.
    ///
    /// # Errors
    /// `NoSuchEntity`, `LimitExceeded`.
    pub async fn add_to_group(&self, account: AccountId, group: &str, user: &str) -> Result<(), IamError> {
        let group = group.to_owned();
        self.change(account, user, move |iam, user: &mut User| {
            let id = iam.entry::<Group>(account, &group)?.value.entity.id.clone();
            if user.groups.len() >= GROUPS_PER_USER_MAX && !user.groups.contains(&id) {
                let message = format!("Cannot exceed quota for GroupsPerUser: {GROUPS_PER_USER_MAX}");
                return Err(IamError::LimitExceeded(message));
            }
            user.groups.insert(id);
            Ok(())
        })
        .await
    }

    /// Takes a user out of a group.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub async fn remove_from_group(
        &self,
        account: AccountId,
        group: &str,
        user: &str,
    ) -> Result<(), IamError> {
        let group = group.to_owned();
        self.change(account, user, move |iam, user: &mut User| {
            let found = iam.entry::<Group>(account, &group)?.value;
            if user.groups.remove(&found.entity.id) {
                return Ok(());
            }
            let name = &user.entity.name;
            Err(IamError::NoSuchEntity(format!("User {name} is not in group {group}.")))
        })
        .await
    }

    /// The groups that a user is in.
    ///
    /// # Errors
    /// `NoSuchEntity`, `Validation`.
    pub fn groups_of(
        &self,
        account: AccountId,
        user: &str,
        page: &PageOf,
    ) -> Result<Page<Arc<Group>>, IamError> {
        let user = self.get::<User>(account, user)?;
        page.of(self.0.groups_of(&user).into_iter().map(|group| (Entity::filed(&group.entity.name), group)))
    }

    /// The users of a group.
    ///
    /// # Errors
    /// `NoSuchEntity`, `Validation`.
    pub fn members(
        &self,
        account: AccountId,
        group: &str,
        page: &PageOf,
    ) -> Result<Page<Arc<User>>, IamError> {
        let group = self.get::<Group>(account, group)?;
        let members = self.0.members(account, &group);
        page.of(members.into_iter().map(|user| (Entity::filed(&user.entity.name), user)))
    }
}

impl Inner {
    /// The groups of a user, by name.
    pub(super) fn groups_of(&self, user: &User) -> Vec<Arc<Group>> {
        if user.groups.is_empty() {
            return Vec::new();
        }
        let all = self.groups.all(&user.entity.account).into_iter().map(|entry| entry.value);
        all.filter(|group| user.groups.contains(&group.entity.id)).collect()
    }

    fn members(&self, account: AccountId, group: &Group) -> Vec<Arc<User>> {
        let all = self.users.all(&account).into_iter().map(|entry| entry.value);
        all.filter(|user| user.groups.contains(&group.entity.id)).collect()
    }
}
