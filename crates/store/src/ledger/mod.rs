//! The ledger of usage: append-only files of self-checking rows, one row per finished lease.
//!
//! Recording is on the warm path, so it is one `write(2)` to an append-only file and nothing else: the row then
//! survives the end of this process, and a background sync makes it survive the end of the machine within
//! [`SYNC_INTERVAL`]. A torn end is cut when the ledger is opened; rows are never changed. A row may be amended
//! by a later one with the same request id. When the disk refuses, rows wait in a bounded backlog and are
//! written once it recovers. Files are kept until the owner removes old ones, always oldest first.

mod reader;
mod recover;
mod row;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use model::lease::Lease;
use model::port::Ledger;
use model::time::Timestamp;

use crate::disk::create_private_dir;

pub use reader::Leases;
pub use recover::Recovery;

/// How long a recorded lease may wait until it is synced.
pub const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// Size at which a new file is begun: some 75,000 leases.
pub const FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Rows that are held in memory while the disk refuses them; beyond, the newest are lost and counted.
pub const BACKLOG_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Why the ledger was not opened or read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The disk failed.
    #[error("could not {operation} the ledger in {path}")]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A row is damaged, or was written by a later version of Dormouse.
    #[error("line {line} of the ledger file {path} cannot be read")]
    UnreadableRow {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
    },
}

/// The ledger as files in one folder.
#[derive(Debug)]
pub struct LedgerFiles {
    shared: Arc<Shared>,
    recovery: Recovery,
    syncer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    file_bytes_max: u64,
    state: Mutex<State>,
    /// Rung when `state` turns dirty or stopping.
    bell: Condvar,
}

#[derive(Debug)]
struct State {
    number: u64,
    file: Arc<File>,
    /// End of the last whole row in `file`.
    len: u64,
    /// A part of a row may stand after `len` because it could not be taken back.
    torn: bool,
    /// Whole rows that the disk has refused so far.
    backlog: Vec<u8>,
    /// Rows lost because the backlog was full.
    rows_lost: u64,
    /// Full files that are not synced yet.
    retired: Vec<Arc<File>>,
    /// Something is not synced yet.
    dirty: bool,
    stopping: bool,
}

impl LedgerFiles {
    /// Opens or begins the ledger in `dir`, cutting a torn end.
    pub fn open(dir: &Path) -> Result<Self, LedgerError> {
        Self::open_rotating(dir, FILE_BYTES_MAX)
    }

    /// As [`LedgerFiles::open`], with another size at which a new file is begun.
    pub fn open_rotating(dir: &Path, file_bytes_max: u64) -> Result<Self, LedgerError> {
        let failed = |operation, source| LedgerError::Io { operation, path: dir.to_owned(), source };
        create_private_dir(dir).map_err(|source| failed("make room for", source))?;
        let newest = numbers(dir).map_err(|source| failed("list", source))?.pop();
        let recovery = match newest {
            Some(number) => recover::cut_torn_end(&file_path(dir, number))?,
            None => Recovery::default(),
        };
        let number = newest.unwrap_or(1);
        let opened = append_to(&file_path(dir, number)).and_then(|file| {
            sync_dir(dir)?;
            Ok((file.metadata()?.len(), file))
        });
        let (len, file) = opened.map_err(|source| failed("open", source))?;
        let state = State {
            number,
            file: Arc::new(file),
            len,
            torn: false,
            backlog: Vec::new(),
            rows_lost: 0,
            retired: Vec::new(),
            dirty: false,
            stopping: false,
        };
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            file_bytes_max,
            state: Mutex::new(state),
            bell: Condvar::new(),
        });
        let syncing = Arc::clone(&shared);
        let syncer = std::thread::Builder::new()
            .name("ledger-sync".to_owned())
            .spawn(move || syncing.sync_until_stopped())
            .map_err(|source| failed("start the sync of", source))?;
        Ok(Self { shared, recovery, syncer: Mutex::new(Some(syncer)) })
    }

    /// What was found and cut when the ledger was opened.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Leases that were lost because the disk refused them for too long.
    #[must_use]
    pub fn rows_lost(&self) -> u64 {
        self.shared.lock().rows_lost
    }

    /// Every lease that started at `since` or later and is recorded by now, in the order of recording; of several
    /// rows about one request only the last is given. Blocks on the disk; memory is bounded by two files' ids.
    pub fn leases(&self, since: Timestamp) -> Result<Leases, LedgerError> {
        // Taken under the lock, so that the end is the end of a row.
        let (newest, len) = {
            let state = self.shared.lock();
            (state.number, state.len)
        };
        let dir = &self.shared.dir;
        let failed = |source| LedgerError::Io { operation: "list", path: dir.clone(), source };
        let mut files = Vec::new();
        for number in numbers(dir).map_err(failed)? {
            if number < newest {
                files.push((file_path(dir, number), u64::MAX));
            } else if number == newest {
                files.push((file_path(dir, number), len));
            }
        }
        Ok(Leases::new(files, since))
    }

    /// Syncs what is recorded and ends the background sync. Blocks on the disk. Rows recorded later are still
    /// written, but not synced.
    pub fn close(&self) {
        self.shared.lock().stopping = true;
        self.shared.bell.notify_all();
        let syncer = self.syncer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if syncer.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the sync of the ledger had panicked");
        }
    }
}

