//! Settings that refer to things outside of the function: shared directories, tenants, capacity, code in a bucket.
//!
//! Whether they are honoured when the function runs is the engine's part.

use control::function::{Change, Create, Source, UpdateSettings, ZipSource, tenant_of};
use model::error::ServiceError;
use model::function::{CapacityProvider, FileSystem};

use crate::world::{FILE_SYSTEM, World, change, create, reference, scope, zip};

fn mount(arn: &str, local_path: &str) -> FileSystem {
    FileSystem { arn: arn.to_owned(), local_path: local_path.to_owned(), direct_read: None }
}

async fn check_refused(world: &World, settings: Change, expect: &str) {
    let request = Create { settings, ..create("refused") };
    match world.functions.create(&scope(), request).await {
        Err(ServiceError::InvalidParameterValue(message) | ServiceError::Validation(message)) => {
            assert!(message.contains(expect), "{message:?} does not contain {expect:?}");
        }
        other => panic!("{other:?} instead of {expect:?}"),
    }
}

#[tokio::test]
async fn only_directories_that_the_owner_allows_are_shared() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let with = |mounts: &[FileSystem]| Change { file_systems: Some(mounts.to_vec()), ..change() };
    let unknown = "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-2";
    check_refused(&world, with(&[mount(unknown, "/mnt/x")]), "with the setting file-systems").await;
    for path in ["/mnt", "/mnt/", "/tmp/x", "/mnt/..", "/mnt/a/b", "mnt/a", "/mnt/a\0"] {
        check_refused(&world, with(&[mount(FILE_SYSTEM, path)]), "The local mount path").await;
    }
    let twice = [mount(FILE_SYSTEM, "/mnt/x"), mount(FILE_SYSTEM, "/mnt/x")];
    check_refused(&world, with(&twice), "Two file systems").await;
    let request = Create { settings: with(&[mount(FILE_SYSTEM, "/mnt/x")]), ..create("hello") };
    world.functions.create(&scope(), request).await.expect("created");
    assert_eq!(world.settled("hello").await.settings.file_systems, [mount(FILE_SYSTEM, "/mnt/x")]);
}

#[tokio::test]
async fn tenants_are_isolated_from_the_beginning_or_never() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let shared = world.create("shared").await;
    let settings = Change { tenant_isolation: Some(true), ..change() };
    world.functions.create(&scope(), Create { settings, ..create("apart") }).await.expect("created");
    let apart = world.settled("apart").await;
    let off = UpdateSettings {
        reference: reference("apart"),
        settings: Change { tenant_isolation: Some(false), ..Change::default() },
        revision: None,
    };
    world.functions.update_settings(&scope(), off).await.expect("changed");
    assert!(world.settled("apart").await.settings.tenant_isolation, "an update does not touch it");
    let tenant = |function, named| tenant_of(function, named).map(|t| t.map(|t| t.as_str().to_owned()));
    assert_eq!(tenant(&shared, None), Ok(None));
    assert_eq!(tenant(&apart, Some("blue")), Ok(Some("blue".to_owned())));
    for (function, named) in
        [(&shared, Some("blue")), (&apart, None), (&apart, Some("")), (&apart, Some("ü"))]
    {
        let refused = tenant(function, named);
        assert!(matches!(refused, Err(ServiceError::InvalidParameterValue(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn capacity_is_kept_within_lambdas_range() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let with = |concurrency| {
        let arn = "arn:aws:lambda:us-east-1:000000000000:capacity-provider:pool".to_owned();
        let capacity =
            CapacityProvider { arn, concurrency: Some(concurrency), memory_gib_per_vcpu: Some(2.0) };
        Change { capacity: Some(capacity), ..change() }
    };
    check_refused(&world, with(0), "perExecutionEnvironmentMaxConcurrency").await;
    check_refused(&world, with(1_601), "less than or equal to 1600").await;
    world
        .functions
        .create(&scope(), Create { settings: with(16), ..create("hello") })
        .await
        .expect("created");
    assert_eq!(world.settled("hello").await.concurrency_per_environment(), 16);
}

#[tokio::test]
async fn code_can_come_from_a_bucket() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let object = |key: &str| {
        let (bucket, key) = ("code".to_owned(), key.to_owned());
        Source::Zip(ZipSource::Object { bucket, key, version: Some("3".to_owned()) })
    };
    let name = ("code".to_owned(), "app.zip".to_owned(), Some("3".to_owned()));
    let content = zip(&[("app.py", "from a bucket")]);
    world.bucket.objects.lock().expect("not poisoned").insert(name, content.clone());
    let from = |key| Create { source: object(key), ..create("hello") };
    let missing = world.functions.create(&scope(), from("none.zip")).await.expect_err("no such object");
    assert!(missing.to_string().contains("NoSuchKey"), "{missing}");
    let created = world.functions.create(&scope(), from("app.zip")).await.expect("created");
    assert_eq!(world.functions.package(created.code.digest()).await, Ok(content));
}
