//! What is told to the engine about provisioned concurrency, whatever changes: configurations, aliases, versions, and
//! the server itself.

use control::function::{CreateAlias, Publish, UpdateAlias, UpdateCode};
use model::name::{Qualifier, Version};

use crate::world::{World, create, inline, reference, scope, zip};

fn alias(name: &str) -> Qualifier {
    Qualifier::Alias(name.to_owned())
}

fn number(number: u64) -> Qualifier {
    Qualifier::Version(Version::Published(number))
}

impl World {
    fn told(&self) -> String {
        let told = self.engine.provisioned.lock().expect("not poisoned");
        told.get("hello").cloned().unwrap_or_else(|| "nothing".to_owned())
    }

    /// Waits until this is told.
    async fn becomes(&self, expect: &str) {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        while self.told() != expect {
            assert!(tokio::time::Instant::now() < deadline, "{}", self.told());
            tokio::task::yield_now().await;
        }
    }

    async fn provision(&self, qualifier: Qualifier, count: u32) -> Result<(), String> {
        let (scope, hello) = (scope(), reference("hello"));
        let put = self.functions.provision(&scope, &hello, Some(&qualifier), count);
        put.await.map(drop).map_err(|error| error.to_string())
    }

    async fn publish_next(&self, content: &str) {
        let change = UpdateCode {
            reference: reference("hello"),
            source: inline(zip(&[("app.py", content)])),
            origin: Default::default(),
            architecture: None,
            revision: None,
            dry_run: false,
            publish: false,
        };
        self.functions.update_code(&scope(), change).await.expect("updated");
        self.settled("hello").await;
        let publish =
            Publish { reference: reference("hello"), description: None, code_sha256: None, revision: None };
        self.functions.publish(&scope(), publish).await.expect("published");
    }

    async fn alias(&self, name: &str, version: u64) {
        let alias = CreateAlias {
            reference: reference("hello"),
            name: name.to_owned(),
            version: Version::Published(version),
            description: String::new(),
            routing: Vec::new(),
        };
        self.functions.create_alias(&scope(), alias).await.expect("created");
    }

    async fn move_alias(&self, name: &str, version: u64, routing: &[(u64, f64)]) -> Result<(), String> {
        let change = UpdateAlias {
            reference: reference("hello"),
            name: name.to_owned(),
            version: Some(Version::Published(version)),
            description: None,
            routing: Some(routing.iter().map(|(n, weight)| (Version::Published(*n), *weight)).collect()),
            revision: None,
        };
        let moved = self.functions.update_alias(&scope(), change).await;
        moved.map(drop).map_err(|error| error.to_string())
    }
}

#[tokio::test]
async fn the_engine_is_told_what_follows_from_every_change() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    world.create("hello").await;
    world.publish_next("one").await;
    world.publish_next("two").await;
    world.publish_next("three").await;
    world.alias("live", 1).await;
    world.alias("next", 1).await;

    world.provision(alias("live"), 4).await.expect("provisioned");
    assert_eq!(world.told(), "1:4");
    world.provision(alias("next"), 1).await.expect("provisioned");
    assert_eq!(world.told(), "1:5", "two aliases of one version");
    world.move_alias("live", 2, &[]).await.expect("moved");
    assert_eq!(world.told(), "1:1 2:4");
    world.move_alias("live", 2, &[(1, 0.25)]).await.expect("split");
    assert_eq!(world.told(), "1:2 2:3");
    world.provision(number(3), 2).await.expect("provisioned");
    assert_eq!(world.told(), "1:2 2:3 3:2");
    let refused = world.move_alias("live", 3, &[]).await.expect_err("3 has its own");
    assert!(refused.contains("already Provisioned version"), "{refused}");

    world.functions.delete(&scope(), &reference("hello"), Some(&number(3))).await.expect("deleted");
    assert_eq!(world.told(), "1:2 2:3");
    world.functions.delete_alias(&scope(), &reference("hello"), "next".to_owned()).await.expect("deleted");
    assert_eq!(world.told(), "1:1 2:3");
    let live = alias("live");
    world.functions.unprovision(&scope(), &reference("hello"), Some(&live)).await.expect("deleted");
    assert_eq!(world.told(), "");
}

#[tokio::test]
async fn a_start_tells_it_again_and_a_deleted_function_leaves_nothing() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    world.create("hello").await;
    world.publish_next("one").await;
    world.provision(number(1), 3).await.expect("provisioned");
    let unreserved = world.functions.account(&scope()).unreserved;
    assert_eq!(unreserved, 997);
    world.store.close().await;

    let world = World::open(data.path()).await;
    let functions = world.functions.clone();
    let maintained = tokio::spawn(async move { functions.maintain().await });
    world.becomes("1:3").await;
    maintained.abort();
    assert_eq!(world.functions.account(&scope()).unreserved, unreserved);
    world.functions.delete(&scope(), &reference("hello"), None).await.expect("deleted");
    assert_eq!((world.told().as_str(), world.functions.account(&scope()).unreserved), ("", 1_000));
    // Another function of the same name has nothing of it.
    world.functions.create(&scope(), create("hello")).await.expect("created");
    world.settled("hello").await;
    assert_eq!(world.told(), "");
}

#[tokio::test]
async fn code_that_is_still_prepared_is_told_when_it_can_run() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let request = control::function::Create { publish: true, ..create("hello") };
    world.functions.create(&scope(), request).await.expect("created");
    world.provision(number(1), 1).await.expect("provisioned");
    world.settled("hello").await;
    world.becomes("1:1").await;
}

#[tokio::test]
async fn what_is_reserved_bounds_what_is_provisioned() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    world.create("hello").await;
    world.publish_next("one").await;
    world.provision(number(1), 900).await.expect("a hundred stay");
    world.provision(number(1), 901).await.expect_err("too much");
    world.provision(number(1), 5).await.expect("less");
    let (scope, hello) = (scope(), reference("hello"));
    world.functions.reserve_concurrency(&scope, &hello, 4).await.expect_err("five are provisioned");
    world.functions.reserve_concurrency(&scope, &hello, 5).await.expect("as many");
    assert_eq!(world.functions.account(&scope).unreserved, 995, "counted once");
    world.provision(number(1), 6).await.expect_err("five are reserved");
    world.functions.release_concurrency(&scope, &hello).await.expect("released");
    assert_eq!(world.functions.account(&scope).unreserved, 995);
}

#[tokio::test]
async fn a_function_with_snap_start_has_none() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let mut request = control::function::Create { publish: true, ..create("hello") };
    request.settings.noted.snap_start = Some(true);
    world.functions.create(&scope(), request).await.expect("created");
    world.settled("hello").await;
    let refused = world.provision(number(1), 1).await.expect_err("snapshots");
    assert!(refused.contains("SnapStart"), "{refused}");
}
