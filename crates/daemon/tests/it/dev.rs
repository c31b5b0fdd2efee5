//! `dormouse dev`: folders are found, deployed, and deployed again when they change; anybody is believed, and so
//! nobody outside can ask.

use std::process::Command;

use crate::harness::{DORMOUSE, Server, folder, told, until, write};

fn code(answer: &str) -> String {
    format!("def handler(event, context):\n    print('speaking')\n    return '{answer}'\n")
}

#[test]
fn folders_are_deployed_and_follow_their_code() {
    let work = folder(&[("one/app.py", &code("first")), ("two/app.py", &code("other")), ("docs/x.md", "")]);
    let data = work.path().join(".dormouse");
    let server = Server::dev(&data, work.path());
    server.wait_until_it_says("one created");
    server.wait_until_it_says("two created");
    let names = |server: &Server| {
        let list = server.json(&["list"]);
        let functions = list["functions"].as_array().expect("a list").clone();
        functions
            .iter()
            .map(|function| function["name"].as_str().expect("a name").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&server), ["one", "two"]);
    assert_eq!(server.json(&["invoke", "one"])["payload"], "first");
    server.wait_until_it_says("one | speaking");

    write(work.path(), &[("one/app.py", &code("second"))]);
    until("the change is live", || (server.json(&["invoke", "one"])["payload"] == "second").then_some(()));
    write(work.path(), &[("three/index.mjs", "export const handler = async () => 3;\n")]);
    server.wait_until_it_says("three created");
    assert_eq!(server.json(&["invoke", "three"])["payload"], 3);

    // A renamed file takes the handler with it.
    std::fs::rename(work.path().join("two/app.py"), work.path().join("two/main.py")).expect("renamed");
    until("the handler follows", || (server.json(&["invoke", "two"])["payload"] == "other").then_some(()));
    assert_eq!(std::fs::read_to_string(data.join(".gitignore")).expect("there"), "*\n");
    assert!(server.stop().success());
}

#[test]
fn any_credentials_are_accepted_and_twelve_digits_name_the_account() {
    let work = folder(&[("app.py", &code("x")), ("dormouse.toml", "name = 'mine'\n")]);
    let server = Server::dev(&work.path().join(".dormouse"), work.path());
    server.wait_until_it_says("mine created");
    let list = |key: &str| {
        let mut command = server.command(&["list", "--json"]);
        command.env("AWS_ACCESS_KEY_ID", key).env("AWS_SECRET_ACCESS_KEY", "anything");
        told(&command.output().expect("the binary starts"))
    };
    assert!(list("whoever").contains("000000000000:function:mine"));
    assert!(list("").contains("000000000000:function:mine"), "unsigned requests are accepted");
    assert!(list("123456789012").contains(r#"{"functions":[]}"#), "another account has other functions");
}

#[test]
fn it_listens_on_loopback_only() {
    let work = folder(&[("app.py", &code("x"))]);
    let mut command = Command::new(DORMOUSE);
    let data = work.path().join(".dormouse");
    command.args(["dev", "--listen", "0.0.0.0:0", "--data-dir"]).arg(&data).arg(work.path());
    let refused = command.output().expect("the binary starts");
    assert_eq!(refused.status.code(), Some(2));
    assert!(told(&refused).contains("listens on loopback only"), "{}", told(&refused));
    assert!(!data.exists(), "nothing was written");
}

#[test]
fn a_mistake_in_the_code_folder_is_told_and_does_not_stop_the_rest() {
    let work = folder(&[
        ("bad/dormouse.toml", "memroy = 1\n"),
        ("bad/app.py", &code("x")),
        ("good/app.py", &code("fine")),
    ]);
    let server = Server::dev(&work.path().join(".dormouse"), work.path());
    server.wait_until_it_says("good created");
    let said = server.wait_until_it_says("memroy");
    assert!(said.contains("is not deployed"), "{said}");
    write(work.path(), &[("bad/dormouse.toml", "memory = 128\n")]);
    server.wait_until_it_says("bad created");
}
