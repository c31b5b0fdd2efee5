//! Receiving: what can be had now, or what comes while somebody waits.
//!
//! Source: SQS API Reference, `ReceiveMessage`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::delivery::Attribute;
use model::error::ServiceError;
use model::queue::{
    DEDUPLICATION_SPAN, HandOut, HandingOut, Hold, QueueName, Receipt, Receive, Received, Settle, Settled,
};
use model::sqs::{Content, QueueId, UserQueue};
use model::time::Timestamp;
use wire::json::OpenEnum;
use wire::sqs::{self as api, errors};

use super::attributes::{VISIBILITY_S, WAIT_S};
use super::error::{of_messages, of_name, unknown_attribute, value};
use super::message::{attributes_md5, hex, is_binary};
use super::{Caller, Sqs, send};

/// Messages of one call.
const MESSAGES_MAX: i32 = 10;
/// Attempts that are remembered, and the most that is remembered of each: 64 MB in all. One with more is not repeated.
const ATTEMPTS_MAX: usize = 1_000;
const ATTEMPT_BYTES_MAX: usize = 64 * 1024;
/// Characters of an attempt's id.
const ATTEMPT_CHARS_MAX: usize = 128;

/// What FIFO queues have handed out to attempts that may be repeated, by queue and id.
pub(super) type Attempts = Mutex<HashMap<(QueueName, String), (Timestamp, Vec<Receipt>, Vec<api::Message>)>>;

/// Which attributes are asked for.
struct Asked<'i> {
    system: Vec<&'i str>,
    own: &'i [String],
}

/// Hands out by what the settings of a queue are, for as long as it is there.
struct ByItsSettings {
    sqs: Sqs,
    queue: QueueId,
    name: QueueName,
    /// If the caller has said for how long.
    visibility: Option<Duration>,
}

impl HandingOut for ByItsSettings {
    fn now(&self) -> Option<HandOut> {
        let queue =
            self.sqs.there(&self.queue).ok().filter(|queue| queue.messages().as_ref() == Ok(&self.name))?;
        let visibility = Duration::from_secs(queue.settings.visibility_s.into());
        Some(HandOut {
            hold: Hold::For(self.visibility.unwrap_or(visibility)),
            dead_letter: self.sqs.dead_letter(&queue),
            age_max: Some(queue.retention()),
            out_max: Some(self.sqs.out_max(&queue)),
        })
    }
}

impl Sqs {
    pub(super) async fn receive(
        &self,
        caller: &Caller,
        input: &api::ReceiveMessageRequest,
    ) -> Result<api::ReceiveMessageResult, ServiceError> {
        let queue = self.at(caller, input.queue_url.as_deref())?;
        let name = queue.messages().map_err(of_name)?;
        let asked = Asked::of(input)?;
        let (wanted, visibility) = self.wanted(&queue, &name, input)?;
        let attempt = attempt(&queue, input)?;
        if let Some(attempt) = &attempt
            && let Some(messages) = self.repeated(&name, attempt, visibility).await?
        {
            return Ok(api::ReceiveMessageResult { messages: Some(messages) });
        }
        let received = self.messages.receive(&name, wanted).await.map_err(of_messages)?;
        if received.is_empty() && !queue.id.is_fifo() {
            self.refuse_beyond_limit(&queue, &name).await?;
        }
        let receipts: Vec<Receipt> = received.iter().map(|message| message.receipt).collect();
        let shown = received.into_iter().filter_map(|message| self.shown(&queue, &name, message, &asked));
        let messages: Vec<api::Message> = shown.collect();
        if let Some(attempt) = attempt.filter(|_| !messages.is_empty()) {
            self.remember(&name, attempt, receipts, &messages);
        }
        Ok(api::ReceiveMessageResult { messages: (!messages.is_empty()).then_some(messages) })
    }

