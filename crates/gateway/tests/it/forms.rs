//! Requests of the JSON protocols for the conformance tables, and requests and answers of the query protocol: parameters
//! as JSON, and XML read as JSON.
//!
//! Pure, as [`crate::cases`] is. A list is numbered from 1 in a form, and is a row of `member` elements in an answer, of
//! which the element of the operation's result is taken for the whole. A map is a list `entry` of keys and values in a form,
//! and an object of what its `entry` elements say in an answer.

use serde_json::{Map, Value, json};

/// A request of a table with all that goes without saying.
pub fn complete(request: &Value, service: &str, operation: &str) -> Value {
    let mut request = request.clone();
    let Some(members) = request.as_object_mut() else { return request };
    let service = members.entry("service").or_insert_with(|| json!(service)).clone();
    if let Some((prefix, content)) = service.as_str().and_then(json_protocol) {
        let operation = members.get("operation").and_then(Value::as_str).unwrap_or(operation);
        let headers = json!({ "content-type": content, "x-amz-target": format!("{prefix}.{operation}") });
        for (name, value) in [("method", json!("POST")), ("target", json!("/")), ("headers", headers)] {
            members.entry(name).or_insert(value);
        }
        return request;
    }
    let Some(form) = members.get_mut("form").and_then(Value::as_object_mut) else { return request };
    form.entry("Action").or_insert_with(|| json!(operation));
    form.entry("Version").or_insert_with(|| json!(version(service.as_str().unwrap_or_default())));
    let content = json!({ "content-type": "application/x-www-form-urlencoded; charset=utf-8" });
    for (name, value) in [("method", json!("POST")), ("target", json!("/")), ("headers", content)] {
        members.entry(name).or_insert(value);
    }
    request
}

fn version(service: &str) -> &'static str {
    match service {
        "sts" => "2011-06-15",
        "sns" => "2010-03-31",
        _ => "2010-05-08",
    }
}

/// What names the operations of a service of the JSON protocols, and the content type. A request's member `operation` says
/// which, if it is not that of the table.
fn json_protocol(service: &str) -> Option<(&'static str, &'static str)> {
    match service {
        "sqs" => Some(("AmazonSQS", "application/x-amz-json-1.0")),
        "events" => Some(("AWSEvents", "application/x-amz-json-1.1")),
        "logs" => Some(("Logs_20140328", "application/x-amz-json-1.1")),
        _ => None,
    }
}

/// `application/x-www-form-urlencoded`.
pub fn encode(form: &Value) -> Vec<u8> {
    let mut pairs = Vec::new();
    flatten("", form, &mut pairs);
    pairs.join("&").into_bytes()
}

fn flatten(path: &str, value: &Value, pairs: &mut Vec<String>) {
    let below = |step: &str| if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") };
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::Array(entries) if name == "entry" => {
                        let numbered = entries.iter().enumerate();
                        numbered
                            .for_each(|(at, it)| flatten(&below(&format!("entry.{}", at + 1)), it, pairs));
                    }
                    value => flatten(&below(name), value, pairs),
                }
            }
        }
        Value::Array(items) => {
            let numbered = items.iter().enumerate();
            numbered.for_each(|(index, item)| flatten(&below(&format!("member.{}", index + 1)), item, pairs));
        }
        Value::String(text) => {
            let escape = |byte: u8| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
                other => format!("%{other:02X}"),
            };
            pairs.push(format!("{path}={}", text.bytes().map(escape).collect::<String>()));
        }
        other => panic!("{path}: {other} is no text"),
    }
}

/// An answer: the members of the result, or the error.
pub fn read(xml: &str) -> Option<Value> {
    let (name, mut value, _) = element(xml.trim())?;
    let result = name.strip_suffix("Response").map(|operation| format!("{operation}Result"));
    let result = result.and_then(|result| value.get_mut(result).map(Value::take));
    Some(result.unwrap_or(value))
}

/// The first element of a text: its name, what is in it, and what follows it.
fn element(text: &str) -> Option<(&str, Value, &str)> {
    let (opening, mut rest) = text.strip_prefix('<')?.split_once('>')?;
    let name = opening.split(' ').next()?;
    let mut members = Map::new();
    let mut items = Vec::new();
    loop {
        let (plain, after) = rest.split_once('<')?;
        if let Some(closed) = after.strip_prefix('/') {
            let (_, after) = closed.split_once('>')?;
            let value = match (items.is_empty(), members.is_empty()) {
                (false, _) => Value::Array(items),
                (true, false) => Value::Object(members),
                (true, true) => Value::String(unescape(plain)),
            };
            return Some((name, value, after));
        }
        let (child, value, after) = element(&rest[plain.len()..])?;
        match child {
            "member" => items.push(value),
            "entry" => {
                let key = value.get("key")?.as_str()?.to_owned();
                members.insert(key, value.get("value")?.clone());
            }
            child => drop(members.insert(child.to_owned(), value)),
        }
        rest = after;
    }
}

fn unescape(text: &str) -> String {
    let signs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#xD;", "\r"), ("&amp;", "&")];
    signs.into_iter().fold(text.to_owned(), |text, (escaped, sign)| text.replace(escaped, sign))
}

#[test]
fn forms_and_answers_are_written_and_read() {
    let form = json!({ "Name": "a b", "Tags": [{ "Key": "k" }, { "Key": "é" }] });
    let text = String::from_utf8(encode(&form)).expect("ASCII");
    assert_eq!(text, "Name=a%20b&Tags.member.1.Key=k&Tags.member.2.Key=%C3%A9");
    let xml = "<AResponse xmlns=\"x\"><AResult><N>a&amp;lt;</N><L><member><K>1</K></member><member></member></L>\
               </AResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AResponse>";
    assert_eq!(read(xml), Some(json!({ "N": "a&lt;", "L": [{ "K": "1" }, ""] })));
    let map = json!({ "A": { "entry": [{ "key": "k", "value": "v" }] } });
    assert_eq!(String::from_utf8(encode(&map)).expect("ASCII"), "A.entry.1.key=k&A.entry.1.value=v");
    let map = "<R><A><entry><key>k</key><value>v</value></entry></A></R>";
    assert_eq!(read(map), Some(json!({ "A": { "k": "v" } })));
    let error = "<ErrorResponse><Error><Code>C</Code></Error></ErrorResponse>";
    assert_eq!(read(error), Some(json!({ "Error": { "Code": "C" } })));
    assert_eq!(read("{}"), None);
}
