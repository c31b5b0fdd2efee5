//! Subscriptions: who gets a topic's messages, after giving its word where nobody has given it already.
//!
//! Functions and queues of the account that subscribes them need give none; all other endpoints are sent a message with a link,
//! and get nothing before somebody has followed it. The same when somebody who does not say who it is ends a subscription of
//! an HTTP endpoint: its word is asked for anew. Source: SNS API Reference, `Subscribe`, `ConfirmSubscription`, `Unsubscribe`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::arn::ResourceArn;
use model::error::ServiceError;
use model::topic::{Confirmation, Confirmed, Subscription, TopicId};
use store::records::table::Entry;
use wire::sns::{self as api, errors};

use super::attributes::{MESSAGE_BYTES, SIZE};
use super::error::{invalid, no_subscription, not_served, of_deliveries, of_records};
use super::message::Invitation;
use super::retry::{self, DELIVERY_POLICY};
use super::settings::{self, About, FILTER, FILTER_SCOPE, RAW};
use super::topic::{LARGE_SUBSCRIPTIONS_MAX, of_size};
use super::{Caller, Sns, name, page};
use crate::endpoint::{self, Login};

/// Subscriptions of one topic. AWS allows 12.5 million of a standard one; each publication hands all of them a message here.
const SUBSCRIPTIONS_MAX: usize = 1_000;
/// Of a FIFO topic, and filters of one topic (SNS Developer Guide, "Amazon SNS quotas").
const FIFO_SUBSCRIPTIONS_MAX: usize = 100;
const FILTERS_MAX: usize = 200;
/// How long an endpoint can give its word (SNS API Reference, `ConfirmSubscription`: two days).
const CONFIRMED_WITHIN: Duration = Duration::from_secs(2 * 24 * 3600);

impl Sns {
    pub(super) async fn subscribe(
        &self,
        caller: &Caller,
        input: &api::SubscribeInput,
    ) -> Result<api::SubscribeResponse, ServiceError> {
        let id = name::topic("TopicArn", input.topic_arn.as_ref())?;
        let protocol = input.protocol.clone().unwrap_or_default();
        let endpoint = input.endpoint.clone().unwrap_or_default();
        let needs_word = check_endpoint(caller, &id, &protocol, &endpoint)?;
        let about = About { protocol: &protocol, endpoint: &endpoint, is_fifo: id.is_fifo() };
        let asked = input.attributes.clone().unwrap_or_default();
        let attributes = settings::given(about, &asked)?;
        let turn = self.changing.lock().await;
        self.topic(&id)?;
        let all = self.subscriptions.all(&id);
        let known =
            all.iter().find(|entry| entry.value.endpoint == endpoint && entry.value.protocol == protocol);
        let subscription = match known {
            Some(known) => {
                // What is as if it were not given is compared too.
                let is_same = |name: &String| known.value.attributes.get(name) == attributes.get(name);
                if !asked.keys().all(is_same) {
                    let reason = "Attributes Reason: Subscription already exists with different attributes";
                    return Err(invalid(reason));
                }
                Arc::clone(&known.value)
            }
            None => {
                let confirmation = needs_word.then(|| self.confirmation(""));
                let subscription = Subscription {
                    topic: id,
                    id: self.fresh_id(),
                    owner: caller.scope.account,
                    protocol,
                    endpoint,
                    attributes,
                    confirmation,
                    server: caller.server.clone(),
                };
                self.add(subscription, &all).await?
            }
        };
        drop(turn);
        if subscription.is_pending() {
            self.invite(&subscription, Invitation::Subscribe).await?;
        }
        let is_told = !subscription.is_pending() || input.return_subscription_arn == Some(true);
        let arn = if is_told { subscription.arn() } else { "pending confirmation".to_owned() };
        Ok(api::SubscribeResponse { subscription_arn: Some(arn) })
    }