    /// What is wanted, and for how long it is to stay unseen.
    fn wanted(
        &self,
        queue: &UserQueue,
        name: &QueueName,
        input: &api::ReceiveMessageRequest,
    ) -> Result<(Receive, Duration), ServiceError> {
        let count = input.max_number_of_messages.unwrap_or(1);
        if !(1..=MESSAGES_MAX).contains(&count) {
            return Err(value("MaxNumberOfMessages", count, "Must be between 1 and 10, if provided."));
        }
        let seconds = |name: &str, given: Option<i32>, range: std::ops::RangeInclusive<u32>, default: u32| {
            let Some(given) = given else { return Ok(Duration::from_secs(default.into())) };
            let legal = u32::try_from(given).ok().filter(|given| range.contains(given));
            let reason = format!("Must be >= {} and <= {}, if provided.", range.start(), range.end());
            legal.map(|s| Duration::from_secs(s.into())).ok_or_else(|| value(name, given, &reason))
        };
        let settings = &queue.settings;
        let wait_max = seconds("WaitTimeSeconds", input.wait_time_seconds, WAIT_S, settings.wait_s)?;
        let given = input.visibility_timeout;
        let visibility = seconds("VisibilityTimeout", given, VISIBILITY_S, settings.visibility_s)?;
        let how = ByItsSettings {
            sqs: self.clone(),
            queue: queue.id.clone(),
            name: name.clone(),
            visibility: given.map(|_| visibility),
        };
        let count_max = usize::try_from(count).unwrap_or(1);
        Ok((Receive { count_max, one_of_a_group: false, wait_max, how: Arc::new(how) }, visibility))
    }

    async fn refuse_beyond_limit(&self, queue: &UserQueue, name: &QueueName) -> Result<(), ServiceError> {
        let counts = self.messages.counts(name).await.map_err(of_messages)?;
        if counts.waiting > 0 && counts.out >= self.out_max(queue) {
            return Err(errors::OVER_LIMIT.error(format!(
                "The queue has {} messages in flight, which is the most that it may have.",
                counts.out
            )));
        }
        Ok(())
    }

    /// The messages that an attempt was given before, if all of them are still out; they stay so for longer.
    async fn repeated(
        &self,
        name: &QueueName,
        attempt: &str,
        after: Duration,
    ) -> Result<Option<Vec<api::Message>>, ServiceError> {
        let place = (name.clone(), attempt.to_owned());
        let known = self.attempts.lock().unwrap_or_else(PoisonError::into_inner).get(&place).cloned();
        let Some((at, receipts, messages)) = known else { return Ok(None) };
        if self.clock.now().since(at) < DEDUPLICATION_SPAN {
            let again = |receipt| (receipt, Settle::Return { after, note: None });
            let settled = self.messages.settle(name, receipts.into_iter().map(again).collect()).await;
            if settled.map_err(of_messages)?.iter().all(|settled| *settled == Settled::Done) {
                return Ok(Some(messages));
            }
        }
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).remove(&place);
        Ok(None)
    }

    fn remember(&self, name: &QueueName, attempt: String, receipts: Vec<Receipt>, messages: &[api::Message]) {
        let size = |message: &api::Message| wire::json::to_json(message).len();
        if messages.iter().map(size).sum::<usize>() > ATTEMPT_BYTES_MAX {
            return;
        }
        let now = self.clock.now();
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if attempts.len() >= ATTEMPTS_MAX {
            attempts.retain(|_, (at, _, _)| now.since(*at) < DEDUPLICATION_SPAN);
        }
        if attempts.len() < ATTEMPTS_MAX {
            attempts.insert((name.clone(), attempt), (now, receipts, messages.to_vec()));
        }
    }

    fn shown(
        &self,
        queue: &UserQueue,
        name: &QueueName,
        received: Received,
        asked: &Asked<'_>,
    ) -> Option<api::Message> {
        let Some(content) = Content::decode(&received.content) else {
            tracing::error!(queue = %name, message = %received.id, "a message cannot be read");
            return None;
        };
        let system = asked.system(self.facts(queue, &received, &content));
        let given: Vec<Attribute> =
            content.attributes.iter().filter(|it| asked.wants(&it.name)).cloned().collect();
        let md5 = (!given.is_empty()).then(|| hex(&attributes_md5(&given)));
        let attributes: BTreeMap<_, _> = given.into_iter().map(value_of).collect();
        Some(api::Message {
            message_id: Some(received.id.to_string()),
            receipt_handle: Some(self.receipts.handle(name, received.receipt)),
            md5_of_body: Some(hex(&content.body_md5)),
            body: Some(content.body),
            attributes: (!system.is_empty()).then_some(system),
            md5_of_message_attributes: md5,
            message_attributes: (!attributes.is_empty()).then_some(attributes),
        })
    }

    /// What the service itself knows of a message.
    fn facts(
        &self,
        queue: &UserQueue,
        received: &Received,
        content: &Content,
    ) -> [(&'static str, Option<String>); 9] {
        let millis = |time: Timestamp| Some(time.as_millis().to_string());
        [
            ("SenderId", Some(content.sender.clone())),
            ("SentTimestamp", millis(received.sent)),
            ("ApproximateReceiveCount", Some(received.received.to_string())),
            ("ApproximateFirstReceiveTimestamp", millis(received.first_received)),
            ("SequenceNumber", send::sequence(queue, received.receipt.sequence)),
            ("MessageDeduplicationId", content.deduplication_of(received)),
            ("MessageGroupId", content.group.clone()),
            ("AWSTraceHeader", content.trace.clone()),
            ("DeadLetterQueueSourceArn", source(received)),
        ]
    }
}

