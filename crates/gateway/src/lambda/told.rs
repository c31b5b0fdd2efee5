//! Whether a function's role may tell those that are to hear what becomes of its events: its dead-letter queue, and its
//! destinations. Asked when they are set, so that nobody learns from a lost event that it may not.
//!
//! A role that is not there is asked nothing: a function whose role is made later is told apart by what it may do then.
//! Whether a target takes what comes is decided again with every delivery, by its policy too.
//! Source: Lambda Developer Guide, "Adding a dead-letter queue", "Permissions for destinations".

use model::arn::FunctionId;
use model::delivery::Sender;
use model::error::ServiceError;
use model::name::FunctionReference;
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
    let Some((operation, service)) = target.and_then(|target| denied(asked, function, role, target)) else {
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
    let target = input.dead_letter_config.as_ref().and_then(|config| config.target_arn.as_deref());
    if target.is_none() && input.role.is_none() {
        return Ok(());
    }
    // What is not there is refused by whoever changes it.
    let Ok(current) = asked.app.parts.functions.get(&asked.who.scope, function, None) else { return Ok(()) };
    let role = input.role.as_deref().unwrap_or(&current.settings.role);
    check_dead_letter(asked, &current.id, role, target.or(current.settings.noted.dead_letter.as_deref()))
}

/// Refuses destinations that a function's role may not tell.
///
/// # Errors
/// `InvalidParameterValue`.
pub(super) fn check_destinations(
    asked: &Asked<'_>,
    function: &FunctionReference,
    config: Option<&api::DestinationConfig>,
) -> Result<(), ServiceError> {
    let Some(config) = config else { return Ok(()) };
    let own = FunctionReference { qualifier: None, ..function.clone() };
    let Ok(current) = asked.app.parts.functions.get(&asked.who.scope, &own, None) else { return Ok(()) };
    let success = config.on_success.as_ref().and_then(|to| to.destination.as_deref());
    let failure = config.on_failure.as_ref().and_then(|to| to.destination.as_deref());
    for target in [success, failure].into_iter().flatten() {
        if let Some((operation, _)) = denied(asked, &current.id, &current.settings.role, target) {
            return Err(ServiceError::InvalidParameterValue(format!(
                "The provided destination config is invalid. Reason: the execution role {} of the function {} does not \
                 have permissions to call {operation} on {target}.",
                current.settings.role, current.id.name
            )));
        }
    }
    Ok(())
}

/// The operation and the service of a target that a role may not use.
fn denied(
    asked: &Asked<'_>,
    function: &FunctionId,
    role: &str,
    target: &str,
) -> Option<(&'static str, &'static str)> {
    let (operation, service, action) = match target.split(':').nth(2)? {
        "sqs" => ("SendMessage", "sqs", "sqs:SendMessage"),
        "sns" => ("Publish", "sns", "sns:Publish"),
        "lambda" => ("Invoke", "lambda", "lambda:InvokeFunction"),
        "events" => ("PutEvents", "events", "events:PutEvents"),
        _ => return None,
    };
    let identity = &asked.app.parts.identity;
    identity.iam().role_of_arn(role)?;
    let sender = Sender::lambda(function, Some(role.to_owned()));
    (!identity.admits(&sender, &Need::of(action, target))).then_some((operation, service))
}
