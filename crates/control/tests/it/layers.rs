//! Layers: numbered once and for ever, listed newest first, and kept for whoever uses them.
//!
//! What a client sees of them is the gateway's part; how they are stored is the store's.

use std::time::Duration;

use bytes::Bytes;
use control::function::{Change, Create, UpdateSettings, ZipSource};
use control::layer::{Filter, Publish};
use control::package::GRACE;
use model::error::ServiceError;
use model::function::Architecture;
use model::id::AccountId;
use model::layer::{LayerReference, LayerVersion};
use model::port::Artifacts as _;
use model::runtime::RuntimeName;

use crate::world::{World, change, create, reference, scope, zip};

fn layer(name: &str) -> LayerReference {
    LayerReference::parse(name).expect("a layer")
}

fn publish(name: &str, content: &str) -> Publish {
    Publish {
        layer: layer(name),
        zip: ZipSource::Inline(zip(&[("python/tool.py", content)])),
        description: content.to_owned(),
        license: None,
        runtimes: Vec::new(),
        architectures: Vec::new(),
    }
}

async fn published(world: &World, name: &str, content: &str) -> String {
    let version = world.layers.publish(&scope(), publish(name, content)).await.expect("published");
    version.id.to_string()
}

fn with_layers(name: &str, arns: &[&String]) -> Create {
    let layers = Some(arns.iter().map(|arn| (*arn).clone()).collect());
    Create { settings: Change { layers, ..change() }, ..create(name) }
}

async fn check_refused(world: &World, arns: &[&String], expect: &str) {
    let error = world.functions.create(&scope(), with_layers("refused", arns)).await.expect_err("refused");
    assert_eq!(error, ServiceError::InvalidParameterValue(expect.to_owned()));
}

fn numbers(versions: &[std::sync::Arc<LayerVersion>]) -> Vec<u64> {
    versions.iter().map(|version| version.id.number).collect()
}

#[tokio::test]
async fn a_number_is_never_given_out_twice() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let arn = "arn:aws:lambda:us-east-1:000000000000:layer:tools";
    assert_eq!(published(&world, "tools", "one").await, format!("{arn}:1"));
    assert_eq!(published(&world, arn, "two").await, format!("{arn}:2"));
    for _ in 0..2 {
        // Deleting what is gone is no error.
        world.layers.delete(&scope(), &layer("tools"), 2).await.expect("deleted");
    }
    let missing = ServiceError::ResourceNotFound("The resource you requested does not exist.".to_owned());
    assert_eq!(world.layers.get(&scope(), &layer("tools"), 2), Err(missing.clone()));
    world.layers.delete(&scope(), &layer("tools"), 1).await.expect("deleted");
    world.store.close().await;
    let world = World::open(data.path()).await;
    assert_eq!(world.layers.get(&scope(), &layer("tools"), 1), Err(missing));
    assert!(world.layers.list(&scope(), &Filter::default(), None, 50).expect("a page").versions.is_empty());
    assert_eq!(published(&world, "tools", "three").await, format!("{arn}:3"));
    assert_eq!(world.layers.get(&scope(), &layer("tools"), 3).expect("there").description, "three");
    assert!(matches!(
        world.layers.get(&scope(), &layer("tools"), 0),
        Err(ServiceError::InvalidParameterValue(_))
    ));
}

#[tokio::test]
async fn publishers_of_one_layer_get_a_number_each() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let tasks: Vec<_> = (0..8)
        .map(|index| {
            let layers = world.layers.clone();
            let request = publish("tools", &index.to_string());
            tokio::spawn(async move { layers.publish(&scope(), request).await })
        })
        .collect();
    let mut seen = Vec::new();
    for task in tasks {
        seen.push(task.await.expect("no panic").expect("published").id.number);
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=8).collect::<Vec<_>>());
}

