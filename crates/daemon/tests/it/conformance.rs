//! Runs the tables of `conformance/` (their form is explained in `conformance/README.md`) against a live server.
//!
//! A case is data: what is given, the request, what is expected. The signer is raw, because an SDK would refuse to
//! send some of the requests. All cases share a server; each has a region to itself, so that they cannot meet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use model::time::Timestamp;
use serde_json::{Value, json};

use crate::harness::http::{ROLE, Request, Response, now};
use crate::harness::{KEY_ID, SECRET, Server, repository, until};

const ACCOUNT: &str = "000000000000";
const FUNCTIONS: &str = "/2015-03-31/functions";
/// Ten minutes ago, twice what clocks may differ.
const EXPIRED_MS: i64 = 10 * 60 * 1_000;

#[test]
fn lambda() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let ready = Request::new("GET", "/_dormouse/runtimes").send(&server).json();
    let names =
        ready["runtimes"].as_array().expect("a list").iter().filter_map(|entry| entry["name"].as_str());
    let runtime = names.into_iter().find(|name| name.starts_with("python")).expect("a Python");
    let tables = tables(&repository().join("conformance/lambda"));
    assert!(!tables.is_empty(), "there are tables");
    let (mut run, mut failures) = (0, Vec::new());
    for table in tables {
        let operation = table["operation"].as_str().expect("an operation");
        for (index, case) in table["cases"].as_array().expect("cases").iter().enumerate() {
            let name = format!("{operation}-{index}");
            run += 1;
            let region = region(run);
            let mut case_run = Run {
                server: &server,
                runtime,
                region,
                name,
                revision: String::new(),
                kept: BTreeMap::new(),
            };
            if let Err(problem) = case_run.case(case) {
                failures.push(format!("{operation}: {}: {problem}", case["name"]));
            }
        }
    }
    eprintln!("conformance: {} of {run} cases as expected", run - failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn tables(dir: &Path) -> Vec<Value> {
    let files = std::fs::read_dir(dir).expect("the tables are there").flatten();
    let mut files: Vec<PathBuf> = files.map(|file| file.path()).collect();
    files.sort();
    let read = |path: &PathBuf| serde_json::from_slice(&std::fs::read(path).expect("readable"));
    files
        .iter()
        .map(|path| read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .collect()
}

/// A region of its own for each case, in the form that the API model wants for ARNs.
fn region(number: usize) -> String {
    let letters = number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect::<String>();
    format!("xx-{letters}-1")
}

/// One case on one server.
struct Run<'a> {
    server: &'a Server,
    runtime: &'a str,
    region: String,
    name: String,
    revision: String,
    /// What was kept of answers.
    kept: BTreeMap<String, String>,
}

impl Run<'_> {
    fn case(&mut self, case: &Value) -> Result<(), String> {
        if case["given"] == "function" {
            self.give_function()?;
        }
        for before in case["before"].as_array().into_iter().flatten() {
            let answer = self.send(before);
            if answer.status >= 300 {
                return Err(format!("what came before was refused: {}", answer.text()));
            }
            for (name, pointer) in before["keep"].as_object().into_iter().flatten() {
                let body = answer.json();
                let found = body.pointer(pointer.as_str().expect("a pointer")).and_then(Value::as_str);
                let found = found.ok_or_else(|| format!("there is no text at {pointer}"))?;
                self.kept.insert(name.clone(), found.to_owned());
            }
            self.settle();
        }
        let answer = self.send(&case["request"]);
        let outcome = self.check(&answer, &case["expect"]);
        // What the case has begun must not go on into the next.
        self.settle();
        outcome
    }

    fn give_function(&mut self) -> Result<(), String> {
        let body = json!({
            "FunctionName": self.name,
            "Runtime": self.runtime,
            "Handler": "app.handler",
            "Role": ROLE,
            "Code": {"ZipFile": file("fixtures/echo.zip")},
        });
        let created =
            Request::new("POST", FUNCTIONS).region(&self.region).body(body.to_string()).send(self.server);
        if created.status != 201 {
            return Err(format!("the given function was refused: {}", created.text()));
        }
        self.settle();
        Ok(())
    }

    /// Waits until no change of the function is under way, and notes its revision.
    fn settle(&mut self) {
        let path = format!("{FUNCTIONS}/{}/configuration", self.name);
        self.revision = until("the function has settled", || {
            let found = Request::new("GET", &path).region(&self.region).send(self.server);
            let body = found.json();
            let under_way = body["State"] == "Pending" || body["LastUpdateStatus"] == "InProgress";
            (!under_way).then(|| body["RevisionId"].as_str().unwrap_or_default().to_owned())
        });
    }

    fn send(&self, request: &Value) -> Response {
        let method = request["method"].as_str().expect("a method");
        let target = self.filled(request["target"].as_str().expect("a target"));
        let mut sent = Request::new(method, &target).region(&self.region);
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            sent = sent.header(name, &self.filled(value.as_str().expect("a header's value")));
        }
        if let Some(json) = request.get("json") {
            sent = sent.body(self.filled_json(json).to_string());
        } else if let Some(text) = request["text"].as_str() {
            sent = sent.body(self.filled(text));
        } else if let Some(count) = request["fill"].as_u64() {
            sent = sent.body(vec![b'1'; usize::try_from(count).expect("it fits")]);
        }
        match request["sign"].as_str().unwrap_or("root") {
            "root" => sent.send(self.server),
            "none" => sent.unsigned().send(self.server),
            "wrong-secret" => sent.send_as(self.server, KEY_ID, "wrong"),
            "unknown-key" => sent.send_as(self.server, "AKIANOBODYNOBODYNOBO", SECRET),
            "expired" => sent.at(Timestamp::from_millis(now().as_millis() - EXPIRED_MS)).send(self.server),
            "other-service" => sent.service("sqs").send(self.server),
            other => panic!("no such way to sign: {other}"),
        }
    }

    fn check(&self, answer: &Response, expect: &Value) -> Result<(), String> {
        let told = || format!("status {}, {} {}", answer.status, answer.code(), answer.text());
        if expect["status"].as_u64().is_some_and(|status| status != u64::from(answer.status)) {
            return Err(told());
        }
        if expect["error"].as_str().is_some_and(|code| code != answer.code()) {
            return Err(told());
        }
        let body = answer.json();
        let message = ["message", "Message"].iter().find_map(|key| body[*key].as_str()).unwrap_or_default();
        let whole = expect["message"].as_str().map(|text| self.filled(text));
        if whole.is_some_and(|wanted| wanted != message) {
            return Err(format!("the message is {message:?}"));
        }
        let part = expect["message_has"].as_str().map(|text| self.filled(text));
        if part.is_some_and(|wanted| !message.contains(&wanted)) {
            return Err(format!("the message is {message:?}"));
        }
        for (name, wanted) in expect["headers"].as_object().into_iter().flatten() {
            let wanted = self.filled(wanted.as_str().expect("a header's value"));
            let seen = answer.header(name);
            let fits = match wanted.as_str() {
                "*" => seen.is_some(),
                "-" => seen.is_none(),
                wanted => seen == Some(wanted),
            };
            if !fits {
                return Err(format!("the header {name} is {seen:?}, not {wanted:?}"));
            }
        }
        let text = expect["text"].as_str().map(|text| self.filled(text));
        if text.is_some_and(|wanted| wanted != answer.text()) {
            return Err(told());
        }
        expect.get("json").map_or(Ok(()), |wanted| fits("the body", Some(&body), &self.filled_json(wanted)))
    }

    /// Replaces the variables of a string.
    fn filled(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (variable, after) = after.split_once('}').expect("a closed variable");
            filled.push_str(before);
            filled.push_str(&self.value_of(variable));
            rest = after;
        }
        filled + rest
    }

    fn value_of(&self, variable: &str) -> String {
        match variable {
            "name" => self.name.clone(),
            "account" => ACCOUNT.to_owned(),
            "region" => self.region.clone(),
            "runtime" => self.runtime.to_owned(),
            "role" => ROLE.to_owned(),
            "arn" => format!("arn:aws:lambda:{}:{ACCOUNT}:function:{}", self.region, self.name),
            "revision" => self.revision.clone(),
            other => match other.strip_prefix("file:") {
                Some(path) => file(path),
                None => self.kept.get(other).unwrap_or_else(|| panic!("no such variable: {other}")).clone(),
            },
        }
    }

    /// Replaces the variables in every string of a document, names of members included.
    fn filled_json(&self, json: &Value) -> Value {
        match json {
            Value::String(text) => self.filled(text).into(),
            Value::Array(items) => items.iter().map(|item| self.filled_json(item)).collect(),
            Value::Object(members) => {
                members.iter().map(|(key, value)| (self.filled(key), self.filled_json(value))).collect()
            }
            other => other.clone(),
        }
    }
}

