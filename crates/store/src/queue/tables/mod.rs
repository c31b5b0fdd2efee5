//! The queue's tables, and what can be done to them within one transaction.
//!
//! `message` is what moves and stays small; `content` is written once and read when handed out. `due` is when a message
//! can be received (next): when it came, when its delay or its hold ends. Of a group only the row in `message_group`
//! can be picked; its `due` is when the group's first message can be received, or when the last of those that are out
//! comes back. A group has a row as long as it has a message.
//!
//! `queue.total` counts the messages of a queue, and changes once per queue in the transaction that changes them.
//!
//! Invariant: those of a group that are out are among its first [`GROUP_OUT_MAX`], because nothing more of a group is
//! handed out while something of it is.

mod look;
mod receive;
mod recover;
mod settle;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::id::MessageId;
use model::queue::{DEDUPLICATION_SPAN, Enqueued, NewMessage, QueueName};
use model::time::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};

pub(in crate::queue) use receive::HandedOut;

/// Messages of one group that can be out at once (SQS: a batch has at most 10).
const GROUP_OUT_MAX: usize = 10;
/// The shortest hold.
const MOMENT: Duration = Duration::from_millis(1);
/// `due` of what is out for as long as the server serves.
const WHILE_SERVING: i64 = i64::MAX;
/// The oldest message is looked for among those that are due first; further ones are younger or were received since.
const OLDEST_AMONG: i64 = 64;
/// Forgotten keys that one enqueue removes; more than it adds, so that they come to an end.
const FORGOTTEN_PER_ENQUEUE: i64 = 4;

/// From each layout of the tables to the next.
pub(in crate::queue) const STEPS: &[&str] = &[CREATE, COUNT_ACROSS_QUEUES, NOTE_CLOCK];

