//! Secrets: made once, private, never shown.
//!
//! As with blobs, every disk operation fails in turn: a secret that was returned is the one that stays.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use dormouse_store::disk::OsDisk;
use dormouse_store::secrets::{SECRET_BYTES_MAX, SecretError, Secrets};

use crate::disks::FailingDisk;

fn never() -> Vec<u8> {
    panic!("the secret is there already");
}

#[test]
fn a_secret_is_made_once() {
    let dir = tempfile::tempdir().unwrap();
    let secrets = Secrets::open(dir.path(), Arc::new(OsDisk)).unwrap();
    let made = secrets.get_or_create("signing-key", || b"hush".to_vec()).unwrap();
    assert_eq!(made.expose(), b"hush");
    assert_eq!(format!("{made:?}"), "Secret(…)");
    let again = Secrets::open(dir.path(), Arc::new(OsDisk)).unwrap();
    assert_eq!(again.get_or_create("signing-key", never).unwrap(), made);
    let mode = fs::metadata(dir.path().join("signing-key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn illegal_names_and_sizes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let secrets = Secrets::open(dir.path(), Arc::new(OsDisk)).unwrap();
    for name in ["", "../up", "a/b", "A", "a.new", &"a".repeat(65)] {
        let refused = secrets.get_or_create(name, never);
        assert!(matches!(refused, Err(SecretError::IllegalName { .. })), "{name}");
    }
    for size in [0, SECRET_BYTES_MAX + 1] {
        let refused = secrets.get_or_create("key", || vec![0; size]);
        assert!(matches!(refused, Err(SecretError::IllegalSize { .. })), "{size}");
    }
    // What an editor or a crashed file system left behind is not replaced in silence.
    fs::write(dir.path().join("key"), b"").unwrap();
    assert!(matches!(secrets.get_or_create("key", never), Err(SecretError::IllegalSize { .. })));
}

#[test]
fn whichever_operation_fails_the_secret_is_whole_or_absent() {
    for operation in 0.. {
        let dir = tempfile::tempdir().unwrap();
        // A crash has left this behind.
        fs::write(dir.path().join("key.new"), b"hal").unwrap();
        let disk = Arc::new(FailingDisk::after(operation, false));
        let first = Secrets::open(dir.path(), disk.clone()).unwrap().get_or_create("key", || b"one".to_vec());
        disk.cut_power(|| true);
        let after = Secrets::open(dir.path(), Arc::new(OsDisk)).unwrap();
        let second = after.get_or_create("key", || b"two".to_vec()).unwrap();
        match first {
            Ok(first) => assert_eq!(first, second, "operation {operation}"),
            Err(_) => assert_eq!(second.expose(), b"two", "operation {operation}"),
        }
        if !disk.has_failed() {
            assert_eq!(operation, 5);
            return;
        }
    }
}
