//! Queues of users: what they are called, how they are set up, how a message lies in one, and the port by which others
//! find them.
//!
//! The messages themselves are in the durable queue ([`crate::queue`]), under a name that a queue has for as long as it
//! lives: one that is deleted and made again is another. Policies stand here as the text that was given and checked.
//! Source: Amazon SQS API Reference 2012-11-05.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use crate::arn::{ResourceArn, Scope};
use crate::delivery::Attribute;
use crate::id::{AccountId, IdError, Region};
use crate::queue::{DeadLetter, Purpose, QueueName, Receipt, Received};
use crate::time::Timestamp;

/// The service in ARNs, actions and signatures.
pub const SERVICE: &str = "sqs";
/// The largest message that a queue takes, body and attributes together (SQS Developer Guide, "Message quotas").
pub const MESSAGE_BYTES_MAX: u32 = 1_048_576;
/// Longest name of a queue, in characters.
const NAME_CHARS_MAX: usize = 80;
/// How FIFO queues are called.
const FIFO_SUFFIX: &str = ".fifo";
/// Messages of a standard queue that may be out at once (SQS Developer Guide, "Message quotas").
pub const OUT_MAX: u64 = 120_000;
/// The same of a FIFO queue.
pub const OUT_MAX_FIFO: u64 = 20_000;

/// Names a queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId {
    /// Account and region.
    pub scope: Scope,
    /// Letters, digits, `-` and `_`, perhaps with `.fifo` behind.
    pub name: String,
}

impl QueueId {
    /// Takes the name of a queue.
    ///
    /// # Errors
    /// [`IdError`] for what cannot be called so.
    pub fn of(scope: &Scope, name: &str) -> Result<Self, IdError> {
        let stem = name.strip_suffix(FIFO_SUFFIX).unwrap_or(name);
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if stem.is_empty() || name.len() > NAME_CHARS_MAX || !stem.bytes().all(is_legal) {
            return Err(IdError { text: name.chars().take(100).collect(), expected: "the name of a queue" });
        }
        Ok(Self { scope: scope.clone(), name: name.to_owned() })
    }

    /// The queue of an ARN, if it is one of a queue.
    #[must_use]
    pub fn of_arn(arn: &ResourceArn) -> Option<Self> {
        (arn.service() == SERVICE).then(|| Self::of(arn.scope(), arn.resource()).ok()).flatten()
    }

    /// The queue whose messages lie under this name.
    #[must_use]
    pub fn of_queue(name: &QueueName) -> Option<Self> {
        let mut parts = name.as_str().strip_prefix(&Purpose::Sqs.prefix())?.split('/');
        let (account, region) = (AccountId::parse(parts.next()?).ok()?, Region::parse(parts.next()?).ok()?);
        Self::of(&Scope { account, region }, parts.next()?).ok()
    }

    /// `arn:aws:sqs:REGION:ACCOUNT:NAME`.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("arn:aws:{SERVICE}:{}:{}:{}", self.scope.region, self.scope.account, self.name)
    }

    /// Whether messages of one group keep their order.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(FIFO_SUFFIX)
    }
}

/// A queue.
#[derive(Debug, Clone, PartialEq)]
pub struct UserQueue {
    /// Its name.
    pub id: QueueId,
    /// Tells it from earlier ones of its name: letters and digits.
    pub instance: String,
    /// How it is set up.
    pub settings: Settings,
    /// The owner's labels.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub modified: Timestamp,
}

impl UserQueue {
    /// Where its messages lie.
    ///
    /// # Errors
    /// Never for a queue whose parts were parsed.
    pub fn messages(&self) -> Result<QueueName, IdError> {
        let Self { id: QueueId { scope, name }, instance, .. } = self;
        Purpose::Sqs.queue(scope, &format!("{name}/{instance}"))
    }

    /// For how long it keeps a message.
    #[must_use]
    pub fn retention(&self) -> Duration {
        Duration::from_secs(self.settings.retention_s.into())
    }

    /// How many of its messages may be out at once.
    #[must_use]
    pub fn out_max(&self) -> u64 {
        if self.id.is_fifo() { OUT_MAX_FIFO } else { OUT_MAX }
    }
}

/// How a queue is set up. What only encryption knows is kept and given back, not carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `DelaySeconds`.
    pub delay_s: u32,
    /// `MaximumMessageSize`.
    pub message_bytes_max: u32,
    /// `MessageRetentionPeriod`.
    pub retention_s: u32,
    /// `ReceiveMessageWaitTimeSeconds`.
    pub wait_s: u32,
    /// `VisibilityTimeout`.
    pub visibility_s: u32,
    /// Who else may use it.
    pub policy: Option<String>,
    /// `RedrivePolicy`.
    pub redrive: Option<Redrive>,
    /// `RedriveAllowPolicy`.
    pub redrive_allow: Option<RedriveAllow>,
    /// Of a FIFO queue alone.
    pub fifo: Option<Fifo>,
    /// `KmsMasterKeyId`.
    pub kms_key: Option<String>,
    /// `KmsDataKeyReusePeriodSeconds`.
    pub kms_reuse_s: u32,
    /// `SqsManagedSseEnabled`.
    pub sse: bool,
}

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The queue.
    pub dead_letter: ResourceArn,
    /// After how many times.
    pub receives_max: u32,
}

