//! Amazon ECR's API, connected to the registry that stands behind `/v2/`.
//!
//! What the operations mean, and how their input is read, is `services::ecr`'s.

use model::error::ServiceError;
use model::port::Pending;
use policy::Need;
use services::ecr::EcrCaller;
use wire::json_rpc::{Reply, Service};

use super::{Asked, JsonService};
use crate::registry::RegistryDoor;

/// A layer part of 20 MB in Base64, and what stands around it.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What moving one image takes many calls of.
const WORK: [&str; 5] = [
    "BatchCheckLayerAvailability",
    "CompleteLayerUpload",
    "GetDownloadUrlForLayer",
    "InitiateLayerUpload",
    "UploadLayerPart",
];

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

    fn is_work(&self, operation: &str) -> bool {
        WORK.contains(&operation)
    }

    fn perform<'a>(&'a self, asked: &'a Asked<'a>) -> Pending<'a, Result<Reply, ServiceError>> {
        let Asked { who, target, operation, body, .. } = asked;
        let caller = EcrCaller { scope: who.scope.clone(), principal: who.caller.principal.to_string() };
        Box::pin(async move {
            asked.may(&[Need::of(format!("ecr:{operation}"), "*")])?;
            self.0.answer(&caller, target, body).await
        })
    }
}
