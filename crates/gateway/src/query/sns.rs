//! Amazon SNS's API.
//!
//! What the operations mean, how their input is read and what rights they need is `services::sns`'s. Endpoints are sent links
//! to this API, which whoever holds them may follow without saying who it is.

use model::arn::Scope;
use model::error::ServiceError;
use model::id::{AccountId, Region};
use model::port::Pending;
use services::sns::{Caller, Sns};
use wire::query::{Reply, Service};
use wire::sns::{Operation, errors};

use super::{Asked, Link, QueryService};

/// A megabyte of messages, in which every character is escaped, and what stands around them.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The service.
pub struct SnsService(pub Sns);

impl QueryService for SnsService {
    fn protocol(&self) -> &'static Service {
        &wire::sns::SERVICE
    }

    fn signing_name(&self) -> &'static str {
        "sns"
    }

    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_MAX
    }

    fn is_work(&self, operation: &str) -> bool {
        Sns::is_work(operation)
    }

    fn follow<'a>(&'a self, link: &'a Link<'a>) -> Option<Pending<'a, Result<Reply, ServiceError>>> {
        let operation = Operation::ALL[link.place];
        Sns::is_linked(operation.name()).then(|| -> Pending<'a, _> {
            Box::pin(async move {
                let caller = Caller {
                    scope: Scope { account: AccountId::DEFAULT, region: Region::default_region() },
                    server: format!("http://{}", link.host),
                    is_authenticated: false,
                    trace: None,
                };
                let input = Sns::input(operation, link.parameters)?;
                self.0.perform(caller, input, link.request).await
            })
        })
    }

    fn perform<'a>(&'a self, asked: &'a Asked<'a>) -> Pending<'a, Result<Reply, ServiceError>> {
        Box::pin(async move {
            let caller = Caller {
                scope: asked.who.scope.clone(),
                server: format!("http://{}", asked.host),
                is_authenticated: true,
                trace: asked.trace.map(str::to_owned),
            };
            let operation = Operation::ALL[asked.place];
            let input = Sns::input(operation, asked.parameters)?;
            asked.may(&self.0.needs(&caller, operation, &input)?).map_err(refused)?;
            self.0.perform(caller, input, asked.request).await
        })
    }
}

/// SNS has an error of its own for what a caller may not do.
fn refused(error: ServiceError) -> ServiceError {
    match error {
        ServiceError::AccessDenied(message) => errors::AUTHORIZATION_ERROR_EXCEPTION.error(message),
        other => other,
    }
}