    async fn add(
        &self,
        mut subscription: Subscription,
        all: &[Entry<Subscription>],
    ) -> Result<Arc<Subscription>, ServiceError> {
        let topic = self.topic(&subscription.topic)?;
        let is_large = topic
            .attributes
            .get(SIZE)
            .and_then(|it| it.parse().ok())
            .is_some_and(|it: usize| it > MESSAGE_BYTES);
        let is_http = matches!(subscription.protocol.as_str(), "http" | "https");
        if is_large && (is_http || all.len() >= LARGE_SUBSCRIPTIONS_MAX) {
            return Err(of_size());
        }
        let max = if topic.id.is_fifo() { FIFO_SUBSCRIPTIONS_MAX } else { SUBSCRIPTIONS_MAX };
        if all.len() >= max {
            return Err(errors::SUBSCRIPTION_LIMIT_EXCEEDED_EXCEPTION.error("Subscription limit exceeded"));
        }
        if subscription.attributes.contains_key(FILTER) {
            check_filters(all)?;
        }
        if let Some(confirmation) = &mut subscription.confirmation {
            *confirmation = self.confirmation(&subscription.id);
        }
        let kept = self.subscriptions.put(subscription, None).await;
        self.changed(&topic.id);
        kept.map_err(of_records)
    }

    pub(super) async fn confirm(
        &self,
        caller: &Caller,
        input: &api::ConfirmSubscriptionInput,
    ) -> Result<api::ConfirmSubscriptionResponse, ServiceError> {
        let topic = name::topic("TopicArn", input.topic_arn.as_ref())?;
        let token = input.token.as_deref().unwrap_or_default();
        let wants_guard = input
            .authenticate_on_unsubscribe
            .as_deref()
            .is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let _turn = self.changing.lock().await;
        self.topic(&topic)?;
        let unknown = || invalid("Token");
        let known = subscription_of(token).and_then(|id| self.subscriptions.get(&topic, &id));
        let known = known.ok_or_else(unknown)?;
        let mut subscription = Subscription::clone(&known.value);
        let arn = subscription.arn();
        let confirmation = subscription.confirmation.as_mut().filter(|asked| asked.token == token);
        let confirmation = confirmation.ok_or_else(unknown)?;
        if self.clock.now() > confirmation.asked.after(CONFIRMED_WITHIN) {
            return Err(unknown());
        }
        if confirmation.given.is_none() {
            confirmation.given = Some(Confirmed {
                is_authenticated: caller.is_authenticated,
                is_guarded: wants_guard && caller.is_authenticated,
            });
            let kept = self.subscriptions.put(subscription, Some(known.stored)).await;
            self.changed(&topic);
            kept.map_err(of_records)?;
            linked(caller, &arn, "a subscription was confirmed by a link");
        }
        Ok(api::ConfirmSubscriptionResponse { subscription_arn: Some(arn) })
    }

    pub(super) async fn unsubscribe(
        &self,
        caller: &Caller,
        input: &api::UnsubscribeInput,
    ) -> Result<(), ServiceError> {
        let (topic, id) = name::subscription(input.subscription_arn.as_ref())?;
        let turn = self.changing.lock().await;
        let Some(known) = self.subscriptions.get(&topic, &id) else { return Ok(()) };
        let given = known.value.confirmation.as_ref().and_then(|confirmation| confirmation.given);
        if !caller.is_authenticated && given.is_some_and(|given| given.is_guarded) {
            let message = "This subscription can be ended by callers only who say who they are.";
            return Err(errors::AUTHORIZATION_ERROR_EXCEPTION.error(message));
        }
        if caller.is_authenticated || given.is_none() {
            let removed = self.subscriptions.remove(&topic, &id, known.stored).await;
            self.changed(&topic);
            removed.map_err(of_records)?;
            linked(caller, &known.value.arn(), "a subscription was ended by a link");
            return Ok(());
        }
        let mut ended = Subscription::clone(&known.value);
        ended.confirmation = Some(self.confirmation(&id));
        let kept = self.subscriptions.put(ended, Some(known.stored)).await;
        self.changed(&topic);
        drop(turn);
        let ended = kept.map_err(of_records)?;
        linked(
            caller,
            &ended.arn(),
            "a subscription was ended by a link; it waits for its endpoint's word again",
        );
        self.invite(&ended, Invitation::Restore).await
    }

    async fn invite(&self, subscription: &Arc<Subscription>, how: Invitation) -> Result<(), ServiceError> {
        let topic = self.topic(&subscription.topic)?;
        let time = wire::time::rfc3339(self.clock.now());
        let Some(delivery) = how.delivery(subscription, &topic, &self.fresh_id(), &time) else {
            return Ok(());
        };
        self.deliveries.hand_over(vec![delivery]).await.map_err(of_deliveries)
    }

