//! Watching code folders and deploying what changed.
//!
//! One thread does all of it, through the server's own API like any other client. Changes are gathered until the
//! folder has been quiet for a moment, so that saving many files deploys once; when more happens than the queue
//! holds, everything is looked at again, and what is unchanged costs nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use cli::client::Client;
use cli::deployment::{Action, Deployed, Plan, Unwatched};
use cli::package::{Settings, is_function_folder, is_skipped};
use cli::{CliError, Output, Tone, counted, human_bytes, human_duration};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

/// Changes waiting to be looked at.
const CHANGES_MAX: usize = 4_096;
/// How long a folder must be quiet before it is deployed.
const QUIET: Duration = Duration::from_millis(120);
/// How long changes are gathered at most.
const GATHER_MAX: Duration = Duration::from_secs(2);

/// A developer's folder and the server that gets it.
pub(super) struct Workshop {
    dir: PathBuf,
    data_dir: PathBuf,
    client: Client,
    output: Output,
}

/// What the file system says, from the watcher's thread.
struct Changes {
    queue: Receiver<PathBuf>,
    overflowed: Arc<AtomicBool>,
    /// Held because dropping it ends the watching.
    _watcher: RecommendedWatcher,
}

impl Workshop {
    pub(super) fn new(dir: PathBuf, data_dir: PathBuf, client: Client, output: Output) -> Self {
        Self { dir, data_dir, client, output }
    }

    /// Deploys everything, then what changes, for as long as the process lives.
    pub(super) fn run(self) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return self.say(&format!("cannot watch {}: {error}", self.dir.display())),
        };
        // Watching begins before the first look, so that nothing falls between the two.
        let changes = Changes::watch(&self.dir);
        let folders = self.all_folders();
        if folders.is_empty() {
            let dir = self.dir.display();
            self.say(&format!(
                "no functions in {dir} yet; a folder with a dormouse.toml or a handler is one"
            ));
        }
        for folder in folders {
            runtime.block_on(self.deploy(&folder));
        }
        let changes = match changes {
            Ok(changes) => changes,
            Err(error) => {
                let dir = self.dir.display();
                return self.say(&format!("changes in {dir} will not be noticed: {error}"));
            }
        };
        while let Some(changed) = self.gather(&changes) {
            for folder in changed {
                runtime.block_on(self.deploy(&folder));
            }
        }
    }

    /// The function folders here: the folder itself, or those in it.
    fn all_folders(&self) -> BTreeSet<PathBuf> {
        if is_function_folder(&self.dir) {
            return BTreeSet::from([self.dir.clone()]);
        }
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        entries.filter_map(|entry| self.folder_of(&entry.path())).collect()
    }

    /// The function folder that a path belongs to, if any.
    fn folder_of(&self, path: &Path) -> Option<PathBuf> {
        let inside = path.strip_prefix(&self.dir).ok()?;
        let tool_state = |part: &std::ffi::OsStr| part.to_str().is_some_and(is_skipped);
        if path.starts_with(&self.data_dir) || inside.iter().any(tool_state) {
            return None;
        }
        if is_function_folder(&self.dir) {
            return Some(self.dir.clone());
        }
        let folder = self.dir.join(inside.iter().next()?);
        (folder.is_dir() && is_function_folder(&folder)).then_some(folder)
    }

    /// Waits for a change, then until it is quiet; gives the function folders concerned. `None` when watching has
    /// ended.
    fn gather(&self, changes: &Changes) -> Option<BTreeSet<PathBuf>> {
        // Looked at when it is quiet: a new folder is empty at first.
        let mut touched = BTreeSet::from([changes.queue.recv().ok()?]);
        let begun = Instant::now();
        while begun.elapsed() < GATHER_MAX {
            match changes.queue.recv_timeout(QUIET) {
                Ok(path) => drop(touched.insert(path)),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        if changes.overflowed.swap(false, Ordering::Relaxed) {
            return Some(self.all_folders());
        }
        Some(touched.iter().filter_map(|path| self.folder_of(path)).collect())
    }

    async fn deploy(&self, folder: &Path) {
        match self.try_deploy(folder).await {
            Ok((name, deployed)) if deployed.action == Action::Unchanged => {
                tracing::debug!(%name, "unchanged");
            }
            Ok((name, deployed)) => self.say(&format!(
                "{} {} in {} ({}, {}, {})",
                self.output.paint_err(Tone::Strong, &name),
                self.output.paint_err(Tone::Good, deployed.action.as_str()),
                human_duration(deployed.elapsed),
                deployed.function.runtime.as_deref().unwrap_or("no runtime"),
                counted(deployed.files, "file"),
                human_bytes(deployed.zip_bytes),
            )),
            Err(error) => {
                self.say(&format!("{} is not deployed:", folder.display()));
                self.output.error(&error);
            }
        }
    }

    async fn try_deploy(&self, folder: &Path) -> Result<(String, Deployed), CliError> {
        let plan = Plan::new(folder, Settings::default())?.following_code();
        let deployed = plan.deploy(&self.client, &mut Unwatched).await?;
        Ok((plan.name.to_string(), deployed))
    }

    fn say(&self, text: &str) {
        self.output.note(text);
    }
}

impl Changes {
    fn watch(dir: &Path) -> Result<Self, notify::Error> {
        let (sender, queue) = sync_channel(CHANGES_MAX);
        let overflowed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&overflowed);
        let mut watcher = notify::recommended_watcher(move |event| pass_on(event, &sender, &flag))?;
        watcher.watch(dir, RecursiveMode::Recursive)?;
        Ok(Self { queue, overflowed, _watcher: watcher })
    }
}

