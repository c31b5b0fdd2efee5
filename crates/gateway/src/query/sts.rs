//! AWS Security Token Service: who a caller is.

use std::sync::Arc;

use control::identity::Identity;
use model::error::ServiceError;
use model::port::Pending;
use wire::query::{Call as _, Output as _, Reply, Service};
use wire::sts::{self as api, Input, Operation};

use super::{Asked, QueryService, unserved};

/// The service.
pub struct Sts {
    #[expect(dead_code, reason = "temporary credentials come from there")]
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
            _ => Err(unserved(operation.name())),
        }
    }
}

impl QueryService for Sts {
    fn protocol(&self) -> &'static Service {
        &api::SERVICE
    }

    fn signing_name(&self) -> &'static str {
        "sts"
    }

    fn perform<'a>(&'a self, asked: &'a Asked<'a>) -> Pending<'a, Result<Reply, ServiceError>> {
        Box::pin(async move { self.answer(asked) })
    }
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
