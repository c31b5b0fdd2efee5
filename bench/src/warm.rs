//! Warm invokes: a Python echo over the whole API, with signature check, sandbox, metering and logs, against the
//! floor, in turns. Claim: at most 1.5 times the floor.

use std::path::Path;
use std::time::Instant;

use anyhow::ensure;
use http::HeaderMap;

use crate::claim::Claims;
use crate::client::{Client, Prepared, prepare, raw};
use crate::floor::Prototype;
use crate::server::{Function, Server, invoke_path};
use crate::stats::Timings;

const ROUNDS: usize = 20;
const CALLS_PER_ROUND: usize = 250;
const EVENT: &[u8] = br#"{"key": "value", "number": 7, "list": [1, 2, 3]}"#;

/// Prints both medians and their ratio.
pub fn measure(binary: &Path, claims: &mut Claims) -> anyhow::Result<()> {
    println!("warm: Python echo, one client, whole API");
    let server = Server::start(binary)?;
    for (name, freeze) in [("echo", true), ("echo-unfrozen", false)] {
        server.create(&Function {
            name,
            runtime: "python3.11",
            file: ("app.py", "def handler(event, context):\n    return event\n"),
            handler: "app.handler",
            memory_mb: 1_769,
            timeout_s: 3,
            idle_s: 60,
            freeze,
        })?;
    }
    let floor = Prototype::python("/usr/bin/python3", Path::new("runtimes/python/bootstrap.py"))?;
    let (mut here, mut there) = (server.client()?, Client::connect(floor.address)?);
    let plain = raw("POST", "/echo", &HeaderMap::new(), EVENT);
    let [mut product, mut unfrozen, mut bare] = [(); 3].map(|()| Timings::default());
    for round in 0..=ROUNDS {
        let echo = prepare("POST", &invoke_path("echo"), EVENT)?;
        let free = prepare("POST", &invoke_path("echo-unfrozen"), EVENT)?;
        for (timings, request) in [(&mut product, &echo), (&mut unfrozen, &free)] {
            calls(&mut here, request, timings, round)?;
        }
        calls(&mut there, &plain, &mut bare, round)?;
    }
    println!("{}", product.line("dormouse"));
    println!("{}", unfrozen.line("dormouse, dormouse:freeze=false"));
    println!("{}", bare.line("floor (prototype, bare interpreter)"));
    let ratio = |timings: &Timings| timings.p50_ms() / bare.p50_ms();
    claims.at_most("ratio of medians", ratio(&product), 1.5);
    println!("  ratio without freezing: {:.2}\n", ratio(&unfrozen));
    Ok(())
}

/// One round of calls; the first round only warms up.
fn calls(client: &mut Client, request: &Prepared, timings: &mut Timings, round: usize) -> anyhow::Result<()> {
    for _ in 0..CALLS_PER_ROUND {
        let began = Instant::now();
        let answer = client.send(request)?;
        let took = began.elapsed();
        ensure!(answer.status == 200, "status {}", answer.status);
        if round > 0 {
            timings.add(took);
        }
    }
    Ok(())
}