/// Whose dead letters a queue takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedriveAllow {
    /// Those of every queue of the account and region.
    All,
    /// Of none.
    None,
    /// Of these.
    Queues(Vec<ResourceArn>),
}

/// What only FIFO queues have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fifo {
    /// `ContentBasedDeduplication`.
    pub by_content: bool,
    /// `DeduplicationScope` is `messageGroup`, not `queue`.
    pub deduplicates_by_group: bool,
    /// `FifoThroughputLimit` is `perMessageGroupId`, not `perQueue`.
    pub limits_by_group: bool,
}

/// Messages on their way out of a dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveTask {
    /// The dead-letter queue.
    pub source: QueueId,
    /// Tells it from others of this queue; of later ones it is greater.
    pub id: String,
    /// Where they go; where each came from, if it says nothing.
    pub destination: Option<ResourceArn>,
    /// Messages a second at most.
    pub rate: Option<u32>,
    /// How far it is.
    pub state: MoveState,
    /// Messages moved.
    pub moved: u64,
    /// Messages that there were at the start.
    pub to_move: u64,
    /// Why it failed.
    pub failure: Option<String>,
    /// When it began.
    pub started: Timestamp,
}

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveState {
    /// It moves messages.
    Running,
    /// Somebody wants it to end.
    Cancelling,
    /// All are moved.
    Completed,
    /// It was ended.
    Cancelled,
    /// It could not go on.
    Failed,
}

impl MoveState {
    /// Whether nothing more comes of it.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Failed)
    }
}

/// A queue as whoever receives from it has to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where its messages lie.
    pub name: QueueName,
    /// How long those received stay unseen.
    pub visibility: Duration,
    /// Where those go that were received too often.
    pub dead_letter: Option<DeadLetter>,
    /// How old a message may become.
    pub retention: Duration,
    /// How many may be out at once.
    pub out_max: u64,
    /// Whether messages of one group keep their order.
    pub is_fifo: bool,
}

/// Finds queues. Implemented by `services::sqs`.
pub trait Sources: Send + Sync {
    /// The queue of an ARN, if it is there.
    fn queue(&self, arn: &ResourceArn) -> Option<Source>;

    /// The receipt handle of a message that was received from a queue.
    fn handle(&self, queue: &QueueName, receipt: Receipt) -> String;
}

/// A message as it lies in a queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// What it says.
    pub body: String,
    /// What goes beside, by name.
    pub attributes: Vec<Attribute>,
    /// Who sent it (`SenderId`).
    pub sender: String,
    /// `AWSTraceHeader`.
    pub trace: Option<String>,
    /// `MessageGroupId`.
    pub group: Option<String>,
    /// `MessageDeduplicationId`.
    pub deduplication: Option<String>,
    /// The MD5 of the body.
    pub body_md5: [u8; 16],
    /// The MD5 of the attributes, if it has any.
    pub attributes_md5: Option<[u8; 16]>,
}

/// Those attributes for which a message has room beside its body, in their order. For what is only told about a message,
/// and must not keep it from a queue.
#[must_use]
pub fn fitting(body: &[u8], mut attributes: Vec<Attribute>) -> Vec<Attribute> {
    let mut room = (MESSAGE_BYTES_MAX as usize).saturating_sub(body.len());
    attributes.retain(|attribute| {
        let left = room.checked_sub(attribute.bytes());
        room = left.unwrap_or(room);
        left.is_some()
    });
    attributes
}

