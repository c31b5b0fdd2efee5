//! Records in one SQLite file, written by one thread.
//!
//! The thread takes whatever has queued up since the last sync, applies it in one transaction, syncs once, and
//! answers each writer on its own: a refused compare-and-set takes no other writer's with it, while a failing disk
//! fails the whole group. Invariants: nothing is answered before its transaction is durable (write-ahead log,
//! `synchronous=FULL`); only this module knows SQL.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use model::port::Pending;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use crate::sqlite::{self, io};

use super::{Change, Key, RECORD_BYTES_MAX, Record, RecordError, Records, Revision, Write};

/// Writes that wait for the disk; further writers wait for a place. With [`RECORD_BYTES_MAX`] this bounds memory.
const QUEUE_MAX: usize = 256;
/// The layout of the file's tables, not of the values in them.
const CREATE: &str = "
    CREATE TABLE record (
        kind TEXT NOT NULL, scope TEXT NOT NULL, name TEXT NOT NULL,
        revision INTEGER NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (kind, scope, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE last_revision (revision INTEGER NOT NULL) STRICT;
    INSERT INTO last_revision VALUES (0);";

/// See the module.
#[derive(Debug)]
pub(crate) struct EmbeddedRecords {
    path: PathBuf,
    queue: mpsc::Sender<Command>,
}

enum Command {
    Write(Waiting),
    Page { page: Page, answer: oneshot::Sender<Result<Vec<Record>, RecordError>> },
    Stop { stopped: oneshot::Sender<()> },
}

/// Which records are to be read.
struct Page {
    kind: &'static str,
    /// Scope and name of the last record that is not wanted any more; nothing lies before two empty ones.
    after: (String, String),
    count_max: i64,
}

/// Writes that are carried out together or not at all.
struct Waiting {
    writes: Vec<Write>,
    answer: oneshot::Sender<Result<Vec<Revision>, RecordError>>,
}

/// What the writes of one caller came to, if the disk did its part.
type Verdict = Result<Vec<Revision>, RecordError>;

impl EmbeddedRecords {
    /// Opens or creates the file and starts the writer.
    pub(crate) fn open(path: &Path) -> Result<Self, RecordError> {
        let connection = connect(path)?;
        let (queue, commands) = mpsc::channel(QUEUE_MAX);
        let writer = Writer { path: path.to_owned(), connection };
        std::thread::Builder::new()
            .name("records".to_owned())
            .spawn(move || writer.run(commands))
            .map_err(|source| io(path, "start the writer of", source))?;
        Ok(Self { path: path.to_owned(), queue })
    }

    /// Carries out what is queued, then closes the file. Later calls answer [`RecordError::Closed`].
    pub(crate) async fn close(&self) {
        let (stopped, wait) = oneshot::channel();
        if self.queue.send(Command::Stop { stopped }).await.is_ok() {
            // An error means that the writer is gone already, which is all that is wanted.
            let _ = wait.await;
        }
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Revision>, RecordError> {
        for write in &writes {
            if let Change::Insert(value) | Change::Replace(value, _) = &write.change
                && value.len() > RECORD_BYTES_MAX
            {
                return Err(RecordError::TooLarge { key: write.key.clone(), size_bytes: value.len() });
            }
        }
        let (answer, wait) = oneshot::channel();
        let command = Command::Write(Waiting { writes, answer });
        self.queue.send(command).await.map_err(|_| RecordError::Closed)?;
        wait.await.unwrap_or(Err(RecordError::Closed))
    }
}

impl Records for EmbeddedRecords {
    fn list(&self, kind: &'static str) -> Pending<'_, Result<Vec<Record>, RecordError>> {
        self.page(kind, None, usize::MAX)
    }

    fn page<'a>(
        &'a self,
        kind: &'static str,
        after: Option<&'a Key>,
        count_max: usize,
    ) -> Pending<'a, Result<Vec<Record>, RecordError>> {
        Box::pin(async move {
            let (answer, wait) = oneshot::channel();
            let after = after.map(|key| (key.scope.clone(), key.name.clone())).unwrap_or_default();
            let page = Page { kind, after, count_max: i64::try_from(count_max).unwrap_or(i64::MAX) };
            self.queue.send(Command::Page { page, answer }).await.map_err(|_| RecordError::Closed)?;
            wait.await.unwrap_or(Err(RecordError::Closed))
        })
    }

    fn commit(&self, writes: Vec<Write>) -> Pending<'_, Result<Vec<Revision>, RecordError>> {
        Box::pin(self.write(writes))
    }

    fn by_hand(&self, key: &Key) -> String {
        let quoted = |text: &str| text.replace('\'', "''");
        format!(
            "delete it from the SQLite file {} with: DELETE FROM record WHERE kind = '{}' AND scope = '{}' AND \
             name = '{}'",
            self.path.display(),
            quoted(key.kind),
            quoted(&key.scope),
            quoted(&key.name)
        )
    }
}

fn connect(path: &Path) -> Result<Connection, RecordError> {
    sqlite::connect(path, "PRAGMA secure_delete = ON; PRAGMA journal_size_limit = 16777216;", &[CREATE])
}

/// The thread's own state.
struct Writer {
    path: PathBuf,
    connection: Connection,
}

impl Writer {
    fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut batch = Vec::with_capacity(QUEUE_MAX);
        let mut stopped = Vec::new();
        // Ends when all senders are gone, or when the channel was closed by `Stop` and is empty.
        while commands.blocking_recv_many(&mut batch, QUEUE_MAX) > 0 {
            let mut writes = Vec::with_capacity(batch.len());
            for command in batch.drain(..) {
                match command {
                    Command::Write(waiting) => writes.push(waiting),
                    Command::Page { page, answer } => {
                        self.commit(std::mem::take(&mut writes));
                        let listed = self.page(&page).map_err(|source| io(&self.path, "read", source));
                        let _ = answer.send(listed);
                    }
                    Command::Stop { stopped: answer } => {
                        commands.close();
                        stopped.push(answer);
                    }
                }
            }
            self.commit(writes);
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(path = %self.path.display(), %error, "could not close the records; nothing is lost");
        }
        for answer in stopped {
            let _ = answer.send(());
        }
    }

    /// Carries out a group of writes and answers each. A caller that has gone away is no error.
    fn commit(&mut self, writes: Vec<Waiting>) {
        if writes.is_empty() {
            return;
        }
        match self.apply(&writes) {
            Ok(verdicts) => {
                for (Waiting { answer, .. }, verdict) in writes.into_iter().zip(verdicts) {
                    let _ = answer.send(verdict);
                }
            }
            Err(error) => {
                let failure = io(&self.path, "write", error);
                for Waiting { answer, .. } in writes {
                    let _ = answer.send(Err(failure.clone()));
                }
            }
        }
    }

    /// One transaction, one sync. An error rolls everything back.
    fn apply(&mut self, writes: &[Waiting]) -> rusqlite::Result<Vec<Verdict>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before: i64 = transaction
            .prepare_cached("SELECT revision FROM last_revision")?
            .query_one([], |row| row.get(0))?;
        let mut last = before;
        let mut verdicts = Vec::with_capacity(writes.len());
        for Waiting { writes, .. } in writes {
            verdicts.push(apply_together(&transaction, writes, &mut last)?);
        }
        if last == before {
            // Every write was refused: there is nothing to sync.
            return Ok(verdicts);
        }
        transaction.prepare_cached("UPDATE last_revision SET revision = ?")?.execute([last])?;
        transaction.commit()?;
        Ok(verdicts)
    }

    fn page(&self, page: &Page) -> rusqlite::Result<Vec<Record>> {
        let Page { kind, after: (scope, name), count_max } = page;
        let mut statement = self.connection.prepare_cached(
            "SELECT scope, name, revision, value FROM record
             WHERE kind = ? AND (scope, name) > (?, ?) ORDER BY scope, name LIMIT ?",
        )?;
        let mut rows = statement.query(params![kind, scope, name, count_max])?;
        // All values stand in one block: they are read and dropped by other threads, and thousands of small ones would
        // make these wait for each other.
        let (mut found, mut values) = (Vec::new(), Vec::new());
        while let Some(row) = rows.next()? {
            let key = Key { kind, scope: row.get(0)?, name: row.get(1)? };
            let begin = values.len();
            values.extend_from_slice(row.get_ref(3)?.as_blob()?);
            found.push((key, Revision(row.get(2)?), begin..values.len()));
        }
        let values = Bytes::from(values);
        let record = |(key, revision, place)| Record { key, revision, value: values.slice(place) };
        Ok(found.into_iter().map(record).collect())
    }
}

