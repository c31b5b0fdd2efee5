//! Records: compare-and-set, group commit, and the typed layer of functions on top.
//!
//! The last test compares any sequence of writes and restarts with a map in memory; the ones before are the
//! cases that a reader wants to see spelt out, damage by hand included.

use model::function::{Environment, Function};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use dormouse_store::records::{Change, Key, RECORD_BYTES_MAX, RecordError, Revision, Write};
use dormouse_store::{SchemaError, Store, StoreError};
use proptest::prelude::*;

use crate::samples::{function, id};

fn key(name: &str) -> Key {
    Key { kind: "test", scope: "a/b".to_owned(), name: name.to_owned() }
}

fn is_conflict<T>(result: Result<T, RecordError>, at: Revision) -> bool {
    matches!(result, Err(RecordError::Conflict { current, .. }) if current == at)
}

#[tokio::test]
async fn functions_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let functions = store.typed_records();
    let first = functions.insert(&function("one", "1")).await.unwrap();
    let second = functions.insert(&function("two", "2")).await.unwrap();
    let changed = functions.replace(&function("one", "1b"), first).await.unwrap();
    functions.remove::<Function>(&id("two"), "$LATEST", second).await.unwrap();
    let third = functions.insert(&function("three", "3")).await.unwrap();
    store.close().await;

    let store = Store::open(dir.path()).unwrap();
    let expected = [(function("one", "1b"), changed), (function("three", "3"), third)];
    assert_eq!(store.typed_records().load::<Function>().await.unwrap(), expected);
    store.close().await;
}

/// Whether any file of the data directory holds these bytes.
fn shows(dir: &Path, secret: &[u8]) -> bool {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).any(|path| {
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(secret.len()).any(|window| window == secret)
    })
}

#[tokio::test]
async fn no_file_shows_an_environment_variable() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut secretive = function("one", "seen-in-the-clear");
    let Environment(variables) = &mut std::sync::Arc::make_mut(&mut secretive.settings).environment;
    *variables = BTreeMap::from([("PASSWORD".to_owned(), "correct-horse".to_owned())]).into();
    store.typed_records().insert(&secretive).await.unwrap();
    assert!(shows(dir.path(), b"seen-in-the-clear"), "the test looks in the wrong place");
    assert!(!shows(dir.path(), b"correct-horse") && !shows(dir.path(), b"PASSWORD"));
    store.close().await;
    assert!(!shows(dir.path(), b"correct-horse") && !shows(dir.path(), b"PASSWORD"));
}

#[tokio::test]
async fn what_an_older_form_showed_does_not_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let old = include_bytes!("../../golden/function-v2.json");
    let scope = "123456789012/eu-central-1".to_owned();
    let key = Key { kind: "function", scope, name: "resize_Image-2:7".to_owned() };
    store.records().insert(key.clone(), old.to_vec()).await.unwrap();
    store.close().await;
    assert!(shows(dir.path(), b"orders"), "the test looks in the wrong place");

    let store = Store::open(dir.path()).unwrap();
    let loaded = store.typed_records().load::<Function>().await.unwrap();
    assert_eq!(loaded[0].0.settings.environment.0.get("TABLE"), Some("orders"));
    store.close().await;
    assert!(!shows(dir.path(), b"orders"));

    let store = Store::open(dir.path()).unwrap();
    assert_eq!(
        store.typed_records().load::<Function>().await.unwrap(),
        loaded,
        "the revision is the new one"
    );
    store.close().await;
}

#[tokio::test]
async fn variables_that_do_not_open_are_told_by_their_record() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::open(dir.path()).unwrap();
    store.typed_records().insert(&function("one", "1")).await.unwrap();
    let record = store.records().list("function").await.unwrap().remove(0);
    store.close().await;
    let store = Store::open(other.path()).unwrap();
    store.records().insert(record.key, record.value.into()).await.unwrap();
    let error = store.typed_records().load::<Function>().await.unwrap_err().to_string();
    store.close().await;
    assert!(error.contains("one:$LATEST"), "{error}");
}

