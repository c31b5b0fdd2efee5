//! Who asks, and in which scope: the signature checked against the secret that `control` knows for the key.
//!
//! Signing keys are derived once per key, day, region and service and kept in a bounded cache. An open server
//! checks no signature and takes from the request what it can; `site` keeps foreign web pages out of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use control::access::Asking;
use control::identity::{Access, Caller, Identity, KeyError, SigningSecret};
use http::request::Parts;
use model::arn::Scope;
use model::error::ServiceError;
use model::id::Region;
use model::port::Clock;
use policy::{Context, Need};
use wire::sigv4::{self, AuthError, Authorization, Body, BodyRule, Rules, Secret, SigningKey};

use crate::respond::Failure;
use crate::site;

/// Signing keys kept. A client uses one a day; when there are more, the cache starts anew.
const KEYS_MAX: usize = 1_024;

/// Checks signatures.
pub struct Authenticator {
    identity: Arc<Identity>,
    clock: Arc<dyn Clock>,
    keys: Mutex<HashMap<sigv4::Scope, SigningKey>>,
}

/// A caller that is known, and the namespace in which it acts.
#[derive(Debug, Clone)]
pub struct Authenticated {
    /// Who it is.
    pub caller: Caller,
    /// Its account, and the region that the request was signed for.
    pub scope: Scope,
}

/// Whether a caller has every right that an operation needs, with what is known of the call.
///
/// # Errors
/// `AccessDenied`.
pub fn may(who: &Authenticated, known: &Context, needs: &[Need]) -> Result<(), ServiceError> {
    needs.iter().try_for_each(|need| {
        let mut context = known.clone();
        context.extend(&need.facts);
        let (action, resource, policy) =
            (need.action.as_str(), need.resource.as_str(), need.policy.as_deref());
        who.caller.may(Asking { action, resource, owner: None, policy, context })
    })
}

impl Authenticator {
    /// Checks signatures against these identities.
    pub fn new(identity: Arc<Identity>, clock: Arc<dyn Clock>) -> Self {
        Self { identity, clock, keys: Mutex::new(HashMap::new()) }
    }

    /// Refuses what no open server may answer: requests that a web page of elsewhere makes a browser send.
    ///
    /// # Errors
    /// `AccessDenied`, never where signatures are checked.
    pub fn admit(&self, head: &Parts) -> Result<(), ServiceError> {
        match self.identity.access() {
            Access::Open => site::admit(&head.headers),
            Access::Verified => Ok(()),
        }
    }

    /// Refuses a request that no body could make acceptable, before anything is spent on its body. Otherwise says whose it
    /// seems to be: a caller that is known, though not proven yet; of an open server, the key that is shown, if any.
    ///
    /// # Errors
    /// [`Failure::Auth`] as [`Authenticator::authenticate`] would say it.
    pub fn recognize(&self, head: &Parts) -> Result<Option<String>, Failure> {
        let shown = Authorization::parse(&signed_parts(head));
        match self.identity.access() {
            Access::Open => Ok(shown.ok().map(|shown| shown.scope.access_key_id)),
            Access::Verified => {
                // By name, since one caller can have as many session tokens as it likes.
                let (caller, _) = self.find(&shown?)?;
                Ok(Some(format!("{} {}", caller.account, caller.principal)))
            }
        }
    }

    /// Finds the caller of a request to `service`, whose body is all there.
    ///
    /// # Errors
    /// [`Failure::Auth`] in AWS's wording.
    pub fn authenticate(&self, head: &Parts, body: &[u8], service: &str) -> Result<Authenticated, Failure> {
        let parts = signed_parts(head);
        match self.identity.access() {
            Access::Open => Ok(self.believe(&parts)),
            Access::Verified => self.verify(&parts, body, service).map_err(Failure::Auth),
        }
    }

    /// The caller of a request that was authenticated once and goes on: as it is known by now.
    ///
    /// # Errors
    /// [`Failure::Auth`] when its key is not there any more, or has expired.
    pub fn again(&self, head: &Parts, who: &Authenticated) -> Result<Authenticated, Failure> {
        match self.identity.access() {
            Access::Open => Ok(who.clone()),
            Access::Verified => {
                let shown = Authorization::parse(&signed_parts(head))?;
                let (caller, _) = self.find(&shown)?;
                Ok(Authenticated { caller, scope: who.scope.clone() })
            }
        }
    }

    fn believe(&self, parts: &sigv4::Parts<'_>) -> Authenticated {
        let shown = Authorization::parse(parts).ok();
        let (key_id, token) = match &shown {
            Some(shown) => (Some(shown.scope.access_key_id.as_str()), shown.session_token()),
            None => (None, None),
        };
        let caller = self.identity.believe(key_id, token);
        let region = shown.as_ref().and_then(|shown| Region::parse(&shown.scope.region).ok());
        let scope = Scope { account: caller.account, region: region.unwrap_or_else(Region::default_region) };
        Authenticated { caller, scope }
    }

    fn verify(
        &self,
        parts: &sigv4::Parts<'_>,
        body: &[u8],
        service: &str,
    ) -> Result<Authenticated, AuthError> {
        let shown = Authorization::parse(parts)?;
        let (caller, secret) = self.find(&shown)?;
        let key = self.key(&shown.scope, || Secret::new(secret.expose()));
        let rule = shown.verify(parts, Rules::STANDARD, &key, self.clock.now(), Body::Whole(body))?;
        if !matches!(rule, BodyRule::Settled) {
            // Not reached under the standard rules with the whole body; never to be taken for success.
            return Err(AuthError::ContentSha256Mismatch);
        }
        if shown.scope.service != service {
            let message = format!("Credential should be scoped to correct service: '{service}'.");
            return Err(AuthError::InvalidSignature(message));
        }
        let region = Region::parse(&shown.scope.region)
            .map_err(|error| AuthError::IncompleteSignature(format!("Credential scope: {error}.")))?;
        // Only a scope that was signed rightly gets into the cache, so that nobody can flood it.
        self.remember(&shown.scope, &key);
        self.identity.iam().used(&caller, &shown.scope.access_key_id, service, region.as_str());
        let scope = Scope { account: caller.account, region };
        Ok(Authenticated { caller, scope })
    }

    fn find(&self, shown: &Authorization) -> Result<(Caller, SigningSecret), AuthError> {
        let found = self.identity.find(&shown.scope.access_key_id, shown.session_token());
        found.map_err(|error| match error {
            KeyError::Invalid => AuthError::UnrecognizedClient,
            KeyError::Expired => AuthError::ExpiredToken,
        })
    }

    fn key(&self, scope: &sigv4::Scope, secret: impl FnOnce() -> Secret) -> SigningKey {
        let known = self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(scope).cloned();
        known.unwrap_or_else(|| SigningKey::derive(&secret(), &scope.date, &scope.region, &scope.service))
    }

    fn remember(&self, scope: &sigv4::Scope, key: &SigningKey) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.contains_key(scope) {
            return;
        }
        if keys.len() >= KEYS_MAX {
            keys.clear();
        }
        keys.insert(scope.clone(), key.clone());
    }
}

/// What of a request is signed.
pub fn signed_parts(head: &Parts) -> sigv4::Parts<'_> {
    sigv4::Parts {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        headers: &head.headers,
    }
}
