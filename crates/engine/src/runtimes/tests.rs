//! The catalogue's choices, on machines whose interpreters are shell scripts that say a version.
//! What is stored is looked at through a second catalogue on the same directory, as the next start of a server would
//! see it. Nothing here starts a sandbox.

use std::os::unix::fs::PermissionsExt as _;

use model::id::Digest;
use model::runtime::{Added, AddedFrom, Effect, Origin};

use super::*;

/// A machine with programs that print what they are asked to.
struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    /// Each program by its path below the machine's directory, with the version line that it prints.
    fn new(programs: &[(&str, &str)]) -> Self {
        let machine = Self { dir: tempfile::tempdir().expect("a temporary directory") };
        for (path, says) in programs {
            let path = machine.path(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        }
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn catalogue(&self, nearest: bool) -> Catalogue {
        let dir = self.path("runtimes");
        fs::create_dir_all(&dir).expect("made");
        Catalogue::prepare(&dir, &[self.path("usual/bin")], nearest).expect("the manifests are right")
    }
}

fn name(text: &str) -> RuntimeName {
    RuntimeName::new(text)
}

fn choose(catalogue: &Catalogue, wanted: &str) -> Result<String, String> {
    let chosen = catalogue.choose(&name(wanted), Architecture::HOST);
    chosen.map(|chosen| chosen.to_string()).map_err(|error| error.to_string())
}

fn add_path(catalogue: &Catalogue, runtime: &str, path: PathBuf) -> Result<Effect, String> {
    let added = Added { name: name(runtime), from: AddedFrom::Path(path) };
    catalogue.add(&added).map_err(|error| error.to_string())
}

fn ready(catalogue: &Catalogue) -> Vec<String> {
    catalogue.ready().iter().map(|runtime| runtime.name.to_string()).collect()
}

const PYTHON: (&str, &str) = ("usual/bin/python3.11", "Python 3.11.2");
const NODE: (&str, &str) = ("usual/bin/node", "v20.19.2");

#[test]
fn a_missing_version_is_refused_with_what_is_ready_and_how_to_add_it() {
    let catalogue = Machine::new(&[PYTHON, NODE]).catalogue(false);
    assert_eq!(choose(&catalogue, "python3.11"), Ok("python3.11".to_owned()));
    assert_eq!(choose(&catalogue, "provided.al2023"), Ok("provided.al2023".to_owned()));
    let message = choose(&catalogue, "python3.13").expect_err("not installed");
    assert!(message.contains("python3.13 is not installed"), "{message}");
    assert!(message.contains("nodejs20.x, provided.al2, provided.al2023, python3.11"), "{message}");
    assert!(message.contains("dormouse runtimes add python3.13 --path"), "{message}");
}

#[test]
fn the_nearest_version_stands_in_only_where_asked() {
    let machine = Machine::new(&[PYTHON, NODE, ("usual/bin/ruby", "ruby 3.1.2p20 (2022-04-12)")]);
    let catalogue = machine.catalogue(true);
    assert_eq!(choose(&catalogue, "python3.13"), Ok("python3.11".to_owned()));
    assert_eq!(choose(&catalogue, "nodejs22.x"), Ok("nodejs20.x".to_owned()));
    assert_eq!(
        choose(&catalogue, "ruby3.3"),
        Ok("ruby3.1".to_owned()),
        "a version that Lambda does not have"
    );
    choose(&catalogue, "java21").expect_err("another language never stands in");
    let strict = machine.catalogue(false);
    choose(&strict, "ruby3.3").expect_err("3.1 is not 3.3");
    choose(&strict, "ruby3.1").expect_err("no runtime of Lambda");
    assert!(!ready(&catalogue).iter().any(|name| name.starts_with("ruby")), "stand-ins are not offered");
}

#[test]
fn programs_that_are_no_interpreters_are_passed_over() {
    let other = [
        ("usual/bin/python3.12", "something else"),
        ("usual/bin/node", "v"),
        ("usual/bin/python3.11-config", "Python 3.11.2"),
    ];
    let catalogue = Machine::new(&other).catalogue(true);
    assert_eq!(ready(&catalogue), ["provided.al2", "provided.al2023"]);
}

#[test]
fn what_the_owner_added_comes_before_the_host_and_survives() {
    let machine = Machine::new(&[NODE, ("own/bin/node", "v20.1.0"), ("own/bin/ruby", "ruby 3.1.2p20")]);
    let offer = |catalogue: &Catalogue, wanted: &str| {
        let offers = catalogue.offers();
        offers.into_iter().find(|offer| offer.name == name(wanted)).map(|offer| (offer.version, offer.origin))
    };
    let catalogue = machine.catalogue(false);
    let own = fs::canonicalize(machine.path("own")).expect("there");
    // Sandboxes may not see the directory before the next start, so until then nothing changes.
    assert_eq!(add_path(&catalogue, "ruby3.3", machine.path("own")), Ok(Effect::NextStart));
    assert_eq!(add_path(&catalogue, "nodejs20.x", machine.path("own")), Ok(Effect::NextStart));
    let waiting = Origin::Added { directory: own.clone(), interpreter: None };
    assert_eq!(offer(&catalogue, "ruby3.3"), Some((None, waiting)));
    choose(&catalogue, "ruby3.3").expect_err("not yet");
    assert_eq!(choose(&catalogue, "nodejs20.x"), Ok("nodejs20.x".to_owned()));

    let next = machine.catalogue(false);
    assert_eq!(choose(&next, "ruby3.3"), Ok("ruby3.3".to_owned()));
    let added = |file: &str| Origin::Added { directory: own.clone(), interpreter: Some(own.join(file)) };
    assert_eq!(offer(&next, "ruby3.3"), Some((Some("3.1.2".to_owned()), added("bin/ruby"))));
    assert_eq!(offer(&next, "nodejs20.x"), Some((Some("20.1.0".to_owned()), added("bin/node"))));
    assert!(next.sources().contains(&own), "{:?}", next.sources());
    // What may be seen already takes effect at once.
    assert_eq!(add_path(&next, "ruby3.4", machine.path("own")), Ok(Effect::Now));
    assert_eq!(choose(&next, "ruby3.4"), Ok("ruby3.4".to_owned()));

    next.remove(&name("nodejs20.x")).expect("it was added");
    let (version, _) = offer(&next, "nodejs20.x").expect("the host's again");
    assert_eq!(version.as_deref(), Some("20.19.2"));
    let error = next.remove(&name("nodejs20.x")).expect_err("gone");
    assert!(matches!(error, ServiceError::ResourceNotFound(_)), "{error}");
    assert_eq!(
        ready(&machine.catalogue(false)),
        ["nodejs20.x", "provided.al2", "provided.al2023", "ruby3.3", "ruby3.4"]
    );
}

#[test]
fn what_cannot_serve_is_refused_with_the_reason() {
    let machine = Machine::new(&[("own/bin/ruby", "ruby 3.1.2p20"), ("broken/ruby", "no version")]);
    let catalogue = machine.catalogue(false);
    let refused = |runtime: &str, path: PathBuf, part: &str| {
        let message = add_path(&catalogue, runtime, path).expect_err("refused");
        assert!(message.contains(part), "{message}");
    };
    refused("python3.12", machine.path("own"), "no working Python interpreter");
    refused("ruby3.3", machine.path("broken"), "none of ruby, ruby3.*");
    refused("ruby3.3", machine.path("absent"), "cannot be entered by the server: No such file");
    refused("ruby3.3", "own".into(), "not absolute");
    refused("provided.al2023", machine.path("own"), "no runtime that has an interpreter");
    refused("cobol1", machine.path("own"), "no runtime that has an interpreter");
    assert_eq!(ready(&machine.catalogue(false)), ["provided.al2", "provided.al2023"], "nothing was stored");
}

#[test]
fn an_added_directory_that_is_gone_does_not_keep_the_server_from_starting() {
    let machine = Machine::new(&[("own/bin/ruby", "ruby 3.3.0p0")]);
    add_path(&machine.catalogue(false), "ruby3.3", machine.path("own")).expect("added");
    fs::remove_dir_all(machine.path("own")).expect("removed");
    let catalogue = machine.catalogue(false);
    choose(&catalogue, "ruby3.3").expect_err("it is gone");
    catalogue.remove(&name("ruby3.3")).expect("it can still be removed");
}

#[test]
fn images_serve_at_once_and_must_be_kept() {
    let machine = Machine::new(&[]);
    let image = Image {
        uri: "registry.example/java:21".to_owned(),
        resolved_uri: "registry.example/java@sha256:00".to_owned(),
        digest: Digest::from_bytes([0; 32]),
        size_bytes: 1,
    };
    let added = |runtime: &str| Added { name: name(runtime), from: AddedFrom::Image(image.clone()) };
    let catalogue = machine.catalogue(false);
    assert_eq!(catalogue.add(&added("java21")), Ok(Effect::Now));
    catalogue.add(&added("cobol1")).expect_err("no such language");
    assert_eq!(choose(&catalogue, "java21"), Ok("java21".to_owned()));
    assert_eq!(machine.catalogue(false).images(), [image]);
}
