//! The ledger: what was recorded is read back, whatever happened to the end of the file.
//!
//! Files are damaged by hand here; `crash` and `full_disk` damage them as nature does. Leases are told apart by
//! their billed milliseconds.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dormouse_store::ledger::{LedgerError, LedgerFiles};
use model::lease::Lease;
use model::port::Ledger;
use model::time::Timestamp;

use crate::samples::lease;

fn open(dir: &Path) -> LedgerFiles {
    LedgerFiles::open(dir).unwrap()
}

fn all(ledger: &LedgerFiles) -> Vec<Lease> {
    ledger.leases(Timestamp::default()).unwrap().collect::<Result<_, _>>().unwrap()
}

fn numbers(ledger: &LedgerFiles) -> Vec<u64> {
    all(ledger).iter().map(|lease| lease.billed_ms).collect()
}

fn newest_file(dir: &Path) -> PathBuf {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.pop().unwrap()
}

#[test]
fn leases_are_read_back_as_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let expected: Vec<Lease> = (0..10).map(lease).collect();
    expected.iter().for_each(|lease| ledger.record(lease));
    assert_eq!(all(&ledger), expected);
    drop(ledger);
    let ledger = open(dir.path());
    assert_eq!(ledger.recovery().bytes_cut, 0);
    assert_eq!(all(&ledger), expected);
    let late: Vec<_> = ledger.leases(Timestamp::from_millis(7)).unwrap().map(Result::unwrap).collect();
    assert_eq!(late, expected[7..]);
}

#[test]
fn a_later_row_amends_an_earlier_one_in_the_same_file_or_the_next() {
    let dir = tempfile::tempdir().unwrap();
    // Three or four rows to a file.
    let ledger = LedgerFiles::open_rotating(dir.path(), 1_200).unwrap();
    for number in [1, 2, 3, 4, 5, 6, 7, 8] {
        ledger.record(&lease(number));
        if number % 2 == 0 {
            // The one before, and the one before that across files.
            let amended = Lease { bytes_out: 99, ..lease(number - 1) };
            ledger.record(&amended);
        }
    }
    assert!(fs::read_dir(dir.path()).unwrap().count() >= 3, "the test needs several files");
    let leases = all(&ledger);
    let mut seen: Vec<_> = leases.iter().map(|lease| (lease.billed_ms, lease.bytes_out)).collect();
    seen.sort_unstable();
    let expected: Vec<_> = (1..=8).map(|n| (n, if n % 2 == 1 { 99 } else { 20 })).collect();
    assert_eq!(seen, expected);
}

#[test]
fn rotation_loses_nothing_and_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let ledger = LedgerFiles::open_rotating(dir.path(), 2_000).unwrap();
        for number in 0..20 {
            ledger.record(&lease(round * 20 + number));
        }
        assert_eq!(numbers(&ledger), (0..(round + 1) * 20).collect::<Vec<_>>());
    }
    for entry in fs::read_dir(dir.path()).unwrap() {
        assert!(entry.unwrap().metadata().unwrap().len() < 2_600);
    }
}

#[test]
fn a_torn_end_is_cut_wherever_it_is_torn() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    (1..=3).for_each(|number| ledger.record(&lease(number)));
    drop(ledger);
    let path = newest_file(dir.path());
    let whole = fs::read(&path).unwrap();
    let third = whole[..whole.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
    for cut in third..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let ledger = open(dir.path());
        assert_eq!(ledger.recovery().bytes_cut, (cut - third) as u64);
        assert_eq!(ledger.recovery().rows_unreadable, 0);
        ledger.record(&lease(4));
        assert_eq!(numbers(&ledger), [1, 2, 4], "cut at {cut}");
    }
}

#[test]
fn zeroes_and_noise_at_the_end_are_cut() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    (1..=3).for_each(|number| ledger.record(&lease(number)));
    drop(ledger);
    let path = newest_file(dir.path());
    let whole = fs::read(&path).unwrap();
    let noise: Vec<u8> = (0..20_000_u32).map(|n| u8::try_from((n * 31 + n / 7) % 256).unwrap()).collect();
    for tail in [vec![0; 100_000], vec![b'\n'; 10], noise, b"00000000 {}\n".to_vec()] {
        fs::write(&path, [whole.clone(), tail.clone()].concat()).unwrap();
        let ledger = open(dir.path());
        assert_eq!(ledger.recovery().bytes_cut, tail.len() as u64);
        assert_eq!(numbers(&ledger), [1, 2, 3]);
    }
}

#[test]
fn a_damaged_row_in_the_middle_is_reported_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    (1..=3).for_each(|number| ledger.record(&lease(number)));
    drop(ledger);
    let path = newest_file(dir.path());
    let mut bytes = fs::read(&path).unwrap();
    let second = bytes.iter().position(|b| *b == b'\n').unwrap() + 20;
    bytes[second] ^= 4;
    fs::write(&path, &bytes).unwrap();

    let ledger = open(dir.path());
    assert_eq!((ledger.recovery().bytes_cut, ledger.recovery().rows_unreadable), (0, 1));
    let mut read = ledger.leases(Timestamp::default()).unwrap();
    assert_eq!(read.next().unwrap().unwrap().billed_ms, 1);
    let damaged = read.next().unwrap().unwrap_err();
    assert!(matches!(damaged, LedgerError::UnreadableRow { line: 2, .. }), "{damaged}");
    assert_eq!(read.next().unwrap().unwrap().billed_ms, 3);
    assert!(read.next().is_none());
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn many_threads_record_without_mixing_rows() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Arc::new(LedgerFiles::open_rotating(dir.path(), 20_000).unwrap());
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let ledger = Arc::clone(&ledger);
            std::thread::spawn(move || (0..200).for_each(|n| ledger.record(&lease(thread * 200 + n))))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let mut seen = numbers(&ledger);
    seen.sort_unstable();
    assert_eq!(seen, (0..1_600).collect::<Vec<_>>());
}

#[test]
fn a_reader_sees_the_ledger_as_it_was_when_it_began() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.record(&lease(1));
    let reader = ledger.leases(Timestamp::default()).unwrap();
    ledger.record(&lease(2));
    assert_eq!(reader.map(|lease| lease.unwrap().billed_ms).collect::<Vec<_>>(), [1]);
}