#[tokio::test]
async fn lists_come_in_pages_newest_first() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    for (name, runtime) in
        [("b", "python3.12"), ("a", "nodejs20.x"), ("b", "nodejs20.x"), ("b", "python3.12")]
    {
        let request = Publish {
            runtimes: vec![RuntimeName::new(runtime)],
            architectures: vec![Architecture::X86_64],
            ..publish(name, "x")
        };
        world.layers.publish(&scope(), request).await.expect("published");
    }
    let python = Filter { runtime: Some(RuntimeName::new("python3.12")), ..Filter::default() };
    let node = Filter { runtime: Some(RuntimeName::new("nodejs20.x")), ..Filter::default() };
    let arm = Filter { architecture: Some(Architecture::Arm64), ..Filter::default() };
    let all = Filter::default();
    let first = world.layers.list_versions(&scope(), &layer("b"), &all, None, 2).expect("a page");
    assert_eq!(numbers(&first.versions), [3, 2]);
    let second = world.layers.list_versions(&scope(), &layer("b"), &all, first.next.as_deref(), 2);
    let second = second.expect("a page");
    assert_eq!((numbers(&second.versions), second.next), (vec![1], None));
    let filtered = world.layers.list_versions(&scope(), &layer("b"), &python, None, 50).expect("a page");
    assert_eq!(numbers(&filtered.versions), [3, 1]);
    let listed = |filter: &Filter, marker: Option<&str>, count_max| {
        let page = world.layers.list(&scope(), filter, marker, count_max).expect("a page");
        let names = page.versions.iter().map(|v| format!("{}:{}", v.id.layer.name, v.id.number));
        (names.collect::<Vec<_>>().join(" "), page.next)
    };
    assert_eq!(listed(&all, None, 50), ("a:1 b:3".to_owned(), None));
    assert_eq!(listed(&node, None, 50), ("a:1 b:2".to_owned(), None));
    assert_eq!(listed(&python, None, 50), ("b:3".to_owned(), None));
    assert_eq!(listed(&arm, None, 50), (String::new(), None));
    let (names, next) = listed(&all, None, 1);
    assert_eq!(names, "a:1");
    assert_eq!(listed(&all, next.as_deref(), 1), ("b:3".to_owned(), None));
    assert!(world.layers.list(&scope(), &all, Some("???"), 1).is_err());
    let none = world.layers.list_versions(&scope(), &layer("none"), &all, None, 50).expect("a page");
    assert!(none.versions.is_empty());
}

#[tokio::test]
async fn a_function_keeps_the_layers_that_it_took() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let (first, second) = (published(&world, "one", "1").await, published(&world, "two", "2").await);
    world.functions.create(&scope(), with_layers("hello", &[&second, &first])).await.expect("created");
    let function = world.settled("hello").await;
    let arns: Vec<&String> = function.settings.layers.iter().map(|layer| &layer.arn).collect();
    assert_eq!(arns, [&second, &first]);
    world.layers.delete(&scope(), &layer("one"), 1).await.expect("deleted");
    world.clock.turn(GRACE);
    let live = || function.settings.layers.iter().map(|layer| layer.zip.digest).collect();
    world.packages.collect(&live).await.expect("collected");
    for layer in &function.settings.layers {
        let directory = world.packages.code_dir(layer.zip).await.expect("a directory");
        assert!(directory.join("python/tool.py").is_file());
    }
    check_refused(&world, &[&first], &format!("Layer version {first} does not exist.")).await;
    // The other settings can still be changed, and the layers taken off.
    let update = |settings| UpdateSettings { reference: reference("hello"), settings, revision: None };
    let memory = Change { memory_mb: Some(256), ..Change::default() };
    world.functions.update_settings(&scope(), update(memory)).await.expect("changed");
    assert_eq!(world.settled("hello").await.settings.layers.len(), 2);
    let none = Change { layers: Some(Vec::new()), ..Change::default() };
    world.functions.update_settings(&scope(), update(none)).await.expect("changed");
    assert!(world.settled("hello").await.settings.layers.is_empty());
}

#[tokio::test]
async fn maintenance_keeps_what_functions_and_layers_refer_to() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let (used, shelved) = (published(&world, "used", "1").await, published(&world, "shelved", "2").await);
    world.functions.create(&scope(), with_layers("hello", &[&used])).await.expect("created");
    world.settled("hello").await;
    world.layers.delete(&scope(), &layer("used"), 1).await.expect("deleted");
    let dead = published(&world, "dead", "3").await;
    world.layers.delete(&scope(), &layer("dead"), 1).await.expect("deleted");
    let before = world.store.blobs().list().await.expect("listed").len();
    assert_eq!(before, 4, "{shelved} {dead}");
    let functions = world.functions.clone();
    let maintenance = tokio::spawn(async move { functions.maintain().await });
    // The first round notes what is out of use; with time turned, the next one removes it.
    tokio::time::pause();
    let mut left = before;
    for _ in 0..200 {
        tokio::time::advance(Duration::from_secs(60)).await;
        world.clock.turn(GRACE);
        // Disk work is done by threads that paused time does not know of.
        tokio::task::spawn_blocking(|| ()).await.expect("ran");
        left = world.store.blobs().list().await.expect("listed").len();
        if left < before {
            break;
        }
    }
    maintenance.abort();
    assert_eq!(left, 3);
}

