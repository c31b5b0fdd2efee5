//! Queues: made, found, listed, set up, purged, deleted.
//!
//! A queue's counts are those of the moment. A deleted queue can be made again at once: it is another queue, and none of the
//! messages of the first one are in it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use model::arn::Scope;
use model::error::ServiceError;
use model::id::AccountId;
use model::queue::{DeadLetter, Purpose, QueueName, Receipt};
use model::sqs::{QueueId, RedriveAllow, Settings, Source, Sources, UserQueue};
use model::time::Timestamp;
use policy::{Document, Kind};
use store::records::typed::Stored;
use wire::sqs::{self as api, errors};

use super::error::{invalid, no_queue, of_messages, of_name, of_records, unknown_attribute, value};
use super::page::Page;
use super::{Caller, Sqs, attributes, name, tags};

/// Between two purges of a queue (SQS API Reference, `PurgeQueue`).
const PURGE_PAUSE: Duration = Duration::from_secs(60);
/// Queues of an account in a region. AWS has no limit; memory has.
const QUEUES_MAX: usize = 10_000;
/// Attributes that are counted.
const COUNTED: [&str; 3] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
];

impl Sqs {
    pub(super) async fn create_queue(
        &self,
        caller: &Caller,
        input: &api::CreateQueueRequest,
    ) -> Result<api::CreateQueueResult, ServiceError> {
        let mut given = self.meant(input.attributes.as_ref());
        let fifo = given.remove("FifoQueue");
        let id = new_id(&caller.scope, input.queue_name.as_deref().unwrap_or_default(), fifo.as_deref())?;
        let _turn = self.changing.lock().await;
        let existing = self.queues.get(&id.scope, &id.name).map(|entry| entry.value);
        let mut settings =
            existing.as_ref().map_or_else(|| attributes::defaults(&id), |queue| queue.settings.clone());
        attributes::apply(&mut settings, &given, &id)?;
        if let Some(queue) = existing {
            let differs = |name: &&String| {
                attributes::shown(&settings, name) != attributes::shown(&queue.settings, name)
            };
            if let Some(name) = given.keys().find(differs) {
                return Err(errors::QUEUE_NAME_EXISTS.error(format!(
                    "A queue already exists with the same name and a different value for attribute {name}"
                )));
            }
            return Ok(api::CreateQueueResult { queue_url: Some(name::url(caller, &queue)) });
        }
        if self.queues.count(&id.scope) >= QUEUES_MAX {
            return Err(errors::OVER_LIMIT.error(format!("There are {QUEUES_MAX} queues already.")));
        }
        self.check_redrive(&id, &settings)?;
        let tags = tags::added(BTreeMap::new(), input.tags.as_ref())?;
        let now = self.clock.now();
        let queue = UserQueue { id, instance: self.serial(), settings, tags, created: now, modified: now };
        let queue = self.queues.put(queue, None).await.map_err(of_records)?;
        Ok(api::CreateQueueResult { queue_url: Some(name::url(caller, &queue)) })
    }

    /// Digits that no other queue or move has.
    pub(super) fn serial(&self) -> String {
        let mut random = [0; 8];
        self.entropy.fill(&mut random);
        format!("{:012x}{:016x}", self.clock.now().as_millis(), u64::from_be_bytes(random))
    }

    pub(super) fn get_url(
        &self,
        caller: &Caller,
        input: &api::GetQueueUrlRequest,
    ) -> Result<api::GetQueueUrlResult, ServiceError> {
        let id = owned_id(&caller.scope, input)?.ok_or_else(no_queue)?;
        Ok(api::GetQueueUrlResult { queue_url: Some(name::url(caller, &*self.there(&id)?)) })
    }

    pub(super) fn list_queues(
        &self,
        caller: &Caller,
        input: &api::ListQueuesRequest,
    ) -> Result<api::ListQueuesResult, ServiceError> {
        let prefix = input.queue_name_prefix.as_deref().unwrap_or_default();
        let page = Page { token: input.next_token.as_deref(), max: input.max_results };
        let (urls, next_token) =
            page.of(self, caller, &caller.scope, |queue| queue.id.name.starts_with(prefix))?;
        Ok(api::ListQueuesResult { queue_urls: (!urls.is_empty()).then_some(urls), next_token })
    }

