//! Whether a caller may have its request carried out, asked once for every operation before anything is done.
//!
//! What an operation needs stands in [`needs`]; what is known of the call in [`facts`]; the decision is `control`'s. The
//! owner of an account who asks for what is its own costs one comparison.

mod facts;
mod image;
mod needs;

use std::sync::Arc;

use control::access::Asking;
use control::event_source::EventSources;
use control::identity::Access;
use control::tags::TaggedArn;
use model::arn::{FunctionId, Scope};
use model::error::ServiceError;
use model::id::MappingUuid;
use model::layer::{LayerId, LayerReference, LayerVersionId};
use model::name::{FunctionReference, Qualifier};
use policy::{Context, Document};
use wire::lambda::Input;

use super::{Asked, layer, request};
use needs::Target;

/// Refuses what the caller may not do.
///
/// # Errors
/// `AccessDenied`; `Validation` for a name that is none.
pub(super) fn check(asked: &Asked<'_>, input: &Input) -> Result<(), ServiceError> {
    let own_account = asked.who.scope.account;
    let mentioned = needs::mentioned(input).and_then(|name| FunctionReference::parse(name).ok());
    if mentioned
        .as_ref()
        .and_then(|reference| reference.account)
        .is_some_and(|account| account != own_account)
    {
        let message = "The function of an event source mapping must belong to the caller's account.";
        return Err(ServiceError::AccessDenied(message.to_owned()));
    }
    // A server that is open to everybody has no roles that would mean anything.
    let is_verified = asked.app.parts.identity.access() == Access::Verified;
    let role_account = needs::role(input).and_then(|arn| arn.split(':').nth(4));
    if is_verified && role_account.is_some_and(|account| account != own_account.as_str()) {
        return Err(ServiceError::AccessDenied("Cross-account pass role is not allowed.".to_owned()));
    }
    let (action, target) = needs::own(input);
    if asked.who.caller.owns(own_account) && target.is_a_name() {
        // Nothing is known that could take away from what this caller may.
        return image::check(asked, input, &Context::default());
    }
    let mut context = crate::facts::of_call(
        asked.app.parts.clock.now(),
        asked.call.peer,
        &asked.call.head,
        &asked.who.scope.region,
    );
    facts::of_input(&mut context, input);
    facts::of_what_it_changes(&mut context, asked, input);
    if let Some(FunctionReference { name, .. }) = mentioned {
        let id = FunctionId { scope: asked.who.scope.clone(), name };
        context.set("lambda:FunctionArn", id.arn().to_string());
    }
    if let Target::EventSource(Some(uuid)) = target
        && let Ok(mapping) = EventSources::new(asked.app.parts.functions.clone()).get(&asked.who.scope, uuid)
    {
        // Allowed for the function that it has, and below for the one that it is to get.
        let mut as_it_is = context.clone();
        as_it_is.set("lambda:FunctionArn", mapping.function.arn().to_string());
        ask(asked, action, Resource::find(asked, target)?, as_it_is)?;
        if needs::mentioned(input).is_none() {
            return Ok(());
        }
    }
    ask(asked, action, Resource::find(asked, target)?, context.clone())?;
    for (action, target) in needs::further(input) {
        ask(asked, action, Resource::find(asked, target)?, context.clone())?;
        if let Some(resolved) = Resource::resolved(target) {
            ask(asked, action, resolved, context.clone())?;
        }
    }
    image::check(asked, input, &context)
}

fn ask(
    asked: &Asked<'_>,
    action: &str,
    resource: Resource,
    mut context: Context,
) -> Result<(), ServiceError> {
    if resource.is_role {
        context.set("iam:PassedToService", "lambda.amazonaws.com");
    }
    if let Some(id) = &resource.function {
        context.set("lambda:FunctionArn", id.arn().to_string());
        facts::of_resource(&mut context, &asked.app.parts.functions.tags_of(id));
    } else if let Ok(tags) = super::tags::of_arn(asked, &resource.arn) {
        facts::of_resource(&mut context, &tags);
    }
    let asking = |arn| Asking {
        action,
        resource: arn,
        owner: resource.is_role.then_some(asked.who.scope.account),
        policy: resource.policy.as_deref(),
        context: context.clone(),
    };
    match &resource.whole {
        Some(whole) => asked.who.caller.may_unless_denied_as(asking(&resource.arn), asking(whole)),
        None => asked.who.caller.may(asking(&resource.arn)),
    }
}

impl Target<'_> {
    /// Whether it can only be something of the caller's own account.
    fn is_a_name(&self) -> bool {
        match self {
            Self::Function { name, .. }
            | Self::Whole(name)
            | Self::Layer { name, .. }
            | Self::CapacityProvider(name) => name.is_none_or(|name| !name.contains(':')),
            Self::EventSource(_) | Self::New(_) | Self::Everything => true,
            Self::Arn(_) | Self::Object { .. } | Self::Role(_) => false,
        }
    }
}

