//! What is accepted as a package, and what lies on the disk after unpacking.
//!
//! The property that matters most: whatever is accepted can be unpacked, and nothing of it lies or leads outside.

use std::io::{Cursor, Write};

use proptest::prelude::*;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::*;

/// Name, Unix mode with type bits, content.
type File<'a> = (&'a str, u32, &'a [u8]);

/// Writes an archive with names and modes as they stand, however odd: the other implementation writes the
/// ordinary part, then name and mode are put in their places.
fn archive(files: &[File<'_>]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let placeholder = |index: usize, name: &str| format!("{index:0width$}", width = name.len());
    for (index, (name, _, content)) in files.iter().enumerate() {
        writer.start_file(placeholder(index, name), SimpleFileOptions::default()).expect("start a file");
        writer.write_all(content).expect("write a file");
    }
    let mut zip = writer.finish().expect("finish the archive").into_inner();
    for (index, (name, mode, _)) in files.iter().enumerate() {
        let old = placeholder(index, name).into_bytes();
        let length = u16::try_from(old.len()).expect("a short name").to_le_bytes();
        // Signature, length of the fixed part, place of the name's length in it.
        for (signature, fixed, length_at) in [(b"PK\x01\x02", 46, 28), (b"PK\x03\x04", 30, 26)] {
            let is_header = |start: &usize| {
                zip[*start..].starts_with(signature)
                    && zip[start + length_at..].starts_with(&length)
                    && zip[start + fixed..].starts_with(&old)
            };
            let start = (0..zip.len() - fixed - old.len()).find(is_header).expect("a header");
            zip[start + fixed..start + fixed + old.len()].copy_from_slice(name.as_bytes());
            if fixed == 46 {
                zip[start + 5] = 3;
                zip[start + 38..start + 42].copy_from_slice(&(mode << 16).to_le_bytes());
            }
        }
    }
    zip
}

fn check_refused(files: &[File<'_>], expect: &str) {
    let message = inspect(&archive(files)).expect_err("refused").to_string();
    assert!(message.contains(expect), "{message:?} does not contain {expect:?}");
}

#[test]
fn a_package_is_unpacked_with_the_right_modes() {
    let zip = archive(&[
        ("app.py", 0o100_600, b"print()"),
        ("bin/tool", 0o100_700, b"#!/bin/sh"),
        ("bootstrap", 0o100_644, b"#!/bin/sh"),
        ("empty/", 0o040_700, b""),
        ("lib/link.so", 0o120_777, b"../bin/tool"),
    ]);
    assert_eq!(inspect(&zip).expect("a sound package"), 7 + 9 + 9 + 11);
    let directory = tempfile::tempdir().expect("a directory");
    unpack(&zip, directory.path()).expect("unpacked");
    let mode = |name: &str| {
        fs::symlink_metadata(directory.path().join(name)).expect("exists").permissions().mode() & 0o777
    };
    assert_eq!([mode("app.py"), mode("bin/tool"), mode("bootstrap")], [0o644, 0o755, 0o755]);
    assert_eq!([mode("bin"), mode("empty")], [0o755, 0o755]);
    assert_eq!(fs::read(directory.path().join("lib/link.so")).expect("through the link"), b"#!/bin/sh");
}

#[test]
fn packages_that_are_refused() {
    const FILE: u32 = 0o100_644;
    check_refused(&[("../evil", FILE, b"x")], "`..`");
    check_refused(&[("/etc/passwd", FILE, b"x")], "absolute");
    check_refused(&[("a\\b", FILE, b"x")], "backslash");
    check_refused(&[("same", FILE, b"1"), ("same", FILE, b"2")], "twice");
    check_refused(&[("a", FILE, b"1"), ("a/b", FILE, b"2")], "file in one place");
    check_refused(&[("link", 0o120_777, b"/etc/passwd")], "leaves the package");
    check_refused(&[("link", 0o120_777, b"../../x")], "leaves the package");
    check_refused(&[("link", 0o120_777, b"dir"), ("link/x", FILE, b"y")], "file in one place");
    check_refused(&[("null", 0o020_666, b"")], "neither a file");
    check_refused(&[("pipe", 0o010_666, b"")], "neither a file");
    check_refused(&[("dir/", 0o040_755, b"content")], "content of its own");
    check_refused(&[], "empty");
}

#[test]
fn names_that_are_not_text_are_refused() {
    let mut zip = archive(&[("abc", 0o100_644, b"x")]);
    for at in (0..zip.len() - 3).filter(|at| zip[*at..].starts_with(b"abc")).collect::<Vec<_>>() {
        zip[at] = 0xff;
    }
    assert!(inspect(&zip).expect_err("refused").to_string().contains("not UTF-8"));
}

#[test]
fn a_bomb_is_refused() {
    let zeros = vec![0; 60_000_000];
    let files: Vec<String> = (0..5).map(|index| format!("zeros{index}")).collect();
    let files: Vec<File<'_>> = files.iter().map(|name| (name.as_str(), 0o100_644, &zeros[..])).collect();
    let zip = archive(&files);
    assert!(zip.len() < 2_000_000, "it is small: {} bytes", zip.len());
    assert!(matches!(inspect(&zip), Err(PackageError::Archive(ArchiveError::TooLarge))));
}

proptest! {
    /// Whatever names a package has: if it is accepted, unpacking succeeds and stays inside.
    #[test]
    fn accepted_packages_stay_inside(
        files in prop::collection::vec(("[ab./]{1,8}", prop::sample::select(vec![0o100_644_u32, 0o120_777, 0o040_755]), "[ab./]{0,6}"), 1..6)
    ) {
        let files: Vec<File<'_>> = files
            .iter()
            .map(|(name, mode, content)| (name.as_str(), *mode, content.as_bytes()))
            .collect();
        let zip = archive(&files);
        if inspect(&zip).is_ok() {
            let outer = tempfile::tempdir().expect("a directory");
            let inner = outer.path().join("inner");
            fs::create_dir(&inner).expect("a directory");
            unpack(&zip, &inner).expect("an accepted package can be unpacked");
            prop_assert_eq!(fs::read_dir(outer.path()).expect("listed").count(), 1);
            assert_inside(&inner, &inner.canonicalize().expect("resolved"));
        }
    }

    #[test]
    fn damaged_packages_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut zip = archive(&[("a/b", 0o100_644, b"hello"), ("l", 0o120_777, b"a/b")]);
        for (at, byte) in changes {
            let at = at.index(zip.len());
            zip[at] = byte;
        }
        let _ = inspect(&zip);
    }
}

/// Every link that leads anywhere leads to a place below `root`.
fn assert_inside(directory: &Path, root: &Path) {
    for entry in fs::read_dir(directory).expect("listed") {
        let entry = entry.expect("listed");
        if let Ok(real) = entry.path().canonicalize() {
            assert!(real.starts_with(root), "{} leads to {}", entry.path().display(), real.display());
        }
        if entry.file_type().expect("a type").is_dir() {
            assert_inside(&entry.path(), root);
        }
    }
}
