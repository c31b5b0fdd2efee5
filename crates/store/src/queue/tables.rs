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

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use model::id::MessageId;
use model::queue::{
    Counts, DEDUPLICATION_SPAN, DeadLetter, Enqueued, HOLD_MAX, Hold, NewMessage, OUTCOMES_MAX, QueueName,
    Receipt, Receive, Received, Settle, Settled, Trace,
};
use model::time::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};

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

pub(super) const CREATE: &str = "
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
    CREATE INDEX outcome_id ON outcome (id);
    PRAGMA user_version = 1;";

/// The number of a queue within the file.
pub(super) type QueueId = i64;

/// The tables within a transaction.
pub(super) struct Tables<'a> {
    transaction: &'a Transaction<'a>,
    now: Timestamp,
    /// What is to be added to `queue.total`.
    added: RefCell<BTreeMap<QueueId, i64>>,
    /// Queues of which more can be received than before.
    stirred: RefCell<BTreeSet<QueueName>>,
}

/// A row of `message` that can be handed out.
struct Candidate {
    seq: i64,
    receives: u32,
    id: MessageId,
    sent: Timestamp,
    first_received: Option<Timestamp>,
    group: Option<String>,
    source: Option<QueueName>,
    note: Option<Bytes>,
}

const CANDIDATE: &str = "seq, receives, id, sent, first_received, grp, source, note";

impl Candidate {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            receives: row.get(1)?,
            id: MessageId::from_bytes(row.get(2)?),
            sent: Timestamp::from_millis(row.get(3)?),
            first_received: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
            group: row.get(5)?,
            source: row.get::<_, Option<String>>(6)?.and_then(|name| QueueName::parse(&name).ok()),
            note: row.get::<_, Option<Vec<u8>>>(7)?.map(Bytes::from),
        })
    }
}

impl<'a> Tables<'a> {
    pub(super) fn new(transaction: &'a Transaction<'a>, now: Timestamp) -> Self {
        Self { transaction, now, added: RefCell::default(), stirred: RefCell::default() }
    }

    /// Brings the totals up to date; the last thing before the transaction is committed. Whether something is gone.
    pub(super) fn finish(self) -> rusqlite::Result<bool> {
        let mut has_removed = false;
        for (queue, added) in self.added.take() {
            has_removed |= added < 0;
            if added != 0 {
                self.transaction
                    .prepare_cached("UPDATE queue SET total = total + ? WHERE id = ?")?
                    .execute([added, queue])?;
            }
        }
        Ok(has_removed)
    }

    /// Notes that those who wait for messages of a queue may be served.
    pub(super) fn stir(&self, queue: &QueueName) {
        self.stirred.borrow_mut().insert(queue.clone());
    }

