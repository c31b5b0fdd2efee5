//! One process that the server started inside a sandbox.
//!
//! It holds the read ends of its output and waits for its exit. It does not keep the sandbox alive: once
//! that is destroyed, waiting ends with `Signaled(SIGKILL)` and signals go nowhere.

use std::os::fd::OwnedFd;
use std::sync::Weak;

use tokio::sync::oneshot;

use super::channel::Channel;
use crate::spec::{ExitStatus, Signal};

/// A started process. Dropping it closes its output pipes but does not end it.
#[derive(Debug)]
pub struct Process {
    /// Its id inside the sandbox.
    pub pid: u32,
    /// Read end of its standard output, non-blocking.
    pub stdout: OwnedFd,
    /// Read end of its standard error, non-blocking.
    pub stderr: OwnedFd,
    /// Read end of the pipe that is its descriptor 3, non-blocking; only when `Command::log_pipe` asked for it.
    pub log: Option<OwnedFd>,
    task: u32,
    exit: Exit,
    channel: Weak<Channel>,
}

/// The read ends of its output.
pub(super) struct Pipes {
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
    pub(super) log: Option<OwnedFd>,
}

/// The exit, before and after it is known.
#[derive(Debug)]
enum Exit {
    Awaited(oneshot::Receiver<ExitStatus>),
    Known(ExitStatus),
}

impl Process {
    pub(super) fn new(
        pid: u32,
        pipes: Pipes,
        task: u32,
        exit: oneshot::Receiver<ExitStatus>,
        channel: Weak<Channel>,
    ) -> Process {
        let Pipes { stdout, stderr, log } = pipes;
        Process { pid, stdout, stderr, log, task, exit: Exit::Awaited(exit), channel }
    }

    /// Waits for the end; may be cancelled and called again. The output pipes may still hold data.
    pub async fn wait(&mut self) -> ExitStatus {
        match &mut self.exit {
            Exit::Known(status) => *status,
            Exit::Awaited(receiver) => {
                // No answer: the whole sandbox has ended, by which the kernel killed this process.
                let status = receiver.await.unwrap_or(ExitStatus::Signaled(libc::SIGKILL));
                self.exit = Exit::Known(status);
                status
            }
        }
    }

    /// Sends a signal through process 1. Nothing happens when the process has ended.
    pub fn signal(&self, signal: Signal) {
        if let Some(channel) = self.channel.upgrade() {
            channel.signal(self.task, signal.number());
        }
    }
}