    pub(super) fn list_dead_letter_sources(
        &self,
        caller: &Caller,
        input: &api::ListDeadLetterSourceQueuesRequest,
    ) -> Result<api::ListDeadLetterSourceQueuesResult, ServiceError> {
        let queue = self.at(caller, input.queue_url.as_deref())?;
        let arn = queue.id.arn();
        let page = Page { token: input.next_token.as_deref(), max: input.max_results };
        let (urls, next_token) =
            page.of(self, caller, &queue.id.scope, |source| redrives_to(source, &arn))?;
        Ok(api::ListDeadLetterSourceQueuesResult { queue_urls: Some(urls), next_token })
    }

    /// Whether some queue sends its dead letters to this one.
    pub(super) fn takes_dead_letters(&self, id: &QueueId) -> bool {
        let arn = id.arn();
        let (found, _) = self.queues.page(&id.scope, None, 1, |queue| redrives_to(queue, &arn));
        !found.is_empty()
    }

    /// All queues that send their dead letters to this one.
    pub(super) fn sources_of(&self, id: &QueueId) -> Vec<QueueId> {
        let arn = id.arn();
        self.queues.gather(|queue| redrives_to(queue, &arn).then(|| queue.id.clone()))
    }

    pub(super) async fn get_attributes(
        &self,
        caller: &Caller,
        input: &api::GetQueueAttributesRequest,
    ) -> Result<api::GetQueueAttributesResult, ServiceError> {
        let queue = self.at(caller, input.queue_url.as_deref())?;
        let asked: Vec<&str> = input.attribute_names.iter().flatten().map(AsRef::as_ref).collect();
        let known = <api::QueueAttributeName as wire::json::OpenEnum>::VALUES;
        if let Some(unknown) = asked.iter().find(|name| !known.contains(name)) {
            return Err(unknown_attribute(unknown));
        }
        let is_asked = |name: &&str| asked.contains(name) || asked.contains(&"All");
        let mut found = BTreeMap::new();
        for name in known.iter().copied().filter(is_asked) {
            let text = match name {
                "QueueArn" => Some(queue.id.arn()),
                "CreatedTimestamp" => Some(seconds(queue.created)),
                "LastModifiedTimestamp" => Some(seconds(queue.modified)),
                name => attributes::shown(&queue.settings, name),
            };
            found.extend(text.map(|text| (name.to_owned(), text)));
        }
        if let Some(policy) = found.get_mut("Policy") {
            *policy = self.admission.shown(policy);
        }
        if COUNTED.iter().any(is_asked) {
            let counts = self.counts(&queue).await?;
            let counted = COUNTED.into_iter().zip(counts).filter(|(name, _)| is_asked(name));
            found.extend(counted.map(|(name, count)| (name.to_owned(), count.to_string())));
        }
        Ok(api::GetQueueAttributesResult { attributes: (!found.is_empty()).then_some(found) })
    }

    /// Messages that can be received, that are out, and that are delayed; without those whose time is over.
    pub(super) async fn counts(&self, queue: &UserQueue) -> Result<[u64; 3], ServiceError> {
        let name = queue.messages().map_err(of_name)?;
        let mut counts = self.messages.counts(&name).await.map_err(of_messages)?;
        let now = self.clock.now();
        if counts.oldest.is_some_and(|oldest| oldest.after(queue.retention()) <= now) {
            self.forget_old(queue, &name).await?;
            counts = self.messages.counts(&name).await.map_err(of_messages)?;
        }
        Ok([counts.waiting, counts.out, counts.delayed])
    }

    async fn forget_old(&self, queue: &UserQueue, name: &QueueName) -> Result<(), ServiceError> {
        let kept_ms = i64::from(queue.settings.retention_s).saturating_mul(1_000);
        let before = Timestamp::from_millis(self.clock.now().as_millis().saturating_sub(kept_ms));
        self.messages.purge(name, Some(before)).await.map(drop).map_err(of_messages)
    }

    pub(super) async fn set_attributes(
        &self,
        caller: &Caller,
        input: &api::SetQueueAttributesRequest,
    ) -> Result<(), ServiceError> {
        let id = name::of_url(&caller.scope, input.queue_url.as_deref().unwrap_or_default())?;
        let given = self.meant(input.attributes.as_ref());
        self.change(&id, |queue| {
            attributes::apply(&mut queue.settings, &given, &id)?;
            if given.contains_key("RedrivePolicy") {
                self.check_redrive(&id, &queue.settings)
            } else {
                Ok(())
            }
        })
        .await
    }

