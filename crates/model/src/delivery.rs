//! Handing a message over to something that takes messages: a function, a queue, a topic, a bus, a log group, an HTTP
//! endpoint. Rules of the event bus, subscriptions of topics, schedules, destinations and dead letters all do this.
//!
//! A delivery that was accepted is on the disk and is tried until its target has it, or its retries or its time are over;
//! then it goes to its dead-letter queue, if it has one. Deliveries of one *line* are tried side by side and keep the
//! order of their groups; lines do not wait for each other.
//!
//! Who may deliver to a target is decided by the target: it alone knows its policy.
//! Sources: EventBridge User Guide, "How EventBridge retries delivering events"; SNS Developer Guide, "Amazon SNS
//! message delivery retries".

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::arn::{FunctionId, ResourceArn, Scope};
use crate::port::Pending;
use crate::queue::QueueError;

/// Stands for HTTP endpoints among the services that take deliveries.
pub const ENDPOINTS: &str = "endpoint";

/// Where a delivery goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A resource that takes messages, perhaps with a qualifier at its end.
    Resource(ResourceArn),
    /// The URL of an HTTP endpoint.
    Endpoint(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(arn) => arn.fmt(f),
            Self::Endpoint(url) => f.write_str(url),
        }
    }
}

/// On whose behalf something is delivered: what a target's policy is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The service, as policies call it: `events.amazonaws.com`.
    pub service: String,
    /// The ARN of the rule, topic, schedule or function (`aws:SourceArn`).
    pub source: String,
    /// Where it is; its account is `aws:SourceAccount`.
    pub scope: Scope,
    /// The role that it acts with, instead of being let in by the target's policy.
    pub role: Option<String>,
}

impl Sender {
    /// Lambda, on behalf of a function: with the function's role, or as the service itself.
    #[must_use]
    pub fn lambda(function: &FunctionId, role: Option<String>) -> Self {
        Self {
            service: "lambda.amazonaws.com".to_owned(),
            source: function.arn().to_string(),
            scope: function.scope.clone(),
            role,
        }
    }
}

/// What goes beside the body, for targets that know of it. Others ignore it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extras {
    /// The message group, for queues and topics.
    pub group: Option<String>,
    /// The deduplication id, for queues and topics.
    pub deduplication: Option<String>,
    /// Attributes of the message, for queues and topics.
    pub attributes: Vec<Attribute>,
    /// The subject, for topics.
    pub subject: Option<String>,
    /// Headers, for endpoints.
    pub headers: Vec<(String, String)>,
    /// `source` of the event, for buses.
    pub source: Option<String>,
    /// `detail-type` of the event, for buses.
    pub detail_type: Option<String>,
    /// The resources that the event is about, for buses.
    pub resources: Vec<String>,
    /// The trace that it belongs to, so that circles are found.
    pub trace: Option<String>,
    /// Its line takes only one with this key within `queue::DEDUPLICATION_SPAN`.
    pub once: Option<String>,
    /// The pauses before further attempts, in their order; those that suit everybody where none are given.
    pub pauses: Vec<Duration>,
}

/// An attribute of a message, as SQS and SNS have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// `String`, `Number`, `Binary`, or one of these with a suffix.
    pub kind: String,
    /// Its value: text in UTF-8, or bytes as they are.
    pub value: Bytes,
}

impl Attribute {
    /// What it adds to the size of its message.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.name.len() + self.kind.len() + self.value.len()
    }
}

/// How often and for how long a delivery is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Further attempts after the first.
    pub retries_max: u32,
    /// Age at which it is given up.
    pub age_max: Duration,
}

impl Retry {
    /// EventBridge's, for rules and schedules: 185 times in 24 hours.
    pub const BUS: Self = Self { retries_max: 185, age_max: Duration::from_secs(24 * 3600) };
}

/// A message on its way to a target.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Where it goes.
    pub to: Address,
    /// On whose behalf.
    pub from: Sender,
    /// What it says.
    pub body: Bytes,
    /// What goes beside.
    pub extras: Extras,
    /// How often it is tried.
    pub retry: Retry,
    /// The ARN of the queue that it goes to when it is given up.
    pub dead_letter: Option<ResourceArn>,
    /// What it stands in line with: a short path without blanks, `rule/BUS/NAME/TARGET`, within its sender's account and
    /// region.
    pub line: String,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Delivery(from {} to {}, {} bytes)", self.from.source, self.to, self.body.len())
    }
}

/// Why a target did not take a delivery. The message stands with the dead letter and must tell no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// It never will: no such target, no permission, a message that it cannot have.
    #[error("{code}: {message}")]
    Never {
        /// As AWS calls it: `NO_PERMISSIONS`, `RESOURCE_NOT_FOUND`, …
        code: &'static str,
        /// What is wrong.
        message: String,
    },
    /// It may at another time.
    #[error("{message}")]
    NotNow {
        /// What is wrong.
        message: String,
    },
}

impl Undelivered {
    /// There is no such target.
    #[must_use]
    pub fn not_found(target: impl fmt::Display) -> Self {
        Self::Never { code: "RESOURCE_NOT_FOUND", message: format!("The target {target} does not exist.") }
    }

    /// The target does not let the sender in.
    #[must_use]
    pub fn not_permitted(sender: &Sender, target: impl fmt::Display) -> Self {
        let Sender { service, source, .. } = sender;
        let message = format!("The target {target} does not let {service} deliver on behalf of {source}.");
        Self::Never { code: "NO_PERMISSIONS", message }
    }
}

impl From<QueueError> for Undelivered {
    fn from(error: QueueError) -> Self {
        Self::NotNow { message: error.to_string() }
    }
}

/// Takes deliveries and sees to it that they are tried. Implemented by `triggers`.
pub trait Deliveries: Send + Sync {
    /// Takes deliveries, answered when all of them are on the disk. One that is larger than anything that can be delivered
    /// is given up, which the log says, and holds up no other.
    ///
    /// # Errors
    /// [`QueueError`]; then some of them may have been taken, and whoever tries again delivers those twice.
    fn hand_over(&self, deliveries: Vec<Delivery>) -> Pending<'_, Result<(), QueueError>>;

    /// Hands one to its target at once and says what that answered. Nothing is kept, and nothing tried again.
    ///
    /// # Errors
    /// [`Undelivered`].
    fn offer<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Undelivered>>;
}

/// Something that takes messages. Implemented by each service whose resources can be targets.
pub trait Target: Send + Sync {
    /// The service in the ARNs of these targets: `sqs`.
    fn service(&self) -> &'static str;

    /// Takes one delivery; when this returns, the target has it for good.
    ///
    /// # Errors
    /// [`Undelivered`]; then the target does not have it.
    fn take<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Undelivered>>;
}
