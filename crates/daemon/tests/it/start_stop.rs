//! Starting, stopping and dying: what was acknowledged is there afterwards, what was running has ended, and the
//! machine is as it was before.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Signal, kill_process};

use crate::harness::http::{Request, create, creation, invoke};
use crate::harness::leftovers::Belongings;
use crate::harness::{DORMOUSE, KEY_ID, SECRET, Server, told, until};

const SLOW: &str = "import time\ndef handler(event, context):\n    print('began', flush=True)\n    \
                    time.sleep(event['seconds'])\n    return 'rested'\n";

#[test]
fn sigterm_lets_invocations_end_and_leaves_nothing() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::start(data.path());
    create(&server, &creation("slow", SLOW));
    assert_eq!(invoke(&server, "slow", r#"{"seconds": 0}"#).json(), "rested");
    let belongings = std::thread::scope(|scope| {
        let running = scope.spawn(|| invoke(&server, "slow", r#"{"seconds": 1}"#));
        until("the invocation runs", || {
            let logs = told(&server.run(&["logs", "slow"]));
            (logs.matches("began").count() == 2).then_some(())
        });
        let belongings = Belongings::of(&server);
        assert!(belongings.process_count() > 3, "server, keeper and a sandbox at least");
        assert!(belongings.image_count() > 0 || !is_root(), "/tmp is on a disk of its own");
        server.signal(Signal::TERM);
        let answer = running.join().expect("answered");
        assert_eq!((answer.status, answer.json()), (200, "rested".into()), "what runs may end");
        belongings
    });
    assert_eq!(server.wait().code(), Some(0));
    belongings.are_gone();
}

#[test]
fn a_second_signal_does_not_wait() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::start(data.path());
    let mut body = creation("slow", SLOW);
    body["Timeout"] = 300.into();
    create(&server, &body);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Cut off, or told that the environment was stopped.
            let _ = std::panic::catch_unwind(|| invoke(&server, "slow", r#"{"seconds": 250}"#));
        });
        until("the invocation runs", || told(&server.run(&["logs", "slow"])).contains("began").then_some(()));
        let belongings = Belongings::of(&server);
        server.signal(Signal::TERM);
        server.wait_until_it_says("stopping");
        server.signal(Signal::INT);
        server.wait_until_it_says("stopped");
        belongings.are_gone();
    });
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn killed_during_a_run_it_leaves_nothing_and_starts_again_with_everything() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::start(data.path());
    create(&server, &creation("slow", SLOW));
    let mut updated = creation("updated", SLOW);
    updated["Environment"] = serde_json::json!({"Variables": {"STAGE": "one"}});
    create(&server, &updated);
    let change = r#"{"Environment": {"Variables": {"STAGE": "two"}}}"#;
    let path = "/2015-03-31/functions/updated/configuration";
    assert_eq!(Request::new("PUT", path).body(change).send(&server).status, 200);

    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = std::panic::catch_unwind(|| invoke(&server, "slow", r#"{"seconds": 5}"#));
        });
        until("the invocation runs", || told(&server.run(&["logs", "slow"])).contains("began").then_some(()));
        let belongings = Belongings::of(&server);
        server.signal(Signal::KILL);
        belongings.are_gone();
    });
    server.wait();

    let server = Server::start(data.path());
    assert_eq!(invoke(&server, "slow", r#"{"seconds": 0}"#).json(), "rested", "{}", server.said());
    let found = Request::new("GET", path).send(&server).json();
    assert_eq!(found["Environment"]["Variables"]["STAGE"], "two");
    assert!(server.stop().success());
}

#[test]
fn two_servers_do_not_share_a_data_directory() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    create(&server, &creation("slow", SLOW));
    let mut command = Command::new(DORMOUSE);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path());
    let refused = command.output().expect("the binary starts");
    assert_eq!(refused.status.code(), Some(1));
    assert!(told(&refused).contains(&format!("process {}", server.pid())), "{}", told(&refused));
    assert_eq!(invoke(&server, "slow", r#"{"seconds": 0}"#).json(), "rested", "the first is undisturbed");
}

#[test]
fn wrong_settings_are_usage_errors() {
    let refused = |args: &[&str], variable: Option<(&str, &str)>| {
        let mut command = Command::new(DORMOUSE);
        command.arg("serve").args(args).envs(variable);
        let output = command.output().expect("the binary starts");
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", told(&output));
        told(&output)
    };
    assert!(refused(&["--listen", "here"], None).contains("--listen is \"here\""));
    assert!(refused(&["--config", "/nowhere"], None).contains("cannot read the configuration file"));
    assert!(refused(&[], Some(("DORMOUSE_LISEN", "x"))).contains("DORMOUSE_LISEN is unknown"));
    assert!(refused(&["--colour", "red"], None).contains("unexpected argument"));
}

#[test]
fn health_says_what_is_not_enforced() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let health = Request::new("GET", "/_dormouse/health").unsigned().send(&server);
    assert_eq!(health.status, 200, "{}", health.text());
    assert_eq!(health.json()["version"], env!("CARGO_PKG_VERSION"));
    assert!(health.json()["weaknesses"].is_array(), "{}", health.text());
}

