//! Handing on what a subscription wants: a task for each, which reads its group onward and gives what matches to
//! deliveries.
//!
//! A mark moves only once deliveries hold what stands before it, so every event is handed on at least once, whatever
//! happens; after a crash those of the last round may come twice, with the same ids. What was dropped from a full group
//! before it was read is missed, and that is said. A subscription reads a bounded number of bytes a second: a function
//! whose own log comes back to it goes round for ever, as it does at AWS, but not ever faster.
//! Source: CloudWatch Logs User Guide, "Subscription filters with AWS Lambda".

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aside::{BrokeOff, Turn};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use model::delivery::{Address, Delivery, Extras, Retry, Sender};
use model::log::{LogGroup, Mark, Subscription};
use model::time::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::logs::Found;
use store::records::RecordError;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::filter::Filter;
use super::{Logs, SERVICE, read};

/// What is read at once.
const ROUND_BYTES: u64 = 1024 * 1024;
/// Messages of one delivery, unless one alone is larger.
const DELIVERY_BYTES_MAX: usize = 256 * 1024;
/// From this size on a pattern may take a tenth of a second over the messages of a round.
const LARGE_BYTES: usize = 8 * 1024;
/// How long events gather before they are read.
const GATHER: Duration = Duration::from_millis(200);
/// From one round to the next, once all was read.
const ROUND: Duration = Duration::from_secs(1);
/// From one to the next while there is more.
const ROUND_BEHIND: Duration = Duration::from_millis(250);
/// How long to wait after the disk failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Subscriptions that have a task, and what wakes it.
#[derive(Default)]
pub(super) struct Forwarding(Mutex<HashMap<(LogGroup, String), Arc<Notify>>>);

impl Forwarding {
    /// Wakes a subscription's task.
    pub(super) fn wake(&self, group: &LogGroup, name: &str) {
        let tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = tasks.get(&(group.clone(), name.to_owned())) {
            bell.notify_one();
        }
    }
}

/// How far a task has read; of which subscription of the name.
struct Reading {
    created: Timestamp,
    mark: Mark,
    /// What is stored of it.
    stored: Mark,
}

impl Logs {
    /// Goes on with handing on what was subscribed to before the server started.
    pub fn resume(&self) {
        for subscription in self.subscriptions.gather(|subscription| Some(subscription.clone())) {
            self.forward(&subscription);
        }
    }

    /// Sees to it that a subscription has a task.
    pub(super) fn forward(&self, subscription: &Subscription) {
        let (group, name) = (subscription.group.clone(), subscription.name.clone());
        let mut tasks = self.forwarding.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = tasks.get(&(group.clone(), name.clone())) {
            return bell.notify_one();
        }
        let bell = self.files.bell(&group);
        tasks.insert((group.clone(), name.clone()), Arc::clone(&bell));
        drop(tasks);
        let logs = self.clone();
        tokio::spawn(async move { logs.keep_forwarding(group, name, &bell).await });
    }

    async fn keep_forwarding(self, group: LogGroup, name: String, bell: &Notify) {
        let mut reading: Option<Reading> = None;
        loop {
            let began = Instant::now();
            let Some(subscription) = self.subscriptions.get(&group, &name) else {
                if self.ends(&group, &name) {
                    return;
                }
                continue;
            };
            let subscription = subscription.value;
            let (created, mark) = (subscription.created, subscription.mark);
            let reading = match &mut reading {
                Some(reading) if reading.created == created => reading,
                other => other.insert(Reading { created, mark, stored: mark }),
            };
            match self.round(&subscription, reading).await {
                Some(true) => sleep_until(began + ROUND_BEHIND).await,
                Some(false) => {
                    bell.notified().await;
                    sleep(GATHER).await;
                    sleep_until(began + ROUND).await;
                }
                None => sleep(AFTER_FAILURE).await,
            }
        }
    }

    /// Ends a task whose subscription is gone, unless there is one of the name again.
    fn ends(&self, group: &LogGroup, name: &str) -> bool {
        let mut tasks = self.forwarding.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_gone = self.subscriptions.get(group, name).is_none();
        if is_gone {
            tasks.remove(&(group.clone(), name.to_owned()));
        }
        is_gone
    }

