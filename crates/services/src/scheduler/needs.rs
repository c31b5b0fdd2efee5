//! What each operation needs the caller's leave for.
//!
//! Tags are those of groups: schedules have none. Source: Service Authorization Reference, "Actions, resources, and condition
//! keys for Amazon EventBridge Scheduler".

use model::arn::Scope;
use model::error::ServiceError;
use model::scheduler::GroupId;
use policy::Need;
use wire::scheduler::{Input, Tag, Target};

use super::{SERVICE, Scheduler, name};

impl Scheduler {
    /// The rights that an operation needs.
    ///
    /// # Errors
    /// Where a group is named by something that is no ARN of one.
    pub fn needs(&self, scope: &Scope, operation: &str, input: &Input) -> Result<Vec<Need>, ServiceError> {
        let of = |resource: String| Need::of(format!("{SERVICE}:{operation}"), resource);
        let schedule = |group: &Option<String>, schedule: &Option<String>| {
            of(name::group(scope, group.as_deref()).schedule_arn(schedule.as_deref().unwrap_or_default()))
        };
        let group = |id: &GroupId| {
            let mut need = of(id.arn());
            if let Ok(known) = self.group(id) {
                need.facts.set_resource_tags(&known.tags);
            }
            need
        };
        let named = |named: &Option<String>| group(&name::group(scope, named.as_deref()));
        let tagged = |arn: &Option<String>| name::group_of_arn(scope, arn.as_deref()).map(|id| group(&id));
        Ok(match input {
            Input::CreateSchedule(input) => {
                let need = schedule(&input.group_name, &input.name);
                std::iter::once(need).chain(pass(input.target.as_ref())).collect()
            }
            Input::UpdateSchedule(input) => {
                let need = schedule(&input.group_name, &input.name);
                std::iter::once(need).chain(pass(input.target.as_ref())).collect()
            }
            Input::GetSchedule(input) => vec![schedule(&input.group_name, &input.name)],
            Input::DeleteSchedule(input) => vec![schedule(&input.group_name, &input.name)],
            Input::CreateScheduleGroup(input) => {
                let mut need = named(&input.name);
                need.facts.set_request_tags(pairs(input.tags.as_deref()));
                let has_tags = input.tags.as_ref().is_some_and(|tags| !tags.is_empty());
                let tag = has_tags.then(|| Need { action: format!("{SERVICE}:TagResource"), ..need.clone() });
                std::iter::once(need).chain(tag).collect()
            }
            Input::GetScheduleGroup(input) => vec![named(&input.name)],
            Input::DeleteScheduleGroup(input) => vec![named(&input.name)],
            Input::ListScheduleGroups(_) => vec![of(name::group(scope, Some("*")).arn())],
            Input::ListSchedules(input) => {
                let group = input.group_name.as_deref().unwrap_or("*");
                vec![of(name::group(scope, Some(group)).schedule_arn("*"))]
            }
            Input::ListTagsForResource(input) => vec![tagged(&input.resource_arn)?],
            Input::TagResource(input) => {
                let mut need = tagged(&input.resource_arn)?;
                need.facts.set_request_tags(pairs(input.tags.as_deref()));
                vec![need]
            }
            Input::UntagResource(input) => {
                let mut need = tagged(&input.resource_arn)?;
                need.facts.set_tag_keys(input.tag_keys.clone().unwrap_or_default());
                vec![need]
            }
        })
    }
}

/// The role that is handed over.
fn pass(target: Option<&Target>) -> Option<Need> {
    Some(Need::to_pass(target?.role_arn.as_ref()?, SERVICE))
}

fn pairs(tags: Option<&[Tag]>) -> impl Iterator<Item = (String, String)> {
    let pair = |tag: &Tag| (tag.key.clone().unwrap_or_default(), tag.value.clone().unwrap_or_default());
    tags.unwrap_or_default().iter().map(pair)
}
