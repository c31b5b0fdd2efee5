//! Unpacking and removing trees whose files belong to many users, at arm's length.
//!
//! An archive is hostile until it is unpacked, and giving files to other users takes privileges. So neither the
//! server nor the keeper does it: for each tree the keeper forks a *porter* that sees this one directory and nothing
//! else (`confined`), and whose users are a range of host ids that own nothing but such trees. This file keeps
//! account of the porters, few at once and a bounded queue behind them; `place` says where they may work.

mod confined;
mod place;
mod tree;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::event::{Timespec, epoll};
use rustix::pipe::PipeFlags;
use seccompiler::BpfProgram;

use self::confined::Confinement;
use self::place::{Place, Places};
use super::idmap;
use crate::config::{IMAGE_IDS, PorterConfig};
use crate::error::Step;
use crate::sys::{self, Forked};
use crate::{mount, seccomp};

/// Trees worked on at once: each keeps a processor busy.
const RUNNING_MAX: usize = 4;
/// Requests that wait behind them.
const WAITING_MAX: usize = 256;

/// Longest wait for the end of a porter that cannot be watched.
const END_TIMEOUT_MS: i64 = 1_000;

/// All porters, and who waits for one.
pub(super) struct Porters {
    unpack: fn(OwnedFd, BorrowedFd<'_>, &str) -> io::Result<String>,
    places: Places,
    /// The user namespace of every porter; none for a keeper that has no other users to give.
    namespace: Option<OwnedFd>,
    filter: BpfProgram,
    running: Vec<Porter>,
    waiting: VecDeque<(u32, Order)>,
    next: u64,
    /// Becomes readable when a porter has ended.
    epoll: OwnedFd,
}

/// What the server asked for.
#[derive(Debug)]
pub(super) enum Order {
    /// `order` is for whoever reads the stream.
    Unpack { target: PathBuf, stream: OwnedFd, order: String },
    /// A tree that was unpacked here.
    Remove { target: PathBuf },
}

/// A process at work.
struct Porter {
    number: u64,
    request: u32,
    pid: i32,
    pidfd: OwnedFd,
    /// What it says at its end.
    report: OwnedFd,
    place: Place,
    task: Task,
}

enum Task {
    /// `given_up`: nobody waits for the tree any more.
    Unpack { given_up: bool },
    /// `because`: what failed before, when a tree goes because it could not be made.
    Remove { because: Option<String> },
}

/// A request that came to an end: with a report, or with the reason why it failed.
pub(super) type Outcome = (u32, Result<String, String>);

impl Porters {
    /// `own_users`: whether this keeper can give files to other users.
    pub(super) fn prepare(config: &PorterConfig, own_users: bool) -> io::Result<Porters> {
        let base = own_users.then_some(config.image_uid_base);
        let namespace = base.map(|base| idmap::range(base, IMAGE_IDS)).transpose();
        Ok(Porters {
            unpack: config.unpack,
            places: Places::open(&config.directories, base)?,
            namespace: namespace.step(|| "make the user namespace of images".into())?,
            filter: seccomp::porter_filter()?,
            running: Vec::new(),
            waiting: VecDeque::new(),
            next: 0,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        })
    }

    /// Readable when there is something for [`settle`](Self::settle).
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    /// Takes a request; it may come to an end at once.
    pub(super) fn accept(&mut self, request: u32, order: Order) -> Option<Outcome> {
        if self.running.len() < RUNNING_MAX {
            return self.start(request, order);
        }
        if self.waiting.len() >= WAITING_MAX {
            return Some((request, Err(format!("{WAITING_MAX} others are waiting already"))));
        }
        self.waiting.push_back((request, order));
        None
    }

    /// Nobody waits for a request any more: a tree that was being made goes, one that was going goes on.
    pub(super) fn cancel(&mut self, request: u32) {
        self.waiting.retain(|(other, order)| *other != request || matches!(order, Order::Remove { .. }));
        for porter in self.running.iter_mut().filter(|porter| porter.request == request) {
            if let Task::Unpack { given_up } = &mut porter.task {
                *given_up = true;
                porter.kill();
            }
        }
    }

