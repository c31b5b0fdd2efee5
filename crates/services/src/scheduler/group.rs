//! Groups: created, read, listed, deleted with all of their schedules.
//!
//! A group that is to be deleted is marked so, durably, before that is answered; its schedules go then, and it goes last. The
//! default group is there without a record, until it has tags.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::arn::Scope;
use model::error::ServiceError;
use model::scheduler::{Group, GroupId};
use store::records::RecordError;
use store::records::table::Entry;
use wire::scheduler::{self as api, ScheduleGroupState};

use super::error::{conflict, invalid, no_group, of_records, too_many};
use super::{Scheduler, name, tags};

/// Groups of an account in a region (EventBridge Scheduler User Guide, "Quotas").
const GROUPS_MAX: usize = 500;
/// How long a deletion that was held up waits.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

impl Scheduler {
    /// Goes on with deletions that the end of the server broke off. Once, at start.
    pub fn resume(&self) {
        self.groups
            .gather(|group| group.is_deleting.then(|| group.id.clone()))
            .into_iter()
            .for_each(|group| self.empty(group));
    }

    pub(super) async fn create_group(
        &self,
        scope: &Scope,
        input: &api::CreateScheduleGroupInput,
    ) -> Result<api::CreateScheduleGroupOutput, ServiceError> {
        let id = name::group(scope, input.name.as_deref());
        let made = name::made(input.client_token.as_deref(), input);
        let tags = tags::added(BTreeMap::new(), input.tags.as_deref().unwrap_or_default())?;
        let output = || api::CreateScheduleGroupOutput { schedule_group_arn: Some(id.arn()) };
        let _alone = self.grouping.write().await;
        if let Ok(known) = self.group(&id) {
            if known.made.is_some() && known.made == made && !known.is_deleting {
                return Ok(output());
            }
            return Err(conflict(format!("Schedule group {} already exists.", id.name)));
        }
        if self.groups.count(scope) >= GROUPS_MAX {
            return Err(too_many("schedule groups"));
        }
        let now = Some(self.clock.now());
        let group = Group { id: id.clone(), tags, is_deleting: false, created: now, modified: now, made };
        self.groups.put(group, None).await.map_err(of_records)?;
        Ok(output())
    }

    pub(super) async fn delete_group(
        &self,
        scope: &Scope,
        input: &api::DeleteScheduleGroupInput,
    ) -> Result<api::DeleteScheduleGroupOutput, ServiceError> {
        let id = name::group(scope, input.name.as_deref());
        if id.is_default() {
            return Err(invalid("Default schedule group can't be deleted."));
        }
        let token = input.client_token.as_deref();
        let _alone = self.grouping.write().await;
        let Some(Entry { value, stored }) = self.groups.get(scope, &id.name) else {
            return if self.has_deleted(&id.arn(), token) {
                Ok(api::DeleteScheduleGroupOutput {})
            } else {
                Err(no_group(&id.name))
            };
        };
        if !value.is_deleting {
            let modified = Some(self.clock.now());
            let marked = Group { is_deleting: true, modified, ..Group::clone(&value) };
            self.groups.put(marked, Some(stored)).await.map_err(of_records)?;
            self.remember_deleted(id.arn(), token);
            self.empty(id);
        }
        Ok(api::DeleteScheduleGroupOutput {})
    }

