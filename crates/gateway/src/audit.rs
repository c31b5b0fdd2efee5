//! Who changed or read what: one line for each control call, in the shape of CloudTrail's events.
//!
//! Invocations are no control calls and leave nothing here, nor do requests whose sender is unknown: strangers must not
//! be able to push out what others did. Parameters are shown as they were sent, but for what could be a secret: the
//! values of environment variables, code, passwords and keys are left out by name, and long values are cut.
//! Source: CloudTrail User Guide, "CloudTrail record contents for management, data, and network activity events".

use std::net::SocketAddr;

use control::identity::{Caller, Principal};
use http::header::USER_AGENT;
use http::request::Parts;
use model::error::ServiceError;
use model::id::RequestId;
use model::time::Timestamp;
use serde_json::{Map, Value, json};
use services::endpoint::Login;

use crate::auth::Authenticated;

/// A body above this is not read again; what matters of it is named by the operation.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// A parameter's text is cut after this many characters.
const TEXT_CHARS_MAX: usize = 1_024;
/// Parameters above this size are left out as a whole.
const PARAMETERS_BYTES_MAX: usize = 32 * 1024;
/// Members, in small letters, whose values are never shown, wherever they stand.
const SECRET: &[&str] = &[
    "zipfile",
    "variables",
    "payload",
    "clientcontext",
    "password",
    "newpassword",
    "oldpassword",
    "secretaccesskey",
    "sessiontoken",
    "token",
    "tokencode",
    "samlassertion",
    "webidentitytoken",
    "layerpartblob",
    "eventsourcetoken",
    "x-amz-signature",
    "x-amz-security-token",
    "x-amz-credential",
];

/// A call that was admitted, to be kept once its end is known.
pub(crate) struct Event(Map<String, Value>);

/// What a call says of itself.
pub(crate) struct Call<'a> {
    /// `lambda`.
    pub service: &'static str,
    /// `CreateFunction`.
    pub operation: &'a str,
    /// When.
    pub time: Timestamp,
    /// Its id.
    pub id: RequestId,
    /// Its head.
    pub head: &'a Parts,
    /// From where.
    pub peer: Option<SocketAddr>,
    /// By whom.
    pub who: &'a Authenticated,
    /// With what.
    pub parameters: Map<String, Value>,
}

impl Event {
    pub(crate) fn of(call: Call<'_>) -> Self {
        let Call { service, operation, time, id, head, peer, who, parameters } = call;
        let agent = head.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        let is_read = ["Get", "List", "Describe", "BatchGet", "BatchCheck"]
            .iter()
            .any(|verb| operation.starts_with(verb));
        let parameters = Value::Object(parameters);
        let shown = match parameters.to_string().len() {
            bytes if bytes > PARAMETERS_BYTES_MAX => json!({ "omitted": "the parameters are too large" }),
            _ => parameters,
        };
        let event = json!({
            "eventVersion": "1.08",
            "eventType": "AwsApiCall",
            "eventCategory": "Management",
            "managementEvent": true,
            "readOnly": is_read,
            "eventTime": wire::time::rfc3339(time),
            "eventSource": format!("{service}.amazonaws.com"),
            "eventName": operation,
            "eventID": id.to_string(),
            "requestID": id.to_string(),
            "awsRegion": who.scope.region.as_str(),
            "recipientAccountId": who.scope.account.as_str(),
            "sourceIPAddress": peer.map(|peer| peer.ip().to_canonical().to_string()),
            "userAgent": agent.map(cut),
            "userIdentity": identity(&who.caller),
            "requestParameters": shown,
        });
        match event {
            Value::Object(event) => Self(event),
            _ => Self(Map::new()),
        }
    }

    /// The line, with what became of the call.
    pub(crate) fn end(self, error: Option<&ServiceError>) -> String {
        let told = error.map(|error| {
            let code = match error {
                ServiceError::Modeled { code, .. } => code,
                error => wire::error::answer(error).shape.code,
            };
            (code, error.to_string())
        });
        self.end_as(told.as_ref().map(|(code, message)| (*code, message.as_str())))
    }