/// Applies the writes of one caller: all of them, or none if one is refused. `last` is the newest revision given out,
/// and advances with what is done.
fn apply_together(
    transaction: &Transaction<'_>,
    writes: &[Write],
    last: &mut i64,
) -> rusqlite::Result<Verdict> {
    // One write is whole by itself, and most calls make one.
    let alone = writes.len() == 1;
    if !alone {
        transaction.execute_batch("SAVEPOINT together")?;
    }
    let before = *last;
    let mut revisions = Vec::with_capacity(writes.len());
    for write in writes {
        match apply_one(transaction, write, last)? {
            Ok(revision) => revisions.push(revision),
            Err(refused) => {
                if !alone {
                    transaction.execute_batch("ROLLBACK TO together; RELEASE together")?;
                }
                *last = before;
                return Ok(Err(refused));
            }
        }
    }
    if !alone {
        transaction.execute_batch("RELEASE together")?;
    }
    Ok(Ok(revisions))
}

fn apply_one(
    transaction: &Transaction<'_>,
    Write { key, change }: &Write,
    last: &mut i64,
) -> rusqlite::Result<Result<Revision, RecordError>> {
    let Key { kind, scope, name } = key;
    let next = *last + 1;
    let changed = match change {
        Change::Insert(value) => transaction
            .prepare_cached("INSERT INTO record VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")?
            .execute(params![kind, scope, name, next, value])?,
        Change::Replace(value, expected) => transaction
            .prepare_cached(
                "UPDATE record SET value = ?5, revision = ?4
                 WHERE kind = ?1 AND scope = ?2 AND name = ?3 AND revision = ?6",
            )?
            .execute(params![kind, scope, name, next, value, expected.0])?,
        Change::Remove(expected) => transaction
            .prepare_cached("DELETE FROM record WHERE kind = ? AND scope = ? AND name = ? AND revision = ?")?
            .execute(params![kind, scope, name, expected.0])?,
    };
    if changed == 1 {
        *last = next;
        return Ok(Ok(Revision(next)));
    }
    let current = transaction
        .prepare_cached("SELECT revision FROM record WHERE kind = ? AND scope = ? AND name = ?")?
        .query_row(params![kind, scope, name], |row| row.get(0))
        .optional()?;
    let key = key.clone();
    Ok(Err(match current {
        Some(revision) => RecordError::Conflict { key, current: Revision(revision) },
        None => RecordError::Missing { key },
    }))
}
