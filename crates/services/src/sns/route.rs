//! Who gets the messages of a topic: its subscribers with their filters, compiled once and forgotten with every change.
//!
//! What is compiled is a copy of the tables; whoever changes a table forgets the topic afterwards, so nothing old outlives the
//! change. Bounded by what topics there are.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use model::arn::ResourceArn;
use model::delivery::Address;
use model::topic::{Subscription, Topic, TopicId};
use policy::{Document, Kind};

use super::Sns;
use super::permission::POLICY;
use super::retry::{self, DELIVERY_POLICY, Trying};
use super::settings::{self, Filter, RAW, REDRIVE};
use crate::endpoint::Login;

/// Routes of topics.
#[derive(Default)]
pub(super) struct Routes(RwLock<HashMap<TopicId, Arc<Route>>>);

/// What becomes of the messages of one topic.
pub(super) struct Route {
    pub(super) topic: Arc<Topic>,
    /// Who else may use it.
    pub(super) policy: Option<Arc<Document>>,
    /// Those who have given their word.
    pub(super) subscribers: Vec<Subscriber>,
}

/// One who gets messages.
pub(super) struct Subscriber {
    pub(super) subscription: Arc<Subscription>,
    pub(super) filter: Option<Filter>,
    pub(super) is_raw: bool,
    pub(super) to: Address,
    /// What an endpoint wants to be told first.
    pub(super) login: Option<String>,
    pub(super) dead_letter: Option<ResourceArn>,
    pub(super) trying: Trying,
}

impl Routes {
    /// What was compiled of a topic is out of date.
    fn forget(&self, topic: &TopicId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(topic);
    }

    fn get(&self, topic: &TopicId, compile: impl FnOnce() -> Route) -> Arc<Route> {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(topic) {
            return Arc::clone(known);
        }
        // Compiled under the lock: a change that comes meanwhile forgets it right after.
        let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(routes.entry(topic.clone()).or_insert_with(|| Arc::new(compile())))
    }
}

impl Sns {
    /// What becomes of the messages of a topic that is there.
    pub(super) fn route(&self, id: &TopicId) -> Option<Arc<Route>> {
        let topic = self.topics.get(&id.scope, &id.name)?.value;
        Some(self.routes.get(id, || {
            let all = self.subscriptions.all(id).into_iter().map(|entry| entry.value);
            let subscribers = all.filter(|one| !one.is_pending());
            let subscribers = subscribers.filter_map(|one| Subscriber::of(one, &topic)).collect();
            let policy = topic.attributes.get(POLICY).map(|text| {
                // One that cannot be read lets nobody in.
                Arc::new(Document::parse(text, Kind::Resource).unwrap_or_else(|_| Document::of_nothing()))
            });
            Route { topic, policy, subscribers }
        }))
    }

    /// A topic or its subscriptions were changed.
    pub(super) fn changed(&self, topic: &TopicId) {
        self.routes.forget(topic);
    }
}

impl Subscriber {
    /// Nothing if it cannot be understood; what is stored was checked before.
    pub(super) fn of(subscription: Arc<Subscription>, topic: &Topic) -> Option<Self> {
        let attribute = |name: &str| subscription.attributes.get(name);
        let understood = || {
            let filter = Filter::of(&subscription.attributes).ok()?;
            let (to, login) = match subscription.protocol.as_str() {
                "http" | "https" => {
                    let (url, login) = Login::split(&subscription.endpoint)?;
                    (Address::Endpoint(url), login)
                }
                _ => (Address::Resource(ResourceArn::parse(&subscription.endpoint).ok()?), None),
            };
            Some((filter, to, login))
        };
        let Some((filter, to, login)) = understood() else {
            tracing::error!(subscription = %subscription.arn(), "a subscription is not understood; it gets nothing");
            return None;
        };
        let is_raw = attribute(RAW).is_some();
        let dead_letter = attribute(REDRIVE).and_then(|policy| settings::dead_letter(policy));
        let trying = retry::trying(topic.attributes.get(DELIVERY_POLICY), attribute(DELIVERY_POLICY));
        Some(Self { filter, is_raw, to, login, dead_letter, trying, subscription })
    }
}
