//! One live sandbox as the server sees it.
//!
//! Freeze, thaw, limits and measurements are single reads and writes on descriptors held here. Starting
//! processes goes over a private channel to process 1; one task reads its answers. Dropping the value
//! destroys the sandbox in the background, and nothing that it lent out can keep it alive.

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::pipe::PipeFlags;
use tokio::io::unix::AsyncFd;
use tokio::sync::{oneshot, watch};

use super::{Keeper, Process, ended, receive, send, watched};
use crate::cgroup::Handles;
use crate::error::SandboxError;
use crate::message::{COMMAND_BYTES_MAX, FromInit, REPLY_BYTES_MAX, SandboxId, ToInit};
use crate::spec::{Command, CpuQuota, ExitStatus};
use crate::wire;

/// What the keeper hands over.
#[derive(Debug)]
pub(super) struct Parts {
    id: SandboxId,
    control: OwnedFd,
    pidfd: OwnedFd,
    listeners: Vec<TcpListener>,
    handles: Handles,
}

impl Parts {
    /// Sorts the descriptors of a `Created` message. `None`: there are too few.
    pub(super) fn from_fds(
        id: SandboxId,
        handles: u32,
        listeners: usize,
        fds: Vec<OwnedFd>,
    ) -> Option<Parts> {
        let mut fds = fds.into_iter();
        let (control, pidfd) = (fds.next()?, fds.next()?);
        let listeners: Vec<_> = fds.by_ref().take(listeners).map(TcpListener::from).collect();
        Some(Parts { id, control, pidfd, listeners, handles: Handles::from_parts(handles, fds)? })
    }
}

/// A sandbox. Dropping it destroys it in the background; [`destroy`](Self::destroy) waits for that.
#[derive(Debug)]
pub struct Sandbox {
    keeper: Keeper,
    id: SandboxId,
    /// Empty once the keeper has confirmed the end.
    alive: bool,
    listeners: Vec<TcpListener>,
    handles: Handles,
    channel: Arc<Channel>,
}

/// What the sandbox, its reading task and its processes share.
#[derive(Debug)]
pub(super) struct Channel {
    /// `None` once the sandbox was dropped: closing it is what ends process 1.
    control: AsyncFd<OwnedFd>,
    pidfd: OwnedFd,
    next_task: AtomicU32,
    waiting: Mutex<Waiting>,
    gone: watch::Sender<bool>,
}

/// Callers and what they wait for, by task number.
#[derive(Debug, Default)]
struct Waiting {
    spawned: HashMap<u32, oneshot::Sender<Result<u32, i32>>>,
    exited: HashMap<u32, oneshot::Sender<ExitStatus>>,
    reset: HashMap<u32, oneshot::Sender<()>>,
    closed: bool,
}

impl Sandbox {
    pub(super) fn assemble(keeper: Keeper, parts: Parts) -> Result<Sandbox, SandboxError> {
        let Parts { id, control, pidfd, listeners, handles } = parts;
        let channel = Arc::new(Channel {
            control: watched(control).map_err(SandboxError::Channel)?,
            pidfd,
            next_task: AtomicU32::new(0),
            waiting: Mutex::default(),
            gone: watch::Sender::new(false),
        });
        tokio::spawn(Arc::clone(&channel).read_answers());
        Ok(Sandbox { keeper, id, alive: true, listeners, handles, channel })
    }

    /// The sockets listening inside, in the order of `KeeperConfig::listeners`, non-blocking. Empty when
    /// taken before.
    pub fn take_listeners(&mut self) -> Vec<TcpListener> {
        std::mem::take(&mut self.listeners)
    }

    /// Starts a program inside, with its output on two new pipes and an empty input.
    ///
    /// Returns when the program has been executed, or could not be.
    pub async fn spawn(&self, command: Command) -> Result<Process, SandboxError> {
        let program = PathBuf::from(command.argv.first().cloned().unwrap_or_default());
        let task = self.channel.new_task();
        let message = ToInit::Spawn { task, command }.encode();
        if message.len() > COMMAND_BYTES_MAX {
            let (size_bytes, size_bytes_max) = (message.len(), COMMAND_BYTES_MAX);
            return Err(SandboxError::CommandTooLarge { size_bytes, size_bytes_max });
        }
        let (stdout, stdout_inside) = output_pipe()?;
        let (stderr, stderr_inside) = output_pipe()?;
        let (spawned, answer) = oneshot::channel();
        let (exited, exit) = oneshot::channel();
        {
            let mut waiting = self.channel.waiting();
            if waiting.closed {
                return Err(SandboxError::Gone);
            }
            waiting.spawned.insert(task, spawned);
            waiting.exited.insert(task, exited);
        }
        let fds = [stdout_inside.as_fd(), stderr_inside.as_fd()];
        send(&self.channel.control, &message, &fds).await.map_err(|_| SandboxError::Gone)?;
        drop((stdout_inside, stderr_inside));
        match answer.await.map_err(|_| SandboxError::Gone)? {
            Ok(pid) => Ok(Process::new(pid, stdout, stderr, task, exit, Arc::downgrade(&self.channel))),
            Err(errno) => Err(SandboxError::Spawn { program, source: io::Error::from_raw_os_error(errno) }),
        }
    }

