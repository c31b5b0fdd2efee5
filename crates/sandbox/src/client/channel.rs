//! The server's end of the channel to process 1: who waits for which answer.
//!
//! One task reads; every caller writes its own request and has one entry here until its answer comes or it loses
//! interest. Shared by the sandbox, its reading task and, weakly, its processes. When process 1 ends, everybody
//! who still waits is told so.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::unix::AsyncFd;
use tokio::sync::{oneshot, watch};

use super::{ended, receive, send, watched};
use crate::error::SandboxError;
use crate::message::{FromInit, REPLY_BYTES_MAX, ToInit};
use crate::spec::ExitStatus;
use crate::wire;

/// What the sandbox, its reading task and its processes share.
#[derive(Debug)]
pub(super) struct Channel {
    /// Shutting it down is what ends process 1.
    pub(super) control: AsyncFd<OwnedFd>,
    pidfd: OwnedFd,
    next_task: AtomicU32,
    waiting: Mutex<Waiting>,
    pub(super) gone: watch::Sender<bool>,
}

/// Callers and what they wait for, by task number.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) spawned: HashMap<u32, oneshot::Sender<Result<u32, i32>>>,
    pub(super) exited: HashMap<u32, oneshot::Sender<ExitStatus>>,
    pub(super) reset: HashMap<u32, oneshot::Sender<()>>,
    sockets: HashMap<u32, oneshot::Sender<io::Result<OwnedFd>>>,
    /// No answer will come any more.
    pub(super) closed: bool,
}

impl Channel {
    /// Takes the server's end into the runtime and begins to read answers.
    pub(super) fn open(control: OwnedFd, pidfd: OwnedFd) -> io::Result<Arc<Channel>> {
        let channel = Arc::new(Channel {
            control: watched(control)?,
            pidfd,
            next_task: AtomicU32::new(0),
            waiting: Mutex::default(),
            gone: watch::Sender::new(false),
        });
        tokio::spawn(Arc::clone(&channel).read_answers());
        Ok(channel)
    }

    /// Asks process 1 for a socket.
    pub(super) async fn tcp_socket(&self) -> Result<OwnedFd, SandboxError> {
        let task = self.new_task();
        let (made, answer) = oneshot::channel();
        {
            let mut waiting = self.waiting();
            if waiting.closed {
                return Err(SandboxError::Gone);
            }
            waiting.sockets.insert(task, made);
        }
        // Also when the caller loses interest: a socket that then still comes is closed.
        let _forget = ForgetSocket { channel: self, task };
        send(&self.control, &ToInit::Socket { task }.encode(), &[]).await.map_err(|_| SandboxError::Gone)?;
        answer.await.map_err(|_| SandboxError::Gone)?.map_err(SandboxError::Channel)
    }

    pub(super) fn new_task(&self) -> u32 {
        self.next_task.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // No code can panic while it holds the lock; if one did, the maps are still whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a signal without waiting; a process that has ended ignores it.
    pub(super) fn signal(&self, task: u32, signal: i32) {
        let message = ToInit::Signal { task, signal };
        if let Err(error) = wire::send(self.control.get_ref(), &message.encode(), &[]) {
            tracing::debug!(%error, "a signal did not reach the sandbox");
        }
    }

    /// Lives as long as process 1, or as long as the sandbox's owner if that is shorter.
    async fn read_answers(self: Arc<Self>) {
        while let Ok(Some(packet)) = receive(&self.control, REPLY_BYTES_MAX).await {
            match FromInit::decode(&packet.bytes) {
                Ok(message) => self.on_answer(message, packet.fds),
                Err(_) => break,
            }
        }
        self.close();
        // The channel closes a moment before the kernel has ended everything inside.
        ended(&self.pidfd).await;
        self.gone.send_replace(true);
    }

    fn on_answer(&self, message: FromInit, mut fds: Vec<OwnedFd>) {
        let mut waiting = self.waiting();
        // Whoever has stopped waiting does not need the answer.
        match message {
            FromInit::Spawned { task, pid } => {
                waiting.spawned.remove(&task).map(|sender| sender.send(Ok(pid)));
            }
            FromInit::SpawnFailed { task, errno } => {
                waiting.exited.remove(&task);
                waiting.spawned.remove(&task).map(|sender| sender.send(Err(errno)));
            }
            FromInit::Exited { task, status } => {
                waiting.exited.remove(&task).map(|sender| sender.send(status));
            }
            FromInit::ResetDone { task } => {
                waiting.reset.remove(&task).map(|sender| sender.send(()));
            }
            FromInit::SocketMade { task } => {
                let socket = fds.pop().ok_or_else(|| io::ErrorKind::InvalidData.into());
                waiting.sockets.remove(&task).map(|sender| sender.send(socket));
            }
            FromInit::SocketFailed { task, errno } => {
                let error = io::Error::from_raw_os_error(errno);
                waiting.sockets.remove(&task).map(|sender| sender.send(Err(error)));
            }
        }
    }

    /// Wakes everybody: no answer will come. Also tells process 1 that the server is done with it.
    pub(super) fn close(&self) {
        let _ = rustix::net::shutdown(self.control.get_ref(), rustix::net::Shutdown::Both);
        let mut waiting = self.waiting();
        waiting.closed = true;
        waiting.spawned.clear();
        waiting.exited.clear();
        waiting.reset.clear();
        waiting.sockets.clear();
    }
}

/// Removes a caller's entry when it stops waiting.
struct ForgetSocket<'a> {
    channel: &'a Channel,
    task: u32,
}

impl Drop for ForgetSocket<'_> {
    fn drop(&mut self) {
        self.channel.waiting().sockets.remove(&self.task);
    }
}
