//! Schedules: created, updated, read, listed, deleted.
//!
//! A request with a token that was answered is answered in the same way again. Of two who change a schedule at once one is
//! refused; whoever keeps time is told after a change is on the disk.

use std::sync::Arc;

use model::arn::Scope;
use model::error::ServiceError;
use model::scheduler::{DEFAULT_GROUP, GroupId, Schedule};
use store::records::table::Entry;
use wire::scheduler::{self as api, ActionAfterCompletion, FlexibleTimeWindowMode, ScheduleState};

use super::error::{conflict, invalid, no_schedule, of_records, too_many};
use super::{Scheduler, check, name, target};

/// Schedules of one group (EventBridge Scheduler User Guide, "Quotas": of an account in a region).
const SCHEDULES_MAX: usize = 1_000_000;

impl Scheduler {
    pub(super) async fn create(
        &self,
        scope: &Scope,
        input: &api::CreateScheduleInput,
    ) -> Result<api::CreateScheduleOutput, ServiceError> {
        let made = name::made(input.client_token.as_deref(), input);
        let schedule = check::schedule(scope, input, made, self.clock.now())?;
        let arn = schedule.arn();
        let _together = self.grouping.read().await;
        if self.group(&schedule.group)?.is_deleting {
            return Err(conflict(format!("Schedule group {} is being deleted.", schedule.group.name)));
        }
        if let Some(Entry { value: known, .. }) = self.schedules.get(&schedule.group, &schedule.name) {
            if known.made.is_some() && known.made == schedule.made {
                return Ok(api::CreateScheduleOutput { schedule_arn: Some(arn) });
            }
            return Err(conflict(format!("Schedule {} already exists.", schedule.name)));
        }
        if self.schedules.count(&schedule.group) >= SCHEDULES_MAX {
            return Err(too_many("schedules"));
        }
        self.schedules.put(schedule, None).await.map_err(of_records)?;
        self.changes.tell(arn.clone());
        Ok(api::CreateScheduleOutput { schedule_arn: Some(arn) })
    }

    pub(super) async fn update(
        &self,
        scope: &Scope,
        input: &api::UpdateScheduleInput,
    ) -> Result<api::UpdateScheduleOutput, ServiceError> {
        let given = as_created(input);
        let now = self.clock.now();
        let wanted = check::schedule(scope, &given, None, now)?;
        self.group(&wanted.group)?;
        let found =
            self.schedules.get(&wanted.group, &wanted.name).ok_or_else(|| no_schedule(&wanted.name))?;
        let Entry { value: known, stored } = found;
        let times = |of: &Schedule| (of.expression.clone(), of.zone.clone(), of.start, of.is_enabled);
        let is_same = times(&known) == times(&wanted);
        let updated = Schedule {
            created: known.created,
            since: if is_same { known.since } else { now },
            completed: known.completed.filter(|_| is_same),
            made: known.made.clone(),
            ..wanted
        };
        let updated = self.schedules.put(updated, Some(stored)).await.map_err(of_records)?;
        self.changes.tell(updated.arn());
        Ok(api::UpdateScheduleOutput { schedule_arn: Some(updated.arn()) })
    }

    pub(super) async fn delete(
        &self,
        scope: &Scope,
        input: &api::DeleteScheduleInput,
    ) -> Result<api::DeleteScheduleOutput, ServiceError> {
        let group = name::group(scope, input.group_name.as_deref());
        let name = input.name.as_deref().unwrap_or_default();
        let (arn, token) = (group.schedule_arn(name), input.client_token.as_deref());
        let Some(Entry { stored, .. }) = self.schedules.get(&group, name) else {
            if self.has_deleted(&arn, token) {
                return Ok(api::DeleteScheduleOutput {});
            }
            self.group(&group)?;
            return Err(no_schedule(name));
        };
        self.schedules.remove(&group, name, stored).await.map_err(of_records)?;
        self.changes.tell(arn.clone());
        self.remember_deleted(arn, token);
        Ok(api::DeleteScheduleOutput {})
    }

