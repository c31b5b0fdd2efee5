//! Our own side of a language on the disk: the files that are mounted at `/var/runtime`, written once per content,
//! and prepared once for each interpreter while the folder can still be written.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::CatalogueError;
use super::find::{self, Interpreter};
use super::manifest::{Folder, Manifest, fill};

/// A preparation compiles a dozen files.
const PREPARE_TIME_MAX: Duration = Duration::from_secs(60);

/// A language whose files are on the disk.
pub(super) struct Bootstrap {
    pub manifest: Manifest,
    /// What is mounted.
    pub dir: PathBuf,
}

impl Bootstrap {
    /// Writes the language's files to a directory below `dir` named by their content.
    pub(super) fn install(folder: Folder, dir: &Path) -> Result<Self, CatalogueError> {
        let mut hash = Sha256::new();
        for (path, contents) in &folder.files {
            hash.update(path.as_os_str().as_encoded_bytes());
            hash.update(contents);
        }
        let digest: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let target = dir.join(format!("{}-{digest}", folder.name));
        let complete = target.join(".complete");
        if !complete.exists() {
            for (path, contents) in &folder.files {
                write(&target.join(path), contents)?;
            }
            write(&complete, b"")?;
        }
        Ok(Self { manifest: folder.manifest, dir: target })
    }

    /// Runs the language's preparation once for an interpreter: a sandbox could not keep its result. A failure
    /// only costs time at each cold start.
    pub(super) fn prepare_for(&self, interpreter: &Interpreter) {
        let stamp = self.dir.join(stamp_of(&interpreter.path));
        if self.manifest.start.prepare.is_empty() || stamp.exists() {
            return;
        }
        let mut values = interpreter.values(Path::to_owned);
        values.push(("{runtime_dir}", self.dir.to_string_lossy().into_owned()));
        let command: Vec<_> = self.manifest.start.prepare.iter().map(|text| fill(text, &values, 0)).collect();
        match find::run(&command, interpreter.user, PREPARE_TIME_MAX) {
            Ok(status) if status.success() => drop(fs::write(&stamp, b"")),
            other => {
                tracing::warn!(interpreter = %interpreter.path.display(), ?other, "cannot prepare the bootstrap");
            }
        }
    }
}

/// Names an interpreter as it is now: after an upgrade in its place it is prepared for anew.
fn stamp_of(interpreter: &Path) -> String {
    let name = interpreter.to_string_lossy().replace('/', "-");
    let changed = fs::metadata(interpreter).map_or(0, |metadata| metadata.mtime());
    format!(".prepared{name}-{changed}")
}

fn write(path: &Path, contents: &[u8]) -> Result<(), CatalogueError> {
    let written: io::Result<()> =
        path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, contents));
    written.map_err(|source| CatalogueError::Write { path: path.to_owned(), source })
}
