//! Moving messages out of a dead-letter queue, back to where they came from or to a queue that is named.
//!
//! A move runs beside the operations and writes down how far it came; the next start of the server goes on from there. A
//! message is moved in one step of the durable queue, so it is never in two places and never in none. It is a new message
//! where it goes, with an id and a retention period of its own. Moves are a queue's, and go when it is deleted.
//! Source: SQS API Reference, `StartMessageMoveTask`; Developer Guide, "Configure a dead-letter queue redrive".

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::arn::ResourceArn;
use model::error::ServiceError;
use model::queue::{HandOut, Hold, QueueError, QueueName, Receipt, Receive, Received, Settle, Settled};
use model::sqs::{MoveState, MoveTask, QueueId, UserQueue};
use model::time::Timestamp;
use serde_json::{Value, json};
use store::records::table::Entry;
use store::records::typed::Stored;
use wire::sqs::{self as api, errors};

use super::error::{invalid, of_messages, of_records, value};
use super::{Caller, Sqs, name};

/// Messages a second (SQS API Reference, `MaxNumberOfMessagesPerSecond`); as fast as this where nothing is said.
const RATE_MAX: u32 = 500;
/// Moves that are shown of a queue, and so remembered.
const REMEMBERED: usize = 10;
/// Messages that are moved in one step.
const STEP: usize = 10;
/// How often it is written down how far a move came.
const NOTED_EVERY: Duration = Duration::from_secs(1);

impl Sqs {
    pub(super) async fn start_move(
        &self,
        caller: &Caller,
        input: &api::StartMessageMoveTaskRequest,
    ) -> Result<api::StartMessageMoveTaskResult, ServiceError> {
        let source = name::of_arn("SourceArn", input.source_arn.as_deref().unwrap_or_default())?;
        let _turn = self.changing.lock().await;
        let queue = self.source(caller, &source)?;
        let rate = input.max_number_of_messages_per_second.map(|rate| {
            let legal = u32::try_from(rate).ok().filter(|rate| (1..=RATE_MAX).contains(rate));
            let reason = "Must be an integer from 1 to 500.";
            legal.ok_or_else(|| value("MaxNumberOfMessagesPerSecond", rate, reason))
        });
        let destination =
            input.destination_arn.as_deref().map(|arn| self.destination(&queue, arn)).transpose()?;
        let [waiting, out, delayed] = self.counts(&queue).await?;
        let task = MoveTask {
            source,
            id: self.serial(),
            destination,
            rate: rate.transpose()?,
            state: MoveState::Running,
            moved: 0,
            to_move: waiting + out + delayed,
            failure: None,
            started: self.clock.now(),
        };
        let earlier = self.moves_of(&task.source);
        if earlier.iter().any(|entry| !entry.value.state.is_over()) {
            return Err(errors::UNSUPPORTED_OPERATION.error(
                "There is already a task running. Only one active task is allowed for a source queue arn at a given \
                 time.",
            ));
        }
        for entry in earlier.iter().skip(REMEMBERED - 1) {
            let scope = &entry.value.source.scope;
            self.moves.remove(scope, &entry.value.name(), entry.stored).await.map_err(of_records)?;
        }
        let task = self.moves.put(task, None).await.map_err(of_records)?;
        self.run_beside(&task);
        Ok(api::StartMessageMoveTaskResult { task_handle: Some(handle(&task)) })
    }

    /// The dead-letter queue that messages are to be moved out of.
    fn source(&self, caller: &Caller, id: &QueueId) -> Result<Arc<UserQueue>, ServiceError> {
        let missing = |_| {
            errors::RESOURCE_NOT_FOUND_EXCEPTION
                .error("The resource that you specified for the SourceArn parameter doesn't exist.")
        };
        if id.scope != caller.scope {
            return Err(invalid("The source queue must be in the account and region of the caller."));
        }
        let queue = self.there(id).map_err(missing)?;
        if !self.takes_dead_letters(id) {
            return Err(invalid("Source queue must be configured as a Dead Letter Queue."));
        }
        Ok(queue)
    }

    fn destination(&self, source: &UserQueue, arn: &str) -> Result<ResourceArn, ServiceError> {
        let id = name::of_arn("DestinationArn", arn)?;
        if id == source.id {
            return Err(invalid("Source queue arn and destination queue arn cannot be the same."));
        }
        if id.scope != source.id.scope {
            return Err(invalid("Source and destination must be in the same account and region."));
        }
        if id.is_fifo() != source.id.is_fifo() {
            return Err(invalid("Source queue and destination queue must be of the same type."));
        }
        self.there(&id).map_err(|_| {
            errors::RESOURCE_NOT_FOUND_EXCEPTION
                .error("The resource that you specified for the DestinationArn parameter doesn't exist.")
        })?;
        ResourceArn::parse(arn).map_err(|_| value("DestinationArn", arn, "The ARN is not one of a queue."))
    }

    /// The moves out of a queue, newest first.
    pub(super) fn moves_of(&self, source: &QueueId) -> Vec<Entry<MoveTask>> {
        let mut moves = self.moves.all(&source.scope);
        moves.retain(|entry| entry.value.source == *source);
        moves.sort_by(|one, other| other.value.id.cmp(&one.value.id));
        moves
    }

