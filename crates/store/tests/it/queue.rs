//! The durable queue: what its callers may rely on, also across a restart.
//!
//! Crashes and full disks are in modules of their own.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dormouse_store::Store;
use dormouse_store::queue::QueueFile;
use model::id::MessageId;
use model::queue::{
    Counts, DeadLetter, HandOut, HandingOut, Hold, NewMessage, Queue, QueueError, QueueName, Receipt,
    Receive, Received, Settle, Settled, Trace,
};
use tempfile::TempDir;

const MINUTE: Duration = Duration::from_secs(60);
const DONE: Settle = Settle::Done { outcome: None };

struct Opened {
    dir: TempDir,
    store: Store,
    queue: Arc<QueueFile>,
}

fn open(dir: TempDir) -> Opened {
    let store = Store::open(dir.path()).unwrap();
    let queue = store.queue();
    Opened { dir, store, queue }
}

fn opened() -> Opened {
    open(tempfile::tempdir().unwrap())
}

impl Opened {
    async fn reopened(self) -> Self {
        let Self { dir, store, queue } = self;
        drop(queue);
        store.close().await;
        open(dir)
    }
}

fn name(text: &str) -> QueueName {
    QueueName::parse(text).unwrap()
}

fn message(number: u64) -> NewMessage {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    NewMessage {
        id: MessageId::from_bytes(id),
        content: Bytes::from(number.to_string()),
        delay: Duration::ZERO,
        group: None,
        deduplication: None,
        traceable: false,
    }
}

fn of_group(group: &str, number: u64) -> NewMessage {
    NewMessage { group: Some(group.to_owned()), ..message(number) }
}

fn wanted(count_max: usize) -> Receive {
    by(count_max, a_minute())
}

fn a_minute() -> HandOut {
    HandOut::held(Hold::For(MINUTE))
}

fn by(count_max: usize, how: impl HandingOut + 'static) -> Receive {
    Receive { count_max, one_of_a_group: false, wait_max: Duration::ZERO, how: Arc::new(how) }
}

fn numbers(messages: &[Received]) -> Vec<u64> {
    messages.iter().map(|message| std::str::from_utf8(&message.content).unwrap().parse().unwrap()).collect()
}

async fn put(queue: &QueueFile, to: &QueueName, messages: impl IntoIterator<Item = NewMessage>) {
    queue.enqueue(to, messages.into_iter().collect()).await.unwrap();
}

async fn take(queue: &QueueFile, from: &QueueName, count_max: usize) -> Vec<Received> {
    queue.receive(from, wanted(count_max)).await.unwrap()
}

async fn settle(queue: &QueueFile, of: &QueueName, receipt: Receipt, how: Settle) -> Settled {
    queue.settle(of, vec![(receipt, how)]).await.unwrap()[0]
}

fn again(after: Duration) -> Settle {
    Settle::Return { after, note: None }
}

#[tokio::test]
async fn messages_come_oldest_first_and_are_unseen_until_settled() {
    let Opened { queue, dir: _dir, store: _store } = opened();
    let q = name("q");
    put(&queue, &q, (0..5).map(message)).await;
    put(&queue, &name("other"), [message(9)]).await;
    let first = take(&queue, &q, 3).await;
    assert_eq!(numbers(&first), [0, 1, 2]);
    assert_eq!(numbers(&take(&queue, &q, 10).await), [3, 4]);
    assert_eq!(numbers(&take(&queue, &q, 10).await), [0; 0]);
    assert_eq!(settle(&queue, &q, first[0].receipt, DONE).await, Settled::Done);
    assert_eq!(settle(&queue, &q, first[0].receipt, DONE).await, Settled::Gone);
    assert_eq!(settle(&queue, &q, first[1].receipt, again(Duration::ZERO)).await, Settled::Done);
    assert_eq!(settle(&queue, &q, first[1].receipt, again(MINUTE)).await, Settled::NotOut);
    let counts = queue.counts(&q).await.unwrap();
    assert_eq!((counts.waiting, counts.out, counts.delayed), (1, 3, 0));
    let second = take(&queue, &q, 10).await;
    assert_eq!((numbers(&second), second[0].receipt.receives), (vec![1], 2));
    assert_eq!(settle(&queue, &q, first[1].receipt, DONE).await, Settled::Stale, "an outdated receipt");
    assert_eq!(settle(&queue, &name("other"), second[0].receipt, DONE).await, Settled::Gone);
}

