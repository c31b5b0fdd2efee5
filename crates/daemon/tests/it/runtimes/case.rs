//! One case: a function is created, invoked, and compared with what the table expects of its answers and its log.
//! It knows the API, and neither files nor languages. What differs is told as text, so that one run of a table shows
//! every case that fails.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::check::{check_answer, check_log};
use super::table::Table;
use crate::harness::http::{ROLE, Request, Response, try_create};
use crate::harness::{Server, until};

/// One case on one server.
pub(super) struct Run<'a> {
    pub server: &'a Server,
    pub table: &'a Table,
    pub region: String,
}

impl Run<'_> {
    pub(super) fn case(&self, runtime: &str, case: &Value) -> Result<(), String> {
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
            "Role": ROLE,
            "Timeout": 20,
            "Code": {"ZipFile": BASE64.encode(self.table.package(case))},
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
        let reserved = |name: &str| {
            ["AWS_LAMBDA_FUNCTION_", "AWS_LAMBDA_LOG_"].iter().any(|kind| name.starts_with(kind))
        };
        let own: Map<String, Value> = environment.into_iter().filter(|(name, _)| !reserved(name)).collect();
        body["Environment"] = json!({"Variables": own});
        body
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
