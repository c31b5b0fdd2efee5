//! AWS Identity and Access Management: users, groups, roles and managed policies.
//!
//! A request goes by what it is done to ([`needs`]): the caller's right to that is asked first, then the family that it
//! belongs to carries it out. What operations mean is `control`'s; here are only their members.

mod groups;
mod needs;
mod policies;
mod roles;
mod shapes;
mod simulate;
mod users;

use std::collections::BTreeMap;

use control::access::Asking;
use control::iam::{Iam, IamError, Kept, PageOf};
use control::identity::Caller;
use model::error::ServiceError;
use model::iam::{Group, Policy, Role, User};
use model::id::AccountId;
use model::port::Pending;
use policy::Context;
use wire::iam::{self as api, Input, Operation};
use wire::query::{Call, Output as _, Reply, Service};

use super::{Asked, QueryService, unserved};
use needs::Target;

/// The service.
pub struct IamService(Iam);

impl IamService {
    /// The service for these identities.
    pub fn new(iam: Iam) -> Self {
        Self(iam)
    }

    async fn answer(&self, asked: &Asked<'_>) -> Result<Reply, ServiceError> {
        let operation = Operation::ALL[asked.place];
        let name = operation.name();
        let input = Input::accept(operation, asked.parameters).ok_or_else(|| unserved(name))?;
        let input = input.map_err(ServiceError::from)?;
        let doing = Doing { iam: &self.0, account: asked.who.caller.account, asked, name };
        let input = match input {
            // Whose key it is decides on who may ask.
            Input::GetAccessKeyLastUsed(input) => return users::last_used(&doing, input),
            other => other,
        };
        let target = needs::target(&input);
        doing.authorize(&input, target)?;
        let answered = match target {
            Target::User(_) => users::answer(&doing, input).await,
            Target::Group(_) => groups::answer(&doing, input).await,
            Target::Role(_) => roles::answer(&doing, input).await,
            Target::Policy(_) => policies::answer(&doing, input).await,
            Target::Simulation(_) => simulate::answer(&doing, input),
        };
        answered.map_err(refused)
    }
}

impl QueryService for IamService {
    fn protocol(&self) -> &'static Service {
        &api::SERVICE
    }

    fn signing_name(&self) -> &'static str {
        "iam"
    }

    /// Credentials of `GetSessionToken` do not reach here, so that nobody can make lasting ones of them.
    fn admits(&self, caller: &Caller) -> bool {
        !caller.has_session_token()
    }

    fn perform<'a>(&'a self, asked: &'a Asked<'a>) -> Pending<'a, Result<Reply, ServiceError>> {
        Box::pin(self.answer(asked))
    }
}

/// What operations need.
struct Doing<'a> {
    iam: &'a Iam,
    account: AccountId,
    asked: &'a Asked<'a>,
    name: &'static str,
}