#[tokio::test]
async fn a_hold_ends_and_can_be_prolonged() {
    let Opened { queue, dir: _dir, store: _store } = opened();
    let q = name("q");
    put(&queue, &q, [message(0), message(1)]).await;
    let short = by(2, HandOut::held(Hold::For(Duration::from_millis(80))));
    let held = queue.receive(&q, short).await.unwrap();
    assert_eq!(settle(&queue, &q, held[1].receipt, again(MINUTE)).await, Settled::Done);
    let too_long = again(Duration::from_secs(12 * 3600 + 60));
    assert_eq!(settle(&queue, &q, held[1].receipt, too_long).await, Settled::TooLong);
    let begun = Instant::now();
    let patient = Receive { wait_max: MINUTE, ..wanted(10) };
    let back = queue.receive(&q, patient).await.unwrap();
    assert_eq!(numbers(&back), [0], "only the one whose hold was over");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(back[0].first_received, held[0].first_received);
}

#[tokio::test]
async fn a_delayed_message_wakes_who_waits_for_it() {
    let Opened { queue, dir: _dir, store: _store } = opened();
    let q = name("q");
    let delay = Duration::from_millis(120);
    put(&queue, &q, [NewMessage { delay, ..message(1) }]).await;
    assert_eq!(queue.counts(&q).await.unwrap().delayed, 1);
    let begun = Instant::now();
    let got = queue.receive(&q, Receive { wait_max: MINUTE, ..wanted(1) }).await.unwrap();
    assert_eq!(numbers(&got), [1]);
    assert!(begun.elapsed() >= Duration::from_millis(100), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn those_who_wait_are_served_in_turn() {
    let Opened { queue, dir: _dir, store: _store } = opened();
    let q = name("q");
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let (queue, q) = (Arc::clone(&queue), q.clone());
            tokio::spawn(async move { queue.receive(&q, Receive { wait_max: MINUTE, ..wanted(1) }).await })
        })
        .collect();
    tokio::task::yield_now().await;
    put(&queue, &q, (0..3).map(message)).await;
    let mut got = Vec::new();
    for task in waiting {
        got.extend(numbers(&task.await.unwrap().unwrap()));
    }
    got.sort_unstable();
    assert_eq!(got, [0, 1, 2]);
    let begun = Instant::now();
    let none = queue.receive(&q, Receive { wait_max: Duration::from_millis(50), ..wanted(1) }).await;
    assert_eq!(none, Ok(vec![]));
    assert!(begun.elapsed() >= Duration::from_millis(45));
}

#[tokio::test]
async fn what_a_caller_who_left_was_handed_comes_back() {
    let Opened { queue, dir: _dir, store: _store } = opened();
    let q = name("q");
    for number in 0..200 {
        let patient = Receive { wait_max: MINUTE, ..by(1, HandOut::held(Hold::WhileServing)) };
        let waiting = queue.receive(&q, patient);
        let put = put(&queue, &q, [message(number)]);
        // Both are polled, then the one that waits is dropped at whatever point it has reached.
        tokio::select! {
            biased;
            () = put => {}
            got = waiting => {
                let got = got.unwrap();
                assert_eq!(settle(&queue, &q, got[0].receipt, DONE).await, Settled::Done);
                continue;
            }
        }
        let got = queue.receive(&q, Receive { wait_max: MINUTE, ..wanted(1) }).await.unwrap();
        assert_eq!(numbers(&got), [number]);
        assert_eq!(got[0].receipt.receives, 1, "it was never really handed out");
        assert_eq!(settle(&queue, &q, got[0].receipt, DONE).await, Settled::Done);
    }
}

