//! What happens to a function while its new code is still on its way: the code reaches that function only, and under the
//! rules that are in force when it has come.
//!
//! The bucket's doors are shut while everything else happens, so nothing here depends on time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use control::code_signing::{CodeSigning, ConfigChange};
use control::function::{Change, Create, Functions, Source, UpdateCode, UpdateSettings, ZipSource};
use control::tags::{TagChange, Tagged};
use model::code_signing::CodeSigningPolicy;
use model::error::ServiceError;

use crate::world::{World, change, create, reference, scope, zip};

const IMAGE: &str = "registry.localhost/app:1";
const PUBLISHER: &str = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/aB3";

/// Code that comes when the bucket opens.
fn slow() -> Source {
    let (bucket, key) = ("code".to_owned(), "slow.zip".to_owned());
    Source::Zip(ZipSource::Object { bucket, key, version: None })
}

fn slow_code(name: &str) -> UpdateCode {
    UpdateCode {
        reference: reference(name),
        source: slow(),
        origin: Default::default(),
        architecture: None,
        revision: None,
        dry_run: false,
        publish: false,
    }
}

/// Begins `work`, has `meanwhile` happen once it waits for the bucket, and gives what became of it.
async fn with<T>(
    world: &World,
    work: impl AsyncFnOnce(Functions) -> Result<T, ServiceError>,
    meanwhile: impl AsyncFnOnce(),
) -> Result<T, ServiceError> {
    let name = ("code".to_owned(), "slow.zip".to_owned(), None);
    let content = zip(&[("app.py", "from a slow bucket")]);
    world.bucket.objects.lock().expect("not poisoned").insert(name, content);
    let shut = world.bucket.doors.write().await;
    let asked = world.bucket.asked.load(Ordering::Relaxed);
    let happens = async {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while world.bucket.asked.load(Ordering::Relaxed) == asked {
            assert!(tokio::time::Instant::now() < deadline, "the bucket is never asked");
            tokio::task::yield_now().await;
        }
        meanwhile().await;
        drop(shut);
    };
    tokio::join!(work(world.functions.clone()), happens).0
}

async fn delete(world: &World) {
    world.functions.delete(&scope(), &reference("hello"), None).await.expect("deleted");
}

async fn new_code(functions: Functions) -> Result<(), ServiceError> {
    functions.update_code(&scope(), slow_code("hello")).await.map(drop)
}

fn conflict() -> ServiceError {
    ServiceError::ResourceConflict(
        "The operation cannot be performed at this time. An update is in progress for resource: \
         arn:aws:lambda:us-east-1:000000000000:function:hello"
            .to_owned(),
    )
}

#[tokio::test]
async fn new_code_never_reaches_another_function_of_the_name() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    world.gallery.hang(IMAGE, 7);
    let settings = Change { runtime: None, handler: None, ..change() };
    let image = Create { source: Source::Image(IMAGE.to_owned()), settings, ..create("hello") };
    for anew in [create("hello"), image] {
        world.create("hello").await;
        let mut made = None;
        let done = with(&world, new_code, async || {
            delete(&world).await;
            world.functions.create(&scope(), anew).await.expect("created");
            made = Some(world.settled("hello").await);
        });
        assert_eq!(done.await, Err(conflict()));
        assert_eq!(Some(world.settled("hello").await), made);
        delete(&world).await;
    }
    world.create("hello").await;
    let done = with(&world, new_code, async || delete(&world).await).await;
    assert!(matches!(done, Err(ServiceError::ResourceNotFound(_))), "{done:?}");
}

#[tokio::test]
async fn what_the_caller_was_allowed_by_must_still_hold() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let before = world.create("hello").await;
    let tags = [("owner".to_owned(), "somebody else".to_owned())].into();
    let done = with(&world, new_code, async || {
        world.functions.change_tags(&scope(), "hello", TagChange::Add(tags)).await.expect("tagged");
    });
    assert_eq!(done.await, Err(conflict()));
    assert_eq!(world.settled("hello").await.code, before.code);
    // What nobody is allowed by may change, and stays changed.
    let memory = Change { memory_mb: Some(512), ..Change::default() };
    let update = UpdateSettings { reference: reference("hello"), settings: memory, revision: None };
    let done = with(&world, new_code, async || {
        world.functions.update_settings(&scope(), update).await.expect("updated");
        world.settled("hello").await;
    });
    assert_eq!(done.await, Ok(()));
    let after = world.settled("hello").await;
    assert!(after.code != before.code && after.settings.memory_mb == 512, "{after:?}");
}

#[tokio::test]
async fn code_is_signed_as_is_in_force_when_it_has_come() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let signing = CodeSigning::new(world.functions.clone());
    let policy = async |arn: &str, policy| {
        let change = ConfigChange { policy: Some(policy), ..ConfigChange::default() };
        signing.update(&scope(), arn, change).await.expect("updated");
    };
    let publishers = Some(vec![PUBLISHER.to_owned()]);
    let config = ConfigChange { publishers, policy: Some(CodeSigningPolicy::Enforce), description: None };
    let arn = signing.create(&scope(), config, Default::default()).await.expect("created").id.to_string();
    let before = world.create("hello").await;
    let unsigned = |done: Result<(), ServiceError>| {
        assert!(matches!(done, Err(ServiceError::CodeVerificationFailed(_))), "{done:?}");
    };
    // It gets a configuration meanwhile.
    let put = async || {
        world.functions.sign_with(&scope(), &reference("hello"), &arn).await.expect("put");
    };
    unsigned(with(&world, new_code, put).await);
    // The configuration that it has becomes strict meanwhile.
    policy(&arn, CodeSigningPolicy::Warn).await;
    unsigned(with(&world, new_code, async || policy(&arn, CodeSigningPolicy::Enforce).await).await);
    assert_eq!(world.settled("hello").await.code, before.code);
    // The same for a function that is being made.
    policy(&arn, CodeSigningPolicy::Warn).await;
    let create = Create { source: slow(), code_signing: Some(arn.clone()), ..create("fresh") };
    let make = async |functions: Functions| functions.create(&scope(), create).await.map(drop);
    unsigned(with(&world, make, async || policy(&arn, CodeSigningPolicy::Enforce).await).await);
    // And what only warns lets it in.
    policy(&arn, CodeSigningPolicy::Warn).await;
    assert_eq!(with(&world, new_code, async || ()).await, Ok(()));
}
