//! QEMU around the kernel and the archive: no disk, no network, one serial console, an end in time.
//!
//! The program's output and its exit code both come over the console. The code is in a line that starts with
//! a token made for this run. The machine is killed when its time is up, so no run can hang.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};

use super::kernel::Kernel;

const EMULATOR: &str = "qemu-system-x86_64";
/// Room for the archive twice (as unpacked, and as copied) and for tests that fill memory on purpose.
const MEMORY_MB: u32 = 2048;
/// Lines of output that may wait to be shown.
const LINES_QUEUED_MAX: usize = 1024;
/// Lines that an error repeats.
const LAST_LINES: usize = 20;

/// A word for this run alone.
pub fn token() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("exit-code-{:x}-{:x}:", std::process::id(), now.as_nanos())
}

/// Boots, shows what the job prints, and returns its exit code.
pub fn run(kernel: &Kernel, archive: &Path, token: &str, time_limit: Duration) -> Result<u8> {
    let deadline = Instant::now() + time_limit;
    let mut qemu = Machine(command(kernel, archive).spawn().with_context(|| {
        format!("cannot run {EMULATOR}; install it with: apt-get install qemu-system-x86")
    })?);
    let console = qemu.0.stdout.take().context("the machine has no console")?;
    let lines = follow(console);
    let mut report = Report::new(token);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok(line) if report.is_output(&line) => {
                // A closed terminal is no reason to stop the run.
                let _ = writeln!(io::stdout(), "{line}");
            }
            Ok(_) => {}
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                bail!("no end after {} s; machine stopped", time_limit.as_secs())
            }
        }
    }
    let status = qemu.0.wait().context("the machine was lost")?;
    report.exit_code.with_context(|| {
        let last_lines = report.last_lines.make_contiguous().join("\n");
        format!(
            "the machine ended ({status}) without saying how the program did; its last lines:\n{last_lines}"
        )
    })
}

fn command(kernel: &Kernel, archive: &Path) -> Command {
    let mut command = Command::new(EMULATOR);
    command
        // Emulation even where `/dev/kvm` exists: nested virtualisation fails in too many ways of its own.
        .args(["-accel", "tcg"])
        .args(["-machine", "q35", "-cpu", "max", "-smp", "2", "-m", &format!("{MEMORY_MB}M")])
        .args(["-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"])
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(archive)
        .args(["-append", "console=ttyS0 quiet loglevel=1 panic=-1 cgroup_no_v1=all random.trust_cpu=on"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    command
}

/// A running machine, which stops with its owner.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // Fails when it has ended by itself, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads the console on a thread of its own, so that waiting for a line can have an end.
fn follow(console: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = sync_channel(LINES_QUEUED_MAX);
    thread::spawn(move || {
        for line in BufReader::new(console).split(b'\n') {
            let Ok(line) = line else { break };
            let text = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
            if sender.send(text).is_err() {
                break;
            }
        }
    });
    receiver
}

/// What the console has said so far. Lines before the first one with the token come from the firmware and
/// from start-up, and are shown only if the run fails.
struct Report<'t> {
    token: &'t str,
    begun: bool,
    exit_code: Option<u8>,
    last_lines: VecDeque<String>,
}

impl<'t> Report<'t> {
    fn new(token: &'t str) -> Self {
        Self { token, begun: false, exit_code: None, last_lines: VecDeque::new() }
    }

    /// Takes note of a line and says whether the job printed it.
    fn is_output(&mut self, line: &str) -> bool {
        if let Some(word) = line.strip_prefix(self.token) {
            self.begun = true;
            self.exit_code = word.trim().parse().ok();
            return false;
        }
        if self.last_lines.len() == LAST_LINES {
            self.last_lines.pop_front();
        }
        self.last_lines.push_back(line.to_owned());
        self.begun && self.exit_code.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_comes_after_the_token() {
        let mut report = Report::new("token:");
        let lines = ["SeaBIOS", "token: begin", "running", "token 0", "token: 3", "powering off"];
        let output: Vec<_> = lines.into_iter().filter(|line| report.is_output(line)).collect();
        assert_eq!(output, ["running", "token 0"]);
        assert_eq!(report.exit_code, Some(3));
        assert_eq!(report.last_lines, ["SeaBIOS", "running", "token 0", "powering off"]);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut report = Report::new("token:");
        for number in 0..100 {
            report.is_output(&number.to_string());
        }
        assert_eq!(report.last_lines.len(), LAST_LINES);
        assert_eq!(report.last_lines.back().map(String::as_str), Some("99"));
    }
}