#[tokio::test]
async fn a_group_keeps_its_order_and_groups_do_not_wait_for_each_other() {
    let Opened { queue, dir: _dir, store: _store } = opened();
    let q = name("q.fifo");
    put(&queue, &q, [of_group("a", 1), of_group("a", 2), of_group("b", 3), of_group("a", 4)]).await;
    let first = take(&queue, &q, 2).await;
    assert_eq!(numbers(&first), [1, 2]);
    let second = take(&queue, &q, 10).await;
    assert_eq!(numbers(&second), [3], "4 waits for 1 and 2");
    assert_eq!(settle(&queue, &q, first[0].receipt, DONE).await, Settled::Done);
    assert_eq!(numbers(&take(&queue, &q, 10).await), [0; 0], "4 waits for 2");
    assert_eq!(settle(&queue, &q, first[1].receipt, again(Duration::ZERO)).await, Settled::Done);
    assert_eq!(settle(&queue, &q, first[1].receipt, DONE).await, Settled::Stale, "back in line");
    let third = take(&queue, &q, 10).await;
    assert_eq!(numbers(&third), [2, 4], "in order again");
    for message in &third {
        assert_eq!(settle(&queue, &q, message.receipt, DONE).await, Settled::Done);
    }
    put(&queue, &q, [of_group("a", 5)]).await;
    assert_eq!(numbers(&take(&queue, &q, 10).await), [5]);
}

#[tokio::test]
async fn of_a_group_nothing_is_handed_out_before_its_delay_is_over() {
    let Opened { queue, dir: _dir, store: _store } = opened();
    let q = name("q");
    let later = NewMessage { delay: MINUTE, ..of_group("a", 2) };
    put(&queue, &q, [of_group("a", 1), later, of_group("a", 3)]).await;
    let first = take(&queue, &q, 10).await;
    assert_eq!(numbers(&first), [1], "what is delayed holds up what comes after it");
    settle(&queue, &q, first[0].receipt, DONE).await;
    assert_eq!(numbers(&take(&queue, &q, 10).await), [0; 0]);
}

#[tokio::test]
async fn a_group_whose_hold_ended_wakes_who_waits() {
    let Opened { queue, dir: _dir, store: _store } = opened();
    let q = name("q.fifo");
    put(&queue, &q, (1..=3).map(|number| of_group("a", number))).await;
    let short = by(2, HandOut::held(Hold::For(Duration::from_millis(60))));
    assert_eq!(numbers(&queue.receive(&q, short).await.unwrap()), [1, 2]);
    let got = queue.receive(&q, Receive { wait_max: MINUTE, ..wanted(10) }).await.unwrap();
    assert_eq!(numbers(&got), [1, 2, 3]);
}

#[tokio::test]
async fn duplicates_are_answered_with_the_first() {
    let mut opened = opened();
    let q = name("q.fifo");
    let keyed = |key: &str, number| NewMessage { deduplication: Some(key.to_owned()), ..message(number) };
    let first = opened.queue.enqueue(&q, vec![keyed("k", 1), keyed("k", 2), keyed("l", 3)]).await.unwrap();
    assert_eq!(first[0], first[1]);
    assert_eq!(first[0].id, message(1).id);
    let got = take(&opened.queue, &q, 10).await;
    assert_eq!(numbers(&got), [1, 3]);
    assert_eq!(settle(&opened.queue, &q, got[0].receipt, DONE).await, Settled::Done);
    opened = opened.reopened().await;
    let later = opened.queue.enqueue(&q, vec![keyed("k", 4)]).await.unwrap();
    assert_eq!(later[0], first[0], "remembered after the message is gone and the server has started again");
    let elsewhere = opened.queue.enqueue(&name("other"), vec![keyed("k", 5)]).await.unwrap();
    assert_eq!(elsewhere[0].id, message(5).id);
}