const CREATE: &str = "
    CREATE TABLE queue (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, total INTEGER NOT NULL DEFAULT 0) STRICT;
    CREATE TABLE message (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, queue INTEGER NOT NULL, due INTEGER NOT NULL,
        receives INTEGER NOT NULL, id BLOB NOT NULL, sent INTEGER NOT NULL,
        first_received INTEGER, last_received INTEGER, grp TEXT, source TEXT, traceable INTEGER NOT NULL, note BLOB
    ) STRICT;
    CREATE INDEX message_due ON message (queue, due, receives);
    CREATE INDEX message_group_order ON message (queue, grp, seq) WHERE grp IS NOT NULL;
    CREATE INDEX message_id ON message (id) WHERE traceable = 1;
    CREATE TABLE content (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
    CREATE TABLE message_group (
        queue INTEGER NOT NULL, name TEXT NOT NULL, due INTEGER NOT NULL, PRIMARY KEY (queue, name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX message_group_due ON message_group (queue, due);
    CREATE TABLE recent (
        queue INTEGER NOT NULL, key TEXT NOT NULL, id BLOB NOT NULL, seq INTEGER NOT NULL, until INTEGER NOT NULL,
        PRIMARY KEY (queue, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX recent_until ON recent (until);
    CREATE TABLE outcome (
        nr INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL, bytes BLOB NOT NULL, at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX outcome_id ON outcome (id);";
/// How often a dead letter was received before it came to be one.
const COUNT_ACROSS_QUEUES: &str =
    "ALTER TABLE message ADD COLUMN received_before INTEGER NOT NULL DEFAULT 0;";
/// What the clock showed when something was last made to wait, to [`CLOCK_STEP_MS`].
const NOTE_CLOCK: &str = "CREATE TABLE clock (at INTEGER NOT NULL) STRICT; INSERT INTO clock VALUES (0);";
/// How far the clock goes on before it is noted again.
const CLOCK_STEP_MS: i64 = 1_000;

/// The number of a queue within the file.
pub(in crate::queue) type QueueId = i64;

/// What of a message that goes to another queue is not as it was.
struct Moved {
    /// Its id there, if it is to count as sent just now.
    renewed: Option<MessageId>,
    /// How often it was received before.
    received: u32,
}

/// The tables within a transaction.
pub(in crate::queue) struct Tables<'a> {
    transaction: &'a Transaction<'a>,
    now: Timestamp,
    /// Numbers that were looked up.
    known: RefCell<BTreeMap<QueueName, QueueId>>,
    /// What is to be added to `queue.total`.
    added: RefCell<BTreeMap<QueueId, i64>>,
    /// Queues of which more can be received than before.
    stirred: RefCell<BTreeSet<QueueName>>,
    /// Whether something was made to wait.
    has_delayed: Cell<bool>,
}

impl<'a> Tables<'a> {
    pub(in crate::queue) fn new(transaction: &'a Transaction<'a>, now: Timestamp) -> Self {
        Self {
            transaction,
            now,
            known: RefCell::default(),
            added: RefCell::default(),
            stirred: RefCell::default(),
            has_delayed: Cell::default(),
        }
    }

    /// Brings the totals and the clock up to date; the last thing before the transaction is committed. Whether something is gone.
    pub(in crate::queue) fn finish(self) -> rusqlite::Result<bool> {
        let mut has_removed = false;
        for (queue, added) in self.added.take() {
            has_removed |= added < 0;
            if added != 0 {
                self.transaction
                    .prepare_cached("UPDATE queue SET total = total + ? WHERE id = ?")?
                    .execute([added, queue])?;
            }
        }
        if self.has_delayed.get() {
            self.transaction
                .prepare_cached("UPDATE clock SET at = ?1 WHERE at < ?1 - ?2")?
                .execute([self.now_ms(), CLOCK_STEP_MS])?;
        }
        Ok(has_removed)
    }

    /// Notes that those who wait for messages of a queue may be served.
    pub(in crate::queue) fn stir(&self, queue: &QueueName) {
        self.stirred.borrow_mut().insert(queue.clone());
    }

    /// One of the queues noted.
    pub(in crate::queue) fn next_stirred(&self) -> Option<QueueName> {
        self.stirred.borrow_mut().pop_first()
    }

    fn count(&self, queue: QueueId, added: i64) {
        *self.added.borrow_mut().entry(queue).or_default() += added;
    }

    fn total(&self, queue: QueueId) -> rusqlite::Result<u64> {
        let written: i64 = self
            .transaction
            .prepare_cached("SELECT total FROM queue WHERE id = ?")?
            .query_one([queue], |row| row.get(0))?;
        let added = self.added.borrow().get(&queue).copied().unwrap_or(0);
        Ok(u64::try_from(written + added).unwrap_or(0))
    }

    fn now_ms(&self) -> i64 {
        self.now.as_millis()
    }

    /// When something that waits for so long is due.
    fn due_after(&self, span: Duration) -> i64 {
        self.has_delayed.set(true);
        self.now.after(span).as_millis()
    }

    pub(in crate::queue) fn queue(&self, name: &QueueName) -> rusqlite::Result<Option<QueueId>> {
        if let Some(id) = self.known.borrow().get(name) {
            return Ok(Some(*id));
        }
        let found = self
            .transaction
            .prepare_cached("SELECT id FROM queue WHERE name = ?")?
            .query_row([name.as_str()], |row| row.get(0))
            .optional()?;
        if let Some(id) = found {
            self.known.borrow_mut().insert(name.clone(), id);
        }
        Ok(found)
    }

    fn queue_made(&self, name: &QueueName) -> rusqlite::Result<QueueId> {
        if let Some(id) = self.queue(name)? {
            return Ok(id);
        }
        self.transaction.prepare_cached("INSERT INTO queue (name) VALUES (?)")?.insert([name.as_str()])
    }

    fn name(&self, queue: QueueId) -> rusqlite::Result<Option<QueueName>> {
        let name: Option<String> = self
            .transaction
            .prepare_cached("SELECT name FROM queue WHERE id = ?")?
            .query_row([queue], |row| row.get(0))
            .optional()?;
        Ok(name.and_then(|name| QueueName::parse(&name).ok()))
    }

    pub(in crate::queue) fn enqueue(
        &self,
        queue: &QueueName,
        messages: &[NewMessage],
    ) -> rusqlite::Result<Vec<Enqueued>> {
        self.stir(queue);
        let queue = self.queue_made(queue)?;
        messages.iter().map(|message| self.enqueue_one(queue, message)).collect()
    }

    fn enqueue_one(&self, queue: QueueId, message: &NewMessage) -> rusqlite::Result<Enqueued> {
        if let Some(key) = &message.deduplication
            && let Some(first) = self.duplicate_of(queue, key)?
        {
            return Ok(first);
        }
        let due = self.due_after(message.delay);
        // Not `RETURNING`: for that SQLite makes a table of its own and notes how to undo each statement.
        let seq = self
            .transaction
            .prepare_cached(
                "INSERT INTO message (queue, due, receives, id, sent, grp, traceable)
                 VALUES (?, ?, 0, ?, ?, ?, ?)",
            )?
            .insert(params![
                queue,
                due,
                message.id.to_bytes(),
                self.now_ms(),
                message.group,
                message.traceable
            ])?;
        self.transaction
            .prepare_cached("INSERT INTO content VALUES (?, ?)")?
            .execute(params![seq, &message.content[..]])?;
        if let Some(group) = &message.group {
            self.transaction
                .prepare_cached("INSERT INTO message_group VALUES (?, ?, ?) ON CONFLICT DO NOTHING")?
                .execute(params![queue, group, due])?;
        }
        if let Some(key) = &message.deduplication {
            self.remember(queue, key, message.id, seq)?;
        }
        self.count(queue, 1);
        Ok(Enqueued { id: message.id, sequence: seq.unsigned_abs() })
    }

    fn duplicate_of(&self, queue: QueueId, key: &str) -> rusqlite::Result<Option<Enqueued>> {
        self.transaction
            .prepare_cached("SELECT id, seq FROM recent WHERE queue = ? AND key = ? AND until > ?")?
            .query_row(params![queue, key, self.now_ms()], |row| {
                let (id, seq): (_, i64) = (MessageId::from_bytes(row.get(0)?), row.get(1)?);
                Ok(Enqueued { id, sequence: seq.unsigned_abs() })
            })
            .optional()
    }

    fn remember(&self, queue: QueueId, key: &str, id: MessageId, seq: i64) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "DELETE FROM recent WHERE (queue, key) IN
                 (SELECT queue, key FROM recent WHERE until <= ? ORDER BY until LIMIT ?)",
            )?
            .execute([self.now_ms(), FORGOTTEN_PER_ENQUEUE])?;
        let until = self.now.after(DEDUPLICATION_SPAN).as_millis();
        self.transaction
            .prepare_cached("INSERT OR REPLACE INTO recent VALUES (?, ?, ?, ?, ?)")?
            .execute(params![queue, key, id.to_bytes(), seq, until])?;
        Ok(())
    }

    fn refresh(&self, queue: QueueId, group: Option<&str>) -> rusqlite::Result<()> {
        group.map_or(Ok(()), |group| self.refresh_group(queue, group))
    }

    /// Says anew when something of a group can be received.
    fn refresh_group(&self, queue: QueueId, group: &str) -> rusqlite::Result<()> {
        let first: Vec<(i64, bool)> = self
            .transaction
            .prepare_cached(
                "SELECT due, receives > 0 FROM message WHERE queue = ? AND grp = ? ORDER BY seq LIMIT ?",
            )?
            .query_map(params![queue, group, GROUP_OUT_MAX], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let Some((head_due, _)) = first.first() else {
            self.transaction
                .prepare_cached("DELETE FROM message_group WHERE queue = ? AND name = ?")?
                .execute(params![queue, group])?;
            return Ok(());
        };
        let out = first.iter().filter(|(due, received)| *received && *due > self.now_ms());
        let due = out.map(|(due, _)| *due).max().unwrap_or(*head_due);
        self.transaction
            .prepare_cached("INSERT OR REPLACE INTO message_group VALUES (?, ?, ?)")?
            .execute(params![queue, group, due])?;
        Ok(())
    }

    fn remove(&self, queue: QueueId, seq: i64) -> rusqlite::Result<()> {
        self.count(queue, -1);
        self.transaction.prepare_cached("DELETE FROM message WHERE seq = ?")?.execute([seq])?;
        self.transaction.prepare_cached("DELETE FROM content WHERE seq = ?")?.execute([seq])?;
        Ok(())
    }

    /// Puts a message at the end of another queue. It gets a new place, so that the order there is that of arrival.
    fn move_to(&self, from: QueueId, seq: i64, to: &QueueName, moved: Moved) -> rusqlite::Result<()> {
        self.stir(to);
        let source = if moved.renewed.is_none() { self.name(from)? } else { None };
        let to = self.queue_made(to)?;
        self.count(from, -1);
        self.count(to, 1);
        let (moved, group): (i64, Option<String>) = self
            .transaction
            .prepare_cached(
                "INSERT INTO message (queue, due, receives, received_before, id, sent, grp, source, traceable)
                 SELECT ?1, ?2, 0, ?3, COALESCE(?4, id), IIF(?4 IS NULL AND grp IS NULL, sent, ?2), grp, ?5, 0
                 FROM message WHERE seq = ?6 RETURNING seq, grp",
            )?
            .query_one(
                params![
                    to,
                    self.now_ms(),
                    moved.received,
                    moved.renewed.map(|id| id.to_bytes()),
                    source.as_ref().map(QueueName::as_str),
                    seq
                ],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
        self.transaction.prepare_cached("UPDATE content SET seq = ? WHERE seq = ?")?.execute([moved, seq])?;
        self.transaction.prepare_cached("DELETE FROM message WHERE seq = ?")?.execute([seq])?;
        self.refresh(to, group.as_deref())
    }
}