#[tokio::test]
async fn a_write_that_has_not_seen_the_latest_state_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let records = store.records();
    let first = records.insert(key("k"), b"1".to_vec()).await.unwrap();
    assert!(is_conflict(records.insert(key("k"), b"x".to_vec()).await, first));
    let second = records.replace(key("k"), b"2".to_vec(), first).await.unwrap();
    assert!(is_conflict(records.replace(key("k"), b"x".to_vec(), first).await, second));
    assert!(is_conflict(records.remove(key("k"), first).await, second));
    records.remove(key("k"), second).await.unwrap();
    for missing in [
        records.replace(key("k"), b"x".to_vec(), second).await.map(|_| ()),
        records.remove(key("k"), second).await,
    ] {
        assert!(matches!(missing, Err(RecordError::Missing { .. })), "{missing:?}");
    }
    // Made again, it is not the record that the old revision meant, not even after a restart.
    store.close().await;
    let store = Store::open(dir.path()).unwrap();
    let records = store.records();
    let third = records.insert(key("k"), b"3".to_vec()).await.unwrap();
    assert!(third > second);
    assert!(is_conflict(records.remove(key("k"), second).await, third));
    store.close().await;
}

#[tokio::test]
async fn one_of_many_writers_wins_and_nobody_fails_with_the_losers() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let records = store.records();
    let start = records.insert(key("shared"), b"0".to_vec()).await.unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let records = store.records();
            tokio::spawn(async move {
                // Even numbers fight for one record; odd ones write their own, in the same groups.
                if number % 2 == 0 {
                    records.replace(key("shared"), vec![number], start).await
                } else {
                    records.insert(key(&number.to_string()), vec![number]).await
                }
            })
        })
        .collect();
    let (mut won, mut lost, mut own) = (Vec::new(), 0, HashSet::new());
    for (number, task) in tasks.into_iter().enumerate() {
        match (number % 2 == 0, task.await.unwrap()) {
            (true, Ok(revision)) => won.push((number, revision)),
            (true, Err(RecordError::Conflict { .. })) => lost += 1,
            (false, Ok(revision)) => assert!(own.insert(revision), "revisions do not repeat"),
            (_, other) => panic!("{other:?}"),
        }
    }
    assert_eq!((won.len(), lost, own.len()), (1, 31, 32));
    let listed = records.list("test").await.unwrap();
    assert_eq!(listed.len(), 33);
    let shared = listed.iter().find(|record| record.key.name == "shared").unwrap();
    assert_eq!((usize::from(shared.value[0]), shared.revision), won[0]);
    store.close().await;
}

#[tokio::test]
async fn limits_and_kinds_are_kept_apart() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let records = store.records();
    let too_large = records.insert(key("big"), vec![0; RECORD_BYTES_MAX + 1]).await;
    assert!(matches!(too_large, Err(RecordError::TooLarge { .. })), "{too_large:?}");
    records.insert(key("big"), vec![0; RECORD_BYTES_MAX]).await.unwrap();
    records.insert(Key { kind: "other", ..key("big") }, vec![1]).await.unwrap();
    records.insert(Key { scope: "a/c".to_owned(), ..key("big") }, vec![2]).await.unwrap();
    assert_eq!(records.list("test").await.unwrap().len(), 2);
    assert_eq!(records.list("other").await.unwrap().len(), 1);
    assert_eq!(records.list("none").await.unwrap().len(), 0);
    store.close().await;
    assert!(matches!(records.list("test").await, Err(RecordError::Closed)));
}