#[tokio::test]
async fn what_is_received_too_often_goes_to_the_dead_letters() {
    let Opened { queue, dir: _dir, store: _store } = opened();
    let (q, dead) = (name("q"), name("dead"));
    put(&queue, &q, [message(1), message(2)]).await;
    let dead_letter = Some(DeadLetter { queue: dead.clone(), receives_max: 2 });
    let how = HandOut { dead_letter, ..HandOut::held(Hold::For(Duration::ZERO)) };
    let pick = || Receive { wait_max: Duration::from_millis(20), ..by(1, how.clone()) };
    let mut seen = Vec::new();
    loop {
        let got = queue.receive(&q, pick()).await.unwrap();
        if got.is_empty() {
            break;
        }
        seen.extend(numbers(&got));
    }
    seen.sort_unstable();
    assert_eq!(seen, [1, 1, 2, 2], "each as often as allowed");
    let dead = take(&queue, &dead, 10).await;
    assert_eq!(dead.len(), 2);
    assert!(dead.iter().all(|message| message.source == Some(q.clone())));
    let counts = |message: &Received| (message.receipt.receives, message.received);
    assert!(dead.iter().all(|message| counts(message) == (1, 3)), "counted on, across queues");
    assert_eq!(queue.counts(&q).await.unwrap(), Counts::default());
}

/// Says what it is told at the moment.
#[derive(Clone, Default)]
struct AsTold(Arc<Mutex<Option<HandOut>>>);

