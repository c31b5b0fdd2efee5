//! What each operation needs the caller's leave for.
//!
//! Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon EventBridge Scheduler".

use model::arn::Scope;
use wire::scheduler::{Input, Target};

use super::{SERVICE, Scheduler, name};
use crate::need::Need;

impl Scheduler {
    /// The rights that an operation needs.
    #[must_use]
    pub fn needs(&self, scope: &Scope, operation: &str, input: &Input) -> Vec<Need> {
        let of = |resource: String| Need::of(format!("{SERVICE}:{operation}"), resource);
        let schedule = |group: &Option<String>, schedule: &Option<String>| {
            of(name::group(scope, group.as_deref()).schedule_arn(schedule.as_deref().unwrap_or_default()))
        };
        let group = |named: &Option<String>| of(name::group(scope, named.as_deref()).arn());
        let named = |arn: &Option<String>| of(arn.clone().unwrap_or_default());
        match input {
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
                let has_tags = input.tags.as_ref().is_some_and(|tags| !tags.is_empty());
                let arn = name::group(scope, input.name.as_deref()).arn();
                let tag = has_tags.then(|| Need::of(format!("{SERVICE}:TagResource"), arn));
                std::iter::once(group(&input.name)).chain(tag).collect()
            }
            Input::GetScheduleGroup(input) => vec![group(&input.name)],
            Input::DeleteScheduleGroup(input) => vec![group(&input.name)],
            Input::ListScheduleGroups(_) | Input::ListSchedules(_) => vec![of("*".to_owned())],
            Input::ListTagsForResource(input) => vec![named(&input.resource_arn)],
            Input::TagResource(input) => vec![named(&input.resource_arn)],
            Input::UntagResource(input) => vec![named(&input.resource_arn)],
        }
    }
}

/// The role that is handed over.
fn pass(target: Option<&Target>) -> Option<Need> {
    let role = target?.role_arn.as_ref()?;
    let facts = vec![("iam:PassedToService".to_owned(), format!("{SERVICE}.amazonaws.com"))];
    Some(Need { facts, ..Need::of("iam:PassRole", role) })
}
