//! The door of the container registry, `/v2/`: who asks, and in which account and region; the rest is
//! `services::registry`'s. Bodies go through unread, since a layer can have gigabytes.
//!
//! Container tools know no signatures but a user name and a password: `AWS` with the token of ECR's
//! `GetAuthorizationToken`, or an access key id with its secret. An open server believes everybody, as everywhere.

use std::sync::Arc;

use control::identity::Access;
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::{Request, Response};
use http_body_util::Either;
use model::arn::Scope;
use model::id::Region;
use services::registry::address::host_scope;
use services::registry::token::{self, TokenKey};
use services::registry::{self, Caller, Code, Refusal, Registry};

use crate::app::{App, Call};
use crate::body;
use crate::respond::Body;

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
    let response = match scope(app, door, &call.head) {
        Ok(scope) => {
            let request = Request::from_parts(call.head, call.body);
            door.registry.handle(Caller { scope }, request).await
        }
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

/// A name for metrics, of a fixed set.
fn operation(head: &Parts) -> &'static str {
    match registry::access(&head.method, head.uri.path()).0 {
        registry::Access::Login => "registry:login",
        registry::Access::Pull => "registry:pull",
        registry::Access::Push => "registry:push",
        registry::Access::Delete => "registry:delete",
    }
}

/// The account and region whose repositories the caller means.
fn scope(app: &App, door: &RegistryDoor, head: &Parts) -> Result<Scope, Refusal> {
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    let named = host.and_then(host_scope);
    let shown = Shown::of(head);
    if app.parts.identity.access() == Access::Open {
        let claimed = shown.map(|shown| believe(app, door, &shown));
        return Ok(named.or(claimed).unwrap_or_else(|| default_scope(app)));
    }
    let shown = shown.ok_or_else(|| unauthorized("authentication required"))?;
    let proven = prove(app, door, &shown, head, named.as_ref())?;
    match named {
        Some(named) if named != proven => Err(Refusal::new(
            Code::Denied,
            format!(
                "These credentials are for the registry of account {} in {}.",
                proven.account, proven.region
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
) -> Result<Scope, Refusal> {
    match shown {
        Shown::Token(token) => {
            let opened = door.tokens.open(token, app.parts.clock.now());
            let claims = opened.map_err(|error| unauthorized(&error.to_string()))?;
            if !claims.fits(&head.method, head.uri.path()) {
                return Err(unauthorized("This token is for another request."));
            }
            Ok(claims.scope)
        }
        Shown::Key { id, secret } => {
            let proven = app.parts.identity.prove(id, secret);
            let caller = proven.map_err(|_| unauthorized("The access key id or its secret is wrong."))?;
            // A secret says nothing of a region; the host may.
            let region = named.map_or_else(Region::default_region, |scope| scope.region.clone());
            let action = match registry::access(&head.method, head.uri.path()).0 {
                registry::Access::Login => "ecr:GetAuthorizationToken",
                registry::Access::Pull => "ecr:BatchGetImage",
                registry::Access::Push => "ecr:PutImage",
                registry::Access::Delete => "ecr:BatchDeleteImage",
            };
            let allowed = caller.authorize(action, "*");
            allowed.map_err(|denied| Refusal::new(Code::Denied, denied.to_string()))?;
            Ok(Scope { account: caller.account, region })
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