    /// Stops every process inside until [`thaw`](Self::thaw). Freezing twice is the same as once.
    pub fn freeze(&self) -> io::Result<()> {
        self.set_frozen(true)
    }

    /// Lets every process inside go on.
    pub fn thaw(&self) -> io::Result<()> {
        self.set_frozen(false)
    }

    fn set_frozen(&self, frozen: bool) -> io::Result<()> {
        if self.handles.can_freeze() {
            return self.handles.freeze(frozen);
        }
        let message = if frozen { ToInit::Stop } else { ToInit::Continue };
        wire::send(self.channel.control.get_ref(), &message.encode(), &[])
    }

    /// Limits CPU time from now on; `None` lifts the limit. `Unsupported` where it cannot be enforced.
    pub fn set_cpu(&self, quota: Option<CpuQuota>) -> io::Result<()> {
        self.handles.set_quota(quota)
    }

    /// Most memory in use at once since the sandbox was made, page cache included, in bytes.
    pub fn memory_peak_bytes(&self) -> io::Result<u64> {
        self.handles.memory_peak_bytes()
    }

    /// Memory in use now, page cache included, in bytes.
    pub fn memory_current_bytes(&self) -> io::Result<u64> {
        self.handles.memory_current_bytes()
    }

    /// How many processes the kernel has killed because the memory limit was reached.
    pub fn oom_kills(&self) -> io::Result<u64> {
        self.handles.oom_kills()
    }

    /// CPU time of all processes, ended ones included.
    pub fn cpu_usage(&self) -> io::Result<Duration> {
        self.handles.cpu_usage()
    }

    /// Kills every process inside but process 1, and waits for their end. `/tmp` keeps its content.
    ///
    /// A frozen sandbox must be thawed first.
    pub async fn reset(&self) -> Result<(), SandboxError> {
        let task = self.channel.new_task();
        let (done, answer) = oneshot::channel();
        {
            let mut waiting = self.channel.waiting();
            if waiting.closed {
                return Err(SandboxError::Gone);
            }
            waiting.reset.insert(task, done);
        }
        send(&self.channel.control, &ToInit::Reset { task }.encode(), &[])
            .await
            .map_err(|_| SandboxError::Gone)?;
        answer.await.map_err(|_| SandboxError::Gone)
    }

    /// Kills everything inside, process 1 included, frozen or not. The sandbox is of no use afterwards.
    pub fn kill(&self) -> io::Result<()> {
        match self.handles.kill() {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            // The group is gone already.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(()),
            other => return other,
        }
        self.keeper.kill(self.id)
    }

    /// Resolves when process 1 has ended, and with it everything inside.
    pub async fn gone(&self) {
        let mut gone = self.channel.gone.subscribe();
        // An error would mean that the sender is gone, which `self` holds.
        drop(gone.wait_for(|gone| *gone).await);
    }

    /// Destroys the sandbox and waits until no process and no cgroup of it is left.
    pub async fn destroy(mut self) {
        self.alive = false;
        let guard = DestroyLater { keeper: &self.keeper, id: self.id, armed: true };
        self.keeper.destroy(self.id).await;
        guard.disarm();
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if self.alive && !self.keeper.destroy_later(self.id) {
            // The keeper is busy; what it would do, the closing channel or this does as well.
            drop(self.kill());
        }
        self.channel.close();
    }
}

/// Asks again, without waiting, if [`Sandbox::destroy`] is abandoned halfway.
struct DestroyLater<'a> {
    keeper: &'a Keeper,
    id: SandboxId,
    armed: bool,
}

impl DestroyLater<'_> {
    fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for DestroyLater<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.keeper.destroy_later(self.id);
        }
    }
}

impl Channel {
    fn new_task(&self) -> u32 {
        self.next_task.fetch_add(1, Ordering::Relaxed)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
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
                Ok(message) => self.on_answer(message),
                Err(_) => break,
            }
        }
        self.close();
        // The channel closes a moment before the kernel has ended everything inside.
        ended(&self.pidfd).await;
        self.gone.send_replace(true);
    }

    fn on_answer(&self, message: FromInit) {
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
        }
    }

    /// Wakes everybody: no answer will come. Also tells process 1 that the server is done with it.
    fn close(&self) {
        let _ = rustix::net::shutdown(self.control.get_ref(), rustix::net::Shutdown::Both);
        let mut waiting = self.waiting();
        waiting.closed = true;
        waiting.spawned.clear();
        waiting.exited.clear();
        waiting.reset.clear();
    }
}

/// A pipe whose read end is the server's, and does not block it.
fn output_pipe() -> Result<(OwnedFd, OwnedFd), SandboxError> {
    let (read, write) =
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|e| SandboxError::Channel(e.into()))?;
    rustix::io::ioctl_fionbio(&read, true).map_err(|e| SandboxError::Channel(e.into()))?;
    Ok((read, write))
}
