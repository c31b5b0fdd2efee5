//! The keeper's loop: one wait over the server, the aides, and every sandbox's process 1.
//!
//! This file turns events into changes of slots; what those changes make possible is in `progress.rs`.
//! Nothing here blocks longer than a few plain system calls. An error that is not about one request ends
//! the keeper, and with it everything: better no sandbox than one that nobody watches.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::event::{Timespec, epoll};

use super::mounts::Mounts;
use super::nursery::group_name;
use super::porter::Order;
use super::slot::{Body, Slot, State};
use super::start::Host;
use super::stock::Stock;
use super::{report, sources};
use crate::cgroup::Handles;
use crate::message::{
    DiskReply, FromBlank, FromKeeper, NurseryReply, NurseryRequest, REPLY_BYTES_MAX, SandboxId, ToKeeper,
};
use crate::spec::SandboxSpec;
use crate::wire::{self, Packet};

/// Quiet time before work for later begins: by then, whoever just got a sandbox has started to use it.
const QUIET_MS: i64 = 10;
/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 64;

const SERVER: u64 = 0;
const DISK: u64 = 1;
const NURSERY: u64 = 2;
const PORTERS: u64 = 3;
const FIRST_SLOT: u64 = 4;

/// A request that lacks a blank or a volume.
pub(super) struct Pending {
    pub(super) request: u32,
    pub(super) spec: SandboxSpec,
    pub(super) mounts: Mounts,
    pub(super) volume: Option<OwnedFd>,
}

/// See the module.
pub(super) struct Supervisor<'a> {
    pub(super) host: Host<'a>,
    server: OwnedFd,
    epoll: OwnedFd,
    pub(super) slots: Vec<Option<Slot>>,
    pub(super) generation: u32,
    /// At most `sandboxes_max`.
    pub(super) waiting: Vec<Pending>,
    pub(super) stock: Stock,
    /// Messages that the server has not made room for yet.
    outbox: VecDeque<(Vec<u8>, Vec<OwnedFd>)>,
    /// After a failed birth that nobody waited for.
    pub(super) boot_not_before: Option<Instant>,
}

/// Why the loop ends.
#[derive(Debug)]
pub(super) enum End {
    /// The server asked, or is gone.
    Server,
    /// Something that should not happen did.
    Broken(io::Error),
}

impl<E: Into<io::Error>> From<E> for End {
    fn from(error: E) -> End {
        End::Broken(error.into())
    }
}

