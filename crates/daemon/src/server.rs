//! `dormouse serve`: start, run, stop.
//!
//! Stopping has one order: accept nothing new and let running invocations end (for at most
//! `limits::DRAIN_MAX`), end all environments, let the keeper remove every sandbox, close the store. A second
//! signal skips the waiting, never the removing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use model::limits;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::compose::{self, Composed};
use crate::config::{Config, ConfigError, Flags, Mode};
use crate::launch::{self, Launched};
use crate::trace;

const EXAMPLES: &str = "\
At the first start a root access key is made, printed once, and kept in DATA_DIR/credentials.
DORMOUSE_ROOT_ACCESS_KEY_ID and DORMOUSE_ROOT_SECRET_ACCESS_KEY set it instead.

Examples:
  sudo dormouse serve
  sudo dormouse serve --data-dir /srv/dormouse --listen 0.0.0.0:4566
  dormouse serve --listen 127.0.0.1:0 --data-dir /tmp/try
  sudo dormouse list --data-dir /var/lib/dormouse";

/// `dormouse serve`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    flags: Flags,
}

/// Runs a server until it is told to stop.
pub(crate) fn serve(args: ServeArgs) -> ExitCode {
    let nothing_beside = |_: &Launched, _: &Config| Ok(Beside::default());
    match configure(Mode::Serve, &args.flags) {
        Ok(config) => conclude(run(Mode::Serve, &config, nothing_beside)),
        Err(error) => refuse(&error),
    }
}

/// What `dev` adds to a server.
#[derive(Default)]
pub(crate) struct Beside {
    /// Sees every log line that functions write.
    pub log_echo: Option<crate::dev::Echo>,
    /// Told the address once the server serves.
    pub on_ready: Option<OnReady>,
}

/// Called once with the address of the API.
pub(crate) type OnReady = Box<dyn FnOnce(SocketAddr) -> anyhow::Result<()> + Send>;

/// Reads the configuration from flags and environment, and starts the log.
pub(crate) fn configure(mode: Mode, flags: &Flags) -> Result<Config, ConfigError> {
    let config = Config::load(mode, flags, &environment())?;
    trace::start(config.log_level);
    Ok(config)
}

/// Starts, serves until told to stop, and stops.
pub(crate) fn run(
    mode: Mode,
    config: &Config,
    beside: impl FnOnce(&Launched, &Config) -> anyhow::Result<Beside>,
) -> anyhow::Result<()> {
    let launched = launch::launch(config, mode)?;
    let beside = beside(&launched, config)?;
    // One thread runs everything that is asynchronous. An invocation passes from one connection to another and back:
    // on one thread that is a queue, on two it is a wake-up across cores, which costs more than the work in between.
    // What is heavy (unpacking, disk, large bodies) runs on threads of its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("dormouse")
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(async {
        // Before anything can take long: a signal during start-up must not kill half a server.
        let mut signals = Signals::listen()?;
        let composed = compose::compose(mode, config, launched, &environment(), beside.log_echo).await?;
        let served = match announce(&composed, beside.on_ready) {
            Ok(()) => tokio::select! {
                () = signals.received() => Ok(()),
                failed = composed.failed() => failed,
            },
            failed => failed,
        };
        stop(&mut signals, composed).await;
        served
    })
}

/// Prints how it went.
pub(crate) fn conclude(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            trace::print(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints why the command line, the environment or the file cannot be used.
pub(crate) fn refuse(error: &ConfigError) -> ExitCode {
    trace::print(&format!("error: {:#}", anyhow::Error::msg(describe(error))));
    ExitCode::from(2)
}

fn describe(error: &ConfigError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Variables that are not UTF-8 are none of ours.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Tells everybody who waits that the server serves.
fn announce(composed: &Composed, on_ready: Option<OnReady>) -> anyhow::Result<()> {
    trace::print(&format!("dormouse ready on http://{}", composed.address()));
    on_ready.map_or(Ok(()), |on_ready| on_ready(composed.address()))
}

async fn stop(signals: &mut Signals, composed: Composed) {
    tracing::info!("stopping: running invocations may end first, for at most {:?}", limits::DRAIN_MAX);
    let hurried = tokio::select! {
        () = composed.drain(limits::DRAIN_MAX) => false,
        () = signals.received() => true,
    };
    if hurried {
        tracing::warn!("told again to stop: running invocations are ended now");
        composed.drain(Duration::ZERO).await;
    }
    composed.close().await;
    tracing::info!("stopped");
}

/// `SIGTERM` and `SIGINT`, which mean the same.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Resolves at the next signal.
    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
