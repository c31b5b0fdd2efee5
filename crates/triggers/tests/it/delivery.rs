//! Deliveries on their way: taken, tried again, kept in order, given up, found again after a restart.
//!
//! On the real durable queue; tests wait for what has to come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use model::arn::{ResourceArn, Scope};
use model::delivery::{Address, Deliveries as _, Delivery, Extras, Retry, Sender};
use model::id::{AccountId, Region};
use model::queue::{CONTENT_BYTES_MAX, Queue as _};
use store::Store;
use tempfile::TempDir;
use triggers::Delivering;

use crate::stand_in::Counting;
use crate::targets::Taking;

const PATIENCE: Duration = Duration::from_secs(30);

struct World {
    dir: TempDir,
    store: Store,
    delivering: Delivering,
    queues: Arc<Taking>,
    ids: Arc<Counting>,
}

impl World {
    async fn open(dir: TempDir, ids: Arc<Counting>, queues: Arc<Taking>, starts: bool) -> Self {
        let store = Store::open(dir.path()).unwrap();
        let delivering = Delivering::new(store.queue(), Arc::clone(&ids) as _);
        if starts {
            delivering.start(vec![Arc::clone(&queues) as _]).await.unwrap();
        }
        Self { dir, store, delivering, queues, ids }
    }

    async fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap(), Arc::default(), Arc::default(), true).await
    }
}

fn arn(queue: &str) -> ResourceArn {
    ResourceArn::of("sqs", &scope(), queue).unwrap()
}

fn scope() -> Scope {
    Scope { account: AccountId::DEFAULT, region: Region::default_region() }
}

fn to(queue: &str, body: &str) -> Delivery {
    Delivery {
        to: Address::Resource(arn(queue)),
        from: Sender {
            service: "events.amazonaws.com".to_owned(),
            source: "arn:aws:events:us-east-1:000000000000:rule/r".to_owned(),
            scope: scope(),
            role: None,
        },
        body: Bytes::from(body.to_owned()),
        extras: Extras::default(),
        retry: Retry { retries_max: 3, age_max: Duration::from_secs(60) },
        dead_letter: None,
        line: format!("rule/default/r/{queue}"),
    }
}

fn bodies(taken: &[Delivery]) -> Vec<String> {
    taken.iter().map(|it| String::from_utf8_lossy(&it.body).into_owned()).collect()
}

#[tokio::test]
async fn what_was_handed_over_before_the_start_is_delivered_after_it() {
    let World { dir, store, delivering, queues, ids } =
        World::open(tempfile::tempdir().unwrap(), Arc::default(), Arc::default(), false).await;
    delivering.hand_over(vec![to("a", "1"), to("b", "2"), to("a", "3")]).await.unwrap();
    store.close().await;
    assert!(queues.taken.lock().unwrap().is_empty());
    let world = World::open(dir, ids, queues, true).await;
    let mut taken = bodies(&world.queues.wait_for(3, PATIENCE).await);
    taken.sort();
    assert_eq!(taken, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_target_that_is_slow_or_away_holds_up_no_other_line() {
    let world = World::new().await;
    let begun = Instant::now();
    world
        .delivering
        .hand_over(vec![to("slow", "slow"), to("away-1", "away"), to("a", "quick")])
        .await
        .unwrap();
    let taken = world.queues.wait_for(1, PATIENCE).await;
    assert_eq!(bodies(&taken), ["quick"]);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    world.queues.wait_for(3, PATIENCE).await;
}

#[tokio::test]
async fn deliveries_of_a_group_keep_their_order_while_their_target_is_away() {
    let world = World::new().await;
    let in_order = |body: &str| {
        let mut delivery = to("away-1", body);
        delivery.extras.group = Some("g".to_owned());
        delivery
    };
    world.delivering.hand_over(vec![in_order("1"), in_order("2")]).await.unwrap();
    world.delivering.hand_over(vec![in_order("3")]).await.unwrap();
    assert_eq!(bodies(&world.queues.wait_for(3, PATIENCE).await), ["1", "2", "3"]);
}

#[tokio::test]
async fn what_is_tried_again_is_not_passed_by_those_behind_it_in_its_group() {
    let world = World::new().await;
    let in_order = |body: &str| {
        let mut delivery = to("late-1", body);
        delivery.extras.group = Some("g".to_owned());
        delivery
    };
    world.delivering.hand_over(["1", "2", "3"].map(in_order).to_vec()).await.unwrap();
    assert_eq!(bodies(&world.queues.wait_for(3, PATIENCE).await), ["1", "2", "3"]);
}

#[tokio::test]
async fn what_is_larger_than_anything_that_can_be_delivered_holds_up_nothing_else() {
    let world = World::new().await;
    let large = to("a", &"x".repeat(CONTENT_BYTES_MAX));
    world.delivering.hand_over(vec![to("a", "1"), large.clone(), to("a", "2"), to("b", "3")]).await.unwrap();
    let mut taken = bodies(&world.queues.wait_for(3, PATIENCE).await);
    taken.sort();
    assert_eq!(taken, ["1", "2", "3"]);
    world.delivering.hand_over(vec![large]).await.unwrap();
}

#[tokio::test]
async fn what_is_given_up_goes_to_its_dead_letter_queue_with_the_reason() {
    let world = World::new().await;
    let with_letter = |delivery: Delivery| Delivery { dead_letter: Some(arn("lost")), ..delivery };
    let once = Retry { retries_max: 1, age_max: Duration::from_secs(60) };
    let once = Delivery { retry: once, ..to("away-9", "tried") };
    world.delivering.hand_over(vec![with_letter(to("gone", "never")), with_letter(once)]).await.unwrap();
    let letters = world.queues.wait_for(2, PATIENCE).await;
    assert_eq!(bodies(&letters), ["never", "tried"]);
    let why = |letter: &Delivery, name: &str| {
        let found = letter.extras.attributes.iter().find(|it| it.name == name);
        found.map(|it| String::from_utf8_lossy(&it.value).into_owned())
    };
    assert!(letters.iter().all(|letter| letter.to == Address::Resource(arn("lost"))));
    assert_eq!(why(&letters[0], "ERROR_CODE").as_deref(), Some("RESOURCE_NOT_FOUND"));
    assert_eq!(why(&letters[0], "EXHAUSTED_RETRY_CONDITION"), None);
    assert_eq!(why(&letters[1], "EXHAUSTED_RETRY_CONDITION").as_deref(), Some("MaximumRetryAttempts"));
    assert_eq!(why(&letters[1], "RETRY_ATTEMPTS").as_deref(), Some("1"));
    // One that has no such queue is gone, and its line with it.
    world.delivering.hand_over(vec![to("gone", "nobody's"), to("gone", "either")]).await.unwrap();
    let begun = Instant::now();
    while !world.store.queue().queues("deliver/").await.unwrap().is_empty() {
        assert!(begun.elapsed() < PATIENCE, "it stays in its line");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(world.queues.taken.lock().unwrap().len(), 2);
}