impl<'a> Supervisor<'a> {
    pub(super) fn new(host: Host<'a>, server: OwnedFd) -> io::Result<Supervisor<'a>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (fd, token) in
            [(server.as_fd(), SERVER), (host.disk.socket(), DISK), (host.nursery.socket(), NURSERY)]
        {
            epoll::add(&epoll, fd, epoll::EventData::new_u64(token), epoll::EventFlags::IN)?;
        }
        if let Some(porters) = &host.porters {
            epoll::add(&epoll, porters.fd(), epoll::EventData::new_u64(PORTERS), epoll::EventFlags::IN)?;
        }
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
        let quiet = Timespec { tv_sec: 0, tv_nsec: QUIET_MS * 1_000_000 };
        let timeout = self.has_work_ahead().then_some(&quiet);
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), timeout) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            other => other?,
        };
        if events.is_empty() {
            self.work_ahead()?;
        }
        for event in &events {
            match event.data.u64() {
                SERVER => self.on_server(event.flags)?,
                DISK => self.on_disk()?,
                NURSERY => self.on_nursery()?,
                PORTERS => self.on_porters()?,
                token => self.on_slot(token - FIRST_SLOT)?,
            }
        }
        self.advance()
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
            // A server that sends nonsense is broken or taken over; an error here ends what it owns.
            match ToKeeper::decode(&packet.bytes)? {
                ToKeeper::Create { request, spec } => self.create(request, spec)?,
                ToKeeper::Destroy(id) => self.destroy(id, true)?,
                ToKeeper::Kill(id) => self.destroy(id, false)?,
                ToKeeper::Shutdown => return Err(End::Server),
                ToKeeper::Unpack { request, target, order } => {
                    let stream = packet.fds.into_iter().next();
                    let stream = stream.ok_or_else(|| io::Error::other("no stream came along"))?;
                    self.order(request, Order::Unpack { target, stream, order })?;
                }
                ToKeeper::RemoveTree { request, target } => self.order(request, Order::Remove { target })?,
                ToKeeper::GiveUp { request } => self.give_up(request),
            }
        }
    }

    fn create(&mut self, request: u32, spec: SandboxSpec) -> Result<(), End> {
        let in_use = self
            .slots
            .iter()
            .flatten()
            .filter(|slot| matches!(slot.state, State::Live | State::Specialising { .. }));
        if in_use.count() + self.waiting.len() >= self.host.config.sandboxes_max {
            let reason = format!("all {} sandboxes are in use", self.host.config.sandboxes_max);
            return self.refuse(request, reason);
        }
        let mounts = sources::check(&spec).and_then(|()| self.host.open_mounts(&spec));
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

    /// Kills what is in a slot, if anything was born there.
    pub(super) fn kill(&self, index: u32) {
        let slot = self.slots.get(index as usize).and_then(Option::as_ref);
        if let Some(body) = slot.and_then(|slot| slot.body.as_ref()) {
            body.kill();
            self.host.layout.thaw(&group_name(index));
        }
    }

    fn on_disk(&mut self) -> Result<(), End> {
        let Some(mut packet) = self.host.disk.reply()? else { return Ok(()) };
        match DiskReply::decode(&packet.bytes)? {
            DiskReply::Started { .. } => Ok(()),
            DiskReply::Made { tmp_bytes } => {
                self.stock.note_reply(tmp_bytes);
                let volume = packet.fds.pop().ok_or_else(|| io::Error::other("no volume came along"))?;
                self.stock.put(tmp_bytes, volume);
                Ok(())
            }
            DiskReply::Failed { tmp_bytes, reason } => {
                self.stock.note_reply(tmp_bytes);
                self.volume_failed(tmp_bytes, reason)
            }
        }
    }

    fn on_nursery(&mut self) -> Result<(), End> {
        let Some(packet) = self.host.nursery.reply()? else { return Ok(()) };
        match NurseryReply::decode(&packet.bytes)? {
            NurseryReply::Started => Ok(()),
            NurseryReply::Born { slot, handles } => self.on_born(slot, handles, packet),
            NurseryReply::NotBorn { slot, reason } => {
                self.slots[slot as usize] = None;
                self.boot_failed(&reason)
            }
            NurseryReply::Buried { slot } => {
                let buried = self.slots[slot as usize].take();
                match buried {
                    Some(Slot { generation, state: State::Ending { announce: true }, .. }) => {
                        self.send(&FromKeeper::Destroyed(SandboxId { slot, generation }), Vec::new())
                    }
                    _ => Ok(()),
                }
            }
        }
    }

    fn on_born(&mut self, index: u32, handles: u32, packet: Packet) -> Result<(), End> {
        let lacking = || io::Error::other("descriptors of a sandbox are missing");
        let mut fds = packet.fds.into_iter();
        let (control, pidfd) = (fds.next().ok_or_else(lacking)?, fds.next().ok_or_else(lacking)?);
        let handles = Handles::from_parts(handles, fds).ok_or_else(lacking)?;
        let token = FIRST_SLOT + 2 * u64::from(index);
        let readable = epoll::EventFlags::IN;
        epoll::add(&self.epoll, &pidfd, epoll::EventData::new_u64(token), readable)?;
        epoll::add(&self.epoll, &control, epoll::EventData::new_u64(token + 1), readable)?;
        if let Some(slot) = &mut self.slots[index as usize] {
            slot.state = State::Booting;
            slot.body = Some(Body { pidfd, control: Some(control), listeners: Vec::new(), handles });
        }
        Ok(())
    }

    fn on_slot(&mut self, token: u64) -> Result<(), End> {
        let index = u32::try_from(token / 2).map_err(io::Error::other)?;
        let Some(Some(slot)) = self.slots.get_mut(index as usize) else { return Ok(()) };
        let Some(body) = &mut slot.body else { return Ok(()) };
        if token.is_multiple_of(2) {
            return self.on_ended(index);
        }
        let Some(control) = &body.control else { return Ok(()) };
        let packet = match wire::receive_up_to(control, REPLY_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            // It has ended or is about to; the pidfd tells.
            Err(_) | Ok(None) => {
                unwatch_control(&self.epoll, body);
                self.kill(index);
                return Ok(());
            }
            Ok(Some(packet)) => packet,
        };
        match (slot.state, FromBlank::decode(&packet.bytes)?) {
            (State::Booting, FromBlank::Prepared) => {
                body.listeners = packet.fds;
                slot.state = State::Blank;
                Ok(())
            }
            (State::Specialising { request }, FromBlank::Ready) => self.hand_over(index, request),
            (state, FromBlank::Failed { reason }) => {
                slot.state = State::Ending { announce: false };
                unwatch_control(&self.epoll, body);
                self.kill(index);
                self.lost(state, reason)
            }
            (state, message) => {
                Err(End::Broken(io::Error::other(format!("process 1 said {message:?} while {state:?}"))))
            }
        }
    }

    /// Process 1 has ended: expected, by accident, or killed by the kernel for memory.
    fn on_ended(&mut self, index: u32) -> Result<(), End> {
        let Some(slot) = &mut self.slots[index as usize] else { return Ok(()) };
        let state = slot.state;
        if !matches!(state, State::Ending { .. }) {
            slot.state = State::Ending { announce: false };
        }
        if let Some(mut body) = slot.body.take() {
            // The server may hold a copy, so closing ours would not end the watch.
            let _ = epoll::delete(&self.epoll, &body.pidfd);
            unwatch_control(&self.epoll, &mut body);
        }
        self.host.nursery.request(&NurseryRequest::Bury { slot: index }.encode())?;
        self.lost(state, "process 1 of the sandbox ended early".into())
    }

    /// Tells whoever waited for a sandbox that was in `state`.
    fn lost(&mut self, state: State, reason: String) -> Result<(), End> {
        match state {
            State::Specialising { request } => self.refuse(request, reason),
            State::Booting => self.boot_failed(&reason),
            State::Ordered | State::Blank | State::Live | State::Ending { .. } => Ok(()),
        }
    }

    /// The sandbox is the server's from here on; the keeper only watches for its end.
    fn hand_over(&mut self, index: u32, request: u32) -> Result<(), End> {
        let Some(slot) = &mut self.slots[index as usize] else { return Ok(()) };
        let Some(body) = &mut slot.body else { return Ok(()) };
        let Some(control) = body.control.take() else { return Ok(()) };
        epoll::delete(&self.epoll, &control)?;
        slot.state = State::Live;
        let id = SandboxId { slot: index, generation: slot.generation };
        let handles = std::mem::take(&mut body.handles);
        let message = FromKeeper::Created { request, id, handles: handles.bits() };
        let mut fds = vec![control, body.pidfd.try_clone()?];
        fds.append(&mut body.listeners);
        fds.extend(handles.into_fds());
        self.send(&message, fds)
    }

    pub(super) fn refuse(&mut self, request: u32, reason: String) -> Result<(), End> {
        self.send(&FromKeeper::Refused { request, reason }, Vec::new())
    }

    pub(super) fn send(&mut self, message: &FromKeeper, fds: Vec<OwnedFd>) -> Result<(), End> {
        // One reply for each request in flight, and the server bounds those; some hundred more for porters.
        let outbox_max = 4 * self.host.config.sandboxes_max + 512;
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
        let writable =
            if self.outbox.is_empty() { epoll::EventFlags::empty() } else { epoll::EventFlags::OUT };
        let flags = epoll::EventFlags::IN | writable;
        epoll::modify(&self.epoll, &self.server, epoll::EventData::new_u64(SERVER), flags)?;
        Ok(())
    }
}

fn unwatch_control(epoll: &OwnedFd, body: &mut Body) {
    if let Some(control) = body.control.take() {
        // Nothing to undo if it was not watched any more.
        let _ = epoll::delete(epoll, &control);
    }
}
