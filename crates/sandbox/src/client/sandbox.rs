//! One live sandbox as the server sees it.
//!
//! Freeze, thaw, limits and measurements are single reads and writes on descriptors held here. Starting
//! processes goes over a private channel to process 1; one task reads its answers. Dropping the value
//! destroys the sandbox in the background, and nothing that it lent out can keep it alive.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::pipe::PipeFlags;
use tokio::sync::oneshot;

use super::channel::Channel;
use super::process::Pipes;
use super::{Keeper, Process, send};
use crate::cgroup::Handles;
use crate::error::SandboxError;
use crate::message::{COMMAND_BYTES_MAX, SandboxId, ToInit};
use crate::spec::{Command, CpuQuota};
use crate::wire;

/// The longest that [`Sandbox::tcp_socket`] waits; usually a tenth of a millisecond.
const SOCKET_TIMEOUT: Duration = Duration::from_secs(10);

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

impl Sandbox {
    pub(super) fn assemble(keeper: Keeper, parts: Parts) -> Result<Sandbox, SandboxError> {
        let Parts { id, control, pidfd, listeners, handles } = parts;
        let channel = Channel::open(control, pidfd).map_err(SandboxError::Channel)?;
        Ok(Sandbox { keeper, id, alive: true, listeners, handles, channel })
    }

    /// The sockets listening inside, in the order of `KeeperConfig::listeners`, non-blocking. Empty when
    /// taken before.
    pub fn take_listeners(&mut self) -> Vec<TcpListener> {
        std::mem::take(&mut self.listeners)
    }

    /// Starts a program inside, with its output on new pipes and an empty input.
    ///
    /// Returns when the program has been executed, or could not be.
    pub async fn spawn(&self, command: Command) -> Result<Process, SandboxError> {
        let program = PathBuf::from(command.argv.first().cloned().unwrap_or_default());
        let with_log = command.log_pipe;
        let task = self.channel.new_task();
        let message = ToInit::Spawn { task, command }.encode();
        if message.len() > COMMAND_BYTES_MAX {
            let (size_bytes, size_bytes_max) = (message.len(), COMMAND_BYTES_MAX);
            return Err(SandboxError::CommandTooLarge { size_bytes, size_bytes_max });
        }
        let (stdout, stdout_inside) = output_pipe()?;
        let (stderr, stderr_inside) = output_pipe()?;
        let (log, log_inside) = if with_log { Some(output_pipe()?).unzip() } else { (None, None) };
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
        let fds: Vec<_> = [&stdout_inside, &stderr_inside].into_iter().chain(&log_inside).collect();
        let fds: Vec<_> = fds.into_iter().map(AsFd::as_fd).collect();
        send(&self.channel.control, &message, &fds).await.map_err(|_| SandboxError::Gone)?;
        drop((stdout_inside, stderr_inside, log_inside));
        match answer.await.map_err(|_| SandboxError::Gone)? {
            Ok(pid) => {
                let pipes = Pipes { stdout, stderr, log };
                Ok(Process::new(pid, pipes, task, exit, Arc::downgrade(&self.channel)))
            }
            Err(errno) => Err(SandboxError::Spawn { program, source: io::Error::from_raw_os_error(errno) }),
        }
    }

    /// A new IPv4 stream socket that belongs to the sandbox's network: unconnected and non-blocking. Connected to
    /// 127.0.0.1, it reaches what listens inside.
    ///
    /// Process 1 makes it, so a frozen sandbox must be thawed first. One message each way, and nothing stays inside.
    ///
    /// # Errors
    /// [`SandboxError::Gone`], or [`SandboxError::Channel`] when no socket can be made or no answer comes within 10 s.
    pub async fn tcp_socket(&self) -> Result<OwnedFd, SandboxError> {
        let asked = self.channel.tcp_socket();
        let timed_out = |_| SandboxError::Channel(io::ErrorKind::TimedOut.into());
        tokio::time::timeout(SOCKET_TIMEOUT, asked).await.map_err(timed_out)?
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

/// A pipe whose read end is the server's, and does not block it.
fn output_pipe() -> Result<(OwnedFd, OwnedFd), SandboxError> {
    let (read, write) =
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|e| SandboxError::Channel(e.into()))?;
    rustix::io::ioctl_fionbio(&read, true).map_err(|e| SandboxError::Channel(e.into()))?;
    Ok((read, write))
}
