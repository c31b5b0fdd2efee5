//! Functions that fail in every way, and requests that should never have been sent: each answered as AWS answers,
//! and the server as good as before.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use model::limits;
use serde_json::{Value, json};

use crate::harness::http::{Request, Response, create, creation, invoke, now};
use crate::harness::{Server, zip};

/// Creates a function, invokes it with `{}` and gives the answer.
fn outcome(server: &Server, name: &str, code: &str, change: impl FnOnce(&mut Value)) -> Response {
    let mut body = creation(name, code);
    change(&mut body);
    create(server, &body);
    let answer = invoke(server, name, "{}");
    assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    answer
}

fn check_failure(answer: &Response, error_type: &str, message: &str) {
    assert_eq!(answer.header("x-amz-function-error"), Some("Unhandled"), "{}", answer.text());
    assert_eq!(answer.json()["errorType"], error_type, "{}", answer.text());
    let told = answer.json()["errorMessage"].as_str().unwrap_or_default().to_owned();
    assert!(told.contains(message), "{told:?} has no {message:?}");
}

#[test]
fn every_way_to_fail_is_told_as_lambda_tells_it() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let sleep = "import time\ndef handler(e, c):\n    time.sleep(30)\n";
    let late = outcome(&server, "late", sleep, |body| body["Timeout"] = 1.into());
    check_failure(&late, "Sandbox.Timedout", "Task timed out after 1.00 seconds");

    let raises = "def handler(e, c):\n    raise KeyError('lost')\n";
    check_failure(&outcome(&server, "raises", raises, |_| ()), "KeyError", "'lost'");

    let exits = "import os\ndef handler(e, c):\n    os._exit(3)\n";
    check_failure(&outcome(&server, "exits", exits, |_| ()), "Runtime.ExitError", "exit status 3");

    let killed = "import os\ndef handler(e, c):\n    os.kill(os.getpid(), 9)\n";
    check_failure(&outcome(&server, "killed", killed, |_| ()), "Runtime.ExitError", "signal: killed");

    let greedy = "def handler(e, c):\n    x = bytearray(600 << 20)\n    return len(x)\n";
    check_failure(&outcome(&server, "greedy", greedy, |_| ()), "Runtime.OutOfMemory", "");

    let broken = "raise RuntimeError('no configuration')\n";
    check_failure(&outcome(&server, "broken", broken, |_| ()), "RuntimeError", "no configuration");

    let missing = outcome(&server, "missing", "", |body| body["Handler"] = "nothing.here".into());
    check_failure(&missing, "Runtime.ImportModuleError", "No module named 'nothing'");
    let wrong = outcome(&server, "wrong", "", |body| body["Handler"] = "app.nothing".into());
    check_failure(&wrong, "Runtime.HandlerNotFound", "Handler 'nothing' missing on module 'app'");

    let native = outcome(&server, "native", "", |body| body["Runtime"] = "provided.al2023".into());
    check_failure(&native, "Runtime.InvalidEntrypoint", "");

    let large = "def handler(e, c):\n    return 'x' * (7 << 20)\n";
    let large = outcome(&server, "large", large, |_| ());
    check_failure(&large, "Function.ResponseSizeTooLarge", "payload size");

    let fine = outcome(&server, "fine", "def handler(e, c):\n    return 'fine'\n", |_| ());
    assert_eq!(fine.json(), "fine");
}

