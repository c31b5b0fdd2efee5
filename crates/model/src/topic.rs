//! Topics of SNS and their subscriptions.
//!
//! Attributes are kept as the texts that callers gave; what they mean is checked before they get here and read by
//! `services::sns`. No effects. Source: Amazon SNS API Reference 2010-03-31.

use std::collections::BTreeMap;

use crate::arn::Scope;
use crate::id::AccountId;
use crate::time::Timestamp;

/// Which topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId {
    /// Account and region.
    pub scope: Scope,
    /// Its name.
    pub name: String,
}

impl TopicId {
    /// `arn:aws:sns:REGION:ACCOUNT:NAME`.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("arn:aws:sns:{}:{}:{}", self.scope.region, self.scope.account, self.name)
    }

    /// Whether messages of one group keep their order, and come once.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Which.
    pub id: TopicId,
    /// Attributes that were set, by SNS's names.
    pub attributes: BTreeMap<String, String>,
    /// Labels.
    pub tags: BTreeMap<String, String>,
}

/// Who gets a topic's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The topic.
    pub topic: TopicId,
    /// The last part of its ARN.
    pub id: String,
    /// The account that subscribed.
    pub owner: AccountId,
    /// `lambda`, `sqs`, `http` or `https`.
    pub protocol: String,
    /// The ARN of the function or queue, or the address.
    pub endpoint: String,
    /// Attributes that were set, by SNS's names.
    pub attributes: BTreeMap<String, String>,
    /// The word that the endpoint has to give, where it has to.
    pub confirmation: Option<Confirmation>,
    /// The address by which whoever subscribed has reached the server; links in messages begin with it.
    pub server: String,
}

/// That an endpoint wants to get messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// What only the endpoint has been told.
    pub token: String,
    /// When.
    pub asked: Timestamp,
    /// The endpoint's word, once it has come.
    pub given: Option<Confirmed>,
}

/// How a subscription was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmed {
    /// By a caller who said who it is.
    pub is_authenticated: bool,
    /// Nobody can end the subscription without saying who it is.
    pub is_guarded: bool,
}

impl Subscription {
    /// `arn:aws:sns:REGION:ACCOUNT:TOPIC:ID`.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("{}:{}", self.topic.arn(), self.id)
    }

    /// Whether its endpoint has not given its word yet; then it gets no messages.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.confirmation.as_ref().is_some_and(|confirmation| confirmation.given.is_none())
    }
}
