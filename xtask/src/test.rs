//! Everything that CI runs, in the order in which it is cheapest to learn that something is wrong.
//!
//! A step is a name and a function; the first one that fails ends the run. The output of each step goes to
//! the terminal as it comes, and the closing table gives the time of each. All steps share one target folder.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::{codegen, repo, tidy, vm};

/// The sandbox crate's integration test, run a second time on a machine whose only cgroups are version 2.
const VM_TEST: (&str, &str) = ("dormouse-sandbox", "it");
/// For all of that machine's life. Emulation is some ten times slower than the real processor.
const VM_TIME_LIMIT: Duration = Duration::from_secs(600);

/// Debian's own, not a version manager's shim.
const PYTHON: &str = "/usr/bin/python3";

type Step = fn() -> Result<()>;

/// Runs the steps, or those alone that are named.
pub fn run(args: &[String]) -> Result<()> {
    let steps: [(&str, Step); 7] = [
        ("fmt", || repo::run(&mut repo::cargo(&["fmt", "--all", "--check"]))),
        ("tidy", || tidy::run(&[])),
        ("codegen", || codegen::run(&["--check".to_owned()])),
        ("bootstraps", bootstraps),
        ("clippy", || {
            let scope = ["clippy", "--workspace", "--all-targets", "--locked", "--quiet"];
            repo::run(repo::cargo(&scope).args(["--", "--deny", "warnings"]))
        }),
        ("tests", tests),
        ("vm", on_cgroup_v2),
    ];
    let names: Vec<&str> = steps.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = args.iter().find(|arg| !names.contains(&arg.as_str())) {
        bail!("there is no step `{unknown}`; the steps are {}", names.join(", "));
    }

    let start = Instant::now();
    let mut table = String::new();
    for (name, step) in steps {
        if !args.is_empty() && !args.iter().any(|arg| arg == name) {
            continue;
        }
        println!("── {name}");
        let step_start = Instant::now();
        step().with_context(|| {
            format!("step `{name}` failed after {:.1} s", step_start.elapsed().as_secs_f32())
        })?;
        writeln!(table, "  {name:<20} {:>7.1} s", step_start.elapsed().as_secs_f32())?;
    }
    println!("── all steps passed\n{table}  {:<20} {:>7.1} s", "together", start.elapsed().as_secs_f32());
    Ok(())
}

/// The language side by itself: what is shipped compiled is what its sources compile to, and the bootstraps say on the
/// wire what they should.
fn bootstraps() -> Result<()> {
    let runtimes = repo::root().join("runtimes");
    for language in ["java", "dotnet"] {
        repo::run(Command::new(PYTHON).arg(runtimes.join(language).join("build.py")).arg("--check"))?;
    }
    repo::run(Command::new("node").arg("--test").arg(runtimes.join("nodejs/tests/wire.test.js")))?;
    repo::run(Command::new(PYTHON).arg("-B").arg(runtimes.join("python/tests/test_wire.py")))
}

/// All tests of the workspace. Cargo's output passes through; its `test result` lines are added up, so that
/// the last line says how many tests ran.
fn tests() -> Result<()> {
    let mut command = repo::cargo(&["test", "--workspace", "--locked"]);
    let mut cargo = command.stdout(Stdio::piped()).spawn().context("cannot run cargo test")?;
    let output = cargo.stdout.take().context("cargo test has no output")?;
    let mut passed_total = 0;
    for line in BufReader::new(output).lines() {
        let line = line.context("cannot read what cargo test says")?;
        passed_total += passed(&line).unwrap_or(0);
        println!("{line}");
    }
    let status = cargo.wait().context("cargo test was lost")?;
    ensure!(status.success(), "cargo test failed");
    println!("{passed_total} tests passed");
    Ok(())
}

/// The number in `test result: ok. 12 passed; …`.
fn passed(line: &str) -> Option<u32> {
    line.strip_prefix("test result: ok. ")?.split(' ').next()?.parse().ok()
}

/// Runs the sandbox's integration test on the emulated machine.
fn on_cgroup_v2() -> Result<()> {
    let (package, test) = VM_TEST;
    let options = ["--locked", "--message-format", "json-render-diagnostics"];
    let mut build = repo::cargo(&["test", "--package", package, "--test", test, "--no-run"]);
    let messages = repo::capture(build.args(options).stderr(Stdio::inherit()))?;
    let mut binary = None;
    let mut with = Vec::new();
    for line in messages.lines() {
        let message: BuildMessage =
            serde_json::from_str(line).context("cargo's message is not as expected")?;
        match (message.executable, message.target) {
            (Some(executable), Some(target)) if target.name == test => binary = Some(executable),
            // Programs of the same package, which the test finds at their place in the target folder.
            (Some(executable), _) => with.push(executable),
            (None, _) => {}
        }
    }
    let program = binary.with_context(|| format!("cargo built no test `{test}` of {package}"))?;
    let args = vec!["--test-threads=2".to_owned()];
    let code = vm::boot(&vm::Job { program, args, with, time_limit: VM_TIME_LIMIT })?;
    ensure!(code == 0, "the test ended with exit code {code} on the emulated machine");
    Ok(())
}

/// The part of Cargo's JSON messages that names what was built.
#[derive(Deserialize)]
struct BuildMessage {
    executable: Option<PathBuf>,
    target: Option<BuildTarget>,
}

#[derive(Deserialize)]
struct BuildTarget {
    name: String,
}

#[cfg(test)]
mod tests {
    use super::passed;

    #[test]
    fn passed_tests_are_counted() {
        for (line, expected) in [
            ("test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured", Some(12)),
            ("test result: FAILED. 11 passed; 1 failed", None),
            ("test result: ok.", None),
            ("running 12 tests", None),
        ] {
            assert_eq!(passed(line), expected, "{line:?}");
        }
    }
}
