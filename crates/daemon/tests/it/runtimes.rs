//! The tables of the language runtimes (`runtimes/*/tests/cases.json`, explained in `runtimes/README.md`), run
//! against the whole server: real functions in real sandboxes, one fresh environment for each case.
//!
//! Every case is a function called `fn` in a region of its own, so that cases cannot meet.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use crate::harness::http::{Request, Response, try_create};
use crate::harness::{Server, repository, until, zip};

/// Cases that run at the same time.
const WORKERS: usize = 4;

#[test]
fn python() {
    run("python", "python");
}

#[test]
fn nodejs() {
    run("nodejs", "nodejs");
}

/// Runs a table with every runtime of the language that this machine has.
fn run(folder: &str, prefix: &str) {
    let dir = repository().join("runtimes").join(folder).join("tests");
    let table = std::fs::read(dir.join("cases.json")).expect("the table is there");
    let cases: Vec<Value> = serde_json::from_slice(&table).expect("a table");
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let ready = Request::new("GET", "/_dormouse/runtimes").send(&server).json();
    let names = ready["runtimes"].as_array().expect("a list").iter();
    let names: Vec<&str> =
        names.filter_map(|entry| entry["name"].as_str()).filter(|name| name.starts_with(prefix)).collect();
    assert!(!names.is_empty(), "no {prefix} runtime is installed: {ready}");
    for runtime in names {
        run_all(&server, &dir, runtime, &cases);
    }
}

fn run_all(server: &Server, dir: &Path, runtime: &str, cases: &[Value]) {
    let wanted: Vec<&Value> = cases.iter().filter(|case| concerns(case, runtime)).collect();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((index, case)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            wanted.get(index).map(|case| (index, *case))
        } {
            let region = format!("{}-{index}", runtime.replace('.', "-"));
            let result = Run { server, dir, region }.case(runtime, case);
            if let Err(problem) = result {
                failures.lock().expect("not poisoned").push(format!("{}: {problem}", case["name"]));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().expect("not poisoned");
    eprintln!("{runtime}: {} of {} cases as expected", wanted.len() - failures.len(), wanted.len());
    assert!(failures.is_empty(), "{runtime}:\n{}", failures.join("\n"));
}

/// Whether a case is about this version of the language, and can be deployed: the API's own pattern for handlers
/// allows no space, which the runtime itself does.
fn concerns(case: &Value, runtime: &str) -> bool {
    if case["handler"].as_str().is_some_and(|handler| handler.contains(char::is_whitespace)) {
        return false;
    }
    let numbers = |text: &str| -> Vec<u32> {
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
    };
    let version = numbers(runtime);
    let bound = |key: &str| case[key].as_str().map(numbers);
    bound("min_version").is_none_or(|least| version >= least)
        && bound("max_version").is_none_or(|most| version <= most)
}

/// One case on one server.
struct Run<'a> {
    server: &'a Server,
    dir: &'a Path,
    region: String,
}

impl Run<'_> {
    fn case(&self, runtime: &str, case: &Value) -> Result<(), String> {
        try_create(self.server, &self.region, &self.creation(runtime, case))?;
        let single = [case.clone()];
        let invokes = case["invokes"].as_array().map_or(&single[..], Vec::as_slice);
        for invoke in invokes {
            let answer = self.invoke(invoke, &case["client_context"]);
            if answer.status != 200 {
                return Err(format!("status {}: {}", answer.status, answer.text()));
            }
            check_answer(&answer, &invoke["expect"])?;
        }
        let log = self.log(invokes.len());
        invokes.iter().try_for_each(|invoke| check_log(&log, &invoke["expect"]))
    }

    fn creation(&self, runtime: &str, case: &Value) -> Value {
        let mut body = json!({
            "FunctionName": "fn",
            "Runtime": runtime,
            "Handler": case["handler"],
            "Role": crate::harness::http::ROLE,
            "Timeout": 20,
            "Code": {"ZipFile": BASE64.encode(self.package(case))},
        });
        let environment = case["env"].as_object().cloned().unwrap_or_default();
        let text = |name: &str| environment.get(name).cloned();
        let level = text("AWS_LAMBDA_LOG_LEVEL");
        if level.is_some() || text("AWS_LAMBDA_LOG_FORMAT").is_some_and(|format| format == "JSON") {
            // The API knows levels with JSON only. The tables show every level unless they name one; AWS's
            // default is INFO.
            let level = level.unwrap_or_else(|| "TRACE".into());
            body["LoggingConfig"] = json!({"LogFormat": "JSON", "ApplicationLogLevel": level});
        }
        // What Lambda reserves comes from the function itself.
        let own: Map<String, Value> =
            environment.into_iter().filter(|(name, _)| !name.starts_with("AWS_")).collect();
        body["Environment"] = json!({"Variables": own});
        body
    }

    fn package(&self, case: &Value) -> Vec<u8> {
        let pairs: Vec<(String, PathBuf)> = match &case["files"] {
            Value::Array(names) => {
                let names = names.iter().map(|name| name.as_str().expect("a name"));
                names.map(|name| (name.to_owned(), self.dir.join(name))).collect()
            }
            Value::Object(map) => {
                let file = |name: &Value| self.dir.join(name.as_str().expect("a name"));
                map.iter().map(|(path, name)| (path.clone(), file(name))).collect()
            }
            other => panic!("files is {other}"),
        };
        let read = |path: &PathBuf| std::fs::read_to_string(path).expect("a handler file");
        let texts: Vec<(String, String)> =
            pairs.iter().map(|(name, path)| (name.clone(), read(path))).collect();
        let files: Vec<(&str, &str)> =
            texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        zip(&files)
    }

    fn invoke(&self, invoke: &Value, client_context: &Value) -> Response {
        let payload = match (&invoke["event_raw"], &invoke["event_of_size"]) {
            (Value::String(raw), _) => raw.clone(),
            (_, Value::Number(size)) => {
                let size = usize::try_from(size.as_u64().expect("a size")).expect("it fits");
                json!({"text": "x".repeat(size)}).to_string()
            }
            _ => invoke["event"].to_string(),
        };
        let mut request =
            Request::new("POST", "/2015-03-31/functions/fn/invocations").region(&self.region).body(payload);
        if !client_context.is_null() {
            request = request.header("x-amz-client-context", &BASE64.encode(client_context.to_string()));
        }
        request.send(self.server)
    }

    /// The whole log, once it has the report of every invoke.
    fn log(&self, invokes: usize) -> String {
        until("the log is complete", || {
            let path = "/_dormouse/functions/fn/logs?limit=10000";
            let answer = Request::new("GET", path).region(&self.region).send(self.server);
            let events = answer.text();
            let messages = events.lines().filter_map(|line| {
                let event: Value = serde_json::from_str(line).ok()?;
                Some(event["message"].as_str()?.replace('\u{a0}', " "))
            });
            let log: String = messages.map(|message| message + "\n").collect();
            let reports = log.matches("REPORT RequestId:").count() + log.matches("platform.report").count();
            (reports >= invokes).then_some(log)
        })
    }
}

