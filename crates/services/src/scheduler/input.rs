//! What a target gets: the schedule's input with its context attributes filled in, or an event that says what is due.
//!
//! Pure. Further attempts carry what the first one said, so the attempt's number is always 1. Source: EventBridge Scheduler
//! User Guide, "Adding context attributes in EventBridge Scheduler".

use model::scheduler::Schedule;
use model::time::Timestamp;
use serde::de::IgnoredAny;
use serde_json::json;
use wire::time::rfc3339;

/// The one attribute that is a number, and so may stand outside of a string.
const ATTEMPT: &str = "<aws.scheduler.attempt-number>";

/// Whether an input is JSON once its attributes are filled in.
pub(super) fn is_json(input: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(&input.replace(ATTEMPT, "1")).is_ok()
}

/// The body of a delivery.
pub(super) fn body(schedule: &Schedule, due: Timestamp, execution: &str) -> String {
    let arn = schedule.arn();
    // Without its milliseconds.
    let time = format!("{}Z", rfc3339(due).get(..19).unwrap_or_default());
    match &schedule.target.input {
        Some(input) => [
            ("<aws.scheduler.schedule-arn>", arn.as_str()),
            ("<aws.scheduler.scheduled-time>", time.as_str()),
            ("<aws.scheduler.execution-id>", execution),
            (ATTEMPT, "1"),
        ]
        .iter()
        .fold(input.clone(), |text, (attribute, value)| text.replace(attribute, value)),
        None if schedule.target.event.is_some() => "{}".to_owned(),
        None => json!({
            "version": "0",
            "id": execution,
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": schedule.group.scope.account.to_string(),
            "time": time,
            "region": schedule.group.scope.region.to_string(),
            "resources": [arn],
            "detail": "{}",
        })
        .to_string(),
    }
}
