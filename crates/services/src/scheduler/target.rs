//! Targets as they are given and shown. Pure.
//!
//! Functions, queues, topics and buses can be targets. Those of other services, the parameters that only they have, and
//! the universal target are refused by name.

use model::arn::ResourceArn;
use model::error::ServiceError;
use model::scheduler::ScheduleTarget;
use wire::scheduler as api;

use super::error::{invalid, not_served};
use super::input;

/// What ARNs of the universal target begin with.
const UNIVERSAL: &str = "arn:aws:scheduler:::aws-sdk:";

pub(super) fn of(given: &api::Target) -> Result<ScheduleTarget, ServiceError> {
    let arn = given.arn.clone().unwrap_or_default();
    if arn.starts_with(UNIVERSAL) {
        return Err(not_served(&format!("The universal target {arn}")));
    }
    let parsed = ResourceArn::parse(&arn).map_err(|_| {
        invalid(format!("Target Arn {arn} is not valid. Provided Arn is not in correct format."))
    })?;
    refuse_unserved(given)?;
    let is_bus = parsed.resource().starts_with("event-bus/");
    match parsed.service() {
        "lambda" | "sqs" | "sns" => {}
        "events" if is_bus => {}
        other => return Err(not_served(&format!("A target of the service {other}, {arn},"))),
    }
    let group = given.sqs_parameters.as_ref().and_then(|queue| queue.message_group_id.clone());
    check_group(&parsed, group.as_deref())?;
    let event = given.event_bridge_parameters.as_ref().map(|event| {
        (event.detail_type.clone().unwrap_or_default(), event.source.clone().unwrap_or_default())
    });
    match (is_bus, &event) {
        (true, None) => {
            return Err(invalid(
                "EventBridgeParameters must be specified for the target EventBridge PutEvents.",
            ));
        }
        (false, Some(_)) => {
            return Err(invalid("EventBridgeParameters are only for the target EventBridge PutEvents."));
        }
        _ => {}
    }
    if matches!(parsed.service(), "lambda" | "events")
        && given.input.as_deref().is_some_and(|input| !input::is_json(input))
    {
        return Err(invalid("Target Input is not valid. It must be well-formed JSON."));
    }
    let retry = given.retry_policy.clone().unwrap_or_default();
    let number = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
    Ok(ScheduleTarget {
        arn,
        role: given.role_arn.clone().unwrap_or_default(),
        input: given.input.clone(),
        event,
        group,
        retries_max: number(retry.maximum_retry_attempts),
        age_max_s: number(retry.maximum_event_age_in_seconds),
        dead_letter: given.dead_letter_config.as_ref().and_then(|config| config.arn.clone()),
    })
}

fn check_group(arn: &ResourceArn, group: Option<&str>) -> Result<(), ServiceError> {
    let is_fifo = arn.service() == "sqs" && arn.resource().ends_with(".fifo");
    match (is_fifo, group) {
        (true, None) => {
            Err(invalid("SqsParameters with a MessageGroupId must be specified for a FIFO queue."))
        }
        (_, Some(_)) if arn.service() != "sqs" => {
            Err(invalid("SqsParameters are only for the target SQS SendMessage."))
        }
        _ => Ok(()),
    }
}

/// Parameters of services that are not served as targets.
fn refuse_unserved(given: &api::Target) -> Result<(), ServiceError> {
    let parameters = [
        ("EcsParameters", given.ecs_parameters.is_some()),
        ("KinesisParameters", given.kinesis_parameters.is_some()),
        ("SageMakerPipelineParameters", given.sage_maker_pipeline_parameters.is_some()),
        ("EventBridgePutEventsV2Parameters", given.event_bridge_put_events_v2_parameters.is_some()),
        ("EventBridgePutRawEventsParameters", given.event_bridge_put_raw_events_parameters.is_some()),
    ];
    match parameters.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(not_served(&format!("{name} of a target"))),
        None => Ok(()),
    }
}

pub(super) fn shown(kept: &ScheduleTarget) -> api::Target {
    let number = |value: Option<u32>, default| value.map_or(Some(default), |value| i32::try_from(value).ok());
    api::Target {
        arn: Some(kept.arn.clone()),
        role_arn: Some(kept.role.clone()),
        input: kept.input.clone(),
        dead_letter_config: kept.dead_letter.clone().map(|arn| api::DeadLetterConfig { arn: Some(arn) }),
        retry_policy: Some(api::RetryPolicy {
            maximum_event_age_in_seconds: number(kept.age_max_s, 86_400),
            maximum_retry_attempts: number(kept.retries_max, 185),
        }),
        event_bridge_parameters: kept.event.clone().map(|(detail_type, source)| api::EventBridgeParameters {
            detail_type: Some(detail_type),
            source: Some(source),
        }),
        sqs_parameters: kept.group.clone().map(|group| api::SqsParameters { message_group_id: Some(group) }),
        ..api::Target::default()
    }
}
