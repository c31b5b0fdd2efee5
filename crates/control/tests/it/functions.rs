//! The operations on functions, one theme a test: what is answered, what is there after a restart, who wins when
//! several write, what is refused and leaves nothing behind.
//!
//! Packages on the disk have their own file beside this one.

use std::sync::Arc;
use std::time::Duration;

use control::function::{Change, UpdateCode, UpdateSettings};
use model::error::ServiceError;
use model::function::{Function, State, UpdateStatus};
use model::id::{AccountId, Region};
use model::name::{Qualifier, Version};

use crate::world::{World, change, create, inline, reference, scope, zip};

fn update(name: &str, memory_mb: u32) -> UpdateSettings {
    let settings = Change { memory_mb: Some(memory_mb), ..Change::default() };
    UpdateSettings { reference: reference(name), settings, revision: None }
}

fn new_code(name: &str, content: &str) -> UpdateCode {
    UpdateCode {
        reference: reference(name),
        source: inline(zip(&[("app.py", content)])),
        origin: Default::default(),
        architecture: None,
        revision: None,
        dry_run: false,
        publish: false,
    }
}

#[track_caller]
fn check_error<T: std::fmt::Debug>(result: Result<T, ServiceError>, expect: ServiceError) {
    assert_eq!(result.expect_err("refused"), expect);
}

#[tokio::test]
async fn a_function_becomes_active_and_can_be_resolved() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let created = world.functions.create(&scope(), create("hello")).await.expect("created");
    assert_eq!((&created.state, &created.last_update), (&State::Pending, &UpdateStatus::Successful));
    let active = world.settled("hello").await;
    assert_eq!((&active.state, &active.last_update), (&State::Active, &UpdateStatus::Successful));
    // As at AWS, becoming active is a change of its own.
    assert_ne!(active.revision, created.revision);
    assert_eq!(active.last_modified, created.last_modified);
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:hello";
    for text in ["hello", "hello:$LATEST", "000000000000:function:hello", arn, &format!("{arn}:$LATEST")] {
        let resolved = world.functions.resolve(&scope(), &reference(text), None).expect("resolved");
        assert!(Arc::ptr_eq(&resolved, &active), "{text}");
    }
    assert!(world.engine.retired.lock().expect("not poisoned").is_empty(), "nothing was replaced");
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let data = tempfile::tempdir().expect("a directory");
    let before = {
        let world = World::open(data.path()).await;
        world.create("hello").await;
        world.functions.update_settings(&scope(), update("hello", 512)).await.expect("updated");
        let before = world.settled("hello").await;
        world.functions.create(&scope(), create("fresh")).await.expect("created");
        drop(world.functions);
        world.store.close().await;
        before
    };
    let world = World::open(data.path()).await;
    let after = world.functions.get(&scope(), &reference("hello"), None).expect("still there");
    assert_eq!(*after, *before);
    // Whatever state it was caught in, maintenance brings it to its end.
    let maintained = tokio::spawn({
        let functions = world.functions.clone();
        async move { functions.maintain().await }
    });
    assert_eq!(world.settled("fresh").await.state, State::Active);
    maintained.abort();
}

#[tokio::test]
async fn names_are_taken_once() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    world.create("hello").await;
    let exists = ServiceError::ResourceConflict("Function already exist: hello".to_owned());
    check_error(world.functions.create(&scope(), create("hello")).await, exists.clone());
    let caller = scope();
    let both = tokio::join!(
        world.functions.create(&caller, create("race")),
        world.functions.create(&caller, create("race")),
    );
    assert_eq!([&both.0, &both.1].iter().filter(|result| result.is_ok()).count(), 1);
    // Another region is another namespace.
    let elsewhere = model::arn::Scope { region: Region::parse("eu-west-1").expect("a region"), ..scope() };
    world.functions.create(&elsewhere, create("hello")).await.expect("created");
}

#[tokio::test]
async fn an_update_keeps_the_old_code_serving_until_it_is_ready() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let old = world.create("hello").await;
    world.clock.turn(Duration::from_secs(1));
    let updating = world.functions.update_code(&scope(), new_code("hello", "v2")).await.expect("updated");
    assert_eq!((&updating.state, &updating.last_update), (&State::Active, &UpdateStatus::InProgress));
    assert_ne!(updating.code, old.code);
    assert!(updating.last_modified > old.last_modified);
    let serving = world.functions.resolve(&scope(), &reference("hello"), None).expect("served");
    assert!(serving.code == old.code || serving.last_update == UpdateStatus::Successful);
    let settled = world.settled("hello").await;
    let serving = world.functions.resolve(&scope(), &reference("hello"), None).expect("served");
    assert_eq!(serving.code, updating.code);
    assert_eq!(serving.revision, settled.revision);
    assert_eq!(*world.engine.retired.lock().expect("not poisoned"), ["hello:$LATEST"]);
}

