//! Fifty invokes at once of a function that sleeps a second, from zero: they should take little over a second.
//!
//! The function only sleeps, so what is above a second is the price of making, starting and scheduling environments.

use std::path::Path;
use std::time::Instant;

use anyhow::{anyhow, ensure};

use crate::client::prepare;
use crate::server::{Function, Server, invoke_path};

const AT_ONCE: usize = 50;

/// Prints how long all of them took.
pub fn measure(binary: &Path) -> anyhow::Result<()> {
    println!("parallel: {AT_ONCE} invokes at once of a function that sleeps 1 s, from zero");
    let server = Server::start(binary)?;
    server.create(&Function {
        name: "sleeper",
        runtime: "python3.11",
        file: (
            "app.py",
            "import time\ndef handler(event, context):\n    time.sleep(1)\n    return 'slept'\n",
        ),
        handler: "app.handler",
        memory_mb: 128,
        timeout_s: 10,
        idle_s: 60,
        freeze: true,
    })?;
    for round in ["cold", "warm"] {
        let began = Instant::now();
        std::thread::scope(|scope| {
            let calls: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| call(&server))).collect();
            calls.into_iter().try_for_each(|call| call.join().map_err(|_| anyhow!("a client panicked"))?)
        })?;
        println!("  {round}: {:.3} s", began.elapsed().as_secs_f64());
    }
    println!();
    Ok(())
}

fn call(server: &Server) -> anyhow::Result<()> {
    let answer = server.client()?.send(&prepare("POST", &invoke_path("sleeper"), b"{}")?)?;
    ensure!(answer.status == 200 && answer.body == b"\"slept\"", "status {}", answer.status);
    Ok(())
}
