//! Reading leases back. A row is amended by the last row with the same request id that follows in the same file
//! or the next; amendments come seconds after the row, a file holds hours or at least millions of bytes.
//!
//! Works file by file in two passes, ids first, so memory depends on the size of a file and not of the ledger.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};

use model::id::RequestId;
use model::lease::Lease;
use model::time::Timestamp;

use super::recover::Lines;
use super::{LedgerError, row};

/// For each request the last line of a file that is about it.
type LastLines = HashMap<RequestId, u64>;

/// Leases in the order of recording. A row that cannot be read is given as an error, and reading goes on
/// behind it.
#[derive(Debug)]
pub struct Leases {
    /// Files still to be begun, oldest first, each with the number of bytes to read.
    files: VecDeque<(PathBuf, u64)>,
    /// Ids of the first of `files`, if its ids pass has been made already.
    next_ids: Option<LastLines>,
    current: Option<Current>,
    since: Timestamp,
}

#[derive(Debug)]
struct Current {
    path: PathBuf,
    lines: Lines,
    /// Line last read, counted from 1.
    line: u64,
    ids: LastLines,
}

impl Leases {
    pub(super) fn new(files: Vec<(PathBuf, u64)>, since: Timestamp) -> Self {
        Self { files: files.into(), next_ids: None, current: None, since }
    }

    /// Begins the next file. `false` if there is none.
    fn begin_file(&mut self) -> Result<bool, LedgerError> {
        let Some((path, len)) = self.files.pop_front() else { return Ok(false) };
        let ids = match self.next_ids.take() {
            Some(ids) => ids,
            None => read_ids(&path, len)?,
        };
        self.next_ids = self.files.front().map(|(path, len)| read_ids(path, *len)).transpose()?;
        let lines = Lines::open(&path, len).map_err(|source| reading(&path, source))?;
        self.current = Some(Current { path, lines, line: 0, ids });
        Ok(true)
    }

    /// The next lease of the current file; `None` at its end.
    fn next_in_file(&mut self) -> Option<Result<Lease, LedgerError>> {
        let current = self.current.as_mut()?;
        loop {
            let line = match current.lines.next() {
                Ok(line) => line?,
                Err(source) => {
                    let failed = reading(&current.path, source);
                    self.current = None;
                    return Some(Err(failed));
                }
            };
            current.line += 1;
            if line.bytes.is_empty() {
                // What remains of a write that the disk refused half-way.
                continue;
            }
            let lease = if line.whole { row::verify(line.bytes).and_then(row::decode) } else { None };
            let Some(lease) = lease else {
                return Some(Err(LedgerError::UnreadableRow {
                    path: current.path.clone(),
                    line: current.line,
                }));
            };
            let amended = current.ids.get(&lease.request).is_some_and(|last| *last > current.line)
                || self.next_ids.as_ref().is_some_and(|ids| ids.contains_key(&lease.request));
            if !amended && lease.started >= self.since {
                return Some(Ok(lease));
            }
        }
    }
}

impl Iterator for Leases {
    type Item = Result<Lease, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.next_in_file() {
                return Some(item);
            }
            match self.begin_file() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn read_ids(path: &Path, len: u64) -> Result<LastLines, LedgerError> {
    let mut ids = LastLines::new();
    let mut lines = Lines::open(path, len).map_err(|source| reading(path, source))?;
    let mut number = 0;
    while let Some(line) = lines.next().map_err(|source| reading(path, source))? {
        number += 1;
        if let Some(request) = row::verify(line.bytes).and_then(row::request_of) {
            ids.insert(request, number);
        }
    }
    Ok(ids)
}

fn reading(path: &Path, source: std::io::Error) -> LedgerError {
    LedgerError::Io { operation: "read", path: path.to_owned(), source }
}