    /// The same by code and message of an error.
    pub(crate) fn end_as(mut self, error: Option<(&str, &str)>) -> String {
        if let Some((code, message)) = error {
            self.0.insert("errorCode".to_owned(), json!(code));
            self.0.insert("errorMessage".to_owned(), json!(cut(message)));
        }
        Value::Object(self.0).to_string()
    }
}

/// Members of path, query and body, by their names in the model.
pub(crate) fn parameters<'a>(
    named: impl IntoIterator<Item = (&'a str, &'a str)>,
    body: &[u8],
) -> Map<String, Value> {
    let body = match body.len() {
        0 => Value::Null,
        bytes if bytes > BODY_BYTES_MAX => json!({ "bodyBytes": bytes }),
        _ => serde_json::from_slice(body).unwrap_or_default(),
    };
    let mut parameters = match shown(body) {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    for (name, raw) in named {
        if !is_secret(name) {
            let text = wire::percent::decode(raw).unwrap_or_default();
            parameters.insert(small(name), json!(cut(&text)));
        }
    }
    parameters
}

fn identity(caller: &Caller) -> Value {
    let standing = caller.standing();
    let fact = |key: &str| standing.facts.single(key);
    let kind = match &caller.principal {
        Principal::Root | Principal::RootSession | Principal::Anyone => "Root",
        _ if standing.arn.contains(":assumed-role/") => "AssumedRole",
        _ => "IAMUser",
    };
    let mut shown = json!({
        "type": kind,
        "principalId": fact("aws:userid").unwrap_or(caller.account.as_str()),
        "arn": standing.arn,
        "accountId": caller.account.as_str(),
    });
    if let (Some(name), Value::Object(members)) = (fact("aws:username"), &mut shown) {
        members.insert("userName".to_owned(), json!(name));
    }
    shown
}

/// The value without secrets, its members as CloudTrail spells them. Tags keep their names.
fn shown(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let member = |(name, value): (String, Value)| match name.as_str() {
                name if is_secret(name) => None,
                "Tags" | "tags" => Some((small(&name), value)),
                _ => Some((small(&name), shown(value))),
            };
            Value::Object(members.into_iter().filter_map(member).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(shown).collect()),
        // Addresses of endpoints may have a password in them.
        Value::String(text) => Value::String(cut(&Login::hidden(&text))),
        other => other,
    }
}

fn is_secret(name: &str) -> bool {
    SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

/// `FunctionName` as `functionName`.
fn small(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out_and_the_rest_is_shown() {
        let body = br#"{"FunctionName":"f","Code":{"ZipFile":"UEsDB"},"Environment":{"Variables":{"KEY":"hunter2"}},
            "Tags":{"Team":"a"},"Nested":[{"SecretAccessKey":"hunter2","Kept":1}],"Role":"arn:aws:iam::1:role/r"}"#;
        let query = [("Qualifier", "a%20b"), ("X-Amz-Signature", "hunter2")];
        let shown = Value::Object(parameters(query, body));
        assert_eq!(
            shown,
            json!({
                "functionName": "f",
                "code": {},
                "environment": {},
                "tags": { "Team": "a" },
                "nested": [{ "kept": 1 }],
                "role": "arn:aws:iam::1:role/r",
                "qualifier": "a b",
            })
        );
    }

    #[test]
    fn what_is_long_is_cut_and_what_is_large_is_not_read() {
        let long = format!(r#"{{"Description":"{}"}}"#, "é".repeat(2_000));
        let shown = parameters([], long.as_bytes());
        assert_eq!(shown["description"].as_str().map(|text| text.chars().count()), Some(1_025));
        let large = vec![b' '; BODY_BYTES_MAX + 1];
        assert_eq!(Value::Object(parameters([], &large)), json!({ "bodyBytes": BODY_BYTES_MAX + 1 }));
        assert_eq!(parameters([], b"no JSON").len(), 0);
    }
}