    pub(super) fn list_moves(
        &self,
        caller: &Caller,
        input: &api::ListMessageMoveTasksRequest,
    ) -> Result<api::ListMessageMoveTasksResult, ServiceError> {
        let id = name::of_arn("SourceArn", input.source_arn.as_deref().unwrap_or_default())?;
        let max = input.max_results.unwrap_or(1);
        let count = usize::try_from(max).ok().filter(|count| (1..=REMEMBERED).contains(count));
        let count = count.ok_or_else(|| value("MaxResults", max, "Must be an integer from 1 to 10."))?;
        if id.scope != caller.scope || self.there(&id).is_err() {
            return Err(errors::RESOURCE_NOT_FOUND_EXCEPTION
                .error("The resource that you specified for the SourceArn parameter doesn't exist."));
        }
        let results = self.moves_of(&id).iter().take(count).map(|entry| listed(&entry.value)).collect();
        Ok(api::ListMessageMoveTasksResult { results: Some(results) })
    }

    pub(super) async fn cancel_move(
        &self,
        caller: &Caller,
        input: &api::CancelMessageMoveTaskRequest,
    ) -> Result<api::CancelMessageMoveTaskResult, ServiceError> {
        let (source, id) = read_handle(input.task_handle.as_deref().unwrap_or_default())?;
        let missing = || errors::RESOURCE_NOT_FOUND_EXCEPTION.error("Task does not exist.");
        if source.scope != caller.scope {
            return Err(missing());
        }
        let moved = self
            .change_move(&source, &id, |task| {
                if task.state != MoveState::Running {
                    return Err(errors::UNSUPPORTED_OPERATION.error(format!(
                        "Only running tasks can be cancelled; this one is {}.",
                        word(task.state)
                    )));
                }
                task.state = MoveState::Cancelling;
                Ok(())
            })
            .await?
            .ok_or_else(missing)?
            .moved;
        Ok(api::CancelMessageMoveTaskResult {
            approximate_number_of_messages_moved: Some(i64::try_from(moved).unwrap_or(i64::MAX)),
        })
    }

    /// Changes a move, in turn with all other changes; nothing if there is no such move.
    async fn change_move(
        &self,
        source: &QueueId,
        id: &str,
        change: impl FnOnce(&mut MoveTask) -> Result<(), ServiceError>,
    ) -> Result<Option<Arc<MoveTask>>, ServiceError> {
        let _turn = self.changing.lock().await;
        let Some(entry) = self.moves.get(&source.scope, &format!("{}/{id}", source.name)) else {
            return Ok(None);
        };
        let mut task = MoveTask::clone(&entry.value);
        change(&mut task)?;
        self.moves.put(task, Some(entry.stored)).await.map(Some).map_err(of_records)
    }

    /// Goes on with the moves that the end of the server broke off. Once, at start.
    pub fn resume(&self) {
        for task in self.moves.gather(|task| (!task.state.is_over()).then(|| task.clone())) {
            self.run_beside(&task);
        }
    }

    fn run_beside(&self, task: &MoveTask) {
        let (sqs, task) = (self.clone(), task.clone());
        tokio::spawn(async move {
            let (source, id) = (task.source.clone(), task.id.clone());
            let mut run = Run { moved: task.moved, noted: sqs.clock.now(), sqs: sqs.clone(), task };
            let ended = match run.go_on().await {
                Ok(()) => Ok(()),
                Err(Broken::For(reason)) => Err(reason),
                // The next server goes on.
                Err(Broken::Stopping) => return,
            };
            let moved = run.moved;
            let noted = sqs.change_move(&source, &id, |task| {
                task.moved = moved;
                (task.state, task.failure) = match (ended, task.state) {
                    (Err(failure), _) => (MoveState::Failed, Some(failure)),
                    (Ok(()), MoveState::Cancelling) => (MoveState::Cancelled, None),
                    (Ok(()), _) => (MoveState::Completed, None),
                };
                Ok(())
            });
            if let Err(error) = noted.await {
                tracing::warn!(%error, "the end of a move of messages was not written down");
            }
        });
    }
}

/// A move under way.
struct Run {
    sqs: Sqs,
    task: MoveTask,
    moved: u64,
    noted: Timestamp,
}

/// Why a move breaks off.
enum Broken {
    /// The server stops.
    Stopping,
    /// It cannot go on.
    For(String),
}

impl From<QueueError> for Broken {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Closed => Self::Stopping,
            error => Self::For(of_messages(error).to_string()),
        }
    }
}

impl From<&str> for Broken {
    fn from(reason: &str) -> Self {
        Self::For(reason.to_owned())
    }
}

/// Why a move cannot go on, as AWS calls it.
const NO_QUEUE: &str = "AWS.SimpleQueueService.NonExistentQueue";
const NO_SOURCE: &str = "CouldNotDetermineMessageSource";

