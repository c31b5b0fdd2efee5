//! Handing out: what can be received now, oldest first, a group's messages in their order.
//!
//! Also what must not be handed out any more: messages that are too old are removed, those that were received too often
//! go to the dead letters.

use bytes::Bytes;
use model::id::MessageId;
use model::queue::{DeadLetter, HOLD_MAX, HandOut, Hold, QueueName, Receipt, Receive, Received};
use model::time::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use super::{GROUP_OUT_MAX, MOMENT, Moved, QueueId, Tables, WHILE_SERVING};

/// Messages that one receive removes or moves at most, so that it delays nobody else for long.
const PASSED_OVER_MAX: usize = 1_000;

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
    received_before: u32,
}

const CANDIDATE: &str = "seq, receives, id, sent, first_received, grp, source, note, received_before";

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
            received_before: row.get(8)?,
        })
    }
}

/// What one receive came to.
#[derive(Default)]
pub(in crate::queue) struct HandedOut {
    pub(in crate::queue) messages: Vec<Received>,
    /// Whether there is more to look at than one transaction should.
    pub(in crate::queue) is_cut: bool,
    /// Whether who asked is to have nothing any more.
    pub(in crate::queue) is_over: bool,
}

impl Tables<'_> {
    /// Hands out what can be received.
    pub(in crate::queue) fn receive(&self, queue: &QueueName, pick: &Receive) -> rusqlite::Result<HandedOut> {
        let mut handed_out = HandedOut::default();
        let Some(how) = pick.how.now() else {
            handed_out.is_over = true;
            return Ok(handed_out);
        };
        let Some(queue) = self.queue(queue)? else { return Ok(handed_out) };
        let mut room = pick.count_max;
        // A queue that holds no more than may be out needs no counting.
        if let Some(out_max) = how.out_max
            && self.total(queue)? > out_max
        {
            let out = self.out(queue)?;
            room = room.min(usize::try_from(out_max.saturating_sub(out)).unwrap_or(usize::MAX));
        }
        let (messages, mut passed_over) = (&mut handed_out.messages, 0);
        while messages.len() < room {
            if passed_over >= PASSED_OVER_MAX {
                handed_out.is_cut = true;
                break;
            }
            let group = self.ready_group(queue)?;
            let group_max = if pick.one_of_a_group { 1 } else { GROUP_OUT_MAX };
            let count_max = (room - messages.len()).min(if group.is_some() { group_max } else { usize::MAX });
            let candidates = self.candidates(queue, group.as_deref(), count_max)?;
            if candidates.is_empty() && group.is_none() {
                break;
            }
            // Each is handed out or removed, and what is over makes room for the next: so this ends.
            for candidate in candidates {
                match self.hand_out(queue, candidate, &how)? {
                    Some(message) => messages.push(message),
                    None => passed_over += 1,
                }
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
            .query_map(params![queue, group, count_max], |row| {
                Ok((Candidate::read(row)?, row.get::<_, i64>("due")?))
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
        how: &HandOut,
    ) -> rusqlite::Result<Option<Received>> {
        let Candidate { seq, receives, id, sent, first_received, group, source, note, received_before } =
            candidate;
        if how.age_max.is_some_and(|age_max| sent.after(age_max) <= self.now) {
            self.remove(queue, seq)?;
            return Ok(None);
        }
        if let Some(DeadLetter { queue: to, receives_max }) = &how.dead_letter
            && receives >= *receives_max
        {
            let received = received_before.saturating_add(receives);
            self.move_to(queue, seq, to, Moved { renewed: None, received })?;
            return Ok(None);
        }
        let (receives, due) = (receives.saturating_add(1), self.hold_end(how.hold));
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
        let age = self.now.since(sent);
        let received = received_before.saturating_add(receives);
        Ok(Some(Received { id, receipt, content, note, group, sent, age, first_received, source, received }))
    }

    fn hold_end(&self, hold: Hold) -> i64 {
        match hold {
            // At least a moment, so that nothing is handed out twice by one call.
            Hold::For(span) => self.due_after(span.clamp(MOMENT, HOLD_MAX)),
            Hold::WhileServing => WHILE_SERVING,
        }
    }
}