#[tokio::test]
async fn layers_that_cannot_be_combined_are_refused() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let mut arns = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        arns.push(published(&world, name, name).await);
    }
    let six: Vec<&String> = arns.iter().collect();
    check_refused(&world, &six, "Cannot reference more than 5 layers.").await;
    let newer = published(&world, "a", "newer").await;
    let two = format!(
        "Two different versions of the same layer are not allowed to be referenced in the same function. {} and \
         {newer} are versions of the same layer.",
        arns[0]
    );
    check_refused(&world, &[&arns[0], &arns[1], &newer], &two).await;
    let elsewhere = "arn:aws:lambda:eu-west-1:000000000000:layer:a:1".to_owned();
    let expect =
        "Layers are not in the same region as the function. Layers are expected to be in region us-east-1.";
    check_refused(&world, &[&elsewhere], expect).await;
    let foreign = "arn:aws:lambda:us-east-1:111111111111:layer:a:1".to_owned();
    let denied = world.functions.create(&scope(), with_layers("refused", &[&foreign])).await;
    match denied {
        Err(ServiceError::AccessDenied(message)) => assert_eq!(
            message,
            format!(
                "User: arn:aws:iam::{}:root is not authorized to perform: lambda:GetLayerVersion on resource: \
                 {foreign} because no resource-based policy allows the lambda:GetLayerVersion action",
                AccountId::DEFAULT
            )
        ),
        other => panic!("{other:?}"),
    }
    let five: Vec<&String> = arns[..5].iter().collect();
    world.functions.create(&scope(), with_layers("hello", &five)).await.expect("created");
}

#[tokio::test]
async fn code_and_layers_share_one_limit_of_size() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    // 150 MB of zeros, which take little room zipped.
    let zeros = |name: &str| {
        let content = "\0".repeat(150_000_000);
        ZipSource::Inline(zip(&[(name, &content)]))
    };
    let request = Publish { zip: zeros("zeros"), ..publish("large", "") };
    let layer = world.layers.publish(&scope(), request).await.expect("published").id.to_string();
    let large =
        Create { source: control::function::Source::Zip(zeros("app.py")), ..with_layers("large", &[&layer]) };
    let expect = ServiceError::InvalidParameterValue(
        "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is \
         300000000 bytes."
            .to_owned(),
    );
    let refused = world.functions.create(&scope(), large.clone()).await;
    assert_eq!(refused.expect_err("too large"), expect);
    // The same by way of an update of either half.
    let alone = Create { settings: change(), ..large };
    world.functions.create(&scope(), alone).await.expect("created");
    world.settled("large").await;
    let layers = Change { layers: Some(vec![layer]), ..Change::default() };
    let update = UpdateSettings { reference: reference("large"), settings: layers, revision: None };
    assert_eq!(world.functions.update_settings(&scope(), update).await.expect_err("too large"), expect);
    assert!(
        world.functions.get(&scope(), &reference("large"), None).expect("there").settings.layers.is_empty()
    );
}

#[tokio::test]
async fn what_is_no_package_is_no_layer() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let nonsense = Publish { zip: ZipSource::Inline(Bytes::from_static(b"no zip")), ..publish("tools", "") };
    let refused = world.layers.publish(&scope(), nonsense).await.expect_err("no zip");
    assert!(refused.to_string().starts_with("Could not unzip uploaded file."), "{refused}");
    assert_eq!(published(&world, "tools", "x").await.rsplit(':').next(), Some("1"), "no number was used up");
    let foreign = layer("arn:aws:lambda:us-east-1:111111111111:layer:tools");
    let denied = world.layers.publish(&scope(), Publish { layer: foreign, ..publish("x", "") }).await;
    assert!(matches!(denied, Err(ServiceError::AccessDenied(_))), "{denied:?}");
}
