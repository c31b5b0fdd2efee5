//! The measurements behind `SPECIFICATION.md`. Each claim is measured beside its floor, in turns in the same run,
//! against the real server binary; medians are printed, because single timings on a shared machine mean little.
//! A claim that is missed makes the program fail.
//!
//! `./x bench` builds the release binary and runs all of them; `./x bench NAME` runs one.

mod claim;
mod client;
mod cold;
mod control;
mod events;
mod floor;
mod image;
mod parallel;
mod queues;
mod schedules;
mod server;
mod soak;
mod stats;
mod warm;

use std::path::PathBuf;

use clap::Parser;

use claim::Claims;

/// Measure a dormouse binary.
#[derive(Debug, Parser)]
struct Options {
    /// The binary to measure.
    #[arg(long, default_value = "target/release/dormouse")]
    binary: PathBuf,
    /// Run only this measurement: warm, cold, image, parallel, control, queues, events, schedules or soak.
    only: Option<String>,
    /// How long the soak runs, in seconds.
    #[arg(long, default_value_t = 600)]
    soak_seconds: u64,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut claims = Claims::default();
    let wanted = |name: &str| options.only.as_deref().is_none_or(|only| only == name);
    if wanted("warm") {
        warm::measure(&options.binary, &mut claims)?;
    }
    if wanted("cold") {
        cold::measure(&options.binary, &mut claims)?;
    }
    if wanted("image") {
        image::measure(&options.binary, &mut claims)?;
    }
    if wanted("parallel") {
        parallel::measure(&options.binary)?;
    }
    if wanted("control") {
        control::measure(&options.binary, &mut claims)?;
    }
    if wanted("queues") {
        queues::measure(&options.binary, &mut claims)?;
    }
    if wanted("events") {
        events::measure(&options.binary, &mut claims)?;
    }
    if wanted("schedules") {
        schedules::measure(&options.binary, &mut claims)?;
    }
    if wanted("soak") {
        soak::measure(&options.binary, options.soak_seconds, &mut claims)?;
    }
    claims.conclude()
}
