//! A server of the demonstration's own: a free port, a data folder that goes away, an end in any case.
//!
//! Credentials are the ones that the server itself made at its first start and keeps in its data folder, so
//! the commands sign their requests as a user's would. They are passed on by environment, never printed.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::repo;

const START_LIMIT: Duration = Duration::from_secs(30);
/// Longer than the server's own limit for draining.
const STOP_LIMIT: Duration = Duration::from_secs(30);
const READY: &str = "dormouse ready on ";
/// Lines of the server's log that may wait to be read.
const LINES_QUEUED_MAX: usize = 1024;

/// A running server.
pub struct Server {
    binary: PathBuf,
    /// Where it listens, such as `http://127.0.0.1:40127`.
    pub endpoint: String,
    process: Option<Child>,
    log: Receiver<String>,
    credentials: Credentials,
    /// Removed when the server has gone: fields are dropped in this order.
    _data: TempDir,
}

struct Credentials {
    access_key_id: String,
    secret_access_key: String,
}

impl Server {
    /// Starts a server on an embedded store in a new folder and waits until it serves.
    pub fn start(binary: &Path) -> Result<Self> {
        // Open to other users, because a server started as root goes on as one of them; it keeps its own data
        // folder closed.
        let data = tempfile::Builder::new()
            .prefix("dormouse-demo-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir()
            .context("cannot make a folder for the data")?;
        let data_dir = data.path().join("data");
        let mut process = Command::new(binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&data_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", binary.display()))?;
        let log = process.stderr.take().context("the server has no log")?;
        // From here on, leaving early must stop the process: `Server` owns it before anything can fail.
        let mut server = Self {
            binary: binary.to_owned(),
            endpoint: String::new(),
            process: Some(process),
            log: follow(log),
            credentials: Credentials { access_key_id: String::new(), secret_access_key: String::new() },
            _data: data,
        };
        server.endpoint = server.wait_until_ready()?;
        server.credentials = credentials(&data_dir.join("credentials"))?;
        Ok(server)
    }

    /// Runs a command of the binary against this server and returns what it printed.
    pub fn command<A: AsRef<OsStr>>(&self, args: &[A]) -> Result<String> {
        let mut command = Command::new(&self.binary);
        command
            .args(args)
            .args(["--endpoint", &self.endpoint])
            .env("AWS_ACCESS_KEY_ID", &self.credentials.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &self.credentials.secret_access_key)
            .env("AWS_REGION", "us-east-1");
        repo::capture(&mut command)
    }

    /// Asks the server to drain and waits for its end; a server that does not end in time is an error.
    pub fn stop(mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        let status = match terminate(&process).and_then(|()| self.wait_for_end(&mut process)) {
            Ok(status) => status,
            Err(error) => {
                self.process = Some(process);
                return Err(error);
            }
        };
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }

    fn wait_until_ready(&self) -> Result<String> {
        let deadline = Instant::now() + START_LIMIT;
        let mut said = Vec::new();
        loop {
            match self.log.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => match line.split_once(READY) {
                    Some((_, endpoint)) => return Ok(endpoint.trim().to_owned()),
                    // The line that prints the new root key is not repeated in an error.
                    None if !line.to_lowercase().contains("secret") => said.push(line),
                    None => {}
                },
                Err(reason) => {
                    let ended = if reason == RecvTimeoutError::Timeout { "is not ready" } else { "ended" };
                    bail!(
                        "the server {ended} after {} s at most; it said:\n{}",
                        START_LIMIT.as_secs(),
                        said.join("\n")
                    )
                }
            }
        }
    }

    /// The log closes when the server's process ends, so its end is the signal to wait for.
    fn wait_for_end(&self, process: &mut Child) -> Result<ExitStatus> {
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            match self.log.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return process.wait().context("the server was lost"),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("the server has not stopped {} s after SIGTERM", STOP_LIMIT.as_secs())
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Gently first: the server alone knows what it must clean up.
            let ended = terminate(&process).and_then(|()| self.wait_for_end(&mut process));
            if ended.is_err() {
                let _ = process.kill();
                let _ = process.wait();
            }
        }
    }
}

fn terminate(process: &Child) -> Result<()> {
    let pid =
        i32::try_from(process.id()).ok().and_then(Pid::from_raw).context("the server has no process id")?;
    kill_process(pid, Signal::TERM).context("cannot signal the server")
}

fn follow(log: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = sync_channel(LINES_QUEUED_MAX);
    thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            // Nobody reads between start and stop; a full queue drops lines rather than hold the server up.
            if let Err(std::sync::mpsc::TrySendError::Disconnected(_)) = sender.try_send(line) {
                break;
            }
        }
    });
    receiver
}

/// Reads the first profile of an AWS shared-credentials file.
fn credentials(file: &Path) -> Result<Credentials> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let value = |key: &str| {
        let found = text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == key).then(|| value.trim().to_owned())
        });
        found.with_context(|| format!("{} has no {key}", file.display()))
    };
    Ok(Credentials {
        access_key_id: value("aws_access_key_id")?,
        secret_access_key: value("aws_secret_access_key")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_from_the_shared_format() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("credentials");
        fs::write(&file, "[default]\naws_access_key_id = AKID\naws_secret_access_key=a/b+c=\n").unwrap();
        let found = credentials(&file).unwrap();
        assert_eq!((found.access_key_id.as_str(), found.secret_access_key.as_str()), ("AKID", "a/b+c="));
        fs::write(&file, "[default]\n").unwrap();
        let error = credentials(&file).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("has no aws_access_key_id"), "{error}");
    }
}
