//! Packages on the disk: unpacked once, whole or not at all, and collected only when nothing needs them.
//!
//! Time is the test's own, so that half an hour passes at once.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use control::package::GRACE;
use model::function::{Function, Zip};
use model::port::Artifacts;

use crate::world::{World, reference, scope, zip};

fn directories(data: &Path) -> Vec<String> {
    let entries = fs::read_dir(data.join("code")).expect("listed").map(|entry| entry.expect("listed"));
    let directories = entries.filter(|entry| entry.file_type().expect("a type").is_dir());
    directories.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn zip_of(function: &Function) -> Zip {
    function.code.zip().expect("a zip")
}

async fn collect(world: &World) -> usize {
    let live = || {
        let page = world.functions.list(&scope(), None, 50, false).expect("a page");
        page.functions.iter().map(|function| function.code.digest()).collect()
    };
    world.packages.collect(&live).await.expect("collected")
}

#[tokio::test]
async fn code_is_unpacked_under_its_digest_for_everybody_to_read() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let function = world.create("hello").await;
    assert_eq!(directories(data.path()), [function.code.digest().to_string()]);
    let directory = world.packages.code_dir(zip_of(&function)).await.expect("a directory");
    let mode = |path: &Path| fs::metadata(path).expect("exists").permissions().mode() & 0o777;
    assert_eq!((mode(&directory), mode(&directory.join("app.py"))), (0o755, 0o644));
    assert_eq!(fs::read_to_string(directory.join("app.py")).expect("read"), "hello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_starts_share_one_directory() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let code = zip_of(&*world.create("hello").await);
    fs::remove_dir_all(data.path().join("code").join(code.digest.to_string())).expect("removed");
    let starts = (0..16).map(|_| {
        let packages = world.packages.clone();
        tokio::spawn(async move { packages.code_dir(code).await })
    });
    for start in starts.collect::<Vec<_>>() {
        let directory = start.await.expect("no panic").expect("a directory");
        assert_eq!(fs::read_to_string(directory.join("app.py")).expect("read"), "hello");
    }
    assert_eq!(directories(data.path()).len(), 1, "nothing temporary is left");
}

#[tokio::test]
async fn directories_of_an_earlier_boot_are_not_trusted() {
    let data = tempfile::tempdir().expect("a directory");
    let code = {
        let world = World::open(data.path()).await;
        let function = world.create("hello").await;
        fs::create_dir(data.path().join("code/.tmp-left")).expect("a directory");
        world.store.close().await;
        zip_of(&function)
    };
    let directory = data.path().join("code").join(code.digest.to_string());
    fs::write(directory.join("app.py"), "").expect("torn, as after a power cut");
    fs::write(data.path().join("code/.boot"), "another boot").expect("written");
    let world = World::open(data.path()).await;
    let directory = world.packages.code_dir(code).await.expect("a directory");
    assert_eq!(fs::read_to_string(directory.join("app.py")).expect("read"), "hello");
    assert_eq!(directories(data.path()), [code.digest.to_string()]);
}

#[tokio::test]
async fn packages_are_collected_once_unused_for_long() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let kept = world.create("kept").await;
    let gone = world.create("gone").await;
    world.functions.delete(&scope(), &reference("gone"), None).await.expect("deleted");
    assert_eq!(collect(&world).await, 0, "it may still be running");
    world.clock.turn(GRACE - Duration::from_secs(1));
    assert_eq!(collect(&world).await, 0);
    world.packages.code_dir(zip_of(&gone)).await.expect("used again");
    world.clock.turn(Duration::from_secs(2));
    assert_eq!(collect(&world).await, 0, "it was used since");
    world.clock.turn(GRACE);
    assert_eq!(collect(&world).await, 1);
    assert_eq!(directories(data.path()), [kept.code.digest().to_string()]);
    assert!(world.functions.package(gone.code.digest()).await.is_err());
    assert!(!world.functions.package(kept.code.digest()).await.expect("kept").is_empty());
}

#[tokio::test]
async fn a_package_that_is_stored_again_is_not_collected() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let checked = world.packages.check(zip(&[("a", "b")])).await.expect("sound");
    let digest = checked.zip.digest;
    drop(world.packages.keep(checked.clone()).await.expect("kept"));
    assert_eq!(collect(&world).await, 0);
    world.clock.turn(GRACE);
    let kept = world.packages.keep(checked).await.expect("kept");
    let collecting = collect(&world);
    tokio::pin!(collecting);
    // The collector waits for whoever is storing.
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut collecting).await.is_err());
    drop(kept);
    assert_eq!(collecting.await, 1, "nothing refers to it after all");
    assert!(world.functions.package(digest).await.is_err());
}
