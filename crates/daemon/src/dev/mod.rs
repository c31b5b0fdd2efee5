//! `dormouse dev`: the same server for one developer. It listens on loopback only, because it believes every
//! caller; it keeps its state in `./.dormouse`; it deploys the code folders that it finds and deploys them again
//! when they change; and what functions write appears on the terminal.
//!
//! It stays the user that started it, even root: it reads that user's code and writes state beside it, which an
//! unprivileged user could not. Functions run under users of their own all the same.

mod echo;
mod workshop;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use cli::client::{Client, Endpoint};
use cli::{Output, Tone};

use crate::config::{Flags, Mode};
use crate::server::{self, Beside};
use crate::trace;

pub(crate) use echo::Echo;
use workshop::Workshop;

const EXAMPLES: &str = "\
DIR is deployed if it is a function's folder (it has a dormouse.toml, or code with a handler that can be found);
otherwise each folder in it that is one.

Any credentials are accepted. An access key id of twelve digits names the account.

Examples:
  dormouse dev
  dormouse dev examples
  dormouse dev services --listen 127.0.0.1:9000
  AWS_ENDPOINT_URL=http://127.0.0.1:4566 aws lambda list-functions";

/// `dormouse dev [DIR]`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DevArgs {
    /// Folder of a function, or of functions' folders
    #[arg(default_value = ".")]
    dir: PathBuf,
    #[command(flatten)]
    flags: Flags,
}

/// Runs a developer's server until it is told to stop.
pub(crate) fn dev(args: DevArgs) -> ExitCode {
    let config = match server::configure(Mode::Dev, &args.flags) {
        Ok(config) => config,
        Err(error) => return server::refuse(&error),
    };
    if !config.listen.ip().is_loopback() {
        trace::print(&format!(
            "error: dev believes every caller and so listens on loopback only, not on {}\n help: use `dormouse \
             serve`, which verifies every request",
            config.listen
        ));
        return ExitCode::from(2);
    }
    server::conclude(server::run(Mode::Dev, &config, |launched, config| {
        hide_from_git(&config.data_dir);
        let output = Output::detect(false);
        let dir = args.dir.canonicalize();
        let dir = dir.with_context(|| format!("cannot read the folder {}", args.dir.display()))?;
        let data_dir = launched.shown_data_dir.clone();
        Ok(Beside {
            log_echo: Some(Echo::start(output)?),
            on_ready: Some(Box::new(move |address| start_workshop(dir, data_dir, address, output))),
        })
    }))
}

fn start_workshop(
    dir: PathBuf,
    data_dir: PathBuf,
    address: SocketAddr,
    output: Output,
) -> anyhow::Result<()> {
    let endpoint = Endpoint::parse(&format!("http://{address}")).context("cannot call the server itself")?;
    let variable = |name: &str| std::env::var(name).ok();
    let region = cli::client::Lookup { profile: None, data_dir: None, variable: &variable }.region();
    // Any credentials do, but clients refuse to start without some, and without a region.
    let hint = format!(
        "export AWS_ENDPOINT_URL=http://{address} AWS_DEFAULT_REGION={region} AWS_ACCESS_KEY_ID=test \
         AWS_SECRET_ACCESS_KEY=test"
    );
    output.note(&format!("  {}", output.paint_err(Tone::Hint, &hint)));
    let client = Client::new(endpoint, region, None);
    let workshop = Workshop::new(dir, data_dir, client, output);
    let started = std::thread::Builder::new().name("workshop".to_owned()).spawn(move || workshop.run());
    started.map(|_| ()).context("cannot start watching")
}

/// State does not belong into version control; saying so costs one file.
fn hide_from_git(data_dir: &Path) {
    let path = data_dir.join(".gitignore");
    if !path.exists() {
        // Without it, git only shows a folder more.
        let _ = std::fs::write(path, "*\n");
    }
}