/// What a message may hold: what XML 1.0 can.
#[must_use]
pub const fn is_legal(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// The first byte of the stored form.
const CONTENT_VERSION: u8 = 1;

impl Content {
    /// `MessageDeduplicationId` as a consumer sees it. A message that came from another queue has its own id in its place
    /// (SQS Developer Guide, "Understanding message retention periods for dead-letter queues").
    #[must_use]
    pub fn deduplication_of(&self, received: &Received) -> Option<String> {
        let given = self.deduplication.as_ref()?;
        Some(if received.source.is_some() { received.id.to_string() } else { given.clone() })
    }

    /// The stored form: a version, then every part with its length before it.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.body.len() + 256);
        out.put_u8(CONTENT_VERSION);
        out.put_slice(&self.body_md5);
        put(&mut out, self.sender.as_bytes());
        put(&mut out, self.body.as_bytes());
        for part in [&self.trace, &self.group, &self.deduplication] {
            put_some(&mut out, part.as_ref().map(String::as_bytes));
        }
        put_some(&mut out, self.attributes_md5.as_ref().map(<[u8; 16]>::as_slice));
        for Attribute { name, kind, value } in &self.attributes {
            [name.as_bytes(), kind.as_bytes(), value].into_iter().for_each(|part| put(&mut out, part));
        }
        out.freeze()
    }

    /// Reads the stored form; nothing for what is none.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let rest = &mut bytes;
        if take(rest, 1)? != [CONTENT_VERSION] {
            return None;
        }
        let mut content = Self { body_md5: take(rest, 16)?.try_into().ok()?, ..Self::default() };
        content.sender = text(part(rest)?)?;
        content.body = text(part(rest)?)?;
        for place in [&mut content.trace, &mut content.group, &mut content.deduplication] {
            *place = match some(rest)? {
                Some(part) => Some(text(part)?),
                None => None,
            };
        }
        content.attributes_md5 = match some(rest)? {
            Some(md5) => Some(md5.try_into().ok()?),
            None => None,
        };
        while !rest.is_empty() {
            let (name, kind) = (text(part(rest)?)?, text(part(rest)?)?);
            content.attributes.push(Attribute { name, kind, value: Bytes::copy_from_slice(part(rest)?) });
        }
        Some(content)
    }
}

fn put(out: &mut BytesMut, part: &[u8]) {
    // No message comes near four gigabytes.
    out.put_u32(u32::try_from(part.len()).unwrap_or(u32::MAX));
    out.put_slice(part);
}

fn put_some(out: &mut BytesMut, part: Option<&[u8]>) {
    out.put_u8(u8::from(part.is_some()));
    if let Some(part) = part {
        put(out, part);
    }
}

fn take<'b>(rest: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn part<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = u32::from_be_bytes(take(rest, 4)?.try_into().ok()?);
    take(rest, usize::try_from(length).ok()?)
}

fn some<'b>(rest: &mut &'b [u8]) -> Option<Option<&'b [u8]>> {
    match take(rest, 1)? {
        [0] => Some(None),
        [1] => part(rest).map(Some),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope { account: AccountId::DEFAULT, region: Region::default_region() }
    }

    #[test]
    fn names_are_those_that_sqs_takes() {
        for name in ["a", "a-B_9", "a.fifo", &"x".repeat(80)] {
            let id = QueueId::of(&scope(), name).expect(name);
            assert_eq!(ResourceArn::parse(&id.arn()).ok().and_then(|arn| QueueId::of_arn(&arn)), Some(id));
        }
        for name in ["", ".fifo", "a.b", "a.fifo.fifo", "a/b", "ü", "a b", &"x".repeat(81)] {
            assert!(QueueId::of(&scope(), name).is_err(), "{name}");
        }
        let name = QueueName::parse("sqs/000000000000/us-east-1/q.fifo/0a").expect("a name");
        assert_eq!(QueueId::of_queue(&name), QueueId::of(&scope(), "q.fifo").ok());
        let other = QueueName::parse("async/000000000000/us-east-1/q").expect("a name");
        assert_eq!(QueueId::of_queue(&other), None);
    }

    #[test]
    fn attributes_stand_beside_a_body_as_far_as_there_is_room() {
        let attribute =
            |name: &str| Attribute { name: name.to_owned(), kind: "String".to_owned(), value: "v".into() };
        let given = vec![attribute("a"), attribute("longer"), attribute("c")];
        for (room, expected) in
            [(0, ""), (7, ""), (8, "a"), (16, "a c"), (28, "a longer"), (29, "a longer c")]
        {
            let body = vec![0; MESSAGE_BYTES_MAX as usize - room];
            let names: Vec<_> = fitting(&body, given.clone()).into_iter().map(|it| it.name).collect();
            assert_eq!(names.join(" "), expected, "{room}");
        }
        assert_eq!(fitting(&[0; MESSAGE_BYTES_MAX as usize + 1], given), []);
    }

    #[test]
    fn content_is_read_as_it_was_written_and_nothing_else_is() {
        let whole = Content {
            body: "é".to_owned(),
            attributes: vec![
                Attribute { name: "a".to_owned(), kind: "String".to_owned(), value: "x".into() },
                Attribute { name: "b".to_owned(), kind: "Binary.z".to_owned(), value: Bytes::new() },
            ],
            sender: "AIDA".to_owned(),
            trace: Some("Root=1".to_owned()),
            group: Some("g".to_owned()),
            deduplication: Some(String::new()),
            body_md5: [3; 16],
            attributes_md5: Some([4; 16]),
        };
        for content in [whole.clone(), Content::default()] {
            assert_eq!(Content::decode(&content.encode()), Some(content));
        }
        let bytes = whole.encode();
        // Cut anywhere but between two attributes it is not whole.
        let readable = (0..bytes.len()).filter(|end| Content::decode(&bytes[..*end]).is_some()).count();
        assert_eq!(readable, 2);
        let mut later = bytes.to_vec();
        later[0] = 2;
        assert_eq!(Content::decode(&later), None);
    }
}
