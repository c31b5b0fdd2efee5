//! Versions and aliases: made once, never changed, gone together, and the same after a restart.
//!
//! Through the public face of control, with a real store below it.

use control::function::{Create, CreateAlias, Functions, Publish, UpdateAlias, UpdateCode};
use model::error::ServiceError;
use model::event::Directory as _;
use model::function::State;
use model::name::{Qualifier, Version};

use crate::world::{World, create, inline, reference, scope, zip};

fn publish(name: &str) -> Publish {
    Publish { reference: reference(name), description: None, code_sha256: None, revision: None }
}

fn alias(name: &str, version: u64) -> CreateAlias {
    CreateAlias {
        reference: reference("hello"),
        name: name.to_owned(),
        version: Version::Published(version),
        description: String::new(),
        routing: Vec::new(),
    }
}

fn change(name: &str) -> UpdateAlias {
    UpdateAlias {
        reference: reference("hello"),
        name: name.to_owned(),
        version: None,
        description: None,
        routing: None,
        revision: None,
    }
}

fn new_code(content: &str, publish: bool) -> UpdateCode {
    UpdateCode {
        reference: reference("hello"),
        source: inline(zip(&[("app.py", content)])),
        origin: Default::default(),
        architecture: None,
        revision: None,
        dry_run: false,
        publish,
    }
}

async fn publish_next(world: &World, content: &str) -> u64 {
    world.functions.update_code(&scope(), new_code(content, false)).await.expect("updated");
    world.settled("hello").await;
    let version = world.functions.publish(&scope(), publish("hello")).await.expect("published");
    let Version::Published(number) = version.version else { panic!("{:?}", version.version) };
    number
}

fn numbers(functions: &Functions) -> Vec<String> {
    let page = functions.versions(&scope(), &reference("hello"), None, 50).expect("a page");
    page.functions.iter().map(|function| function.version.to_string()).collect()
}

#[track_caller]
fn check_refused<T: std::fmt::Debug>(result: Result<T, ServiceError>, words: &str) {
    let error = result.expect_err("refused").to_string();
    assert!(error.contains(words), "{error}");
}

#[tokio::test]
async fn a_version_is_made_once_and_its_number_is_never_used_again() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    world.create("hello").await;
    let described = Publish { description: Some("first".to_owned()), ..publish("hello") };
    let first = world.functions.publish(&scope(), described.clone()).await.expect("published");
    assert_eq!((first.version, first.state.clone()), (Version::Published(1), State::Active));
    assert_eq!(first.settings.description, "first");
    for again in [described, publish("hello")] {
        let again = world.functions.publish(&scope(), again).await.expect("published");
        assert_eq!(again.revision, first.revision, "nothing has changed");
    }
    assert_eq!(publish_next(&world, "two").await, 2);
    let delete = Qualifier::parse("2").expect("a qualifier");
    world.functions.delete(&scope(), &reference("hello"), Some(&delete)).await.expect("deleted");
    assert_eq!(*world.engine.retired.lock().expect("not poisoned"), ["hello:$LATEST", "hello:2"]);
    check_refused(world.functions.get(&scope(), &reference("hello:2"), None), "Function not found");
    drop(world.functions);
    world.store.close().await;
    let world = World::open(data.path()).await;
    assert_eq!(numbers(&world.functions), ["$LATEST", "1"]);
    assert_eq!(publish_next(&world, "three").await, 3);
    // The same code as version 1 had, but the last version is another.
    assert_eq!(publish_next(&world, "hello").await, 4);
    let one = world.functions.resolve(&scope(), &reference("hello:1"), None).expect("served");
    let four = world.functions.resolve(&scope(), &reference("hello:4"), None).expect("served");
    assert_eq!(one.code, four.code);
    assert_ne!(one.revision, four.revision, "environments are never shared");
}

#[tokio::test]
async fn preconditions_of_publishing() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    world.create("hello").await;
    let wrong = Publish { code_sha256: Some("bm9uZQ==".to_owned()), ..publish("hello") };
    check_refused(world.functions.publish(&scope(), wrong).await, "is different from current CodeSHA256");
    let stale = Publish { revision: Some("x".to_owned()), ..publish("hello") };
    check_refused(world.functions.publish(&scope(), stale).await, "does not match the latest Revision Id");
    check_refused(world.functions.publish(&scope(), publish("nobody")).await, "Function not found");
    assert_eq!(numbers(&world.functions), ["$LATEST"]);
}

#[tokio::test]
async fn a_version_published_with_its_code_settles_with_it() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let request = Create { publish: true, ..create("hello") };
    let first = world.functions.create(&scope(), request).await.expect("created");
    assert_eq!((first.version, &first.state), (Version::Published(1), &State::Pending));
    world.settled("hello").await;
    let first = world.functions.resolve(&scope(), &reference("hello:1"), None).expect("served");
    assert_eq!(first.state, State::Active);
    let second = world.functions.update_code(&scope(), new_code("two", true)).await.expect("updated");
    assert_eq!(second.version, Version::Published(2));
    world.settled("hello").await;
    let second = world.functions.resolve(&scope(), &reference("hello:2"), None).expect("served");
    assert_ne!(second.code, first.code);
    // The same code once more makes no version.
    let again = world.functions.update_code(&scope(), new_code("two", true)).await.expect("updated");
    assert_eq!(again.version, Version::Published(2));
    assert_eq!(numbers(&world.functions), ["$LATEST", "1", "2"]);
}

