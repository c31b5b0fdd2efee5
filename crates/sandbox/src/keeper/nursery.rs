//! The aide that gives birth to sandboxes and buries them.
//!
//! Making, entering and removing cgroups waits for a lock of the whole kernel, at times for tens of
//! milliseconds; all of that happens here, and births come before burials. The processes 1 are this
//! process's children: if it dies, the kernel ends them all. When the keeper's end of the socket closes,
//! it kills and removes whatever bears this instance's name, so even a `kill -9` of the keeper leaves
//! nothing. What it cannot bury at once it tries again a little later.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::aide::{Aide, reply};
use super::start::image_root;
use super::turn::Turn;
use crate::cgroup::{Handles, Layout};
use crate::config::KeeperConfig;
use crate::error::Step;
use crate::init::{self, HostUser};
use crate::message::{NurseryReply, NurseryRequest};
use crate::rootfs::Identity;
use crate::seccomp::Filters;
use crate::sys::{self, Forked};
use crate::wire;

/// Before trying again to remove a group that was still busy.
const BUSY_MS: i64 = 2;
/// Between two looks at a socket that says nothing; only a bound, not a delay.
const WAIT_MS: i64 = 3_600_000;

/// A process 1 and what others need to deal with it.
struct Born {
    /// The keeper's end of its channel.
    control: OwnedFd,
    pidfd: OwnedFd,
    handles: Handles,
}

/// What every birth needs to know.
#[derive(Clone, Copy)]
pub(super) struct Nursery<'a> {
    pub(super) config: &'a KeeperConfig,
    pub(super) layout: &'a Layout,
    pub(super) filters: &'a Filters,
    /// Whether each sandbox gets a host user of its own.
    pub(super) own_users: bool,
    pub(super) user_namespaces: bool,
}

impl Nursery<'_> {
    /// Starts the aide.
    pub(super) fn fork(self, turn: &Turn) -> io::Result<Aide> {
        let (aide, packet) = Aide::fork(c"dormouse-nurse", turn, |socket| {
            let served = self.serve(socket);
            self.layout.sweep_whole();
            served
        })?;
        match NurseryReply::decode(&packet.bytes)? {
            NurseryReply::Started => Ok(aide),
            other => Err(io::Error::other(format!("the nursery began with {other:?}"))),
        }
    }

    /// Serves until the keeper's end closes.
    fn serve(self, socket: &OwnedFd) -> io::Result<()> {
        reply(socket, &NurseryReply::Started.encode(), &[])?;
        let (mut births, mut burials) = (VecDeque::new(), VecDeque::new());
        let mut busy = false;
        loop {
            let wait_ms = match (births.is_empty(), burials.is_empty()) {
                (true, true) => WAIT_MS,
                (true, false) if busy => BUSY_MS,
                _ => 0,
            };
            match wire::receive_waiting(socket, wait_ms) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
                Err(error) => return Err(error),
                Ok(None) => return Ok(()),
                Ok(Some(packet)) => {
                    match NurseryRequest::decode(&packet.bytes)? {
                        NurseryRequest::Bear { slot } => births.push_back(slot),
                        NurseryRequest::Bury { slot } => burials.push_back(slot),
                    }
                    // There may be a more urgent one behind it.
                    continue;
                }
            }
            if let Some(slot) = births.pop_front() {
                self.bear(socket, slot)?;
            } else if let Some(slot) = burials.pop_front() {
                while sys::reap(false).is_some() {}
                busy = self.layout.remove(&group_name(slot)).is_err();
                if busy {
                    burials.push_back(slot);
                } else {
                    reply(socket, &NurseryReply::Buried { slot }.encode(), &[])?;
                }
            }
        }
    }

    fn bear(self, socket: &OwnedFd, slot: u32) -> io::Result<()> {
        match self.fork_blank(slot) {
            Err(error) => {
                // What was made of it goes away with the next birth in this slot, or at the end.
                let reason = format!("start a sandbox: {error}");
                reply(socket, &NurseryReply::NotBorn { slot, reason }.encode(), &[])
            }
            Ok(born) => {
                let mut fds = vec![born.control.as_fd(), born.pidfd.as_fd()];
                fds.extend(born.handles.fds());
                reply(socket, &NurseryReply::Born { slot, handles: born.handles.bits() }.encode(), &fds)
            }
        }
    }

    fn fork_blank(self, slot: u32) -> io::Result<Born> {
        let group = self.layout.create(&group_name(slot))?;
        let handles = self.layout.handles(&group_name(slot))?;
        let (control, theirs) = wire::socket_pair()?;
        let cgroup = group.unified.as_ref().map(AsFd::as_fd);
        match sys::clone_process(libc::CLONE_NEWPID, cgroup).step(|| "fork".into())? {
            Forked::Parent { pidfd, .. } => Ok(Born { control, pidfd, handles }),
            Forked::Child => {
                let KeeperConfig { listeners, inside_uid, inside_gid, .. } = self.config;
                let plan = init::Plan {
                    control: theirs,
                    attach: group.attach,
                    listeners,
                    identity: Identity { uid: *inside_uid, gid: *inside_gid },
                    host_user: HostUser {
                        own: self.own_users.then(|| user_of(self.config, slot)),
                        namespace: self.user_namespaces,
                    },
                    image_root: image_root(self.config, self.own_users),
                    filters: self.filters,
                };
                let ended = catch_unwind(AssertUnwindSafe(|| init::run(&plan)));
                sys::exit_now(i32::from(ended.is_err()))
            }
        }
    }
}

/// The host user, and group, of the sandbox in a slot.
pub(super) fn user_of(config: &KeeperConfig, slot: u32) -> u32 {
    config.uid_base + 1 + slot
}

/// The cgroups of a slot.
pub(super) fn group_name(slot: u32) -> String {
    format!("{slot}")
}
