//! The last phase of process 1: a loop over two descriptors, the server's channel and ended children.
//!
//! It knows each process it started by the server's task number, and reaps all others silently (they
//! were orphaned). It has no state beyond that list. A message that it cannot read ends the sandbox:
//! the server is the only one who can write to the channel, so a malformed one is a bug, not an attack.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::event::{PollFd, PollFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::SEND_TIMEOUT_MS;
use crate::message::{FromInit, ToInit};
use crate::spec::Command;
use crate::sys::{self, Program, Reaped};
use crate::wire::{self, Packet};

/// Where a program finds its log pipe.
const LOG_DESCRIPTOR: i32 = 3;

/// Serves until the server closes its end or stops reading.
pub(super) fn serve(control: &OwnedFd) {
    let Ok(children) = sys::child_signal_fd() else { return };
    let mut init = Init { control, started: Vec::new() };
    // Every error is the same: nobody is left to serve.
    while init.turn(&children).is_ok() {}
}

struct Init<'a> {
    control: &'a OwnedFd,
    /// Running processes that the server asked for: `(pid, task)`.
    started: Vec<(i32, u32)>,
}

impl Init<'_> {
    /// Waits for one event and handles it.
    fn turn(&mut self, children: &OwnedFd) -> io::Result<()> {
        let mut fds = [PollFd::new(self.control, PollFlags::IN), PollFd::new(children, PollFlags::IN)];
        match rustix::event::poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            other => other?,
        };
        let [control_ready, child_ended] = fds.map(|fd| !fd.revents().is_empty());
        if child_ended {
            // The record says only that some child ended; which ones, `reap` will tell.
            let mut record = [0; size_of::<libc::signalfd_siginfo>()];
            let _ = rustix::io::read(children, &mut record);
            while let Some(reaped) = sys::reap(false) {
                self.report(reaped)?;
            }
        }
        if control_ready {
            let packet = wire::receive(self.control)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            self.obey(packet)?;
        }
        Ok(())
    }

    fn obey(&mut self, packet: Packet) -> io::Result<()> {
        match ToInit::decode(&packet.bytes)? {
            ToInit::Spawn { task, command } => {
                let reply = match start(&command, &packet.fds) {
                    Ok(pid) => {
                        self.started.push((pid, task));
                        FromInit::Spawned { task, pid: pid.cast_unsigned() }
                    }
                    Err(error) => {
                        FromInit::SpawnFailed { task, errno: error.raw_os_error().unwrap_or(libc::EIO) }
                    }
                };
                self.send(&reply)
            }
            ToInit::Signal { task, signal } => {
                if let Some((pid, _)) = self.started.iter().find(|(_, other)| *other == task) {
                    // It may have ended a moment ago; its exit is on the way then.
                    drop(sys::kill(*pid, signal));
                }
                Ok(())
            }
            ToInit::Reset { task } => self.reset(task),
            ToInit::Socket { task } => self.make_socket(task),
            ToInit::Stop => self.signal_all(libc::SIGSTOP),
            ToInit::Continue => self.signal_all(libc::SIGCONT),
        }
    }

    /// Kills all and reaps until nobody is left. One signal is enough, however many there are: the kernel
    /// signals all processes in one go, and a fork with a pending kill fails, so nobody outruns it by
    /// forking; and every orphan becomes a child of this process, so no children means no processes.
    fn reset(&mut self, task: u32) -> io::Result<()> {
        self.signal_all(libc::SIGKILL)?;
        while let Some(reaped) = sys::reap(true) {
            self.report(reaped)?;
        }
        self.send(&FromInit::ResetDone { task })
    }

    /// In this network namespace, whoever connects it later.
    fn make_socket(&self, task: u32) -> io::Result<()> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        match rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None) {
            Ok(socket) => self.send_with(&FromInit::SocketMade { task }, &[socket.as_fd()]),
            Err(errno) => self.send(&FromInit::SocketFailed { task, errno: errno.raw_os_error() }),
        }
    }

    fn signal_all(&self, signal: i32) -> io::Result<()> {
        match sys::kill(-1, signal) {
            // Nobody there.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            other => other,
        }
    }

    fn report(&mut self, reaped: Reaped) -> io::Result<()> {
        let Some(index) = self.started.iter().position(|(pid, _)| *pid == reaped.pid) else { return Ok(()) };
        let (_, task) = self.started.swap_remove(index);
        self.send(&FromInit::Exited { task, status: reaped.status })
    }

    fn send(&self, message: &FromInit) -> io::Result<()> {
        self.send_with(message, &[])
    }

    fn send_with(&self, message: &FromInit, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        wire::send_waiting(self.control, &message.encode(), fds, SEND_TIMEOUT_MS)
    }
}

fn start(command: &Command, pipes: &[OwnedFd]) -> io::Result<i32> {
    let mut outputs = vec![1, 2];
    if command.log_pipe {
        outputs.push(LOG_DESCRIPTOR);
    }
    if pipes.len() != outputs.len() {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    let outputs: Vec<_> = pipes.iter().map(AsFd::as_fd).zip(outputs).collect();
    let mut env = Vec::with_capacity(command.env.len());
    for (name, value) in &command.env {
        env.push(c_string(&[name.as_bytes(), b"=", value.as_bytes()].concat())?);
    }
    let argv =
        command.argv.iter().map(|argument| c_string(argument.as_bytes())).collect::<io::Result<_>>()?;
    let cwd = c_string(command.cwd.as_os_str().as_bytes())?;
    sys::spawn(&Program { argv, env, cwd }, &outputs)
}

fn c_string(bytes: &[u8]) -> io::Result<CString> {
    CString::new(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}
