//! Events on their way: run, tried again, held back, given up, told to destinations, found again after a restart.
//!
//! Tests wait for what has to come, never for a span of time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use model::event::{Event, EventSettings, Events as _, Fate};
use model::id::RequestId;
use model::port::Entropy as _;
use model::sqs::MESSAGE_BYTES_MAX;
use store::Store;
use tempfile::TempDir;
use triggers::{Asynchronous, Delivering, Parts, Settings};

use crate::stand_in::{Counting, StandIn, WallClock, function};
use crate::targets::{Forwarding, Taking};

const PATIENCE: Duration = Duration::from_secs(30);
const SHARE: usize = 6;

struct World {
    dir: TempDir,
    store: Store,
    functions: Arc<StandIn>,
    events: Asynchronous,
    delivering: Delivering,
    queues: Arc<Taking>,
    ids: Arc<Counting>,
}

fn settings() -> EventSettings {
    EventSettings {
        retries_max: 2,
        age_max: Duration::from_secs(3_600),
        on_success: None,
        on_failure: None,
        dead_letter: None,
        role: None,
        may_recur: false,
        is_shut: false,
    }
}

impl World {
    async fn open(dir: TempDir, functions: Arc<StandIn>, ids: Arc<Counting>, share: usize) -> Self {
        let store = Store::open(dir.path()).unwrap();
        let delivering = Delivering::new(store.queue(), Arc::clone(&ids) as _);
        let parts = Parts {
            queue: store.queue(),
            directory: Arc::clone(&functions) as _,
            invoke: Arc::clone(&functions) as _,
            clock: Arc::new(WallClock),
            deliveries: Arc::new(delivering.clone()),
        };
        let settings = Settings { share, retry_pause: Duration::from_millis(20) };
        let events = Asynchronous::new(parts, settings);
        let queues = Arc::<Taking>::default();
        let to_functions = Forwarding { events: Arc::new(events.clone()), ids: Arc::clone(&ids) };
        delivering.start(vec![Arc::new(to_functions), Arc::clone(&queues) as _]).await.unwrap();
        events.start().await.unwrap();
        Self { dir, store, functions, events, delivering, queues, ids }
    }

    async fn new(settings: EventSettings) -> Self {
        Self::open(tempfile::tempdir().unwrap(), StandIn::new(settings), Arc::default(), SHARE).await
    }

    async fn with_share(share: usize) -> Self {
        Self::open(tempfile::tempdir().unwrap(), StandIn::new(settings()), Arc::default(), share).await
    }

    async fn restarted(self) -> Self {
        let Self { dir, store, functions, events, delivering, ids, .. } = self;
        events.stop();
        delivering.stop();
        store.close().await;
        Self::open(dir, functions, ids, SHARE).await
    }

    async fn send(&self, name: &str) -> RequestId {
        self.send_payload(name, "{}").await
    }

    async fn send_payload(&self, name: &str, payload: &str) -> RequestId {
        let mut random = [0; 16];
        self.ids.fill(&mut random);
        let request = RequestId::from_random(random);
        self.events.accept(event(name, request, payload, None)).await.unwrap();
        request
    }

    async fn fate(&self, request: RequestId) -> Fate {
        self.events.fate(request).await.unwrap().expect("the event is known")
    }