fn check_answer(answer: &Response, expect: &Value) -> Result<(), String> {
    let body = answer.json();
    let equal = |what: &str, seen: &Value, wanted: &Value| match wanted {
        wanted if wanted.is_null() || seen == wanted => Ok(()),
        wanted => Err(format!("{what} is {seen}, not {wanted}")),
    };
    if let Some(wanted) = expect.get("payload")
        && (body != *wanted || (body.is_null() && answer.text() != "null"))
    {
        return Err(format!("the answer is {}, not {wanted}", answer.text()));
    }
    if let Some(raw) = expect["payload_raw"].as_str().filter(|raw| *raw != answer.text()) {
        return Err(format!("the answer is {}, not {raw}", answer.text()));
    }
    equal("the size", &answer.body.len().into(), &expect["payload_size"])?;
    equal("the type", &body["errorType"], &expect["error_type"])?;
    equal("the message", &body["errorMessage"], &expect["error_message"])?;
    let message = body["errorMessage"].as_str().unwrap_or_default();
    if let Some(pattern) = expect["error_message_regex"].as_str().filter(|pattern| !matches(pattern, message))
    {
        return Err(format!("the message {message:?} does not match {pattern}"));
    }
    check_stack(&body, expect)?;
    check_exit(&body, expect)
}

/// `stackTrace` in Python, `trace` in Node.js.
fn check_stack(body: &Value, expect: &Value) -> Result<(), String> {
    let stack =
        body["stackTrace"].as_array().or_else(|| body["trace"].as_array()).cloned().unwrap_or_default();
    let text: Vec<&str> = stack.iter().filter_map(Value::as_str).collect();
    let text = text.join("\n").replace('\u{a0}', " ");
    if expect["stack_length"].as_u64().is_some_and(|length| length != stack.len() as u64) {
        return Err(format!("the stack has {} entries: {text}", stack.len()));
    }
    let parts = expect["stack_contains"].as_array().into_iter().flatten().filter_map(Value::as_str);
    parts.into_iter().try_for_each(|part| match text.contains(part) {
        true => Ok(()),
        false => Err(format!("the stack has no {part:?}: {text}")),
    })
}

/// A process that ends without a reply is the environment's failure.
fn check_exit(body: &Value, expect: &Value) -> Result<(), String> {
    let Some(code) = expect["exit_code"].as_i64() else { return Ok(()) };
    let message = body["errorMessage"].as_str().unwrap_or_default();
    let part = match code {
        0 => "exit".to_owned(),
        1.. => format!("exit status {code}"),
        _ => "signal: killed".to_owned(),
    };
    let as_expected = body["errorType"] == "Runtime.ExitError" && message.contains(&part);
    if as_expected { Ok(()) } else { Err(format!("not an exit with {code}: {body}")) }
}

fn check_log(log: &str, expect: &Value) -> Result<(), String> {
    let texts = |key: &str| expect[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(part) = texts("log_contains").find(|part| !log.contains(*part)) {
        return Err(format!("the log has no {part:?}: {log}"));
    }
    if let Some(pattern) = texts("log_regex").find(|pattern| !matches(pattern, log)) {
        return Err(format!("the log does not match {pattern:?}: {log}"));
    }
    if let Some(part) = texts("log_lacks").find(|part| log.contains(*part)) {
        return Err(format!("the log has {part:?}: {log}"));
    }
    let records: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let wanted = expect["log_records"].as_array().into_iter().flatten();
    let missing = |fields: &&Value| !records.iter().any(|record| has_fields(record, fields));
    if let Some(fields) = wanted.into_iter().find(missing) {
        return Err(format!("the log has no record with {fields}: {log}"));
    }
    Ok(())
}

/// `"*"` means that the field is there.
fn has_fields(record: &Value, fields: &Value) -> bool {
    match fields {
        Value::Object(fields) => fields.iter().all(|(key, wanted)| {
            record.get(key).is_some_and(|value| wanted == "*" || has_fields(value, wanted))
        }),
        wanted => record == wanted,
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    regex::Regex::new(pattern).expect("a pattern").is_match(text)
}