    /// Reads on once; whether there is more, or nothing if that failed.
    async fn round(&self, subscription: &Subscription, reading: &mut Reading) -> Option<bool> {
        let (group, name) = (subscription.group.name.as_str(), subscription.name.as_str());
        // Was read when it was put.
        let filter = Filter::parse(&subscription.pattern)
            .inspect_err(|error| tracing::error!(group, name, %error, "a subscription is not understood"));
        let filter = filter.ok()?;
        let onward = match self.files.onward(&subscription.group, reading.mark, ROUND_BYTES).await {
            Ok(onward) => onward,
            Err(error) => {
                tracing::warn!(group, name, %error, "a subscription cannot read its log group; trying again");
                return None;
            }
        };
        if onward.missed {
            tracing::warn!(
                group,
                name,
                "a subscription missed events: the log group was full before they were read"
            );
        }
        // If that breaks off, the log says so.
        let wanted = self.picked(&subscription.group, filter, onward.events).await.ok()?;
        let anything = !wanted.is_empty();
        for delivery in deliveries(subscription, &wanted) {
            if let Err(error) = self.deliveries.hand_over(vec![delivery]).await {
                tracing::warn!(group, name, %error, "events of a subscription were not handed on; trying again");
                return None;
            }
        }
        reading.mark = onward.mark;
        // Where nothing was handed on, reading once more costs less than writing down each time how far that is.
        if anything || reading.mark.file != reading.stored.file {
            self.note(subscription, reading).await?;
        }
        Some(onward.more)
    }

    /// Those of a group's events that a filter wants. Where there is much to look at, that is done in the group's line.
    async fn picked(
        &self,
        group: &LogGroup,
        filter: Filter,
        events: Vec<Found>,
    ) -> Result<Vec<Found>, BrokeOff> {
        let is_wanted = |filter: &Filter, found: &Found| filter.matches(&found.event.message);
        if events.iter().map(|found| found.event.message.len()).sum::<usize>() < LARGE_BYTES {
            return Ok(events.into_iter().filter(|found| is_wanted(&filter, found)).collect());
        }
        let (filter, whose) = (Arc::new(filter), group.arn());
        let (mut rest, mut wanted) = (VecDeque::from(events), Vec::new());
        while !rest.is_empty() {
            let filter = Arc::clone(&filter);
            let look = move || {
                let turn = Turn::aside();
                while let Some(found) = rest.pop_front() {
                    wanted.extend(is_wanted(&filter, &found).then_some(found));
                    if turn.is_over() {
                        break;
                    }
                }
                (rest, wanted)
            };
            (rest, wanted) = self.aside.run(&whose, look).await?;
        }
        Ok(wanted)
    }

    /// Writes down how far a subscription is.
    async fn note(&self, subscription: &Subscription, reading: &mut Reading) -> Option<()> {
        loop {
            let there = self.subscriptions.get(&subscription.group, &subscription.name);
            let Some(there) = there.filter(|there| there.value.created == reading.created) else {
                return Some(());
            };
            let moved = Subscription { mark: reading.mark, ..(*there.value).clone() };
            match self.subscriptions.put(moved, Some(there.stored)).await {
                Ok(_) => {
                    reading.stored = reading.mark;
                    return Some(());
                }
                // It was changed or deleted meanwhile.
                Err(RecordError::Conflict { .. }) => {}
                Err(error) => {
                    let (group, name) = (subscription.group.name.as_str(), subscription.name.as_str());
                    tracing::warn!(group, name, %error, "it was not written down how far a subscription is");
                    return None;
                }
            }
        }
    }
}

/// Events by stream, in the order in which they were written, so many together.
fn deliveries<'a>(
    subscription: &'a Subscription,
    events: &'a [Found],
) -> impl Iterator<Item = Delivery> + 'a {
    let mut streams: BTreeMap<&str, Vec<&Found>> = BTreeMap::new();
    for found in events {
        streams.entry(&found.event.stream).or_default().push(found);
    }
    streams.into_iter().flat_map(move |(stream, events)| {
        let mut parts: Vec<(usize, Vec<&Found>)> = Vec::new();
        for found in events {
            let bytes = found.event.message.len();
            match parts.last_mut() {
                Some((total, part)) if *total + bytes <= DELIVERY_BYTES_MAX => {
                    *total += bytes;
                    part.push(found);
                }
                _ => parts.push((bytes, vec![found])),
            }
        }
        parts.into_iter().map(move |(_, part)| {
            let event = |found: &&Found| {
                json!({
                    "id": read::text(found.place),
                    "timestamp": found.event.at.as_millis(),
                    "message": found.event.message,
                })
            };
            let content = json!({
                "messageType": "DATA_MESSAGE",
                "owner": subscription.group.scope.account.as_str(),
                "logGroup": subscription.group.name,
                "logStream": stream,
                "subscriptionFilters": [subscription.name],
                "logEvents": part.iter().map(event).collect::<Vec<_>>(),
            });
            delivery(subscription, &content)
        })
    })
}

