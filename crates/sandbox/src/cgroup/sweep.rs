//! Removal of everything under this instance's parent cgroups, whoever left it there.
//!
//! Used twice: at start, for what a double crash left behind, and at the end by the aide, which outlives
//! the keeper. Works from directory listings alone, so it needs no memory of what was made. Every wait
//! has a bound; what cannot be removed in time is left to the next start.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Layout, write};

/// Longest wait for killed processes to be gone.
const EMPTY_DEADLINE: Duration = Duration::from_secs(5);
/// Between two looks at a group whose processes are ending.
const LOOK_AGAIN_MS: i64 = 2;

impl Layout {
    /// Kills and removes every group of this instance, but keeps the parents.
    pub(crate) fn sweep(&self) {
        for parent in self.parents() {
            for child in children(parent) {
                kill_all(&child);
            }
        }
        let deadline = Instant::now() + EMPTY_DEADLINE;
        for parent in self.parents() {
            for child in children(parent) {
                remove_when_empty(&child, deadline);
            }
        }
    }

    /// As [`sweep`](Self::sweep), and the parents too.
    pub(crate) fn sweep_whole(&self) {
        self.sweep();
        for parent in self.parents() {
            // A leftover keeps its parent; the next start finds both.
            drop(fs::remove_dir(parent));
        }
    }
}

fn children(parent: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|e| e.path())
        .collect()
}

/// Each write and signal may find its target gone already, which is what is wanted.
fn kill_all(group: &Path) {
    drop(write(&group.join("freezer.state"), "THAWED"));
    if write(&group.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    let processes = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    for pid in processes.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0) {
        drop(crate::sys::kill(pid, libc::SIGKILL));
    }
}

fn remove_when_empty(group: &Path, deadline: Instant) {
    loop {
        match fs::remove_dir(group) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline => {
                kill_all(group);
                crate::sys::pause_ms(LOOK_AGAIN_MS);
            }
            _ => return,
        }
    }
}
