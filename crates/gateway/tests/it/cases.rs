//! The conformance tables as Rust values: read, filled with variables, compared with an answer. The form of a table
//! is described in `conformance/README.md`.
//!
//! Pure: this file sends nothing and knows no server, so that any test crate can include it (it needs `base64`
//! and `serde_json` only). It panics on a malformed table, naming file and case, since that is a broken test.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::forms;

/// One behaviour of one operation.
#[derive(Debug)]
pub struct Case {
    /// What it is about.
    pub operation: String,
    /// Operation and name, for messages.
    pub title: String,
    /// The server that it needs; none for a case that every server has to pass.
    pub world: Option<String>,
    /// Whether a function called `${name}` must exist and be active.
    pub needs_function: bool,
    /// The requests that must succeed first, to be sent in order; see [`Case::preparation`].
    pub before: Vec<Value>,
    request: Value,
    expect: Map<String, Value>,
    /// The folder that `${file:…}` is relative to.
    root: PathBuf,
}

/// What the strings of a case may refer to.
#[derive(Debug, Clone, Default)]
pub struct Variables(pub BTreeMap<String, String>);

/// How a request is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    Root,
    Not,
    WrongSecret,
    UnknownKey,
    Expired,
    OtherService,
}

/// A request to be sent.
#[derive(Debug)]
pub struct Ask {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub sign: Sign,
    /// The key, secret and token to sign with, if it is none of those.
    pub key: Option<[String; 3]>,
    /// The service that it is signed for.
    pub service: String,
}

/// An answer.
#[derive(Debug)]
pub struct Seen {
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// All cases of the tables in `root/<service>/`, by file and in the order of the files.
pub fn cases(root: &Path, service: &str) -> Vec<Case> {
    let entries = fs::read_dir(root.join(service)).expect("the folder of the tables");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a table").path()).collect();
    files.sort();
    files.iter().flat_map(|file| cases_of(root, service, file)).collect()
}

/// The request that creates the function which a case needs.
pub fn create_function(root: &Path, variables: &Variables) -> Ask {
    let request = json!({
        "method": "POST",
        "target": "/2015-03-31/functions",
        "json": {
            "FunctionName": "${name}",
            "Runtime": "${runtime}",
            "Handler": "app.handler",
            "Role": "${role}",
            "Code": { "ZipFile": "${file:fixtures/echo.zip}" },
        },
    });
    ask(&request, root, variables)
}

/// Any request to a service, which a table might have.
pub fn request(root: &Path, service: &str, operation: &str, request: &Value, variables: &Variables) -> Ask {
    ask(&forms::complete(request, service, operation), root, variables)
}

fn cases_of(root: &Path, service: &str, file: &Path) -> Vec<Case> {
    let text = fs::read_to_string(file).expect("a readable table");
    let table: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let operation = table["operation"].as_str().expect("an operation");
    let list = table["cases"].as_array().expect("a list of cases");
    let complete = |request: &Value| forms::complete(request, service, operation);
    let case = |case: &Value| {
        let title = format!("{operation}: {}", case["name"].as_str().expect("a name"));
        let known = ["name", "world", "given", "before", "request", "expect"];
        let members = case.as_object().expect("an object").keys();
        members.for_each(|member| assert!(known.contains(&member.as_str()), "{title}: what is {member}?"));
        let before = case["before"].as_array().into_iter().flatten();
        Case {
            operation: operation.to_owned(),
            world: case["world"].as_str().map(str::to_owned),
            needs_function: match case["given"].as_str() {
                None => false,
                Some("function") => true,
                Some(other) => panic!("{title}: what is given {other}?"),
            },
            before: before.flat_map(repeated).map(|request| complete(&request)).collect(),
            request: complete(&case["request"]),
            expect: case["expect"].as_object().cloned().unwrap_or_else(|| panic!("{title}: expects nothing")),
            root: root.to_owned(),
            title,
        }
    };
    list.iter().map(case).collect()
}

/// A request as often as it is to be sent, `${n}` in it being its number.
fn repeated(request: &Value) -> Vec<Value> {
    let text = request.to_string();
    let numbered = |n: u64| serde_json::from_str(&text.replace("${n}", &n.to_string())).expect("still JSON");
    (1..=request["times"].as_u64().unwrap_or(1)).map(numbered).collect()
}

impl Case {
    /// The status and the error that are expected.
    pub fn expected(&self) -> (u64, Option<&str>) {
        (self.expect["status"].as_u64().expect("a status"), self.expect.get("error").and_then(Value::as_str))
    }

