//! Amazon EventBridge Scheduler: schedules in groups, each of which sends to one target when it is due.
//!
//! [`Scheduler::input`] reads an operation, [`Scheduler::needs`] says what rights it needs, [`Scheduler::perform`] carries
//! it out for a caller who has them. Everything is in memory for reading and durable before it is answered; of two who
//! change the same schedule at once one is refused. When something is due is said to whoever keeps time (`timetable`);
//! what is due is handed over to `model::delivery`.
//!
//! Functions, queues, topics and buses can be targets; others, and the universal target, are refused by name.
//! Source: Amazon EventBridge Scheduler API Reference 2021-06-30.

mod check;
mod error;
mod group;
mod input;
mod name;
mod needs;
mod schedule;
mod tags;
mod target;
mod timetable;

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::HeaderMap;
use model::arn::Scope;
use model::delivery::Deliveries;
use model::error::ServiceError;
use model::port::{Clock, Entropy};
use model::scheduler::{Group, Schedule};
use store::records::RecordError;
use store::records::table::Table;
use store::records::typed::TypedRecords;
use wire::rest_json::{Call, Output, Reply, Request};
use wire::scheduler::{self as api, Input};

use crate::changes::Changes;
use crate::durable::to_the_end;

/// The service in ARNs, actions and signatures.
const SERVICE: &str = "scheduler";
/// Deletions that are remembered, so that the same request is answered in the same way.
const DELETED_MAX: usize = 1_024;

/// What the service stands on.
pub struct Parts {
    /// Where schedules and groups are kept.
    pub typed: TypedRecords,
    /// Who brings messages to targets.
    pub deliveries: Arc<dyn Deliveries>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// For ids.
    pub entropy: Arc<dyn Entropy>,
}

/// The service. Cloning gives another handle.
#[derive(Clone)]
pub struct Scheduler(Arc<Inner>);

/// What the handles share.
pub struct Inner {
    groups: Table<Group>,
    schedules: Table<Schedule>,
    changes: Changes,
    deliveries: Arc<dyn Deliveries>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// ARNs and tokens of the last deletions.
    deleted: Mutex<VecDeque<(String, String)>>,
    /// Held alone by whoever changes groups, together by whoever puts schedules into them.
    grouping: tokio::sync::RwLock<()>,
}

impl Deref for Scheduler {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Scheduler {
    /// Takes what was stored.
    ///
    /// # Errors
    /// [`RecordError`] when a record cannot be read: none is ever forgotten silently.
    pub async fn load(parts: Parts) -> Result<Self, RecordError> {
        let Parts { typed, deliveries, clock, entropy } = parts;
        Ok(Self(Arc::new(Inner {
            groups: Table::load(&typed).await?,
            schedules: Table::load(&typed).await?,
            changes: Changes::default(),
            deliveries,
            clock,
            entropy,
            deleted: Mutex::default(),
            grouping: tokio::sync::RwLock::new(()),
        })))
    }

    /// Reads the input of the operation that a method and a path mean.
    ///
    /// # Errors
    /// What `wire::rest_json::error_reply` writes for `wire::scheduler::SERVICE`.
    pub fn input(
        method: &str,
        path: &str,
        query: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Input, ServiceError> {
        let (operation, labels) = api::route(method, path, query).ok_or_else(|| {
            ServiceError::UnknownOperation("The operation is not known to EventBridge Scheduler.".to_owned())
        })?;
        let request = Request { labels, query, headers, body };
        let not_served = || {
            ServiceError::NotServed(format!(
                "EventBridge Scheduler's operation {} is not served by Dormouse.",
                operation.name()
            ))
        };
        Ok(Input::accept(operation, &request).ok_or_else(not_served)??)
    }

    /// Carries an operation out, to its end even if nobody waits for it.
    ///
    /// # Errors
    /// Those of the operation.
    pub async fn perform(&self, scope: &Scope, input: Input) -> Result<Reply, ServiceError> {
        let (scheduler, scope) = (self.clone(), scope.clone());
        to_the_end(SERVICE, async move { scheduler.operation(&scope, input).await }).await
    }

    async fn operation(&self, scope: &Scope, input: Input) -> Result<Reply, ServiceError> {
        match input {
            Input::CreateSchedule(input) => written(&input, &self.create(scope, &input).await?),
            Input::CreateScheduleGroup(input) => written(&input, &self.create_group(scope, &input).await?),
            Input::DeleteSchedule(input) => written(&input, &self.delete(scope, &input).await?),
            Input::DeleteScheduleGroup(input) => written(&input, &self.delete_group(scope, &input).await?),
            Input::GetSchedule(input) => written(&input, &self.get(scope, &input)?),
            Input::GetScheduleGroup(input) => written(&input, &self.get_group(scope, &input)?),
            Input::ListScheduleGroups(input) => written(&input, &self.list_groups(scope, &input)?),
            Input::ListSchedules(input) => written(&input, &self.list(scope, &input)?),
            Input::ListTagsForResource(input) => written(&input, &self.list_tags(scope, &input)?),
            Input::TagResource(input) => written(&input, &self.tag(scope, &input).await?),
            Input::UntagResource(input) => written(&input, &self.untag(scope, &input).await?),
            Input::UpdateSchedule(input) => written(&input, &self.update(scope, &input).await?),
        }
    }

    /// Remembers a deletion by its token.
    fn remember_deleted(&self, arn: String, token: Option<&str>) {
        let Some(token) = token else { return };
        let mut deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        if deleted.len() >= DELETED_MAX {
            deleted.pop_front();
        }
        deleted.push_back((arn, token.to_owned()));
    }

    /// Whether this very request has deleted it already.
    fn has_deleted(&self, arn: &str, token: Option<&str>) -> bool {
        let deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        token.is_some_and(|token| deleted.iter().any(|(known, by)| known == arn && by == token))
    }
}

fn written<C: Call>(_: &C, output: &C::Output) -> Result<Reply, ServiceError> {
    Ok(output.reply(C::HTTP))
}
