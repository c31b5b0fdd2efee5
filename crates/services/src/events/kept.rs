//! The events of archives: records of their own, in the order of their times, cut into parts that fit a record.
//!
//! Filed under the archive's serial as `TIME/ID/DIGEST/PART-PARTS`, with the times in hexadecimal digits of fixed width and a
//! digest of the text, so that an event that comes again is not kept again; earlier versions left the digest out. Each value
//! begins with the version of its form. How many events and bytes an archive has is counted in memory; the count is
//! taken anew at the start and may be off by what came meanwhile, as AWS's is.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use model::bus::Archive;
use model::error::ServiceError;
use model::time::Timestamp;
use sha2::{Digest, Sha256};
use store::records::{Change, Key, Record, RecordError, Records, Write};

use super::error::of_records;
use super::event::Event;

const KIND: &str = "archived-event";
/// The form of values: this byte, then the event's text or a part of it.
const VERSION: u8 = b'1';
const PART_BYTES_MAX: usize = 200 * 1024;
/// Records read or removed at once; more than one event has parts.
const PAGE_MAX: usize = 64;

/// See the module's description.
pub(super) struct Kept {
    records: Arc<dyn Records>,
    sizes: Mutex<HashMap<String, Size>>,
}

/// How much an archive holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) events: i64,
    pub(super) bytes: i64,
}

/// An event that was kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeptEvent {
    /// Where it lies: what comes next lies behind it.
    pub(super) place: String,
    pub(super) time: Timestamp,
    pub(super) id: String,
    pub(super) text: String,
}

impl Kept {
    pub(super) fn new(records: Arc<dyn Records>) -> Self {
        Self { records, sizes: Mutex::default() }
    }

    /// Keeps each event in its archive: all or none, on the disk when this returns. One that lies there already came before:
    /// by another rule of the bus that it was sent on from, or with a delivery that is repeated.
    pub(super) async fn add<'e>(&self, events: &[(Arc<Archive>, &'e Event)]) -> Result<(), ServiceError> {
        let name =
            |(archive, event): &(Arc<Archive>, &'e Event)| (archive.serial.clone(), prefix(event), *event);
        let mut new: Vec<_> = events.iter().map(name).collect();
        while !new.is_empty() {
            let writes =
                new.iter().flat_map(|(serial, prefix, event)| writes(serial, prefix, event)).collect();
            let kept = self.records.commit(writes).await;
            let known = match &kept {
                Err(RecordError::Conflict { key, .. }) => new
                    .iter()
                    .position(|(serial, prefix, _)| *serial == key.scope && key.name.starts_with(prefix)),
                _ => None,
            };
            if let Some(known) = known {
                new.remove(known);
                continue;
            }
            kept.map_err(of_records)?;
            new.drain(..).for_each(|(serial, _, event)| self.count(&serial, 1, event.text.len()));
        }
        Ok(())
    }

    /// Some events of a time, behind a place; none when there are no more.
    pub(super) async fn page(
        &self,
        serial: &str,
        after: Option<&str>,
        times: Range<Timestamp>,
    ) -> Result<Vec<KeptEvent>, RecordError> {
        let after = after.map_or_else(|| digits(times.start), str::to_owned);
        let records = self.read(serial, &after).await?;
        let before = digits(times.end);
        Ok(joined(records.into_iter().take_while(|record| record.key.name < before)))
    }

    /// Removes the events of an archive before a time, or all.
    pub(super) async fn purge(&self, serial: &str, before: Option<Timestamp>) -> Result<(), RecordError> {
        let before = before.map(digits);
        loop {
            let mut old = self.read(serial, "").await?;
            old.retain(|record| before.as_ref().is_none_or(|before| record.key.name < *before));
            if old.is_empty() {
                break;
            }
            let bytes: usize = old.iter().map(|record| record.value.len() - 1).sum();
            let events = old
                .iter()
                .filter(|record| part(&record.key.name).is_some_and(|(part, of)| part + 1 == of))
                .count();
            let removal = |record: Record| Write { key: record.key, change: Change::Remove(record.revision) };
            self.records.commit(old.into_iter().map(removal).collect()).await?;
            self.discount(serial, events, bytes);
        }
        if before.is_none() {
            self.sizes.lock().unwrap_or_else(PoisonError::into_inner).remove(serial);
        }
        Ok(())
    }

    /// Removes the events of archives that are no more.
    pub(super) async fn purge_all_but(&self, is_alive: impl Fn(&str) -> bool) -> Result<(), RecordError> {
        let mut after: Option<Key> = None;
        while let Some(first) = self.records.page(KIND, after.as_ref(), 1).await?.pop() {
            let serial = first.key.scope;
            if !is_alive(&serial) {
                self.purge(&serial, None).await?;
            }
            // Behind every name that this module gives.
            after = Some(Key { kind: KIND, scope: serial, name: "~".to_owned() });
        }
        Ok(())
    }

    /// Counts what an archive holds.
    pub(super) async fn measure(&self, serial: &str) -> Result<(), RecordError> {
        let mut after = String::new();
        loop {
            let records = self.read(serial, &after).await?;
            let Some(last) = records.last() else { return Ok(()) };
            after.clone_from(&last.key.name);
            let events =
                records.iter().filter(|record| part(&record.key.name).is_some_and(|(part, _)| part == 0));
            self.count(serial, events.count(), records.iter().map(|record| record.value.len() - 1).sum());
        }
    }

    pub(super) fn size(&self, serial: &str) -> Size {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner).get(serial).copied().unwrap_or_default()
    }

    fn count(&self, serial: &str, events: usize, bytes: usize) {
        self.change_size(serial, 1, events, bytes);
    }

    fn discount(&self, serial: &str, events: usize, bytes: usize) {
        self.change_size(serial, -1, events, bytes);
    }

    fn change_size(&self, serial: &str, sign: i64, events: usize, bytes: usize) {
        let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        let size = sizes.entry(serial.to_owned()).or_default();
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(sign);
        size.events = size.events.saturating_add(number(events)).max(0);
        size.bytes = size.bytes.saturating_add(number(bytes)).max(0);
    }

    async fn read(&self, serial: &str, after: &str) -> Result<Vec<Record>, RecordError> {
        let after = Key { kind: KIND, scope: serial.to_owned(), name: after.to_owned() };
        let mut records = self.records.page(KIND, Some(&after), PAGE_MAX).await?;
        records.retain(|record| record.key.scope == serial && record.value.first() == Some(&VERSION));
        Ok(records)
    }
}