    pub(super) fn get(
        &self,
        scope: &Scope,
        input: &api::GetScheduleInput,
    ) -> Result<api::GetScheduleOutput, ServiceError> {
        let group = name::group(scope, input.group_name.as_deref());
        self.group(&group)?;
        let name = input.name.as_deref().unwrap_or_default();
        let kept = self.schedules.get(&group, name).ok_or_else(|| no_schedule(name))?.value;
        Ok(api::GetScheduleOutput {
            arn: Some(kept.arn()),
            group_name: Some(kept.group.name.clone()),
            name: Some(kept.name.clone()),
            schedule_expression: Some(kept.expression.clone()),
            start_date: kept.start,
            end_date: kept.end,
            description: kept.description.clone(),
            schedule_expression_timezone: Some(kept.zone.clone().unwrap_or_else(|| "UTC".to_owned())),
            state: Some(state(&kept)),
            creation_date: Some(kept.created),
            last_modification_date: Some(kept.modified),
            kms_key_arn: kept.kms_key.clone(),
            target: Some(target::shown(&kept.target)),
            flexible_time_window: Some(api::FlexibleTimeWindow {
                mode: Some(match kept.window_minutes {
                    Some(_) => FlexibleTimeWindowMode::Flexible,
                    None => FlexibleTimeWindowMode::Off,
                }),
                maximum_window_in_minutes: kept
                    .window_minutes
                    .and_then(|minutes| i32::try_from(minutes).ok()),
            }),
            action_after_completion: Some(match kept.goes_after {
                Some(true) => ActionAfterCompletion::Delete,
                _ => ActionAfterCompletion::None,
            }),
        })
    }

    pub(super) fn list(
        &self,
        scope: &Scope,
        input: &api::ListSchedulesInput,
    ) -> Result<api::ListSchedulesOutput, ServiceError> {
        let groups = match input.group_name.as_deref() {
            Some(named) => vec![self.group(&name::group(scope, Some(named)))?.id.name.clone()],
            None => self.group_names(scope),
        };
        let token = name::read_token(input.next_token.as_deref())?;
        let after =
            token.as_deref().map(|token| token.split_once(':').ok_or_else(|| invalid("Invalid NextToken.")));
        let after = after.transpose()?;
        let prefix = input.name_prefix.as_deref().unwrap_or_default();
        let wanted = |schedule: &Schedule| {
            let is_state = input.state.as_ref().is_none_or(|wanted| *wanted == state(schedule));
            is_state && schedule.name.starts_with(prefix)
        };
        let limit = name::limit(input.max_results);
        let (mut found, mut has_more): (Vec<Arc<Schedule>>, bool) = (Vec::new(), false);
        for group in groups {
            let behind = match after {
                Some((of, _)) if group.as_str() < of => continue,
                Some((of, name)) if group == of => Some(name),
                _ => None,
            };
            let id = GroupId { scope: scope.clone(), name: group };
            let (page, more) = self.schedules.page(&id, behind, limit - found.len() + 1, wanted);
            found.extend(page);
            has_more = more || found.len() > limit;
            if has_more {
                found.truncate(limit);
                break;
            }
        }
        let last = found.last().filter(|_| has_more);
        let next_token = last.map(|last| name::token(&format!("{}:{}", last.group.name, last.name)));
        Ok(api::ListSchedulesOutput {
            next_token,
            schedules: Some(found.iter().map(|one| summary(one)).collect()),
        })
    }

    /// The names of all groups, in their order.
    fn group_names(&self, scope: &Scope) -> Vec<String> {
        let mut names: Vec<String> =
            self.groups.all(scope).into_iter().map(|group| group.value.id.name.clone()).collect();
        names.push(DEFAULT_GROUP.to_owned());
        names.sort();
        names.dedup();
        names
    }
}

fn state(schedule: &Schedule) -> ScheduleState {
    if schedule.is_enabled { ScheduleState::Enabled } else { ScheduleState::Disabled }
}

fn summary(schedule: &Schedule) -> api::ScheduleSummary {
    api::ScheduleSummary {
        arn: Some(schedule.arn()),
        name: Some(schedule.name.clone()),
        group_name: Some(schedule.group.name.clone()),
        state: Some(state(schedule)),
        creation_date: Some(schedule.created),
        last_modification_date: Some(schedule.modified),
        target: Some(api::TargetSummary { arn: Some(schedule.target.arn.clone()) }),
    }
}

/// An update says all that a creation says.
fn as_created(input: &api::UpdateScheduleInput) -> api::CreateScheduleInput {
    let input = input.clone();
    api::CreateScheduleInput {
        name: input.name,
        group_name: input.group_name,
        schedule_expression: input.schedule_expression,
        start_date: input.start_date,
        end_date: input.end_date,
        description: input.description,
        schedule_expression_timezone: input.schedule_expression_timezone,
        state: input.state,
        kms_key_arn: input.kms_key_arn,
        target: input.target,
        flexible_time_window: input.flexible_time_window,
        client_token: input.client_token,
        action_after_completion: input.action_after_completion,
    }
}
