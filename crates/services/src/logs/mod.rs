//! Amazon CloudWatch Logs: groups, streams, events, retention, tags and policies, over the same files that functions log to.
//!
//! [`Logs::input`] reads an operation, [`Logs::needs`] says what rights it needs, [`Logs::perform`] carries it out for a
//! caller who has them. A group is there when it was made or written to; what is set for it is a record. Events that
//! customers put are on the disk before they are answered; reading costs a pass over a group's files, which are bounded,
//! and no memory that grows with the events. Source: Amazon CloudWatch Logs API Reference 2014-03-28.

mod error;
mod filter;
mod forward;
mod group;
mod name;
mod needs;
mod policy;
mod put;
mod read;
mod stream;
mod subscription;
mod tags;
mod take;

use std::ops::Deref;
use std::sync::Arc;

use aside::Aside;
use model::arn::Scope;
use model::delivery::Deliveries;
use model::error::ServiceError;
use model::log::{LogPolicy, LogSettings, LogStream, Subscription};
use model::port::Clock;
use store::logs::LogFiles;
use store::records::RecordError;
use store::records::table::Table;
use store::records::typed::TypedRecords;
use wire::json_rpc::{Call, Output, Reply};
use wire::logs::{self as api, Input};

use crate::durable::to_the_end;

pub use filter::Filter;

use forward::Forwarding;

/// The service in ARNs, actions and signatures.
const SERVICE: &str = "logs";

/// What the service stands on.
pub struct Parts {
    /// Where the settings of groups are kept.
    pub typed: TypedRecords,
    /// Where events are kept.
    pub files: Arc<LogFiles>,
    /// Takes events to the functions that are subscribed to them.
    pub deliveries: Arc<dyn Deliveries>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where patterns are looked for.
    pub aside: Aside,
}

/// The service. Cloning gives another handle.
#[derive(Clone)]
pub struct Logs(Arc<Inner>);

/// What the handles share.
pub struct Inner {
    settings: Table<LogSettings>,
    streams: Table<LogStream>,
    subscriptions: Table<Subscription>,
    policies: Table<LogPolicy>,
    files: Arc<LogFiles>,
    deliveries: Arc<dyn Deliveries>,
    clock: Arc<dyn Clock>,
    /// Held by whoever changes what is set.
    changing: tokio::sync::Mutex<()>,
    /// Held for reading by whoever puts events where a group or a stream has to be there, and for writing by whoever
    /// deletes these: no event brings back what was deleted.
    putting: tokio::sync::RwLock<()>,
    forwarding: Forwarding,
    aside: Aside,
}

impl Deref for Logs {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Logs {
    /// Takes what was stored.
    ///
    /// # Errors
    /// [`RecordError`] when a record cannot be read: none is ever forgotten silently.
    pub async fn load(parts: Parts) -> Result<Self, RecordError> {
        let Parts { typed, files, deliveries, clock, aside } = parts;
        Ok(Self(Arc::new(Inner {
            settings: Table::load(&typed).await?,
            streams: Table::load(&typed).await?,
            subscriptions: Table::load(&typed).await?,
            policies: Table::load(&typed).await?,
            files,
            deliveries,
            clock,
            changing: tokio::sync::Mutex::new(()),
            putting: tokio::sync::RwLock::new(()),
            forwarding: Forwarding::default(),
            aside,
        })))
    }

    /// Reads the input of the operation that `target` (the header `X-Amz-Target`) names.
    ///
    /// # Errors
    /// What `wire::json_rpc::error_reply` writes for `wire::logs::SERVICE`.
    pub fn input(target: &str, body: &[u8]) -> Result<Input, ServiceError> {
        let operation = api::route(target).ok_or_else(|| {
            ServiceError::UnknownOperation("The operation is not known to Amazon CloudWatch Logs.".to_owned())
        })?;
        let not_served = || error::operation_not_served(operation.name());
        let input = Input::accept(operation, body).ok_or_else(not_served)?;
        input.map_err(|refused| match ServiceError::from(refused) {
            ServiceError::Validation(message) => error::invalid(message),
            other => other,
        })
    }

    /// Carries an operation out, to its end even if nobody waits for it; but a search, which changes nothing.
    ///
    /// # Errors
    /// Those of the operation.
    pub async fn perform(&self, scope: &Scope, input: Input) -> Result<Reply, ServiceError> {
        if let Input::FilterLogEvents(_) = input {
            return self.operation(scope, input).await;
        }
        let (logs, scope) = (self.clone(), scope.clone());
        to_the_end(SERVICE, async move { logs.operation(&scope, input).await }).await
    }

    async fn operation(&self, scope: &Scope, input: Input) -> Result<Reply, ServiceError> {
        match input {
            Input::CreateLogGroup(input) => written(&input, &self.create_group(scope, &input).await?),
            Input::CreateLogStream(input) => written(&input, &self.create_stream(scope, &input).await?),
            Input::DeleteLogGroup(input) => written(&input, &self.delete_group(scope, &input).await?),
            Input::DeleteLogStream(input) => written(&input, &self.delete_stream(scope, &input).await?),
            Input::DeleteResourcePolicy(input) => written(&input, &self.delete_policy(scope, &input).await?),
            Input::DescribeResourcePolicies(input) => {
                written(&input, &self.describe_policies(scope, &input)?)
            }
            Input::PutResourcePolicy(input) => written(&input, &self.put_policy(scope, &input).await?),
            Input::DeleteRetentionPolicy(input) => {
                written(&input, &self.delete_retention(scope, &input).await?)
            }
            Input::DescribeLogGroups(input) => written(&input, &self.describe_groups(scope, &input).await?),
            Input::DescribeLogStreams(input) => written(&input, &self.describe_streams(scope, &input).await?),
            Input::FilterLogEvents(input) => written(&input, &self.filter_events(scope, &input).await?),
            Input::GetLogEvents(input) => written(&input, &self.get_events(scope, &input).await?),
            Input::ListTagsForResource(input) => written(&input, &self.list_tags(scope, &input).await?),
            Input::ListTagsLogGroup(input) => written(&input, &self.list_group_tags(scope, &input).await?),
            Input::PutLogEvents(input) => written(&input, &self.put_events(scope, &input).await?),
            Input::PutRetentionPolicy(input) => written(&input, &self.put_retention(scope, &input).await?),
            Input::TagLogGroup(input) => written(&input, &self.tag_group(scope, &input).await?),
            Input::TagResource(input) => written(&input, &self.tag(scope, &input).await?),
            Input::UntagLogGroup(input) => written(&input, &self.untag_group(scope, &input).await?),
            Input::UntagResource(input) => written(&input, &self.untag(scope, &input).await?),
            Input::DeleteSubscriptionFilter(input) => {
                written(&input, &self.delete_subscription(scope, &input).await?)
            }
            Input::DescribeSubscriptionFilters(input) => {
                written(&input, &self.describe_subscriptions(scope, &input).await?)
            }
            Input::PutSubscriptionFilter(input) => {
                written(&input, &self.put_subscription(scope, &input).await?)
            }
        }
    }
}

fn written<C: Call>(_: &C, output: &C::Output) -> Result<Reply, ServiceError> {
    Ok(output.reply(C::RPC))
}
