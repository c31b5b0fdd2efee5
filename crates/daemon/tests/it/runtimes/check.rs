//! What a table may expect of an answer and of a log; `runtimes/README.md` has the list.
//! Pure: an answer or a log, and the expectation, go in; the first difference comes out. A key that the list does not
//! have is not looked at.

use serde_json::Value;

use crate::harness::http::Response;

/// The reply of an invoke.
pub(super) fn check_answer(answer: &Response, expect: &Value) -> Result<(), String> {
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

/// `trace` in Node.js, `stackTrace` elsewhere.
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

/// The whole log of an environment.
pub(super) fn check_log(log: &str, expect: &Value) -> Result<(), String> {
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