/// A file of the tables in Base64.
fn file(path: &str) -> String {
    let path = repository().join("conformance").join(path);
    BASE64.encode(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Whether what was seen has everything that was wanted.
fn fits(place: &str, seen: Option<&Value>, wanted: &Value) -> Result<(), String> {
    match (seen, wanted) {
        (seen, Value::String(sign)) if sign == "-" => match seen {
            None => Ok(()),
            Some(seen) => Err(format!("{place} is there: {seen}")),
        },
        (None, _) => Err(format!("{place} is missing")),
        (Some(seen), Value::String(sign)) if sign == "*" => {
            if seen.is_null() {
                Err(format!("{place} is null"))
            } else {
                Ok(())
            }
        }
        (Some(seen), Value::Object(members)) => members
            .iter()
            .try_for_each(|(key, wanted)| fits(&format!("{place}.{key}"), seen.get(key), wanted)),
        (Some(Value::Array(seen)), Value::Array(wanted)) if seen.len() == wanted.len() => {
            seen.iter().zip(wanted).enumerate().try_for_each(|(index, (seen, wanted))| {
                fits(&format!("{place}[{index}]"), Some(seen), wanted)
            })
        }
        (Some(seen), wanted) if seen == wanted => Ok(()),
        (Some(seen), wanted) => Err(format!("{place} is {seen}, not {wanted}")),
    }
}
