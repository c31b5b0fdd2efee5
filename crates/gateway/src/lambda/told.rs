//! Whether a function's role may tell those that are to hear what becomes of its events: its dead-letter queue, and its
//! destinations. Asked when they are set, so that nobody learns from a lost event that it may not.
//!
//! A role that is not there is asked nothing: what it may is seen when it is there.
//! Role and target are asked about as for a delivery, and again with every one.
//! Source: Lambda Developer Guide, "Adding a dead-letter queue", "Permissions for destinations".

use model::arn::{FunctionId, ResourceArn, Scope};
use model::delivery::Sender;
use model::error::ServiceError;
use model::event::{Condition, SOURCE};
use model::name::{FunctionReference, Qualifier};
use policy::{Admission, Need};
use wire::lambda as api;

use super::Asked;

/// Refuses a dead-letter queue or topic that a role may not send to.
///
/// # Errors
/// `InvalidParameterValue`.
pub(super) fn check_dead_letter(
    asked: &Asked<'_>,
    function: &FunctionId,
    role: &str,
    target: Option<&str>,
) -> Result<(), ServiceError> {
    let Some((operation, service)) =
        target.and_then(|target| denied(asked, function, role, (Condition::RetriesExhausted, target)))
    else {
        return Ok(());
    };
    Err(ServiceError::InvalidParameterValue(format!(
        "The provided execution role does not have permissions to call {operation} on {}",
        service.to_uppercase()
    )))
}

/// Refuses the dead-letter queue that a function has after a change, if the change is about that or about its role.
///
/// # Errors
/// `InvalidParameterValue`.
pub(super) fn check_changed(
    asked: &Asked<'_>,
    function: &FunctionReference,
    input: &api::UpdateFunctionConfigurationRequest,
) -> Result<(), ServiceError> {
    if input.dead_letter_config.is_none() && input.role.is_none() {
        return Ok(());
    }
    // What is not there is refused by whoever changes it.
    let Ok(current) = asked.app.parts.functions.get(&asked.who.scope, function, None) else { return Ok(()) };
    let role = input.role.as_deref().unwrap_or(&current.settings.role);
    let target = match &input.dead_letter_config {
        Some(config) => config.target_arn.as_deref(),
        None => current.settings.noted.dead_letter.as_deref(),
    };
    check_dead_letter(asked, &current.id, role, target)
}

/// Refuses destinations that a function's role may not tell.
///
/// # Errors
/// `InvalidParameterValue`.
pub(super) fn check_destinations(
    asked: &Asked<'_>,
    function: &FunctionReference,
    qualifier: Option<&Qualifier>,
    config: Option<&api::DestinationConfig>,
) -> Result<(), ServiceError> {
    let Some(config) = config else { return Ok(()) };
    let found = asked.app.parts.functions.get(&asked.who.scope, function, qualifier);
    // What is not there is refused by whoever configures it.
    let Ok(current) = found else { return Ok(()) };
    let success = config.on_success.as_ref().and_then(|to| to.destination.as_deref());
    let failure = config.on_failure.as_ref().and_then(|to| to.destination.as_deref());
    for (told, target) in [(Condition::Success, success), (Condition::RetriesExhausted, failure)] {
        // A target that is not there is refused as well.
        let Some(target) = target.filter(|arn| asked.app.parts.functions.has_destination(&current.id, arn))
        else {
            continue;
        };
        if let Some((operation, _)) = denied(asked, &current.id, &current.settings.role, (told, target)) {
            return Err(ServiceError::InvalidParameterValue(format!(
                "The provided destination config is invalid. Reason: the execution role {} of the function {} does not \
                 have permissions to call {operation} on {target}.",
                current.settings.role, current.id.name
            )));
        }
    }
    Ok(())
}

/// The operation and the service of a target that a role may not tell of this: by what it and the target's policy say.
fn denied(
    asked: &Asked<'_>,
    function: &FunctionId,
    role: &str,
    (told, target): (Condition, &str),
) -> Option<(&'static str, &'static str)> {
    let (identity, parts) = (&asked.app.parts.identity, &asked.app.parts);
    identity.iam().role_of_arn(role)?;
    // Whether Lambda may take it on is another question, which comes with other words.
    identity.iam().check_execution_role(function, role).ok()?;
    let arn = ResourceArn::parse(target).ok()?;
    let own = function.arn().to_string();
    let is_itself = target.strip_prefix(&own).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
    // What another account lets in shows when something comes; a function that is its own target is refused by other words.
    if arn.scope().account != function.scope.account || is_itself {
        return None;
    }
    let sender = Sender::lambda(function, Some(role.to_owned()));
    let admits = |need: Option<Need>| need.map(|need| identity.admits(&sender, &need));
    let (operation, service, is_let_in) = match arn.service() {
        "sqs" => ("SendMessage", "sqs", admits(parts.sqs.as_ref()?.need_to_send(&arn))),
        "sns" => ("Publish", "sns", admits(parts.topics.as_ref()?.need_to_publish(&arn))),
        "events" => {
            let need = parts.bus.as_ref()?.need_to_put(&arn, SOURCE, &told.detail_type());
            ("PutEvents", "events", admits(need))
        }
        "lambda" => {
            let FunctionReference { account, region, name, qualifier } =
                FunctionReference::parse(target).ok()?;
            let id = FunctionId { scope: Scope { account: account?, region: region? }, name };
            ("Invoke", "lambda", Some(parts.functions.lets_in(&**identity, &sender, &id, qualifier.as_ref())))
        }
        _ => return None,
    };
    // Of what is not there nothing is known.
    (is_let_in == Some(false)).then_some((operation, service))
}
