//! Amazon ECR's API, connected to the registry that stands behind `/v2/`.
//!
//! What the operations mean, and how their input is read, is `services::ecr`'s.

use model::error::ServiceError;
use model::port::Pending;
use services::ecr::EcrCaller;
use wire::json_rpc::{Reply, Service};

use super::JsonService;
use crate::auth::Authenticated;
use crate::registry::RegistryDoor;

/// A layer part of 20 MB in Base64, and what stands around it.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The service.
pub struct Ecr(services::ecr::Ecr);

impl Ecr {
    /// ECR's API for the registry behind this door, with the tokens that the door opens for.
    pub fn at(door: &RegistryDoor) -> Self {
        Self(services::ecr::Ecr::new(door.registry.clone(), door.tokens.clone()))
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

    fn perform<'a>(
        &'a self,
        who: &'a Authenticated,
        target: &'a str,
        body: &'a [u8],
    ) -> Pending<'a, Result<Reply, ServiceError>> {
        let caller = EcrCaller { scope: who.scope.clone(), principal: who.caller.principal.to_string() };
        Box::pin(async move { self.0.answer(&caller, target, body).await })
    }
}
