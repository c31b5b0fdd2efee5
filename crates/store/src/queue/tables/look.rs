//! Looking without touching: how much a queue holds, when something of it is due, which queues there are, what became
//! of a message.
//!
//! Nothing here reads more than what is out, however much waits.

use bytes::Bytes;
use model::id::MessageId;
use model::queue::{Counts, QueueName, Trace};
use model::time::Timestamp;
use rusqlite::OptionalExtension;

use super::{OLDEST_AMONG, QueueId, Tables, WHILE_SERVING};

impl Tables<'_> {
    /// Messages that were received and not settled. Those that are not due are few: SQS bounds them, and so do we.
    pub(super) fn out(&self, queue: QueueId) -> rusqlite::Result<u64> {
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

    pub(in crate::queue) fn counts(&self, queue: &QueueName) -> rusqlite::Result<Counts> {
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
    pub(in crate::queue) fn next_due(&self, queue: &QueueName) -> rusqlite::Result<Option<Timestamp>> {
        let Some(queue) = self.queue(queue)? else { return Ok(None) };
        let next: Option<i64> = self
            .transaction
            .prepare_cached("SELECT min(due) FROM message WHERE queue = ? AND due > ? AND due < ?")?
            .query_one([queue, self.now_ms(), WHILE_SERVING], |row| row.get(0))?;
        Ok(next.map(Timestamp::from_millis))
    }

    pub(in crate::queue) fn queues(&self, prefix: &str) -> rusqlite::Result<Vec<(QueueName, u64)>> {
        let mut statement = self.transaction.prepare_cached(
            "SELECT id, name FROM queue WHERE name >= ?1 AND substr(name, 1, length(?1)) = ?1 ORDER BY name",
        )?;
        let rows: Vec<(QueueId, String)> = statement
            .query_map([prefix], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut names = Vec::new();
        for (id, name) in rows {
            let total = self.total(id)?;
            names.extend(QueueName::parse(&name).ok().filter(|_| total > 0).map(|name| (name, total)));
        }
        Ok(names)
    }

    pub(in crate::queue) fn trace(&self, id: MessageId) -> rusqlite::Result<Option<Trace>> {
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
