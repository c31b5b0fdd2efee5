//! The keeper's aides: processes of its own for whatever may take long in the kernel.
//!
//! There are two, and they share this skeleton: one makes volumes (`disk.rs`), one gives birth to
//! sandboxes and buries them (`nursery.rs`). Each serves one socket, one request at a time, and ends when
//! the keeper's end closes, for whatever reason. So the keeper itself never waits while somebody else does.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::turn::Turn;
use crate::error::Step;
use crate::message::REPLY_BYTES_MAX;
use crate::sys::{self, Forked};
use crate::wire::{self, Packet};

/// The longest that an aide may take for its first words, `mkfs` on a slow disk included.
const START_TIMEOUT_MS: i64 = 30_000;
/// Longest wait for the end of an aide whose socket was closed.
const END_TIMEOUT_MS: i64 = 10_000;
/// Longest wait for the keeper to take a reply. It reads whenever it is not in a short system call.
const SEND_TIMEOUT_MS: i64 = 60_000;

/// The keeper's end.
pub(super) struct Aide {
    socket: OwnedFd,
    pid: i32,
    pidfd: OwnedFd,
}

impl Aide {
    /// Forks a process that runs `serve` on its socket and exits. Returns its first message as well.
    /// The aide shares the turn, so that no other keeper begins before it has ended too.
    pub(super) fn fork(
        name: &std::ffi::CStr,
        turn: &Turn,
        serve: impl FnOnce(&OwnedFd) -> io::Result<()>,
    ) -> io::Result<(Aide, Packet)> {
        let (ours, theirs) = wire::socket_pair()?;
        let (pid, pidfd) = match sys::clone_process(0, None).step(|| "fork an aide".into())? {
            Forked::Parent { pid, pidfd } => (pid, pidfd),
            Forked::Child => {
                sys::close_all_but(&[theirs.as_raw_fd(), turn.0.as_raw_fd(), 2]);
                // Unwinding must not reach the frames of the keeper that this process was forked from.
                let ended = catch_unwind(AssertUnwindSafe(|| {
                    sys::silence_stdio(true)?;
                    rustix::thread::set_name(name)?;
                    serve(&theirs)
                }));
                sys::exit_now(i32::from(!matches!(ended, Ok(Ok(())))))
            }
        };
        drop(theirs);
        let packet = wire::receive_waiting(&ours, START_TIMEOUT_MS).step(|| format!("start {name:?}"))?;
        let packet = packet.ok_or_else(|| io::Error::other(format!("{name:?} ended at once")))?;
        Ok((Aide { socket: ours, pid, pidfd }, packet))
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// `WouldBlock`: its queue is full at the moment.
    pub(super) fn request(&self, message: &[u8]) -> io::Result<()> {
        wire::send(&self.socket, message, &[])
    }

    /// The next reply, if one has come.
    pub(super) fn reply(&self) -> io::Result<Option<Packet>> {
        match wire::receive_up_to(&self.socket, REPLY_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Ok(None) => Err(io::Error::other("an aide has ended")),
            other => other,
        }
    }

    /// Closes the socket and waits, within bounds, until the aide has tidied up.
    pub(super) fn end(self) {
        drop(self.socket);
        sys::wait_readable(self.pidfd.as_fd(), END_TIMEOUT_MS);
        sys::reap_one(self.pid);
    }
}

/// An aide's answer.
pub(super) fn reply(socket: &OwnedFd, message: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    wire::send_waiting(socket, message, fds, SEND_TIMEOUT_MS)
}
