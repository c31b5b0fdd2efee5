//! What a schedule may say beyond what the API's model checks, in the service's words.
//!
//! Pure. Creating and updating a schedule say the same.

use std::time::Duration;

use model::arn::Scope;
use model::error::ServiceError;
use model::schedule::{Expression, Zone};
use model::scheduler::{Made, Schedule};
use model::time::Timestamp;
use wire::scheduler::{self as api, ActionAfterCompletion, FlexibleTimeWindowMode, ScheduleState};

use super::error::invalid;
use super::{name, target};

/// How far in the past a schedule may begin.
const START_PAST_MAX: Duration = Duration::from_secs(5 * 60);

/// The schedule that is asked for, as if it were new.
pub(super) fn schedule(
    scope: &Scope,
    input: &api::CreateScheduleInput,
    made: Option<Made>,
    now: Timestamp,
) -> Result<Schedule, ServiceError> {
    let text = input.schedule_expression.clone().unwrap_or_default();
    let expression =
        Expression::parse(&text).map_err(|_| invalid(format!("Invalid Schedule Expression {text}.")))?;
    if let Some(zone) = &input.schedule_expression_timezone
        && Zone::named(zone).is_none()
    {
        return Err(invalid(format!("Invalid Schedule Expression Timezone {zone}.")));
    }
    if !expression.is_once() {
        check_dates(input.start_date, input.end_date, now)?;
    }
    Ok(Schedule {
        group: name::group(scope, input.group_name.as_deref()),
        name: input.name.clone().unwrap_or_default(),
        expression: text,
        zone: input.schedule_expression_timezone.clone(),
        start: input.start_date,
        end: input.end_date,
        description: input.description.clone(),
        is_enabled: input.state != Some(ScheduleState::Disabled),
        kms_key: input.kms_key_arn.clone(),
        window_minutes: window(input.flexible_time_window.as_ref())?,
        goes_after: input
            .action_after_completion
            .as_ref()
            .map(|action| *action == ActionAfterCompletion::Delete),
        target: target::of(&input.target.clone().unwrap_or_default())?,
        created: now,
        modified: now,
        since: now,
        completed: None,
        made,
    })
}

fn check_dates(start: Option<Timestamp>, end: Option<Timestamp>, now: Timestamp) -> Result<(), ServiceError> {
    if start.is_some_and(|start| now > start.after(START_PAST_MAX)) {
        return Err(invalid("The StartDate you specify cannot be earlier than 5 minutes ago."));
    }
    if end.is_some_and(|end| end <= now) {
        return Err(invalid("The EndDate you specify must be in the future."));
    }
    match (start, end) {
        (Some(start), Some(end)) if end <= start => {
            Err(invalid("The EndDate you specify must come after the StartDate."))
        }
        _ => Ok(()),
    }
}

fn window(given: Option<&api::FlexibleTimeWindow>) -> Result<Option<u32>, ServiceError> {
    let given = given.cloned().unwrap_or_default();
    let minutes = given.maximum_window_in_minutes.and_then(|minutes| u32::try_from(minutes).ok());
    match (given.mode, minutes) {
        (Some(FlexibleTimeWindowMode::Flexible), None) => {
            Err(invalid("MaximumWindowInMinutes must be specified if FlexibleTimeWindow Mode is FLEXIBLE."))
        }
        (Some(FlexibleTimeWindowMode::Flexible), minutes) => Ok(minutes),
        (_, None) => Ok(None),
        (_, Some(_)) => {
            Err(invalid("MaximumWindowInMinutes must not be specified if FlexibleTimeWindow Mode is OFF."))
        }
    }
}
