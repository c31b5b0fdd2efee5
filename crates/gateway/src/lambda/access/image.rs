//! Whether an image of the built-in registry may become the code of a function: what that needs is said by
//! `services::image`, and decided by `control` for Lambda and for the caller.

use model::arn::FunctionId;
use model::delivery::Sender;
use model::error::ServiceError;
use policy::{Admission, Context};
use services::image::needs::needs;
use wire::lambda::Input;

use super::super::{Asked, request};
use crate::auth::may;

/// Refuses code that neither Lambda nor the caller may have.
///
/// # Errors
/// `AccessDenied`; `Validation` for a name that is none.
pub(super) fn check(asked: &Asked<'_>, input: &Input, known: &Context) -> Result<(), ServiceError> {
    let (name, uri) = match input {
        Input::CreateFunction(input) => {
            (&input.function_name, input.code.as_ref().and_then(|code| code.image_uri.as_ref()))
        }
        Input::UpdateFunctionCode(input) => (&input.function_name, input.image_uri.as_ref()),
        _ => return Ok(()),
    };
    let (Some(uri), Some(door)) = (uri, &asked.app.parts.registry) else { return Ok(()) };
    let (scope, name) = (asked.who.scope.clone(), request::reference(name.as_deref())?.name);
    let lambda = Sender::lambda(&FunctionId { scope, name }, None);
    let identity = &asked.app.parts.identity;
    for repository in needs(&door.registry, &asked.who.scope, uri) {
        if repository.to_pull.iter().all(|need| identity.admits(&lambda, need)) {
            continue;
        }
        // What Lambda is let in by would stand beside the denial, which wins.
        if repository.to_pull.iter().any(|need| identity.denies(&lambda, need)) {
            return Err(refused("The policy of the repository denies it to lambda.amazonaws.com"));
        }
        may(&asked.who, known, &repository.to_let_in).map_err(|denied| {
            refused(&format!(
                "The policy of the repository does not let lambda.amazonaws.com pull, and this caller may not change \
                 it: {denied}"
            ))
        })?;
    }
    Ok(())
}

fn refused(why: &str) -> ServiceError {
    ServiceError::AccessDenied(format!(
        "Lambda does not have permission to access the ECR image. Check the ECR permissions. ({why})"
    ))
}
