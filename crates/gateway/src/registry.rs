//! The door of the container registry, `/v2/`: who asks, and in which account and region; the rest is
//! `services::registry`'s. Bodies go through unread, since a layer can have gigabytes.
//!
//! Container tools know no signatures but a user name and a password: `AWS` with the token of ECR's
//! `GetAuthorizationToken`, or an access key id with its secret. Neither lets anybody do more than ECR's API would: a token
//! says who asked for it, and what they may do is looked up at each request. An open server believes everybody, as
//! everywhere.

use std::sync::Arc;

use control::identity::Access;
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::{Request, Response};
use http_body_util::Either;
use model::arn::Scope;
use model::id::Region;
use policy::Need;
use services::ecr::Ecr;
use services::registry::address::host_scope;
use services::registry::catalog::Repository;
use services::registry::token::{self, TokenError, TokenKey};
use services::registry::{self, Caller, Code, Refusal, Registry};

use crate::app::{App, Call};
use crate::auth::{Authenticated, may};
use crate::respond::Body;
use crate::{audit, body, facts};

/// The registry, and what proves who its callers are.
pub struct RegistryDoor {
    /// The registry.
    pub registry: Arc<Registry>,
    /// Seals and opens the tokens of `GetAuthorizationToken`.
    pub tokens: TokenKey,
}

/// Whether a path is the registry's.
pub fn is_registry(path: &str) -> bool {
    path == "/v2" || path.starts_with("/v2/")
}

/// Answers a request to the registry.
pub async fn answer(app: &Arc<App>, door: &RegistryDoor, call: Call) -> (&'static str, Response<Body>) {
    let operation = operation(&call.head);
    let response = match identify(app, door, &call.head) {
        Ok(who) => perform(app, door, who, call).await,
        Err(refusal) => {
            body::discard(call.body);
            let mut response = refusal.response();
            if refusal.code == Code::Unauthorized {
                let endpoint = door.registry.address().endpoint(&default_scope(app));
                let (name, value) = token::challenge(&endpoint);
                response.headers_mut().insert(name, value);
            }
            response
        }
    };
    (operation, response.map(|body| Either::Right(Either::Right(body))))
}

/// Lets the registry answer, if the caller may.
async fn perform(
    app: &App,
    door: &RegistryDoor,
    who: Authenticated,
    call: Call,
) -> Response<registry::body::Body> {
    let known = facts::of_call(app.parts.clock.now(), call.entry.peer, &call.head, &who.scope.region);
    let needs = door.registry.needs(&who.scope, &call.head);
    let operation = counted(&call.head, &needs);
    if operation.is_some()
        && let Err(error) = app.throttle.take(who.scope.account, app.parts.clock.now())
    {
        body::discard(call.body);
        return Refusal::new(Code::TooManyRequests, error.to_string()).response();
    }
    let event = operation.filter(|_| app.parts.audit.is_some());
    let event = event.map(|operation| event_of(app, &call, &who, operation));
    let response = match may(&who, &known, &needs) {
        Ok(()) => {
            let (scope, registry) = (who.scope.clone(), Arc::clone(&door.registry));
            let may_mount =
                Box::new(move |from: &Repository| may(&who, &known, &[registry.need_to_mount(from)]).is_ok());
            let request = Request::from_parts(call.head, call.body);
            door.registry.handle(Caller { scope, may_mount }, request).await
        }
        Err(denied) => {
            body::discard(call.body);
            Refusal::new(Code::Denied, denied.to_string()).response()
        }
    };
    if let (Some(event), Some(sink)) = (event, &app.parts.audit) {
        let refusal = response.extensions().get::<Refusal>();
        sink.keep(event.end_as(refusal.map(|refusal| (refusal.code.word(), refusal.message.as_str()))));
    }
    response
}

/// The operation that a request counts as, for the account's rate and the audit log. As of ECR's API, the many that moving
/// layers takes do not count; nor do logins, which tools repeat at will.
fn counted<'n>(head: &Parts, needs: &'n [Need]) -> Option<&'n str> {
    let operation = needs.first()?.action.strip_prefix("ecr:")?;
    let is_login = registry::access(&head.method, head.uri.path()).0 == registry::Access::Login;
    (!is_login && !Ecr::is_work(operation)).then_some(operation)
}

