//! Walks through the main operations of Lambda with the AWS SDK for Rust, unmodified: builders, typed errors, paginators,
//! waiters and the event stream. Prints a line for each check and ends with a sum, as the scripts in Python do.
//!
//! It knows the server by the same environment variables as every client: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID,
//! AWS_SECRET_ACCESS_KEY and AWS_REGION; CODE is the path of a zip, RUNTIME what runs it.

use std::env;
use std::fmt::Debug;
use std::process::ExitCode;
use std::time::Duration;

use aws_sdk_lambda::client::Waiters as _;
use aws_sdk_lambda::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvokeWithResponseStreamResponseEvent as Event;
use aws_sdk_lambda::types::{Environment, FunctionCode, LayerVersionContentInput, LogType, Runtime};
use aws_sdk_lambda::{Client, Config};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const ROLE: &str = "arn:aws:iam::000000000000:role/clients";
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Checks {
    passed: u32,
    failed: u32,
}

impl Checks {
    fn equal<T: PartialEq + Debug>(&mut self, name: &str, seen: T, expected: T) {
        let held = seen == expected;
        *(if held { &mut self.passed } else { &mut self.failed }) += 1;
        if held {
            println!("ok {name}")
        } else {
            println!("FAILED {name}: seen {seen:?} expected {expected:?}")
        }
    }

    /// A call that must fail with this code and status.
    fn refused<T: Debug, E: ProvideErrorMetadata>(
        &mut self,
        name: &str,
        answer: Result<T, SdkError<E>>,
        code: &str,
        status: u16,
    ) {
        let seen = answer.map_err(|error| {
            let status = error.raw_response().map(|response| response.status().as_u16());
            (error.code().unwrap_or_default().to_owned(), status.unwrap_or_default())
        });
        let seen = seen.map(|answer| format!("{answer:?}"));
        self.equal(name, seen, Err((code.to_owned(), status)));
    }
}

struct Walk {
    client: Client,
    code: Blob,
    runtime: Runtime,
    mark: String,
    checks: Checks,
}

impl Walk {
    async fn create(&self, label: &str, handler: &str) -> Result<String, Box<dyn std::error::Error>> {
        let name = format!("rust-{label}-{}", self.mark);
        let code = FunctionCode::builder().zip_file(self.code.clone()).build();
        let environment = Environment::builder().variables("NAME", "value").build();
        let create = self.client.create_function().function_name(&name).role(ROLE).handler(handler);
        create.runtime(self.runtime.clone()).code(code).environment(environment).send().await?;
        self.client.wait_until_function_active_v2().function_name(&name).wait(PATIENCE).await?;
        Ok(name)
    }

