//! A native function on the public `lambda_runtime` crate: greets, echoes its event, and shows what a
//! function can learn about its own invocation. The built `bootstrap` is the whole deployment package.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(hello)).await
}

async fn hello(invocation: LambdaEvent<Value>) -> Result<Value, Error> {
    let (event, context) = invocation.into_parts();
    let name = event.get("name").and_then(Value::as_str).unwrap_or("world");
    println!("greeting {name}");
    Ok(json!({
        "greeting": format!("Hello, {name}!"),
        "event": event,
        "context": {
            "request_id": context.request_id,
            "function_name": context.env_config.function_name,
            "version": context.env_config.version,
            "memory_mb": context.env_config.memory,
            "invoked_function_arn": context.invoked_function_arn,
            "log_group": context.env_config.log_group,
            "log_stream": context.env_config.log_stream,
            "deadline_ms": context.deadline,
            "trace": context.xray_trace_id,
        },
    }))
}
