//! Logs: per group, append-only files of bounded size together; the oldest go first. Groups outlive functions.
//!
//! [`LogFiles::append`] only queues; one thread writes. When the queue is full, events are dropped and counted,
//! and the group gets a line that says so. Reading sees all that was appended before; following is live, and a
//! follower that is too slow is told how much it missed. A group costs memory while it is written to or
//! followed, and none at rest. Events survive the end of the process once they are written, within milliseconds;
//! nothing is synced, since a log is not worth the disk's time.

mod follow;
mod group;
mod line;
mod queue;
mod read;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use model::limits;
use model::log::{LogEvent, LogGroup};
use model::port::LogSink;
use model::time::Timestamp;

use crate::disk::create_private_dir;

pub use follow::{Followed, Follower};

use follow::Followers;
use queue::Queue;

/// The stream of the lines by which a group learns of dropped events.
pub const OWN_STREAM: &str = "dormouse";
/// Followers of all groups together.
pub const FOLLOWERS_MAX: usize = 256;
/// Message bytes that one call of [`LogFiles::read`] returns at most.
pub const READ_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How much of everything is kept.
#[derive(Debug, Clone, Copy)]
pub struct LogBounds {
    /// On disk, per group.
    pub group_bytes_max: u64,
    /// On disk, per file of a group: what is dropped at once.
    pub file_bytes_max: u64,
    /// In memory, waiting to be written, all groups together. As much again may be in the writer's hands.
    pub queue_bytes_max: usize,
    /// In memory, per follower.
    pub follower_bytes_max: usize,
    /// Files open at the same time.
    pub open_groups_max: usize,
}

impl Default for LogBounds {
    fn default() -> Self {
        Self {
            group_bytes_max: limits::LOG_GROUP_BYTES_MAX,
            file_bytes_max: limits::LOG_GROUP_BYTES_MAX / 8,
            queue_bytes_max: 16 * 1024 * 1024,
            follower_bytes_max: 1024 * 1024,
            open_groups_max: 64,
        }
    }
}

/// Why logs were not opened, read or followed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk failed.
    #[error("could not {operation} the log in {path}")]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There are [`FOLLOWERS_MAX`] followers already.
    #[error("logs are followed {FOLLOWERS_MAX} times already; end one of them first")]
    TooManyFollowers,
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

/// All logs, as files below one folder.
#[derive(Debug)]
pub struct LogFiles {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    bounds: LogBounds,
    queue: Queue,
    followers: Arc<Followers>,
}

impl LogFiles {
    /// Keeps logs in `dir`, which is created if missing.
    pub fn open(dir: &Path) -> Result<Self, LogError> {
        Self::open_bounded(dir, LogBounds::default())
    }

    /// As [`LogFiles::open`], with other bounds.
    pub fn open_bounded(dir: &Path, bounds: LogBounds) -> Result<Self, LogError> {
        let failed = |source| LogError::Io { operation: "make room for", path: dir.to_owned(), source };
        create_private_dir(dir).map_err(failed)?;
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            bounds,
            queue: Queue::new(bounds.queue_bytes_max),
            followers: Arc::new(Followers::new(bounds.follower_bytes_max)),
        });
        let writing = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || writer::run(&writing))
            .map_err(failed)?;
        Ok(Self { shared, writer: Mutex::new(Some(writer)) })
    }

    /// The newest events of a group that are not older than `since`, oldest first: at most `limit`, and at most
    /// [`READ_BYTES_MAX`] of messages. A group that never was has none.
    pub async fn read(
        &self,
        group: &LogGroup,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<LogEvent>, LogError> {
        let dir = group::dir_of(&self.shared.dir, group);
        self.blocking(move |shared| {
            shared.queue.wait_until_written();
            read::newest(&dir, since, limit, None)
        })
        .await
    }

    /// All events of a group from now on. The follower also ends with the server.
    pub async fn follow(&self, group: &LogGroup) -> Result<Follower, LogError> {
        let (_, follower) = self.follow_from(group, Timestamp::default(), 0).await?;
        Ok(follower)
    }

    /// What [`LogFiles::read`] gives, and a follower that goes on exactly where that ends.
    pub async fn follow_from(
        &self,
        group: &LogGroup,
        since: Timestamp,
        limit: usize,
    ) -> Result<(Vec<LogEvent>, Follower), LogError> {
        let dir = group::dir_of(&self.shared.dir, group);
        let group = group.clone();
        self.blocking(move |shared| {
            shared.queue.wait_until_written();
            let (end, follower) = shared.followers.follow(&group, || group::end_of(&dir))?;
            Ok((read::newest(&dir, since, limit, Some(end))?, follower))
        })
        .await
    }

    /// Events dropped since the start because the disk could not keep up or failed.
    #[must_use]
    pub fn events_dropped(&self) -> u64 {
        self.shared.queue.events_dropped()
    }

    /// Writes what is queued, ends all followers and the writer. Blocks on the disk. Events appended later are
    /// dropped.
    pub fn close(&self) {
        self.shared.queue.stop();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the writer of the logs had panicked");
        }
        self.shared.followers.end();
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || work(&shared)).await.unwrap_or(Err(LogError::Stopping))
    }
}

impl LogSink for LogFiles {
    fn append(&self, group: &Arc<LogGroup>, events: Vec<LogEvent>) {
        self.shared.queue.push(group, events);
    }
}

impl Drop for LogFiles {
    fn drop(&mut self) {
        self.close();
    }
}