#[tokio::test]
async fn an_alias_stands_for_versions_that_are_there() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    world.create("hello").await;
    let functions = &world.functions;
    check_refused(functions.create_alias(&scope(), alias("live", 1)).await, "function:hello:1");
    functions.publish(&scope(), publish("hello")).await.expect("published");
    assert_eq!(publish_next(&world, "two").await, 2);
    let live = functions.create_alias(&scope(), alias("live", 1)).await.expect("created");
    check_refused(functions.create_alias(&scope(), alias("live", 1)).await, "Alias already exists: arn");
    let run = || functions.resolve(&scope(), &reference("hello:live"), None).expect("served").version;
    assert_eq!(run(), Version::Published(1));
    let stale = UpdateAlias { revision: Some("x".to_owned()), ..change("live") };
    check_refused(functions.update_alias(&scope(), stale).await, "Revision Id");
    let moved = UpdateAlias {
        version: Some(Version::Published(2)),
        revision: Some(live.revision.to_string()),
        ..change("live")
    };
    let moved = functions.update_alias(&scope(), moved).await.expect("moved");
    assert_ne!(moved.revision, live.revision);
    assert_eq!(run(), Version::Published(2));
    let delete = Qualifier::parse("2").expect("a qualifier");
    let refused = functions.delete(&scope(), &reference("hello"), Some(&delete)).await;
    check_refused(refused, "Unable to delete version because the following aliases reference it: [live]");
    functions.delete_alias(&scope(), &reference("hello"), "live".to_owned()).await.expect("deleted");
    functions.delete_alias(&scope(), &reference("hello"), "live".to_owned()).await.expect("no error");
    check_refused(functions.alias(&scope(), &reference("hello"), "live"), "Cannot find alias arn: arn:");
    functions.delete(&scope(), &reference("hello"), Some(&delete)).await.expect("deleted");
}

#[tokio::test]
async fn the_rules_of_weights() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    world.create("hello").await;
    let functions = &world.functions;
    functions.publish(&scope(), publish("hello")).await.expect("published");
    publish_next(&world, "two").await;
    functions.create_alias(&scope(), alias("live", 1)).await.expect("created");
    let weigh = async |routing: &[(u64, f64)]| {
        let routing = routing.iter().map(|(number, weight)| (Version::Published(*number), *weight));
        let update = UpdateAlias { routing: Some(routing.collect()), ..change("live") };
        functions.update_alias(&scope(), update).await
    };
    check_refused(weigh(&[(1, 0.5)]).await, "already included in routing configuration");
    check_refused(weigh(&[(3, 0.5)]).await, "Function not found");
    check_refused(weigh(&[(2, 1.5)]).await, "weight");
    check_refused(weigh(&[(1, 0.1), (2, 0.1)]).await, "cannot be greater than 1");
    weigh(&[(2, 1.0)]).await.expect("weighted");
    let run = || functions.resolve(&scope(), &reference("hello:live"), None).expect("served").version;
    assert_eq!(run(), Version::Published(2), "all of the traffic");
    let latest = UpdateAlias { version: Some(Version::Latest), ..change("live") };
    check_refused(functions.update_alias(&scope(), latest).await, "$LATEST is not supported");
    // Both versions are referred to.
    let page = functions.aliases(&scope(), &reference("hello"), Some(Version::Published(2)), None, 50);
    assert_eq!(page.expect("a page").aliases.len(), 1);
    weigh(&[]).await.expect("no weights any more");
    assert_eq!(run(), Version::Published(1));
}

#[tokio::test]
async fn all_that_belongs_to_a_function_goes_with_it() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    world.create("hello").await;
    world.functions.publish(&scope(), publish("hello")).await.expect("published");
    world.functions.create_alias(&scope(), alias("live", 1)).await.expect("created");
    world.functions.delete(&scope(), &reference("hello"), None).await.expect("deleted");
    world.create("hello").await;
    check_refused(world.functions.alias(&scope(), &reference("hello"), "live"), "Cannot find alias");
    let first = world.functions.publish(&scope(), publish("hello")).await.expect("published");
    assert_eq!(first.version, Version::Published(1), "a new function begins anew");
    drop(world.functions);
    world.store.close().await;
    let world = World::open(data.path()).await;
    assert_eq!(numbers(&world.functions), ["$LATEST", "1"]);
}

#[tokio::test]
async fn lists_of_all_versions_have_pages() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    for name in ["a", "hello", "z"] {
        world.create(name).await;
    }
    world.functions.publish(&scope(), publish("hello")).await.expect("published");
    publish_next(&world, "two").await;
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let page = world.functions.list(&scope(), marker.as_deref(), 2, true).expect("a page");
        seen.extend(page.functions.iter().map(|f| format!("{}:{}", f.id.name, f.version)));
        marker = page.next;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["a:$LATEST", "hello:$LATEST", "hello:1", "hello:2", "z:$LATEST"]);
    let page = world.functions.versions(&scope(), &reference("hello"), None, 2).expect("a page");
    assert_eq!(page.functions.len(), 2);
    let rest = world.functions.versions(&scope(), &reference("hello"), page.next.as_deref(), 2);
    let rest = rest.expect("a page");
    assert_eq!((rest.functions.len(), rest.next), (1, None));
}

/// The function is still there, and so is who is to hear of what becomes of its events.
#[tokio::test]
async fn events_of_a_name_that_is_gone_are_given_up_as_the_functions_own() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let queue = "arn:aws:sqs:us-east-1:000000000000:dead";
    let mut asked = create("hello");
    asked.settings.noted.dead_letter = Some(queue.to_owned());
    world.functions.create(&scope(), asked).await.expect("created");
    let function = world.settled("hello").await;
    let named = Qualifier::parse("gone").expect("a qualifier");
    let told = world.functions.event_settings(&function.id, Some(&named));
    assert_eq!(told.dead_letter.as_deref(), Some(queue));
    assert_eq!(told.role.as_deref(), Some(&*function.settings.role));
}
