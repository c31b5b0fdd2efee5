//! Mappings performed on the real durable queue: batches, filters, failures, concurrency, changes, restarts.
//!
//! Mappings and the queue's settings are stand-ins; tests wait for what has to come.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aside::Aside;
use bytes::Bytes;
use model::arn::ResourceArn;
use model::error::ServiceError;
use model::event::{Directory as _, EventSettings};
use model::event_source::{
    EventSource, EventSourceMapping, MappingId, MappingSettings, Mappings, SourceKind,
};
use model::function::Function;
use model::id::{MappingUuid, MessageId};
use model::port::{Entropy as _, Pending};
use model::queue::{
    DeadLetter, HandOut, Hold, NewMessage, Queue as _, QueueName, Receipt, Receive, Received,
};
use model::sqs::{Content, Source, Sources};
use serde_json::{Value, json};
use store::Store;
use tempfile::TempDir;
use tokio::sync::watch;
use triggers::{EventSources, SourceParts};

use crate::stand_in::{Counting, StandIn, function};

const PATIENCE: Duration = Duration::from_secs(30);
const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:jobs";

/// The mappings and the queue that there are.
struct Set {
    functions: Arc<StandIn>,
    mappings: Mutex<Vec<Arc<EventSourceMapping>>>,
    changes: watch::Sender<u64>,
    visibility: Mutex<Duration>,
    is_fifo: AtomicBool,
    /// Where dead letters go.
    dead_letter: Mutex<Option<DeadLetter>>,
    /// Whether the functions are gone.
    gone: AtomicBool,
}

impl Mappings for Set {
    fn enabled(&self) -> (Vec<Arc<EventSourceMapping>>, u64) {
        let seen = *self.changes.borrow();
        (self.mappings.lock().unwrap().clone(), seen)
    }

    fn changed(&self, since: u64) -> Pending<'_, ()> {
        let mut changes = self.changes.subscribe();
        Box::pin(async move { drop(changes.wait_for(|count| *count > since).await) })
    }

    fn resolve(&self, mapping: &EventSourceMapping, _: &str) -> Result<Arc<Function>, ServiceError> {
        match self.gone.load(Ordering::SeqCst) {
            true => self.functions.resolve(&function("gone"), None),
            false => self.functions.resolve(&mapping.function, None),
        }
    }
}

impl Sources for Set {
    fn queue(&self, arn: &ResourceArn) -> Option<Source> {
        (arn.as_str() == ARN).then(|| Source {
            name: jobs(),
            visibility: *self.visibility.lock().unwrap(),
            dead_letter: self.dead_letter.lock().unwrap().clone(),
            retention: Duration::from_secs(3_600),
            out_max: 1_000,
            is_fifo: self.is_fifo.load(Ordering::SeqCst),
        })
    }

    fn handle(&self, queue: &QueueName, receipt: Receipt) -> String {
        format!("{queue} {receipt:?}")
    }
}

fn jobs() -> QueueName {
    QueueName::parse("sqs/000000000000/us-east-1/jobs/1").unwrap()
}

fn lost() -> QueueName {
    QueueName::parse("sqs/000000000000/us-east-1/lost/1").unwrap()
}

fn mapping(name: &str, settings: MappingSettings) -> Arc<EventSourceMapping> {
    let function = function(name);
    Arc::new(EventSourceMapping {
        id: MappingId { scope: function.scope.clone(), uuid: MappingUuid::from_random([7; 16]) },
        function,
        qualifier: None,
        source: EventSource {
            kind: SourceKind::Sqs,
            arn: ARN.to_owned(),
            endpoints: Vec::new(),
            topics: Vec::new(),
            queues: Vec::new(),
            start: None,
        },
        enabled: true,
        settings: MappingSettings { batch_size: settings.batch_size.max(1), ..settings },
        last_modified: Default::default(),
        tags: Default::default(),
    })
}

struct World {
    _dir: TempDir,
    store: Store,
    functions: Arc<StandIn>,
    set: Arc<Set>,
    pollers: EventSources,
    ids: Arc<Counting>,
}