/// What a function is told when it is subscribed.
pub(super) fn greeting(subscription: &Subscription, now: Timestamp) -> Delivery {
    let content = json!({
        "messageType": "CONTROL_MESSAGE",
        "owner": "CloudwatchLogs",
        "logGroup": "",
        "logStream": "",
        "subscriptionFilters": [],
        "logEvents": [{
            "id": "",
            "timestamp": now.as_millis(),
            "message": "CWL CONTROL MESSAGE: Checking health of destination Lambda function.",
        }],
    });
    delivery(subscription, &content)
}

fn delivery(subscription: &Subscription, content: &Value) -> Delivery {
    let group = &subscription.group;
    // Names of filters have blanks and what else customers like.
    let digest = Sha256::digest(&subscription.name);
    let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Delivery {
        to: Address::Resource(subscription.destination.clone()),
        from: Sender {
            service: format!("{SERVICE}.amazonaws.com"),
            source: format!("{}:*", group.arn()),
            scope: group.scope.clone(),
            role: None,
        },
        body: Bytes::from(json!({ "awslogs": { "data": packed(content) } }).to_string()),
        extras: Extras::default(),
        retry: Retry::BUS,
        dead_letter: None,
        line: format!("subscription/{}/{digest}", group.name),
    }
}

fn packed(content: &Value) -> String {
    let mut packing = GzEncoder::new(Vec::new(), Compression::fast());
    // Into memory: cannot fail.
    let _ = packing.write_all(content.to_string().as_bytes());
    STANDARD.encode(packing.finish().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use model::arn::{ResourceArn, Scope};
    use model::id::{AccountId, Region};
    use model::log::LogEvent;
    use store::logs::Place;

    use super::*;

    fn subscription() -> Subscription {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        Subscription {
            group: LogGroup { scope, name: "/shop".to_owned() },
            name: "all of it".to_owned(),
            pattern: String::new(),
            destination: ResourceArn::parse("arn:aws:lambda:us-east-1:000000000000:function:f").unwrap(),
            distribution: "ByLogStream".to_owned(),
            created: Timestamp::from_millis(0),
            mark: Mark::default(),
        }
    }

    fn found(stream: &str, number: u64, bytes: usize) -> Found {
        let event =
            LogEvent { stream: stream.into(), at: Timestamp::from_millis(7), message: "m".repeat(bytes) };
        Found { place: Place { at: 7, file: 1, offset: number }, event, taken: Timestamp::from_millis(7) }
    }

    fn content(delivery: &Delivery) -> Value {
        let body: Value = serde_json::from_slice(&delivery.body).unwrap();
        let data = STANDARD.decode(body["awslogs"]["data"].as_str().unwrap()).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&*data).read_to_string(&mut text).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn events_go_by_stream_and_so_many_together() {
        let subscription = subscription();
        let large = DELIVERY_BYTES_MAX / 2 + 1;
        let events = [found("b", 0, 1), found("a", 1, large), found("b", 2, 1), found("a", 3, large)];
        let made: Vec<Delivery> = deliveries(&subscription, &events).collect();
        let seen: Vec<(String, usize)> = made
            .iter()
            .map(|delivery| {
                let content = content(delivery);
                let events = content["logEvents"].as_array().unwrap().len();
                (content["logStream"].as_str().unwrap().to_owned(), events)
            })
            .collect();
        assert_eq!(seen, [("a".to_owned(), 1), ("a".to_owned(), 1), ("b".to_owned(), 2)]);
        let last = content(&made[2]);
        assert_eq!(last["messageType"], "DATA_MESSAGE");
        assert_eq!(last["owner"], "000000000000");
        assert_eq!(last["subscriptionFilters"], json!(["all of it"]));
        assert_eq!(last["logEvents"][1]["timestamp"], 7);
        assert_eq!(last["logEvents"][1]["id"], read::text(events[2].place));
        assert_eq!(made[0].from.source, "arn:aws:logs:us-east-1:000000000000:log-group:/shop:*");
        assert!(made[0].line.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