    /// Removes the schedules of a group that is marked, then the group. A disk that refuses only holds it up.
    fn empty(&self, id: GroupId) {
        let scheduler = self.clone();
        tokio::spawn(async move {
            while let Err(error) = scheduler.remove_all(&id).await {
                tracing::warn!(group = id.arn(), %error, "a group is not deleted yet");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        });
    }

    async fn remove_all(&self, id: &GroupId) -> Result<(), RecordError> {
        loop {
            let all = self.schedules.all(id);
            if all.is_empty() {
                break;
            }
            for Entry { value, stored } in all {
                match self.schedules.remove(id, &value.name, stored).await {
                    // It has changed, or has gone by itself.
                    Ok(()) | Err(RecordError::Conflict { .. } | RecordError::Missing { .. }) => {}
                    Err(error) => return Err(error),
                }
                self.changes.tell(value.arn());
            }
        }
        let _alone = self.grouping.write().await;
        match self.groups.get(&id.scope, &id.name) {
            Some(Entry { stored, .. }) => self.groups.remove(&id.scope, &id.name, stored).await,
            None => Ok(()),
        }
    }

    pub(super) fn get_group(
        &self,
        scope: &Scope,
        input: &api::GetScheduleGroupInput,
    ) -> Result<api::GetScheduleGroupOutput, ServiceError> {
        let group = self.group(&name::group(scope, input.name.as_deref()))?;
        Ok(api::GetScheduleGroupOutput {
            arn: Some(group.id.arn()),
            name: Some(group.id.name.clone()),
            state: Some(state(&group)),
            creation_date: group.created,
            last_modification_date: group.modified,
        })
    }

    pub(super) fn list_groups(
        &self,
        scope: &Scope,
        input: &api::ListScheduleGroupsInput,
    ) -> Result<api::ListScheduleGroupsOutput, ServiceError> {
        let default = self.group(&name::group(scope, None))?;
        let mut groups: Vec<Arc<Group>> =
            self.groups.all(scope).into_iter().map(|entry| entry.value).collect();
        if !groups.iter().any(|group| group.id.is_default()) {
            groups.push(default);
        }
        groups.sort_by(|one, other| one.id.name.cmp(&other.id.name));
        let after = name::read_token(input.next_token.as_deref())?;
        let prefix = input.name_prefix.as_deref().unwrap_or_default();
        groups.retain(|group| {
            let name = &group.id.name;
            name.starts_with(prefix) && after.as_ref().is_none_or(|after| name > after)
        });
        let limit = name::limit(input.max_results);
        let has_more = groups.len() > limit;
        groups.truncate(limit);
        let next_token = groups.last().filter(|_| has_more).map(|last| name::token(&last.id.name));
        let summary = |group: &Arc<Group>| api::ScheduleGroupSummary {
            arn: Some(group.id.arn()),
            name: Some(group.id.name.clone()),
            state: Some(state(group)),
            creation_date: group.created,
            last_modification_date: group.modified,
        };
        let schedule_groups = Some(groups.iter().map(summary).collect());
        Ok(api::ListScheduleGroupsOutput { next_token, schedule_groups })
    }

    /// A group that is there.
    pub(super) fn group(&self, id: &GroupId) -> Result<Arc<Group>, ServiceError> {
        match self.groups.get(&id.scope, &id.name) {
            Some(entry) => Ok(entry.value),
            None if id.is_default() => Ok(Arc::new(implicit(id))),
            None => Err(no_group(&id.name)),
        }
    }

    /// Changes the tags of a group.
    pub(super) async fn change_group(
        &self,
        id: &GroupId,
        change: impl FnOnce(&mut Group) -> Result<(), ServiceError>,
    ) -> Result<(), ServiceError> {
        let _alone = self.grouping.write().await;
        let mut group = Group::clone(&*self.group(id)?);
        change(&mut group)?;
        group.modified = Some(self.clock.now());
        let stored = self.groups.get(&id.scope, &id.name).map(|entry| entry.stored);
        self.groups.put(group, stored).await.map(drop).map_err(of_records)
    }
}

/// The default group, of which nothing is kept.
fn implicit(id: &GroupId) -> Group {
    Group {
        id: id.clone(),
        tags: BTreeMap::new(),
        is_deleting: false,
        created: None,
        modified: None,
        made: None,
    }
}

fn state(group: &Group) -> ScheduleGroupState {
    if group.is_deleting { ScheduleGroupState::Deleting } else { ScheduleGroupState::Active }
}
