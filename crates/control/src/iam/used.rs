//! When keys and roles were last used, and for what: noted in memory on every call, written some time later.
//!
//! A call whose key was used for the same a moment ago reads one map and writes nothing. What is new is made durable
//! together, by one task at a time that nobody waits for; a server that dies forgets the last minute. As many notes are
//! kept as there are keys and roles: those of what has gone go with the next writing.
//!
//! Source: IAM API reference, `AccessKeyLastUsed`, `RoleLastUsed`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use model::iam::LastUse;
use store::records::RecordError;
use store::records::typed::TypedRecords;

use super::{Iam, Inner};
use crate::identity::{Caller, Principal};
use crate::table::Table;

/// A use is noted again after this time, or when it is for something else.
const NOTED_AGAIN: Duration = Duration::from_secs(60);
/// How long new notes are gathered before they are written.
const GATHERED: Duration = Duration::from_secs(60);

struct Note {
    last: LastUse,
    is_written: bool,
}

/// See the module's description.
pub(super) struct Uses {
    notes: RwLock<HashMap<String, Note>>,
    table: Table<LastUse>,
    /// Whether a task has been started that will write.
    is_due: AtomicBool,
    writing: tokio::sync::Mutex<()>,
}

impl Uses {
    pub(super) async fn load(records: &TypedRecords) -> Result<Self, RecordError> {
        let table = Table::load(records).await?;
        let note =
            |last: &LastUse| Some((last.subject.clone(), Note { last: last.clone(), is_written: true }));
        let notes = table.gather(note).into_iter().collect();
        Ok(Self {
            notes: RwLock::new(notes),
            table,
            is_due: AtomicBool::default(),
            writing: Default::default(),
        })
    }

    fn get(&self, subject: &str) -> Option<LastUse> {
        let notes = self.notes.read().unwrap_or_else(PoisonError::into_inner);
        notes.get(subject).map(|note| note.last.clone())
    }

    /// Notes a use, if it says anything new.
    fn note(&self, last: LastUse) -> bool {
        let is_known = |note: &Note| {
            let (known, time) = (&note.last, last.time);
            (&known.service, &known.region) == (&last.service, &last.region)
                && time.since(known.time) < NOTED_AGAIN
        };
        if self.notes.read().unwrap_or_else(PoisonError::into_inner).get(&last.subject).is_some_and(is_known)
        {
            return false;
        }
        let mut notes = self.notes.write().unwrap_or_else(PoisonError::into_inner);
        notes.insert(last.subject.clone(), Note { last, is_written: false });
        true
    }

    /// The notes that are not written yet, and those of what has gone, which are forgotten.
    fn take(&self, is_there: impl Fn(&str) -> bool) -> (Vec<LastUse>, Vec<LastUse>) {
        let mut notes = self.notes.write().unwrap_or_else(PoisonError::into_inner);
        let gone = notes.extract_if(|subject, _| !is_there(subject)).map(|(_, note)| note.last).collect();
        let take =
            |note: &mut Note| (!std::mem::replace(&mut note.is_written, true)).then(|| note.last.clone());
        (notes.values_mut().filter_map(take).collect(), gone)
    }
}

impl Iam {
    /// Notes that a caller's signature was right, for whom that is told.
    pub fn used(&self, caller: &Caller, key_id: &str, service: &str, region: &str) {
        let subject = match &caller.principal {
            Principal::User(standing) if !standing.temporary => key_id.to_owned(),
            Principal::AssumedRole(standing) => standing.id().to_owned(),
            _ => return,
        };
        let (time, service, region) = (self.0.clock.now(), service.to_owned(), region.to_owned());
        let account = caller.account;
        if self.0.uses.note(LastUse { account, subject, time, service, region }) {
            self.write_uses_later();
        }
    }

    /// When a key or role was last used, if it ever was; by the key's id, or the role's unique id.
    #[must_use]
    pub fn last_use(&self, subject: &str) -> Option<LastUse> {
        self.0.uses.get(subject)
    }

    /// Makes all that was noted durable. What cannot be written is lost, which nobody is kept waiting for.
    pub async fn write_uses(&self) {
        let uses = &self.0.uses;
        let _turn = uses.writing.lock().await;
        uses.is_due.store(false, Ordering::Release);
        let (new, gone) = uses.take(|subject| self.0.is_there(subject));
        for last in new {
            let expected = uses.table.get(&last.account, &last.subject).map(|entry| entry.stored);
            log_failure(uses.table.put(last, expected).await.map(drop));
        }
        for LastUse { account, subject, .. } in gone {
            if let Some(entry) = uses.table.get(&account, &subject) {
                log_failure(uses.table.remove(&account, &subject, entry.stored).await);
            }
        }
    }

    fn write_uses_later(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.0.uses.is_due.swap(true, Ordering::AcqRel) {
            return;
        }
        let iam = self.clone();
        runtime.spawn(async move {
            tokio::time::sleep(GATHERED).await;
            iam.write_uses().await;
        });
    }
}

impl Inner {
    /// Whether there is a key or role of this id.
    fn is_there(&self, subject: &str) -> bool {
        self.ids.arn(subject).is_some() || self.user_of_key(subject).is_some()
    }
}

fn log_failure(written: Result<(), RecordError>) {
    if let Err(error) = written {
        tracing::warn!(%error, "cannot keep when a key or role was last used");
    }
}