impl World {
    fn open(visibility: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let functions = StandIn::new(EventSettings {
            retries_max: 0,
            age_max: Duration::from_secs(60),
            on_success: None,
            on_failure: None,
            dead_letter: None,
            role: None,
            may_recur: false,
            is_shut: false,
        });
        let set = Arc::new(Set {
            functions: Arc::clone(&functions),
            mappings: Mutex::default(),
            changes: watch::Sender::new(0),
            visibility: Mutex::new(visibility),
            is_fifo: AtomicBool::new(false),
            dead_letter: Mutex::new(Some(DeadLetter { queue: lost(), receives_max: 3 })),
            gone: AtomicBool::new(false),
        });
        let ids = Arc::<Counting>::default();
        let pollers = EventSources::new(SourceParts {
            mappings: Arc::clone(&set) as _,
            directory: Arc::clone(&functions) as _,
            sources: Arc::clone(&set) as _,
            queue: store.queue(),
            invoke: Arc::clone(&functions) as _,
            entropy: Arc::clone(&ids) as _,
            aside: Aside::new(),
            share: 6,
        });
        tokio::spawn(pollers.clone().run());
        Self { _dir: dir, store, functions, set, pollers, ids }
    }

    fn map(&self, mappings: Vec<Arc<EventSourceMapping>>) {
        *self.set.mappings.lock().unwrap() = mappings;
        self.set.changes.send_modify(|count| *count += 1);
    }

    async fn send(&self, bodies: &[&str]) {
        let message = |body: &&str| {
            let mut random = [0; 16];
            self.ids.fill(&mut random);
            let content = Content { body: (*body).to_owned(), ..Content::default() };
            NewMessage {
                id: MessageId::from_random(random),
                content: content.encode(),
                delay: Duration::ZERO,
                group: self.set.is_fifo.load(Ordering::SeqCst).then(|| "g".to_owned()),
                deduplication: None,
                traceable: false,
            }
        };
        self.store.queue().enqueue(&jobs(), bodies.iter().map(message).collect()).await.unwrap();
    }

    /// The bodies of each event that a function has had.
    fn events_of(&self, name: &str) -> Vec<Vec<String>> {
        let ran = self.functions.ran.lock().unwrap();
        let bodies = |event: &Bytes| {
            let event: Value = serde_json::from_slice(event).unwrap();
            let records = event["Records"].as_array().unwrap().iter();
            records.map(|record| record["body"].as_str().unwrap().to_owned()).collect()
        };
        ran.iter().filter(|ran| ran.0 == name).map(|ran| bodies(&ran.2)).collect()
    }

