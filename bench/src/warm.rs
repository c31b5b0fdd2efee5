//! Warm invokes: a Python echo over the whole API, with signature check, sandbox, metering and logs, against the
//! floor, in turns. Claim: at most 1.5 times the floor.

use std::path::Path;
use std::time::Instant;

use anyhow::ensure;
use http::HeaderMap;

use crate::client::{Client, prepare, raw};
use crate::floor::Prototype;
use crate::server::{Function, Server, invoke_path};
use crate::stats::Timings;

const ROUNDS: usize = 20;
const CALLS_PER_ROUND: usize = 250;
const EVENT: &[u8] = br#"{"key": "value", "number": 7, "list": [1, 2, 3]}"#;

/// Prints both medians and their ratio.
pub fn measure(binary: &Path) -> anyhow::Result<()> {
    println!("warm: Python echo, one client, whole API");
    let server = Server::start(binary)?;
    server.create(&Function {
        name: "echo",
        runtime: "python3.11",
        file: ("app.py", "def handler(event, context):\n    return event\n"),
        handler: "app.handler",
        memory_mb: 1_769,
        timeout_s: 3,
        idle_s: 60,
    })?;
    let floor = Prototype::python("/usr/bin/python3", Path::new("runtimes/python/bootstrap.py"))?;
    let (mut here, mut there) = (server.client()?, Client::connect(floor.address)?);
    let plain = raw("POST", "/echo", &HeaderMap::new(), EVENT);
    let (mut product, mut bare) = (Timings::default(), Timings::default());
    for round in 0..=ROUNDS {
        let signed = prepare("POST", &invoke_path("echo"), EVENT)?;
        // The first round warms both up.
        let keep = round > 0;
        for (client, request, timings) in
            [(&mut here, &signed, &mut product), (&mut there, &plain, &mut bare)]
        {
            for _ in 0..CALLS_PER_ROUND {
                let began = Instant::now();
                let answer = client.send(request)?;
                let took = began.elapsed();
                ensure!(answer.status == 200, "status {}", answer.status);
                if keep {
                    timings.add(took);
                }
            }
        }
    }
    println!("{}\n{}", product.line("dormouse"), bare.line("floor (prototype, bare interpreter)"));
    println!("  ratio of medians: {:.2} (claim: at most 1.5)\n", product.p50_ms() / bare.p50_ms());
    Ok(())
}