/// What the audit log keeps of a request.
fn event_of(app: &App, call: &Call, who: &Authenticated, operation: &str) -> audit::Event {
    let Call { id, head, entry, .. } = call;
    let (_, repository) = registry::access(&head.method, head.uri.path());
    let name = repository.as_ref().map(|name| ("repositoryName", name.as_str()));
    let image = head.uri.path().rsplit_once("/manifests/").map(|(_, image)| match image.contains(':') {
        true => ("imageDigest", image),
        false => ("imageTag", image),
    });
    audit::Event::of(audit::Call {
        service: "ecr",
        operation,
        time: app.parts.clock.now(),
        id: *id,
        head,
        peer: entry.peer,
        who,
        parameters: audit::parameters(name.into_iter().chain(image), &[]),
    })
}

/// A name for metrics, of a fixed set.
fn operation(head: &Parts) -> &'static str {
    match registry::access(&head.method, head.uri.path()).0 {
        registry::Access::Login => "registry:login",
        registry::Access::Pull => "registry:pull",
        registry::Access::Push => "registry:push",
        registry::Access::Delete => "registry:delete",
    }
}

/// Who asks, and for the repositories of which account and region.
fn identify(app: &App, door: &RegistryDoor, head: &Parts) -> Result<Authenticated, Refusal> {
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    let named = host.and_then(host_scope);
    let shown = Shown::of(head);
    if app.parts.identity.access() == Access::Open {
        let claimed = shown.map(|shown| believe(app, door, &shown));
        let scope = named.or(claimed).unwrap_or_else(|| default_scope(app));
        let caller = app.parts.identity.believe(Some(scope.account.as_str()), None);
        return Ok(Authenticated { caller, scope });
    }
    let shown = shown.ok_or_else(|| unauthorized("authentication required"))?;
    let proven = prove(app, door, &shown, head, named.as_ref())?;
    match named {
        Some(named) if named != proven.scope => Err(Refusal::new(
            Code::Denied,
            format!(
                "These credentials are for the registry of account {} in {}.",
                proven.scope.account, proven.scope.region
            ),
        )),
        _ => Ok(proven),
    }
}

/// What a caller shows of itself.
enum Shown {
    /// A token of `GetAuthorizationToken`, or one that stands in an address.
    Token(String),
    /// An access key id and its secret.
    Key { id: String, secret: String },
}

impl Shown {
    fn of(head: &Parts) -> Option<Self> {
        if let Some(token) = token::in_query(head.uri.query()) {
            return Some(Self::Token(token));
        }
        let (user, password) = token::basic(head.headers.get(AUTHORIZATION))?;
        Some(match user.as_str() {
            token::USER => Self::Token(password),
            _ => Self::Key { id: user, secret: password },
        })
    }
}

fn prove(
    app: &App,
    door: &RegistryDoor,
    shown: &Shown,
    head: &Parts,
    named: Option<&Scope>,
) -> Result<Authenticated, Refusal> {
    match shown {
        Shown::Token(token) => {
            let opened = door.tokens.open(token, app.parts.clock.now());
            let claims = opened.map_err(|error| unauthorized(&error.to_string()))?;
            if !claims.fits(&head.method, head.uri.path()) {
                return Err(unauthorized("This token is for another request."));
            }
            let bearer = app.parts.identity.bearer_of(&claims.bearer);
            // To a bearer that is gone, its token is worth as much as a forged one.
            let caller = bearer.ok_or_else(|| unauthorized(&TokenError::Forged.to_string()))?;
            Ok(Authenticated { caller, scope: claims.scope })
        }
        Shown::Key { id, secret } => {
            let proven = app.parts.identity.prove(id, secret);
            let caller = proven.map_err(|_| unauthorized("The access key id or its secret is wrong."))?;
            // A secret says nothing of a region; the host may.
            let region = named.map_or_else(Region::default_region, |scope| scope.region.clone());
            let scope = Scope { account: caller.account, region };
            Ok(Authenticated { caller, scope })
        }
    }
}

/// What an open server takes from whatever is shown.
fn believe(app: &App, door: &RegistryDoor, shown: &Shown) -> Scope {
    match shown {
        Shown::Token(token) => door
            .tokens
            .open(token, app.parts.clock.now())
            .map_or_else(|_| default_scope(app), |claims| claims.scope),
        Shown::Key { id, .. } => own_region(app.parts.identity.believe(Some(id), None).account),
    }
}

fn unauthorized(message: &str) -> Refusal {
    Refusal::new(Code::Unauthorized, message)
}

fn own_region(account: model::id::AccountId) -> Scope {
    Scope { account, region: Region::default_region() }
}

fn default_scope(app: &App) -> Scope {
    own_region(app.parts.identity.believe(None, None).account)
}
