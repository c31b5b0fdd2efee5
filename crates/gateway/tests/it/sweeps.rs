//! Errors that every operation can have for the same reason: a rate that is used up, a disk that fails, an engine that
//! fails, an event that cannot be kept, a change that is under way. `conformance/sweeps` names each with its operations;
//! here they are brought about for every case of the tables that succeeds.
//!
//! Beside the error it is checked that nothing was done, in the store and in what callers see, and that the same request
//! succeeds once the reason is gone. Of operations that are said to write nothing, that they write nothing.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use control::identity::Access;
use http::HeaderMap;
use model::error::ServiceError;
use serde_json::Value;

use crate::cases::{Case, cases, create_function};
use crate::client::Client;
use crate::conformance::{Stage, held, region, root};
use crate::seen::{quiet, same, seen};
use crate::world::World;

/// Services of which operations go on after their answer.
const GOES_ON: &[&str] = &["events", "scheduler"];
/// Admission refuses these before anything else is looked at.
const ADMISSION: &[&str] = &[
    "ValidationException",
    "SerializationException",
    "AccessDeniedException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "RequestTooLargeException",
    "NotImplementedException",
];

/// One line of the list, with the cases that it is about.
struct Sweep {
    expect: Value,
    /// Cases of the operations that it is about, and of those that it is said not to be about.
    meant: Vec<Case>,
    spared: Vec<Case>,
    /// The service whose operations they are.
    service: &'static str,
    /// Operations that it is about.
    operations: BTreeSet<String>,
}

impl Sweep {
    fn read(name: &str) -> Self {
        Self::of("lambda", name)
    }

    fn of(service: &'static str, name: &str) -> Self {
        let text = std::fs::read(root().join(format!("sweeps/{service}.json"))).expect("the list of sweeps");
        let list: Value = serde_json::from_slice(&text).expect("a list");
        let sweep = list.as_array().into_iter().flatten().find(|sweep| sweep["name"] == name);
        let sweep = sweep.unwrap_or_else(|| panic!("no sweep is called {name}"));
        let names = |member: &str| -> Option<Vec<&str>> {
            Some(sweep.get(member)?.as_array()?.iter().filter_map(Value::as_str).collect())
        };
        let (only, but) = (names("only"), names("but").unwrap_or_default());
        let error = sweep["error"].as_str().expect("an error");
        let listing = listing(service, error);
        let cases = cases(&root(), service)
            .into_iter()
            .filter(|case| matches!(case.world.as_deref(), None | Some("held")));
        let (mut meant, mut spared) = (Vec::new(), Vec::new());
        for case in cases.filter(|case| listing.contains(&case.operation)) {
            let operation = case.operation.as_str();
            match &only {
                Some(only) if !only.contains(&operation) => {}
                _ if but.contains(&operation) => spared.push(case),
                _ => meant.push(case),
            }
        }
        let operations = meant.iter().map(|case| case.operation.clone()).collect();
        Self { expect: sweep["expect"].clone(), meant, spared, service, operations }
    }

    /// Fails unless every operation was swept, and nothing was wrong.
    fn end(&self, swept: &BTreeSet<String>, failures: &[String]) {
        let missed: Vec<_> = self.operations.difference(swept).collect();
        assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
        assert!(missed.is_empty(), "no case was there to sweep {missed:?}");
    }
}

/// The operations for which the model lists an error, as the generated list of coverage has it.
fn listing(service: &str, error: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join(format!("coverage/{service}.txt")))
        .expect("the list of coverage");
    let (mut operation, mut found) = ("", BTreeSet::new());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix("  ") {
            None => operation = line,
            Some(rest) if rest.split_whitespace().nth(1) == Some(error) => {
                found.insert(operation.to_owned());
            }
            Some(_) => {}
        }
    }
    found
}

fn succeeds(case: &Case) -> bool {
    case.expected().0 < 300
}