    /// Changes a queue, in turn with all other changes.
    pub(super) async fn change(
        &self,
        id: &QueueId,
        change: impl FnOnce(&mut UserQueue) -> Result<(), ServiceError>,
    ) -> Result<(), ServiceError> {
        let _turn = self.changing.lock().await;
        let entry = self.queues.get(&id.scope, &id.name).ok_or_else(no_queue)?;
        let mut queue = UserQueue::clone(&entry.value);
        change(&mut queue)?;
        queue.modified = self.clock.now();
        self.queues.put(queue, Some(entry.stored)).await.map(drop).map_err(of_records)
    }

    /// Whether the queue for dead letters is there and takes those of this queue.
    fn check_redrive(&self, id: &QueueId, settings: &Settings) -> Result<(), ServiceError> {
        let Some(redrive) = &settings.redrive else { return Ok(()) };
        let text = attributes::shown(settings, "RedrivePolicy").unwrap_or_default();
        let refused = |reason| value("RedrivePolicy", &text, reason);
        let dead = QueueId::of_arn(&redrive.dead_letter).and_then(|dead| self.there(&dead).ok());
        let dead = dead.ok_or_else(|| refused("Dead letter target does not exist."))?;
        let is_allowed = match &dead.settings.redrive_allow {
            None | Some(RedriveAllow::All) => true,
            Some(RedriveAllow::None) => false,
            Some(RedriveAllow::Queues(queues)) => queues.iter().any(|arn| arn.as_str() == id.arn()),
        };
        if is_allowed {
            Ok(())
        } else {
            Err(refused("Queue is not allowed by the RedriveAllowPolicy of the target."))
        }
    }

    pub(super) async fn delete_queue(
        &self,
        caller: &Caller,
        input: &api::DeleteQueueRequest,
    ) -> Result<(), ServiceError> {
        let id = name::of_url(&caller.scope, input.queue_url.as_deref().unwrap_or_default())?;
        let turn = self.changing.lock().await;
        let entry = self.queues.get(&id.scope, &id.name).ok_or_else(no_queue)?;
        // Its moves go with it: they are none of a later queue of its name.
        let moves: Vec<_> =
            self.moves_of(&id).into_iter().map(|task| (task.value.name(), task.stored)).collect();
        let mut writes = vec![self.queues.removal(&id.scope, &id.name, entry.stored)];
        writes.extend(moves.iter().map(|(name, stored)| self.moves.removal(&id.scope, name, *stored)));
        self.records.commit(writes).await.map_err(of_records)?;
        self.queues.forget_one(&id.scope, &id.name);
        moves.iter().for_each(|(name, _)| self.moves.forget_one(&id.scope, name));
        drop(turn);
        self.policies.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let messages = entry.value.messages().map_err(of_name)?;
        self.purged.lock().unwrap_or_else(PoisonError::into_inner).remove(&messages);
        // The queue is gone, and nobody can see them any more; what this leaves behind is collected.
        if let Err(error) = self.messages.purge(&messages, None).await {
            tracing::warn!(queue = id.arn(), %error, "the messages of a deleted queue go later");
        }
        Ok(())
    }

    pub(super) async fn purge_queue(
        &self,
        caller: &Caller,
        input: &api::PurgeQueueRequest,
    ) -> Result<(), ServiceError> {
        let queue = self.at(caller, input.queue_url.as_deref())?;
        let (messages, now) = (queue.messages().map_err(of_name)?, self.clock.now());
        {
            let mut purged = self.purged.lock().unwrap_or_else(PoisonError::into_inner);
            purged.retain(|_, at| now.since(*at) < PURGE_PAUSE);
            if purged.contains_key(&messages) {
                return Err(errors::PURGE_QUEUE_IN_PROGRESS.error(format!(
                    "Only one PurgeQueue operation on {} is allowed every 60 seconds.",
                    queue.id.name
                )));
            }
            purged.insert(messages.clone(), now);
        }
        self.messages.purge(&messages, None).await.map(drop).map_err(of_messages)
    }