#[tokio::test]
async fn the_revision_is_a_precondition() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let current = world.create("hello").await;
    let stale = UpdateSettings { revision: Some("stale".to_owned()), ..update("hello", 256) };
    let message = "The Revision Id provided does not match the latest Revision Id. Call the \
                   GetFunction/GetAlias API to retrieve the latest Revision Id";
    let refused = ServiceError::PreconditionFailed(message.to_owned());
    check_error(world.functions.update_settings(&scope(), stale).await, refused.clone());
    let stale = UpdateCode { revision: Some("stale".to_owned()), ..new_code("hello", "v2") };
    check_error(world.functions.update_code(&scope(), stale).await, refused);
    let fresh = UpdateSettings { revision: Some(current.revision.to_string()), ..update("hello", 256) };
    world.functions.update_settings(&scope(), fresh).await.expect("updated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_writers_each_change_is_whole() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    world.create("hello").await;
    let writers = (0..20).map(|index| {
        let functions = world.functions.clone();
        tokio::spawn(async move { functions.update_settings(&scope(), update("hello", 128 + index)).await })
    });
    let mut won: Vec<Arc<Function>> = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        match writer.await.expect("no panic") {
            Ok(function) => won.push(function),
            Err(error) => check_error::<()>(
                Err(error),
                ServiceError::ResourceConflict(
                    "The operation cannot be performed at this time. An update is in progress for resource: \
                     arn:aws:lambda:us-east-1:000000000000:function:hello"
                        .to_owned(),
                ),
            ),
        }
    }
    let settled = world.settled("hello").await;
    assert!(!won.is_empty());
    assert!(won.iter().any(|function| function.settings == settled.settings));
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let before = world.create("hello").await;
    let request = UpdateCode { dry_run: true, ..new_code("hello", "v2") };
    let would_be = world.functions.update_code(&scope(), request).await.expect("checked");
    assert_ne!(would_be.code, before.code);
    assert!(Arc::ptr_eq(&world.functions.get(&scope(), &reference("hello"), None).expect("there"), &before));
    let broken = UpdateCode { dry_run: true, source: inline("no zip".into()), ..new_code("hello", "") };
    assert!(world.functions.update_code(&scope(), broken).await.is_err());
}

#[tokio::test]
async fn a_deleted_function_is_gone_for_good() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    world.create("hello").await;
    let latest = Qualifier::Version(Version::Latest);
    check_error(
        world.functions.delete(&scope(), &reference("hello"), Some(&latest)).await,
        ServiceError::InvalidParameterValue(
            "$LATEST version cannot be deleted without deleting the function.".to_owned(),
        ),
    );
    world.functions.delete(&scope(), &reference("hello"), None).await.expect("deleted");
    let not_found = ServiceError::ResourceNotFound(
        "Function not found: arn:aws:lambda:us-east-1:000000000000:function:hello".to_owned(),
    );
    check_error(world.functions.get(&scope(), &reference("hello"), None), not_found.clone());
    check_error(world.functions.delete(&scope(), &reference("hello"), None).await, not_found);
    assert_eq!(*world.engine.retired.lock().expect("not poisoned"), ["hello"]);
    // A function that is still being prepared can be deleted too, and does not come back.
    world.functions.create(&scope(), create("brief")).await.expect("created");
    world.functions.delete(&scope(), &reference("brief"), None).await.expect("deleted");
    drop(world.functions);
    world.store.close().await;
    let world = World::open(data.path()).await;
    assert!(world.functions.list(&scope(), None, 50, false).expect("a page").functions.is_empty());
}

#[tokio::test]
async fn lists_come_in_pages_by_name() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    for name in ["c", "a", "e", "b", "d"] {
        world.create(name).await;
    }
    let mut names: Vec<String> = Vec::new();
    let mut marker = None;
    loop {
        let page = world.functions.list(&scope(), marker.as_deref(), 2, false).expect("a page");
        assert!(page.functions.len() <= 2);
        names.extend(page.functions.iter().map(|function| function.id.name.to_string()));
        marker = page.next;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    assert!(world.functions.list(&scope(), Some("???"), 2, false).is_err());
}

#[tokio::test]
async fn references_that_lead_elsewhere_are_refused() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    world.create("hello").await;
    let get = |text: &str| world.functions.get(&scope(), &reference(text), None);
    check_error(
        get("arn:aws:lambda:eu-west-1:000000000000:function:hello"),
        ServiceError::ResourceNotFound(
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')".to_owned(),
        ),
    );
    // Who may look there at all is decided before.
    let elsewhere = "Function not found: arn:aws:lambda:us-east-1:111111111111:function:hello";
    check_error(get("111111111111:function:hello"), ServiceError::ResourceNotFound(elsewhere.to_owned()));
    check_error(
        get("hello:7"),
        ServiceError::ResourceNotFound(
            "Function not found: arn:aws:lambda:us-east-1:000000000000:function:hello:7".to_owned(),
        ),
    );
    let prod = Qualifier::Alias("prod".to_owned());
    assert!(matches!(
        world.functions.get(&scope(), &reference("hello:dev"), Some(&prod)),
        Err(ServiceError::InvalidParameterValue(_))
    ));
    let other =
        model::arn::Scope { account: AccountId::parse("111111111111").expect("an account"), ..scope() };
    assert!(matches!(
        world.functions.get(&other, &reference("hello"), None),
        Err(ServiceError::ResourceNotFound(_))
    ));
}

#[tokio::test]
async fn what_cannot_be_honoured_leaves_nothing_behind() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let mut refused = vec![create("a"), create("b"), create("c"), create("d")];
    refused[0].settings.runtime = Some(model::runtime::RuntimeName::new("cobol1"));
    refused[1].source = inline("no zip".into());
    refused[2].settings = Change { timeout_s: Some(0), ..change() };
    refused[3].tags.insert("aws:x".to_owned(), "y".to_owned());
    for request in refused {
        let error = world.functions.create(&scope(), request).await.expect_err("refused");
        let is_refusal =
            matches!(error, ServiceError::InvalidParameterValue(_) | ServiceError::Validation(_));
        assert!(is_refusal, "{error:?}");
    }
    assert!(world.functions.list(&scope(), None, 50, false).expect("a page").functions.is_empty());
    assert!(world.store.blobs().list().await.expect("listed").is_empty());
}
