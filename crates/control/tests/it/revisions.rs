//! What a revision is of: a function, version or alias with its policy, of which it tells every change; and what it is not
//! of: environments, which stay, and what else has the same name.

use std::sync::Arc;
use std::time::Duration;

use control::function::{
    Change, Create, CreateAlias, Functions, Place, Publish, Source, UpdateCode, UpdateSettings,
};
use control::permission::Permission;
use control::tags::{TagChange, Tagged};
use model::error::ServiceError;
use model::function::State;
use model::name::{Qualifier, Version};

use crate::outside::Gallery;
use crate::world::{World, change, create, reference, scope};

const HOLDERS: [&str; 3] = ["$LATEST", "1", "live"];

fn qualifier(holder: &str) -> Option<Qualifier> {
    (holder != "$LATEST").then(|| Qualifier::parse(holder).expect("a qualifier"))
}

/// The revision that a client is shown.
fn shown(functions: &Functions, holder: &str) -> String {
    let hello = reference("hello");
    match holder {
        "live" => functions.alias(&scope(), &hello, holder).expect("there").revision.to_string(),
        _ => {
            let function = functions.get(&scope(), &hello, qualifier(holder).as_ref());
            function.expect("there").revision.to_string()
        }
    }
}

fn all(functions: &Functions) -> [String; 3] {
    HOLDERS.map(|holder| shown(functions, holder))
}

fn of_policy(functions: &Functions, holder: &str) -> String {
    let (hello, qualifier) = (reference("hello"), qualifier(holder));
    let place = Place { reference: &hello, qualifier: qualifier.as_ref() };
    functions.policy(&scope(), place).expect("a policy").revision.to_string()
}

async fn add(
    functions: &Functions,
    holder: &str,
    sid: &str,
    revision: Option<&str>,
) -> Result<(), ServiceError> {
    let permission = Permission {
        sid: sid.to_owned(),
        action: "lambda:InvokeFunction".to_owned(),
        principal: "s3.amazonaws.com".to_owned(),
        ..Permission::default()
    };
    let (hello, qualifier) = (reference("hello"), qualifier(holder));
    let place = Place { reference: &hello, qualifier: qualifier.as_ref() };
    functions.add_permission(&scope(), place, permission, revision.map(str::to_owned)).await.map(drop)
}

async fn remove(functions: &Functions, holder: &str, revision: &str) -> Result<(), ServiceError> {
    let (hello, qualifier) = (reference("hello"), qualifier(holder));
    let place = Place { reference: &hello, qualifier: qualifier.as_ref() };
    functions.remove_permission(&scope(), place, "s3".to_owned(), Some(revision.to_owned())).await
}

async fn describe(functions: &Functions, text: &str, revision: Option<&str>) -> Result<(), ServiceError> {
    let settings = Change { description: Some(text.to_owned()), ..Change::default() };
    let revision = revision.map(str::to_owned);
    let update = UpdateSettings { reference: reference("hello"), settings, revision };
    functions.update_settings(&scope(), update).await.map(drop)
}

#[track_caller]
fn check_stale(result: Result<(), ServiceError>) {
    assert!(matches!(result, Err(ServiceError::PreconditionFailed(_))), "{result:?}");
}

/// A function with a version and an alias of it.
async fn made(world: &World) {
    world.create("hello").await;
    publish(world).await;
    let alias = CreateAlias {
        reference: reference("hello"),
        name: "live".to_owned(),
        version: Version::Published(1),
        description: String::new(),
        routing: Vec::new(),
    };
    world.functions.create_alias(&scope(), alias).await.expect("an alias");
}

async fn publish(world: &World) {
    let (description, code_sha256, revision) = (None, None, None);
    let publish = Publish { reference: reference("hello"), description, code_sha256, revision };
    world.functions.publish(&scope(), publish).await.expect("published");
}

