//! Amazon EventBridge: buses, rules with their targets, events, archives and replays.
//!
//! [`Events::input`] reads an operation, [`Events::needs`] says what rights it needs, [`Events::perform`] carries it out for
//! a caller who has them. Everything is in memory for reading and durable before it is answered; changes take turns, and a
//! change that has begun is carried out even when nobody waits for it any more. Where an event goes is decided when it
//! comes, and handed over to `model::delivery` before it is answered.
//!
//! What other AWS services would have to be there for (partner event sources, API destinations, global endpoints) is
//! refused as not served. Source: Amazon EventBridge API Reference 2015-10-07.

mod archive;
mod bus;
mod error;
mod event;
mod input;
mod kept;
mod managed;
mod name;
mod needs;
mod page;
mod path;
mod permission;
mod put;
mod replay;
mod route;
mod rule;
mod tags;
mod take;
mod target;
mod timetable;

use std::ops::Deref;
use std::sync::Arc;

use aside::Aside;
use model::arn::Scope;
use model::bus::{Archive, EventBus, Replay, Rule};
use model::delivery::Deliveries;
use model::error::ServiceError;
use model::port::{Clock, Entropy};
use policy::Admission;
use store::records::table::Table;
use store::records::typed::TypedRecords;
use store::records::{RecordError, Records};
use wire::events::{self as api, Input};
use wire::json_rpc::{Call, Output, Reply};

use crate::changes::Changes;
use crate::durable::to_the_end;
use kept::Kept;
use route::Routes;

/// The service in ARNs, actions and signatures.
const SERVICE: &str = "events";

/// What the service stands on.
pub struct Parts {
    /// Where buses, rules, archives and replays are kept.
    pub typed: TypedRecords,
    /// Where archived events are kept: the same store.
    pub records: Arc<dyn Records>,
    /// Who brings events to targets.
    pub deliveries: Arc<dyn Deliveries>,
    /// Who may bring events to buses.
    pub admission: Arc<dyn Admission>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// For ids.
    pub entropy: Arc<dyn Entropy>,
    /// Where large events are looked at.
    pub aside: Aside,
}

/// The service. Cloning gives another handle.
#[derive(Clone)]
pub struct Events(Arc<Inner>);

/// What the handles share.
pub struct Inner {
    buses: Table<EventBus>,
    rules: Table<Rule>,
    archives: Table<Archive>,
    replays: Table<Replay>,
    kept: Kept,
    routes: Routes,
    changes: Changes,
    deliveries: Arc<dyn Deliveries>,
    admission: Arc<dyn Admission>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// Held by whoever changes something.
    changing: tokio::sync::Mutex<()>,
    aside: Aside,
}

impl Deref for Events {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Events {
    /// Takes what was stored.
    ///
    /// # Errors
    /// [`RecordError`] when a record cannot be read: none is ever forgotten silently.
    pub async fn load(parts: Parts) -> Result<Self, RecordError> {
        let Parts { typed, records, deliveries, admission, clock, entropy, aside } = parts;
        Ok(Self(Arc::new(Inner {
            buses: Table::load(&typed).await?,
            rules: Table::load(&typed).await?,
            archives: Table::load(&typed).await?,
            replays: Table::load(&typed).await?,
            kept: Kept::new(records),
            routes: Routes::default(),
            changes: Changes::default(),
            deliveries,
            admission,
            clock,
            entropy,
            changing: tokio::sync::Mutex::new(()),
            aside,
        })))
    }

    /// Goes on with what the end of the server broke off, and counts what archives hold. Once, at start.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn resume(&self) -> Result<(), ServiceError> {
        self.resume_replays();
        for serial in self.archives.gather(|archive| Some(archive.serial.clone())) {
            self.kept.measure(&serial).await.map_err(error::of_records)?;
        }
        Ok(())
    }