    /// Deals with porters that have ended and starts the next ones; returns what thereby came to an end.
    pub(super) fn settle(&mut self) -> io::Result<Vec<Outcome>> {
        let mut events = Vec::with_capacity(RUNNING_MAX);
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&at_once)) {
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            other => other?,
        };
        let mut outcomes = Vec::new();
        for number in events.iter().map(|event| event.data.u64()) {
            let Some(index) = self.running.iter().position(|porter| porter.number == number) else {
                continue;
            };
            let porter = self.running.swap_remove(index);
            // A copy of the descriptor in a process that is just being forked would keep the watch alive.
            let _ = epoll::delete(&self.epoll, &porter.pidfd);
            outcomes.extend(self.conclude(porter));
        }
        while self.running.len() < RUNNING_MAX {
            let Some((request, order)) = self.waiting.pop_front() else { break };
            outcomes.extend(self.start(request, order));
        }
        Ok(outcomes)
    }

    /// Kills all of them and gives what to wait for; their trees stay as they are.
    pub(super) fn kill_all(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.running.iter().for_each(Porter::kill);
        self.running.iter().map(|porter| porter.pidfd.as_fd())
    }

    fn start(&mut self, request: u32, order: Order) -> Option<Outcome> {
        let started = match order {
            Order::Unpack { target, stream, order } => {
                self.places.make(&target).and_then(|place| self.unpack(request, place, stream, &order))
            }
            Order::Remove { target } => match self.places.find(&target) {
                Ok(None) => return Some((request, Ok(String::new()))),
                Ok(Some(place)) => self.remove(request, place, None),
                Err(error) => Err(error),
            },
        };
        started.err().map(|error| (request, Err(error.to_string())))
    }

    fn unpack(&mut self, request: u32, place: Place, stream: OwnedFd, order: &str) -> io::Result<()> {
        let unpack = self.unpack;
        let task = Task::Unpack { given_up: false };
        self.fork(request, place, task, Some(stream), |stream, directory| {
            let stream = stream.ok_or(io::ErrorKind::InvalidInput)?;
            unpack(stream, directory, order)
        })
    }

    fn remove(&mut self, request: u32, place: Place, because: Option<String>) -> io::Result<()> {
        self.fork(request, place, Task::Remove { because }, None, |_, directory| {
            tree::empty(directory).map(|()| String::new())
        })
    }

    fn fork(
        &mut self,
        request: u32,
        place: Place,
        task: Task,
        stream: Option<OwnedFd>,
        work: impl FnOnce(Option<OwnedFd>, BorrowedFd<'_>) -> io::Result<String>,
    ) -> io::Result<()> {
        self.next += 1;
        let number = self.next;
        match self.fork_at(&place, number, stream, work) {
            Ok((pid, pidfd, report)) => {
                self.running.push(Porter { number, request, pid, pidfd, report, place, task });
                Ok(())
            }
            Err(error) => {
                if matches!(task, Task::Unpack { .. }) {
                    // Empty still; the error to tell is the first one.
                    drop(place.remove());
                }
                Err(error)
            }
        }
    }

    /// The process, with its pidfd, and where it will report.
    fn fork_at(
        &self,
        place: &Place,
        number: u64,
        stream: Option<OwnedFd>,
        work: impl FnOnce(Option<OwnedFd>, BorrowedFd<'_>) -> io::Result<String>,
    ) -> io::Result<(i32, OwnedFd, OwnedFd)> {
        // A read end that does not block: what a porter says fits into a pipe.
        let (report, said) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // While this is still the mount namespace that the directory was opened in.
        let tree = mount::clone_one(&place.directory).step(|| "show the tree".into())?;
        match sys::clone_process(libc::CLONE_NEWPID, None).step(|| "fork a porter".into())? {
            Forked::Child => {
                let namespace = self.namespace.as_ref();
                Confinement { tree, stream, said, namespace, filter: &self.filter }.run(work)
            }
            Forked::Parent { pid, pidfd } => {
                let data = epoll::EventData::new_u64(number);
                let watched = epoll::add(&self.epoll, &pidfd, data, epoll::EventFlags::IN);
                if watched.is_err() {
                    drop(sys::signal_pidfd(pidfd.as_fd(), libc::SIGKILL));
                    sys::wait_readable(&pidfd, END_TIMEOUT_MS);
                    sys::reap_one(pid);
                }
                watched.step(|| "watch a porter".into())?;
                Ok((pid, pidfd, report))
            }
        }
    }

    /// What follows from the end of a porter.
    fn conclude(&mut self, porter: Porter) -> Option<Outcome> {
        sys::reap_one(porter.pid);
        let said = confined::read_report(&porter.report);
        let Porter { request, place, task, .. } = porter;
        let also =
            |reason: String, second: &str| format!("{reason}; and its remains cannot be removed: {second}");
        let result = match (task, said) {
            (Task::Unpack { given_up: false }, Ok(report)) => Ok(report),
            (Task::Unpack { .. }, said) => {
                let reason = said.err().unwrap_or_else(|| "nobody waits for it".into());
                match self.remove(request, place, Some(reason.clone())) {
                    Ok(()) => return None,
                    Err(error) => Err(also(reason, &error.to_string())),
                }
            }
            (Task::Remove { because }, emptied) => {
                let removed = emptied.and_then(|_| place.remove().map_err(|error| error.to_string()));
                match (because, removed) {
                    (None, Ok(())) => Ok(String::new()),
                    (None, Err(reason)) | (Some(reason), Ok(())) => Err(reason),
                    (Some(reason), Err(second)) => Err(also(reason, &second)),
                }
            }
        };
        Some((request, result))
    }
}

impl Porter {
    fn kill(&self) {
        // It may have ended already.
        drop(sys::signal_pidfd(self.pidfd.as_fd(), libc::SIGKILL));
    }
}
