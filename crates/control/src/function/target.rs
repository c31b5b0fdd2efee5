//! Functions as targets of deliveries: a delivery becomes an asynchronous invocation.
//!
//! Source: Lambda Developer Guide, "Using resource-based policies in Lambda": a service that acts without a role needs
//! `lambda:InvokeFunction` in the policy of the function, version or alias that it names. `$LATEST` has no policy of its own:
//! that of the function has to name it, as it does for callers.

use std::sync::Arc;

use model::arn::{FunctionId, Scope};
use model::delivery::{Address, Delivery, Target, Undelivered};
use model::error::ServiceError;
use model::event::{Directory, Event, Events};
use model::id::RequestId;
use model::name::{FunctionReference, Qualifier};
use model::port::{Entropy, Pending};

use super::Functions;
use crate::policy::Admission;

/// See the module.
pub struct FunctionTarget {
    /// The functions.
    pub functions: Functions,
    /// Runs them.
    pub events: Arc<dyn Events>,
    /// Who may invoke them.
    pub admission: Arc<dyn Admission>,
    /// For ids of requests.
    pub entropy: Arc<dyn Entropy>,
}

impl FunctionTarget {
    fn event(&self, delivery: &Delivery) -> Result<Event, Undelivered> {
        let not_found = || Undelivered::not_found(&delivery.to);
        let Address::Resource(arn) = &delivery.to else { return Err(not_found()) };
        let (function, qualifier) = named(arn.as_str()).ok_or_else(not_found)?;
        if let Err(ServiceError::ResourceNotFound(_)) =
            Directory::resolve(&self.functions, &function, qualifier.as_ref())
        {
            return Err(not_found());
        }
        if !self.functions.lets_in(&*self.admission, &delivery.from, &function, qualifier.as_ref()) {
            return Err(Undelivered::not_permitted(&delivery.from, arn));
        }
        let mut random = [0; 16];
        self.entropy.fill(&mut random);
        Ok(Event {
            request: RequestId::from_random(random),
            function,
            qualifier,
            payload: delivery.body.clone(),
            client_context: None,
            trace: delivery.extras.trace.clone(),
            tenant: None,
        })
    }
}

impl Target for FunctionTarget {
    fn service(&self) -> &'static str {
        "lambda"
    }

    fn take<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let event = self.event(delivery)?;
            let taken = self.events.accept(event).await;
            taken.map_err(|error| Undelivered::NotNow { message: error.to_string() })
        })
    }
}

fn named(arn: &str) -> Option<(FunctionId, Option<Qualifier>)> {
    let FunctionReference { region, account, name, qualifier } = FunctionReference::parse(arn).ok()?;
    Some((FunctionId { scope: Scope { account: account?, region: region? }, name }, qualifier))
}
