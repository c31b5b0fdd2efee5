//! Logs: per group, append-only files of bounded size together; the oldest go first. Groups outlive functions.
//!
//! [`LogFiles::append`] only queues; one thread writes. When the queue is full, events are dropped and counted,
//! and the group gets a line that says so. Reading sees all that was appended before; following is live, and a
//! follower that is too slow is told how much it missed. A group costs memory while it is written to or
//! followed, and none at rest. Events survive the end of the process once they are written, within milliseconds;
//! nothing of this is synced, since a log of a function is not worth the disk's time. What customers put is
//! ([`LogFiles::put`]): it is on the disk when they are answered.

mod follow;
mod group;
mod line;
mod onward;
mod queue;
mod read;
mod search;
mod writer;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use model::arn::Scope;
use model::limits;
use model::log::{LogEvent, LogGroup, Mark};
use model::port::LogSink;
use model::time::Timestamp;

use tokio::sync::{Notify, oneshot};

use crate::disk::create_private_dir;

pub use follow::{Followed, Follower};
pub use onward::Onward;
pub use search::{Direction, Found, GroupSize, Page, Place, Search, StreamSpan, Wanted};

use follow::Followers;
use onward::Bells;
use queue::{Batch, Order, Queue, What};

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
    /// Events come faster than the disk takes them.
    #[error("more events are waiting to be written than the server takes; try again")]
    Full,
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
    bells: Bells,
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
            bells: Bells::default(),
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

    /// Appends events, which are on the disk itself when this returns.
    ///
    /// # Errors
    /// [`LogError::Full`]; [`LogError::Io`], and then none of the events is told to be there.
    pub async fn put(
        &self,
        group: &LogGroup,
        events: Vec<LogEvent>,
        taken: Timestamp,
    ) -> Result<(), LogError> {
        self.order(group, events, What::Sync(taken)).await
    }

    /// Deletes all events of a stream.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn end_stream(&self, group: &LogGroup, stream: &str, at: Timestamp) -> Result<(), LogError> {
        self.order(group, Vec::new(), What::EndStream(stream.to_owned(), at)).await
    }

    /// Deletes a group; what is written to it later makes it anew.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn delete(&self, group: &LogGroup) -> Result<(), LogError> {
        self.order(group, Vec::new(), What::Delete).await
    }

    /// Removes a group's files in which nothing is younger.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn expire(&self, group: &LogGroup, before: Timestamp) -> Result<(), LogError> {
        self.order(group, Vec::new(), What::Expire(before)).await
    }

    async fn order(&self, group: &LogGroup, events: Vec<LogEvent>, what: What) -> Result<(), LogError> {
        let (done, answer) = oneshot::channel();
        let order = Some(Order { what, done });
        self.shared
            .queue
            .order(Batch { group: Arc::new(group.clone()), events, order })
            .map_err(|_| LogError::Full)?;
        let path = || group::dir_of(&self.shared.dir, group);
        let failed = |source| LogError::Io { operation: "write", path: path(), source };
        answer.await.map_err(|_| LogError::Stopping)?.map_err(failed)
    }

    /// The groups of an account and a region that have been written to.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub async fn groups(&self, scope: &Scope) -> Result<Vec<GroupSize>, LogError> {
        let scope = scope.clone();
        self.reading(move |logs| search::groups(logs, &scope)).await
    }

    /// One group, if it has been written to.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub async fn group(&self, group: &LogGroup) -> Result<Option<GroupSize>, LogError> {
        let group = group.clone();
        self.reading(move |logs| search::group(logs, &group)).await
    }

    /// The streams of a group that have events since a time and are wanted.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub async fn streams(
        &self,
        group: &LogGroup,
        since: Timestamp,
        wanted: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<BTreeMap<Arc<str>, StreamSpan>, LogError> {
        let group = group.clone();
        self.reading(move |logs| search::streams(&group::dir_of(logs, &group), since, wanted)).await
    }

    /// A page of a group's events, oldest first.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub async fn search(&self, group: &LogGroup, what: Search) -> Result<Page, LogError> {
        let group = group.clone();
        self.reading(move |logs| search::search(&group::dir_of(logs, &group), &what)).await
    }

    /// The same, for a thread that may wait for the disk and has time.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn search_here(&self, group: &LogGroup, what: &Search) -> Result<Page, LogError> {
        self.shared.read(|logs| search::search(&group::dir_of(logs, group), what))
    }

    /// Where a group ends now, in the order in which it is written.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub async fn end(&self, group: &LogGroup) -> Result<Mark, LogError> {
        let group = group.clone();
        let end = self.reading(move |logs| group::end_of(&group::dir_of(logs, &group))).await?;
        Ok(Mark { file: end.number, offset: end.len })
    }

    /// What was written to a group behind a mark, about `bytes` of it.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub async fn onward(&self, group: &LogGroup, from: Mark, bytes: u64) -> Result<Onward, LogError> {
        let group = group.clone();
        self.reading(move |logs| onward::onward(&group::dir_of(logs, &group), from, bytes)).await
    }

    /// What rings whenever the group has been written to, until it is dropped.
    #[must_use]
    pub fn bell(&self, group: &LogGroup) -> Arc<Notify> {
        self.shared.bells.hang(group)
    }

    async fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, LogError> {
        self.blocking(move |shared| shared.read(read)).await
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

impl Shared {
    /// Reads when all that was queued before is written.
    fn read<T>(&self, read: impl FnOnce(&Path) -> io::Result<T>) -> Result<T, LogError> {
        self.queue.wait_until_written();
        let failed = |source| LogError::Io { operation: "read", path: self.dir.clone(), source };
        read(&self.dir).map_err(failed)
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
