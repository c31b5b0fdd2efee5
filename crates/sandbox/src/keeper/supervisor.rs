//! The keeper's loop: one wait over the server, the aide, and every sandbox's process 1.
//!
//! A slot is one sandbox from its first preparation to the removal of its cgroups; its number gives the
//! host user, so it is reused only after that. States only move forward: booting, blank, specialising,
//! live, ending. Requests wait for a blank and a volume, in any order; work for later is done only
//! when nobody waits. Nothing here blocks longer than a few plain system calls.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};

use super::start::Host;
use super::stock::Stock;
use super::{report, sources};
use crate::cgroup::{Group, Handles};
use crate::init;
use crate::message::{
    AideReply, AideRequest, FromBlank, FromKeeper, REPLY_BYTES_MAX, SandboxId, Specialise, ToKeeper,
};
use crate::rootfs::Identity;
use crate::spec::SandboxSpec;
use crate::sys::{self, Forked};
use crate::wire;

/// Sandboxes that may be in preparation at once while requests wait for them.
const BOOTING_MAX: usize = 8;
/// Quiet time before work for later begins.
const QUIET_MS: i64 = 20;
/// After a failed preparation nobody waited for, before trying again.
const BOOT_RETRY: Duration = Duration::from_secs(1);
/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 64;

const SERVER: u64 = 0;
const AIDE: u64 = 1;
const FIRST_SLOT: u64 = 2;

/// What a slot's process 1 is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Booting,
    Blank,
    Specialising { request: u32 },
    Live,
    /// Killed or ended; `announce` when the server waits to hear of it.
    Ending { announce: bool },
}

/// One sandbox, from preparation to removal.
pub(super) struct Slot {
    generation: u32,
    state: State,
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
    /// Ours until the sandbox is handed over.
    control: Option<OwnedFd>,
    listeners: Vec<OwnedFd>,
    handles: Option<Handles>,
    pub(super) group: Group,
    /// Process 1 has ended and was reaped; only the cgroups are left.
    reaped: bool,
}

/// A request that lacks a blank or a volume.
struct Pending {
    request: u32,
    spec: SandboxSpec,
    mounts: Vec<OwnedFd>,
    volume: Option<OwnedFd>,
}

/// See the module.
pub(super) struct Supervisor<'a> {
    pub(super) host: Host<'a>,
    server: OwnedFd,
    epoll: OwnedFd,
    pub(super) slots: Vec<Option<Slot>>,
    generation: u32,
    waiting: Vec<Pending>,
    pub(super) stock: Stock,
    /// Messages that the server has not made room for yet.
    outbox: VecDeque<(Vec<u8>, Vec<OwnedFd>)>,
    boot_not_before: Option<Instant>,
}

/// Why the loop ends.
#[derive(Debug)]
pub(super) enum End {
    /// The server asked, or is gone.
    Server,
    /// Something that should not happen did.
    Broken(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        End::Broken(error)
    }
}

impl<'a> Supervisor<'a> {
    pub(super) fn new(host: Host<'a>, server: OwnedFd) -> io::Result<Supervisor<'a>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let readable = epoll::EventFlags::IN;
        epoll::add(&epoll, &server, epoll::EventData::new_u64(SERVER), readable)?;
        epoll::add(&epoll, &host.aide.socket, epoll::EventData::new_u64(AIDE), readable)?;
        let stock = Stock::new(host.config.blanks);
        Ok(Supervisor {
            host,
            server,
            epoll,
            slots: Vec::new(),
            generation: 0,
            waiting: Vec::new(),
            stock,
            outbox: VecDeque::new(),
            boot_not_before: None,
        })
    }

    /// Runs until the server is gone, then leaves nothing behind.
    pub(super) fn run(mut self) {
        loop {
            match self.turn() {
                Ok(()) => {}
                Err(End::Server) => break,
                Err(End::Broken(error)) => {
                    report(&format!("gives up: {error}"));
                    break;
                }
            }
        }
        self.end();
    }

