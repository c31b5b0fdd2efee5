//! Blobs: whole or absent, durable once answered, swept only when nobody needs them.
//!
//! The last test fails every disk operation in turn and then cuts the power; each blob must be there or not be
//! there, and one that was acknowledged must be there.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dormouse_store::blobs::{BlobError, Blobs, Swept, digest_of};
use dormouse_store::disk::OsDisk;
use model::id::Digest;

use crate::disks::FailingDisk;

const LONG: Duration = Duration::from_secs(3_600);

fn open(dir: &Path) -> Blobs {
    Blobs::open(dir, Arc::new(OsDisk)).unwrap()
}

fn content(number: u8) -> Bytes {
    Bytes::from(vec![number; 10_000 + usize::from(number)])
}

#[tokio::test]
async fn a_blob_is_found_by_its_content() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = open(dir.path());
    let digest = blobs.put(content(1)).await.unwrap();
    assert_eq!(digest, digest_of(&content(1)));
    assert_eq!(blobs.put(content(1)).await.unwrap(), digest, "twice is once");
    blobs.put_as(digest_of(b""), Bytes::new()).await.unwrap();

    let again = open(dir.path());
    assert_eq!(again.read(digest).await.unwrap(), content(1));
    assert_eq!(again.read(digest_of(b"")).await.unwrap(), Bytes::new());
    let mut listed = again.list().await.unwrap();
    listed.sort_unstable_by_key(|(_, size)| *size);
    assert_eq!(listed, [(digest_of(b""), 0), (digest, 10_001)]);
    let mode = fs::metadata(again.path(digest)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    again.remove(digest).await.unwrap();
    again.remove(digest).await.unwrap();
    let gone = again.read(digest).await.unwrap_err();
    assert!(matches!(gone, BlobError::Missing { digest: named } if named == digest), "{gone}");
    assert!(matches!(again.open_file(digest).await, Err(BlobError::Missing { .. })));
}

#[tokio::test]
async fn damage_is_noticed_and_repaired_by_putting_the_content_again() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = open(dir.path());
    let digest = blobs.put(content(1)).await.unwrap();
    fs::write(blobs.path(digest), b"short").unwrap();
    let damaged = blobs.read(digest).await.unwrap_err();
    assert!(matches!(damaged, BlobError::Damaged { .. }), "{damaged}");
    blobs.put(content(1)).await.unwrap();
    assert_eq!(blobs.read(digest).await.unwrap(), content(1));
}

#[tokio::test]
async fn a_sweep_takes_what_is_neither_marked_nor_young() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = open(dir.path());
    let live = blobs.put(content(1)).await.unwrap();
    let dead = blobs.put(content(2)).await.unwrap();
    let marked = || HashSet::from([live]);

    assert_eq!(blobs.retain(marked(), LONG).await.unwrap(), Swept::default());
    let file = fs::File::options().write(true).open(blobs.path(dead)).unwrap();
    file.set_modified(std::time::SystemTime::now() - 2 * LONG).unwrap();
    blobs.put(content(2)).await.unwrap();
    assert_eq!(blobs.retain(marked(), LONG).await.unwrap(), Swept::default(), "put again, so young again");

    let swept = blobs.retain(marked(), Duration::ZERO).await.unwrap();
    assert_eq!(swept, Swept { blobs: 1, bytes: 10_002 });
    assert_eq!(blobs.list().await.unwrap(), [(live, 10_001)]);
}

#[tokio::test]
async fn many_tasks_may_put_the_same_content() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = open(dir.path());
    let puts: Vec<_> = (0..16)
        .map(|number| {
            let blobs = blobs.clone();
            tokio::spawn(async move { blobs.put(content(number % 2)).await })
        })
        .collect();
    for put in puts {
        put.await.unwrap().unwrap();
    }
    assert_eq!(blobs.list().await.unwrap().len(), 2);
    assert_eq!(fs::read_dir(dir.path().join(".tmp")).unwrap().count(), 0);
}

/// Puts blobs on a disk that fails; then power is cut; then looks at what a working disk holds.
async fn check_failure_at(operation: usize, transient: bool, seed: u64) -> bool {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path());
    let disk = Arc::new(FailingDisk::after(operation, transient));
    let mut acknowledged: Vec<Digest> = Vec::new();
    if let Ok(blobs) = Blobs::open(dir.path(), disk.clone()) {
        for number in [1, 2, 1, 3] {
            acknowledged.extend(blobs.put(content(number)).await.ok());
        }
    }
    let mut bits = seed;
    disk.cut_power(|| {
        bits = bits.rotate_right(1);
        bits & 1 == 1
    });

    let blobs = open(dir.path());
    for digest in acknowledged {
        assert!(
            blobs.read(digest).await.is_ok(),
            "acknowledged, then lost: operation {operation}, seed {seed}"
        );
    }
    for (digest, _) in blobs.list().await.unwrap() {
        blobs.read(digest).await.expect("whatever has a name is whole");
    }
    assert_eq!(fs::read_dir(dir.path().join(".tmp")).unwrap().count(), 0, "nothing half-written stays");
    for number in [1, 2, 3] {
        let digest = blobs.put(content(number)).await.expect("a working disk takes it");
        assert_eq!(blobs.read(digest).await.unwrap(), content(number));
    }
    disk.has_failed()
}

#[tokio::test]
async fn whichever_operation_fails_a_blob_is_whole_or_absent() {
    for transient in [false, true] {
        for seed in [0, u64::MAX, 0xaaaa_aaaa_aaaa_aaaa] {
            let mut operation = 0;
            while check_failure_at(operation, transient, seed).await {
                operation += 1;
            }
            // Opening takes 1 operation, each of three new blobs 2 for its folder and 4 more, the repeated one 1.
            assert_eq!(operation, 20, "the loop ends when nothing fails any more");
        }
    }
}
