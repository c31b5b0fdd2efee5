//! Who is calling, and what they may do.
//!
//! A caller is found by access key id: the root key of the server, a user's key, or the temporary key of a function, a
//! user or somebody who took on a role, which nobody stores ([`token`]). Whether a request's signature fits the secret is checked by whoever speaks the
//! protocol, and what a caller may do in [`crate::access`].
//! Under [`Access::Open`] every caller is believed and may do everything.

mod admission;
mod badge;
mod standing;
mod sts;
mod token;

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use model::function::Function;
use model::id::AccountId;
use model::log::LogGroup;
use model::port::{Clock, Entropy, RoleCredentials, Roles};
use sha2::Sha256;
use store::secrets::{SecretError, Secrets};

use crate::access::Asking;
use crate::iam::Iam;
use crate::iam::service::tell_call;
use crate::policy::Context;
pub use standing::Standing;
pub use sts::{Assumed, TemporaryCredentials};
pub(crate) use token::FunctionBearer;
use token::{Bearer, Claims, TokenError, TokenKey};

/// Name of the secret that seals role credentials.
const SECRET_NAME: &str = "role-credentials";

/// Whom the server believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Every request must be signed with a known key.
    Verified,
    /// Nothing is verified: a twelve-digit key id names the account, anything else means the default one.
    Open,
}

/// The key that owns the server.
#[derive(Debug, Clone)]
pub struct RootKey {
    /// Its id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: SigningSecret,
    /// The account that it belongs to.
    pub account: AccountId,
}

/// The secret half of an access key. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(String);

impl SigningSecret {
    /// Takes a secret.
    #[must_use]
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// Whether it is this one; how long that takes tells nothing of either.
    fn is(&self, presented: &str) -> bool {
        let mac = |text: &str| {
            // HMAC takes keys of every length; the type only says so for all of its kin.
            let mac = Hmac::<Sha256>::new_from_slice(b"equal");
            let mut mac = mac.unwrap_or_else(|_| Hmac::new(&Default::default()));
            mac.update(text.as_bytes());
            mac
        };
        mac(&self.0).verify_slice(&mac(presented).finalize().into_bytes()).is_ok()
    }

    /// The secret, to derive a signing key from and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

/// A caller whose key is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    /// The namespace in which the caller acts.
    pub account: AccountId,
    /// Who it is.
    pub principal: Principal,
    /// What its session token says, if it has one.
    session: Option<Arc<Claims>>,
}

impl Caller {
    /// Somebody who has no session token.
    #[must_use]
    pub fn lasting(account: AccountId, principal: Principal) -> Self {
        Self { account, principal, session: None }
    }
}