    /// The same request with another outcome.
    pub fn expecting(&self, expect: &Value) -> Case {
        let expect = expect.as_object().expect("what is expected").clone();
        Case {
            before: Vec::new(),
            title: self.title.clone(),
            operation: self.operation.clone(),
            world: None,
            needs_function: false,
            request: self.request.clone(),
            expect,
            root: self.root.clone(),
        }
    }

    /// One of the requests that must succeed first.
    pub fn preparation(&self, request: &Value, variables: &Variables) -> Ask {
        ask(request, &self.root, variables)
    }

    /// Whether an answer says what `until` of its request waits for.
    pub fn is_reached(&self, request: &Value, body: &[u8]) -> bool {
        let body = parsed(body);
        let mut awaited = request["until"].as_object().into_iter().flatten();
        awaited.all(|(pointer, text)| body.pointer(pointer) == Some(text))
    }

    /// Takes from an answer what `keep` of its request names.
    pub fn keep(&self, request: &Value, body: &[u8], variables: &mut Variables) -> Result<(), String> {
        let body = parsed(body);
        for (name, pointer) in request["keep"].as_object().into_iter().flatten() {
            let found = body.pointer(pointer.as_str().expect("a pointer")).and_then(Value::as_str);
            let found = found.ok_or_else(|| format!("there is no text at {pointer} to be kept as {name}"))?;
            variables.0.insert(name.clone(), found.to_owned());
        }
        Ok(())
    }

    /// The request itself.
    pub fn request(&self, variables: &Variables) -> Ask {
        ask(&self.request, &self.root, variables)
    }

