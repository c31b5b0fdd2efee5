//! Targets of rules: put, listed, removed. They stand in their rule's record and change with it.
//!
//! Functions, queues, topics, buses and log groups can be targets. Those of other services, and the parameters that only
//! they have, are refused by name.

use std::collections::BTreeSet;

use model::arn::{ResourceArn, Scope};
use model::bus::{BusId, RuleTarget, TargetInput};
use model::error::ServiceError;
use wire::events as api;

use super::error::{invalid, not_served, parameter, too_many};
use super::page::Page;
use super::{Events, SERVICE, input as target_input, name};

/// Targets of one rule (EventBridge User Guide, "Quotas").
const TARGETS_MAX: usize = 5;

impl Events {
    pub(super) async fn put_targets(
        &self,
        scope: &Scope,
        input: &api::PutTargetsRequest,
    ) -> Result<api::PutTargetsResponse, ServiceError> {
        let bus = name::bus(scope, input.event_bus_name.as_deref())?;
        let given: Vec<RuleTarget> =
            input.targets.iter().flatten().map(|given| target_of(given, &bus)).collect::<Result<_, _>>()?;
        let put = self.change_rule(&bus, input.rule.as_deref().unwrap_or_default(), |rule| {
            for target in given {
                match rule.targets.iter_mut().find(|known| known.id == target.id) {
                    Some(known) => *known = target,
                    None => rule.targets.push(target),
                }
            }
            if rule.targets.len() > TARGETS_MAX { Err(too_many()) } else { Ok(()) }
        });
        put.await?;
        Ok(api::PutTargetsResponse { failed_entry_count: Some(0), failed_entries: Some(Vec::new()) })
    }

    pub(super) async fn remove_targets(
        &self,
        scope: &Scope,
        input: &api::RemoveTargetsRequest,
    ) -> Result<api::RemoveTargetsResponse, ServiceError> {
        let bus = name::bus(scope, input.event_bus_name.as_deref())?;
        let ids: BTreeSet<&String> = input.ids.iter().flatten().collect();
        let mut missing = Vec::new();
        let rule = input.rule.as_deref().unwrap_or_default();
        self.refuse_managed(&bus, rule, input.force)?;
        let removed = self.change_rule(&bus, rule, |rule| {
            missing = ids.iter().filter(|id| !rule.targets.iter().any(|target| target.id == ***id)).collect();
            rule.targets.retain(|target| !ids.contains(&target.id));
            Ok(())
        });
        removed.await?;
        let failed = |id: &&String| api::RemoveTargetsResultEntry {
            target_id: Some((*id).clone()),
            error_code: Some("ResourceNotFoundException".to_owned()),
            error_message: Some(format!("Rule '{rule}' does not have a target with the Id '{id}'.")),
        };
        Ok(api::RemoveTargetsResponse {
            failed_entry_count: i32::try_from(missing.len()).ok(),
            failed_entries: Some(missing.into_iter().map(failed).collect()),
        })
    }

    pub(super) fn list_targets(
        &self,
        scope: &Scope,
        input: &api::ListTargetsByRuleRequest,
    ) -> Result<api::ListTargetsByRuleResponse, ServiceError> {
        let shown = self.shown_rule(scope, input.event_bus_name.as_deref(), input.rule.as_deref())?;
        let mut targets = shown.rule.targets.clone();
        targets.sort_by(|one, other| one.id.cmp(&other.id));
        let page = Page { prefix: None, token: input.next_token.as_deref(), limit: input.limit };
        let (targets, next_token) = page.cut(targets, |target| target.id.clone())?;
        Ok(api::ListTargetsByRuleResponse {
            targets: Some(targets.into_iter().map(target).collect()),
            next_token,
        })
    }
}

/// The ARN of a queue for dead letters.
pub(super) fn queue_arn(arn: &str) -> Result<String, ServiceError> {
    let is_queue =
        ResourceArn::parse(arn).is_ok_and(|arn| arn.service() == "sqs" && !arn.resource().ends_with(".fifo"));
    if is_queue {
        Ok(arn.to_owned())
    } else {
        Err(parameter("DeadLetterConfig.Arn", "Must be the ARN of a standard SQS queue."))
    }
}

