//! Who calls, as a text for a token of another kind, and back: a registry's login outlives the request that asked for it.
//!
//! A badge says who, and for a session within which limits; what the bearer may do is looked up whenever it is shown, so
//! that whoever is gone or denied by then is so for the badge too. It is not sealed: whoever hands it out does that, and
//! says how long it holds.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::token::{Bearer, Claims};
use super::{Caller, Identity, Principal};

impl Identity {
    /// The caller's badge; empty, and nobody's, for somebody who was not asked.
    #[must_use]
    pub fn badge(&self, caller: &Caller) -> String {
        let fresh = || {
            let (bearer, now) = (own(caller)?, self.clock.now());
            Some(Claims { account: caller.account, bearer, issued: now, expires: now })
        };
        let claims = caller.session.as_deref().cloned().or_else(fresh);
        claims.map(|claims| URL_SAFE_NO_PAD.encode(claims.encode())).unwrap_or_default()
    }

    /// The bearer of a badge, with what it may do now; nobody if the user or role has gone since.
    #[must_use]
    pub fn bearer_of(&self, badge: &str) -> Option<Caller> {
        let claims = Claims::decode(&URL_SAFE_NO_PAD.decode(badge).ok()?)?;
        // Badges and ids of keys are never the same, so what is known by them is not mixed up.
        self.bearer(badge, claims)
    }
}

/// Whose temporary credentials those are that a caller without any gets.
pub(super) fn own(caller: &Caller) -> Option<Bearer> {
    match &caller.principal {
        Principal::Root | Principal::RootSession => Some(Bearer::Root),
        Principal::User(standing) => Some(Bearer::User(standing.id().to_owned())),
        Principal::AssumedRole(_) | Principal::Role { .. } | Principal::Anyone => None,
    }
}
