//! Errors that every operation can have for the same reason: a rate that is used up, a disk that fails, an engine that
//! fails, an event that cannot be kept, a change that is under way. `conformance/sweeps` names each with its operations;
//! here they are brought about for every case of the tables that succeeds.
//!
//! Beside the error it is checked that nothing was done, in the store and in what callers see, and that the same request
//! succeeds once the reason is gone. Of operations that are said to write nothing, that they write nothing.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use control::identity::Access;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use model::error::ServiceError;
use serde_json::Value;

use crate::cases::{Case, cases, create_function};
use crate::client::Client;
use crate::conformance::{Stage, region, root};
use crate::forms;
use crate::world::World;

/// What callers can see of an account with a function `NAME`.
const STATE: &[&str] = &[
    "/2015-03-31/functions",
    "/2015-03-31/functions/NAME",
    "/2015-03-31/functions/NAME/versions",
    "/2015-03-31/functions/NAME/aliases",
    "/2015-03-31/functions/NAME/policy",
    "/2015-03-31/functions/NAME/policy?Qualifier=1",
    "/2019-09-30/functions/NAME/concurrency",
    "/2019-09-25/functions/NAME/event-invoke-config/list",
    "/2021-10-31/functions/NAME/urls",
    "/2020-06-30/functions/NAME/code-signing-config",
    "/2021-07-20/functions/NAME/runtime-management-config",
    "/2024-08-31/functions/NAME/recursion-config",
    "/2025-11-30/functions/NAME/function-scaling-config",
    "/2016-08-19/account-settings",
    "/2018-10-31/layers",
    "/2018-10-31/layers/NAME/versions",
    "/2018-10-31/layers/NAME/versions/1",
    "/2018-10-31/layers/NAME/versions/1/policy",
    "/2015-03-31/event-source-mappings",
    "/2020-04-22/code-signing-configs",
    "/2025-11-30/capacity-providers",
];
/// What callers can see of identities called `NAME`, as `Action` and what follows it.
const IDENTITIES: &[&str] = &[
    "ListUsers&MaxItems=1000",
    "ListAccessKeys&UserName=NAME",
    "ListAttachedUserPolicies&UserName=NAME",
    "ListGroupsForUser&UserName=NAME",
    "ListUserPolicies&UserName=NAME",
    "GetUser&UserName=NAME",
    "ListGroups&MaxItems=1000",
    "ListAttachedGroupPolicies&GroupName=NAME",
    "ListGroupPolicies&GroupName=NAME",
    "GetGroup&GroupName=NAME",
    "ListRoles&MaxItems=1000",
    "ListAttachedRolePolicies&RoleName=NAME",
    "ListRolePolicies&RoleName=NAME",
    "GetRole&RoleName=NAME",
    "ListPolicies&Scope=Local&MaxItems=1000",
    "ListPolicyVersions&PolicyArn=arn:aws:iam::000000000000:policy/NAME",
    "GetPolicy&PolicyArn=arn:aws:iam::000000000000:policy/NAME",
];
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
        let cases = cases(&root(), service).into_iter().filter(|case| case.world.is_none());
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

/// What callers see, status and body of each page.
async fn seen(stage: &Stage<'_>, service: &str) -> Vec<(String, u16, Value)> {
    if service == "iam" { seen_identities(stage).await } else { seen_functions(stage).await }
}

/// The same of a user, a group, a role and a policy that are called `NAME`.
async fn seen_identities(stage: &Stage<'_>) -> Vec<(String, u16, Value)> {
    let client = stage.client().with_service("iam");
    let content = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
    let mut pages = Vec::new();
    for page in IDENTITIES {
        let body = format!("Version=2010-05-08&Action={}", page.replace("NAME", &stage.name));
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content.clone())]);
        let answer = client.send("POST", "/", headers, body.clone().into()).await;
        let mut told = forms::read(&String::from_utf8_lossy(&answer.body)).unwrap_or_default();
        // Every answer has an id of its own.
        told.as_object_mut().map(|members| members.remove("RequestId"));
        pages.push((body, answer.status, told));
    }
    pages
}

async fn seen_functions(stage: &Stage<'_>) -> Vec<(String, u16, Value)> {
    let client = stage.client();
    let mut pages = Vec::new();
    for page in STATE {
        let target = page.replace("NAME", &stage.name);
        let answer = client.get(&target).await;
        let mut body = answer.json();
        // Where code can be had is signed for the moment.
        for place in ["/Code/Location", "/Content/Location"] {
            body.pointer_mut(place).map(Value::take);
        }
        pages.push((target, answer.status, body));
    }
    pages
}

async fn same(stage: &Stage<'_>, service: &str, before: &[(String, u16, Value)]) -> Result<(), String> {
    let after = seen(stage, service).await;
    let changed: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
    if changed.is_empty() { Ok(()) } else { Err(format!("it was half done: {changed:?}")) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_that_is_used_up_stops_every_control_call() {
    let sweep = Sweep::read("throttled");
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

async fn a_disk_fails(sweep: &Sweep) {
    let world = World::open(Access::Verified).await;
    let (mut swept, mut failures) = (BTreeSet::new(), Vec::new());
    for (index, case) in sweep.meant.iter().filter(|case| succeeds(case)).enumerate() {
        match fail(&world, sweep, case, index).await {
            Ok(true) => drop(swept.insert(case.operation.clone())),
            // This case is one in which there is nothing to write.
            Ok(false) => {}
            Err(why) => failures.push(format!("{}\n    {why}", case.title)),
        }
    }
    for (index, case) in sweep.spared.iter().filter(|case| is_admitted(case)).enumerate() {
        let mut stage = Stage::new(&world, &format!("spared-{index}"), &region(2_000 + index));
        if let Err(why) = spare(&mut stage, case).await {
            failures.push(format!("{}\n    {why}", case.title));
        }
    }
    sweep.end(&swept, &failures);
}

/// Lets each write of a request fail in turn; says whether there was any.
async fn fail(world: &World, sweep: &Sweep, case: &Case, index: usize) -> Result<bool, String> {
    let mut stage = Stage::new(world, &format!("swept-{index}"), &region(index));
    stage.prepare(case).await?;
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
    let before = seen(&stage, service).await;
    world.faults.arm(good);
    let answer = stage.send(case.request(&stage.variables), &stage.client()).await;
    world.faults.disarm();
    if answer.status >= 500 { same(&stage, service, &before).await } else { Ok(()) }
}

/// An operation that writes nothing does not notice a disk that fails.
async fn spare(stage: &mut Stage<'_>, case: &Case) -> Result<(), String> {
    stage.prepare(case).await?;
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
        if waiting.iter().any(|queue| queue.as_str().contains(&stage.region)) {
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
