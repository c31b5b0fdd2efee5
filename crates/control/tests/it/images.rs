//! Functions made of container images: fetched after the answer if they are far away, failed if there are none, and
//! known to be in use for as long as they are.

use std::sync::Arc;
use std::time::Duration;

use control::function::{Change, Create, Source, UpdateCode, UpdateSettings, is_resolved};
use control::package::GRACE;
use model::error::ServiceError;
use model::function::{Code, Function, Image, ImageConfig, Start, State, UpdateStatus};
use model::id::Digest;

use crate::outside::Gallery;
use crate::world::{World, change, create, reference, scope};

const URI: &str = "registry.localhost/app:1";

fn image_function(name: &str, uri: &str) -> Create {
    let settings = Change { runtime: None, handler: None, ..change() };
    Create { source: Source::Image(uri.to_owned()), settings, ..create(name) }
}

fn new_image(name: &str, uri: &str) -> UpdateCode {
    UpdateCode {
        reference: reference(name),
        source: Source::Image(uri.to_owned()),
        origin: Default::default(),
        architecture: None,
        revision: None,
        dry_run: false,
        publish: false,
    }
}

fn image(function: &Function) -> &Image {
    match &function.code {
        Code::Image(image) => image,
        Code::Zip(_) => panic!("{} is a zip", function.id.arn()),
    }
}

fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

fn refused<T: std::fmt::Debug>(result: Result<T, ServiceError>) -> String {
    match result {
        Err(ServiceError::InvalidParameterValue(message)) => message,
        other => panic!("{other:?} is no refusal"),
    }
}

#[tokio::test]
async fn an_image_is_pinned_by_what_it_meant() {
    let data = tempfile::tempdir().expect("a directory");
    let gallery = Arc::new(Gallery::default());
    gallery.hang(URI, 7);
    let world = World::open_with(data.path(), Arc::clone(&gallery)).await;
    let created = world.functions.create(&scope(), image_function("hello", URI)).await.expect("created");
    assert_eq!((&created.state, image(&created).digest), (&State::Pending, digest(7)));
    gallery.hang(URI, 8);
    let settled = world.settled("hello").await;
    assert_eq!((&settled.state, image(&settled).digest), (&State::Active, digest(7)));
    assert_eq!(settled.settings.start, Start::Image(ImageConfig::default()));
    assert_eq!(gallery.in_use(), [digest(7)]);

    world.functions.update_code(&scope(), new_image("hello", URI)).await.expect("updated");
    let updated = world.settled("hello").await;
    assert_eq!(image(&updated).digest, digest(8));
    assert_eq!(gallery.in_use(), [digest(7), digest(8)], "the first may still be running");
    world.clock.turn(GRACE);
    world.store.close().await;
    drop(World::open_with(data.path(), Arc::clone(&gallery)).await);
    assert_eq!(gallery.in_use(), [digest(8)], "nothing runs yet");
}

#[tokio::test]
async fn what_is_no_image_makes_no_function() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let missing = refused(world.functions.create(&scope(), image_function("hello", URI)).await);
    assert_eq!(missing, format!("Source image {URI} does not exist. Provide a valid source image."));
    assert!(world.functions.get(&scope(), &reference("hello"), None).is_err());
    world.gallery.hang(URI, 7);
    world.functions.create(&scope(), image_function("hello", URI)).await.expect("the name is free");
}

#[tokio::test(start_paused = true)]
async fn a_caller_does_not_wait_for_a_far_image() {
    let data = tempfile::tempdir().expect("a directory");
    let gallery = Arc::new(Gallery::default());
    gallery.hang(URI, 7);
    let world = World::open_with(data.path(), Arc::clone(&gallery)).await;
    let shut = gallery.doors.write().await;
    let created = world.functions.create(&scope(), image_function("hello", URI)).await.expect("created");
    assert_eq!((&created.state, is_resolved(image(&created))), (&State::Pending, false));
    let early = world.functions.resolve(&scope(), &reference("hello"), None);
    assert!(matches!(early, Err(ServiceError::ResourceConflict(_))), "{early:?}");
    // A restart takes the fetch up again.
    world.store.close().await;
    let world = World::open_with(data.path(), Arc::clone(&gallery)).await;
    let functions = world.functions.clone();
    let maintenance = tokio::spawn(async move { functions.maintain().await });
    drop(shut);
    let settled = world.settled("hello").await;
    maintenance.abort();
    assert_eq!((&settled.state, image(&settled).digest), (&State::Active, digest(7)));
}