impl HandingOut for AsTold {
    fn now(&self) -> Option<HandOut> {
        self.0.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn whoever_waits_is_served_by_what_holds_when_something_comes() {
    let Opened { queue, dir: _dir, store: _store } = opened();
    let (q, old, new) = (name("q"), name("old"), name("new"));
    let to = |queue: &QueueName| {
        let dead_letter = Some(DeadLetter { queue: queue.clone(), receives_max: 1 });
        Some(HandOut { dead_letter, ..HandOut::held(Hold::For(Duration::from_millis(100))) })
    };
    let told = AsTold(Arc::new(Mutex::new(to(&old))));
    put(&queue, &q, [message(1)]).await;
    assert_eq!(queue.receive(&q, by(1, told.clone())).await.unwrap().len(), 1);
    // It waits from before the change until after the message is due again.
    let patient = Receive { wait_max: Duration::from_millis(600), ..by(1, told.clone()) };
    let waiting = tokio::spawn({
        let (queue, q) = (Arc::clone(&queue), q.clone());
        async move { queue.receive(&q, patient).await }
    });
    *told.0.lock().unwrap() = to(&new);
    assert_eq!(waiting.await.unwrap().unwrap().len(), 0);
    assert_eq!((take(&queue, &old, 1).await.len(), numbers(&take(&queue, &new, 1).await)), (0, vec![1]));
    // Where nothing is to be handed out any more, who waits is told at once.
    *told.0.lock().unwrap() = to(&new);
    let patient = Receive { wait_max: MINUTE, ..by(1, told.clone()) };
    let waiting = tokio::spawn({
        let (queue, q) = (Arc::clone(&queue), q.clone());
        async move { queue.receive(&q, patient).await }
    });
    *told.0.lock().unwrap() = None;
    put(&queue, &q, [message(2)]).await;
    let begun = Instant::now();
    assert_eq!(waiting.await.unwrap().unwrap().len(), 0);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(numbers(&take(&queue, &q, 1).await), [2]);
}

/// Though nothing comes there any more.
#[tokio::test]
async fn whoever_waits_at_a_queue_that_is_deleted_and_so_purged_is_told_at_once() {
    let Opened { queue, dir: _dir, store: _store } = opened();
    let (q, told) = (name("q"), AsTold(Arc::new(Mutex::new(Some(a_minute())))));
    let patient = Receive { wait_max: MINUTE, ..by(1, told.clone()) };
    let waiting = tokio::spawn({
        let (queue, q) = (Arc::clone(&queue), q.clone());
        async move { queue.receive(&q, patient).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(queue.counts(&q).await.unwrap(), Counts::default(), "it stands in line by now");
    *told.0.lock().unwrap() = None;
    queue.purge(&q, None).await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("at once");
    assert_eq!(told.unwrap().unwrap().len(), 0);
}

#[tokio::test]
async fn one_of_a_group_means_one_until_it_is_settled() {
    let Opened { queue, dir: _dir, store: _store } = opened();
    let q = name("q");
    put(&queue, &q, [of_group("a", 1), of_group("a", 2), of_group("b", 3), message(4), message(5)]).await;
    let singly = || Receive { one_of_a_group: true, ..wanted(10) };
    let mut got = queue.receive(&q, singly()).await.unwrap();
    got.sort_by_key(|message| message.receipt.sequence);
    assert_eq!(numbers(&got), [1, 3, 4, 5]);
    assert_eq!(queue.receive(&q, singly()).await.unwrap().len(), 0);
    assert_eq!(settle(&queue, &q, got[0].receipt, DONE).await, Settled::Done);
    assert_eq!(numbers(&queue.receive(&q, singly()).await.unwrap()), [2]);
}

#[tokio::test]
async fn messages_move_with_their_content_and_wake_who_waits_there() {
    let Opened { queue, dir: _dir, store: _store } = opened();
    let (q, to) = (name("q"), name("to"));
    put(&queue, &q, [message(1)]).await;
    let got = take(&queue, &q, 1).await;
    let waiting = queue.receive(&to, Receive { wait_max: MINUTE, ..wanted(1) });
    let how = Settle::Move { to: to.clone(), renewed: None };
    let moving = settle(&queue, &q, got[0].receipt, how);
    let (moved, settled) = tokio::join!(waiting, moving);
    let moved = moved.unwrap();
    assert_eq!((settled, numbers(&moved), moved[0].id), (Settled::Done, vec![1], message(1).id));
    assert_eq!((moved[0].sent, &moved[0].source), (got[0].sent, &Some(q.clone())), "as old as before");
    tokio::time::sleep(Duration::from_millis(2)).await;
    let other = message(9).id;
    let how = Settle::Move { to: q.clone(), renewed: Some(other) };
    assert_eq!(settle(&queue, &to, moved[0].receipt, how).await, Settled::Done);
    let renewed = take(&queue, &q, 1).await;
    assert_eq!((numbers(&renewed), renewed[0].id, &renewed[0].source), (vec![1], other, &None));
    assert!(renewed[0].sent > moved[0].sent, "its age begins anew");
}

#[tokio::test]
async fn a_dead_letter_of_a_group_is_as_young_as_its_being_one() {
    let Opened { queue, dir: _dir, store: _store } = opened();
    let (q, dead) = (name("q"), name("dead"));
    put(&queue, &q, [NewMessage { group: Some("g".to_owned()), ..message(1) }]).await;
    let first = take(&queue, &q, 1).await;
    let back = Settle::Return { after: Duration::ZERO, note: None };
    assert_eq!(settle(&queue, &q, first[0].receipt, back).await, Settled::Done);
    tokio::time::sleep(Duration::from_millis(2)).await;
    let dead_letter = Some(DeadLetter { queue: dead.clone(), receives_max: 1 });
    let none = queue.receive(&q, by(1, HandOut { dead_letter, ..a_minute() })).await.unwrap();
    assert_eq!(none.len(), 0);
    let letter = take(&queue, &dead, 1).await;
    assert_eq!(letter[0].id, first[0].id);
    assert!(letter[0].sent > first[0].sent, "its age begins anew");
}

#[tokio::test]
async fn many_dead_letters_delay_nobody_and_hide_nothing() {
    let Opened { queue, dir: _dir, store: _store } = opened();
    let (q, dead, other) = (name("q"), name("dead"), name("other"));
    put(&queue, &q, (0..5_000).map(message)).await;
    let poison = take(&queue, &q, 5_000).await;
    let back = || Settle::Return { after: Duration::ZERO, note: None };
    queue.settle(&q, poison.iter().map(|it| (it.receipt, back())).collect()).await.unwrap();
    put(&queue, &q, [message(5_000)]).await;
    put(&queue, &other, [message(1)]).await;
    let dead_letter = Some(DeadLetter { queue: dead.clone(), receives_max: 1 });
    let moving = queue.receive(&q, by(1, HandOut { dead_letter, ..a_minute() }));
    let beside = async {
        let beside = take(&queue, &other, 1).await;
        (beside, queue.counts(&dead).await.unwrap().waiting)
    };
    // Calls that come together are carried out in their order: the one beside meets the move in its middle.
    let (moved, (beside, dead_letters)) = tokio::join!(moving, beside);
    assert_eq!(numbers(&beside), [1]);
    assert!(dead_letters < 5_000, "all in one transaction");
    assert_eq!(
        numbers(&moved.unwrap()),
        [5_000],
        "the call that does not wait is not told that there is nothing"
    );
    assert_eq!(queue.counts(&dead).await.unwrap().waiting, 5_000);
}

#[tokio::test]
async fn what_is_too_old_or_beyond_what_may_be_out_is_not_handed_out() {
    let Opened { queue, dir: _dir, store: _store } = opened();
    let q = name("q");
    put(&queue, &q, (0..4).map(message)).await;
    let few = by(10, HandOut { out_max: Some(3), ..a_minute() });
    assert_eq!(queue.receive(&q, few.clone()).await.unwrap().len(), 3);
    assert_eq!(queue.receive(&q, few).await.unwrap().len(), 0);
    let young = by(10, HandOut { age_max: Some(Duration::ZERO), ..a_minute() });
    assert_eq!(queue.receive(&q, young).await.unwrap().len(), 0);
    assert_eq!(queue.counts(&q).await.unwrap().waiting, 0, "the old one is gone");
    put(&queue, &q, (10..5_000).map(message)).await;
    assert_eq!(queue.purge(&q, None).await, Ok(4_990 + 3));
    assert_eq!(queue.counts(&q).await.unwrap(), Counts::default());
}

#[tokio::test]
async fn a_traceable_message_can_be_looked_up_until_after_its_end() {
    let mut opened = opened();
    let q = name("q");
    let traced = NewMessage { traceable: true, ..message(1) };
    put(&opened.queue, &q, [traced.clone(), message(2)]).await;
    let held = |trace| match trace {
        Some(Trace::Held { queue, receives, is_out, note, .. }) => (queue, receives, is_out, note),
        other => panic!("{other:?}"),
    };
    assert_eq!(held(opened.queue.trace(traced.id).await.unwrap()), (q.clone(), 0, false, None));
    assert_eq!(opened.queue.trace(message(2).id).await, Ok(None));
    let pick = by(1, HandOut::held(Hold::WhileServing));
    let got = opened.queue.receive(&q, pick).await.unwrap();
    assert_eq!(held(opened.queue.trace(traced.id).await.unwrap()), (q.clone(), 1, true, None));
    let note = Some(Bytes::from_static(b"failed once"));
    let back = Settle::Return { after: Duration::ZERO, note: note.clone() };
    assert_eq!(settle(&opened.queue, &q, got[0].receipt, back).await, Settled::Done);
    opened = opened.reopened().await;
    assert_eq!(held(opened.queue.trace(traced.id).await.unwrap()), (q.clone(), 1, false, note.clone()));
    let got = take(&opened.queue, &q, 2).await;
    let got: Vec<_> = got.into_iter().filter(|message| message.id == traced.id).collect();
    assert_eq!((got[0].note.clone(), got[0].receipt.receives), (note, 2));
    let done = Settle::Done { outcome: Some(Bytes::from_static(b"well")) };
    assert_eq!(settle(&opened.queue, &q, got[0].receipt, done).await, Settled::Done);
    opened = opened.reopened().await;
    match opened.queue.trace(traced.id).await.unwrap() {
        Some(Trace::Finished { outcome, .. }) => assert_eq!(&outcome[..], b"well"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_restart_ends_what_was_held_while_serving_and_nothing_else() {
    let mut opened = opened();
    let (q, fifo) = (name("q"), name("q.fifo"));
    put(&opened.queue, &q, (0..3).map(message)).await;
    put(&opened.queue, &fifo, (10..12).map(|number| of_group("a", number))).await;
    let while_serving = || by(1, HandOut::held(Hold::WhileServing));
    let held = take(&opened.queue, &q, 1).await;
    opened.queue.receive(&q, while_serving()).await.unwrap();
    opened.queue.receive(&fifo, while_serving()).await.unwrap();
    opened = opened.reopened().await;
    assert_eq!(opened.queue.queues("").await.unwrap(), [(q.clone(), 3), (fifo.clone(), 2)]);
    assert_eq!(opened.queue.queues("q.").await.unwrap(), [(fifo.clone(), 2)]);
    let mut back = numbers(&take(&opened.queue, &q, 10).await);
    back.sort_unstable();
    assert_eq!(back, [1, 2], "0 is still held");
    assert_eq!(numbers(&take(&opened.queue, &fifo, 10).await), [10, 11]);
    assert_eq!(settle(&opened.queue, &q, held[0].receipt, DONE).await, Settled::Done, "receipts stay valid");
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_a_closed_queue_says_so() {
    let Opened { queue, dir: _dir, store } = opened();
    let q = name("q");
    let content = Bytes::from(vec![b'x'; model::queue::CONTENT_BYTES_MAX]);
    let fits = NewMessage { content, ..message(1) };
    put(&queue, &q, [fits.clone()]).await;
    let content = Bytes::from(vec![b'x'; model::queue::CONTENT_BYTES_MAX + 1]);
    let refused = queue.enqueue(&q, vec![message(2), NewMessage { content, ..fits }]).await;
    assert!(matches!(refused, Err(QueueError::TooLarge(_))), "{refused:?}");
    assert_eq!(queue.counts(&q).await.unwrap().waiting, 1, "all or none");
    store.close().await;
    assert_eq!(queue.enqueue(&q, vec![message(3)]).await, Err(QueueError::Closed));
    assert_eq!(queue.receive(&q, wanted(1)).await, Err(QueueError::Closed));
}

/// Changes a queue while nobody has it open.
async fn tampered(Opened { queue, dir, store }: Opened, sql: &str) -> Opened {
    drop(queue);
    store.close().await;
    let file = rusqlite::Connection::open(dir.path().join("queue.sqlite3")).unwrap();
    file.execute_batch(sql).unwrap();
    file.close().unwrap();
    open(dir)
}

#[tokio::test]
async fn a_file_of_the_first_layout_is_taken_over() {
    let opened = opened();
    put(&opened.queue, &name("q"), [message(1)]).await;
    let first = "ALTER TABLE message DROP COLUMN received_before; DROP TABLE clock; PRAGMA user_version = 1";
    let opened = tampered(opened, first).await;
    let got = take(&opened.queue, &name("q"), 1).await;
    assert_eq!((numbers(&got), got[0].received), (vec![1], 1));
}

#[tokio::test]
async fn nothing_waits_for_the_times_of_a_clock_that_was_set_back() {
    let (q, fifo) = (name("q"), name("q.fifo"));
    let opened = opened();
    put(&opened.queue, &q, (0..2).map(message)).await;
    put(&opened.queue, &q, [NewMessage { delay: Duration::from_secs(1), ..message(2) }]).await;
    put(&opened.queue, &fifo, (10..12).map(|number| of_group("a", number))).await;
    let held = take(&opened.queue, &q, 1).await;
    assert_eq!(numbers(&held), [0]);
    // All of this as a clock wrote it that was an hour ahead.
    let ahead = "UPDATE message SET due = due + 3600000, sent = sent + 3600000, last_received = last_received + 3600000;
                 UPDATE message_group SET due = due + 3600000; UPDATE clock SET at = at + 3600000";
    let opened = tampered(opened, ahead).await;
    assert_eq!(numbers(&take(&opened.queue, &q, 1).await), [1], "0 is still held");
    assert_eq!(numbers(&take(&opened.queue, &fifo, 10).await), [10, 11]);
    let later = Receive { wait_max: Duration::from_secs(10), ..wanted(1) };
    assert_eq!(numbers(&opened.queue.receive(&q, later).await.unwrap()), [2], "delayed for a second");
    assert_eq!(settle(&opened.queue, &q, held[0].receipt, DONE).await, Settled::Done, "receipts stay valid");
}
