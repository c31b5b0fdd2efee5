//! The keeper's aide: a second small process for slow disk work and for the last clean-up.
//!
//! It makes volumes on request, so that the keeper never waits for a disk. And it outlives the keeper:
//! when the socket between them closes, for whatever reason, it removes every cgroup of this instance and
//! exits. Therefore even a `kill -9` of the keeper leaves nothing. It takes no other orders.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use super::volume::Maker;
use crate::cgroup::Layout;
use crate::message::{AideReply, AideRequest, Step};
use crate::sys::{self, Forked};
use crate::wire::{self, Packet};

/// The longest that a first volume, `mkfs` included, may take on a slow disk.
const START_TIMEOUT_MS: i64 = 30_000;
/// Longest wait for the keeper to take a reply, or for the next request before waiting again.
const WAIT_MS: i64 = 3_600_000;

/// The keeper's end.
pub(super) struct Aide {
    pub(super) socket: OwnedFd,
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
    /// Whether volumes are on disk.
    pub(super) on_disk: bool,
}

impl Aide {
    /// Forks the aide and waits until it knows what it can do.
    pub(super) fn fork(work_dir: &Path, layout: &Layout) -> io::Result<Aide> {
        let (ours, theirs) = wire::socket_pair()?;
        let (pid, pidfd) = match sys::clone_process(0, None).step(|| "fork the aide".into())? {
            Forked::Parent { pid, pidfd } => (pid, pidfd),
            Forked::Child => {
                sys::close_all_but(&[theirs.as_raw_fd(), 2]);
                let ended = std::panic::catch_unwind(|| serve(&theirs, work_dir));
                layout.sweep_whole();
                sys::exit_now(i32::from(!matches!(ended, Ok(Ok(())))));
            }
        };
        drop(theirs);
        let packet = wire::receive_waiting(&ours, START_TIMEOUT_MS).step(|| "start the aide".into())?;
        let packet = packet.ok_or_else(|| io::Error::other("the aide ended at once"))?;
        match AideReply::decode(&packet.bytes)? {
            AideReply::Started { on_disk } => Ok(Aide { socket: ours, pid, pidfd, on_disk }),
            other => Err(io::Error::other(format!("the aide began with {other:?}"))),
        }
    }

    pub(super) fn request(&self, request: AideRequest) -> io::Result<()> {
        wire::send(&self.socket, &request.encode(), &[])
    }
}

/// Serves until the keeper's end closes.
fn serve(socket: &OwnedFd, work_dir: &Path) -> io::Result<()> {
    sys::silence_stdio(true)?;
    rustix::thread::set_name(c"dormouse-aide")?;
    let maker = Maker::new(work_dir);
    send(socket, &AideReply::Started { on_disk: maker.is_on_disk() }, None)?;
    while let Some(packet) = next(socket)? {
        let AideRequest { tmp_bytes } = AideRequest::decode(&packet.bytes)?;
        match maker.make(tmp_bytes) {
            Ok(volume) => send(socket, &AideReply::Made { tmp_bytes }, Some(&volume))?,
            Err(error) => send(socket, &AideReply::Failed { tmp_bytes, reason: error.to_string() }, None)?,
        }
    }
    Ok(())
}

fn next(socket: &OwnedFd) -> io::Result<Option<Packet>> {
    loop {
        match wire::receive_waiting(socket, WAIT_MS) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            other => return other,
        }
    }
}

fn send(socket: &OwnedFd, reply: &AideReply, volume: Option<&OwnedFd>) -> io::Result<()> {
    let fds: Vec<_> = volume.iter().map(|volume| volume.as_fd()).collect();
    wire::send_waiting(socket, &reply.encode(), &fds, WAIT_MS)
}
