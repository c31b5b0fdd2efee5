//! What becomes of messages that are out: done, back in line, moved; and purging those that nobody wants.
//!
//! A receipt settles only the hand-out that it came with.

use model::id::MessageId;
use model::queue::{HOLD_MAX, OUTCOMES_MAX, QueueName, Receipt, Settle, Settled};
use model::time::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::{Moved, QueueId, Tables};

impl Tables<'_> {
    pub(in crate::queue) fn settle(
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
                let due = self.due_after(*after);
                let latest =
                    Timestamp::from_millis(out.last_received.unwrap_or(self.now_ms())).after(HOLD_MAX);
                if due > latest.as_millis() {
                    return Ok(Settled::TooLong);
                }
                self.give_back(seq, due, note.as_deref())?;
            }
            Settle::Untake => {
                self.transaction
                    .prepare_cached("UPDATE message SET due = ?, receives = receives - 1 WHERE seq = ?")?
                    .execute([self.now_ms(), seq])?;
            }
            Settle::Move { to, renewed } => {
                self.move_to(queue, seq, to, Moved { renewed: *renewed, received: 0 })?;
            }
        }
        self.refresh(queue, out.group.as_deref())?;
        Ok(Settled::Done)
    }

    /// Returns to its queue what nobody took, as if it had not been handed out.
    pub(in crate::queue) fn untake(&self, queue: &QueueName, receipts: &[Receipt]) -> rusqlite::Result<()> {
        let untaken: Vec<_> = receipts.iter().map(|receipt| (*receipt, Settle::Untake)).collect();
        self.settle(queue, &untaken).map(drop)
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
        let nr = self
            .transaction
            .prepare_cached("INSERT INTO outcome (id, bytes, at) VALUES (?, ?, ?)")?
            .insert(params![id.to_bytes(), outcome, self.now_ms()])?;
        let oldest = nr - OUTCOMES_MAX.cast_signed();
        self.transaction.prepare_cached("DELETE FROM outcome WHERE nr <= ?")?.execute([oldest])?;
        Ok(())
    }

    /// Removes some messages; how many. If a time is given, those at the head of the queue that were sent before it:
    /// what lies behind one that is younger has been received since, and its turn comes. Without one, those who wait for
    /// messages are asked whether they still may: a queue that is deleted is purged.
    pub(in crate::queue) fn purge(
        &self,
        queue: &QueueName,
        sent_before: Option<Timestamp>,
        count_max: usize,
    ) -> rusqlite::Result<usize> {
        if sent_before.is_none() {
            self.stir(queue);
        }
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
}