    /// Compares an answer with what is expected; the error says what differs.
    pub fn check(&self, variables: &Variables, seen: &Seen) -> Result<(), String> {
        let expect = fill(&Value::Object(self.expect.clone()), &self.root, variables);
        let body = parsed(&seen.body);
        let messages = [&body["message"], &body["Message"], &body["Error"]["Message"]];
        let message = messages.into_iter().find_map(Value::as_str).unwrap_or_default();
        let mut wrong = Vec::new();
        for (member, wanted) in expect.as_object().into_iter().flatten() {
            let text = wanted.as_str().unwrap_or_default();
            match member.as_str() {
                "status" => compare(&mut wrong, "status", &json!(seen.status), wanted),
                "error" => compare_header(&mut wrong, seen, "x-amzn-errortype", text),
                "message" => compare(&mut wrong, "message", &json!(message), wanted),
                "message_has" => {
                    let words = wanted.as_array().expect("a list of words");
                    for words in words.iter().map(|words| words.as_str().expect("words")) {
                        if !message.contains(words) {
                            wrong.push(format!("{words:?} is not in the message {message:?}"));
                        }
                    }
                }
                "headers" => {
                    for (name, value) in wanted.as_object().into_iter().flatten() {
                        compare_header(&mut wrong, seen, name, value.as_str().unwrap_or_default());
                    }
                }
                "json" => compare(&mut wrong, "body", &body, wanted),
                "text" => compare(&mut wrong, "body", &json!(String::from_utf8_lossy(&seen.body)), wanted),
                other => wrong.push(format!("what is expected of {other}?")),
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n    ")) }
    }
}

/// A body in JSON or XML.
pub fn parsed(body: &[u8]) -> Value {
    let xml = || std::str::from_utf8(body).ok().and_then(forms::read);
    serde_json::from_slice(body).ok().or_else(xml).unwrap_or_default()
}

fn ask(request: &Value, root: &Path, variables: &Variables) -> Ask {
    let filled = fill(request, root, variables);
    let text = |member: &str| filled[member].as_str().map(str::to_owned);
    let fill = || Some(vec![b'1'; usize::try_from(filled["fill"].as_u64()?).ok()?]);
    let json = || filled.get("json").map(|json| json.to_string().into_bytes());
    let form = || filled.get("form").map(forms::encode);
    let key = filled["sign"].as_object().map(|sign| {
        ["key", "secret", "token"]
            .map(|part| sign.get(part).and_then(Value::as_str).unwrap_or_default().to_owned())
    });
    let headers = filled["headers"].as_object().into_iter().flatten();
    Ask {
        method: text("method").expect("a method"),
        target: text("target").expect("a target"),
        headers: headers
            .map(|(name, value)| (name.clone(), value.as_str().expect("a header's value").to_owned()))
            .collect(),
        body: text("text")
            .map(String::into_bytes)
            .or_else(fill)
            .or_else(json)
            .or_else(form)
            .unwrap_or_default(),
        sign: match filled["sign"].as_str() {
            None | Some("root") => Sign::Root,
            Some("none") => Sign::Not,
            Some("wrong-secret") => Sign::WrongSecret,
            Some("unknown-key") => Sign::UnknownKey,
            Some("expired") => Sign::Expired,
            Some("other-service") => Sign::OtherService,
            Some(other) => panic!("what signature is {other}?"),
        },
        key,
        service: text("service").unwrap_or_else(|| "lambda".to_owned()),
    }
}

/// The value with all variables in its strings replaced.
fn fill(value: &Value, root: &Path, variables: &Variables) -> Value {
    match value {
        Value::String(text) => Value::String(fill_text(text, root, variables)),
        Value::Array(list) => list.iter().map(|value| fill(value, root, variables)).collect(),
        Value::Object(members) => {
            let filled = |(name, value): (&String, &Value)| (name.clone(), fill(value, root, variables));
            Value::Object(members.iter().map(filled).collect())
        }
        other => other.clone(),
    }
}

fn fill_text(text: &str, root: &Path, Variables(variables): &Variables) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').unwrap_or_else(|| panic!("{text:?} has an open variable"));
        filled.push_str(before);
        match name.split_once(':') {
            Some(("file", path)) => {
                filled.push_str(&STANDARD.encode(fs::read(root.join(path)).expect("a fixture")));
            }
            Some(("ones", count)) => filled.push_str(&"1".repeat(count.parse().expect("a count"))),
            _ => filled.push_str(variables.get(name).unwrap_or_else(|| panic!("what is ${{{name}}}?"))),
        }
        rest = after;
    }
    filled + rest
}

fn compare_header(wrong: &mut Vec<String>, seen: &Seen, name: &str, wanted: &str) {
    match (seen.headers.get(name), wanted) {
        (None, "-") | (Some(_), "*") => {}
        (Some(value), wanted) if value == wanted => {}
        (value, wanted) => wrong.push(format!("header {name} is {value:?} and not {wanted:?}")),
    }
}

fn compare(wrong: &mut Vec<String>, place: &str, seen: &Value, wanted: &Value) {
    match (seen, wanted) {
        (Value::Null, Value::String(any)) if any == "*" => wrong.push(format!("{place} is missing")),
        (_, Value::String(any)) if any == "*" => {}
        (Value::Object(seen), Value::Object(wanted)) => {
            for (name, wanted) in wanted {
                let place = format!("{place}.{name}");
                match seen.get(name) {
                    None if wanted == "-" => {}
                    found => compare(wrong, &place, found.unwrap_or(&Value::Null), wanted),
                }
            }
        }
        (Value::Array(seen), Value::Array(wanted)) if seen.len() == wanted.len() => {
            for (index, (seen, wanted)) in seen.iter().zip(wanted).enumerate() {
                compare(wrong, &format!("{place}[{index}]"), seen, wanted);
            }
        }
        (seen, wanted) if seen == wanted => {}
        (seen, wanted) => wrong.push(format!("{place} is {seen} and not {wanted}")),
    }
}
