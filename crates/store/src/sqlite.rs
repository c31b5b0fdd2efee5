//! Opening the SQLite files of the data directory: private, exclusive, and durable with every commit.
//!
//! Which tables they hold is the business of those who open them.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::records::RecordError;

/// How long opening waits for a previous owner in this process to let go of the file.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(5);

pub(crate) fn io(
    path: &Path,
    operation: &'static str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> RecordError {
    RecordError::Io { operation, path: path.to_owned(), source: Arc::new(source) }
}

/// Opens a file, or creates it, after the settings of `prepare`. Each of the `steps` leads from one format of the tables
/// (`user_version`) to the next; the first makes them.
pub(crate) fn connect(path: &Path, prepare: &str, steps: &[&str]) -> Result<Connection, RecordError> {
    // The mode is set before SQLite sees the file; its log takes over the mode.
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| io(path, "create", source))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.busy_timeout(BUSY_WAIT_MAX)?;
        connection.execute_batch(prepare)?;
        // Exclusive, because nobody else may write; it also spares the shared-memory file.
        connection.execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;",
        )?;
        let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok((connection, format))
    });
    let (mut connection, found) = opened.map_err(|source| io(path, "open", source))?;
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    let missing = usize::try_from(found).ok().and_then(|found| steps.get(found..));
    let missing = missing.ok_or_else(|| RecordError::NewerFormat { path: path.to_owned(), found, known })?;
    if !missing.is_empty() {
        take(&mut connection, missing, known).map_err(|source| io(path, "create", source))?;
    }
    Ok(connection)
}

fn take(connection: &mut Connection, steps: &[&str], format: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in steps {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", format)?;
    transaction.commit()
}
