//! Endurance: a hundred functions, invoked at random. Their environments come and go; the server's memory must not
//! grow. It is sampled each second; the last third of the run is compared with the middle third.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::claim::Claims;
use crate::client::prepare;
use crate::server::{Function, Server, invoke_path};

const FUNCTIONS: u64 = 100;
/// Between two invokes: steady load, not a race.
const PAUSE: Duration = Duration::from_millis(20);
const MB: f64 = 1024.0 * 1024.0;

/// Prints invocations and the memory of each third.
pub fn measure(binary: &Path, seconds: u64, claims: &mut Claims) -> anyhow::Result<()> {
    println!("soak: {FUNCTIONS} functions at random for {seconds} s");
    let server = Server::start(binary)?;
    for number in 0..FUNCTIONS {
        server.create(&Function {
            name: &format!("f{number}"),
            runtime: "python3.11",
            file: ("app.py", "def handler(event, context):\n    print('ran')\n    return event\n"),
            handler: "app.handler",
            memory_mb: 128,
            timeout_s: 3,
            idle_s: 2,
            freeze: true,
        })?;
    }
    let (began, run) = (Instant::now(), Duration::from_secs(seconds));
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut client = server.client()?;
    let (mut samples, mut calls) = (Vec::new(), 0u64);
    while began.elapsed() < run {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let name = format!("f{}", random % FUNCTIONS);
        let answer = client.send(&prepare("POST", &invoke_path(&name), b"{}")?)?;
        ensure!(answer.status == 200, "status {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        calls += 1;
        pause();
        if began.elapsed().as_secs() > samples.len() as u64 {
            samples.push(server.memory_bytes()?);
        }
    }
    ensure!(samples.len() >= 9, "too short a run to judge");
    let third = samples.len() / 3;
    let mean = |part: &[u64]| {
        #[expect(clippy::cast_precision_loss, reason = "a mean for people")]
        let mean = part.iter().sum::<u64>() as f64 / part.len() as f64;
        mean / MB
    };
    let (middle, last) = (mean(&samples[third..2 * third]), mean(&samples[2 * third..]));
    println!("  {calls} invokes; memory of the server: middle third {middle:.1} MB, last third {last:.1} MB");
    // None is claimed; this much is noise.
    claims.at_most("growth in per cent", (last / middle - 1.0) * 100.0, 5.0);
    println!();
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a pace needs real time to pass")]
fn pause() {
    std::thread::sleep(PAUSE);
}
