//! What happens to the newest ledger file after a crash: a row that was being written may be torn, and after a
//! power failure the last unsynced second may be missing or zeroes. Everything behind the last row with a right
//! sum is cut; a damaged row before that is counted and left where it is.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{LedgerError, row};

/// What opening the ledger found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// The file looked at, if there was one.
    pub file: Option<PathBuf>,
    /// Bytes of torn rows cut from its end.
    pub bytes_cut: u64,
    /// Damaged rows that are left in its middle.
    pub rows_unreadable: u64,
}

/// Checks every sum in the file and cuts what follows the last good row.
pub(super) fn cut_torn_end(path: &Path) -> Result<Recovery, LedgerError> {
    let failed = |source| LedgerError::Io { operation: "recover", path: path.to_owned(), source };
    let mut lines = Lines::open(path, u64::MAX).map_err(failed)?;
    let (mut good_end, mut bad, mut bad_since_good) = (0, 0, 0);
    while let Some(line) = lines.next().map_err(failed)? {
        if line.whole && row::verify(line.bytes).is_some() {
            bad += bad_since_good;
            bad_since_good = 0;
            good_end = lines.at;
        } else if !line.bytes.is_empty() {
            bad_since_good += 1;
        }
    }
    let bytes_cut = lines.at - good_end;
    if bytes_cut > 0 {
        let cut = OpenOptions::new().write(true).open(path).and_then(|file| {
            file.set_len(good_end)?;
            file.sync_all()
        });
        cut.map_err(failed)?;
    }
    let recovery = Recovery { file: Some(path.to_owned()), bytes_cut, rows_unreadable: bad };
    if bytes_cut > 0 || bad > 0 {
        tracing::warn!(path = %path.display(), bytes_cut, rows_unreadable = bad, "the ledger was not whole");
    }
    Ok(recovery)
}

/// Reads a file line by line without ever holding more than one row of legal length.
#[derive(Debug)]
pub(super) struct Lines {
    input: BufReader<io::Take<File>>,
    line: Vec<u8>,
    /// Bytes consumed so far.
    pub(super) at: u64,
}

/// One line without its line feed.
pub(super) struct Line<'a> {
    pub(super) bytes: &'a [u8],
    /// It had a line feed and a legal length; else `bytes` is a part of it.
    pub(super) whole: bool,
}

impl Lines {
    /// Reads the first `len` bytes of the file.
    pub(super) fn open(path: &Path, len: u64) -> io::Result<Self> {
        let input = BufReader::with_capacity(64 * 1024, File::open(path)?.take(len));
        Ok(Self { input, line: Vec::new(), at: 0 })
    }

    /// The next line, or `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut whole = true;
        loop {
            let limit = row::ROW_BYTES_MAX as u64;
            let read = (&mut self.input).take(limit).read_until(b'\n', &mut self.line)?;
            self.at += read as u64;
            if read == 0 && self.line.is_empty() && whole {
                return Ok(None);
            }
            if self.line.last() == Some(&b'\n') {
                self.line.pop();
                return Ok(Some(Line { bytes: &self.line, whole }));
            }
            whole = false;
            if read == 0 || (read as u64) < limit {
                return Ok(Some(Line { bytes: &self.line, whole }));
            }
            // Longer than any row: skip on to its end, keeping only a sample.
            self.line.truncate(1);
        }
    }
}
