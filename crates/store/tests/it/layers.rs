//! Layers as records: numbers that are given out once, across removals and restarts.
//!
//! The compare-and-set below them is tested with functions; here is what layers add to it.

use std::path::Path;

use dormouse_store::Store;
use dormouse_store::records::{Key, RecordError};
use model::function::Zip;
use model::id::Digest;
use model::layer::{LayerId, LayerName, LayerVersion, LayerVersionId};
use model::time::Timestamp;

use crate::samples::scope;

fn layer(name: &str) -> LayerId {
    LayerId { scope: scope(), name: LayerName::parse(name).unwrap() }
}

fn version(name: &str, number: u64) -> LayerVersion {
    LayerVersion {
        id: LayerVersionId { layer: layer(name), number },
        zip: Zip { digest: Digest::from_bytes([1; 32]), size_bytes: 1 },
        description: String::new(),
        license: None,
        runtimes: Vec::new(),
        architectures: Vec::new(),
        created: Timestamp::from_millis(1),
    }
}

async fn stored(dir: &Path) -> (Vec<String>, Vec<(String, u64)>) {
    let store = Store::open(dir).unwrap();
    let layers = store.layers();
    let versions = layers.load_versions().await.unwrap();
    let counters = layers.load_counters().await.unwrap();
    store.close().await;
    (
        versions.into_iter().map(|(version, _)| version.id.to_string()).collect(),
        counters.into_iter().map(|counter| (counter.layer.name.to_string(), counter.last_number)).collect(),
    )
}

#[tokio::test]
async fn the_last_number_outlives_every_version() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let layers = store.layers();
    let first = layers.count(&layer("tools"), 1, None).await.unwrap();
    let revision = layers.insert(&version("tools", 1)).await.unwrap();
    layers.count(&layer("tools"), 2, Some(first)).await.unwrap();
    layers.remove(&version("tools", 1).id, revision, None).await.unwrap();
    layers.insert(&version("other", 1)).await.unwrap();
    store.close().await;
    let (versions, counters) = stored(dir.path()).await;
    assert_eq!(versions, [version("other", 1).id.to_string()]);
    assert_eq!(counters, [("tools".to_owned(), 2)]);
}

#[tokio::test]
async fn a_number_goes_to_one_of_two_who_want_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let layers = store.layers();
    let first = layers.count(&layer("tools"), 1, None).await.unwrap();
    let again = layers.count(&layer("tools"), 1, None).await;
    assert!(matches!(again, Err(RecordError::Conflict { .. })), "{again:?}");
    let tools = layer("tools");
    let (one, other) =
        tokio::join!(layers.count(&tools, 2, Some(first)), layers.count(&tools, 2, Some(first)));
    assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1, "{one:?} {other:?}");
    layers.insert(&version("tools", 2)).await.unwrap();
    let twice = layers.insert(&version("tools", 2)).await;
    assert!(matches!(twice, Err(RecordError::Conflict { .. })), "{twice:?}");
    store.close().await;
}

#[tokio::test]
async fn a_layer_that_cannot_be_read_keeps_the_server_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let key = |name: &str| Key {
        kind: "layer-version",
        scope: "000000000000/us-east-1".to_owned(),
        name: name.to_owned(),
    };
    // Rightly written, but under another number.
    store.layers().insert(&version("tools", 7)).await.unwrap();
    let records = store.records().list("layer-version").await.unwrap();
    store.records().insert(key("tools:8"), records[0].value.to_vec()).await.unwrap();
    match store.layers().load_versions().await {
        Err(RecordError::Unreadable { key: found, .. }) => assert_eq!(found, key("tools:8")),
        other => panic!("{other:?}"),
    }
    store.close().await;
}
