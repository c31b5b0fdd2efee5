//! What moves forward after each event: requests towards sandboxes, and stocks towards their targets.
//!
//! A request needs a blank and a volume, which come in any order and belong to nobody until both are
//! there. Work for later is done only when nobody waits, one piece at a time.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::nursery::group_name;
use super::report;
use super::slot::{Slot, State};
use super::supervisor::{End, Pending, Supervisor};
use crate::message::{DiskRequest, NurseryRequest, Specialise};
use crate::wire;

/// Sandboxes that may be in preparation at once while requests wait for them.
const BOOTING_MAX: usize = 8;
/// After a failed birth that nobody waited for, before trying again.
const BOOT_RETRY: Duration = Duration::from_secs(1);

impl Supervisor<'_> {
    /// Brings waiting requests forward: volumes, blanks, then both together.
    pub(super) fn advance(&mut self) -> Result<(), End> {
        let mut index = 0;
        while index < self.waiting.len() {
            let size = self.waiting[index].spec.tmp_bytes;
            if self.waiting[index].volume.is_none() {
                self.waiting[index].volume = self.stock.take(size);
            }
            let blank = self.slots.iter().position(|slot| is_in(slot, State::Blank));
            match blank {
                Some(blank) if self.waiting[index].volume.is_some() => {
                    let pending = self.waiting.remove(index);
                    self.specialise(u32::try_from(blank).map_err(io::Error::other)?, pending)?;
                }
                _ => index += 1,
            }
        }
        self.request_missing_volumes()?;
        let on_the_way = self.booting() + self.count(State::Blank);
        for _ in on_the_way..self.waiting.len().min(BOOTING_MAX) {
            self.boot()?;
        }
        Ok(())
    }

    fn request_missing_volumes(&mut self) -> Result<(), End> {
        let lacking = self.waiting.iter().filter(|pending| pending.volume.is_none());
        let lacking: Vec<u64> = lacking.map(|pending| pending.spec.tmp_bytes).collect();
        for size in &lacking {
            let needed = lacking.iter().filter(|other| *other == size).count();
            if self.stock.requested(*size) < needed {
                self.request_volume(*size)?;
            }
        }
        Ok(())
    }

    fn request_volume(&mut self, tmp_bytes: u64) -> Result<(), End> {
        match self.host.disk.request(&DiskRequest { tmp_bytes }.encode()) {
            // Its queue is full: it is asked again after its next reply.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.into()),
            Ok(()) => {
                self.stock.note_request(tmp_bytes);
                Ok(())
            }
        }
    }

    /// Whoever waits longest for such a volume is told.
    pub(super) fn volume_failed(&mut self, tmp_bytes: u64, reason: String) -> Result<(), End> {
        let lacks = |pending: &Pending| pending.spec.tmp_bytes == tmp_bytes && pending.volume.is_none();
        match self.waiting.iter().position(lacks) {
            Some(index) => {
                let pending = self.waiting.remove(index);
                self.refuse(pending.request, reason)
            }
            None => {
                self.stock.forget(tmp_bytes);
                Ok(())
            }
        }
    }

    fn count(&self, state: State) -> usize {
        self.slots.iter().filter(|slot| is_in(slot, state)).count()
    }

    fn booting(&self) -> usize {
        self.count(State::Ordered) + self.count(State::Booting)
    }

    fn should_boot_ahead(&self) -> bool {
        self.boot_not_before.is_none_or(|when| Instant::now() >= when)
            && self.booting() == 0
            && self.count(State::Blank) < self.host.config.blanks
    }

    /// Whether a quiet moment can be used.
    pub(super) fn has_work_ahead(&self) -> bool {
        let retry_later =
            self.boot_not_before.is_some() && self.count(State::Blank) < self.host.config.blanks;
        self.waiting.is_empty()
            && (self.should_boot_ahead() || retry_later || self.stock.short_of().is_some())
    }

    /// One blank and one volume for later.
    pub(super) fn work_ahead(&mut self) -> Result<(), End> {
        if !self.waiting.is_empty() {
            return Ok(());
        }
        if self.should_boot_ahead() {
            self.boot()?;
        }
        if let Some(size) = self.stock.short_of() {
            self.request_volume(size)?;
        }
        Ok(())
    }

    /// Orders one sandbox.
    fn boot(&mut self) -> Result<(), End> {
        let index = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        let slot = u32::try_from(index).map_err(io::Error::other)?;
        self.host.nursery.request(&NurseryRequest::Bear { slot }.encode())?;
        self.generation = self.generation.wrapping_add(1);
        if index == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[index] = Some(Slot { generation: self.generation, state: State::Ordered, body: None });
        Ok(())
    }

    /// Nobody in particular waits for a blank; whoever waits longest is told.
    pub(super) fn boot_failed(&mut self, reason: &str) -> Result<(), End> {
        self.boot_not_before = Some(Instant::now() + BOOT_RETRY);
        if self.waiting.is_empty() {
            report(&format!("cannot prepare a sandbox: {reason}"));
            return Ok(());
        }
        let pending = self.waiting.remove(0);
        self.refuse(pending.request, reason.to_owned())
    }

    /// Gives a blank its specification.
    fn specialise(&mut self, index: u32, pending: Pending) -> Result<(), End> {
        let Pending { request, spec, mounts, volume } = pending;
        if let Some(Err(error)) = self.host.user_of(index).map(|user| mounts.translate(user)) {
            return self.refuse(request, error.to_string());
        }
        let mut targets: Vec<_> = spec.mounts.iter().map(|mount| mount.target.clone()).collect();
        targets.push("/tmp".into());
        let order = Specialise { targets, open_files_max: spec.open_files_max, image: mounts.has_root() };
        let fds: Vec<_> = mounts.fds().chain(volume.iter().map(AsFd::as_fd)).collect();
        let Some(slot) = &mut self.slots[index as usize] else { return Ok(()) };
        let control = slot.body.as_ref().and_then(|body| body.control.as_ref());
        let sent = self.host.layout.set_limits(&group_name(index), &spec).and_then(|()| match control {
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
}

fn is_in(slot: &Option<Slot>, state: State) -> bool {
    slot.as_ref().is_some_and(|slot| slot.state == state)
}
