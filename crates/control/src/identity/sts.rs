//! Temporary credentials for whoever asked: made here, where the key is that seals them. Whether they are given is
//! decided in `iam::sts`.

use std::time::Duration;

use model::id::AccountId;
use model::time::Timestamp;

use super::token::{self, Bearer, Claims};
use super::{Access, Caller, Identity, badge};
use crate::iam::sts::{self, AssumeRole};
use crate::iam::{IamError, Kept};

/// Credentials that end by themselves. `Debug` shows the key id only.
#[derive(Clone)]
pub struct TemporaryCredentials {
    /// `ASIA…`.
    pub access_key_id: String,
    /// The signing secret.
    pub secret_access_key: String,
    /// Says whose they are.
    pub session_token: String,
    /// When they end.
    pub expires: Timestamp,
}

impl std::fmt::Debug for TemporaryCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TemporaryCredentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// A role that was taken on.
#[derive(Debug, Clone)]
pub struct Assumed {
    /// To act with.
    pub credentials: TemporaryCredentials,
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    pub arn: String,
    /// `AROA…:SESSION`.
    pub id: String,
    /// How much of what a token may carry it carries, where it carries any policy or tag.
    pub packed_percent: Option<u32>,
    /// Who stands behind it.
    pub source_identity: Option<String>,
}

impl Identity {
    /// Takes on a role.
    ///
    /// # Errors
    /// `AccessDenied`, whether the role is there or not; `Validation`, `MalformedPolicyDocument`,
    /// `PackedPolicyTooLarge`.
    pub fn assume_role(&self, caller: &Caller, asked: AssumeRole) -> Result<Assumed, IamError> {
        let granted = self.iam.grant(caller, asked, self.access == Access::Open)?;
        let sts::Granted { role, session, duration_s, packed_percent } = granted;
        let (id, account) = (role.entity.id.clone(), role.entity.account);
        let (name, source_identity) = (session.name.clone(), session.source_identity.clone());
        let bearer = Bearer::Role { id: id.clone(), session: Box::new(session) };
        Ok(Assumed {
            credentials: self.mint(account, bearer, duration_s),
            arn: super::standing::session_arn(&role.arn(), &name),
            id: format!("{id}:{name}"),
            packed_percent: (packed_percent > 0).then_some(packed_percent),
            source_identity,
        })
    }

    /// Temporary credentials of the caller's own.
    ///
    /// # Errors
    /// `AccessDenied` for temporary credentials, `Validation`.
    pub fn session_token(
        &self,
        caller: &Caller,
        duration_s: Option<u32>,
    ) -> Result<TemporaryCredentials, IamError> {
        let duration_s = sts::token_span(caller, duration_s)?;
        // Whoever is let through without being a user is the owner, or believed to be.
        let bearer = badge::own(caller).unwrap_or(Bearer::Root);
        Ok(self.mint(caller.account, bearer, duration_s))
    }

    /// The account that a lasting key belongs to.
    ///
    /// # Errors
    /// `Validation` for a key that nobody has.
    pub fn account_of_key(&self, key_id: &str) -> Result<AccountId, IamError> {
        if key_id == self.root.access_key_id {
            return Ok(self.root.account);
        }
        let user = self.iam.user_of_key(key_id).map(|user| user.entity.account);
        user.ok_or_else(|| IamError::Validation("Invalid Access Key ID".to_owned()))
    }

    fn mint(&self, account: AccountId, bearer: Bearer, duration_s: u32) -> TemporaryCredentials {
        let issued = self.clock.now();
        let expires = issued.after(Duration::from_secs(duration_s.into()));
        let mut random = [0; token::KEY_ID_RANDOM_BYTES];
        self.entropy.fill(&mut random);
        let minted = self.key.mint(&Claims { account, bearer, issued, expires }, random);
        TemporaryCredentials {
            access_key_id: minted.access_key_id,
            secret_access_key: minted.secret_access_key,
            session_token: minted.session_token,
            expires,
        }
    }
}
