//! Who may call an address: whoever signs and may, or everybody whom the function's policy lets in.
//!
//! Two actions are needed, each with a condition key of its own: `lambda:InvokeFunctionUrl`, and `lambda:InvokeFunction`
//! for what comes by an address. The owner of the account needs no policy; without a signature, nobody gets in without.
//!
//! Source: Lambda Developer Guide, "Control access to Lambda function URLs".

use control::access::{Asking, anybody_may};
use control::identity::Access;
use model::error::ServiceError;
use model::name::Qualifier;
use policy::Context;
use wire::sigv4::{AuthError, Authorization};

use super::Visit;
use crate::auth::{Authenticated, signed_parts};
use crate::facts;
use crate::lambda::invoke;
use crate::respond::Failure;

/// The signing name.
const SERVICE: &str = "lambda";

/// Who signed a request, as the function is told.
pub struct Signer {
    /// The id of the key.
    pub key_id: Option<String>,
    /// The caller.
    pub who: Authenticated,
}

/// Whoever signed the request, if it may.
///
/// # Errors
/// [`Failure::Auth`]; `AccessDenied`.
pub fn signer(visit: &Visit, body: &[u8]) -> Result<Signer, Failure> {
    let authenticator = &visit.app.authenticator;
    let who = authenticator.authenticate(&visit.head, body, SERVICE)?;
    let region = &visit.url.function.scope.region;
    if visit.app.parts.identity.access() == Access::Verified && who.scope.region != *region {
        let message = format!("Credential should be scoped to a valid region, not '{}'.", who.scope.region);
        return Err(AuthError::InvalidSignature(message).into());
    }
    each_right(visit, |asking| who.caller.may(asking))?;
    let shown = Authorization::parse(&signed_parts(&visit.head)).ok();
    Ok(Signer { key_id: shown.map(|shown| shown.scope.access_key_id), who })
}

/// Lets in a request that nobody has signed.
///
/// # Errors
/// `AccessDenied`.
pub fn anybody(visit: &Visit) -> Result<(), ServiceError> {
    let denied = || ServiceError::AccessDenied("Forbidden".to_owned());
    each_right(visit, |asking| if anybody_may(&asking) { Ok(()) } else { Err(denied()) })
}

fn each_right(
    visit: &Visit,
    ask: impl Fn(Asking<'_>) -> Result<(), ServiceError>,
) -> Result<(), ServiceError> {
    let (functions, url) = (&visit.app.parts.functions, &visit.url);
    let named = Some(&url.qualifier).filter(|qualifier| **qualifier != Qualifier::LATEST);
    let resource = invoke::arn(&url.function, named);
    let policy = functions.policy_document(&url.function, named);
    let now = visit.app.parts.clock.now();
    let mut known = facts::of_call(now, visit.entry.peer, &visit.head, &url.function.scope.region);
    known.set("lambda:FunctionArn", url.function.arn().to_string());
    known.set_resource_tags(&functions.tags_of(&url.function));
    let asking = |action, context: Context| Asking {
        action,
        resource: &resource,
        owner: Some(url.function.scope.account),
        policy: policy.as_deref(),
        context,
    };
    let mut by_url = known.clone();
    by_url.set("lambda:FunctionUrlAuthType", url.auth.as_str());
    ask(asking("lambda:InvokeFunctionUrl", by_url))?;
    known.set("lambda:InvokedViaFunctionUrl", "true");
    ask(asking("lambda:InvokeFunction", known))
}
