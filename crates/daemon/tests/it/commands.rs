//! The commands of the binary against a real server: what they print for people and for programs, their exit
//! codes, and what they say when something is wrong.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use crate::harness::{self, DORMOUSE, Server, folder, told, until, write};

const ECHO: &str = "def handler(event, context):\n    print('heard', event)\n    return event\n";

#[test]
fn deploy_invoke_logs_and_delete() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let code = folder(&[("app.py", ECHO), ("dormouse.toml", "name = 'echo'\nmemory = 256\n")]);
    let dir = code.path().to_str().expect("UTF-8");

    let created = server.json(&["deploy", dir, "--timeout", "7", "--env", "STAGE=test"]);
    assert_eq!(created["action"], "created");
    assert_eq!(created["arn"], "arn:aws:lambda:us-east-1:000000000000:function:echo");
    assert_eq!((&created["memory_mb"], &created["timeout_s"]), (&256.into(), &7.into()));
    assert_eq!(server.json(&["deploy", dir, "--timeout", "7", "--env", "STAGE=test"])["action"], "unchanged");

    let cold = server.json(&["invoke", "echo", "--payload", r#"{"n": 1}"#, "--tail"]);
    assert_eq!((&cold["payload"]["n"], &cold["start"]), (&1.into(), &"cold".into()));
    let log = cold["log"].as_str().expect("a log");
    assert!(log.contains("heard {'n': 1}") && log.contains("Init Duration"), "{log}");
    assert_eq!(server.json(&["invoke", "echo"])["start"], "warm");

    let queued = server.run(&["invoke", "echo", "--async", "--payload", r#"{"n": 2}"#]);
    let request = String::from_utf8(queued.stdout).expect("UTF-8").trim().to_owned();
    let fate = until("the event has run", || {
        let fate = server.json(&["event", &request]);
        (fate["status"] == "Success").then_some(fate)
    });
    assert_eq!((&fate["function_arn"], &fate["failed_attempts"]), (&created["arn"], &0.into()));
    let shown = String::from_utf8(server.run(&["event", &request]).stdout).expect("UTF-8");
    assert!(shown.starts_with("Success arn:aws:lambda:") && !shown.contains("failed"), "{shown}");

    write(code.path(), &[("app.py", "def handler(event, context):\n    return 'new'\n")]);
    assert_eq!(server.json(&["deploy", dir])["action"], "updated");
    assert_eq!(server.json(&["invoke", "echo"])["payload"], "new");
    let list = server.json(&["list"]);
    assert_eq!(list["functions"][0]["name"], "echo");
    assert_eq!(list["functions"][0]["timeout_s"], 7, "a setting that is not mentioned stays");

    until("the log is written", || {
        let logs = String::from_utf8(server.run(&["logs", "echo"]).stdout).expect("UTF-8");
        (logs.contains("heard {'n': 1}") && logs.matches("REPORT RequestId:").count() == 4).then_some(())
    });
    assert_eq!(server.json(&["delete", "echo"])["deleted"], "echo");
    let gone = server.run(&["invoke", "echo"]);
    assert_eq!(gone.status.code(), Some(1), "{}", told(&gone));
    assert!(told(&gone).contains("Function not found: arn:aws:lambda:us-east-1"), "{}", told(&gone));
}

#[test]
fn a_person_sees_the_answer_alone_on_standard_output() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let code =
        folder(&[("lambda_function.py", "def lambda_handler(event, context):\n    return {'a': [1]}\n")]);
    let dir = code.path().to_str().expect("UTF-8");
    let deployed = server.run(&["deploy", dir, "--name", "plain"]);
    assert!(deployed.status.success(), "{}", told(&deployed));
    let text = String::from_utf8(deployed.stdout).expect("UTF-8");
    assert!(text.starts_with("Created plain in "), "{text}");
    assert!(text.contains("python3.") && text.contains("lambda_function.lambda_handler"), "{text}");
    assert!(!text.contains('\x1b'), "no colours but on a terminal: {text:?}");

    let answered = server.run(&["invoke", "plain", "--tail"]);
    assert_eq!(answered.stdout, b"{\"a\": [1]}");
    let told_beside = String::from_utf8(answered.stderr).expect("UTF-8");
    assert!(
        told_beside.contains("REPORT RequestId:") && told_beside.contains("cold start · "),
        "{told_beside}"
    );
    let table = String::from_utf8(server.run(&["list"]).stdout).expect("UTF-8");
    assert!(table.contains("NAME") && table.contains("plain"), "{table}");
}

#[test]
fn a_failing_function_is_exit_code_one_with_its_error_as_the_answer() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let code = folder(&[("app.py", "def handler(event, context):\n    raise ValueError('no')\n")]);
    server.json(&["deploy", code.path().to_str().expect("UTF-8"), "--name", "failing"]);
    let failed = server.run(&["invoke", "failing"]);
    assert_eq!(failed.status.code(), Some(1));
    let answer: serde_json::Value = serde_json::from_slice(&failed.stdout).expect("JSON");
    assert_eq!((&answer["errorType"], &answer["errorMessage"]), (&"ValueError".into(), &"no".into()));
}

/// Runs a command and compares exit code and a part of what it says on standard error.
fn check(server: &Server, args: &[&str], code: i32, part: &str) {
    let output = server.run(args);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", told(&output));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(part), "{args:?}: {said}");
}

#[test]
fn mistakes_are_explained() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let empty = folder(&[("readme.md", "")]);
    let empty = empty.path().to_str().expect("UTF-8");
    check(&server, &["invoke", "nobody"], 1, "`dormouse list` shows what there is");
    check(&server, &["invoke", "x", "--payload", "{oops"], 2, "the payload is not JSON");
    check(&server, &["invoke", "x", "--payload-file", "/nowhere"], 1, "cannot read the payload");
    check(&server, &["event", "nothing"], 1, "nothing");
    check(&server, &["event", "00000000-0000-4000-8000-000000000000"], 1, "No event of the request");
    check(&server, &["invoke", "x", "--async", "--tail"], 2, "cannot be used with");
    check(&server, &["list", "--endpoint", "http://127.0.0.1:1"], 1, "Start one with `dormouse dev`");
    check(&server, &["list", "--endpoint", "https://127.0.0.1"], 2, "https is not supported yet");
    check(&server, &["list", "--profile", "nobody"], 1, "no keys for the profile \"nobody\"");
    check(&server, &["deploy", empty, "--name", "x"], 1, "name it with --handler and --runtime");
    check(&server, &["deploy", "/nowhere", "--name", "x"], 1, "cannot read the folder");
    check(&server, &["deploy", empty, "--name", "not a name"], 2, "is not a function name");
    check(&server, &["deploy"], 2, "Usage: dormouse deploy");
    check(&server, &["sing"], 2, "unrecognized subcommand");
    check(&server, &["invoke", "nobody", "--json"], 1, r#""code":"ResourceNotFoundException""#);
}

#[test]
fn a_wrong_key_is_explained_and_no_secret_is_told() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let with_key = |key: &str, secret: &str| {
        let mut command = server.command(&["list"]);
        command.env("AWS_ACCESS_KEY_ID", key).env("AWS_SECRET_ACCESS_KEY", secret);
        told(&command.output().expect("the binary starts"))
    };
    let unknown = with_key("AKIANOBODY", "hunter2");
    assert!(unknown.contains("UnrecognizedClientException") && unknown.contains("AKIANOBODY"), "{unknown}");
    let wrong = with_key(harness::KEY_ID, "hunter2");
    assert!(wrong.contains("InvalidSignatureException"), "{wrong}");
    let none = with_key("", "");
    assert!(none.contains("the request was not signed"), "{none}");
    for text in [unknown, wrong, none, server.said()] {
        assert!(!text.contains("hunter2") && !text.contains(harness::SECRET), "{text}");
    }
}