impl Doing<'_> {
    /// Whether the caller may; the owner of the account may everything.
    fn authorize(&self, input: &Input, target: Target<'_>) -> Result<(), ServiceError> {
        let caller = &self.asked.who.caller;
        if caller.owns(self.account) {
            return Ok(());
        }
        let mut context = self.asked.known.clone();
        let new = needs::new_path(input);
        let resource = match target {
            Target::User(Some(name)) => self.resource::<User>(name, new, &mut context),
            // Without a name, the caller is meant.
            Target::User(None) if needs::is_of_one_user(input) => match self.user(None) {
                Ok(own) => self.resource::<User>(&own, None, &mut context),
                Err(_) => caller.standing().arn.clone(),
            },
            Target::Group(Some(name)) => self.resource::<Group>(name, new, &mut context),
            Target::Role(Some(name)) => self.resource::<Role>(name, new, &mut context),
            Target::Policy(Some(name)) if new.is_some() => self.resource::<Policy>(name, new, &mut context),
            Target::Policy(Some(arn)) => {
                if let Ok(found) = self.iam.policy(self.account, arn) {
                    tell_tags(&mut context, &found.policy.entity.tags);
                }
                arn.to_owned()
            }
            Target::Simulation(Some(arn)) => arn.to_owned(),
            Target::User(None)
            | Target::Group(None)
            | Target::Role(None)
            | Target::Policy(None)
            | Target::Simulation(None) => "*".to_owned(),
        };
        needs::tell(&mut context, input);
        if needs::is_by_boundary(input) {
            context.set_some("iam:PermissionsBoundary", self.boundary(target));
        }
        let owner = Some(self.account);
        let may = |operation: &str, resource: &str, context: Context| {
            let action = format!("iam:{operation}");
            caller.may(Asking { action: &action, resource, owner, policy: None, context })
        };
        // A new name or path needs the right to what would be there.
        if let Some(renamed) = needs::renamed(input, &resource) {
            may(self.name, &renamed, context.clone())?;
        }
        if let Some(tagging) = needs::tagging(input) {
            may(tagging, &resource, context.clone())?;
        }
        may(self.name, &resource, context)
    }

    /// The boundary that a user or role has.
    fn boundary(&self, target: Target<'_>) -> Option<String> {
        match target {
            Target::User(name) => self.iam.get::<User>(self.account, name?).ok()?.grants.boundary.clone(),
            Target::Role(name) => self.iam.get::<Role>(self.account, name?).ok()?.grants.boundary.clone(),
            Target::Group(_) | Target::Policy(_) | Target::Simulation(_) => None,
        }
    }

    /// The ARN of what is there, with its tags, or of what will be there with a new path.
    fn resource<T: Kept>(&self, name: &str, new_path: Option<&str>, context: &mut Context) -> String {
        if let Some(path) = new_path {
            return Iam::arn_of_new::<T>(self.account, path, name);
        }
        if let Ok(found) = self.iam.get::<T>(self.account, name) {
            tell_tags(context, &found.entity().tags);
        }
        self.iam.arn_of::<T>(self.account, name)
    }

    /// The user that is named, or the caller where none is.
    fn user(&self, name: Option<String>) -> Result<String, IamError> {
        let standing = self.asked.who.caller.standing();
        let own = || standing.facts.single("aws:username").map(str::to_owned);
        name.or_else(own).ok_or_else(|| {
            IamError::Validation("Must specify userName when calling with non-User credentials".to_owned())
        })
    }

    fn done<C: Call<Output = ()>>(&self) -> Result<Reply, IamError> {
        self.reply::<C>(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "the last word of every operation")]
    fn reply<C: Call>(&self, output: C::Output) -> Result<Reply, IamError> {
        Ok(output.reply(C::RPC, self.asked.request))
    }
}

fn tell_tags(context: &mut Context, tags: &BTreeMap<String, String>) {
    context.set_resource_tags(tags);
    context.add_tags("iam:ResourceTag", tags);
}

/// What an operation says where it does not belong to the family.
fn strange(doing: &Doing<'_>) -> IamError {
    IamError::Failed(unserved(doing.name))
}

/// A refusal by its code in the model.
pub(super) fn refused(error: IamError) -> ServiceError {
    let code = match &error {
        IamError::NoSuchEntity(_) => "NoSuchEntity",
        IamError::EntityAlreadyExists(_) => "EntityAlreadyExists",
        IamError::DeleteConflict(_) => "DeleteConflict",
        IamError::LimitExceeded(_) => "LimitExceeded",
        IamError::MalformedPolicyDocument(_) => "MalformedPolicyDocument",
        IamError::InvalidInput(_) => "InvalidInput",
        IamError::PackedPolicyTooLarge(_) => "PackedPolicyTooLarge",
        IamError::Validation(message) => return ServiceError::Validation(message.clone()),
        IamError::AccessDenied(message) => return ServiceError::AccessDenied(message.clone()),
        IamError::Failed(error) => return error.clone(),
    };
    ServiceError::Modeled { code, message: error.to_string() }
}

/// A page as requests name it.
fn page(marker: Option<String>, count_max: Option<i32>, path_prefix: Option<String>) -> PageOf {
    PageOf { marker, count_max: count_max.and_then(|count| usize::try_from(count).ok()), path_prefix }
}

/// A member that the checks have found there.
fn text(member: Option<String>) -> String {
    member.unwrap_or_default()
}

fn tags(tags: Option<Vec<api::Tag>>) -> Result<BTreeMap<String, String>, IamError> {
    let mut map = BTreeMap::new();
    for tag in tags.unwrap_or_default() {
        let key = text(tag.key);
        let is_twice = map.keys().any(|known: &String| known.eq_ignore_ascii_case(&key));
        if is_twice || map.insert(key, text(tag.value)).is_some() {
            let message = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
            return Err(IamError::InvalidInput(message.to_owned()));
        }
    }
    Ok(map)
}
