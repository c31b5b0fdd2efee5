//! The aide that makes volumes for `/tmp`, so that nobody else waits for a disk.
//!
//! It knows of no sandbox, answers one request after the other, and ends when the keeper's end of its socket closes.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::aide::{Aide, reply};
use super::turn::Turn;
use super::volume::Maker;
use crate::message::{DiskReply, DiskRequest};
use crate::wire;

/// Between two looks at a socket that says nothing; only a bound, not a delay.
const WAIT_MS: i64 = 3_600_000;

/// Starts it; also says whether volumes are on disk rather than in memory.
pub(super) fn fork(turn: &Turn, work_dir: &Path) -> io::Result<(Aide, bool)> {
    let (aide, packet) = Aide::fork(c"dormouse-disk", turn, |socket| serve(socket, work_dir))?;
    match DiskReply::decode(&packet.bytes)? {
        DiskReply::Started { on_disk } => Ok((aide, on_disk)),
        other => Err(io::Error::other(format!("the disk aide began with {other:?}"))),
    }
}

/// Serves until the keeper's end closes.
fn serve(socket: &OwnedFd, work_dir: &Path) -> io::Result<()> {
    let maker = Maker::new(work_dir);
    reply(socket, &DiskReply::Started { on_disk: maker.is_on_disk() }.encode(), &[])?;
    loop {
        let packet = match wire::receive_waiting(socket, WAIT_MS) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => continue,
            Ok(Some(packet)) => packet,
            Ok(None) => return Ok(()),
            Err(error) => return Err(error),
        };
        let DiskRequest { tmp_bytes } = DiskRequest::decode(&packet.bytes)?;
        match maker.make(tmp_bytes) {
            Ok(volume) => reply(socket, &DiskReply::Made { tmp_bytes }.encode(), &[volume.as_fd()])?,
            Err(error) => {
                let reason = format!("make /tmp: {error}");
                reply(socket, &DiskReply::Failed { tmp_bytes, reason }.encode(), &[])?;
            }
        }
    }
}
