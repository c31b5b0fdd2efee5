//! AWS Security Token Service: who a caller is, and temporary credentials.
//!
//! Whether credentials are given is decided in `control`; what cannot be taken into account is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use control::iam::sts::AssumeRole;
use control::identity::{Identity, TemporaryCredentials};
use model::error::ServiceError;
use model::port::Pending;
use policy::Need;
use wire::query::{Call as _, Output as _, Reply, Service};
use wire::sts::{self as api, Input, Operation};

use super::iam::refused;
use super::{Asked, Link, QueryService, unserved};

/// The service.
pub struct Sts {
    identity: Arc<Identity>,
}

impl Sts {
    /// The service for these callers.
    pub fn new(identity: Arc<Identity>) -> Self {
        Self { identity }
    }

    fn answer(&self, asked: &Asked<'_>) -> Result<Reply, ServiceError> {
        let operation = Operation::ALL[asked.place];
        let input = Input::accept(operation, asked.parameters).ok_or_else(|| unserved(operation.name()))?;
        match input.map_err(ServiceError::from)? {
            // Everybody may ask who they are.
            Input::GetCallerIdentity(_) => Ok(caller_identity(asked)),
            Input::AssumeRole(input) => self.assume_role(asked, input),
            Input::GetSessionToken(input) => self.session_token(asked, &input),
            Input::GetAccessKeyInfo(input) => {
                asked.may(&[Need::of("sts:GetAccessKeyInfo", "*")])?;
                let account = self.identity.account_of_key(&input.access_key_id.unwrap_or_default());
                let account = Some(account.map_err(refused)?.to_string());
                let response = api::GetAccessKeyInfoResponse { account };
                Ok(response.reply(api::GetAccessKeyInfoRequest::RPC, asked.request))
            }
        }
    }
}

impl Sts {
    fn assume_role(&self, asked: &Asked<'_>, input: api::AssumeRoleRequest) -> Result<Reply, ServiceError> {
        check_mfa(input.serial_number.as_ref().or(input.token_code.as_ref()))?;
        refuse(input.transitive_tag_keys.is_some(), "TransitiveTagKeys")?;
        refuse(input.provided_contexts.is_some(), "ProvidedContexts")?;
        refuse(input.minimum_session_token_size.is_some(), "MinimumSessionTokenSize")?;
        let assume = AssumeRole {
            role_arn: input.role_arn.unwrap_or_default(),
            session_name: input.role_session_name.unwrap_or_default(),
            duration_s: input.duration_seconds.map(|span| u32::try_from(span).unwrap_or(0)),
            policy: input.policy,
            policy_arns: input.policy_arns.unwrap_or_default().into_iter().filter_map(|it| it.arn).collect(),
            tags: tags(input.tags.unwrap_or_default())?,
            external_id: input.external_id,
            source_identity: input.source_identity,
            context: asked.known.clone(),
        };
        let assumed = self.identity.assume_role(&asked.who.caller, assume).map_err(refused)?;
        let response = api::AssumeRoleResponse {
            credentials: Some(credentials(assumed.credentials)),
            assumed_role_user: Some(api::AssumedRoleUser {
                assumed_role_id: Some(assumed.id),
                arn: Some(assumed.arn),
            }),
            packed_policy_size: assumed.packed_percent.and_then(|percent| i32::try_from(percent).ok()),
            source_identity: assumed.source_identity,
            ..api::AssumeRoleResponse::default()
        };
        Ok(response.reply(api::AssumeRoleRequest::RPC, asked.request))
    }

    fn session_token(
        &self,
        asked: &Asked<'_>,
        input: &api::GetSessionTokenRequest,
    ) -> Result<Reply, ServiceError> {
        check_mfa(input.serial_number.as_ref().or(input.token_code.as_ref()))?;
        refuse(input.minimum_session_token_size.is_some(), "MinimumSessionTokenSize")?;
        let span = input.duration_seconds.map(|span| u32::try_from(span).unwrap_or(0));
        let made = self.identity.session_token(&asked.who.caller, span).map_err(refused)?;
        let response = api::GetSessionTokenResponse {
            credentials: Some(credentials(made)),
            ..api::GetSessionTokenResponse::default()
        };
        Ok(response.reply(api::GetSessionTokenRequest::RPC, asked.request))
    }
}

impl QueryService for Sts {
    fn protocol(&self) -> &'static Service {
        &api::SERVICE
    }

    fn signing_name(&self) -> &'static str {
        "sts"
    }

    /// Who has a token of another identity provider signs nothing: that no provider is served is told to everybody.
    fn follow<'a>(&'a self, link: &'a Link<'a>) -> Option<Pending<'a, Result<Reply, ServiceError>>> {
        let operation = Operation::ALL[link.place];
        let is_unsigned =
            matches!(operation, Operation::AssumeRoleWithWebIdentity | Operation::AssumeRoleWithSAML);
        is_unsigned.then(|| -> Pending<'a, _> { Box::pin(async move { Err(unserved(operation.name())) }) })
    }

    fn perform<'a>(&'a self, asked: &'a Asked<'a>) -> Pending<'a, Result<Reply, ServiceError>> {
        Box::pin(async move { self.answer(asked) })
    }
}

fn tags(tags: Vec<api::Tag>) -> Result<BTreeMap<String, String>, ServiceError> {
    let mut map = BTreeMap::new();
    for api::Tag { key, value } in tags {
        let key = key.unwrap_or_default();
        let is_twice = map.keys().any(|known: &String| known.eq_ignore_ascii_case(&key));
        if is_twice {
            let message = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
            return Err(ServiceError::Validation(message.to_owned()));
        }
        map.insert(key, value.unwrap_or_default());
    }
    Ok(map)
}

fn caller_identity(asked: &Asked<'_>) -> Reply {
    let caller = &asked.who.caller;
    let standing = caller.standing();
    let user_id = standing.facts.single("aws:userid").unwrap_or_default().to_owned();
    let response = api::GetCallerIdentityResponse {
        user_id: Some(user_id),
        account: Some(caller.account.to_string()),
        arn: Some(standing.arn.clone()),
    };
    response.reply(api::GetCallerIdentityRequest::RPC, asked.request)
}

fn credentials(made: TemporaryCredentials) -> api::Credentials {
    api::Credentials {
        access_key_id: Some(made.access_key_id),
        secret_access_key: Some(made.secret_access_key),
        session_token: Some(made.session_token),
        expiration: Some(made.expires),
    }
}

/// There are no such devices here.
fn check_mfa(shown: Option<&String>) -> Result<(), ServiceError> {
    match shown {
        None => Ok(()),
        Some(_) => {
            let message = "MultiFactorAuthentication failed, unable to validate MFA code.";
            Err(ServiceError::AccessDenied(message.to_owned()))
        }
    }
}

fn refuse(is_asked: bool, member: &str) -> Result<(), ServiceError> {
    if is_asked {
        return Err(ServiceError::Validation(format!("{member} is not supported by this server.")));
    }
    Ok(())
}
