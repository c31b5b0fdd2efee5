//! Amazon SQS: queues, and what is sent to, received from and moved between them.
//!
//! [`Sqs::input`] reads an operation, [`Sqs::needs`] says what rights it needs, [`Sqs::perform`] carries it out for a caller
//! who has them. How queues are set up is in memory for reading and durable before it is answered; changes take turns, and
//! one that has begun is carried out even when nobody waits for it any more. Messages are in the durable queue alone.
//!
//! Encryption is kept and given back, not carried out. Source: Amazon SQS API Reference 2012-11-05.

mod attributes;
mod batch;
mod error;
mod message;
mod moves;
mod name;
mod needs;
mod page;
mod permission;
mod queue;
mod receipt;
mod receive;
mod send;
mod settle;
mod tags;
mod take;

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use model::arn::Scope;
use model::error::ServiceError;
use model::limits::Quotas;
use model::port::{Clock, Entropy};
use model::queue::{Queue, QueueName};
use model::sqs::{MoveTask, QueueId, SERVICE, UserQueue};
use model::time::Timestamp;
use policy::{Admission, Document};
use store::records::RecordError;
use store::records::table::Table;
use store::records::typed::TypedRecords;
use wire::json_rpc::{Call, Output, Reply};
use wire::sqs::{self as api, Input};

use crate::durable::to_the_end;

pub use receipt::ReceiptKey;

/// What the service stands on.
pub struct Parts {
    /// Where queues and moves are kept.
    pub typed: TypedRecords,
    /// Where messages are kept.
    pub queue: Arc<dyn Queue>,
    /// Who may deliver.
    pub admission: Arc<dyn Admission>,
    /// For receipt handles.
    pub receipts: ReceiptKey,
    /// How many messages may be out.
    pub quotas: Quotas,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// For ids.
    pub entropy: Arc<dyn Entropy>,
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Account and region.
    pub scope: Scope,
    /// The id that messages name as their sender.
    pub sender: String,
    /// What the addresses of queues begin with, without a slash at the end.
    pub endpoint: String,
}

/// The service. Cloning gives another handle.
#[derive(Clone)]
pub struct Sqs(Arc<Inner>);

/// What the handles share.
pub struct Inner {
    records: TypedRecords,
    queues: Table<UserQueue>,
    moves: Table<MoveTask>,
    messages: Arc<dyn Queue>,
    admission: Arc<dyn Admission>,
    receipts: ReceiptKey,
    quotas: Quotas,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// Policies that have been read, with their text.
    policies: Mutex<HashMap<QueueId, (String, Arc<Document>)>>,
    /// When queues were last purged.
    purged: Mutex<HashMap<QueueName, Timestamp>>,
    /// What was handed out to attempts that may be repeated.
    attempts: receive::Attempts,
    /// Held by whoever changes something.
    changing: tokio::sync::Mutex<()>,
}

impl Deref for Sqs {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Sqs {
    /// Takes what was stored.
    ///
    /// # Errors
    /// [`RecordError`] when a record cannot be read: none is ever forgotten silently.
    pub async fn load(parts: Parts) -> Result<Self, RecordError> {
        let Parts { typed, queue, admission, receipts, quotas, clock, entropy } = parts;
        Ok(Self(Arc::new(Inner {
            queues: Table::load(&typed).await?,
            moves: Table::load(&typed).await?,
            records: typed,
            messages: queue,
            admission,
            receipts,
            quotas,
            clock,
            entropy,
            policies: Mutex::default(),
            purged: Mutex::default(),
            attempts: receive::Attempts::default(),
            changing: tokio::sync::Mutex::new(()),
        })))
    }

    /// Reads the input of the operation that `target` (the header `X-Amz-Target`) names.
    ///
    /// # Errors
    /// What `wire::json_rpc::error_reply` writes for `wire::sqs::SERVICE`.
    pub fn input(target: &str, body: &[u8]) -> Result<Input, ServiceError> {
        let unknown =
            || ServiceError::UnknownOperation("The operation is not known to Amazon SQS.".to_owned());
        let operation = api::route(target).ok_or_else(unknown)?;
        Ok(Input::accept(operation, body).ok_or_else(unknown)??)
    }

