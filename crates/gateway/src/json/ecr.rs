//! Amazon ECR's API, connected to the registry that stands behind `/v2/`.
//!
//! What the operations mean, how their input is read and what rights they need is `services::ecr`'s. Its tokens carry the
//! badge of whoever asked, by which the door of the registry finds them again.

use std::sync::Arc;

use control::identity::Identity;
use model::error::ServiceError;
use model::port::Pending;
use services::ecr::EcrCaller;
use wire::json_rpc::{Reply, Service};

use super::{Asked, JsonService};
use crate::registry::RegistryDoor;

/// A layer part of 20 MB in Base64, and what stands around it.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The service.
pub struct Ecr {
    ecr: services::ecr::Ecr,
    identity: Arc<Identity>,
}

impl Ecr {
    /// ECR's API for the registry behind this door, with the tokens that the door opens for.
    pub fn at(door: &RegistryDoor, identity: Arc<Identity>) -> Self {
        Self { ecr: services::ecr::Ecr::new(door.registry.clone(), door.tokens.clone()), identity }
    }
}

impl JsonService for Ecr {
    fn protocol(&self) -> &'static Service {
        &wire::ecr::SERVICE
    }

    fn signing_name(&self) -> &'static str {
        "ecr"
    }

    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_MAX
    }

    fn is_work(&self, operation: &str) -> bool {
        services::ecr::Ecr::is_work(operation)
    }

    fn perform<'a>(&'a self, asked: &'a Asked<'a>) -> Pending<'a, Result<Reply, ServiceError>> {
        Box::pin(async move {
            let (who, identity) = (asked.who, &self.identity);
            let caller = EcrCaller { scope: who.scope.clone(), bearer: identity.badge(&who.caller) };
            let input = services::ecr::Ecr::input(asked.target, asked.body)?;
            asked.may(&self.ecr.needs(&caller, asked.operation, &input)?)?;
            self.ecr.perform(&caller, input).await
        })
    }
}
