//! The invocation record that destinations get.
//!
//! Source: Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations": version 1.0, the request's
//! context and payload, the response's if the function ran.

use bytes::Bytes;
use model::event::{Attempts, Condition, Event};
use model::time::Timestamp;
use serde_json::{Value, json};

/// What the function answered at last.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// The version that ran.
    pub(super) version: String,
    /// What it gave, or the JSON of how it failed.
    pub(super) payload: Bytes,
    /// Whether it failed.
    pub(super) has_failed: bool,
}

/// Writes the record.
pub(super) fn record(
    event: &Event,
    function_arn: &str,
    condition: Condition,
    attempts: Attempts,
    answer: Option<&Answer>,
    now: Timestamp,
) -> Bytes {
    // The answer that was a success is not counted as a failure, but it is an invocation.
    let invoked = attempts.failed + u32::from(condition == Condition::Success);
    let mut record = json!({
        "version": "1.0",
        "timestamp": wire::time::rfc3339(now),
        "requestContext": {
            "requestId": event.request.to_string(),
            "functionArn": function_arn,
            "condition": condition.as_str(),
            "approximateInvokeCount": invoked,
        },
        "requestPayload": value(&event.payload),
    });
    if let Some(Answer { version, payload, has_failed }) = answer {
        let mut context = json!({ "statusCode": 200, "executedVersion": version });
        if *has_failed {
            context["functionError"] = Value::from("Unhandled");
        }
        record["responseContext"] = context;
        record["responsePayload"] = value(payload);
    }
    record.to_string().into()
}

/// JSON, written as short as it can be, so that it may be as large as the event was; what is none becomes a text.
fn value(payload: &[u8]) -> Value {
    match payload {
        [] => Value::Null,
        _ => serde_json::from_slice(payload)
            .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(payload).into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::arn::{FunctionId, Scope};
    use model::id::{AccountId, Region, RequestId};
    use model::name::FunctionName;

    /// A bus takes nothing else, and a queue nothing larger.
    #[test]
    fn payloads_are_told_as_strict_and_short_json() {
        for (payload, told) in [
            (&b"[1, 1,\n \"\\u4f60\"]"[..], "[1,1,\"\u{4f60}\"]"),
            (b"{\"a\":1e400}", "\"{\\\"a\\\":1e400}\""),
            (b"\"\\ud800\"", "\"\\\"\\\\ud800\\\"\""),
            (b"no \"json\"", "\"no \\\"json\\\"\""),
            (b"", "null"),
        ] {
            assert_eq!(serde_json::to_string(&value(payload)).expect("JSON"), told);
        }
    }

    #[test]
    fn a_record_has_lambdas_form() {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        let event = Event {
            request: RequestId::from_random([7; 16]),
            function: FunctionId { scope, name: FunctionName::parse("f").expect("a name") },
            qualifier: None,
            payload: Bytes::from_static(b"{\"order\":[1]}"),
            client_context: None,
            trace: None,
            tenant: None,
        };
        let answer = Answer {
            version: "$LATEST".to_owned(),
            payload: Bytes::from_static(b"{\"errorMessage\":\"no\"}"),
            has_failed: true,
        };
        let attempts = Attempts { failed: 3, held_back: 0 };
        let now = Timestamp::from_millis(1_573_754_776_568);
        let condition = Condition::RetriesExhausted;
        let written = record(&event, "arn:f:$LATEST", condition, attempts, Some(&answer), now);
        let written: Value = serde_json::from_slice(&written).expect("JSON");
        assert_eq!(
            written,
            json!({
                "version": "1.0",
                "timestamp": "2019-11-14T18:06:16.568Z",
                "requestContext": {
                    "requestId": "07070707-0707-4707-8707-070707070707",
                    "functionArn": "arn:f:$LATEST",
                    "condition": "RetriesExhausted",
                    "approximateInvokeCount": 3,
                },
                "requestPayload": {"order": [1]},
                "responseContext": {
                    "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled",
                },
                "responsePayload": {"errorMessage": "no"},
            })
        );
        let (condition, none) = (Condition::EventAgeExceeded, Attempts::default());
        let written = record(&event, "arn:f:$LATEST", condition, none, None, now);
        let written: Value = serde_json::from_slice(&written).expect("JSON");
        assert_eq!(written["requestContext"]["approximateInvokeCount"], 0);
        assert!(written.get("responsePayload").is_none() && written.get("responseContext").is_none());
    }
}
