//! Layers of images are unpacked and removed by the keeper's porter, not by the server: their files belong to many
//! users, and the archives come from strangers. Here the two sides meet: what the porter runs, and what asks for it.
//!
//! An order and a report are each one small JSON object, since they pass through the keeper as text.

use std::fs::{self, File};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use model::id::Digest;
use sandbox::{Keeper, SandboxError};
use serde::{Deserialize, Serialize};
use services::image::unpack::{Bounds, Ownership, UnpackError, Unpacked, unpack_layer};
use services::image::{InProcess, LayerJob, Unpacker};
use services::oci::media_type::Compression;
use tokio::runtime::Handle;

/// The folder of a layer that the porter has made.
const TREE: &str = "fs";
/// Stands before the porter's words about a failure that is the machine's and not the layer's. Names from a layer are
/// escaped in such words, so none can hold it.
const LOCAL: &str = "\u{1}local\u{1}";
/// The same for a layer that is larger than it may be.
const LARGE: &str = "\u{1}large\u{1}";

#[derive(Serialize, Deserialize)]
struct Order {
    compression: Packing,
    diff_id: String,
    bytes_max: u64,
    entries_max: u64,
}

#[derive(Serialize, Deserialize)]
enum Packing {
    None,
    Gzip,
    Zstd,
}

#[derive(Serialize, Deserialize)]
struct Report {
    bytes: u64,
    entries: u64,
    devices: u64,
    kept_owners: bool,
}

/// What the porter runs, in a process that can reach nothing but the directory.
pub(crate) fn unpack(stream: OwnedFd, directory: BorrowedFd<'_>, order: &str) -> io::Result<String> {
    let order: Order = serde_json::from_str(order)?;
    let compression = match order.compression {
        Packing::None => Compression::None,
        Packing::Gzip => Compression::Gzip,
        Packing::Zstd => Compression::Zstd,
    };
    let diff_id = Digest::parse(&order.diff_id).map_err(io::Error::other)?;
    let bounds = Bounds { bytes_max: order.bytes_max, entries_max: order.entries_max };
    let unpacked =
        unpack_layer(File::from(stream), compression, diff_id, directory, &bounds).map_err(told)?;
    let report = Report {
        bytes: unpacked.bytes,
        entries: unpacked.entries,
        devices: unpacked.devices,
        kept_owners: unpacked.ownership == Ownership::Kept,
    };
    Ok(serde_json::to_string(&report)?)
}

/// A failure as text, with its causes.
fn told(error: UnpackError) -> io::Error {
    let mark = match &error {
        UnpackError::TooLarge { .. } => LARGE,
        error if error.is_local() => LOCAL,
        _ => "",
    };
    let mut text = format!("{mark}{error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    io::Error::other(text)
}

/// Asks the keeper's porter.
pub(crate) struct KeeperUnpacker {
    keeper: Keeper,
    runtime: Handle,
}

impl KeeperUnpacker {
    /// Must be called within the server's runtime, which the keeper is spoken to from.
    pub(crate) fn new(keeper: Keeper) -> Self {
        Self { keeper, runtime: Handle::current() }
    }

    fn remove_trees(&self, folder: &Path) -> io::Result<()> {
        for tree in trees(folder)? {
            // An empty one may be ours still.
            if fs::remove_dir(&tree).is_ok() {
                continue;
            }
            if let Err(error) = self.runtime.block_on(self.keeper.remove_tree(&tree)) {
                tracing::debug!(tree = %tree.display(), %error, "no tree of the porter's; the server removes it");
            }
        }
        Ok(())
    }
}

impl Unpacker for KeeperUnpacker {
    fn unpack(&self, job: LayerJob) -> Result<Unpacked, UnpackError> {
        let compression = match job.compression {
            Compression::None => Packing::None,
            Compression::Gzip => Packing::Gzip,
            Compression::Zstd => Packing::Zstd,
        };
        let order = Order {
            compression,
            diff_id: job.diff_id.to_string(),
            bytes_max: job.bounds.bytes_max,
            entries_max: job.bounds.entries_max,
        };
        let failed = |reason, is_local| UnpackError::Elsewhere { reason, is_local };
        let order = serde_json::to_string(&order).map_err(|error| failed(error.to_string(), true))?;
        let stream = OwnedFd::from(job.blob);
        let report = self.runtime.block_on(self.keeper.unpack(stream, &job.target, &order));
        let report = report.map_err(|error| match error {
            SandboxError::Unpack { reason, .. } if reason.contains(LARGE) => {
                UnpackError::TooLarge { limit_bytes: job.bounds.bytes_max }
            }
            SandboxError::Unpack { reason, .. } => match reason.split_once(LOCAL) {
                Some((_, reason)) => failed(reason.to_owned(), true),
                None => failed(reason, false),
            },
            other => failed(other.to_string(), true),
        })?;
        let report: Report =
            serde_json::from_str(&report).map_err(|error| failed(error.to_string(), true))?;
        Ok(Unpacked {
            bytes: report.bytes,
            entries: report.entries,
            devices: report.devices,
            ownership: if report.kept_owners { Ownership::Kept } else { Ownership::Flattened },
        })
    }

    fn remove(&self, folder: &Path) -> io::Result<()> {
        self.remove_trees(folder)?;
        InProcess.remove(folder)
    }
}

/// The porter's trees in a layer's folder, or in a folder of such folders.
fn trees(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut trees = vec![folder.join(TREE)];
    match fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries {
                trees.push(entry?.path().join(TREE));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    trees.retain(|tree| tree.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()));
    Ok(trees)
}
