//! Cold starts from nothing: a function whose environments are removed at once, so that every invoke makes a
//! sandbox and starts an interpreter; against the bare interpreter, started and ended, in turns. Claim: no more
//! than 8 ms above it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::claim::Claims;
use crate::client::{header, prepare};
use crate::floor::bare_start;
use crate::server::{Function, Server, invoke_path};
use crate::stats::Timings;

const STARTS: usize = 60;
/// Between two starts, so that the keeper can make the next sandbox ahead as it would between real events.
const PAUSE: Duration = Duration::from_millis(60);

/// Prints medians and differences for each language.
pub fn measure(binary: &Path, claims: &mut Claims) -> anyhow::Result<()> {
    println!("cold: hello from nothing, sandbox included");
    let server = Server::start(binary)?;
    let python = ("app.py", "def handler(event, context):\n    return 'hello'\n");
    let node = ("index.js", "exports.handler = async () => 'hello';\n");
    one(
        claims,
        &server,
        ("python", "python3.11"),
        python,
        "app.handler",
        &["/usr/bin/python3", "-I", "-c", "pass"],
    )?;
    let node_runtime = format!("nodejs{}.x", node_major()?);
    one(claims, &server, ("node", &node_runtime), node, "index.handler", &["/usr/bin/node", "-e", "0"])?;
    println!();
    Ok(())
}

fn one(
    claims: &mut Claims,
    server: &Server,
    (name, runtime): (&str, &str),
    file: (&str, &str),
    handler: &str,
    bare: &[&str],
) -> anyhow::Result<()> {
    server.create(&Function {
        name,
        runtime,
        file,
        handler,
        memory_mb: 1_769,
        timeout_s: 10,
        idle_s: 0,
        freeze: true,
    })?;
    let mut client = server.client()?;
    let (mut cold, mut floor) = (Timings::default(), Timings::default());
    for round in 0..=STARTS {
        pause();
        let request = prepare("POST", &invoke_path(name), b"{}")?;
        let began = Instant::now();
        let answer = client.send(&request)?;
        let took = began.elapsed();
        ensure!(answer.status == 200, "status {}", answer.status);
        ensure!(header(&answer.head, "x-dormouse-start") == Some("cold"), "not cold: {}", answer.head);
        pause();
        let bare = bare_start(bare)?;
        if round > 0 {
            cold.add(took);
            floor.add(bare);
        }
    }
    println!("{}\n{}", cold.line(&format!("dormouse, {runtime}")), floor.line("bare interpreter"));
    claims.at_most(&format!("{name}, difference of medians in ms"), cold.p50_ms() - floor.p50_ms(), 8.0);
    Ok(())
}

fn node_major() -> anyhow::Result<String> {
    let output = std::process::Command::new("/usr/bin/node").arg("--version").env_clear().output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.trim().trim_start_matches('v').split('.').next().unwrap_or_default().to_owned())
}

#[expect(clippy::disallowed_methods, reason = "real time must pass between two cold starts")]
fn pause() {
    std::thread::sleep(PAUSE);
}
