//! The keeper: the small privileged process that makes and destroys sandboxes.
//!
//! Forked from the server before the server has threads, it then shares nothing with it but one socket.
//! It trusts nothing that comes over that socket: mount sources must lie beneath directories fixed at start, numbers
//! within bounds, and the number of sandboxes is limited. It reads no archive: that is left to porters. When the
//! socket closes, however that came about, it destroys every sandbox and exits. It knows no secret: the processes
//! inside are started over channels that it hands to the server.

mod aide;
mod disk;
mod end;
mod idmap;
mod mounts;
mod nursery;
mod porter;
mod porting;
mod progress;
mod slot;
mod sources;
mod start;
mod stock;
mod supervisor;
mod turn;
mod volume;
mod workshop;

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::client::KeeperLink;
use crate::config::{KeeperConfig, Weakness};
use crate::error::KeeperError;
use crate::message::FromKeeper;
use crate::sys::{self, Forked};
use crate::wire;
use turn::Turn;

/// The longest that the keeper may take to prepare: removing leftovers and a first `mkfs` included.
const START_TIMEOUT_SECONDS: u64 = 60;
/// Longest wait for a keeper that failed to start to be gone.
const END_TIMEOUT_MS: i64 = 5_000;
/// Longest instance name; it becomes part of a directory name.
const INSTANCE_LENGTH_MAX: usize = 64;

/// Forks the keeper and waits until it is ready.
///
/// If the keeper of an earlier server on the same work directory is still removing its sandboxes, as it does for
/// a moment after that server was killed, this waits for its end first, at most 30 s.
///
/// Must be called while the process has one thread and no async runtime. The link is then taken into the
/// runtime with [`Keeper::connect`](crate::Keeper::connect).
///
/// # Errors
/// [`KeeperError::Start`] carries the keeper's own account of what it could not do, and
/// [`KeeperError::Earlier`] names what still runs of an earlier one.
pub fn fork_keeper(config: KeeperConfig) -> Result<KeeperLink, KeeperError> {
    check_instance(&config.instance)?;
    let turn = turn::take(&config.work_dir, turn::WAIT_MAX)?;
    let (ours, theirs) = wire::socket_pair().map_err(KeeperError::Socket)?;
    match sys::clone_process(0, None).map_err(KeeperError::Fork)? {
        Forked::Parent { pid, pidfd } => {
            drop((theirs, turn));
            let (weaknesses, freezes_cheaply) = wait_until_ready(&ours).inspect_err(|_| {
                // It is ending by itself, or stuck; either way nothing of it may stay.
                drop(sys::signal_pidfd(pidfd.as_fd(), libc::SIGKILL));
                sys::wait_readable(&pidfd, END_TIMEOUT_MS);
                sys::reap_one(pid);
            })?;
            let listeners = config.listeners.len();
            Ok(KeeperLink { socket: ours, pid, pidfd, weaknesses, freezes_cheaply, listeners })
        }
        Forked::Child => {
            sys::close_all_but(&[theirs.as_raw_fd(), turn.0.as_raw_fd(), 2]);
            // Unwinding must not reach the frames of the server that this process was forked from.
            let ended = catch_unwind(AssertUnwindSafe(|| run(&config, theirs, &turn)));
            sys::exit_now(i32::from(ended.is_err()))
        }
    }
}

fn check_instance(name: &str) -> Result<(), KeeperError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > INSTANCE_LENGTH_MAX || !name.chars().all(allowed) {
        return Err(KeeperError::Instance { name: name.to_owned() });
    }
    Ok(())
}

fn wait_until_ready(socket: &OwnedFd) -> Result<(Vec<Weakness>, bool), KeeperError> {
    let timeout_ms = i64::try_from(START_TIMEOUT_SECONDS * 1000).unwrap_or(i64::MAX);
    let packet = match wire::receive_waiting(socket, timeout_ms) {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            return Err(KeeperError::Silent { seconds: START_TIMEOUT_SECONDS });
        }
        other => other.map_err(KeeperError::Socket)?,
    };
    let message = packet.and_then(|packet| FromKeeper::decode(&packet.bytes).ok());
    match message {
        Some(FromKeeper::Ready { weaknesses, freezes_cheaply }) => {
            Ok((Weakness::from_bits(weaknesses), freezes_cheaply))
        }
        Some(FromKeeper::NotReady { reason }) => Err(KeeperError::Start { reason }),
        _ => Err(KeeperError::Start {
            reason: "it ended at once; its message may be on standard error".into(),
        }),
    }
}

/// The whole life of the keeper process.
fn run(config: &KeeperConfig, server: OwnedFd, turn: &Turn) {
    let host = match start::prepare(config, turn) {
        Ok(host) => host,
        Err(error) => {
            let message = FromKeeper::NotReady { reason: error.to_string() };
            drop(wire::send(&server, &message.encode(), &[]));
            return;
        }
    };
    let ready = FromKeeper::Ready {
        weaknesses: Weakness::to_bits(&host.weaknesses()),
        freezes_cheaply: host.layout.freezes_cheaply(),
    };
    if wire::send(&server, &ready.encode(), &[]).is_err() {
        return;
    }
    match supervisor::Supervisor::new(host, server) {
        Ok(supervisor) => supervisor.run(),
        Err(error) => report(&format!("cannot watch for events: {error}")),
    }
}

/// The keeper's only way to speak to people: one line on the server's standard error.
fn report(message: &str) {
    use std::io::Write;
    // Nobody may be listening, and there is nobody else to tell.
    drop(writeln!(io::stderr(), "dormouse keeper: {message}"));
}