    /// Waits until a condition holds.
    async fn until(&self, what: &str, holds: impl AsyncFn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self).await {
            assert!(begun.elapsed() < PATIENCE, "{what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn receive(&self, queue: &QueueName, how: HandOut) -> Vec<Received> {
        let wanted =
            Receive { count_max: 10, one_of_a_group: false, wait_max: Duration::ZERO, how: Arc::new(how) };
        self.store.queue().receive(queue, wanted).await.unwrap()
    }

    async fn is_empty(&self) -> bool {
        let counts = self.store.queue().counts(&jobs()).await.unwrap();
        counts.waiting + counts.out + counts.delayed == 0
    }
}

#[tokio::test]
async fn messages_wake_a_function_in_batches_and_are_gone() {
    let world = World::open(Duration::from_secs(30));
    world.send(&["1", "2", "3", "4", "5"]).await;
    world.map(vec![mapping("hello", MappingSettings { batch_size: 3, ..Default::default() })]);
    world.until("the queue is empty", World::is_empty).await;
    let mut bodies: Vec<String> = world.events_of("hello").concat();
    bodies.sort();
    assert_eq!(bodies, ["1", "2", "3", "4", "5"]);
    assert!(world.events_of("hello").iter().all(|batch| batch.len() <= 3));
    // One that comes now wakes it too.
    world.send(&["6"]).await;
    world
        .until("the last one ran", async |world| world.events_of("hello").contains(&vec!["6".to_owned()]))
        .await;
}

/// One thread serves all here, as in the server.
#[tokio::test]
async fn what_filters_take_long_over_holds_nobody_up() {
    let world = World::open(Duration::from_secs(60));
    let ways: Vec<_> = (0..30).map(|number| json!({ "a": [number + 1] })).collect();
    let filter = json!({ "body": { "l": { "$or": ways } } }).to_string();
    let filters = vec![filter.clone(), filter, r#"{"body":{"wanted":[true]}}"#.to_owned()];
    world.map(vec![mapping("hello", MappingSettings { batch_size: 10, filters, ..Default::default() })]);
    let large = |wanted: bool| json!({ "wanted": wanted, "l": vec![json!({ "a": 0 }); 50_000] }).to_string();
    world.send(&[&large(false), &large(true)]).await;
    let begun = Instant::now();
    let longest = Mutex::new(Duration::ZERO);
    let others = async {
        let mut last = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let mut longest = longest.lock().unwrap();
            *longest = longest.max(last.elapsed());
            last = Instant::now();
        }
    };
    tokio::select! {
        biased;
        () = others => {}
        () = world.until("the queue is empty", World::is_empty) => {}
    }
    let (waited, whole) = (*longest.lock().unwrap(), begun.elapsed());
    assert!(waited < whole / 3, "others waited for {waited:?} of {whole:?}");
    assert_eq!(world.events_of("hello"), [vec![large(true)]]);
}

#[tokio::test]
async fn a_window_gathers_what_comes_within_it() {
    let world = World::open(Duration::from_secs(30));
    let settings = MappingSettings { batch_size: 100, window_s: Some(1), ..Default::default() };
    world.map(vec![mapping("hello", settings)]);
    for body in ["1", "2", "3"] {
        world.send(&[body]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.until("the queue is empty", World::is_empty).await;
    assert_eq!(world.events_of("hello").len(), 1);
}

#[tokio::test]
async fn only_what_failed_comes_back_and_ends_among_the_dead_letters() {
    let world = World::open(Duration::from_millis(50));
    world.send(&["good", "bad", "fine"]).await;
    let settings = MappingSettings { batch_size: 10, partial_failures: Some(true), ..Default::default() };
    world.map(vec![mapping("partial", settings)]);
    world.until("the queue is empty", World::is_empty).await;
    let events = world.events_of("partial");
    assert_eq!(events.concat().iter().filter(|body| *body == "bad").count(), 3, "{events:?}");
    assert_eq!(events.concat().len(), 5, "the others ran once: {events:?}");
    let letters = world.receive(&lost(), HandOut::held(Hold::WhileServing)).await;
    let bodies: Vec<_> = letters.iter().map(|it| Content::decode(&it.content).unwrap().body).collect();
    assert_eq!((bodies, letters[0].source.clone()), (vec!["bad".to_owned()], Some(jobs())));
}

/// A mapping has always a poll open, which is older than what happens to the queues.
#[tokio::test]
async fn a_message_goes_to_the_dead_letters_that_there_are_when_it_is_due() {
    let world = World::open(Duration::from_millis(300));
    world.map(vec![mapping("fails-9", MappingSettings::default())]);
    world.send(&["bad"]).await;
    world.until("it failed", async |world| !world.events_of("fails-9").is_empty()).await;
    let anew = QueueName::parse("sqs/000000000000/us-east-1/lost/2").unwrap();
    *world.set.dead_letter.lock().unwrap() = Some(DeadLetter { queue: anew.clone(), receives_max: 1 });
    world.until("the queue is empty", World::is_empty).await;
    let how = || HandOut::held(Hold::WhileServing);
    assert_eq!(world.receive(&lost(), how()).await.len(), 0);
    assert_eq!(world.receive(&anew, how()).await.len(), 1);
}

#[tokio::test]
async fn a_batch_whose_function_fails_comes_back_whole() {
    let world = World::open(Duration::from_millis(50));
    world.send(&["1", "2"]).await;
    world.map(vec![mapping("fails-9", MappingSettings { batch_size: 2, ..Default::default() })]);
    world
        .until("both are dead letters", async |world| {
            world.store.queue().counts(&lost()).await.unwrap().waiting == 2
        })
        .await;
    assert_eq!(world.events_of("fails-9").concat().len(), 6, "each was tried three times");
    assert!(world.is_empty().await);
}

#[tokio::test]
async fn what_no_filter_wants_is_gone_and_wakes_nobody() {
    let world = World::open(Duration::from_secs(30));
    world.send(&[r#"{"degrees":20}"#, r#"{"degrees":40}"#, "text"]).await;
    let filters = vec![r#"{"body":{"degrees":[{"numeric":[">",30]}]}}"#.to_owned()];
    world.map(vec![mapping("hello", MappingSettings { batch_size: 10, filters, ..Default::default() })]);
    world.until("the queue is empty", World::is_empty).await;
    assert_eq!(world.events_of("hello"), [[r#"{"degrees":40}"#]]);
}

#[tokio::test]
async fn no_more_batches_run_at_once_than_the_mapping_says() {
    let world = World::open(Duration::from_secs(30));
    world.send(&["1", "2", "3", "4", "5", "6"]).await;
    let settings = MappingSettings { batch_size: 1, concurrency_max: Some(2), ..Default::default() };
    world.map(vec![mapping("slow", settings)]);
    world.until("the queue is empty", World::is_empty).await;
    assert_eq!(world.functions.at_once_max.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_mapping_that_changes_runs_no_more_batches_at_once_for_it() {
    let world = World::open(Duration::from_secs(30));
    world.send(&["1", "2", "3", "4", "5", "6"]).await;
    let settings = |partial| MappingSettings {
        batch_size: 1,
        concurrency_max: Some(2),
        partial_failures: Some(partial),
        ..Default::default()
    };
    for partial in [false, true, false] {
        world.map(vec![mapping("slow", settings(partial))]);
        let runs = async |world: &World| world.functions.at_once.load(Ordering::SeqCst) == 2;
        world.until("two run", runs).await;
    }
    world.map(Vec::new());
    world.map(vec![mapping("slow", settings(true))]);
    world.until("the queue is empty", World::is_empty).await;
    assert_eq!(world.functions.at_once_max.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_comes_after_the_function_went_does_not_run() {
    let world = World::open(Duration::from_secs(30));
    world.map(vec![mapping("hello", MappingSettings::default())]);
    world.send(&["1"]).await;
    world.until("it polls", World::is_empty).await;
    // The poll that waits now began when the function was there.
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.set.gone.store(true, Ordering::SeqCst);
    world.send(&["2"]).await;
    let is_back = async |world: &World| {
        let counts = world.store.queue().counts(&jobs()).await.unwrap();
        (counts.waiting, counts.out) == (1, 0)
    };
    world.until("it is back", is_back).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.events_of("hello"), [["1"]]);
    world.set.gone.store(false, Ordering::SeqCst);
    world.until("it ran", World::is_empty).await;
    assert_eq!(world.events_of("hello"), [["1"], ["2"]]);
}

#[tokio::test]
async fn without_concurrency_a_batch_waits_and_is_not_counted_as_received_again() {
    let world = World::open(Duration::from_secs(30));
    world.send(&["1", "2", "3"]).await;
    world.map(vec![mapping("narrow-1", MappingSettings { batch_size: 1, ..Default::default() })]);
    world.until("the queue is empty", World::is_empty).await;
    assert_eq!(world.events_of("narrow-1").concat().len(), 3);
    assert!(world.functions.refused.load(Ordering::SeqCst) > 0, "it was narrow");
    assert_eq!(world.store.queue().counts(&lost()).await.unwrap().waiting, 0);
}

#[tokio::test]
async fn a_mapping_that_is_disabled_receives_nothing_more() {
    let world = World::open(Duration::from_secs(30));
    let hello = mapping("hello", MappingSettings::default());
    world.map(vec![Arc::clone(&hello)]);
    world.send(&["1"]).await;
    world.until("it runs", async |world| world.events_of("hello").len() == 1).await;
    world.map(Vec::new());
    // The change is seen before the next message, since both go through one thread here.
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.send(&["2"]).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let counts = world.store.queue().counts(&jobs()).await.unwrap();
    assert_eq!((counts.waiting, counts.out), (1, 0));
    world.map(vec![hello]);
    world.until("it goes on", async |world| world.events_of("hello").len() == 2).await;
    world.pollers.stop();
}

#[tokio::test]
async fn what_is_too_much_for_one_event_keeps_its_order_when_the_function_fails() {
    let world = World::open(Duration::from_millis(50));
    world.set.is_fifo.store(true, Ordering::SeqCst);
    let bodies: Vec<String> = (0..8).map(|number| format!("{number}{}", " ".repeat(1_000_000))).collect();
    world.send(&bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.map(vec![mapping("stumbles", MappingSettings { batch_size: 10, ..Default::default() })]);
    world.until("the queue is empty", World::is_empty).await;
    let events = world.events_of("stumbles");
    let numbers =
        |event: &Vec<String>| event.iter().map(|body| body.trim_end().to_owned()).collect::<Vec<_>>();
    let numbers: Vec<Vec<String>> = events.iter().map(numbers).collect();
    assert!(numbers[0].len() < 8, "one event has not room for all");
    assert_eq!(numbers[1..].concat(), ["0", "1", "2", "3", "4", "5", "6", "7"], "{numbers:?}");
}

#[tokio::test]
async fn what_was_received_when_the_server_stops_goes_back_as_if_it_had_not_been() {
    let world = World::open(Duration::from_secs(30));
    world.send(&["1", "2", "3"]).await;
    let settings = MappingSettings { batch_size: 100, window_s: Some(300), ..Default::default() };
    world.map(vec![mapping("away", settings)]);
    let counts = async |world: &World| world.store.queue().counts(&jobs()).await.unwrap();
    world.until("all are gathered", async |world| counts(world).await.out == 3).await;
    world.pollers.stop();
    world.pollers.settled().await;
    assert_eq!((counts(&world).await.waiting, counts(&world).await.out), (3, 0));
    let dead_letter = Some(DeadLetter { queue: lost(), receives_max: 1 });
    let back = world.receive(&jobs(), HandOut { dead_letter, ..HandOut::held(Hold::WhileServing) }).await;
    assert_eq!(back.iter().map(|message| message.receipt.receives).collect::<Vec<_>>(), [1; 3]);
}

#[tokio::test]
async fn a_machine_that_is_full_is_asked_again_while_the_messages_are_held() {
    let world = World::open(Duration::from_secs(30));
    world.send(&["1"]).await;
    world.map(vec![mapping("away", MappingSettings::default())]);
    let refused = |world: &World| world.functions.refused.load(Ordering::SeqCst);
    let begun = Instant::now();
    world.until("it is tried", async |world| refused(world) >= 4).await;
    // Pauses of 200, 400 and 800 ms: what is put back comes again at once.
    assert!(begun.elapsed() >= Duration::from_millis(1_300), "{:?}", begun.elapsed());
    let counts = world.store.queue().counts(&jobs()).await.unwrap();
    assert_eq!((counts.waiting, counts.out), (0, 1));
}

#[tokio::test]
async fn messages_are_held_as_the_queue_says_when_they_come() {
    let world = World::open(Duration::from_millis(50));
    world.map(vec![mapping("fails-9", MappingSettings::default())]);
    // The poll that waits now began when failures came back at once.
    tokio::time::sleep(Duration::from_millis(100)).await;
    *world.set.visibility.lock().unwrap() = Duration::from_secs(300);
    world.send(&["1"]).await;
    world.until("it ran", async |world| world.events_of("fails-9").len() == 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.events_of("fails-9"), [["1"]]);
}