/// Whether a case comes as far as its operation.
fn is_admitted(case: &Case) -> bool {
    case.expected().1.is_none_or(|error| !ADMISSION.contains(&error))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_that_is_used_up_stops_every_control_call() {
    stops(&Sweep::read("throttled")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_that_is_used_up_stops_every_call_about_queues_and_schedules() {
    stops(&Sweep::of("sqs", "throttled")).await;
    stops(&Sweep::of("scheduler", "throttled")).await;
}

async fn stops(sweep: &Sweep) {
    let world = World::open(Access::Verified).await;
    let throttled = world.throttled().await;
    let (mut swept, mut failures) = (BTreeSet::new(), Vec::new());
    // One case of each operation that succeeds; where none does, one that comes as far as the operation.
    let chosen = |case: &&Case| succeeds(case) || is_admitted(case);
    let mut order: Vec<&Case> = sweep.meant.iter().filter(chosen).collect();
    order.sort_by_key(|case| (case.operation.clone(), !succeeds(case)));
    for (index, case) in order.into_iter().enumerate() {
        if swept.contains(&case.operation) {
            continue;
        }
        let mut stage = Stage::new(&world, "swept", &region(index));
        if let Err(why) = throttle(&mut stage, case, &sweep.expect, &throttled).await {
            failures.push(format!("{}\n    {why}", case.title));
        }
        swept.insert(case.operation.clone());
    }
    sweep.end(&swept, &failures);
}

async fn throttle(
    stage: &mut Stage<'_>,
    case: &Case,
    expect: &Value,
    throttled: &Client,
) -> Result<(), String> {
    stage.prepare(case).await?;
    let throttled = throttled.clone().with_region(&stage.region);
    stage.check(&case.expecting(expect), &throttled).await?;
    stage.check(case, &stage.client()).await.map_err(|why| format!("with a rate that is not used up: {why}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_leaves_everything_as_it_was() {
    a_disk_fails(&Sweep::read("the disk fails")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_leaves_identities_as_they_were() {
    a_disk_fails(&Sweep::of("iam", "the disk fails")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_leaves_buses_and_schedules_as_they_were() {
    a_disk_fails(&Sweep::of("events", "the disk fails")).await;
    a_disk_fails(&Sweep::of("scheduler", "the disk fails")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_leaves_topics_as_they_were() {
    a_disk_fails(&Sweep::of("sns", "the disk fails")).await;
}

async fn a_disk_fails(sweep: &Sweep) {
    let (world, held) = (World::open(Access::Verified).await, held().await);
    let (mut swept, mut failures) = (BTreeSet::new(), Vec::new());
    for (index, case) in sweep.meant.iter().filter(|case| succeeds(case)).enumerate() {
        let world = if case.world.is_some() { &held } else { &world };
        match fail(world, sweep, case, index).await {
            Ok(true) => drop(swept.insert(case.operation.clone())),
            // This case is one in which there is nothing to write.
            Ok(false) => {}
            Err(why) => failures.push(format!("{}\n    {why}", case.title)),
        }
    }
    for (index, case) in sweep.spared.iter().filter(|case| is_admitted(case)).enumerate() {
        let mut stage = Stage::new(&world, &format!("spared-{index}"), &region(2_000 + index));
        if let Err(why) = spare(&mut stage, sweep.service, case).await {
            failures.push(format!("{}\n    {why}", case.title));
        }
    }
    sweep.end(&swept, &failures);
}

/// Lets each write of a request fail in turn; says whether there was any.
async fn fail(world: &World, sweep: &Sweep, case: &Case, index: usize) -> Result<bool, String> {
    let mut stage = Stage::new(world, &format!("swept-{index}"), &region(index));
    stage.prepare(case).await?;
    quiet(&stage, sweep.service).await?;
    let (before, stored) = (seen(&stage, sweep.service).await, world.records.stored().await);
    world.faults.arm(0);
    let answer = stage.send(case.request(&stage.variables), &stage.client()).await;
    if !world.faults.disarm() {
        return Ok(false);
    }
    case.expecting(&sweep.expect).check(&stage.variables, &answer)?;
    same(&stage, sweep.service, &before).await?;
    if stored != world.records.stored().await {
        return Err("something was stored".to_owned());
    }
    let writes = world.faults.writes();
    stage.check(case, &stage.client()).await.map_err(|why| format!("when the disk works again: {why}"))?;
    // What goes on after the answer must not meet the next fault.
    world.settled(&stage.client(), &stage.name).await;
    quiet(&stage, sweep.service).await?;
    for good in 1..(world.faults.writes() - writes) {
        fail_later(world, sweep.service, case, index, good)
            .await
            .map_err(|why| format!("after {good} writes: {why}"))?;
    }
    Ok(true)
}

/// The same for a write that others precede. What comes after the answer is not the caller's matter.
async fn fail_later(
    world: &World,
    service: &str,
    case: &Case,
    index: usize,
    good: usize,
) -> Result<(), String> {
    let mut stage = Stage::new(world, &format!("later-{index}-{good}"), &region(4_000 + index));
    stage.prepare(case).await?;
    quiet(&stage, service).await?;
    let before = seen(&stage, service).await;
    world.faults.arm(good);
    let answer = stage.send(case.request(&stage.variables), &stage.client()).await;
    if GOES_ON.contains(&service) {
        // What goes on after the answer meets this fault, and not the next.
        let struck = tokio::time::timeout(Duration::from_secs(10), world.faults.struck()).await;
        struck.map_err(|_| "nothing failed".to_owned())?;
    }
    world.faults.disarm();
    if answer.status >= 500 {
        same(&stage, service, &before).await?;
    }
    // It goes on now that the disk works again, and must not meet the next fault.
    quiet(&stage, service).await
}

/// An operation that writes nothing does not notice a disk that fails.
async fn spare(stage: &mut Stage<'_>, service: &str, case: &Case) -> Result<(), String> {
    stage.prepare(case).await?;
    quiet(stage, service).await?;
    stage.world.faults.arm(0);
    let checked = stage.check(case, &stage.client()).await;
    if stage.world.faults.disarm() {
        return Err("it writes".to_owned());
    }
    checked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_fails_is_told_to_the_caller() {
    let sweep = Sweep::read("the engine fails");
    let world = World::open(Access::Verified).await;
    let (mut swept, mut failures) = (BTreeSet::new(), Vec::new());
    for case in &sweep.meant {
        // A dry run does not come as far as the engine.
        if !succeeds(case) || case.expected().0 == 204 || swept.contains(&case.operation) {
            continue;
        }
        let mut stage = Stage::new(&world, &format!("swept-{}", swept.len()), "us-east-1");
        stage.prepare(case).await.expect("prepared");
        let lost = "The execution environment was lost; the request can be tried again.";
        let told = Err(ServiceError::Internal(lost.to_owned()));
        world.engine.told.lock().expect("not poisoned").insert(stage.name.clone(), told);
        if let Err(why) = stage.check(&case.expecting(&sweep.expect), &stage.client()).await {
            failures.push(format!("{}\n    {why}", case.title));
        }
        swept.insert(case.operation.clone());
    }
    sweep.end(&swept, &failures);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_cannot_be_kept_is_not_taken() {
    let sweep = Sweep::read("the event cannot be kept");
    let world = World::open(Access::Verified).await;
    let (mut swept, mut failures) = (BTreeSet::new(), Vec::new());
    for (index, case) in sweep.meant.iter().filter(|case| succeeds(case)).enumerate() {
        let mut stage = Stage::new(&world, "swept", &region(index));
        stage.prepare(case).await.expect("prepared");
        world.queue.fails.store(true, Ordering::Release);
        let refused = stage.check(&case.expecting(&sweep.expect), &stage.client()).await;
        let waiting = world.queue.queue.queues("").await.expect("readable queues");
        world.queue.fails.store(false, Ordering::Release);
        let taken = stage.check(case, &stage.client()).await;
        for why in [refused.err(), taken.err()].into_iter().flatten() {
            failures.push(format!("{}\n    {why}", case.title));
        }
        if waiting.iter().any(|(queue, _)| queue.as_str().contains(&stage.region)) {
            failures.push(format!("{}\n    something was stored", case.title));
        }
        swept.insert(case.operation.clone());
    }
    sweep.end(&swept, &failures);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_under_way_holds_off_the_next() {
    let sweep = Sweep::read("a change is under way");
    let world = World::open(Access::Verified).await;
    let (mut swept, mut failures) = (BTreeSet::new(), Vec::new());
    let given = |case: &&Case| succeeds(case) && case.needs_function && case.before.is_empty();
    for (index, case) in sweep.meant.iter().filter(given).enumerate() {
        let mut stage = Stage::new(&world, "swept", &region(index));
        if let Err(why) = hold_off(&mut stage, case, &sweep.expect).await {
            failures.push(format!("{}\n    {why}", case.title));
        }
        swept.insert(case.operation.clone());
    }
    sweep.end(&swept, &failures);
}

async fn hold_off(stage: &mut Stage<'_>, case: &Case, expect: &Value) -> Result<(), String> {
    stage.prepare(case).await?;
    // The change becomes durable, and that it has settled does not: so it is under way for ever.
    stage.world.faults.arm(1);
    let target = format!("/2015-03-31/functions/{}/configuration", stage.name);
    let changed = serde_json::json!({ "Description": "under way" }).to_string();
    let answer = stage.client().send("PUT", &target, HeaderMap::new(), changed.into()).await;
    if answer.status != 200 {
        return Err(format!("the change was refused: {answer:?}"));
    }
    stage.world.faults.struck().await;
    stage.check(&case.expecting(expect), &stage.client()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_is_not_ready_is_not_invoked() {
    let sweep = Sweep::read("a function is not ready");
    let world = World::open(Access::Verified).await;
    let (mut swept, mut failures) = (BTreeSet::new(), Vec::new());
    let given = |case: &&Case| succeeds(case) && case.needs_function && case.before.is_empty();
    for (index, case) in sweep.meant.iter().filter(given).enumerate() {
        let stage = Stage::new(&world, "swept", &region(index));
        // As above, for the function's creation.
        world.faults.arm(1);
        let created = stage.send(create_function(&root(), &stage.variables), &stage.client()).await;
        assert_eq!(created.status, 201);
        world.faults.struck().await;
        if let Err(why) = stage.check(&case.expecting(&sweep.expect), &stage.client()).await {
            failures.push(format!("{}\n    {why}", case.title));
        }
        swept.insert(case.operation.clone());
    }
    sweep.end(&swept, &failures);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_change_the_same_at_once_one_is_refused() {
    let sweep = Sweep::of("scheduler", "changed at once");
    let world = World::open(Access::Verified).await;
    let (mut swept, mut failures) = (BTreeSet::new(), Vec::new());
    for (index, case) in sweep.meant.iter().filter(|case| succeeds(case)).enumerate() {
        let mut stage = Stage::new(&world, "swept", &region(index));
        match race(&mut stage, case, &sweep.expect).await {
            Ok(true) => drop(swept.insert(case.operation.clone())),
            Ok(false) => {}
            Err(why) => failures.push(format!("{}\n    {why}", case.title)),
        }
    }
    sweep.end(&swept, &failures);
}

/// Sends a request twice, the first being held up on its way to the disk; says whether it goes there.
async fn race(stage: &mut Stage<'_>, case: &Case, expect: &Value) -> Result<bool, String> {
    stage.prepare(case).await?;
    let (faults, client) = (&stage.world.faults, stage.client());
    let held = faults.hold().await;
    let slow = stage.send(case.request(&stage.variables), &client);
    let fast = async {
        let arrived = faults.arrived().await;
        let answer = stage.check(case, &client).await;
        drop(held);
        arrived.then_some(answer)
    };
    let (slow, fast) = tokio::join!(slow, fast);
    let Some(fast) = fast else { return Ok(false) };
    fast?;
    case.expecting(expect).check(&stage.variables, &slow)?;
    Ok(true)
}
