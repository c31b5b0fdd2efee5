//! Which upload makes room for a new one, where as many are open as may be.
//!
//! Nobody can list what broken pushes have left open, so a full pool must clear itself. What has rested for so long that
//! its client is gone goes first; then the owner who has most of all gives the one that has rested longest, so that nobody
//! can crowd out others; then what is silent, so that one push with several layers need not end itself while the many with
//! one each look dead. Touches no file.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::{Owner, Upload, UploadId};

/// No client is silent for so long in the middle of a push.
const LEFT_AFTER: Duration = Duration::from_secs(3_600);
/// Hardly any client is silent for so long between two requests; while one writes, its upload stays anyway.
const SILENT_AFTER: Duration = Duration::from_secs(300);

/// Closes the upload that goes for one of `newcomer`'s; `None` where all that could are being written to.
pub(super) fn close_one(open: &BTreeMap<UploadId, Arc<Upload>>, newcomer: &Owner) -> Option<UploadId> {
    let (mut accounts, mut owners) = (HashMap::<_, usize>::new(), HashMap::<_, usize>::new());
    for Upload { owner, .. } in open.values().map(|upload| &**upload) {
        *accounts.entry(owner.scope.account).or_default() += 1;
        *owners.entry(owner).or_default() += 1;
    }
    let share = |owner: &Owner| (accounts.get(&owner.scope.account).copied(), owners.get(owner).copied());
    let own = share(newcomer);
    let mut by_rest: Vec<_> = open.values().collect();
    // Each asked once: those that are written to change meanwhile, and no order would hold.
    by_rest.sort_by_cached_key(|upload| upload.touched());
    let rested = |span: Duration| by_rest.iter().take_while(move |upload| upload.rests() >= span);
    let mut richer: Vec<_> = by_rest.iter().filter(|upload| share(&upload.owner) > own).collect();
    richer.sort_by_key(|upload| Reverse(share(&upload.owner)));
    // Whose account has less than the newcomer's is asked for nothing.
    let silent = rested(SILENT_AFTER).filter(|upload| share(&upload.owner).0 >= own.0);
    let alike = by_rest.iter().filter(|upload| share(&upload.owner) == own);
    let mut candidates = rested(LEFT_AFTER).chain(richer).chain(silent).chain(alike);
    candidates.find(|upload| upload.close()).map(|upload| upload.id)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use model::arn::Scope;
    use model::id::{AccountId, Region};
    use sha2::{Digest as _, Sha256};

    use super::super::Running;
    use super::*;
    use crate::oci::name::RepositoryName;

    const MINE: &str = "111111111111";
    const THEIRS: &str = "222222222222";

    fn owner((account, repository): (&str, &str)) -> Owner {
        let account = AccountId::parse(account).unwrap();
        let scope = Scope { account, region: Region::default_region() };
        Owner { scope, repository: RepositoryName::parse(repository).unwrap() }
    }

    /// Which of these uploads goes, where each has its owner, the minutes that it has rested, and whether it is being
    /// written to.
    fn goes(newcomer: (&str, &str), uploads: &[((&str, &str), u64, bool)]) -> Option<usize> {
        let now = SystemTime::now();
        let made = uploads.iter().zip(0..).map(|((of, minutes, _), number)| {
            let touched = now - Duration::from_secs(minutes * 60);
            let id = UploadId(number);
            (id, Upload::new(id, owner(*of), 0, touched, Running::Known(Sha256::new())))
        });
        let open: BTreeMap<_, _> = made.collect();
        let busy = open.values().zip(uploads).filter(|(_, (_, _, busy))| *busy);
        let _held: Vec<_> = busy.map(|(upload, _)| upload.digest.try_lock().unwrap()).collect();
        let closed = close_one(&open, &owner(newcomer))?;
        let position = open.keys().position(|id| *id == closed);
        assert!(!open[&closed].digest.try_lock().is_ok_and(|running| !matches!(*running, Running::Closed)));
        position
    }

    #[test]
    fn who_has_most_makes_room() {
        let (a, b, c, theirs) = ((MINE, "a"), (MINE, "b"), (MINE, "c"), (THEIRS, "a"));
        // The longest rested of the repository that has most.
        assert_eq!(goes(b, &[(b, 4, false), (a, 1, false), (a, 2, false)]), Some(2));
        assert_eq!(goes(a, &[(b, 4, false), (a, 1, false), (a, 2, false)]), Some(2));
        // Of the account that has most, however its uploads are spread.
        assert_eq!(
            goes(
                theirs,
                &[(theirs, 9, false), (theirs, 9, false), (a, 1, false), (b, 2, false), (c, 3, false)]
            ),
            Some(4)
        );
        // Among those that have as much, what has rested longest, so that nobody's push ends in its middle.
        assert_eq!(goes(a, &[(a, 1, false), (b, 2, false), (c, 3, false)]), Some(2));
        // What its client has left goes first, whose ever it is.
        assert_eq!(goes(a, &[(theirs, 61, false), (a, 1, false), (a, 60, false)]), Some(0));
        // What is being written to stays, and others do not pay for it.
        assert_eq!(goes(a, &[(a, 99, true), (a, 1, false), (b, 2, false)]), Some(1));
        // A push with several layers goes on beside many that are silent, but for those of an account that has less.
        assert_eq!(goes(a, &[(a, 1, false), (a, 2, false), (b, 5, false), (c, 4, false)]), Some(2));
        assert_eq!(goes(a, &[(a, 1, false), (a, 2, false), (theirs, 59, false)]), Some(1));
        assert_eq!(goes(a, &[(a, 99, true), (a, 9, true), (b, 2, false)]), None);
        assert_eq!(goes(b, &[(a, 99, true), (a, 9, true), (b, 2, false)]), Some(2));
        assert_eq!(goes(c, &[(a, 99, true), (a, 9, true), (b, 2, false)]), Some(2));
        assert_eq!(goes(a, &[]), None);
    }

    #[test]
    fn what_is_written_to_meanwhile_does_not_confuse_the_order() {
        let (now, mine) = (SystemTime::now(), owner((MINE, "a")));
        let made = (0..1_000).map(|number| {
            let id = UploadId(number);
            (id, Upload::new(id, mine.clone(), 0, now, Running::Known(Sha256::new())))
        });
        let open: BTreeMap<_, _> = made.collect();
        // In an order that is not that of their ids.
        let scattered: Vec<_> = (0..1_000).map(|place| &open[&UploadId(place * 387 % 1_000)]).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..2_000).for_each(|_| scattered.iter().for_each(|upload| upload.advance(1))));
            assert!((0..200).all(|_| close_one(&open, &mine).is_some()));
        });
    }
}