#[test]
fn the_root_key_of_the_data_directory_works_and_is_printed_once() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let serve = || {
        let mut command = Command::new(DORMOUSE);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path());
        command.env_remove("DORMOUSE_ROOT_ACCESS_KEY_ID").env_remove("DORMOUSE_ROOT_SECRET_ACCESS_KEY");
        Server::spawn(data.path(), command)
    };
    let server = serve();
    let file = data.path().join("credentials");
    let credentials = std::fs::read_to_string(&file).expect("kept");
    let secret = credentials.rsplit(' ').next().expect("a secret").trim();
    assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(server.said().matches(secret).count(), 1, "printed once");
    let listed = server.run(&["list", "--data-dir", data.path().to_str().expect("UTF-8")]);
    assert!(listed.status.success(), "{}", told(&listed));
    assert!(server.stop().success());

    let again = serve();
    assert!(!again.said().contains(secret), "never printed again");
    let listed = again.run(&["list", "--data-dir", data.path().to_str().expect("UTF-8")]);
    assert!(listed.status.success(), "{}", told(&listed));
}

#[test]
fn logs_can_be_followed() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let code = folder(&[("app.py", ECHO)]);
    server.json(&["deploy", code.path().to_str().expect("UTF-8"), "--name", "followed"]);
    let mut follower = server
        .command(&["logs", "followed", "--follow", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut lines = BufReader::new(follower.stdout.take().expect("piped")).lines();
    server.json(&["invoke", "followed", "--payload", "\"first\""]);
    server.json(&["invoke", "followed", "--payload", "\"second\""]);
    let mut heard = Vec::new();
    for line in lines.by_ref().map_while(Result::ok) {
        let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let message = event["message"].as_str().expect("text").to_owned();
        heard.push(message.trim_end().to_owned());
        if heard.iter().any(|line| line == "heard second") {
            break;
        }
    }
    assert!(heard.iter().any(|line| line == "heard second"), "{heard:?}");
    server.json(&["delete", "followed"]);
    assert!(lines.map_while(Result::ok).any(|line| line.contains("Function not found")));
    let ended = follower.wait_with_output().expect("ended");
    let why = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && why.contains("followed no more: Function not found"), "{why}");
}