    /// What the endpoint of a subscription is asked for. The token begins with the subscription's id, which is no secret.
    fn confirmation(&self, id: &str) -> Confirmation {
        let mut random = [0; 32];
        self.entropy.fill(&mut random);
        let secret: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let token = format!("{}{secret}", id.replace('-', ""));
        Confirmation { token, asked: self.clock.now(), given: None }
    }

    pub(super) fn subscription_attributes(
        &self,
        input: &api::GetSubscriptionAttributesInput,
    ) -> Result<api::GetSubscriptionAttributesResponse, ServiceError> {
        let (topic, id) = name::subscription(input.subscription_arn.as_ref())?;
        let known = self.subscriptions.get(&topic, &id).ok_or_else(no_subscription)?.value;
        let given = known.confirmation.as_ref().and_then(|confirmation| confirmation.given);
        let is_authenticated = given.map_or(known.confirmation.is_none(), |given| given.is_authenticated);
        let mut shown: BTreeMap<String, String> = [
            ("SubscriptionArn", known.arn()),
            ("TopicArn", topic.arn()),
            ("Owner", known.owner.to_string()),
            ("Protocol", known.protocol.clone()),
            ("Endpoint", Login::hidden(&known.endpoint)),
            (RAW, "false".to_owned()),
            ("PendingConfirmation", known.is_pending().to_string()),
            ("ConfirmationWasAuthenticated", is_authenticated.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        if known.attributes.contains_key(FILTER) {
            shown.insert(FILTER_SCOPE.to_owned(), "MessageAttributes".to_owned());
        }
        if matches!(known.protocol.as_str(), "http" | "https") {
            let topic = self.topic(&topic)?;
            let of = topic.attributes.get(DELIVERY_POLICY);
            let effective = retry::effective_of_subscription(of, known.attributes.get(DELIVERY_POLICY));
            shown.insert("EffectiveDeliveryPolicy".to_owned(), effective);
        }
        shown.extend(known.attributes.clone());
        Ok(api::GetSubscriptionAttributesResponse { attributes: Some(shown) })
    }

    pub(super) async fn set_subscription_attributes(
        &self,
        input: &api::SetSubscriptionAttributesInput,
    ) -> Result<(), ServiceError> {
        let (topic, id) = name::subscription(input.subscription_arn.as_ref())?;
        let name = input.attribute_name.clone().unwrap_or_default();
        let value = input.attribute_value.clone().unwrap_or_default();
        let _turn = self.changing.lock().await;
        let known = self.subscriptions.get(&topic, &id).ok_or_else(no_subscription)?;
        let mut changed = Subscription::clone(&known.value);
        let is_fifo = topic.is_fifo();
        let about = About { protocol: &known.value.protocol, endpoint: &known.value.endpoint, is_fifo };
        settings::set(&mut changed.attributes, about, &name, &value)?;
        if changed.attributes.contains_key(FILTER) && !known.value.attributes.contains_key(FILTER) {
            check_filters(&self.subscriptions.all(&topic))?;
        }
        let kept = self.subscriptions.put(changed, Some(known.stored)).await;
        self.changed(&topic);
        kept.map(drop).map_err(of_records)
    }

    pub(super) fn list_subscriptions(
        &self,
        caller: &Caller,
        input: &api::ListSubscriptionsInput,
    ) -> Result<api::ListSubscriptionsResponse, ServiceError> {
        let after = page::after(input.next_token.as_ref())?.unwrap_or_default();
        let scope = &caller.scope;
        let wanted = |known: &Subscription| {
            known.owner == scope.account && known.topic.scope.region == scope.region && known.arn() > after
        };
        let found = |known: &Subscription| wanted(known).then(|| (known.arn(), shown(known)));
        let mut found = self.subscriptions.gather(found);
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        let more = found.len() > page::PAGE_MAX;
        found.truncate(page::PAGE_MAX);
        let next_token = page::token(found.last().map(|(arn, _)| arn.as_str()), more);
        let subscriptions = Some(found.into_iter().map(|(_, shown)| shown).collect());
        Ok(api::ListSubscriptionsResponse { subscriptions, next_token })
    }

    pub(super) fn list_subscriptions_by_topic(
        &self,
        input: &api::ListSubscriptionsByTopicInput,
    ) -> Result<api::ListSubscriptionsByTopicResponse, ServiceError> {
        let topic = name::topic("TopicArn", input.topic_arn.as_ref())?;
        self.topic(&topic)?;
        let after = page::after(input.next_token.as_ref())?;
        let (found, more) = self.subscriptions.page(&topic, after.as_deref(), page::PAGE_MAX, |_| true);
        let next_token = page::token(found.last().map(|last| last.id.as_str()), more);
        let subscriptions = Some(found.iter().map(|known| shown(known)).collect());
        Ok(api::ListSubscriptionsByTopicResponse { subscriptions, next_token })
    }

    /// Removes subscriptions for which nobody has given their word in time.
    pub async fn collect(&self) {
        let now = self.clock.now();
        let is_late = |known: &Subscription| {
            let asked = known.confirmation.as_ref().filter(|_| known.is_pending())?.asked;
            (now > asked.after(CONFIRMED_WITHIN)).then(|| (known.topic.clone(), known.id.clone()))
        };
        for (topic, id) in self.subscriptions.gather(is_late) {
            let _turn = self.changing.lock().await;
            let Some(known) =
                self.subscriptions.get(&topic, &id).filter(|known| is_late(&known.value).is_some())
            else {
                continue;
            };
            if let Err(error) = self.subscriptions.remove(&topic, &id, known.stored).await {
                tracing::warn!(%error, subscription = %known.value.arn(), "a subscription that nobody confirms stays");
            }
            self.changed(&topic);
        }
    }
}

/// Says what somebody has done who does not say who it is: no audit log can tell it.
fn linked(caller: &Caller, subscription: &str, what: &str) {
    if !caller.is_authenticated {
        tracing::info!(subscription, "{what}");
    }
}

/// The subscription that a token is about.
fn subscription_of(token: &str) -> Option<String> {
    let id = token.get(..32).filter(|_| token.is_ascii())?;
    Some([&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-"))
}

fn shown(known: &Subscription) -> api::Subscription {
    let arn = if known.is_pending() { "PendingConfirmation".to_owned() } else { known.arn() };
    api::Subscription {
        subscription_arn: Some(arn),
        owner: Some(known.owner.to_string()),
        protocol: Some(known.protocol.clone()),
        endpoint: Some(Login::hidden(&known.endpoint)),
        topic_arn: Some(known.topic.arn()),
    }
}

fn check_filters(all: &[Entry<Subscription>]) -> Result<(), ServiceError> {
    if all.iter().filter(|entry| entry.value.attributes.contains_key(FILTER)).count() < FILTERS_MAX {
        return Ok(());
    }
    let message = "Filter policy limit exceeded for the topic";
    Err(errors::FILTER_POLICY_LIMIT_EXCEEDED_EXCEPTION.error(message))
}

/// Whether an endpoint that can be subscribed has to give its word.
fn check_endpoint(
    caller: &Caller,
    topic: &TopicId,
    protocol: &str,
    endpoint: &str,
) -> Result<bool, ServiceError> {
    if endpoint.is_empty() {
        return Err(invalid("Endpoint Reason: no value for required parameter"));
    }
    match protocol {
        "sqs" | "lambda" => {}
        "http" | "https" if topic.is_fifo() => {}
        "http" | "https" => {
            if Login::split(endpoint).is_none() || !endpoint.starts_with(&format!("{protocol}://")) {
                return Err(invalid("Endpoint must match the specified protocol"));
            }
            return endpoint::check(endpoint)
                .map(|()| true)
                .map_err(|why| invalid(format_args!("Endpoint Reason: {why}")));
        }
        "email" | "email-json" | "sms" | "application" | "firehose" => {
            return Err(not_served(format_args!("The protocol {protocol}")));
        }
        _ => {
            let shown: String = protocol.chars().take(40).collect();
            return Err(invalid(format_args!("Amazon SNS does not support this protocol string: {shown}")));
        }
    }
    if topic.is_fifo() && protocol != "sqs" {
        return Err(invalid(
            "Endpoint Reason: Please use an SQS queue: FIFO topics deliver to no other endpoints",
        ));
    }
    let arn = ResourceArn::parse(endpoint).ok().filter(|arn| arn.service() == protocol);
    let arn = arn.ok_or_else(|| invalid(format_args!("{} endpoint ARN", protocol.to_uppercase())))?;
    if !topic.is_fifo() && protocol == "sqs" && endpoint.ends_with(".fifo") {
        return Err(invalid("Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"));
    }
    Ok(arn.scope().account != caller.scope.account)
}
