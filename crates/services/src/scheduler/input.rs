//! What a target gets: the schedule's input with its context attributes filled in, or an event that says what is due.
//!
//! Pure. Further attempts carry what the first one said, so the attempt's number is always 1. Source: EventBridge Scheduler
//! User Guide, "Adding context attributes in EventBridge Scheduler".

use model::scheduler::Schedule;
use model::time::Timestamp;
use serde_json::json;
use wire::time::whole_seconds;

/// The body of a delivery.
pub(super) fn body(schedule: &Schedule, due: Timestamp, execution: &str) -> String {
    let (arn, time) = (schedule.arn(), whole_seconds(due));
    match &schedule.target.input {
        Some(input) => [
            ("<aws.scheduler.schedule-arn>", arn.as_str()),
            ("<aws.scheduler.scheduled-time>", time.as_str()),
            ("<aws.scheduler.execution-id>", execution),
            ("<aws.scheduler.attempt-number>", "1"),
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