    /// One of the queues noted.
    pub(super) fn next_stirred(&self) -> Option<QueueName> {
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

    /// Gives back what a server that is gone had out while it served, and what a clock that was set back would keep
    /// for longer than anything may be kept; forgets queues that hold nothing. How many messages came back.
    pub(super) fn recover(&self) -> rusqlite::Result<usize> {
        let (now, latest) = (self.now_ms(), self.now.after(HOLD_MAX).as_millis());
        let until = self.now.after(DEDUPLICATION_SPAN).as_millis();
        self.transaction.execute("UPDATE recent SET until = ?1 WHERE until > ?1", [until])?;
        self.transaction.execute("UPDATE message_group SET due = ?1 WHERE due > ?2", [now, latest])?;
        self.transaction.execute(
            "DELETE FROM queue WHERE total = 0
             AND NOT EXISTS (SELECT 1 FROM recent WHERE recent.queue = queue.id)",
            [],
        )?;
        let mut ids = self.transaction.prepare("SELECT id FROM queue")?;
        let ids: Vec<QueueId> = ids.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        let mut back = 0;
        for id in ids {
            back += self
                .transaction
                .prepare_cached("UPDATE message SET due = ?1 WHERE queue = ?3 AND due > ?2")?
                .execute([now, latest, id])?;
        }
        Ok(back)
    }

    pub(super) fn queue(&self, name: &QueueName) -> rusqlite::Result<Option<QueueId>> {
        self.transaction
            .prepare_cached("SELECT id FROM queue WHERE name = ?")?
            .query_row([name.as_str()], |row| row.get(0))
            .optional()
    }

    fn queue_made(&self, name: &QueueName) -> rusqlite::Result<QueueId> {
        if let Some(id) = self.queue(name)? {
            return Ok(id);
        }
        self.transaction
            .prepare_cached("INSERT INTO queue (name) VALUES (?) RETURNING id")?
            .query_one([name.as_str()], |row| row.get(0))
    }

    fn name(&self, queue: QueueId) -> rusqlite::Result<Option<QueueName>> {
        let name: Option<String> = self
            .transaction
            .prepare_cached("SELECT name FROM queue WHERE id = ?")?
            .query_row([queue], |row| row.get(0))
            .optional()?;
        Ok(name.and_then(|name| QueueName::parse(&name).ok()))
    }

    pub(super) fn enqueue(
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
        let due = self.now.after(message.delay).as_millis();
        let seq: i64 = self
            .transaction
            .prepare_cached(
                "INSERT INTO message (queue, due, receives, id, sent, grp, traceable)
                 VALUES (?, ?, 0, ?, ?, ?, ?) RETURNING seq",
            )?
            .query_one(
                params![queue, due, message.id.to_bytes(), self.now_ms(), message.group, message.traceable],
                |row| row.get(0),
            )?;
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

    /// Hands out what can be received.
    pub(super) fn receive(&self, queue: &QueueName, pick: &Receive) -> rusqlite::Result<Vec<Received>> {
        let Some(queue) = self.queue(queue)? else { return Ok(Vec::new()) };
        let mut room = pick.count_max;
        if let Some(out_max) = pick.out_max {
            let out = self.out(queue)?;
            room = room.min(usize::try_from(out_max.saturating_sub(out)).unwrap_or(usize::MAX));
        }
        let mut handed_out = Vec::new();
        while handed_out.len() < room {
            let group = self.ready_group(queue)?;
            let candidates = self.candidates(queue, group.as_deref(), room - handed_out.len())?;
            if candidates.is_empty() && group.is_none() {
                break;
            }
            // Each is handed out or removed, and what is over makes room for the next: so this ends.
            for candidate in candidates {
                handed_out.extend(self.hand_out(queue, candidate, pick)?);
            }
            // Also where the row was behind and nothing of the group is due.
            self.refresh(queue, group.as_deref())?;
        }
        Ok(handed_out)
    }

    /// The group that has waited longest.
    fn ready_group(&self, queue: QueueId) -> rusqlite::Result<Option<String>> {
        self.transaction
            .prepare_cached(
                "SELECT name FROM message_group WHERE queue = ? AND due <= ? ORDER BY due LIMIT 1",
            )?
            .query_row([queue, self.now_ms()], |row| row.get(0))
            .optional()
    }

    /// What can be received now: the first ones of a group, or the oldest of those without.
    fn candidates(
        &self,
        queue: QueueId,
        group: Option<&str>,
        count_max: usize,
    ) -> rusqlite::Result<Vec<Candidate>> {
        let now = self.now_ms();
        let Some(group) = group else {
            return self
                .transaction
                .prepare_cached(&format!(
                    "SELECT {CANDIDATE} FROM message WHERE queue = ? AND due <= ? AND grp IS NULL
                     ORDER BY due, receives, seq LIMIT ?"
                ))?
                .query_map(params![queue, now, count_max], Candidate::read)?
                .collect();
        };
        self.transaction
            .prepare_cached(&format!(
                "SELECT {CANDIDATE}, due FROM message WHERE queue = ? AND grp = ? ORDER BY seq LIMIT ?"
            ))?
            .query_map(params![queue, group, count_max.min(GROUP_OUT_MAX)], |row| {
                Ok((Candidate::read(row)?, row.get::<_, i64>(8)?))
            })?
            .take_while(|row| row.as_ref().map_or(true, |(_, due)| *due <= now))
            .map(|row| row.map(|(candidate, _)| candidate))
            .collect()
    }

    /// Hands out one message, unless its time or its attempts are over.
    fn hand_out(
        &self,
        queue: QueueId,
        candidate: Candidate,
        pick: &Receive,
    ) -> rusqlite::Result<Option<Received>> {
        let Candidate { seq, receives, id, sent, first_received, group, source, note } = candidate;
        if pick.age_max.is_some_and(|age_max| sent.after(age_max) <= self.now) {
            self.remove(queue, seq)?;
            return Ok(None);
        }
        if let Some(DeadLetter { queue: to, receives_max }) = &pick.dead_letter
            && receives >= *receives_max
        {
            self.move_to(queue, seq, to)?;
            return Ok(None);
        }
        let (receives, due) = (receives.saturating_add(1), self.hold_end(pick.hold));
        let first_received = first_received.unwrap_or(self.now);
        self.transaction
            .prepare_cached(
                "UPDATE message SET due = ?, receives = ?, first_received = ?, last_received = ? WHERE seq = ?",
            )?
            .execute(params![due, receives, first_received.as_millis(), self.now_ms(), seq])?;
        let content: Vec<u8> = self
            .transaction
            .prepare_cached("SELECT bytes FROM content WHERE seq = ?")?
            .query_one([seq], |row| row.get(0))?;
        let receipt = Receipt { sequence: seq.unsigned_abs(), receives };
        let content = Bytes::from(content);
        Ok(Some(Received { id, receipt, content, note, group, sent, first_received, source }))
    }

    fn hold_end(&self, hold: Hold) -> i64 {
        match hold {
            // At least a moment, so that nothing is handed out twice by one call.
            Hold::For(span) => self.now.after(span.clamp(MOMENT, HOLD_MAX)).as_millis(),
            Hold::WhileServing => WHILE_SERVING,
        }
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

    pub(super) fn settle(
        &self,
        queue: &QueueName,
        messages: &[(Receipt, Settle)],
    ) -> rusqlite::Result<Vec<Settled>> {
        self.stir(queue);
        let Some(queue) = self.queue(queue)? else { return Ok(vec![Settled::Gone; messages.len()]) };
        messages.iter().map(|(receipt, settle)| self.settle_one(queue, *receipt, settle)).collect()
    }

    fn settle_one(&self, queue: QueueId, receipt: Receipt, settle: &Settle) -> rusqlite::Result<Settled> {
        struct Out {
            receives: u32,
            due: i64,
            group: Option<String>,
            last_received: Option<i64>,
            id: MessageId,
        }
        let Ok(seq) = i64::try_from(receipt.sequence) else { return Ok(Settled::Gone) };
        let out = self
            .transaction
            .prepare_cached(
                "SELECT receives, due, grp, last_received, id FROM message WHERE seq = ? AND queue = ?",
            )?
            .query_row([seq, queue], |row| {
                Ok(Out {
                    receives: row.get(0)?,
                    due: row.get(1)?,
                    group: row.get(2)?,
                    last_received: row.get(3)?,
                    id: MessageId::from_bytes(row.get(4)?),
                })
            })
            .optional()?;
        let Some(out) = out else { return Ok(Settled::Gone) };
        let is_over = out.due <= self.now_ms();
        // Once it is back in line, a message that must keep its order belongs to whoever receives it next.
        if out.receives != receipt.receives || (is_over && out.group.is_some()) {
            return Ok(Settled::Stale);
        }
        match settle {
            Settle::Done { outcome } => {
                if let Some(outcome) = outcome {
                    self.keep_outcome(out.id, outcome)?;
                }
                self.remove(queue, seq)?;
            }
            Settle::Return { after, note } => {
                if is_over {
                    return Ok(Settled::NotOut);
                }
                let due = self.now.after(*after).as_millis();
                let latest =
                    Timestamp::from_millis(out.last_received.unwrap_or(self.now_ms())).after(HOLD_MAX);
                if due > latest.as_millis() {
                    return Ok(Settled::TooLong);
                }
                self.give_back(seq, due, note.as_deref())?;
            }
            Settle::Move { to, content } => {
                if let Some(content) = content {
                    self.transaction
                        .prepare_cached("UPDATE content SET bytes = ? WHERE seq = ?")?
                        .execute(params![&content[..], seq])?;
                }
                self.move_to(queue, seq, to)?;
            }
        }
        self.refresh(queue, out.group.as_deref())?;
        Ok(Settled::Done)
    }

    /// Returns to its queue what nobody took, as if it had not been handed out.
    pub(super) fn untake(&self, queue: &QueueName, receipts: &[Receipt]) -> rusqlite::Result<()> {
        self.stir(queue);
        let Some(queue) = self.queue(queue)? else { return Ok(()) };
        for receipt in receipts {
            let group: Option<Option<String>> = self
                .transaction
                .prepare_cached(
                    "UPDATE message SET due = ?1, receives = receives - 1
                     WHERE seq = ?2 AND queue = ?3 AND receives = ?4 AND due > ?1 RETURNING grp",
                )?
                .query_row(
                    params![self.now_ms(), receipt.sequence.cast_signed(), queue, receipt.receives],
                    |row| row.get(0),
                )
                .optional()?;
            self.refresh(queue, group.flatten().as_deref())?;
        }
        Ok(())
    }

    fn give_back(&self, seq: i64, due: i64, note: Option<&[u8]>) -> rusqlite::Result<()> {
        match note {
            Some(note) => self
                .transaction
                .prepare_cached("UPDATE message SET due = ?, note = ? WHERE seq = ?")?
                .execute(params![due, note, seq])?,
            None => self
                .transaction
                .prepare_cached("UPDATE message SET due = ? WHERE seq = ?")?
                .execute([due, seq])?,
        };
        Ok(())
    }

    fn keep_outcome(&self, id: MessageId, outcome: &[u8]) -> rusqlite::Result<()> {
        let nr: i64 = self
            .transaction
            .prepare_cached("INSERT INTO outcome (id, bytes, at) VALUES (?, ?, ?) RETURNING nr")?
            .query_one(params![id.to_bytes(), outcome, self.now_ms()], |row| row.get(0))?;
        let oldest = nr - OUTCOMES_MAX.cast_signed();
        self.transaction.prepare_cached("DELETE FROM outcome WHERE nr <= ?")?.execute([oldest])?;
        Ok(())
    }

    fn remove(&self, queue: QueueId, seq: i64) -> rusqlite::Result<()> {
        self.count(queue, -1);
        self.transaction.prepare_cached("DELETE FROM message WHERE seq = ?")?.execute([seq])?;
        self.transaction.prepare_cached("DELETE FROM content WHERE seq = ?")?.execute([seq])?;
        Ok(())
    }

    /// Puts a message at the end of another queue. It gets a new place, so that the order there is that of arrival.
    fn move_to(&self, from: QueueId, seq: i64, to: &QueueName) -> rusqlite::Result<()> {
        self.stir(to);
        let source = self.name(from)?;
        let to = self.queue_made(to)?;
        self.count(from, -1);
        self.count(to, 1);
        let (moved, group): (i64, Option<String>) = self
            .transaction
            .prepare_cached(
                "INSERT INTO message (queue, due, receives, id, sent, grp, source, traceable)
                 SELECT ?, ?, 0, id, sent, grp, ?, 0 FROM message WHERE seq = ? RETURNING seq, grp",
            )?
            .query_one(params![to, self.now_ms(), source.as_ref().map(QueueName::as_str), seq], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        self.transaction.prepare_cached("UPDATE content SET seq = ? WHERE seq = ?")?.execute([moved, seq])?;
        self.transaction.prepare_cached("DELETE FROM message WHERE seq = ?")?.execute([seq])?;
        self.refresh(to, group.as_deref())
    }

    /// Removes some messages; how many. If a time is given, those at the head of the queue that were sent before it:
    /// what lies behind one that is younger has been received since, and its turn comes.
    pub(super) fn purge(
        &self,
        queue: &QueueName,
        sent_before: Option<Timestamp>,
        count_max: usize,
    ) -> rusqlite::Result<usize> {
        let Some(queue) = self.queue(queue)? else { return Ok(0) };
        let rows: Vec<(i64, Option<String>, i64)> = self
            .transaction
            .prepare_cached(
                "SELECT seq, grp, sent FROM message WHERE queue = ? AND due <= ? ORDER BY due LIMIT ?",
            )?
            .query_map(
                params![queue, sent_before.map_or(i64::MAX, Timestamp::as_millis), count_max],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )?
            .collect::<rusqlite::Result<_>>()?;
        let is_over = |sent: i64| sent_before.is_none_or(|before| sent < before.as_millis());
        let mut purged = 0;
        for (seq, group, _) in rows.iter().take_while(|(.., sent)| is_over(*sent)) {
            self.remove(queue, *seq)?;
            self.refresh(queue, group.as_deref())?;
            purged += 1;
        }
        Ok(purged)
    }

    /// Messages that were received and not settled. Those that are not due are few: SQS bounds them, and so do we.
    fn out(&self, queue: QueueId) -> rusqlite::Result<u64> {
        self.unseen(queue).map(|(out, _)| out)
    }

    /// Messages that are out, and those that are delayed.
    fn unseen(&self, queue: QueueId) -> rusqlite::Result<(u64, u64)> {
        self.transaction
            .prepare_cached(
                "SELECT count(*) FILTER (WHERE receives > 0), count(*) FILTER (WHERE receives = 0)
                 FROM message WHERE queue = ? AND due > ?",
            )?
            .query_one([queue, self.now_ms()], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    pub(super) fn counts(&self, queue: &QueueName) -> rusqlite::Result<Counts> {
        let Some(queue) = self.queue(queue)? else { return Ok(Counts::default()) };
        let (out, delayed) = self.unseen(queue)?;
        let waiting = self.total(queue)?.saturating_sub(out + delayed);
        let oldest: Option<i64> = self
            .transaction
            .prepare_cached(
                "SELECT min(sent) FROM (SELECT sent FROM message WHERE queue = ? ORDER BY due LIMIT ?)",
            )?
            .query_one([queue, OLDEST_AMONG], |row| row.get(0))?;
        Ok(Counts { waiting, out, delayed, oldest: oldest.map(Timestamp::from_millis) })
    }

    /// When something of a queue can be received next, if that is known.
    pub(super) fn next_due(&self, queue: &QueueName) -> rusqlite::Result<Option<Timestamp>> {
        let Some(queue) = self.queue(queue)? else { return Ok(None) };
        let next: Option<i64> = self
            .transaction
            .prepare_cached("SELECT min(due) FROM message WHERE queue = ? AND due > ? AND due < ?")?
            .query_one([queue, self.now_ms(), WHILE_SERVING], |row| row.get(0))?;
        Ok(next.map(Timestamp::from_millis))
    }

    pub(super) fn queues(&self, prefix: &str) -> rusqlite::Result<Vec<QueueName>> {
        let mut statement = self.transaction.prepare_cached(
            "SELECT id, name FROM queue WHERE name >= ?1 AND substr(name, 1, length(?1)) = ?1 ORDER BY name",
        )?;
        let rows: Vec<(QueueId, String)> = statement
            .query_map([prefix], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut names = Vec::new();
        for (id, name) in rows {
            if self.total(id)? > 0 {
                names.extend(QueueName::parse(&name));
            }
        }
        Ok(names)
    }

    pub(super) fn trace(&self, id: MessageId) -> rusqlite::Result<Option<Trace>> {
        let held = self
            .transaction
            .prepare_cached(
                "SELECT queue, receives, due, note, sent FROM message WHERE id = ? AND traceable = 1",
            )?
            .query_row([id.to_bytes()], |row| {
                let due: i64 = row.get(2)?;
                let receives = row.get(1)?;
                let note: Option<Vec<u8>> = row.get(3)?;
                let (is_out, sent) = (due == WHILE_SERVING, Timestamp::from_millis(row.get(4)?));
                Ok((row.get::<_, QueueId>(0)?, receives, is_out, note.map(Bytes::from), sent))
            })
            .optional()?;
        if let Some((queue, receives, is_out, note, sent)) = held {
            let queue = self.name(queue)?;
            return Ok(queue.map(|queue| Trace::Held { queue, receives, is_out, note, sent }));
        }
        self.transaction
            .prepare_cached("SELECT bytes, at FROM outcome WHERE id = ? ORDER BY nr DESC LIMIT 1")?
            .query_row([id.to_bytes()], |row| {
                let (outcome, at): (Vec<u8>, i64) = (row.get(0)?, row.get(1)?);
                Ok(Trace::Finished { outcome: outcome.into(), at: Timestamp::from_millis(at) })
            })
            .optional()
    }
}
