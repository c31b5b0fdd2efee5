//! What becomes of messages that were received: they are done, or they return sooner or later than was said.
//!
//! Source: SQS API Reference, `DeleteMessage`, `ChangeMessageVisibility`.

use std::time::Duration;

use model::error::ServiceError;
use model::queue::{QueueName, Settle, Settled};
use model::sqs::UserQueue;
use wire::sqs::{self as api};

use super::attributes::VISIBILITY_S;
use super::error::{missing, of_messages, of_name, value};
use super::{Caller, Sqs, batch};

impl Sqs {
    pub(super) async fn delete_message(
        &self,
        caller: &Caller,
        input: &api::DeleteMessageRequest,
    ) -> Result<(), ServiceError> {
        let queue = self.at(caller, input.queue_url.as_deref())?;
        self.settled(&queue, &[(input.receipt_handle.as_deref(), Wanted::Deleted)]).await?.remove(0)
    }

    pub(super) async fn delete_message_batch(
        &self,
        caller: &Caller,
        input: &api::DeleteMessageBatchRequest,
    ) -> Result<api::DeleteMessageBatchResult, ServiceError> {
        let queue = self.at(caller, input.queue_url.as_deref())?;
        let entries = input.entries.as_deref().unwrap_or_default();
        batch::check(
            "DeleteMessageBatch",
            &entries.iter().map(|entry| entry.id.as_deref()).collect::<Vec<_>>(),
        )?;
        let wanted: Vec<_> =
            entries.iter().map(|entry| (entry.receipt_handle.as_deref(), Wanted::Deleted)).collect();
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for (entry, settled) in entries.iter().zip(self.settled(&queue, &wanted).await?) {
            match settled {
                Ok(()) => successful.push(api::DeleteMessageBatchResultEntry { id: entry.id.clone() }),
                Err(error) => failed.push(batch::failed(entry.id.as_ref(), &error)),
            }
        }
        Ok(api::DeleteMessageBatchResult {
            successful: Some(successful),
            failed: (!failed.is_empty()).then_some(failed),
        })
    }

    pub(super) async fn change_visibility(
        &self,
        caller: &Caller,
        input: &api::ChangeMessageVisibilityRequest,
    ) -> Result<(), ServiceError> {
        let queue = self.at(caller, input.queue_url.as_deref())?;
        let wanted = Wanted::Unseen(input.visibility_timeout);
        self.settled(&queue, &[(input.receipt_handle.as_deref(), wanted)]).await?.remove(0)
    }

    pub(super) async fn change_visibility_batch(
        &self,
        caller: &Caller,
        input: &api::ChangeMessageVisibilityBatchRequest,
    ) -> Result<api::ChangeMessageVisibilityBatchResult, ServiceError> {
        let queue = self.at(caller, input.queue_url.as_deref())?;
        let entries = input.entries.as_deref().unwrap_or_default();
        let ids: Vec<_> = entries.iter().map(|entry| entry.id.as_deref()).collect();
        batch::check("ChangeMessageVisibilityBatch", &ids)?;
        let wanted: Vec<_> = entries
            .iter()
            .map(|entry| (entry.receipt_handle.as_deref(), Wanted::Unseen(entry.visibility_timeout)))
            .collect();
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for (entry, settled) in entries.iter().zip(self.settled(&queue, &wanted).await?) {
            match settled {
                Ok(()) => {
                    successful.push(api::ChangeMessageVisibilityBatchResultEntry { id: entry.id.clone() });
                }
                Err(error) => failed.push(batch::failed(entry.id.as_ref(), &error)),
            }
        }
        Ok(api::ChangeMessageVisibilityBatchResult {
            successful: Some(successful),
            failed: (!failed.is_empty()).then_some(failed),
        })
    }

    /// What came of each: as many as there were.
    async fn settled(
        &self,
        queue: &UserQueue,
        wanted: &[(Option<&str>, Wanted)],
    ) -> Result<Vec<Result<(), ServiceError>>, ServiceError> {
        let name = queue.messages().map_err(of_name)?;
        let read: Vec<_> =
            wanted.iter().map(|(handle, wanted)| self.settle_of(&name, *handle, *wanted)).collect();
        let asked: Vec<_> = read.iter().flatten().cloned().collect();
        let settled = match asked.is_empty() {
            true => Vec::new(),
            false => self.messages.settle(&name, asked).await.map_err(of_messages)?,
        };
        let mut settled = settled.into_iter();
        let told = read.into_iter().zip(wanted).map(|(read, (handle, wanted))| {
            read?;
            let settled = settled.next().unwrap_or(Settled::Gone);
            wanted.told(queue, settled, handle.unwrap_or_default())
        });
        Ok(told.collect())
    }

    fn settle_of(
        &self,
        name: &QueueName,
        handle: Option<&str>,
        wanted: Wanted,
    ) -> Result<(model::queue::Receipt, Settle), ServiceError> {
        let handle = handle.filter(|handle| !handle.is_empty()).ok_or_else(|| missing("ReceiptHandle"))?;
        let settle = wanted.settle()?;
        Ok((self.receipts.receipt(name, handle)?, settle))
    }
}

/// What is to become of a message.
#[derive(Clone, Copy)]
enum Wanted {
    Deleted,
    Unseen(Option<i32>),
}

impl Wanted {
    fn settle(self) -> Result<Settle, ServiceError> {
        match self {
            Self::Deleted => Ok(Settle::Done { outcome: None }),
            Self::Unseen(None) => Err(missing("VisibilityTimeout")),
            Self::Unseen(Some(given)) => {
                let seconds = u32::try_from(given).ok().filter(|given| VISIBILITY_S.contains(given));
                let reason = "VisibilityTimeout must be an integer between 0 and 43200";
                let seconds = seconds.ok_or_else(|| value("VisibilityTimeout", given, reason))?;
                Ok(Settle::Return { after: Duration::from_secs(seconds.into()), note: None })
            }
        }
    }

    fn told(self, queue: &UserQueue, settled: Settled, handle: &str) -> Result<(), ServiceError> {
        match (self, settled) {
            // A message that is gone need not be deleted; one that was received again since belongs to that receiver.
            (_, Settled::Done) | (Self::Deleted, Settled::Gone) => Ok(()),
            (Self::Deleted, _) if !queue.id.is_fifo() => Ok(()),
            (Self::Deleted, _) => Err(value("ReceiptHandle", handle, "The receipt handle has expired.")),
            (Self::Unseen(given), Settled::TooLong) => Err(value(
                "VisibilityTimeout",
                given.unwrap_or_default(),
                "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]",
            )),
            (Self::Unseen(_), _) => Err(value(
                "ReceiptHandle",
                handle,
                "Message does not exist or is not available for visibility timeout change.",
            )),
        }
    }
}