#[test]
fn a_failed_environment_does_not_spoil_the_next_invocation() {
    let code = "import os\ndef handler(event, context):\n    if event.get('die'):\n        os._exit(1)\n    return 'alive'\n";
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    create(&server, &creation("mortal", code));
    for _ in 0..3 {
        assert_eq!(invoke(&server, "mortal", "{}").json(), "alive");
        let died = invoke(&server, "mortal", r#"{"die": true}"#);
        check_failure(&died, "Runtime.ExitError", "exit status 1");
    }
    assert_eq!(invoke(&server, "mortal", "{}").json(), "alive");
}

/// Asks for a function to be created from these bytes and expects a refusal that says why.
fn check_package(server: &Server, bytes: &[u8], part: &str) {
    let mut body = creation("refused", "");
    body["Code"]["ZipFile"] = BASE64.encode(bytes).into();
    let answer = Request::new("POST", "/2015-03-31/functions").body(body.to_string()).send(server);
    assert_eq!((answer.status, answer.code()), (400, "InvalidParameterValueException"), "{}", answer.text());
    assert!(answer.text().contains(part), "{} has no {part:?}", answer.text());
    let path = "/2015-03-31/functions/refused";
    assert_eq!(Request::new("GET", path).send(server).status, 404, "nothing was created");
}

#[test]
fn bad_packages_are_refused_whole() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let unzippable = "Could not unzip uploaded file";
    let good = zip(&[("app.py", "def handler(e, c): pass\n"), ("b.py", "")]);
    check_package(&server, b"not a zip", unzippable);
    check_package(&server, &good[..good.len() / 2], unzippable);
    let renamed = |from: &[u8], to: &[u8]| {
        assert_eq!(from.len(), to.len(), "offsets must stay");
        let mut bytes = good.clone();
        let places: Vec<usize> =
            (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
        places.iter().for_each(|at| bytes[*at..*at + from.len()].copy_from_slice(to));
        bytes
    };
    check_package(&server, &renamed(b"app.py", b"../a.b"), "../a.b");
    check_package(&server, &renamed(b"app.py", b"/etc/p"), "/etc/p");
    let bomb_dir = tempfile::tempdir().expect("a temporary folder");
    let hole = std::fs::File::create(bomb_dir.path().join("zeros")).expect("made");
    hole.set_len(limits::UNZIPPED_BYTES_MAX - 1).expect("sparse");
    std::fs::write(bomb_dir.path().join("app.py"), "x = 1\n".repeat(10)).expect("written");
    check_package(&server, &bomb(bomb_dir.path()), "Unzipped size must be smaller than 262144000 bytes");
    let code = server.data_dir().join("code");
    let left = std::fs::read_dir(code).expect("there").flatten().map(|entry| entry.file_name());
    let left: Vec<_> = left.filter(|name| !name.to_string_lossy().starts_with('.')).collect();
    assert!(left.is_empty(), "nothing is left of refused packages: {left:?}");
}

/// A small zip that is too large when unzipped; the packer of the command line would refuse to make it.
fn bomb(dir: &std::path::Path) -> Vec<u8> {
    let script = "import sys,zipfile,os\nd=sys.argv[1]\nz=zipfile.ZipFile(os.path.join(d,'bomb.zip'),'w',zipfile.ZIP_DEFLATED,compresslevel=1)\n\
                  [z.write(os.path.join(d,n),n) for n in ('app.py','zeros')]\nz.close()\n";
    let made = std::process::Command::new("/usr/bin/python3").args(["-c", script]).arg(dir).status();
    assert!(made.expect("Python is installed").success());
    std::fs::read(dir.join("bomb.zip")).expect("written")
}

#[test]
fn bad_requests_get_an_error_in_aws_form() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    create(&server, &creation("echo", "def handler(e, c):\n    return e\n"));
    let invocations = "/2015-03-31/functions/echo/invocations";
    let check = |answer: Response, status: u16, code: &str| {
        assert_eq!((answer.status, answer.code()), (status, code), "{}", answer.text());
        assert!(answer.header("x-amzn-requestid").is_some(), "{code} has no request id");
    };
    let post = |path: &str, body: &str| Request::new("POST", path).body(body);
    check(post(invocations, "{nonsense").send(&server), 400, "InvalidRequestContentException");
    let huge = format!("\"{}\"", "x".repeat(limits::PAYLOAD_SYNC_BYTES_MAX));
    check(post(invocations, &huge).send(&server), 413, "RequestTooLargeException");
    let functions = "/2015-03-31/functions";
    check(post(functions, "{nonsense").send(&server), 400, "SerializationException");
    check(post(functions, r#"{"Timeout": 1}"#).send(&server), 400, "ValidationException");
    let mut unknown = creation("unknown", "");
    unknown["Runtime"] = "cobol85".into();
    let unknown = post(functions, &unknown.to_string()).send(&server);
    assert_eq!(unknown.status, 400, "{}", unknown.text());
    check(
        Request::new("GET", "/2015-03-31/functions/nobody").send(&server),
        404,
        "ResourceNotFoundException",
    );
    check(post(functions, &creation("echo", "").to_string()).send(&server), 409, "ResourceConflictException");
    assert_eq!(Request::new("PATCH", "/nothing/here").send(&server).status / 100, 4);
    assert_eq!(invoke(&server, "echo", r#"{"a": 1}"#).json(), json!({"a": 1}), "as good as before");
}

#[test]
fn signatures_are_verified() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let list = || Request::new("GET", "/2015-03-31/functions");
    assert_eq!(list().send(&server).status, 200);
    assert_eq!(list().unsigned().send(&server).status, 403);
    let wrong = list().send_as(&server, crate::harness::KEY_ID, "wrong");
    assert_eq!((wrong.status, wrong.code()), (403, "InvalidSignatureException"), "{}", wrong.text());
    let unknown = list().send_as(&server, "AKIANOBODY", "wrong");
    assert_eq!((unknown.status, unknown.code()), (403, "UnrecognizedClientException"), "{}", unknown.text());
    let minute_ms = 60_000;
    let at = |minutes: i64| {
        let then = model::time::Timestamp::from_millis(now().as_millis() + minutes * minute_ms);
        list().at(then).send(&server)
    };
    assert_eq!((at(-4).status, at(4).status), (200, 200), "clocks may differ a little");
    let (past, future) = (at(-6), at(6));
    assert_eq!((past.status, past.code()), (403, "InvalidSignatureException"), "{}", past.text());
    assert!(past.text().contains("Signature expired"), "{}", past.text());
    assert!(future.text().contains("Signature not yet current"), "{}", future.text());
}
