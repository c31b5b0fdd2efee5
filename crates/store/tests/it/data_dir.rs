//! The data directory as a whole: who may open it and when, with which modes, by which paths.
//!
//! What is inside is tested beside the kind of state that it belongs to; here everything is opened through
//! `Store`, as the server does.

use model::function::Function;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use dormouse_store::{Store, StoreError};

use crate::samples::function;

#[tokio::test]
async fn a_second_server_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let refused = Store::open(dir.path()).unwrap_err();
    assert!(matches!(refused, StoreError::InUse { holder: Some(_), .. }), "{refused:?}");
    let message = refused.to_string();
    assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
    store.close().await;
    Store::open(dir.path()).unwrap().close().await;
}

#[tokio::test]
async fn everything_is_private() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("new/data");
    let store = Store::open(&dir).unwrap();
    store.typed_records().insert(&function("hello", "")).await.unwrap();
    let mut open = vec![dir.clone()];
    let mut seen = 0;
    while let Some(path) = open.pop() {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, wanted, "{}", path.display());
        seen += 1;
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    assert!(seen >= 10, "{seen}");
    store.close().await;
}

#[tokio::test]
async fn a_path_through_a_link_works_as_given() {
    let parent = tempfile::tempdir().unwrap();
    fs::create_dir(parent.path().join("real")).unwrap();
    symlink("real", parent.path().join("link")).unwrap();
    let dir = parent.path().join("link");
    let store = Store::open(&dir).unwrap();
    store.typed_records().insert(&function("hello", "")).await.unwrap();
    store.close().await;
    let store = Store::open(&parent.path().join("real")).unwrap();
    assert_eq!(store.typed_records().load::<Function>().await.unwrap().len(), 1);
    store.close().await;
}

#[tokio::test]
async fn a_place_that_cannot_be_used_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = Store::open(&file.join("data")).unwrap_err();
    assert!(matches!(refused, StoreError::CreateDir { .. }), "{refused:?}");
    assert!(refused.to_string().contains("file/data"), "{refused}");
}

#[tokio::test]
async fn a_store_that_was_only_dropped_opens_again_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.typed_records().load::<Function>().await.unwrap().len(), round);
        store.typed_records().insert(&function(&format!("f{round}"), "")).await.unwrap();
    }
}