fn target_of(given: &api::Target, of: &BusId) -> Result<RuleTarget, ServiceError> {
    let id = given.id.clone().unwrap_or_default();
    let arn = given.arn.clone().unwrap_or_default();
    refuse_unserved(given)?;
    let parsed = ResourceArn::parse(&arn).map_err(|_| not_an_arn(&arn))?;
    match parsed.service() {
        "lambda" | "sqs" | "sns" | SERVICE | "logs" => {}
        other => return Err(not_served(&format!("A target of the service {other}"))),
    }
    if parsed.service() == SERVICE && name::bus_of_arn(&arn).is_none() {
        return Err(not_served("A target of the service events that is no event bus"));
    }
    let group = given.sqs_parameters.as_ref().and_then(|queue| queue.message_group_id.clone());
    if parsed.service() == "sqs" && parsed.resource().ends_with(".fifo") && group.is_none() {
        return Err(invalid(format!("Parameter(s) SqsParameters must be specified for target: {id}.")));
    }
    let input = input_of(given, &id)?;
    target_input::check(&input, &id).map_err(invalid)?;
    // Nobody is to write another account an event that does not say where it comes from.
    if parsed.service() == SERVICE
        && parsed.scope().account != of.scope.account
        && input != TargetInput::Whole
    {
        return Err(invalid(format!(
            "Input, InputPath, and InputTransformer are not available for target {id}: it is an event bus of \
             another account."
        )));
    }
    let number = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
    let retry = given.retry_policy.clone().unwrap_or_default();
    let dead_letter = given.dead_letter_config.as_ref().and_then(|config| config.arn.as_deref());
    Ok(RuleTarget {
        id,
        arn,
        role: given.role_arn.clone(),
        input,
        group,
        retries_max: number(retry.maximum_retry_attempts),
        age_max_s: number(retry.maximum_event_age_in_seconds),
        dead_letter: dead_letter.map(queue_arn).transpose()?,
    })
}

fn not_an_arn(arn: &str) -> ServiceError {
    parameter(arn, "Provided Arn is not in correct format.")
}

/// Parameters of services that are not served as targets.
fn refuse_unserved(given: &api::Target) -> Result<(), ServiceError> {
    let parameters = [
        ("KinesisParameters", given.kinesis_parameters.is_some()),
        ("RunCommandParameters", given.run_command_parameters.is_some()),
        ("EcsParameters", given.ecs_parameters.is_some()),
        ("BatchParameters", given.batch_parameters.is_some()),
        ("HttpParameters", given.http_parameters.is_some()),
        ("RedshiftDataParameters", given.redshift_data_parameters.is_some()),
        ("SageMakerPipelineParameters", given.sage_maker_pipeline_parameters.is_some()),
        ("AppSyncParameters", given.app_sync_parameters.is_some()),
    ];
    match parameters.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(not_served(&format!("{name} of a target"))),
        None => Ok(()),
    }
}

fn input_of(given: &api::Target, id: &str) -> Result<TargetInput, ServiceError> {
    match (&given.input, &given.input_path, &given.input_transformer) {
        (None, None, None) => Ok(TargetInput::Whole),
        (Some(json), None, None) => Ok(TargetInput::Constant(json.clone())),
        (None, Some(path), None) => Ok(TargetInput::Path(path.clone())),
        (None, None, Some(transformer)) => Ok(TargetInput::Template {
            paths: transformer.input_paths_map.clone().unwrap_or_default(),
            template: transformer.input_template.clone().unwrap_or_default(),
        }),
        _ => Err(invalid(format!(
            "Only one of Input, InputPath, or InputTransformer must be provided for target {id}."
        ))),
    }
}

fn target(kept: RuleTarget) -> api::Target {
    let number = |value: Option<u32>| value.and_then(|value| i32::try_from(value).ok());
    let retry = api::RetryPolicy {
        maximum_retry_attempts: number(kept.retries_max),
        maximum_event_age_in_seconds: number(kept.age_max_s),
    };
    let mut target = api::Target {
        id: Some(kept.id),
        arn: Some(kept.arn),
        role_arn: kept.role,
        sqs_parameters: kept.group.map(|group| api::SqsParameters { message_group_id: Some(group) }),
        dead_letter_config: kept.dead_letter.map(|arn| api::DeadLetterConfig { arn: Some(arn) }),
        retry_policy: Some(retry).filter(|retry| *retry != api::RetryPolicy::default()),
        ..api::Target::default()
    };
    match kept.input {
        TargetInput::Whole => {}
        TargetInput::Constant(json) => target.input = Some(json),
        TargetInput::Path(path) => target.input_path = Some(path),
        TargetInput::Template { paths, template } => {
            let input_paths_map = Some(paths).filter(|paths| !paths.is_empty());
            let transformer = api::InputTransformer { input_paths_map, input_template: Some(template) };
            target.input_transformer = Some(transformer);
        }
    }
    target
}
