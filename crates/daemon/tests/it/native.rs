//! A native function on the public `lambda_runtime` crate, unmodified: `examples/rust-hello`, built here and deployed
//! as the `bootstrap` of an otherwise empty folder.
//!
//! It is built once for all tests, by the cargo that runs them and into the same target folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use crate::harness::{Server, repository, told};

/// The example's program; nothing is left to build where the whole workspace was built.
pub fn bootstrap() -> &'static Path {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(build);
    &BUILT
}

fn build() -> PathBuf {
    let mut command = Command::new(env!("CARGO"));
    // As a part of the whole workspace, because alone it would choose other features, and build its libraries anew.
    command.args(["build", "--quiet", "--workspace", "--bin", "bootstrap", "--message-format", "json"]);
    let built = command.current_dir(repository()).output().expect("cargo starts");
    assert!(built.status.success(), "{}", told(&built));
    let messages = String::from_utf8(built.stdout).expect("UTF-8");
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let executables: Vec<PathBuf> =
        messages.filter_map(|message| Some(message["executable"].as_str()?.into())).collect();
    executables.into_iter().find(|path| path.ends_with("bootstrap")).expect("an executable called bootstrap")
}

#[test]
fn a_folder_with_a_bootstrap_is_deployed_as_a_custom_runtime() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let code = tempfile::tempdir().expect("a temporary folder");
    std::fs::copy(bootstrap(), code.path().join("bootstrap")).expect("copied");
    let deployed = server.json(&["deploy", code.path().to_str().expect("UTF-8"), "--name", "native"]);
    assert_eq!(
        (&deployed["runtime"], &deployed["handler"]),
        (&"provided.al2023".into(), &"bootstrap".into())
    );
    let answer = server.json(&["invoke", "native", "--payload", r#"{"name": "Ada"}"#]);
    let greeting = answer["payload"]["greeting"].as_str().unwrap_or_else(|| panic!("{answer}"));
    assert!(greeting.contains("Ada"), "{answer}");
}
