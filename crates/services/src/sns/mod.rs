//! Amazon SNS: topics, their subscriptions, and publishing to functions, queues and HTTP endpoints.
//!
//! [`Sns::input`] reads an operation, [`Sns::needs`] says what rights it needs, [`Sns::perform`] carries it out for a caller
//! who has them; a topic is a `model::delivery::Target` as well. Topics are in memory for reading and durable before they are
//! answered; changes take turns. Who gets a message is decided when it comes, and a delivery for each is on the disk before it
//! is answered.
//!
//! Not served, and refused by name: text messages, mobile push, electronic mail, Firehose, the archive of FIFO topics and its
//! replay, data protection policies, and a limit of deliveries per second. Kept and shown, without effect: encryption keys,
//! the roles of delivery status logs, and active tracing. Messages are not signed, for there is no certificate of AWS here:
//! `Signature` and `SigningCertURL` are there for typed readers, and empty, so that nothing that checks them is deceived.
//! Source: Amazon SNS API Reference 2010-03-31; SNS Developer Guide.

mod attributes;
mod error;
mod look;
mod message;
mod name;
mod needs;
mod order;
mod page;
mod permission;
mod publish;
mod retry;
mod route;
mod settings;
mod subscription;
mod tags;
mod take;
mod topic;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use aside::Aside;
use model::arn::Scope;
use model::delivery::Deliveries;
use model::error::ServiceError;
use model::id::RequestId;
use model::limits::Quotas;
use model::port::{Clock, Entropy};
use model::topic::{Subscription, Topic};
use policy::Admission;
use store::records::RecordError;
use store::records::table::Table;
use store::records::typed::TypedRecords;
use wire::query::{Call, Output, Parameters, Reply};
use wire::sns::{Input, Operation};

use crate::durable::to_the_end;

use order::Publishing;
use route::Routes;

/// The service in ARNs, actions and signatures.
const SERVICE: &str = "sns";

/// What the service stands on.
pub struct Parts {
    /// Where topics and subscriptions are kept.
    pub typed: TypedRecords,
    /// Who brings messages to subscribers.
    pub deliveries: Arc<dyn Deliveries>,
    /// Who may deliver to a topic.
    pub admission: Arc<dyn Admission>,
    /// How many topics an account may have.
    pub quotas: Quotas,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// For ids and tokens.
    pub entropy: Arc<dyn Entropy>,
    /// Where large messages are looked at.
    pub aside: Aside,
}

/// Who asks, and how.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Account and region.
    pub scope: Scope,
    /// The address by which the server was reached; links begin with it.
    pub server: String,
    /// Whether the caller has said who it is.
    pub is_authenticated: bool,
    /// The trace that the call belongs to.
    pub trace: Option<String>,
}

/// The service. Cloning gives another handle.
#[derive(Clone)]
pub struct Sns(Arc<Inner>);

/// What the handles share.
pub struct Inner {
    records: TypedRecords,
    topics: Table<Topic>,
    subscriptions: Table<Subscription>,
    routes: Routes,
    publishing: Publishing,
    aside: Aside,
    deliveries: Arc<dyn Deliveries>,
    admission: Arc<dyn Admission>,
    quotas: Quotas,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// The last number of a message in the order of a FIFO topic.
    sequence: AtomicU64,
    /// Held by whoever changes something.
    changing: tokio::sync::Mutex<()>,
}

impl Deref for Sns {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Sns {
    /// Takes what was stored.
    ///
    /// # Errors
    /// [`RecordError`] when a record cannot be read: none is ever forgotten silently.
    pub async fn load(parts: Parts) -> Result<Self, RecordError> {
        let Parts { typed, deliveries, admission, quotas, clock, entropy, aside } = parts;
        Ok(Self(Arc::new(Inner {
            topics: Table::load(&typed).await?,
            subscriptions: Table::load(&typed).await?,
            records: typed,
            routes: Routes::default(),
            publishing: Publishing::default(),
            aside,
            deliveries,
            admission,
            quotas,
            clock,
            entropy,
            sequence: AtomicU64::new(0),
            changing: tokio::sync::Mutex::new(()),
        })))
    }