impl Drop for LedgerFiles {
    fn drop(&mut self) {
        self.close();
    }
}

impl Ledger for LedgerFiles {
    fn record(&self, lease: &Lease) {
        let row = row::encode(lease);
        let mut state = self.shared.lock();
        state.append(&row);
        if state.len >= self.shared.file_bytes_max && state.backlog.is_empty() {
            state.rotate(&self.shared.dir);
        }
        if !state.dirty {
            state.dirty = true;
            drop(state);
            self.shared.bell.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The background thread: sleeps while nothing is recorded, else syncs once per interval.
    fn sync_until_stopped(&self) {
        loop {
            let idle = |state: &mut State| !state.dirty && !state.stopping;
            let state = self.bell.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
            let (mut state, _) = self
                .bell
                .wait_timeout_while(state, SYNC_INTERVAL, |state| !state.stopping)
                .unwrap_or_else(PoisonError::into_inner);
            let backlog = std::mem::take(&mut state.backlog);
            if !backlog.is_empty() {
                state.append(&backlog);
            }
            state.dirty = !state.backlog.is_empty();
            let stopping = state.stopping;
            let mut files = std::mem::take(&mut state.retired);
            let began_file = !files.is_empty();
            files.push(Arc::clone(&state.file));
            drop(state);

            let mut synced = files.iter().try_for_each(|file| file.sync_data());
            if began_file {
                synced = synced.and_then(|()| sync_dir(&self.dir));
            }
            if let Err(error) = synced {
                tracing::error!(dir = %self.dir.display(), %error, "could not sync the ledger; will try again");
                self.lock().dirty = true;
            }
            if stopping {
                return;
            }
        }
    }
}

impl State {
    /// Writes whole rows after the last whole row; what the disk refuses goes to the backlog.
    fn append(&mut self, rows: &[u8]) {
        if !self.backlog.is_empty() {
            return self.hold_back(rows);
        }
        // A line feed ends whatever part of a row could not be taken back; readers skip that line.
        let lead: &[u8] = if self.torn { b"\n" } else { b"" };
        let written = (&*self.file).write_all(lead).and_then(|()| (&*self.file).write_all(rows));
        match written {
            Ok(()) if self.torn => {
                self.torn = false;
                self.len = self.file.metadata().map_or(self.len, |metadata| metadata.len());
            }
            Ok(()) => self.len += rows.len() as u64,
            Err(error) => {
                tracing::error!(%error, "the ledger cannot be written; leases are held in memory meanwhile");
                self.torn = self.torn || self.file.set_len(self.len).is_err();
                self.hold_back(rows);
            }
        }
    }

    fn hold_back(&mut self, rows: &[u8]) {
        if self.backlog.len() + rows.len() <= BACKLOG_BYTES_MAX {
            self.backlog.extend_from_slice(rows);
        } else {
            self.rows_lost += 1;
            // At 1, 2, 4, 8 …: often enough to be seen, too seldom to fill the server's own log.
            if self.rows_lost.is_power_of_two() {
                tracing::error!(
                    self.rows_lost,
                    "the ledger has lost leases: the disk refuses them for too long"
                );
            }
        }
    }

    /// Begins the next file. If that fails, the present one grows further and the next row tries again.
    fn rotate(&mut self, dir: &Path) {
        match append_to(&file_path(dir, self.number + 1)) {
            Ok(file) => {
                self.number += 1;
                self.len = 0;
                self.torn = false;
                self.retired.push(std::mem::replace(&mut self.file, Arc::new(file)));
            }
            Err(error) => {
                tracing::warn!(%error, "could not begin a new ledger file; the present one grows on")
            }
        }
    }
}

fn file_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.rows"))
}

/// The numbers of all files, ascending.
fn numbers(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".rows"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use model::arn::{FunctionId, Scope};
    use model::function::Architecture;
    use model::id::{AccountId, EnvironmentId, Region, RequestId};
    use model::lease::{LeaseOutcome, StartReason};
    use model::name::{FunctionName, Version};

    use super::*;

    fn lease(number: u8) -> Lease {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        Lease {
            request: RequestId::from_random([number; 16]),
            function: FunctionId { scope, name: FunctionName::parse("hello").unwrap() },
            version: Version::Latest,
            tenant: None,
            environment: EnvironmentId::from_random([0; 16]),
            started: Timestamp::from_millis(i64::from(number)),
            architecture: Architecture::X86_64,
            memory_mb: 128,
            billed_ms: 1,
            init: None,
            peak_memory_bytes: 0,
            bytes_in: 0,
            bytes_out: 0,
            reason: StartReason::Warm,
            outcome: LeaseOutcome::Success,
        }
    }

    fn recorded(ledger: &LedgerFiles) -> Vec<i64> {
        let leases = ledger.leases(Timestamp::default()).unwrap();
        leases.map(|lease| lease.unwrap().started.as_millis()).collect()
    }

    /// Swaps the file under the ledger for one that refuses to be written.
    fn break_file(ledger: &LedgerFiles, dir: &Path) -> Arc<File> {
        let read_only = File::open(file_path(dir, 1)).unwrap();
        std::mem::replace(&mut ledger.shared.lock().file, Arc::new(read_only))
    }

    #[test]
    fn rows_that_the_disk_refused_are_written_once_it_recovers() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = LedgerFiles::open(dir.path()).unwrap();
        ledger.record(&lease(1));
        let whole = break_file(&ledger, dir.path());
        ledger.record(&lease(2));
        ledger.record(&lease(3));
        assert_eq!(recorded(&ledger), [1]);
        ledger.shared.lock().file = whole;
        ledger.record(&lease(4));
        ledger.close();
        assert_eq!(recorded(&ledger), [1, 2, 3, 4]);
        assert_eq!(ledger.rows_lost(), 0);
    }

    #[test]
    fn the_backlog_is_bounded_and_its_overflow_counted() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = LedgerFiles::open(dir.path()).unwrap();
        let _whole = break_file(&ledger, dir.path());
        // Stops the background from taking the backlog while it is looked at.
        ledger.close();
        let row_bytes = row::encode(&lease(1)).len();
        let fit = BACKLOG_BYTES_MAX / row_bytes;
        for _ in 0..fit + 5 {
            ledger.record(&lease(1));
        }
        assert_eq!(ledger.rows_lost(), 5);
        assert_eq!(ledger.shared.lock().backlog.len(), fit * row_bytes);
    }
}