/// Who calls.
#[derive(Debug, Clone, PartialEq)]
pub enum Principal {
    /// The owner of the server.
    Root,
    /// The same, with temporary credentials.
    RootSession,
    /// A user, with its own key or with temporary credentials.
    User(Arc<Standing>),
    /// A session of a role: a function's, or that of whoever took the role on.
    AssumedRole(Arc<Standing>),
    /// A function that has taken on no role: its execution role is not there any more, or was not when the function was
    /// started, or did not let Lambda take it on.
    Role {
        /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/FUNCTION`.
        arn: String,
        /// The function.
        function: String,
    },
    /// Somebody who was not asked.
    Anyone,
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root | Self::RootSession => "root",
            Self::User(standing) | Self::AssumedRole(standing) => &standing.arn,
            Self::Role { arn, .. } => arn,
            Self::Anyone => "anyone",
        })
    }
}

/// Why a key is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No such key, or its session token is missing or not ours.
    #[error("The security token included in the request is invalid.")]
    Invalid,
    /// The session token was ours but has expired.
    #[error("The security token included in the request is expired")]
    Expired,
}

/// See the module's description.
pub struct Identity {
    access: Access,
    root: RootKey,
    key: TokenKey,
    iam: Iam,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Identity {
    /// Opens the register of callers; makes the secret that seals role credentials at first start.
    ///
    /// # Errors
    /// [`SecretError`] when that secret can neither be read nor made.
    pub fn open(
        access: Access,
        root: RootKey,
        secrets: &Secrets,
        iam: Iam,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, SecretError> {
        let make = || {
            let mut random = vec![0; 32];
            entropy.fill(&mut random);
            random
        };
        let key = TokenKey::new(secrets.get_or_create(SECRET_NAME, make)?.expose());
        Ok(Self { access, root, key, iam, clock, entropy })
    }

    /// Whether requests have to be signed.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// The users, roles and policies.
    #[must_use]
    pub fn iam(&self) -> &Iam {
        &self.iam
    }

    /// The caller with this key and the secret that its requests are signed with.
    ///
    /// # Errors
    /// [`KeyError`]; it does not tell an unknown key from a wrong token.
    pub fn find(
        &self,
        access_key_id: &str,
        session_token: Option<&str>,
    ) -> Result<(Caller, SigningSecret), KeyError> {
        match session_token {
            None if access_key_id == self.root.access_key_id => {
                let caller = Caller::lasting(self.root.account, Principal::Root);
                Ok((caller, self.root.secret_access_key.clone()))
            }
            None => {
                let found = self.iam.user_standing(access_key_id);
                let (account, standing, secret) = found.ok_or(KeyError::Invalid)?;
                Ok((Caller::lasting(account, Principal::User(standing)), SigningSecret(secret)))
            }
            Some(token) => {
                let now = self.clock.now();
                let (claims, secret) =
                    self.key.open(access_key_id, token, now).map_err(|error| match error {
                        TokenError::Forged => KeyError::Invalid,
                        TokenError::Expired => KeyError::Expired,
                    })?;
                let caller = self.bearer(access_key_id, claims).ok_or(KeyError::Invalid)?;
                Ok((caller, SigningSecret(secret)))
            }
        }
    }

    /// Who bears a token; nobody if the user or role has gone since.
    fn bearer(&self, key_id: &str, claims: Claims) -> Option<Caller> {
        let principal = self.principal(key_id, &claims)?;
        Some(Caller { account: claims.account, principal, session: Some(Arc::new(claims)) })
    }

    fn principal(&self, key_id: &str, claims: &Claims) -> Option<Principal> {
        let account = claims.account;
        match &claims.bearer {
            Bearer::Root => Some(Principal::RootSession),
            Bearer::User(id) => {
                self.iam.user_session(key_id, account, id, claims.issued).map(Principal::User)
            }
            Bearer::Role { id, session } => {
                let there = self.iam.role_session(key_id, account, id, session, claims.issued);
                there.map(Principal::AssumedRole)
            }
            Bearer::Function(of) => {
                let there = self.iam.execution_session(key_id, account, of, claims.issued);
                let missing = || Principal::Role {
                    arn: standing::session_arn(&of.role_arn, of.name()),
                    function: of.arn.clone(),
                };
                Some(there.map_or_else(missing, Principal::AssumedRole))
            }
        }
    }

    /// The caller who shows a key with its secret, as container tools do. Only keys without a session can.
    ///
    /// # Errors
    /// [`KeyError`]; it does not tell an unknown key from a wrong secret.
    pub fn prove(&self, access_key_id: &str, secret: &str) -> Result<Caller, KeyError> {
        let (caller, known) = self.find(access_key_id, None)?;
        if known.is(secret) { Ok(caller) } else { Err(KeyError::Invalid) }
    }

    /// The caller under [`Access::Open`], from whatever key it showed.
    #[must_use]
    pub fn believe(&self, access_key_id: Option<&str>, session_token: Option<&str>) -> Caller {
        let named = access_key_id.and_then(|id| AccountId::parse(id).ok());
        let token = access_key_id.zip(session_token);
        let own = || token.and_then(|(id, token)| self.find(id, Some(token)).ok()).map(|(c, _)| c.account);
        let account = named.or_else(own).unwrap_or(self.root.account);
        Caller::lasting(account, Principal::Anyone)
    }
}

impl Roles for Identity {
    fn credentials(&self, function: &Function) -> RoleCredentials {
        let mut random = [0; token::KEY_ID_RANDOM_BYTES];
        self.entropy.fill(&mut random);
        let role_id = self.iam.execution_role_id(function);
        self.key.mint(&Claims::of(function, role_id, self.clock.now()), random)
    }

    /// A group of the function's own name takes what it says whatever its role may; any other only where the role may
    /// write, so that nobody writes into a log by way of a function.
    fn may_log(&self, function: &Function, credentials: &RoleCredentials, stream: &str) -> bool {
        let (scope, name) = (&function.id.scope, function.log_group());
        if self.access == Access::Open || name == format!("/aws/lambda/{}", function.id.name) {
            return true;
        }
        let group = LogGroup { scope: scope.clone(), name };
        let found = self.find(&credentials.access_key_id, Some(&credentials.session_token));
        let resource = &group.stream_arn(stream);
        let may = |caller: &Caller, action| {
            let mut context = Context::new();
            tell_call(self.clock.now(), &mut context);
            context.set("aws:RequestedRegion", scope.region.as_str());
            caller.may(Asking { action, resource, owner: None, policy: None, context }).is_ok()
        };
        let may = found.is_ok_and(|(caller, _)| {
            ["logs:CreateLogStream", "logs:PutLogEvents"].iter().all(|action| may(&caller, action))
        });
        if !may {
            let function = function.id.arn();
            tracing::warn!(%function, group = group.arn(), "the function's role may not write to its log group: nothing is kept");
        }
        may
    }
}

#[cfg(test)]
mod tests;