fn tamper(dir: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(dir.join("records.sqlite3")).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_named_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.typed_records().insert(&function("good", "")).await.unwrap();
    store.typed_records().insert(&function("bad", "")).await.unwrap();
    store.close().await;

    let check = async |sql: &str, expect: SchemaError| {
        tamper(dir.path(), sql);
        let store = Store::open(dir.path()).unwrap();
        let error = store.typed_records().load::<Function>().await.unwrap_err();
        store.close().await;
        let message = error.to_string();
        let RecordError::Unreadable { key, source, .. } = error else { panic!("{error:?}") };
        assert_eq!((key.name.as_str(), source), ("bad:$LATEST", expect));
        for part in ["function 000000000000/us-east-1/bad:$LATEST", "records.sqlite3", "DELETE FROM record"] {
            assert!(message.contains(part), "{message}");
        }
    };
    let bad = "WHERE name = 'bad:$LATEST'";
    check(
        &format!("UPDATE record SET value = CAST('{{\"v\":9}}' AS BLOB) {bad}"),
        SchemaError::UnknownVersion { found: 9, known: 3 },
    )
    .await;
    check(&format!("UPDATE record SET value = x'00' {bad}"), SchemaError::NoVersion { column: 1 }).await;
    let good = "(SELECT value FROM record WHERE name = 'good:$LATEST')";
    check(&format!("UPDATE record SET value = {good} {bad}"), SchemaError::Misfiled).await;

    // The remedy that the message names works.
    tamper(dir.path(), &format!("DELETE FROM record {bad}"));
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.typed_records().load::<Function>().await.unwrap().len(), 1);
    store.close().await;
}

#[tokio::test]
async fn a_file_of_a_later_format_or_none_at_all_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    Store::open(dir.path()).unwrap().close().await;
    tamper(dir.path(), "PRAGMA user_version = 2");
    let refused = Store::open(dir.path()).unwrap_err();
    assert!(
        matches!(refused, StoreError::Records(RecordError::NewerFormat { found: 2, known: 1, .. })),
        "{refused:?}"
    );
    std::fs::write(dir.path().join("records.sqlite3"), vec![7; 8_192]).unwrap();
    let refused = Store::open(dir.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Records(RecordError::Io { .. })), "{refused:?}");
    assert!(refused.to_string().contains("records.sqlite3"), "{refused}");
}

/// One step of the model test: a key, what to do, and which of the revisions seen so far to name.
#[derive(Debug, Clone)]
enum Step {
    Insert(u8, Vec<u8>),
    Replace(u8, Vec<u8>, usize),
    Remove(u8, usize),
    /// Several at once, all or none.
    Together(Vec<Step>),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => single(),
        4 => proptest::collection::vec(single(), 0..5).prop_map(Step::Together),
        1 => Just(Step::Restart),
    ]
}

fn single() -> impl Strategy<Value = Step> {
    let (name, value) = (0..4_u8, proptest::collection::vec(any::<u8>(), 0..8));
    prop_oneof![
        4 => (name.clone(), value.clone()).prop_map(|(name, value)| Step::Insert(name, value)),
        // Mostly the revision seen last, which tends to be the right one.
        6 => (name.clone(), value, 0..3_usize).prop_map(|(name, value, back)| Step::Replace(name, value, back)),
        3 => (name, 0..3_usize).prop_map(|(name, back)| Step::Remove(name, back)),
    ]
}

/// What the store must hold, and every revision that it has given out per name.
#[derive(Default)]
struct Model {
    records: BTreeMap<u8, (Vec<u8>, Revision)>,
    seen: BTreeMap<u8, Vec<Revision>>,
}

impl Model {
    fn seen(&self, name: u8, back: usize) -> Option<Revision> {
        self.seen.get(&name).and_then(|seen| seen.iter().rev().nth(back)).copied()
    }

    fn check<T>(&self, name: u8, expected: Option<Revision>, result: &Result<T, RecordError>) {
        let current = self.records.get(&name).map(|(_, revision)| *revision);
        match result {
            Ok(_) => assert_eq!(current, expected, "a write went through"),
            Err(RecordError::Conflict { current: told, .. }) => {
                assert_eq!(Some(*told), current);
                assert_ne!(current, expected);
            }
            Err(RecordError::Missing { .. }) => assert_eq!(current, None),
            Err(other) => panic!("{other}"),
        }
    }

