//! The stored forms of topics and their subscriptions. Version 1 of each; `golden/topic-v1.json` and
//! `golden/subscription-v1.json` are examples.
//!
//! Messages are not records: they lie in the durable queue of deliveries.

use std::collections::BTreeMap;

use model::arn::Scope;
use model::time::Timestamp;
use model::topic::{Confirmation, Confirmed, Subscription, Topic, TopicId};
use serde::{Deserialize, Serialize};

use super::owner::{OfScope, account_of, scope_of};
use super::{SchemaError, versioned};
use crate::records::typed::{Owner, Stored};
use crate::seal::Sealer;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TopicForm {
    v: u32,
    of: OfScope,
    name: String,
    attributes: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubscriptionForm {
    v: u32,
    of: OfScope,
    topic: String,
    id: String,
    owner: String,
    protocol: String,
    endpoint: String,
    attributes: BTreeMap<String, String>,
    confirmation: Option<ConfirmationForm>,
    server: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmationForm {
    token: String,
    asked_ms: i64,
    given: Option<ConfirmedForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmedForm {
    authenticated: bool,
    guarded: bool,
}

impl From<&Confirmation> for ConfirmationForm {
    fn from(confirmation: &Confirmation) -> Self {
        let given = |given: Confirmed| ConfirmedForm {
            authenticated: given.is_authenticated,
            guarded: given.is_guarded,
        };
        Self {
            token: confirmation.token.clone(),
            asked_ms: confirmation.asked.as_millis(),
            given: confirmation.given.map(given),
        }
    }
}

impl From<ConfirmationForm> for Confirmation {
    fn from(form: ConfirmationForm) -> Self {
        let given = |given: ConfirmedForm| Confirmed {
            is_authenticated: given.authenticated,
            is_guarded: given.guarded,
        };
        Self { token: form.token, asked: Timestamp::from_millis(form.asked_ms), given: form.given.map(given) }
    }
}

impl Owner for TopicId {
    fn scope(&self) -> String {
        Owner::scope(&self.scope)
    }
    /// No topic's name has a colon.
    fn prefix(&self) -> String {
        format!("{}:", self.name)
    }
}

impl Stored for Topic {
    type Owner = Scope;
    const KIND: &'static str = "topic";

    fn owner(&self) -> Scope {
        self.id.scope.clone()
    }

    fn name(&self) -> String {
        self.id.name.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = TopicForm {
            v: VERSION,
            of: (&self.id.scope).into(),
            name: self.id.name.clone(),
            attributes: self.attributes.clone(),
            tags: self.tags.clone(),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: TopicForm = versioned(VERSION, bytes)?;
        let id = TopicId { scope: scope_of(&form.of)?, name: form.name };
        Ok(Self { id, attributes: form.attributes, tags: form.tags })
    }
}

impl Stored for Subscription {
    type Owner = TopicId;
    const KIND: &'static str = "subscription";

    fn owner(&self) -> TopicId {
        self.topic.clone()
    }

    fn name(&self) -> String {
        self.id.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = SubscriptionForm {
            v: VERSION,
            of: (&self.topic.scope).into(),
            topic: self.topic.name.clone(),
            id: self.id.clone(),
            owner: self.owner.to_string(),
            protocol: self.protocol.clone(),
            endpoint: self.endpoint.clone(),
            attributes: self.attributes.clone(),
            confirmation: self.confirmation.as_ref().map(ConfirmationForm::from),
            server: self.server.clone(),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: SubscriptionForm = versioned(VERSION, bytes)?;
        Ok(Self {
            topic: TopicId { scope: scope_of(&form.of)?, name: form.topic },
            id: form.id,
            owner: account_of(&form.owner)?,
            protocol: form.protocol,
            endpoint: form.endpoint,
            attributes: form.attributes,
            confirmation: form.confirmation.map(Confirmation::from),
            server: form.server,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::check_golden;
    use crate::schema::owner::sample_scope;

    #[test]
    fn version_1_is_written_to_the_byte_and_stays_readable() {
        let id = TopicId { scope: sample_scope(), name: "orders".to_owned() };
        let owner = id.scope.account;
        let attributes = BTreeMap::from([("DisplayName".to_owned(), "Orders".to_owned())]);
        let tags = BTreeMap::from([("team".to_owned(), "blue".to_owned())]);
        check_golden(&Topic { id: id.clone(), attributes, tags }, include_str!("../../golden/topic-v1.json"));
        let given = Some(Confirmed { is_authenticated: false, is_guarded: true });
        let asked = Timestamp::from_millis(1_764_000_000_123);
        let subscription = Subscription {
            topic: id,
            id: "00000000-0000-4000-8000-000000000000".to_owned(),
            owner,
            protocol: "https".to_owned(),
            endpoint: "https://example.com/orders".to_owned(),
            attributes: BTreeMap::from([("RawMessageDelivery".to_owned(), "false".to_owned())]),
            confirmation: Some(Confirmation { token: "0123456789abcdef".to_owned(), asked, given }),
            server: "http://localhost:4566".to_owned(),
        };
        check_golden(&subscription, include_str!("../../golden/subscription-v1.json"));
    }
}
