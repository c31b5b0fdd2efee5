//! One sandbox as the keeper sees it, from its order to its burial.
//!
//! States only move forward: ordered, booting, blank, specialising, live, ending, buried. The slot's
//! number gives the host user, so it is free again only when nothing of the sandbox is left.

use std::os::fd::{AsFd, OwnedFd};

use crate::cgroup::Handles;
use crate::sys;

/// What a slot is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The nursery was asked.
    Ordered,
    /// Process 1 prepares everything that does not depend on a specification.
    Booting,
    /// Ready for a specification.
    Blank,
    /// Process 1 carries out the specification of this request.
    Specialising { request: u32 },
    /// The server has it.
    Live,
    /// Killed, or ended by itself; `announce` when the server waits to hear of it.
    Ending { announce: bool },
}

/// What exists of a sandbox once it is born.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) pidfd: OwnedFd,
    /// Ours until the sandbox is handed over.
    pub(super) control: Option<OwnedFd>,
    pub(super) listeners: Vec<OwnedFd>,
    /// The server's after the handing over.
    pub(super) handles: Handles,
}

impl Body {
    /// Ends process 1, and with it everything in its pid namespace, frozen or not.
    pub(super) fn kill(&self) {
        // It may be gone already.
        drop(sys::signal_pidfd(self.pidfd.as_fd(), libc::SIGKILL));
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Slot {
    /// Tells successive sandboxes in one slot apart.
    pub(super) generation: u32,
    pub(super) state: State,
    /// `None` before birth and after death.
    pub(super) body: Option<Body>,
}
