//! What is put right when a server takes the queue over from one that is gone.
//!
//! Runs once, before anything else does; nothing is lost by it, and what was out is handed out again.

use model::queue::{DEDUPLICATION_SPAN, HOLD_MAX};
use rusqlite::params;

use super::{QueueId, Tables, WHILE_SERVING};

impl Tables<'_> {
    /// Gives back what a server that is gone had out while it served, and what a clock that was set back would keep
    /// for longer than anything may be kept; forgets queues that hold nothing. How many messages came back.
    pub(in crate::queue) fn recover(&self) -> rusqlite::Result<usize> {
        let (now, latest) = (self.now_ms(), self.now.after(HOLD_MAX).as_millis());
        let until = self.now.after(DEDUPLICATION_SPAN).as_millis();
        self.transaction.execute("UPDATE recent SET until = ?1 WHERE until > ?1", [until])?;
        self.transaction.execute(
            "DELETE FROM queue WHERE total = 0
             AND NOT EXISTS (SELECT 1 FROM recent WHERE recent.queue = queue.id)",
            [],
        )?;
        let mut ids = self.transaction.prepare("SELECT id FROM queue")?;
        let ids: Vec<QueueId> = ids.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        self.follow_clock(&ids)?;
        self.transaction.execute("UPDATE message_group SET due = ?1 WHERE due > ?2", [now, latest])?;
        let mut back = 0;
        for id in ids {
            back += self
                .transaction
                .prepare_cached("UPDATE message SET due = ?1 WHERE queue = ?3 AND due > ?2")?
                .execute([now, latest, id])?;
        }
        Ok(back)
    }

    /// Where the clock was set back since it was last noted, everything that waits would wait until it has come there
    /// again; it is due by as much sooner.
    fn follow_clock(&self, queues: &[QueueId]) -> rusqlite::Result<()> {
        let noted: i64 = self.transaction.query_one("SELECT at FROM clock", [], |row| row.get(0))?;
        let (now, back_ms) = (self.now_ms(), noted.saturating_sub(self.now_ms()));
        if back_ms <= 0 {
            return Ok(());
        }
        tracing::warn!(back_ms, "the clock was set back since the queue was last used");
        let sooner = "SET due = max(?1, due - ?2) WHERE due > ?1 AND due < ?3";
        for queue in queues {
            self.transaction
                .prepare_cached(&format!("UPDATE message {sooner} AND queue = ?4"))?
                .execute(params![now, back_ms, WHILE_SERVING, queue])?;
        }
        self.transaction
            .execute(&format!("UPDATE message_group {sooner}"), params![now, back_ms, WHILE_SERVING])?;
        self.transaction.execute("UPDATE clock SET at = ?", [now])?;
        Ok(())
    }
}