    /// Whether calls of this operation move messages, rather than change or show what is set up.
    #[must_use]
    pub fn is_work(operation: &str) -> bool {
        const WORK: [&str; 7] = [
            "ChangeMessageVisibility",
            "ChangeMessageVisibilityBatch",
            "DeleteMessage",
            "DeleteMessageBatch",
            "ReceiveMessage",
            "SendMessage",
            "SendMessageBatch",
        ];
        WORK.contains(&operation)
    }

    /// Carries an operation out. A change goes on to its end even if nobody waits for it; whoever stops waiting for
    /// messages gets none.
    ///
    /// # Errors
    /// Those of the operation.
    pub async fn perform(&self, caller: &Caller, input: Input) -> Result<Reply, ServiceError> {
        match input {
            Input::SendMessage(input) => written(&input, &self.send(caller, &input).await?),
            Input::SendMessageBatch(input) => written(&input, &self.send_batch(caller, &input).await?),
            Input::ReceiveMessage(input) => written(&input, &self.receive(caller, &input).await?),
            Input::DeleteMessage(input) => written(&input, &self.delete_message(caller, &input).await?),
            Input::DeleteMessageBatch(input) => {
                written(&input, &self.delete_message_batch(caller, &input).await?)
            }
            Input::ChangeMessageVisibility(input) => {
                written(&input, &self.change_visibility(caller, &input).await?)
            }
            Input::ChangeMessageVisibilityBatch(input) => {
                written(&input, &self.change_visibility_batch(caller, &input).await?)
            }
            input => {
                let (sqs, caller) = (self.clone(), caller.clone());
                to_the_end(SERVICE, async move { sqs.operation(&caller, input).await }).await
            }
        }
    }

    async fn operation(&self, caller: &Caller, input: Input) -> Result<Reply, ServiceError> {
        match input {
            Input::AddPermission(input) => written(&input, &self.add_permission(caller, &input).await?),
            Input::CancelMessageMoveTask(input) => written(&input, &self.cancel_move(caller, &input).await?),
            Input::CreateQueue(input) => written(&input, &self.create_queue(caller, &input).await?),
            Input::DeleteQueue(input) => written(&input, &self.delete_queue(caller, &input).await?),
            Input::GetQueueAttributes(input) => written(&input, &self.get_attributes(caller, &input).await?),
            Input::GetQueueUrl(input) => written(&input, &self.get_url(caller, &input)?),
            Input::ListDeadLetterSourceQueues(input) => {
                written(&input, &self.list_dead_letter_sources(caller, &input)?)
            }
            Input::ListMessageMoveTasks(input) => written(&input, &self.list_moves(caller, &input)?),
            Input::ListQueueTags(input) => written(&input, &self.list_tags(caller, &input)?),
            Input::ListQueues(input) => written(&input, &self.list_queues(caller, &input)?),
            Input::PurgeQueue(input) => written(&input, &self.purge_queue(caller, &input).await?),
            Input::RemovePermission(input) => written(&input, &self.remove_permission(caller, &input).await?),
            Input::SetQueueAttributes(input) => written(&input, &self.set_attributes(caller, &input).await?),
            Input::StartMessageMoveTask(input) => written(&input, &self.start_move(caller, &input).await?),
            Input::TagQueue(input) => written(&input, &self.tag(caller, &input).await?),
            Input::UntagQueue(input) => written(&input, &self.untag(caller, &input).await?),
            Input::SendMessage(_)
            | Input::SendMessageBatch(_)
            | Input::ReceiveMessage(_)
            | Input::DeleteMessage(_)
            | Input::DeleteMessageBatch(_)
            | Input::ChangeMessageVisibility(_)
            | Input::ChangeMessageVisibilityBatch(_) => {
                Err(ServiceError::Internal("Messages are moved elsewhere.".to_owned()))
            }
        }
    }

    /// The queue that an address names.
    fn at(&self, caller: &Caller, url: Option<&str>) -> Result<Arc<UserQueue>, ServiceError> {
        self.there(&name::of_url(&caller.scope, url.unwrap_or_default())?)
    }

    /// A queue that is there.
    fn there(&self, id: &QueueId) -> Result<Arc<UserQueue>, ServiceError> {
        let entry = self.queues.get(&id.scope, &id.name);
        entry.map(|entry| entry.value).ok_or_else(error::no_queue)
    }
}

fn written<C: Call>(_: &C, output: &C::Output) -> Result<Reply, ServiceError> {
    Ok(output.reply(C::RPC))
}