#[tokio::test]
async fn a_policy_has_the_revision_of_what_it_belongs_to() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    made(&world).await;
    for (at, holder) in HOLDERS.into_iter().enumerate() {
        let functions = &world.functions;
        let running = functions.resolve(&scope(), &reference("hello"), qualifier(holder).as_ref());
        let build = running.expect("served").build;
        let first = all(functions);
        check_stale(add(functions, holder, "s3", Some("11111111-2222-4333-8444-555555555555")).await);
        add(functions, holder, "s3", Some(&first[at])).await.expect("added");
        let second = all(functions);
        assert_eq!(of_policy(functions, holder), second[at], "{holder}");
        check_stale(remove(functions, holder, &first[at]).await);
        remove(functions, holder, &second[at]).await.expect("removed");
        let third = all(functions);
        for (other, name) in HOLDERS.into_iter().enumerate() {
            let expect = other == at;
            assert_eq!(first[other] != second[other], expect, "{name} when {holder} gets a policy");
            assert_eq!(second[other] != third[other], expect, "{name} when {holder} loses its policy");
        }
        let running = functions.resolve(&scope(), &reference("hello"), qualifier(holder).as_ref());
        assert_eq!(running.expect("served").build, build, "environments stay");
    }
    assert!(world.engine.retired.lock().expect("not poisoned").is_empty(), "environments stay");
    add(&world.functions, "live", "again", None).await.expect("added");
    let before = all(&world.functions);
    drop(world.functions);
    world.store.close().await;
    let world = World::open(data.path()).await;
    assert_eq!(all(&world.functions), before);
    assert_eq!(of_policy(&world.functions, "live"), before[2]);
}

#[tokio::test]
async fn a_revision_tells_every_change() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    made(&world).await;
    let functions = &world.functions;
    add(functions, "$LATEST", "s3", None).await.expect("added");
    let [first, of_version, of_alias] = all(functions);
    publish(&world).await;
    assert_eq!(shown(functions, "$LATEST"), first, "nothing was published");
    world.clock.turn(Duration::from_secs(1));
    describe(functions, "another", Some(&first)).await.expect("changed");
    world.settled("hello").await;
    let second = shown(functions, "$LATEST");
    assert_eq!(of_policy(functions, "$LATEST"), second, "a policy's is that of its function");
    publish(&world).await;
    let third = shown(functions, "$LATEST");
    assert_ne!(third, second, "a version was published");
    check_stale(describe(functions, "a third", Some(&second)).await);
    let tags = [("a".to_owned(), "b".to_owned())].into();
    functions.change_tags(&scope(), "hello", TagChange::Add(tags)).await.expect("tagged");
    check_stale(describe(functions, "a third", Some(&third)).await);
    assert_eq!(all(functions)[1..], [of_version, of_alias], "nothing has happened to these");
}

#[tokio::test(start_paused = true)]
async fn a_policy_may_change_while_code_is_prepared() {
    let data = tempfile::tempdir().expect("a directory");
    let (gallery, uri) = (Arc::new(Gallery::default()), "registry.localhost/app:1");
    gallery.hang(uri, 7);
    let world = World::open_with(data.path(), Arc::clone(&gallery)).await;
    let settings = Change { runtime: None, handler: None, ..change() };
    let image = Create { source: Source::Image(uri.to_owned()), settings, ..create("hello") };
    world.functions.create(&scope(), image).await.expect("created");
    assert_eq!(world.settled("hello").await.state, State::Active);
    let shut = gallery.doors.write().await;
    let update = UpdateCode {
        reference: reference("hello"),
        source: Source::Image(uri.to_owned()),
        origin: Default::default(),
        architecture: None,
        revision: None,
        dry_run: false,
        publish: true,
    };
    world.functions.update_code(&scope(), update).await.expect("begun");
    // What follows has a deadline.
    tokio::time::resume();
    for holder in ["$LATEST", "1"] {
        add(&world.functions, holder, "s3", None).await.expect("added");
    }
    drop(shut);
    world.settled("hello").await;
    for holder in ["$LATEST", "1"] {
        let version = world.functions.get(&scope(), &reference("hello"), qualifier(holder).as_ref());
        assert_eq!(version.expect("there").state, State::Active, "{holder}");
        assert_eq!(of_policy(&world.functions, holder), shown(&world.functions, holder));
    }
}
