//! Sending: a message is in its queue for good when it is answered.
//!
//! Source: SQS API Reference, `SendMessage`, `SendMessageBatch`.

use model::error::ServiceError;
use model::id::{MessageId, RequestId};
use model::queue::Enqueued;
use model::sqs::{MESSAGE_BYTES_MAX, UserQueue};
use wire::sqs::{self as api, errors};

use super::error::{of_messages, of_name};
use super::message::{self, Draft, Given, hex};
use super::{Caller, Sqs, batch};

impl Sqs {
    pub(super) async fn send(
        &self,
        caller: &Caller,
        input: &api::SendMessageRequest,
    ) -> Result<api::SendMessageResult, ServiceError> {
        let queue = self.at(caller, input.queue_url.as_deref())?;
        let given = Given {
            body: input.message_body.as_deref(),
            delay_s: input.delay_seconds,
            attributes: message::attributes(input.message_attributes.as_ref())?,
            trace: message::trace(input.message_system_attributes.as_ref())?,
            group: input.message_group_id.as_deref(),
            deduplication: input.message_deduplication_id.as_deref(),
        };
        let draft = Draft::of(&queue, &caller.sender, given)?;
        let sent = self.put(&queue, std::slice::from_ref(&draft)).await?;
        let sent = sent.first().copied();
        Ok(api::SendMessageResult {
            md5_of_message_body: Some(hex(&draft.content.body_md5)),
            md5_of_message_attributes: draft.content.attributes_md5.as_ref().map(|md5| hex(md5)),
            md5_of_message_system_attributes: draft.system_md5(),
            message_id: sent.map(|sent| sent.id.to_string()),
            sequence_number: sent.and_then(|sent| sequence(&queue, sent.sequence)),
        })
    }

    pub(super) async fn send_batch(
        &self,
        caller: &Caller,
        input: &api::SendMessageBatchRequest,
    ) -> Result<api::SendMessageBatchResult, ServiceError> {
        let queue = self.at(caller, input.queue_url.as_deref())?;
        let entries = input.entries.as_deref().unwrap_or_default();
        batch::check(
            "SendMessageBatch",
            &entries.iter().map(|entry| entry.id.as_deref()).collect::<Vec<_>>(),
        )?;
        let (mut drafts, mut failed) = (Vec::new(), Vec::new());
        for entry in entries {
            match self.draft(&queue, caller, entry) {
                Ok(draft) => drafts.push((entry.id.clone(), draft)),
                Err(error) => failed.push(batch::failed(entry.id.as_ref(), &error)),
            }
        }
        let bytes: usize = drafts.iter().map(|(_, draft)| draft.bytes).sum();
        if bytes > MESSAGE_BYTES_MAX as usize {
            return Err(errors::BATCH_REQUEST_TOO_LONG.error(format!(
                "Batch requests cannot be longer than {MESSAGE_BYTES_MAX} bytes. You have sent {bytes} bytes."
            )));
        }
        let (ids, drafts): (Vec<_>, Vec<Draft>) = drafts.into_iter().unzip();
        let sent = self.put(&queue, &drafts).await?;
        let entry =
            |((id, draft), sent): ((Option<String>, &Draft), Enqueued)| api::SendMessageBatchResultEntry {
                id,
                message_id: Some(sent.id.to_string()),
                md5_of_message_body: Some(hex(&draft.content.body_md5)),
                md5_of_message_attributes: draft.content.attributes_md5.as_ref().map(|md5| hex(md5)),
                md5_of_message_system_attributes: draft.system_md5(),
                sequence_number: sequence(&queue, sent.sequence),
            };
        let successful = ids.into_iter().zip(&drafts).zip(sent).map(entry).collect();
        Ok(api::SendMessageBatchResult {
            successful: Some(successful),
            failed: (!failed.is_empty()).then_some(failed),
        })
    }

    fn draft(
        &self,
        queue: &UserQueue,
        caller: &Caller,
        entry: &api::SendMessageBatchRequestEntry,
    ) -> Result<Draft, ServiceError> {
        let given = Given {
            body: entry.message_body.as_deref(),
            delay_s: entry.delay_seconds,
            attributes: message::attributes(entry.message_attributes.as_ref())?,
            trace: message::trace(entry.message_system_attributes.as_ref())?,
            group: entry.message_group_id.as_deref(),
            deduplication: entry.message_deduplication_id.as_deref(),
        };
        Draft::of(queue, &caller.sender, given)
    }

    /// Puts messages into a queue, all or none.
    pub(super) async fn put(
        &self,
        queue: &UserQueue,
        drafts: &[Draft],
    ) -> Result<Vec<Enqueued>, ServiceError> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let name = queue.messages().map_err(of_name)?;
        let messages = drafts.iter().map(|draft| draft.message(self.message_id())).collect();
        self.messages.enqueue(&name, messages).await.map_err(of_messages)
    }

    /// The id of a new message.
    pub(super) fn message_id(&self) -> MessageId {
        let mut random = [0; 16];
        self.entropy.fill(&mut random);
        RequestId::from_random(random).into()
    }
}

/// The number of a message in the order of a FIFO queue.
pub(super) fn sequence(queue: &UserQueue, sequence: u64) -> Option<String> {
    queue.id.is_fifo().then(|| format!("{sequence:020}"))
}