/// Where a dead letter came from.
fn source(received: &Received) -> Option<String> {
    Some(QueueId::of_queue(received.source.as_ref()?)?.arn())
}

fn attempt(queue: &UserQueue, input: &api::ReceiveMessageRequest) -> Result<Option<String>, ServiceError> {
    let Some(id) = input.receive_request_attempt_id.as_deref() else { return Ok(None) };
    if !queue.id.is_fifo() {
        let reason = "The request include parameter that is not valid for this queue type";
        return Err(value("ReceiveRequestAttemptId", id, reason));
    }
    let is_legal =
        (1..=ATTEMPT_CHARS_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_legal {
        let reason = "ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to 128 in \
                      length.";
        return Err(value("ReceiveRequestAttemptId", id, reason));
    }
    Ok(Some(id.to_owned()))
}

impl<'i> Asked<'i> {
    fn of(input: &'i api::ReceiveMessageRequest) -> Result<Self, ServiceError> {
        let old = input.attribute_names.iter().flatten().map(AsRef::as_ref);
        let new = input.message_system_attribute_names.iter().flatten().map(AsRef::as_ref);
        let system: Vec<&str> = old.chain(new).collect();
        let known = |name: &&&str| {
            api::MessageSystemAttributeName::VALUES.contains(*name)
                || api::QueueAttributeName::VALUES.contains(*name)
        };
        if let Some(unknown) = system.iter().find(|name| !known(name)) {
            return Err(unknown_attribute(unknown));
        }
        Ok(Self { system, own: input.message_attribute_names.as_deref().unwrap_or_default() })
    }

    fn system(&self, facts: [(&'static str, Option<String>); 9]) -> BTreeMap<String, String> {
        let is_asked = |name: &str| self.system.iter().any(|asked| *asked == "All" || *asked == name);
        let asked = facts.into_iter().filter(|(name, _)| is_asked(name));
        asked.filter_map(|(name, fact)| Some((name.to_owned(), fact?))).collect()
    }

    fn wants(&self, name: &str) -> bool {
        self.own.iter().any(|asked| match asked.strip_suffix(".*") {
            Some(prefix) => prefix.is_empty() || name.starts_with(prefix),
            None => asked == "All" || asked == name,
        })
    }
}

fn value_of(attribute: Attribute) -> (String, api::MessageAttributeValue) {
    let Attribute { name, kind, value } = attribute;
    let binary = is_binary(&kind);
    let text = (!binary).then(|| String::from_utf8_lossy(&value).into_owned());
    let value = api::MessageAttributeValue {
        string_value: text,
        binary_value: binary.then_some(value),
        string_list_values: None,
        binary_list_values: None,
        data_type: Some(kind),
    };
    (name, value)
}