    /// Waits until an event is at its end.
    async fn ended(&self, request: RequestId) -> (&'static str, u32) {
        let begun = Instant::now();
        loop {
            let Fate { status, failed, .. } = self.fate(request).await;
            if !matches!(status, "queued" | "running") {
                return (status, failed);
            }
            assert!(begun.elapsed() < PATIENCE, "{request} is {status}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn event(name: &str, request: RequestId, payload: &str, trace: Option<String>) -> Event {
    Event {
        request,
        function: function(name),
        qualifier: None,
        payload: Bytes::from(payload.to_owned()),
        client_context: None,
        trace,
        tenant: None,
    }
}

#[tokio::test]
async fn an_event_runs_with_the_id_of_its_request() {
    let world = World::new(settings()).await;
    let requests = [world.send("hello").await, world.send("hello").await];
    for request in requests {
        assert_eq!(world.ended(request).await, ("Success", 0));
    }
    let mut ran = world.functions.ran_of("hello");
    ran.sort_unstable();
    assert_eq!(ran, requests);
    assert_eq!(world.fate(requests[0]).await.function, function("hello").arn().to_string());
    assert_eq!(world.events.fate(RequestId::from_random([9; 16])).await, Ok(None));
}

#[tokio::test]
async fn failures_are_tried_again_as_often_as_set() {
    let world = World::new(settings()).await;
    for (name, ended, runs) in [
        ("fails-1", ("Success", 1), 2),
        ("fails-2", ("Success", 2), 3),
        ("fails-3", ("RetriesExhausted", 3), 3),
    ] {
        let request = world.send(name).await;
        assert_eq!(world.ended(request).await, ended, "{name}");
        assert_eq!(world.functions.ran_of(name), vec![request; runs], "{name}");
    }
    world.functions.settings.lock().unwrap().retries_max = 0;
    let request = world.send("fails-9").await;
    assert_eq!(world.ended(request).await, ("RetriesExhausted", 1));
    let request = world.send("gone").await;
    assert_eq!(world.ended(request).await, ("FunctionNotFound", 0));
}

#[tokio::test]
async fn what_finds_no_concurrency_is_held_back_and_counts_as_no_failure() {
    let world = World::new(settings()).await;
    let begun = Instant::now();
    let request = world.send("busy-2").await;
    assert_eq!(world.ended(request).await, ("Success", 0));
    assert!(begun.elapsed() >= Duration::from_secs(3), "one second, then two: {:?}", begun.elapsed());
    world.functions.settings.lock().unwrap().age_max = Duration::from_secs(2);
    let request = world.send("busy-99").await;
    assert_eq!(world.ended(request).await, ("EventAgeExceeded", 0));
    assert_eq!(world.functions.ran_of("busy-99"), []);
}

#[tokio::test]
async fn an_environment_that_is_stopped_is_no_failure_of_the_function() {
    let world = World::new(EventSettings { retries_max: 0, ..settings() }).await;
    let request = world.send("stopped-1").await;
    assert_eq!(world.ended(request).await, ("Success", 0));
    assert_eq!(world.functions.ran_of("stopped-1"), [request; 2]);
}

#[tokio::test]
async fn events_of_a_function_that_may_not_run_are_given_up_at_once() {
    let world = World::new(EventSettings { is_shut: true, ..settings() }).await;
    let request = world.send("hello").await;
    assert_eq!(world.ended(request).await, ("ZeroReservedConcurrency", 0));
    assert_eq!(world.functions.ran_of("hello"), []);
}

#[tokio::test]
async fn a_slow_function_delays_no_other_and_takes_its_share_at_most() {
    let world = World::new(settings()).await;
    let mut slow = Vec::new();
    for _ in 0..12 {
        slow.push(world.send("slow").await);
    }
    let begun = Instant::now();
    for _ in 0..20 {
        let quick = world.send("quick").await;
        assert_eq!(world.ended(quick).await.0, "Success");
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    for request in slow {
        assert_eq!(world.ended(request).await.0, "Success");
    }
    // Those of the slow one, and one quick one at a time.
    assert!(world.functions.at_once_max.load(Ordering::SeqCst) <= SHARE + 1);
}

#[tokio::test]
async fn a_function_with_little_concurrency_is_offered_little() {
    let world = World::with_share(40).await;
    let mut requests = Vec::new();
    for _ in 0..60 {
        requests.push(world.send("narrow-2").await);
    }
    for request in requests {
        assert_eq!(world.ended(request).await, ("Success", 0));
    }
    let refused = world.functions.refused.load(Ordering::SeqCst);
    assert!(refused < 60, "{refused} times for 60 events");
}

#[tokio::test]
async fn an_event_whose_caller_hung_up_runs_all_the_same() {
    let world = World::new(settings()).await;
    let request = RequestId::from_random([5; 16]);
    let accepted = world.events.accept(event("hello", request, "{}", None));
    // Polled once, so that it has begun, and dropped.
    tokio::select! {
        biased;
        _ = accepted => {}
        () = std::future::ready(()) => {}
    }
    let begun = Instant::now();
    while world.functions.ran_of("hello") != [request] {
        assert!(begun.elapsed() < PATIENCE, "nobody looks for it");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn destinations_are_functions_that_get_the_record() {
    let arn = |name| Some(format!("arn:aws:lambda:us-east-1:000000000000:function:{name}"));
    let told = EventSettings { on_success: arn("pleased"), on_failure: arn("sorry"), ..settings() };
    let world = World::new(told).await;
    // Destinations have no destination of their own here, or they would tell each other for ever.
    for (name, destination, condition) in
        [("hello", "pleased", "Success"), ("fails-9", "sorry", "RetriesExhausted")]
    {
        let request = world.send(name).await;
        let begun = Instant::now();
        let record = loop {
            let ran = world.functions.ran.lock().unwrap().clone();
            if let Some((.., payload, _)) = ran.iter().find(|ran| ran.0 == destination) {
                break payload.clone();
            }
            assert!(begun.elapsed() < PATIENCE, "{destination} was not told");
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        *world.functions.settings.lock().unwrap() = settings();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        assert_eq!(record["requestContext"]["requestId"], request.to_string());
        assert_eq!(record["requestContext"]["condition"], condition);
        assert_eq!(record["requestPayload"], serde_json::json!({}));
        world.functions.settings.lock().unwrap().on_failure = arn("sorry");
    }
}

#[tokio::test]
async fn a_dead_letter_queue_gets_the_event_and_why_it_failed() {
    let queue = "arn:aws:sqs:us-east-1:000000000000:lost";
    let role = Some("arn:aws:iam::000000000000:role/r".to_owned());
    let world =
        World::new(EventSettings { dead_letter: Some(queue.to_owned()), role: role.clone(), ..settings() })
            .await;
    let request = world.send("fails-9").await;
    assert_eq!(world.ended(request).await, ("RetriesExhausted", 3));
    let letter = world.queues.wait_for(1, PATIENCE).await.remove(0);
    assert_eq!((letter.to.to_string().as_str(), &letter.body[..]), (queue, &b"{}"[..]));
    assert_eq!((letter.from.role, letter.from.source), (role, function("fails-9").arn().to_string()));
    let attributes: Vec<_> =
        letter.extras.attributes.iter().map(|it| (it.name.as_str(), &it.value[..])).collect();
    let id = request.to_string();
    assert_eq!(attributes, [("RequestID", id.as_bytes()), ("ErrorCode", b"200"), ("ErrorMessage", b"no")]);
    assert_eq!(world.functions.ran_of("fails-9").len(), 3, "telling does not run it again");
}

#[tokio::test]
async fn a_dead_letter_says_why_as_far_as_there_is_room_beside_the_event() {
    let dead_letter = Some("arn:aws:sqs:us-east-1:000000000000:lost".to_owned());
    let world = World::new(EventSettings { dead_letter, ..settings() }).await;
    for (count, (room, told)) in (1..).zip([(0, 0), (60, 1), (4_000, 3)]) {
        let payload = format!("\"{}\"", "x".repeat(MESSAGE_BYTES_MAX as usize - 2 - room));
        world.send_payload("fails-9", &payload).await;
        let letter = world.queues.wait_for(count, PATIENCE).await.remove(count - 1);
        assert!(letter.body == payload.as_bytes(), "{} bytes came", letter.body.len());
        assert_eq!(letter.extras.attributes.len(), told);
    }
}

/// The record holds the event and the answer; the dead-letter queue gets the event, which fits.
#[tokio::test]
async fn a_record_that_is_too_large_takes_no_dead_letter_with_it() {
    let queue = |name: &str| Some(format!("arn:aws:sqs:us-east-1:000000000000:{name}"));
    let told = EventSettings { dead_letter: queue("lost"), on_failure: queue("told"), ..settings() };
    let world = World::new(told).await;
    let large = format!("\"{}\"", "x".repeat(1_000_000));
    assert_eq!(world.ended(world.send_payload("shouts", &large).await).await, ("RetriesExhausted", 3));
    let letter = world.queues.wait_for(1, PATIENCE).await.remove(0);
    assert_eq!((Some(letter.to.to_string()), letter.body.len()), (queue("lost"), large.len()));
    world.send_payload("shouts", "1").await;
    assert_eq!(world.queues.wait_for(3, PATIENCE).await.len(), 3, "a small one is told to both");
}

#[tokio::test]
async fn a_circle_is_broken_after_sixteen_hops_unless_it_is_allowed() {
    let arn = |name| Some(format!("arn:aws:lambda:us-east-1:000000000000:function:{name}"));
    let circle = EventSettings { on_success: arn("again"), on_failure: arn("stopped"), ..settings() };
    let world = World::new(circle).await;
    world.send("again").await;
    let begun = Instant::now();
    while world.functions.ran_of("stopped").is_empty() {
        let hops = world.functions.ran_of("again").len();
        assert!(begun.elapsed() < PATIENCE && hops <= 16, "{hops} hops in {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(world.functions.ran_of("again").len(), 16);
    world.functions.settings.lock().unwrap().may_recur = true;
    world.send("again").await;
    while world.functions.ran_of("again").len() < 16 + 30 {
        assert!(begun.elapsed() < PATIENCE, "an allowed circle goes on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn events_survive_a_restart() {
    let mut world = World::new(settings()).await;
    let mut requests = Vec::new();
    for _ in 0..9 {
        requests.push(world.send("slow").await);
    }
    let ended = world.send("hello").await;
    assert_eq!(world.ended(ended).await.0, "Success");
    world = world.restarted().await;
    for request in requests {
        assert_eq!(world.ended(request).await.0, "Success");
    }
    assert_eq!(world.ended(ended).await.0, "Success", "what has ended can still be looked up");
}