    /// Removes messages that are too old, and those of queues that are no more. Every minute or so.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn collect(&self) -> Result<(), ServiceError> {
        for (messages, _) in self.messages.queues(&Purpose::Sqs.prefix()).await.map_err(of_messages)? {
            let queue = QueueId::of_queue(&messages).and_then(|id| self.there(&id).ok());
            match queue.filter(|queue| queue.messages().as_ref() == Ok(&messages)) {
                Some(queue) => drop(self.counts(&queue).await?),
                None => drop(self.messages.purge(&messages, None).await.map_err(of_messages)?),
            }
        }
        Ok(())
    }

    /// Attributes as they are to be kept: the policy with those in it who are meant.
    fn meant(&self, given: Option<&BTreeMap<String, String>>) -> BTreeMap<String, String> {
        let mut given = given.cloned().unwrap_or_default();
        if let Some(policy) = given.get_mut("Policy") {
            *policy = self.admission.meant(policy);
        }
        given
    }

    /// A queue's policy, read once.
    pub(super) fn policy(&self, queue: &UserQueue) -> Option<Arc<Document>> {
        let text = queue.settings.policy.as_ref()?;
        let mut policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, document)) = policies.get(&queue.id).filter(|(known, _)| known == text) {
            return Some(Arc::clone(document));
        }
        let document = Arc::new(Document::parse(text, Kind::Resource).ok()?);
        policies.insert(queue.id.clone(), (text.clone(), Arc::clone(&document)));
        Some(document)
    }

    /// How many of a queue's messages may be out at once.
    pub(super) fn out_max(&self, queue: &UserQueue) -> u64 {
        queue.out_max().min(self.quotas.messages_out)
    }

    /// Where a queue's dead letters go, if that queue is there.
    pub(super) fn dead_letter(&self, queue: &UserQueue) -> Option<DeadLetter> {
        let redrive = queue.settings.redrive.as_ref()?;
        let dead = self.there(&QueueId::of_arn(&redrive.dead_letter)?).ok()?;
        Some(DeadLetter { queue: dead.messages().ok()?, receives_max: redrive.receives_max })
    }
}

impl Sources for Sqs {
    fn queue(&self, arn: &model::arn::ResourceArn) -> Option<Source> {
        let queue = self.there(&QueueId::of_arn(arn)?).ok()?;
        Some(Source {
            name: queue.messages().ok()?,
            visibility: Duration::from_secs(queue.settings.visibility_s.into()),
            dead_letter: self.dead_letter(&queue),
            retention: queue.retention(),
            out_max: self.out_max(&queue),
            is_fifo: queue.id.is_fifo(),
        })
    }

    fn handle(&self, queue: &QueueName, receipt: Receipt) -> String {
        self.receipts.handle(queue, receipt)
    }
}

/// The queue that `GetQueueUrl` means, if it can be there.
pub(super) fn owned_id(
    scope: &Scope,
    input: &api::GetQueueUrlRequest,
) -> Result<Option<QueueId>, ServiceError> {
    let account = match input.queue_owner_aws_account_id.as_deref() {
        None => scope.account,
        Some(text) => AccountId::parse(text)
            .map_err(|_| value("QueueOwnerAWSAccountId", text, "Must be an account id of 12 digits."))?,
    };
    let owner = Scope { account, region: scope.region.clone() };
    Ok(QueueId::of(&owner, input.queue_name.as_deref().unwrap_or_default()).ok())
}

fn new_id(scope: &Scope, name: &str, fifo: Option<&str>) -> Result<QueueId, ServiceError> {
    let id = QueueId::of(scope, name).ok();
    let is_fifo = match fifo {
        None => false,
        Some(text) if text.eq_ignore_ascii_case("true") => true,
        // A queue is a FIFO queue or has no such attribute.
        Some(text) if text.eq_ignore_ascii_case("false") => return Err(unknown_attribute("FifoQueue")),
        Some(_) => return Err(super::error::attribute("FifoQueue", "Must be true.")),
    };
    match (id, is_fifo) {
        (Some(id), is_fifo) if id.is_fifo() == is_fifo => Ok(id),
        (_, true) => Err(invalid(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end \
             with .fifo suffix and be 1 to 80 in length.",
        )),
        _ => Err(invalid(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        )),
    }
}

fn redrives_to(queue: &UserQueue, arn: &str) -> bool {
    queue.settings.redrive.as_ref().is_some_and(|redrive| redrive.dead_letter.as_str() == arn)
}

fn seconds(time: Timestamp) -> String {
    (time.as_millis() / 1_000).to_string()
}
