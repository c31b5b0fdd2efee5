//! A disk that stops working after a number of operations and can then lose what was never synced.
//!
//! It works on a real directory, so that an ordinary store can look afterwards at what is left. Only what goes
//! through the `Disk` trait can fail here; for SQLite and the ledger see `full_disk`.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use dormouse_store::disk::{Disk, OsDisk};

/// Works on the real disk until `left` operations are done.
#[derive(Debug)]
pub(crate) struct FailingDisk {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    left: usize,
    /// Only one operation fails, the later ones work again.
    transient: bool,
    failed: bool,
    /// Files whose content is not synced.
    unsynced: HashSet<PathBuf>,
    /// Names that are not synced.
    unsynced_names: Vec<PathBuf>,
}

impl FailingDisk {
    /// Fails at operation `good + 1` and, unless `transient`, ever after.
    pub(crate) fn after(good: usize, transient: bool) -> Self {
        let state = State {
            left: good,
            transient,
            failed: false,
            unsynced: HashSet::new(),
            unsynced_names: Vec::new(),
        };
        Self { state: Mutex::new(state) }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.state.lock().unwrap().failed
    }

    /// What a power cut may do: unsynced content is half gone, and of the unsynced names those are gone that
    /// `lose` picks.
    pub(crate) fn cut_power(&self, mut lose: impl FnMut() -> bool) {
        let state = self.state.lock().unwrap();
        for path in &state.unsynced {
            if let Ok(file) = OpenOptions::new().write(true).open(path) {
                let len = file.metadata().unwrap().len();
                file.set_len(len / 2).unwrap();
            }
        }
        for path in &state.unsynced_names {
            if lose() {
                let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            }
        }
    }

    fn step(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        if state.left == 0 && !(state.transient && state.failed) {
            state.failed = true;
            return Err(io::Error::other("the disk has failed"));
        }
        state.left = state.left.saturating_sub(1);
        Ok(())
    }
}

impl Disk for FailingDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.step()?;
        OsDisk.create_dir(dir)?;
        self.state.lock().unwrap().unsynced_names.push(dir.to_owned());
        Ok(())
    }

    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.step() {
            // Half of it gets through, as with a real disk.
            let _ = OsDisk.create(path, &bytes[..bytes.len() / 2]);
            self.state.lock().unwrap().unsynced.insert(path.to_owned());
            return Err(error);
        }
        OsDisk.create(path, bytes)?;
        self.state.lock().unwrap().unsynced.insert(path.to_owned());
        Ok(())
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.state.lock().unwrap().unsynced.remove(path);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        OsDisk.rename(from, to)?;
        let mut state = self.state.lock().unwrap();
        if state.unsynced.remove(from) {
            state.unsynced.insert(to.to_owned());
        }
        state.unsynced_names.push(to.to_owned());
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.step()?;
        self.state.lock().unwrap().unsynced_names.retain(|path| path.parent() != Some(dir));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        OsDisk.remove(path)
    }
}