    /// Waits for events and handles them; does work for later when there are none.
    fn turn(&mut self) -> Result<(), End> {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        let timeout = self.timeout();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            other => other.map_err(io::Error::from)?,
        };
        if events.is_empty() {
            self.work_ahead()?;
        }
        for event in &events {
            match event.data.u64() {
                SERVER => self.on_server(event.flags)?,
                AIDE => self.on_aide()?,
                token => self.on_slot(token - FIRST_SLOT)?,
            }
        }
        self.remove_ended()?;
        self.advance()
    }

    /// `None`: nothing to do until something happens.
    fn timeout(&self) -> Option<Timespec> {
        let ended = self.slots.iter().flatten().any(|slot| slot.reaped);
        let quiet = Timespec { tv_sec: 0, tv_nsec: QUIET_MS * 1_000_000 };
        (ended || self.should_boot_ahead() || self.should_stock()).then_some(quiet)
    }

    fn on_server(&mut self, flags: epoll::EventFlags) -> Result<(), End> {
        if flags.contains(epoll::EventFlags::OUT) {
            self.flush()?;
        }
        loop {
            let packet = match wire::receive(&self.server) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) | Ok(None) => return Err(End::Server),
                Ok(Some(packet)) => packet,
            };
            match ToKeeper::decode(&packet.bytes) {
                Ok(ToKeeper::Create { request, spec }) => self.create(request, spec)?,
                Ok(ToKeeper::Destroy(id)) => self.destroy(id, true)?,
                Ok(ToKeeper::Kill(id)) => self.destroy(id, false)?,
                Ok(ToKeeper::Shutdown) => return Err(End::Server),
                // A server that sends nonsense is broken or taken over; end what it owns.
                Err(malformed) => return Err(End::Broken(malformed.into())),
            }
        }
    }

    fn create(&mut self, request: u32, spec: SandboxSpec) -> Result<(), End> {
        let in_use = self.slots.iter().flatten().filter(|slot| {
            matches!(slot.state, State::Live | State::Specialising { .. })
        });
        if in_use.count() + self.waiting.len() >= self.host.config.sandboxes_max {
            let reason = format!("all {} sandboxes are in use", self.host.config.sandboxes_max);
            return self.refuse(request, reason);
        }
        let mounts = sources::check(&spec)
            .and_then(|()| spec.mounts.iter().map(|bind| self.host.sources.mount(&bind.source)).collect());
        match mounts {
            Err(error) => self.refuse(request, error.to_string()),
            Ok(mounts) => {
                self.stock.wanted(spec.tmp_bytes);
                self.waiting.push(Pending { request, spec, mounts, volume: None });
                Ok(())
            }
        }
    }

    fn destroy(&mut self, id: SandboxId, announce: bool) -> Result<(), End> {
        let slot = self.slots.get_mut(id.slot as usize).and_then(Option::as_mut);
        match slot.filter(|slot| slot.generation == id.generation) {
            Some(slot) if matches!(slot.state, State::Live | State::Ending { .. }) => {
                let announced = slot.state == State::Ending { announce: true };
                slot.state = State::Ending { announce: announce || announced };
                self.kill(id.slot);
                Ok(())
            }
            _ if announce => self.send(&FromKeeper::Destroyed(id), Vec::new()),
            _ => Ok(()),
        }
    }

    /// Ends process 1, and with it everything in its pid namespace, frozen or not.
    pub(super) fn kill(&self, index: u32) {
        if let Some(slot) = self.slots.get(index as usize).and_then(Option::as_ref) {
            // It may be gone already.
            drop(sys::signal_pidfd(slot.pidfd.as_fd(), libc::SIGKILL));
            self.host.layout.thaw(&group_name(index));
        }
    }

    fn on_aide(&mut self) -> Result<(), End> {
        let packet = match wire::receive_up_to(&self.host.aide.socket, REPLY_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            other => other?,
        };
        let mut packet = packet.ok_or_else(|| io::Error::other("the aide ended"))?;
        match AideReply::decode(&packet.bytes).map_err(io::Error::from)? {
            AideReply::Started { .. } => {}
            AideReply::Made { tmp_bytes } => {
                self.stock.note_reply(tmp_bytes);
                self.stock.put(tmp_bytes, packet.fds.pop().ok_or_else(|| io::Error::other("no volume came along"))?);
            }
            AideReply::Failed { tmp_bytes, reason } => {
                self.stock.note_reply(tmp_bytes);
                let lacks = |pending: &Pending| pending.spec.tmp_bytes == tmp_bytes && pending.volume.is_none();
                if let Some(index) = self.waiting.iter().position(lacks) {
                    let pending = self.waiting.remove(index);
                    self.refuse(pending.request, format!("make /tmp: {reason}"))?;
                }
            }
        }
        Ok(())
    }

    fn on_slot(&mut self, token: u64) -> Result<(), End> {
        let index = u32::try_from(token / 2).map_err(io::Error::other)?;
        let Some(slot) = self.slots.get_mut(index as usize).and_then(Option::as_mut) else { return Ok(()) };
        if token.is_multiple_of(2) {
            return self.on_ended(index);
        }
        let Some(control) = &slot.control else { return Ok(()) };
        let packet = match wire::receive_up_to(control, REPLY_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            // It has ended or is about to; the pidfd tells.
            Err(_) | Ok(None) => {
                unwatch_control(&self.epoll, slot);
                self.kill(index);
                return Ok(());
            }
            Ok(Some(packet)) => packet,
        };
        match (slot.state, FromBlank::decode(&packet.bytes).map_err(io::Error::from)?) {
            (State::Booting, FromBlank::Prepared) => {
                slot.listeners = packet.fds;
                slot.state = State::Blank;
                Ok(())
            }
            (State::Specialising { request }, FromBlank::Ready) => self.hand_over(index, request),
            (state, FromBlank::Failed { reason }) => self.on_failed(index, state, reason),
            (state, message) => {
                Err(End::Broken(io::Error::other(format!("process 1 said {message:?} while {state:?}"))))
            }
        }
    }

    fn on_failed(&mut self, index: u32, state: State, reason: String) -> Result<(), End> {
        if let Some(slot) = self.slots[index as usize].as_mut() {
            slot.state = State::Ending { announce: false };
            unwatch_control(&self.epoll, slot);
        }
        self.kill(index);
        match state {
            State::Specialising { request } => self.refuse(request, reason),
            _ => self.boot_failed(&reason),
        }
    }

    /// Nobody in particular waits for a blank; whoever waits longest is told.
    fn boot_failed(&mut self, reason: &str) -> Result<(), End> {
        self.boot_not_before = Some(Instant::now() + BOOT_RETRY);
        if self.waiting.is_empty() {
            report(&format!("cannot prepare a sandbox: {reason}"));
            return Ok(());
        }
        let pending = self.waiting.remove(0);
        self.refuse(pending.request, reason.to_owned())
    }

    /// Process 1 has ended: expected, by accident, or killed by the kernel for memory.
    fn on_ended(&mut self, index: u32) -> Result<(), End> {
        let Some(slot) = self.slots[index as usize].as_mut() else { return Ok(()) };
        // The server may hold a copy of either, so closing ours would not end the watch.
        let _ = epoll::delete(&self.epoll, &slot.pidfd);
        unwatch_control(&self.epoll, slot);
        sys::reap_one(slot.pid);
        slot.reaped = true;
        let state = slot.state;
        if !matches!(state, State::Ending { .. }) {
            slot.state = State::Ending { announce: false };
        }
        match state {
            State::Specialising { request } => self.refuse(request, "process 1 ended early".into()),
            State::Booting => self.boot_failed("process 1 ended early"),
            _ => Ok(()),
        }
    }

    /// Removes the cgroups of ended sandboxes; what is still busy is tried again a little later.
    fn remove_ended(&mut self) -> Result<(), End> {
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots[index].as_ref().filter(|slot| slot.reaped) else { continue };
            if slot.group.remove().is_err() {
                continue;
            }
            let slot_number = u32::try_from(index).map_err(io::Error::other)?;
            let id = SandboxId { slot: slot_number, generation: slot.generation };
            let announce = slot.state == State::Ending { announce: true };
            self.slots[index] = None;
            if announce {
                self.send(&FromKeeper::Destroyed(id), Vec::new())?;
            }
        }
        Ok(())
    }

    /// Brings waiting requests forward: volumes, blanks, then both together.
    fn advance(&mut self) -> Result<(), End> {
        let mut index = 0;
        while index < self.waiting.len() {
            let size = self.waiting[index].spec.tmp_bytes;
            if self.waiting[index].volume.is_none() {
                self.waiting[index].volume = self.stock.take(size);
            }
            let blank = self.slots.iter().position(|slot| {
                slot.as_ref().is_some_and(|slot| slot.state == State::Blank)
            });
            match blank {
                Some(blank) if self.waiting[index].volume.is_some() => {
                    let pending = self.waiting.remove(index);
                    self.specialise(u32::try_from(blank).map_err(io::Error::other)?, pending)?;
                }
                _ => index += 1,
            }
        }
        self.request_missing_volumes()?;
        let mut lacking = self.waiting.len().min(BOOTING_MAX);
        lacking = lacking.saturating_sub(self.count(State::Booting) + self.count(State::Blank));
        for _ in 0..lacking {
            self.boot()?;
        }
        Ok(())
    }

    fn request_missing_volumes(&mut self) -> Result<(), End> {
        let lacking: Vec<u64> =
            self.waiting.iter().filter(|pending| pending.volume.is_none()).map(|pending| pending.spec.tmp_bytes).collect();
        for size in &lacking {
            let needed = lacking.iter().filter(|other| *other == size).count();
            if self.stock.requested(*size) < needed {
                self.request_volume(*size)?;
            }
        }
        Ok(())
    }

    fn request_volume(&mut self, tmp_bytes: u64) -> Result<(), End> {
        match self.host.aide.request(AideRequest { tmp_bytes }) {
            // Its queue is full: it is asked again after its next reply.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.into()),
            Ok(()) => {
                self.stock.note_request(tmp_bytes);
                Ok(())
            }
        }
    }

    fn count(&self, state: State) -> usize {
        self.slots.iter().flatten().filter(|slot| slot.state == state).count()
    }

    fn should_boot_ahead(&self) -> bool {
        self.boot_not_before.is_none_or(|when| Instant::now() >= when)
            && self.waiting.is_empty()
            && self.count(State::Booting) == 0
            && self.count(State::Blank) < self.host.config.blanks
    }

    fn should_stock(&self) -> bool {
        self.waiting.is_empty() && self.stock.short_of().is_some()
    }

    /// One blank and one volume for later.
    fn work_ahead(&mut self) -> Result<(), End> {
        if self.should_boot_ahead() {
            self.boot()?;
        }
        if self.waiting.is_empty() && let Some(size) = self.stock.short_of() {
            self.request_volume(size)?;
        }
        Ok(())
    }

    /// Starts the preparation of one sandbox.
    fn boot(&mut self) -> Result<(), End> {
        let index = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        let index = u32::try_from(index).map_err(io::Error::other)?;
        match self.fork_blank(index) {
            Err(error) => self.boot_failed(&error.to_string()),
            Ok(slot) => {
                self.watch(index, &slot)?;
                if index as usize == self.slots.len() {
                    self.slots.push(None);
                }
                self.slots[index as usize] = Some(slot);
                Ok(())
            }
        }
    }

    fn fork_blank(&mut self, index: u32) -> io::Result<Slot> {
        let name = group_name(index);
        let mut group = self.host.layout.create(&name)?;
        let handles = Some(self.host.layout.handles(&name)?);
        let (control, theirs) = wire::socket_pair()?;
        let attach = std::mem::take(&mut group.attach);
        let cgroup = group.unified.as_ref().map(AsFd::as_fd);
        match sys::clone_process(libc::CLONE_NEWPID, cgroup)? {
            Forked::Child => {
                let config = self.host.config;
                let plan = init::Plan {
                    control: theirs,
                    attach,
                    listeners: &config.listeners,
                    identity: Identity { uid: config.inside_uid, gid: config.inside_gid },
                    host_user: self.host.user(index),
                    filters: &self.host.filters,
                };
                let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| init::run(&plan)));
                sys::exit_now(i32::from(ended.is_err()))
            }
            Forked::Parent { pid, pidfd } => {
                self.generation = self.generation.wrapping_add(1);
                group.unified = None;
                Ok(Slot {
                    generation: self.generation,
                    state: State::Booting,
                    pid,
                    pidfd,
                    control: Some(control),
                    listeners: Vec::new(),
                    handles,
                    group,
                    reaped: false,
                })
            }
        }
    }

    fn watch(&self, index: u32, slot: &Slot) -> io::Result<()> {
        let token = FIRST_SLOT + 2 * u64::from(index);
        let readable = epoll::EventFlags::IN;
        epoll::add(&self.epoll, &slot.pidfd, epoll::EventData::new_u64(token), readable)?;
        if let Some(control) = &slot.control {
            epoll::add(&self.epoll, control, epoll::EventData::new_u64(token + 1), readable)?;
        }
        Ok(())
    }

    /// Gives a blank its specification.
    fn specialise(&mut self, index: u32, pending: Pending) -> Result<(), End> {
        let Pending { request, spec, mounts, volume } = pending;
        let mut targets: Vec<_> = spec.mounts.iter().map(|bind| bind.target.clone()).collect();
        targets.push("/tmp".into());
        let order = Specialise { targets, open_files_max: spec.open_files_max };
        let fds: Vec<_> = mounts.iter().chain(&volume).map(AsFd::as_fd).collect();
        let Some(slot) = self.slots[index as usize].as_mut() else { return Ok(()) };
        let sent = self.host.layout.set_limits(&group_name(index), &spec).and_then(|()| match &slot.control {
            Some(control) => wire::send(control, &order.encode(), &fds),
            None => Err(io::ErrorKind::NotConnected.into()),
        });
        match sent {
            Ok(()) => {
                slot.state = State::Specialising { request };
                Ok(())
            }
            Err(error) => {
                slot.state = State::Ending { announce: false };
                self.kill(index);
                self.refuse(request, error.to_string())
            }
        }
    }

    /// The sandbox is the server's from here on; the keeper only watches for its end.
    fn hand_over(&mut self, index: u32, request: u32) -> Result<(), End> {
        let Some(slot) = self.slots[index as usize].as_mut() else { return Ok(()) };
        let (Some(control), Some(handles)) = (slot.control.take(), slot.handles.take()) else { return Ok(()) };
        epoll::delete(&self.epoll, &control).map_err(io::Error::from)?;
        slot.state = State::Live;
        let id = SandboxId { slot: index, generation: slot.generation };
        let message = FromKeeper::Created { request, id, handles: handles.bits() };
        let mut fds = vec![control, slot.pidfd.try_clone()?];
        fds.append(&mut slot.listeners);
        for fd in handles.fds() {
            fds.push(fd.try_clone_to_owned()?);
        }
        self.send(&message, fds)
    }

    fn refuse(&mut self, request: u32, reason: String) -> Result<(), End> {
        self.send(&FromKeeper::Refused { request, reason }, Vec::new())
    }

    fn send(&mut self, message: &FromKeeper, fds: Vec<OwnedFd>) -> Result<(), End> {
        // One reply for each request in flight, and the server bounds those.
        let outbox_max = 4 * self.host.config.sandboxes_max + 16;
        if self.outbox.len() >= outbox_max {
            return Err(End::Broken(io::Error::other("the server does not read its replies")));
        }
        self.outbox.push_back((message.encode(), fds));
        self.flush()
    }

    fn flush(&mut self) -> Result<(), End> {
        while let Some((bytes, fds)) = self.outbox.front() {
            let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            match wire::send(&self.server, bytes, &borrowed) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return Err(End::Server),
                Ok(()) => drop(self.outbox.pop_front()),
            }
        }
        let writable = if self.outbox.is_empty() { epoll::EventFlags::empty() } else { epoll::EventFlags::OUT };
        let flags = epoll::EventFlags::IN | writable;
        epoll::modify(&self.epoll, &self.server, epoll::EventData::new_u64(SERVER), flags).map_err(io::Error::from)?;
        Ok(())
    }
}

pub(super) fn group_name(slot: u32) -> String {
    format!("{slot}")
}

fn unwatch_control(epoll: &OwnedFd, slot: &mut Slot) {
    if let Some(control) = slot.control.take() {
        debug_assert!(control.as_raw_fd() >= 0, "an owned descriptor");
        let _ = epoll::delete(epoll, &control);
    }
}