impl Run {
    /// Until the queue is empty, somebody wants it to end, or it cannot go on.
    async fn go_on(&mut self) -> Result<(), Broken> {
        let pace = Duration::from_secs(1) / self.task.rate.unwrap_or(RATE_MAX);
        let step = self.task.rate.map_or(STEP, |rate| STEP.min(rate as usize));
        loop {
            // Before it is asked whether the move is still wanted: a move goes with its queue, so this is not a later one.
            let queue = self.sqs.there(&self.task.source).map_err(|_| NO_QUEUE)?;
            if !self.is_wanted() {
                break;
            }
            let name = queue.messages().map_err(|_| NO_QUEUE)?;
            let wanted = Receive {
                count_max: step,
                one_of_a_group: false,
                wait_max: Duration::ZERO,
                how: Arc::new(HandOut {
                    age_max: Some(queue.retention()),
                    ..HandOut::held(Hold::WhileServing)
                }),
            };
            let received = self.sqs.messages.receive(&name, wanted).await?;
            let Ok(count) = u32::try_from(received.len()) else { break };
            if count == 0 {
                break;
            }
            self.step(&name, received).await?;
            self.note().await;
            tokio::time::sleep(pace * count).await;
        }
        Ok(())
    }

    fn is_wanted(&self) -> bool {
        let entry = self.sqs.moves.get(&self.task.source.scope, &self.task.name());
        entry.is_some_and(|entry| entry.value.state == MoveState::Running)
    }

    async fn step(&mut self, name: &QueueName, received: Vec<Received>) -> Result<(), Broken> {
        let mut failure = None;
        let settles: Vec<(Receipt, Settle)> = received
            .iter()
            .map(|message| match self.target(message) {
                Ok(to) => {
                    let renewed = Some(self.sqs.message_id());
                    (message.receipt, Settle::Move { to, renewed })
                }
                Err(reason) => {
                    failure = Some(reason);
                    (message.receipt, Settle::Return { after: Duration::ZERO, note: None })
                }
            })
            .collect();
        let moves: Vec<bool> =
            settles.iter().map(|(_, settle)| matches!(settle, Settle::Move { .. })).collect();
        let settled = self.sqs.messages.settle(name, settles).await?;
        let moved = settled.iter().zip(moves).filter(|(settled, moves)| *moves && **settled == Settled::Done);
        self.moved += moved.count() as u64;
        failure.map_or(Ok(()), |reason| Err(reason.into()))
    }

    /// Where a message goes.
    fn target(&self, message: &Received) -> Result<QueueName, &'static str> {
        let id = match &self.task.destination {
            Some(arn) => QueueId::of_arn(arn),
            None => message.source.as_ref().and_then(QueueId::of_queue),
        };
        let queue = self.sqs.there(&id.ok_or(NO_SOURCE)?).map_err(|_| NO_QUEUE)?;
        queue.messages().map_err(|_| NO_QUEUE)
    }

    async fn note(&mut self) {
        let now = self.sqs.clock.now();
        if now.since(self.noted) < NOTED_EVERY {
            return;
        }
        self.noted = now;
        let moved = self.moved;
        let noted = self.sqs.change_move(&self.task.source, &self.task.id, |task| {
            task.moved = moved;
            Ok(())
        });
        if let Err(error) = noted.await {
            tracing::warn!(%error, "how far a move of messages came was not written down");
        }
    }
}

fn listed(task: &MoveTask) -> api::ListMessageMoveTasksResultEntry {
    let number = |count: u64| Some(i64::try_from(count).unwrap_or(i64::MAX));
    api::ListMessageMoveTasksResultEntry {
        task_handle: (task.state == MoveState::Running).then(|| handle(task)),
        status: Some(word(task.state).to_owned()),
        source_arn: Some(task.source.arn()),
        destination_arn: task.destination.as_ref().map(ToString::to_string),
        max_number_of_messages_per_second: task.rate.and_then(|rate| i32::try_from(rate).ok()),
        approximate_number_of_messages_moved: number(task.moved),
        approximate_number_of_messages_to_move: number(task.to_move),
        failure_reason: task.failure.clone(),
        started_timestamp: Some(task.started.as_millis()),
    }
}

fn word(state: MoveState) -> &'static str {
    match state {
        MoveState::Running => "RUNNING",
        MoveState::Cancelling => "CANCELLING",
        MoveState::Completed => "COMPLETED",
        MoveState::Cancelled => "CANCELLED",
        MoveState::Failed => "FAILED",
    }
}

/// Names a move, with its queue.
fn handle(task: &MoveTask) -> String {
    STANDARD.encode(json!({ "taskId": task.id, "sourceArn": task.source.arn() }).to_string())
}

/// The queue and the id of a handle.
pub(super) fn read_handle(handle: &str) -> Result<(QueueId, String), ServiceError> {
    let read = || {
        let told: Value = serde_json::from_slice(&STANDARD.decode(handle).ok()?).ok()?;
        let arn = ResourceArn::parse(told.get("sourceArn")?.as_str()?).ok()?;
        Some((QueueId::of_arn(&arn)?, told.get("taskId")?.as_str()?.to_owned()))
    };
    read().ok_or_else(|| value("TaskHandle", handle, "The task handle is not valid."))
}
