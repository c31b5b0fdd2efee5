//! The audit log: one line for each call that was to be kept, in files that are appended to and never changed.
//!
//! ```text
//! DIR/audit-000001.jsonl   the oldest that is left
//! DIR/audit-000002.jsonl   the one that is written
//! ```
//!
//! One thread writes. Who has a line to keep never waits for the disk: when the line cannot be taken it is dropped, and
//! the next one that is written is preceded by how many were. Files are bounded in size and number; the oldest goes.
//! Lines are as durable as the page cache, and synced when a file is full or the log is closed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use model::port::AuditSink;

use crate::disk::create_private_dir;

/// A file is closed when it is this large.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Files kept.
const FILES_MAX: usize = 16;
/// Lines that wait for the writer.
const WAITING_MAX: usize = 1_024;

/// Why the log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("could not open the audit log {path}")]
pub struct AuditError {
    path: PathBuf,
    source: io::Error,
}

/// See the module's description. Dropping it writes what waits.
#[derive(Debug)]
pub struct AuditFiles {
    lines: Mutex<Option<SyncSender<String>>>,
    dropped: Arc<AtomicU64>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl AuditFiles {
    /// Opens the log in a directory, which is made if it is missing.
    ///
    /// # Errors
    /// [`AuditError`] when it cannot be made or read.
    pub fn open(dir: &Path) -> Result<Self, AuditError> {
        Self::open_bounded(dir, FILE_BYTES_MAX, FILES_MAX)
    }

    fn open_bounded(dir: &Path, file_bytes_max: u64, files_max: usize) -> Result<Self, AuditError> {
        let failed = |source| AuditError { path: dir.to_owned(), source };
        create_private_dir(dir).map_err(failed)?;
        let number = numbers(dir).map_err(failed)?.pop().unwrap_or(1);
        let file = append_to(dir, number).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let dropped = Arc::new(AtomicU64::new(0));
        let files = Files { dir: dir.to_owned(), file, number, bytes, file_bytes_max, files_max };
        let (lines, waiting) = sync_channel(WAITING_MAX);
        let counted = Arc::clone(&dropped);
        let writer = std::thread::Builder::new().name("audit".to_owned());
        let writer = writer.spawn(move || files.write_all(&waiting, &counted)).map_err(failed)?;
        Ok(Self { lines: Mutex::new(Some(lines)), dropped, writer: Mutex::new(Some(writer)) })
    }

    /// Writes what waits, and takes no more.
    pub fn close(&self) {
        drop(self.lines.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("writing the audit log broke off");
        }
    }
}

impl AuditSink for AuditFiles {
    fn keep(&self, line: String) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.as_ref().is_none_or(|lines| lines.try_send(line).is_err()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for AuditFiles {
    fn drop(&mut self) {
        self.close();
    }
}

struct Files {
    dir: PathBuf,
    file: File,
    number: u64,
    bytes: u64,
    file_bytes_max: u64,
    files_max: usize,
}

impl Files {
    fn write_all(mut self, lines: &Receiver<String>, dropped: &AtomicU64) {
        for line in lines {
            let lost = dropped.swap(0, Ordering::Relaxed);
            let gap = if lost == 0 { String::new() } else { format!("{{\"droppedEvents\":{lost}}}\n") };
            if let Err(error) = self.write(&format!("{gap}{line}\n")) {
                // Said in the log of the server, for want of a better place; the next line tries again.
                tracing::error!(dir = %self.dir.display(), %error, "a line of the audit log could not be written");
                dropped.fetch_add(lost + 1, Ordering::Relaxed);
            }
        }
        if let Err(error) = self.file.sync_data() {
            tracing::error!(dir = %self.dir.display(), %error, "the audit log could not be synced");
        }
    }

    fn write(&mut self, lines: &str) -> io::Result<()> {
        if self.bytes >= self.file_bytes_max {
            self.turn()?;
        }
        self.file.write_all(lines.as_bytes())?;
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Begins a new file and removes the oldest.
    fn turn(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.file = append_to(&self.dir, self.number + 1)?;
        (self.number, self.bytes) = (self.number + 1, 0);
        let numbers = numbers(&self.dir)?;
        let surplus = numbers.len().saturating_sub(self.files_max);
        numbers.iter().take(surplus).try_for_each(|number| fs::remove_file(path(&self.dir, *number)))
    }
}

fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("audit-{number:06}.jsonl"))
}

fn append_to(dir: &Path, number: u64) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path(dir, number))
}

/// The numbers of all files, smallest first; others' files are left alone.
fn numbers(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("audit-")?.strip_suffix(".jsonl"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(dir: &Path) -> Vec<String> {
        let texts =
            numbers(dir).unwrap().into_iter().map(|number| fs::read_to_string(path(dir, number)).unwrap());
        texts.collect()
    }

    #[test]
    fn lines_are_kept_over_restarts_in_bounded_files() {
        let data = tempfile::tempdir().unwrap();
        let dir = data.path().join("audit");
        for run in 0..3 {
            let log = AuditFiles::open_bounded(&dir, 10, 2).unwrap();
            (0..2).for_each(|line| log.keep(format!("line {run}.{line}")));
        }
        // A line that would not fit whole begins the next file only once one is full.
        assert_eq!(all(&dir), ["line 1.0\nline 1.1\n", "line 2.0\nline 2.1\n"]);
    }

    #[test]
    fn what_comes_after_the_end_is_counted_and_not_waited_for() {
        let data = tempfile::tempdir().unwrap();
        let log = AuditFiles::open(data.path()).unwrap();
        log.keep("one".to_owned());
        log.close();
        log.keep("two".to_owned());
        assert_eq!(log.dropped.load(Ordering::Relaxed), 1);
        assert_eq!(all(data.path()), ["one\n"]);
    }
}
