//! One keeper at a time for each work directory: the next one begins only when all of the last one has ended.
//!
//! A server that dies leaves its keeper and the aides behind for a moment, in which they remove everything that
//! bears the instance's name. A successor that began at once would lose its own cgroups to them. So keeper and
//! aides share one lock, inherited when they are forked; the kernel releases it with the last of them, however
//! they end. The lock is on the directory itself: there is no file to make in a place that the server's user owns.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::report;
use crate::error::KeeperError;
use crate::sys;

/// What an earlier keeper and its aides may take at the worst: their own bounds for ending, added up.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(30);
/// Whoever waits longer than this is told why.
const QUIET_MAX: Duration = Duration::from_millis(500);
/// Between two attempts.
const LOOK_AGAIN_MS: i64 = 2;

/// Held by a keeper and each of its aides, and by nobody else.
#[derive(Debug)]
pub(super) struct Turn(pub(super) File);

/// Waits until no earlier keeper or aide of this work directory runs any more.
///
/// # Errors
/// [`KeeperError::Earlier`] when one still runs after `limit`, [`KeeperError::WorkDir`] when the directory
/// cannot be made or locked.
pub(super) fn take(work_dir: &Path, limit: Duration) -> Result<Turn, KeeperError> {
    let failed = |source| KeeperError::WorkDir { path: work_dir.to_owned(), source };
    fs::create_dir_all(work_dir).map_err(failed)?;
    let directory = File::open(work_dir).map_err(failed)?;
    let (start, mut told) = (Instant::now(), false);
    loop {
        match directory.try_lock() {
            Ok(()) => return Ok(Turn(directory)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) => {}
        }
        let waited = start.elapsed();
        if waited >= limit {
            let holders = holders(&directory);
            return Err(KeeperError::Earlier { holders, seconds: limit.as_secs() });
        }
        if waited >= QUIET_MAX && !told {
            report(&format!("waits for the end of an earlier one: {}", holders(&directory)));
            told = true;
        }
        sys::pause_ms(LOOK_AGAIN_MS);
    }
}

/// Every other process that has the directory open, as far as this user may see.
fn holders(directory: &File) -> String {
    let Some(wanted) = directory.metadata().ok().map(|found| identity(&found)) else { return String::new() };
    let own = std::process::id().to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let holding = processes.filter(|process| {
        let is_process = process.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok());
        is_process && process.file_name() != OsStr::new(&own) && has_open(&process.path(), wanted)
    });
    let named: Vec<String> = holding
        .map(|process| {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            format!("process {} ({})", process.file_name().display(), name.trim_end())
        })
        .collect();
    if named.is_empty() { "a process that cannot be seen from here".into() } else { named.join(", ") }
}

fn has_open(process: &Path, wanted: (u64, u64)) -> bool {
    let files = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    // Through the link to the open file itself, wherever its path may lead by now.
    files.filter_map(|file| fs::metadata(file.path()).ok()).any(|found| identity(&found) == wanted)
}

fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_ends_with_the_last_holder() {
        let dir = tempfile::tempdir().unwrap();
        let first = take(dir.path(), Duration::ZERO).unwrap();
        let inherited = first.0.try_clone().unwrap();
        drop(first);
        let refused = take(dir.path(), Duration::from_millis(1)).unwrap_err();
        assert!(matches!(refused, KeeperError::Earlier { .. }), "{refused}");
        drop(inherited);
        // A test beside this one may be forking, and its child holds a copy until it executes.
        take(dir.path(), Duration::from_secs(10)).unwrap();
    }

    #[test]
    fn whoever_holds_it_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let turn = take(dir.path(), Duration::ZERO).unwrap();
        let mut other =
            std::process::Command::new("sleep").arg("60").stdin(turn.0.try_clone().unwrap()).spawn().unwrap();
        drop(turn);
        let refused = take(dir.path(), Duration::from_millis(1)).unwrap_err().to_string();
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(refused.contains(&format!("process {} (", other.id())), "{refused}");
    }

    #[test]
    fn a_place_that_cannot_be_a_directory_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = take(file.path(), Duration::ZERO).unwrap_err().to_string();
        assert!(refused.contains(&*file.path().to_string_lossy()), "{refused}");
    }
}