/// Passes a change on. Reading is none: packing reads every file, and would otherwise set itself off.
fn pass_on(event: notify::Result<notify::Event>, sender: &SyncSender<PathBuf>, overflowed: &AtomicBool) {
    let Ok(event) = event else {
        overflowed.store(true, Ordering::Relaxed);
        return;
    };
    if event.kind.is_access() {
        return;
    }
    if event.need_rescan() || event.paths.iter().any(|path| sender.try_send(path.clone()).is_err()) {
        overflowed.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use cli::client::Endpoint;

    use super::*;

    fn workshop(files: &[&str]) -> (tempfile::TempDir, Workshop) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for name in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, "def handler(event, context):\n    return event\n").expect("written");
        }
        let endpoint = Endpoint::parse("http://127.0.0.1:1").expect("an address");
        let client = Client::new(endpoint, "us-east-1".to_owned(), None);
        let root = dir.path().canonicalize().expect("real");
        let workshop = Workshop::new(root.clone(), root.join(".dormouse"), client, Output::detect(false));
        (dir, workshop)
    }

    #[test]
    fn the_folder_itself_or_the_folders_in_it() {
        let (_dir, one) = workshop(&["app.py", "sub/app.py"]);
        assert_eq!(one.all_folders(), BTreeSet::from([one.dir.clone()]));
        assert_eq!(one.folder_of(&one.dir.join("sub/app.py")), Some(one.dir.clone()));

        let (_dir, many) = workshop(&["a/app.py", "b/app.py", "docs/readme.md", ".dormouse/code/x/app.py"]);
        assert_eq!(many.all_folders(), BTreeSet::from([many.dir.join("a"), many.dir.join("b")]));
        assert_eq!(many.folder_of(&many.dir.join("a/lib/x.py")), Some(many.dir.join("a")));
        for nobodys in ["docs/readme.md", ".dormouse/code/x/app.py", "a/__pycache__/app.pyc", "c/app.py"] {
            assert_eq!(many.folder_of(&many.dir.join(nobodys)), None, "{nobodys}");
        }
    }

    #[test]
    fn a_change_is_noticed_and_reading_is_not() {
        let (_dir, workshop) = workshop(&["a/app.py", "b/app.py"]);
        let changes = Changes::watch(&workshop.dir).expect("watched");
        std::fs::read(workshop.dir.join("b/app.py")).expect("read");
        std::fs::write(workshop.dir.join("a/app.py"), "def handler(e, c): return 2\n").expect("written");
        assert_eq!(workshop.gather(&changes), Some(BTreeSet::from([workshop.dir.join("a")])));
    }
}