    fn wrote(&mut self, name: u8, value: Vec<u8>, revision: Revision) {
        self.records.insert(name, (value, revision));
        self.seen.entry(name).or_default().push(revision);
    }
}

/// Commits several writes at once. Only of the first that is refused, every write before it having been fine, is the
/// outcome foreseen; then none may have happened.
async fn together(store: &Store, model: &mut Model, steps: Vec<Step>) {
    let (mut writes, mut written, mut refused) = (Vec::new(), Vec::new(), false);
    let mut present: HashSet<u8> = model.records.keys().copied().collect();
    for step in steps {
        let (name, value, expected) = match step {
            Step::Insert(name, value) => (name, Some(value), None),
            Step::Replace(name, value, back) => match model.seen(name, back) {
                Some(expected) => (name, Some(value), Some(expected)),
                None => continue,
            },
            Step::Remove(name, back) => match model.seen(name, back) {
                Some(expected) => (name, None, Some(expected)),
                None => continue,
            },
            Step::Together(_) | Step::Restart => continue,
        };
        let touched = written.iter().any(|(other, _)| *other == name);
        let current = model.records.get(&name).map(|(_, revision)| *revision);
        // A record that the group itself has written is at a revision that nobody could name.
        refused |= match expected {
            None => present.contains(&name),
            Some(_) => touched || current != expected,
        };
        let change = match (value.clone(), expected) {
            (Some(value), None) => Change::Insert(value),
            (Some(value), Some(expected)) => Change::Replace(value, expected),
            (None, expected) => Change::Remove(expected.unwrap()),
        };
        match value {
            Some(_) => drop(present.insert(name)),
            None => drop(present.remove(&name)),
        }
        writes.push(Write { key: key(&name.to_string()), change });
        written.push((name, value));
    }
    match store.records().commit(writes).await {
        Err(RecordError::Conflict { .. } | RecordError::Missing { .. }) => {
            assert!(refused, "refused for nothing")
        }
        Err(other) => panic!("{other}"),
        Ok(revisions) => {
            assert!(!refused, "a refused write went through");
            assert_eq!(revisions.len(), written.len());
            for ((name, value), revision) in written.into_iter().zip(revisions) {
                match value {
                    Some(value) => model.wrote(name, value, revision),
                    None => drop(model.records.remove(&name)),
                }
            }
        }
    }
}

async fn run_against_model(steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let mut model = Model::default();
    for step in steps {
        let records = store.records();
        match step {
            Step::Insert(name, value) => {
                let result = records.insert(key(&name.to_string()), value.clone()).await;
                model.check(name, None, &result);
                result.into_iter().for_each(|revision| model.wrote(name, value.clone(), revision));
            }
            Step::Replace(name, value, back) => {
                let Some(expected) = model.seen(name, back) else { continue };
                let result = records.replace(key(&name.to_string()), value.clone(), expected).await;
                model.check(name, Some(expected), &result);
                result.into_iter().for_each(|revision| model.wrote(name, value.clone(), revision));
            }
            Step::Remove(name, back) => {
                let Some(expected) = model.seen(name, back) else { continue };
                let result = records.remove(key(&name.to_string()), expected).await;
                model.check(name, Some(expected), &result);
                if result.is_ok() {
                    model.records.remove(&name);
                }
            }
            Step::Together(steps) => together(&store, &mut model, steps).await,
            Step::Restart => {
                store.close().await;
                store = Store::open(dir.path()).unwrap();
            }
        }
        let listed = store.records().list("test").await.unwrap();
        let listed: BTreeMap<u8, _> = listed
            .into_iter()
            .map(|record| (record.key.name.parse().unwrap(), (record.value.into(), record.revision)))
            .collect();
        assert_eq!(listed, model.records);
    }
    store.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_sequence_of_writes_agrees_with_a_map(steps in proptest::collection::vec(step(), 1..40)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run_against_model(steps));
    }
}