/// A resource that was looked up.
#[derive(Default)]
struct Resource {
    arn: String,
    /// Another name of it, under which it must not be denied: that of the function, for its `$LATEST`.
    whole: Option<String>,
    /// Set for functions.
    function: Option<FunctionId>,
    policy: Option<Arc<Document>>,
    is_role: bool,
}

impl Resource {
    fn find(asked: &Asked<'_>, target: Target<'_>) -> Result<Self, ServiceError> {
        let Scope { account, region } = &asked.who.scope;
        let plain = |arn: String| Self { arn, ..Self::default() };
        Ok(match target {
            Target::Function { name, qualifier } => {
                Self::function(asked, &request::reference(name)?, qualifier)
            }
            Target::Whole(name) => {
                let mut reference = request::reference(name)?;
                reference.qualifier.take_if(|it| *it == Qualifier::LATEST);
                Self::function(asked, &reference, None)
            }
            Target::New(kind) => plain(format!("arn:aws:lambda:{region}:{account}:{kind}:*")),
            Target::Layer { name, number } => {
                let LayerReference { scope, name } = layer::reference(name)?;
                let layer = LayerId { scope: scope.unwrap_or_else(|| asked.who.scope.clone()), name };
                match number {
                    None => plain(layer.to_string()),
                    Some(number) => match u64::try_from(number) {
                        Ok(number) => Self::layer(asked, LayerVersionId { layer, number }),
                        // The operation refuses it.
                        Err(_) => plain(format!("{layer}:{number}")),
                    },
                }
            }
            Target::Arn(arn) => {
                let arn = arn.unwrap_or_default();
                match (FunctionReference::parse(arn), LayerVersionId::parse(arn)) {
                    (Ok(reference), _) => Self::function(asked, &reference, None),
                    (_, Ok(id)) => Self::layer(asked, id),
                    _ => plain(
                        TaggedArn::parse(&asked.who.scope, arn)
                            .map_or_else(|_| arn.to_owned(), |it| it.to_string()),
                    ),
                }
            }
            Target::CapacityProvider(Some(arn)) if arn.starts_with("arn:") => plain(arn.to_owned()),
            Target::CapacityProvider(name) => {
                let name = name.unwrap_or_default();
                plain(format!("arn:aws:lambda:{region}:{account}:capacity-provider:{name}"))
            }
            Target::EventSource(uuid) => {
                let uuid = uuid.unwrap_or_default();
                // Looked up with letters of either case.
                let uuid = MappingUuid::parse(uuid).map_or_else(|_| uuid.to_owned(), |uuid| uuid.to_string());
                plain(format!("arn:aws:lambda:{region}:{account}:event-source-mapping:{uuid}"))
            }
            Target::Object { bucket, key } => {
                plain(format!("arn:aws:s3:::{}/{}", bucket.unwrap_or_default(), key.unwrap_or_default()))
            }
            Target::Role(arn) => Self { is_role: true, ..plain(arn.to_owned()) },
            Target::Everything => plain("*".to_owned()),
        })
    }

    /// The object that whoever resolves the dots in its key, or takes several slashes for one, would give if that is
    /// another; one outside of its bucket is asked for by nobody.
    fn resolved(target: Target<'_>) -> Option<Self> {
        let Target::Object { bucket, key: Some(key) } = target else { return None };
        let key = services::objects::resolved(key).filter(|resolved| resolved != key)?;
        Some(Self { arn: format!("arn:aws:s3:::{}/{key}", bucket.unwrap_or_default()), ..Self::default() })
    }

    fn function(asked: &Asked<'_>, reference: &FunctionReference, qualifier: Option<&str>) -> Self {
        let scope = Scope {
            account: reference.account.unwrap_or(asked.who.scope.account),
            region: reference.region.clone().unwrap_or_else(|| asked.who.scope.region.clone()),
        };
        let id = FunctionId { scope, name: reference.name.clone() };
        // What is no qualifier is refused by the operation.
        let asked_for = qualifier.and_then(|text| Qualifier::parse(text).ok());
        let qualifier = reference.qualifier.clone().or(asked_for);
        let is_latest = qualifier == Some(Qualifier::LATEST);
        let whole = id.arn().to_string();
        let arn =
            qualifier.as_ref().map_or_else(|| whole.clone(), |qualifier| format!("{whole}:{qualifier}"));
        let policy = asked.app.parts.functions.policy_document(&id, qualifier.as_ref());
        Self { arn, whole: is_latest.then_some(whole), policy, function: Some(id), is_role: false }
    }

    fn layer(asked: &Asked<'_>, id: LayerVersionId) -> Self {
        let policy = asked.app.parts.layers.policy_document(&id);
        Self { arn: id.to_string(), policy, ..Self::default() }
    }
}
