//! Live followers of groups. The writer delivers without ever waiting: each follower has a bounded mailbox, and
//! where that is full the follower finds, in the right place, how many events it has missed.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::log::{LogEvent, LogGroup};
use tokio::sync::Notify;

use super::group::End;
use super::{FOLLOWERS_MAX, LogError};

/// What a follower is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// A new event.
    Event(Arc<LogEvent>),
    /// So many events were left out here because the follower was too slow.
    Lost(u64),
}

/// Receives the events of one group. Dropping it ends the delivery.
#[derive(Debug)]
pub struct Follower {
    group: LogGroup,
    mailbox: Arc<Mailbox>,
    followers: Arc<Followers>,
}

impl Follower {
    /// The next event, or `None` once the server is stopping and all has been delivered. Dropping the future
    /// loses nothing.
    pub async fn next(&mut self) -> Option<Followed> {
        loop {
            {
                let mut letters = self.mailbox.lock();
                if let Some(letter) = letters.queue.pop_front() {
                    if let Followed::Event(event) = &letter {
                        letters.bytes -= cost(event);
                    }
                    return Some(letter);
                }
                if letters.ended {
                    return None;
                }
            }
            // A ring between the look and this wait is kept by `Notify`.
            self.mailbox.bell.notified().await;
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.followers.forget(&self.group, &self.mailbox);
    }
}

#[derive(Debug, Default)]
struct Mailbox {
    letters: Mutex<Letters>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Letters {
    queue: VecDeque<Followed>,
    bytes: usize,
    ended: bool,
}

fn cost(event: &LogEvent) -> usize {
    event.message.len() + size_of::<LogEvent>()
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self, event: &Arc<LogEvent>, bytes_max: usize) {
        let mut letters = self.lock();
        let fits = letters.bytes + cost(event) <= bytes_max;
        match letters.queue.back_mut() {
            _ if fits => {
                letters.bytes += cost(event);
                letters.queue.push_back(Followed::Event(Arc::clone(event)));
            }
            Some(Followed::Lost(count)) => *count += 1,
            _ => letters.queue.push_back(Followed::Lost(1)),
        }
        drop(letters);
        self.bell.notify_one();
    }
}

/// All followers.
#[derive(Debug)]
pub(super) struct Followers {
    mailbox_bytes_max: usize,
    registry: Mutex<Registry>,
}

#[derive(Debug, Default)]
struct Registry {
    mailboxes: HashMap<LogGroup, Vec<Arc<Mailbox>>>,
    count: usize,
    ended: bool,
}

impl Followers {
    pub(super) fn new(mailbox_bytes_max: usize) -> Self {
        Self { mailbox_bytes_max, registry: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a follower and says where the group ended at that moment: nothing before is delivered, all behind is.
    pub(super) fn follow(
        self: &Arc<Self>,
        group: &LogGroup,
        end: impl FnOnce() -> io::Result<End>,
    ) -> Result<(End, Follower), LogError> {
        let mut registry = self.lock();
        if registry.ended {
            return Err(LogError::Stopping);
        }
        if registry.count >= FOLLOWERS_MAX {
            return Err(LogError::TooManyFollowers);
        }
        let path = || PathBuf::from(&group.name);
        let end = end().map_err(|source| LogError::Io { operation: "follow", path: path(), source })?;
        let mailbox = Arc::new(Mailbox::default());
        registry.count += 1;
        registry.mailboxes.entry(group.clone()).or_default().push(Arc::clone(&mailbox));
        drop(registry);
        Ok((end, Follower { group: group.clone(), mailbox, followers: Arc::clone(self) }))
    }

    /// Writes events with `write` and delivers them, as one step in the eyes of [`Followers::follow`]. Followers
    /// get them even if they could not be written.
    pub(super) fn publish<T>(
        &self,
        group: &LogGroup,
        events: Vec<LogEvent>,
        write: impl FnOnce(&[LogEvent]) -> T,
    ) -> T {
        let registry = self.lock();
        let written = write(&events);
        if let Some(mailboxes) = registry.mailboxes.get(group) {
            for event in events.into_iter().map(Arc::new) {
                mailboxes.iter().for_each(|mailbox| mailbox.deliver(&event, self.mailbox_bytes_max));
            }
        }
        written
    }

    /// Ends every follower once it has received what is in its mailbox.
    pub(super) fn end(&self) {
        let mut registry = self.lock();
        registry.ended = true;
        for mailbox in registry.mailboxes.values().flatten() {
            mailbox.lock().ended = true;
            mailbox.bell.notify_one();
        }
    }

    fn forget(&self, group: &LogGroup, mailbox: &Arc<Mailbox>) {
        let mut registry = self.lock();
        registry.count -= 1;
        if let Some(mailboxes) = registry.mailboxes.get_mut(group) {
            mailboxes.retain(|other| !Arc::ptr_eq(other, mailbox));
            if mailboxes.is_empty() {
                registry.mailboxes.remove(group);
            }
        }
    }
}