    /// Removes what nobody needs any more. Every hour or so.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn collect(&self) -> Result<(), ServiceError> {
        self.collect_archives().await?;
        self.collect_replays().await
    }

    /// Reads the input of the operation that `target` (the header `X-Amz-Target`) names.
    ///
    /// # Errors
    /// What `wire::json_rpc::error_reply` writes for `wire::events::SERVICE`.
    pub fn input(target: &str, body: &[u8]) -> Result<Input, ServiceError> {
        let operation = api::route(target).ok_or_else(|| {
            ServiceError::UnknownOperation("The operation is not known to Amazon EventBridge.".to_owned())
        })?;
        let not_served = || {
            let message =
                format!("Amazon EventBridge's operation {} is not served by Dormouse.", operation.name());
            ServiceError::NotServed(message)
        };
        Ok(Input::accept(operation, body).ok_or_else(not_served)??)
    }

    /// Carries an operation out, to its end even if nobody waits for it; but a test, which changes nothing.
    ///
    /// # Errors
    /// Those of the operation.
    pub async fn perform(&self, scope: &Scope, input: Input) -> Result<Reply, ServiceError> {
        if let Input::TestEventPattern(_) = input {
            return self.operation(scope, input).await;
        }
        let (events, scope) = (self.clone(), scope.clone());
        to_the_end(SERVICE, async move { events.operation(&scope, input).await }).await
    }

    async fn operation(&self, scope: &Scope, input: Input) -> Result<Reply, ServiceError> {
        match input {
            Input::CancelReplay(input) => written(&input, &self.cancel_replay(scope, &input).await?),
            Input::CreateArchive(input) => written(&input, &self.create_archive(scope, &input).await?),
            Input::CreateEventBus(input) => written(&input, &self.create_bus(scope, &input).await?),
            Input::DeleteArchive(input) => written(&input, &self.delete_archive(scope, &input).await?),
            Input::DeleteEventBus(input) => written(&input, &self.delete_bus(scope, &input).await?),
            Input::DeleteRule(input) => written(&input, &self.delete_rule(scope, &input).await?),
            Input::DescribeArchive(input) => written(&input, &self.describe_archive(scope, &input)?),
            Input::DescribeEventBus(input) => written(&input, &self.describe_bus(scope, &input)?),
            Input::DescribeReplay(input) => written(&input, &self.describe_replay(scope, &input)?),
            Input::DescribeRule(input) => written(&input, &self.describe_rule(scope, &input)?),
            Input::DisableRule(input) => written(&input, &self.disable_rule(scope, &input).await?),
            Input::EnableRule(input) => written(&input, &self.enable_rule(scope, &input).await?),
            Input::ListArchives(input) => written(&input, &self.list_archives(scope, &input)?),
            Input::ListEventBuses(input) => written(&input, &self.list_buses(scope, &input)?),
            Input::ListReplays(input) => written(&input, &self.list_replays(scope, &input)?),
            Input::ListRuleNamesByTarget(input) => written(&input, &self.list_rule_names(scope, &input)?),
            Input::ListRules(input) => written(&input, &self.list_rules(scope, &input)?),
            Input::ListTagsForResource(input) => written(&input, &self.list_tags(&input)?),
            Input::ListTargetsByRule(input) => written(&input, &self.list_targets(scope, &input)?),
            Input::PutEvents(input) => written(&input, &self.put_events(scope, &input).await?),
            Input::PutPermission(input) => written(&input, &self.put_permission(scope, &input).await?),
            Input::PutRule(input) => written(&input, &self.put_rule(scope, &input).await?),
            Input::PutTargets(input) => written(&input, &self.put_targets(scope, &input).await?),
            Input::RemovePermission(input) => written(&input, &self.remove_permission(scope, &input).await?),
            Input::RemoveTargets(input) => written(&input, &self.remove_targets(scope, &input).await?),
            Input::StartReplay(input) => written(&input, &self.start_replay(scope, &input).await?),
            Input::TagResource(input) => written(&input, &self.tag(&input).await?),
            Input::TestEventPattern(input) => written(&input, &self.test(scope, &input).await?),
            Input::UntagResource(input) => written(&input, &self.untag(&input).await?),
            Input::UpdateArchive(input) => written(&input, &self.update_archive(scope, &input).await?),
            Input::UpdateEventBus(input) => written(&input, &self.update_bus(scope, &input).await?),
        }
    }
}

fn written<C: Call>(_: &C, output: &C::Output) -> Result<Reply, ServiceError> {
    Ok(output.reply(C::RPC))
}
