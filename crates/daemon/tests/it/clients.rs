//! The clients that people have: boto3 and the AWS CLI, unmodified, from PyPI.
//!
//! The Python side is in `tests/clients`; each script asserts for itself and prints what it did.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::{Server, folder, repository, told, zip};

/// A program of the virtual environment that `./x` makes.
fn installed(program: &str) -> PathBuf {
    let path = repository().join(".venv/bin").join(program);
    assert!(path.exists(), "{} is missing: run `./x test` once, which installs it", path.display());
    path
}

fn python(server: &Server, script: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
    let mut command = Command::new(installed("python"));
    command.arg(path);
    server.introduce(&mut command);
    let output = command.output().expect("Python starts");
    assert!(output.status.success(), "{script}: {}", told(&output));
}

#[test]
fn boto3_does_the_whole_life_of_a_function() {
    let data = tempfile::tempdir().expect("a temporary folder");
    python(&Server::start(data.path()), "life.py");
}

#[test]
fn boto3_sees_aws_errors() {
    let data = tempfile::tempdir().expect("a temporary folder");
    python(&Server::start(data.path()), "errors.py");
}

/// The AWS CLI in a folder.
struct Aws<'a> {
    server: &'a Server,
    dir: &'a Path,
}

impl Aws<'_> {
    fn output(&self, args: &str) -> Output {
        let mut command = Command::new(installed("aws"));
        command.arg("lambda").args(args.split(' ')).current_dir(self.dir);
        self.server.introduce(&mut command);
        command.output().expect("the AWS CLI starts")
    }

    /// Runs a command that must succeed.
    fn run(&self, args: &str) -> String {
        let output = self.output(args);
        assert!(output.status.success(), "aws lambda {args}: {}", told(&output));
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

#[test]
fn the_aws_cli_does_the_whole_life_of_a_function() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let code = |answer: &str| format!("def handler(event, context):\n    return ['{answer}', event]\n");
    let dir = folder(&[("event.json", r#"{"n": 1}"#)]);
    std::fs::write(dir.path().join("one.zip"), zip(&[("app.py", &code("one"))])).expect("written");
    std::fs::write(dir.path().join("two.zip"), zip(&[("app.py", &code("two"))])).expect("written");
    let aws = Aws { server: &server, dir: dir.path() };

    let created = aws.run(
        "create-function --function-name hello --runtime python3.11 --handler app.handler \
         --role arn:aws:iam::000000000000:role/r --zip-file fileb://one.zip",
    );
    assert!(
        created.contains("\"State\": \"Pending\"") || created.contains("\"State\": \"Active\""),
        "{created}"
    );
    aws.run("wait function-active-v2 --function-name hello");
    let invoked =
        aws.run("invoke --function-name hello --payload fileb://event.json --log-type Tail answer.json");
    assert!(invoked.contains("\"StatusCode\": 200") && invoked.contains("LogResult"), "{invoked}");
    let answer = || std::fs::read_to_string(dir.path().join("answer.json")).expect("written");
    assert_eq!(answer(), r#"["one", {"n": 1}]"#);

    aws.run("update-function-code --function-name hello --zip-file fileb://two.zip");
    aws.run("wait function-updated-v2 --function-name hello");
    aws.run("invoke --function-name hello --payload fileb://event.json answer.json");
    assert_eq!(answer(), r#"["two", {"n": 1}]"#);

    aws.run(
        "update-function-configuration --function-name hello --memory-size 256 --environment Variables={STAGE=test}",
    );
    aws.run("wait function-updated-v2 --function-name hello");
    let found = aws.run("get-function --function-name hello");
    assert!(found.contains("\"MemorySize\": 256") && found.contains("\"Location\": \"http://"), "{found}");
    let listed = aws.run("list-functions --query Functions[].FunctionName --output text");
    assert_eq!(listed.trim(), "hello");
    aws.run("delete-function --function-name hello");
    let gone = aws.output("get-function --function-name hello");
    assert!(!gone.status.success() && told(&gone).contains("ResourceNotFoundException"), "{}", told(&gone));
}