#[test]
fn an_ordinary_user_can_run_a_server_too() {
    // Somebody who owns nothing: a copy of the binary where everybody can reach it, and a directory of their own.
    const NOBODY: u32 = 65_534;
    let place = tempfile::tempdir().expect("a temporary folder");
    std::fs::set_permissions(place.path(), Permissions::from_mode(0o755)).expect("opened");
    let binary = place.path().join("dormouse");
    std::fs::copy(DORMOUSE, &binary).expect("copied");
    let data = place.path().join("data");
    std::fs::create_dir(&data).expect("made");
    if is_root() {
        std::os::unix::fs::chown(&data, Some(NOBODY), Some(NOBODY)).expect("given");
    }
    let mut command = Command::new(binary);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&data);
    command.env("DORMOUSE_ROOT_ACCESS_KEY_ID", KEY_ID).env("DORMOUSE_ROOT_SECRET_ACCESS_KEY", SECRET);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let server = Server::spawn(&data, command);
    create(&server, &creation("slow", SLOW));
    assert_eq!(invoke(&server, "slow", r#"{"seconds": 0}"#).json(), "rested", "{}", server.said());
    let health = Request::new("GET", "/_dormouse/health").unsigned().send(&server).json();
    let weaknesses = health["weaknesses"].as_array().expect("a list");
    assert!(!weaknesses.is_empty() || !is_root(), "what is not enforced is said: {health}");
    let belongings = Belongings::of(&server);
    assert!(server.stop().success());
    belongings.are_gone();
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn functions_reach_the_platform_from_inside() {
    let code = "import os, json, urllib.request, urllib.error\ndef handler(event, context):\n    \
                base = os.environ['AWS_ENDPOINT_URL']\n    \
                health = json.load(urllib.request.urlopen(base + '/_dormouse/health'))\n    \
                try:\n        urllib.request.urlopen(base + '/2015-03-31/functions')\n        unsigned = 200\n    \
                except urllib.error.HTTPError as error:\n        unsigned = error.code\n    \
                return [health['version'], unsigned]\n";
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    create(&server, &creation("inside", code));
    let answer = invoke(&server, "inside", "{}");
    assert_eq!(answer.json(), serde_json::json!([env!("CARGO_PKG_VERSION"), 403]), "{}", answer.text());
}

#[test]
fn without_its_keeper_the_server_ends_and_says_why() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::start(data.path());
    create(&server, &creation("slow", SLOW));
    assert_eq!(invoke(&server, "slow", r#"{"seconds": 0}"#).json(), "rested");
    let belongings = Belongings::of(&server);
    let keeper = belongings.keeper();
    kill_process(keeper, Signal::KILL).expect("the keeper is there");
    // Nobody calls meanwhile: it notices by itself.
    assert_eq!(server.wait().code(), Some(1));
    assert!(server.said().contains("the keeper of sandboxes has died"), "{}", server.said());
    belongings.are_gone();
}