    /// Whether calls of this operation are work, not changes of what is set up.
    #[must_use]
    pub fn is_work(operation: &str) -> bool {
        matches!(operation, "Publish" | "PublishBatch")
    }

    /// Whether an operation is open to whoever holds a link that was sent to an endpoint.
    #[must_use]
    pub fn is_linked(operation: &str) -> bool {
        matches!(operation, "ConfirmSubscription" | "Unsubscribe")
    }

    /// Reads the input of an operation.
    ///
    /// # Errors
    /// What `wire::query::error_reply` writes for `wire::sns::SERVICE`.
    pub fn input(operation: Operation, parameters: &Parameters) -> Result<Input, ServiceError> {
        let not_served = || {
            let message = format!("Amazon SNS's operation {} is not served by Dormouse.", operation.name());
            ServiceError::NotServed(message)
        };
        Ok(Input::accept(operation, parameters).ok_or_else(not_served)??)
    }

    /// Carries an operation out, to its end even if nobody waits for it.
    ///
    /// # Errors
    /// Those of the operation.
    pub async fn perform(&self, caller: Caller, input: Input, request: &str) -> Result<Reply, ServiceError> {
        let (sns, request) = (self.clone(), request.to_owned());
        to_the_end(SERVICE, async move { sns.operation(&caller, input, &request).await }).await
    }

    async fn operation(&self, caller: &Caller, input: Input, id: &str) -> Result<Reply, ServiceError> {
        match input {
            Input::AddPermission(input) => written(&input, &self.add_permission(&input).await?, id),
            Input::ConfirmSubscription(input) => written(&input, &self.confirm(caller, &input).await?, id),
            Input::CreateTopic(input) => written(&input, &self.create_topic(caller, &input).await?, id),
            Input::DeleteTopic(input) => written(&input, &self.delete_topic(&input).await?, id),
            Input::GetSubscriptionAttributes(input) => {
                written(&input, &self.subscription_attributes(&input)?, id)
            }
            Input::GetTopicAttributes(input) => written(&input, &self.topic_attributes(&input)?, id),
            Input::ListSubscriptions(input) => written(&input, &self.list_subscriptions(caller, &input)?, id),
            Input::ListSubscriptionsByTopic(input) => {
                written(&input, &self.list_subscriptions_by_topic(&input)?, id)
            }
            Input::ListTagsForResource(input) => written(&input, &self.list_tags(&input)?, id),
            Input::ListTopics(input) => written(&input, &self.list_topics(caller, &input)?, id),
            Input::Publish(input) => written(&input, &self.publish(caller, &input).await?, id),
            Input::PublishBatch(input) => written(&input, &self.publish_batch(caller, &input).await?, id),
            Input::RemovePermission(input) => written(&input, &self.remove_permission(&input).await?, id),
            Input::SetSubscriptionAttributes(input) => {
                written(&input, &self.set_subscription_attributes(&input).await?, id)
            }
            Input::SetTopicAttributes(input) => written(&input, &self.set_attributes(&input).await?, id),
            Input::Subscribe(input) => written(&input, &self.subscribe(caller, &input).await?, id),
            Input::TagResource(input) => written(&input, &self.tag(&input).await?, id),
            Input::Unsubscribe(input) => written(&input, &self.unsubscribe(caller, &input).await?, id),
            Input::UntagResource(input) => written(&input, &self.untag(&input).await?, id),
        }
    }

    fn fresh_id(&self) -> String {
        let mut random = [0; 16];
        self.entropy.fill(&mut random);
        RequestId::from_random(random).to_string()
    }
}

fn written<C: Call>(_: &C, output: &C::Output, request: &str) -> Result<Reply, ServiceError> {
    Ok(output.reply(C::RPC, request))
}