#[tokio::test(start_paused = true)]
async fn a_far_image_that_is_not_there_fails_its_function() {
    let data = tempfile::tempdir().expect("a directory");
    let gallery = Arc::new(Gallery::default());
    let world = World::open_with(data.path(), Arc::clone(&gallery)).await;
    let shut = gallery.doors.write().await;
    world.functions.create(&scope(), image_function("hello", URI)).await.expect("created");
    drop(shut);
    let failed = world.settled("hello").await;
    assert!(
        matches!(&failed.state, State::Failed { reason } if reason.contains("does not exist")),
        "{failed:?}"
    );
    // An update can save it.
    gallery.hang(URI, 7);
    world.functions.update_code(&scope(), new_image("hello", URI)).await.expect("updated");
    assert_eq!(world.settled("hello").await.state, State::Active);
    // One that fails leaves what runs, for good.
    let shut = gallery.doors.write().await;
    let pending =
        world.functions.update_code(&scope(), new_image("hello", "no/such:1")).await.expect("begun");
    assert!(!is_resolved(image(&pending)));
    let serving = world.functions.resolve(&scope(), &reference("hello"), None).expect("still runs");
    assert_eq!(image(&serving).digest, digest(7));
    drop(shut);
    let after = world.settled("hello").await;
    assert!(matches!(after.last_update, UpdateStatus::Failed { .. }));
    assert_eq!(image(&after).digest, digest(7));
    world.store.close().await;
    let world = World::open_with(data.path(), gallery).await;
    world.functions.resolve(&scope(), &reference("hello"), None).expect("still runs");
}

#[tokio::test]
async fn what_is_being_fetched_is_not_collected() {
    let data = tempfile::tempdir().expect("a directory");
    let gallery = Arc::new(Gallery::default());
    gallery.hang(URI, 7);
    let world = World::open_with(data.path(), Arc::clone(&gallery)).await;
    let shut = gallery.doors.write().await;
    let functions = world.functions.clone();
    let creating =
        tokio::spawn(async move { functions.create(&scope(), image_function("hello", URI)).await });
    world.create("other").await;
    let told = gallery.retained.lock().expect("not poisoned").len();
    world.functions.delete(&scope(), &reference("other"), None).await.expect("deleted");
    assert_eq!(gallery.retained.lock().expect("not poisoned").len(), told, "nothing was given up");
    drop(shut);
    creating.await.expect("no panic").expect("created");
    world.settled("hello").await;
    assert_eq!(gallery.in_use(), [digest(7)]);
    world.clock.turn(Duration::from_secs(1));
}

#[tokio::test]
async fn the_two_kinds_of_package_do_not_mix() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    world.gallery.hang(URI, 7);
    world.create("zip").await;
    world.functions.create(&scope(), image_function("image", URI)).await.expect("created");
    world.settled("image").await;
    let with = |settings: Change| Create { settings, ..image_function("x", URI) };
    let bare = || Change { runtime: None, handler: None, ..change() };
    let here = scope();
    let create = |request| world.functions.create(&here, request);
    let runtime =
        "The Runtime and Handler parameters are not supported for functions created with container images.";
    assert_eq!(refused(create(with(change())).await), runtime);
    let layers = Change { layers: Some(vec!["arn".to_owned()]), ..bare() };
    assert!(refused(create(with(layers)).await).contains("Layers"));
    let config = ImageConfig { command: vec!["x".to_owned()], ..ImageConfig::default() };
    let on_zip =
        Create { settings: Change { image: Some(config.clone()), ..change() }, ..crate::world::create("x") };
    assert!(refused(create(on_zip).await).contains("ImageConfig"));
    assert_eq!(
        refused(world.functions.update_code(&scope(), new_image("zip", URI)).await),
        "Please don't provide ImageUri when updating a function with packageType Zip."
    );
    let zip = UpdateCode { source: crate::world::create("x").source, ..new_image("image", URI) };
    assert_eq!(
        refused(world.functions.update_code(&scope(), zip).await),
        "Please provide ImageUri when updating a function with packageType Image."
    );
    let update = UpdateSettings {
        reference: reference("image"),
        settings: Change { image: Some(config.clone()), ..Change::default() },
        revision: None,
    };
    world.functions.update_settings(&scope(), update).await.expect("changed");
    assert_eq!(world.settled("image").await.settings.start, Start::Image(config));
}