fn digits(time: Timestamp) -> String {
    format!("{:016x}", time.as_millis().max(0))
}

/// What the names of an event's parts begin with.
fn prefix(event: &Event) -> String {
    let digest = Sha256::digest(&event.text);
    let digest = digest.first_chunk().copied().map_or(0, u64::from_be_bytes);
    format!("{}/{}/{digest:016x}/", digits(event.time), event.id)
}

fn writes(serial: &str, prefix: &str, event: &Event) -> impl Iterator<Item = Write> {
    let parts = event.text.as_bytes().chunks(PART_BYTES_MAX);
    let (count, scope) = (parts.len(), serial.to_owned());
    parts.enumerate().map(move |(part, bytes)| {
        let name = format!("{prefix}{part:03}-{count:03}");
        let mut value = vec![VERSION];
        value.extend_from_slice(bytes);
        Write { key: Key { kind: KIND, scope: scope.clone(), name }, change: Change::Insert(value) }
    })
}

/// Which part a record is, and of how many.
fn part(name: &str) -> Option<(usize, usize)> {
    let (part, count) = name.rsplit_once('/')?.1.split_once('-')?;
    Some((part.parse().ok()?, count.parse().ok()?))
}

/// Whole events, put together from their parts; what is not whole yet is left for the next page.
fn joined(records: impl Iterator<Item = Record>) -> Vec<KeptEvent> {
    let (mut events, mut bytes) = (Vec::new(), Vec::new());
    for record in records {
        let Some((part, count)) = part(&record.key.name) else { continue };
        if part == 0 {
            bytes.clear();
        }
        bytes.extend_from_slice(&record.value[1..]);
        if part + 1 < count {
            continue;
        }
        let mut steps = record.key.name.split('/');
        let time = steps.next().and_then(|time| i64::from_str_radix(time, 16).ok()).unwrap_or_default();
        let id = steps.next().unwrap_or_default().to_owned();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        events.push(KeptEvent { place: record.key.name, time: Timestamp::from_millis(time), id, text });
    }
    events
}