    async fn life(&mut self) -> Outcome {
        let name = self.create("life", "index.echo").await?;
        let client = self.client.clone();
        let payload = Blob::new(r#"{"a":1}"#);
        let invoke = client.invoke().function_name(&name).payload(payload).log_type(LogType::Tail);
        let answer = invoke.send().await?;
        let text = answer.payload().map(|blob| String::from_utf8_lossy(blob.as_ref()).into_owned());
        self.checks.equal(
            "invoke: payload",
            text.as_deref(),
            Some(r#"{"event":{"a":1},"version":"$LATEST"}"#),
        );
        self.checks.equal("invoke: members", (answer.status_code(), answer.function_error()), (200, None));
        self.checks.equal("invoke: log", answer.log_result().is_some(), true);
        client.update_function_configuration().function_name(&name).description("changed").send().await?;
        client.wait_until_function_updated_v2().function_name(&name).wait(PATIENCE).await?;
        let seen = client.get_function().function_name(&name).send().await?;
        let seen = seen.configuration().ok_or("no configuration")?;
        let variables = seen.environment().and_then(|environment| environment.variables());
        let value = variables.and_then(|variables| variables.get("NAME")).map(String::as_str);
        self.checks.equal("get: members", (seen.description(), value), (Some("changed"), Some("value")));
        let code = client.update_function_code().function_name(&name).zip_file(self.code.clone());
        let stale = code.revision_id("00000000-0000-4000-8000-000000000000").send().await;
        self.checks.refused("a stale revision", stale, "PreconditionFailedException", 412);
        Ok(())
    }

    async fn errors(&mut self) -> Outcome {
        let client = self.client.clone();
        let missing = client.get_function().function_name("rust-missing").send().await;
        let is_typed = missing.as_ref().is_err_and(|error| {
            error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception())
        });
        self.checks.equal("missing function: type", is_typed, true);
        self.checks.refused("missing function", missing, "ResourceNotFoundException", 404);
        let bad =
            client.update_function_configuration().function_name("rust-missing").memory_size(1).send().await;
        self.checks.refused("bad memory", bad, "ValidationException", 400);
        let name = self.create("fails", "index.fails").await?;
        let failed = client.invoke().function_name(&name).send().await?;
        self.checks.equal("function error", failed.function_error(), Some("Unhandled"));
        Ok(())
    }

    async fn streams(&mut self) -> Outcome {
        let name = self.create("streams", "index.streams").await?;
        let payload = Blob::new(r#"["one ","two ","three"]"#);
        let call = self.client.invoke_with_response_stream().function_name(&name).payload(payload);
        let mut events = call.send().await?.event_stream;
        let (mut text, mut ends) = (String::new(), 0);
        while let Some(event) = events.recv().await? {
            match event {
                Event::PayloadChunk(chunk) => {
                    let bytes = chunk.payload().map(AsRef::as_ref).unwrap_or_default();
                    text.push_str(&String::from_utf8_lossy(bytes));
                }
                Event::InvokeComplete(_) => ends += 1,
                _ => {}
            }
        }
        self.checks.equal("stream", (text.as_str(), ends), ("one two three", 1));
        Ok(())
    }

    async fn pages(&mut self) -> Outcome {
        let mut pages = self.client.list_functions().into_paginator().page_size(1).send();
        let (mut names, mut sizes) = (Vec::new(), Vec::new());
        while let Some(page) = pages.next().await {
            let page = page?;
            sizes.push(page.functions().len());
            names
                .extend(page.functions().iter().filter_map(|found| found.function_name().map(str::to_owned)));
        }
        names.retain(|name| name.ends_with(&self.mark));
        names.sort();
        let expected = ["fails", "life", "streams"].map(|label| format!("rust-{label}-{}", self.mark));
        self.checks.equal("pages: every function", names, expected.to_vec());
        self.checks.equal("pages: size", sizes.iter().all(|size| *size == 1), true);
        Ok(())
    }

    async fn layers(&mut self) -> Outcome {
        let layer = format!("rust-{}", self.mark);
        let content = || LayerVersionContentInput::builder().zip_file(self.code.clone()).build();
        for _ in 0..2 {
            self.client.publish_layer_version().layer_name(&layer).content(content()).send().await?;
        }
        let listed = self.client.list_layer_versions().layer_name(&layer).send().await?;
        let numbers: Vec<i64> = listed.layer_versions().iter().map(|version| version.version()).collect();
        for number in &numbers {
            self.client.delete_layer_version().layer_name(&layer).version_number(*number).send().await?;
        }
        self.checks.equal("layer versions: newest first", numbers, vec![2, 1]);
        Ok(())
    }

    async fn end(&mut self) -> Outcome {
        for label in ["fails", "life", "streams"] {
            let name = format!("rust-{label}-{}", self.mark);
            self.client.delete_function().function_name(&name).send().await?;
            let gone = self.client.get_function().function_name(&name).send().await;
            self.checks.refused(&format!("{label}: deleted"), gone, "ResourceNotFoundException", 404);
        }
        Ok(())
    }

    fn part(&mut self, name: &str, outcome: Outcome) {
        if let Err(error) = outcome {
            self.checks.equal(name, format!("{error:?}"), "no error".to_owned());
        }
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let key = Credentials::new(
        variable("AWS_ACCESS_KEY_ID"),
        variable("AWS_SECRET_ACCESS_KEY"),
        None,
        None,
        "test",
    );
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(variable("AWS_ENDPOINT_URL"))
        .region(Region::new(variable("AWS_REGION")))
        .credentials_provider(key)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .build();
    let code = std::fs::read(variable("CODE")).expect("the package");
    let mut walk = Walk {
        client: Client::from_conf(config),
        code: Blob::new(code),
        runtime: Runtime::from(variable("RUNTIME").as_str()),
        mark: std::process::id().to_string(),
        checks: Checks::default(),
    };
    let outcome = walk.life().await;
    walk.part("life", outcome);
    let outcome = walk.errors().await;
    walk.part("errors", outcome);
    let outcome = walk.streams().await;
    walk.part("streams", outcome);
    let outcome = walk.pages().await;
    walk.part("pages", outcome);
    let outcome = walk.layers().await;
    walk.part("layers", outcome);
    let outcome = walk.end().await;
    walk.part("end", outcome);
    let Checks { passed, failed } = walk.checks;
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
