//! `dormouse deploy`: the arguments, the progress bars and the summary of a [`deployment`](crate::deployment).
//! What is done, and in which order, is decided there.

use std::path::PathBuf;

use base64::Engine as _;
use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;

use super::Connection;
use crate::CliError;
use crate::client::{Client, OnSent};
use crate::deployment::{Action, Deployed, Plan, Watcher};
use crate::output::{Output, Tone, counted, human_bytes, human_duration};
use crate::package::Settings;

const EXAMPLES: &str = "\
Settings come from flags, then from dormouse.toml in the folder, then from the function as it is; for a new
function, runtime and handler are found by looking at the code (lambda_function.py, app.py, index.mjs, …, or
an executable called bootstrap).

Everything in the folder is packed, except .git, .venv, __pycache__ and the like, and what .dormouseignore
lists (the syntax of .gitignore). .gitignore counts only with `gitignore = true` in dormouse.toml, because it
often lists what a package needs, such as node_modules.

Examples:
  dormouse deploy .
  dormouse deploy examples/thumbnail --memory 512 --timeout 30
  dormouse deploy api --name api-test --env STAGE=test --env DEBUG=1
  dormouse deploy worker --runtime nodejs20.x --handler src/worker.run --json";

/// `dormouse deploy DIR`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DeployArgs {
    /// Folder of code, with its dependencies installed in it
    dir: PathBuf,
    /// Function name [default: the folder's name]
    #[arg(long)]
    name: Option<String>,
    /// Runtime identifier, such as python3.12, nodejs20.x or provided.al2023
    #[arg(long)]
    runtime: Option<String>,
    /// Entry point in the runtime's notation, such as app.handler
    #[arg(long)]
    handler: Option<String>,
    /// Memory in MB; it also sets the share of CPU
    #[arg(long, value_name = "MB")]
    memory: Option<u32>,
    /// Longest run of one invocation in seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u32>,
    /// Size of /tmp in MB
    #[arg(long, value_name = "MB")]
    ephemeral_storage: Option<u32>,
    /// Environment variable; may be given many times
    #[arg(long = "env", value_name = "KEY=VALUE", value_parser = key_value)]
    environment: Vec<(String, String)>,
    /// Tag of a new function; may be given many times
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = key_value)]
    tags: Vec<(String, String)>,
    /// ARN of the execution role
    #[arg(long, value_name = "ARN")]
    role: Option<String>,
    /// x86_64 or arm64
    #[arg(long)]
    architecture: Option<String>,
    /// Free text
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    pub(super) connection: Connection,
}

fn key_value(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        // The text itself may be a secret and is not repeated.
        _ => Err("expected KEY=VALUE"),
    }
}

impl DeployArgs {
    fn settings(&self) -> Settings {
        Settings {
            name: self.name.clone(),
            runtime: self.runtime.clone(),
            handler: self.handler.clone(),
            description: self.description.clone(),
            memory: self.memory,
            timeout: self.timeout,
            ephemeral_storage: self.ephemeral_storage,
            architecture: self.architecture.clone(),
            role: self.role.clone(),
            environment: self.environment.iter().cloned().collect(),
            tags: self.tags.iter().cloned().collect(),
            gitignore: false,
        }
    }
}

pub(super) async fn run(args: &DeployArgs, client: &Client, output: &Output) -> Result<(), CliError> {
    let plan = Plan::new(&args.dir, args.settings())?;
    let mut bars = Bars { output, current: None };
    let deployed = plan.deploy(client, &mut bars).await;
    bars.clear();
    let deployed = deployed?;
    if output.is_json() {
        return output.json(&Summary::of(&deployed));
    }
    for line in lines(&deployed, output) {
        output.line(&line)?;
    }
    let tags_left = deployed.action != Action::Created && !plan.settings.tags.is_empty();
    if tags_left {
        output
            .note("note: tags are set when a function is created; those of an existing one stay as they are");
    }
    Ok(())
}

/// One bar at a time, gone when the work is done.
struct Bars<'a> {
    output: &'a Output,
    current: Option<ProgressBar>,
}

impl Bars<'_> {
    fn start(&mut self, what: &'static str, total: u64) -> &ProgressBar {
        self.clear();
        self.current.insert(self.output.bar(what, total))
    }

    fn clear(&mut self) {
        if let Some(bar) = self.current.take() {
            bar.finish_and_clear();
        }
    }
}

impl Watcher for Bars<'_> {
    fn packing(&mut self, read_bytes: u64, total_bytes: u64) {
        if self.current.is_none() {
            self.start("Packing", total_bytes);
        }
        if let Some(bar) = &self.current {
            bar.set_position(read_bytes);
        }
    }

    fn sending(&mut self, total_bytes: u64) -> Option<OnSent> {
        let bar = self.start("Sending", total_bytes).clone();
        Some(Box::new(move |sent| bar.set_position(sent.min(total_bytes))))
    }

    fn waiting(&mut self) {
        self.clear();
    }
}

/// The stable JSON form of a deployment.
#[derive(Serialize)]
struct Summary<'a> {
    action: &'static str,
    name: &'a str,
    arn: &'a str,
    runtime: Option<&'a str>,
    handler: Option<&'a str>,
    memory_mb: u32,
    timeout_s: u32,
    files: usize,
    zip_bytes: u64,
    unzipped_bytes: u64,
    /// Hexadecimal, as `sha256sum` prints it.
    code_sha256: String,
    elapsed_ms: u64,
}

impl<'a> Summary<'a> {
    fn of(deployed: &'a Deployed) -> Self {
        let function = &deployed.function;
        let digest = base64::engine::general_purpose::STANDARD.decode(&function.code_sha256);
        Self {
            action: deployed.action.as_str(),
            name: &function.function_name,
            arn: &function.function_arn,
            runtime: function.runtime.as_deref(),
            handler: function.handler.as_deref(),
            memory_mb: function.memory_size,
            timeout_s: function.timeout,
            files: deployed.files,
            zip_bytes: deployed.zip_bytes,
            unzipped_bytes: deployed.unzipped_bytes,
            code_sha256: digest.unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect(),
            elapsed_ms: u64::try_from(deployed.elapsed.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

fn lines(deployed: &Deployed, output: &Output) -> Vec<String> {
    let function = &deployed.function;
    let (done, tone) = match deployed.action {
        Action::Created => ("Created", Tone::Good),
        Action::Updated => ("Updated", Tone::Good),
        Action::Unchanged => ("Unchanged", Tone::Dim),
    };
    let row =
        |label: &str, text: &str| format!("  {} {text}", output.paint(Tone::Dim, &format!("{label:<8}")));
    let runs = [function.runtime.as_deref(), function.handler.as_deref()];
    vec![
        format!(
            "{} {} in {}",
            output.paint(tone, done),
            output.paint(Tone::Strong, &function.function_name),
            human_duration(deployed.elapsed),
        ),
        row("ARN", &function.function_arn),
        row("Runs", &runs.into_iter().flatten().collect::<Vec<_>>().join(", ")),
        row("Limits", &format!("{} MB, {} s", function.memory_size, function.timeout)),
        row(
            "Package",
            &format!(
                "{}, {} zipped, {} unzipped",
                counted(deployed.files, "file"),
                human_bytes(deployed.zip_bytes),
                human_bytes(deployed.unzipped_bytes),
            ),
        ),
    ]
}
