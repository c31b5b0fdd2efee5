//! Archives as others write them, as nobody should write them, and as noise makes them.
//!
//! Sound archives come from another implementation (the `zip` crate), so that two readings of the format meet here.

use std::io::Cursor;

use proptest::prelude::*;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::*;

/// An ordinary archive made by another implementation.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default()).expect("start a file");
        writer.write_all(content).expect("write a file");
    }
    writer.finish().expect("finish the archive").into_inner()
}

fn contents(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, ArchiveError> {
    let archive = Archive::parse(bytes)?;
    let read = |entry: &Entry<'_>| {
        let mut content = Vec::new();
        entry.copy(&mut 1_000_000, &mut content)?;
        Ok((entry.label(), content))
    };
    archive.entries().iter().map(read).collect()
}

#[test]
fn an_ordinary_archive_is_read() {
    let large = b"abc".repeat(100_000);
    let zip = archive(&[("empty", b""), ("small", b"hello"), ("large", &large)]);
    let read = contents(&zip).expect("a sound archive");
    assert_eq!(read[0], ("empty".to_owned(), Vec::new()));
    assert_eq!(read[1], ("small".to_owned(), b"hello".to_vec()));
    assert_eq!(read[2].1, large);
}

#[test]
fn zip64_fields_are_read() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("wide", SimpleFileOptions::default().large_file(true)).expect("start a file");
    writer.write_all(b"content").expect("write a file");
    let zip = writer.finish().expect("finish the archive").into_inner();
    assert_eq!(contents(&zip).expect("a sound archive"), [("wide".to_owned(), b"content".to_vec())]);
}

#[test]
fn a_comment_is_allowed_and_anything_else_after_the_end_is_not() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("a", SimpleFileOptions::default()).expect("start a file");
    writer.set_comment("a comment");
    let mut zip = writer.finish().expect("finish the archive").into_inner();
    assert_eq!(contents(&zip).expect("a sound archive").len(), 1);
    zip.push(0);
    assert!(matches!(contents(&zip), Err(ArchiveError::NoEnd)));
}

#[test]
fn every_truncation_is_refused() {
    let zip = archive(&[("a", b"hello"), ("b", b"world")]);
    for length in 0..zip.len() {
        assert!(contents(&zip[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn bytes_before_the_archive_are_refused() {
    let zip = [b"#!/bin/sh\n".to_vec(), archive(&[("a", b"hello")])].concat();
    assert!(contents(&zip).is_err());
}

#[test]
fn content_must_match_its_size_and_checksum() {
    let zip = archive(&[("a", &b"hello ".repeat(50))]);
    let central = zip.windows(4).rposition(|w| w == CENTRAL_SIGNATURE.to_le_bytes()).expect("a directory");
    for (what, at) in [("checksum", central + 16), ("size", central + 24)] {
        for delta in [1_u8, 0xff] {
            let mut forged = zip.clone();
            forged[at] = forged[at].wrapping_add(delta);
            assert!(matches!(contents(&forged), Err(ArchiveError::Content { .. })), "{what} {delta}");
        }
    }
}

#[test]
fn headers_that_disagree_are_refused() {
    let mut zip = archive(&[("name", b"hello")]);
    // The local header is the first thing in the file.
    zip[LOCAL_BYTES] = b'x';
    assert!(matches!(contents(&zip), Err(ArchiveError::Entry { .. })));
}

#[test]
fn encrypted_and_exotic_entries_are_refused() {
    let zip = archive(&[("a", b"hello")]);
    let central = zip.windows(4).rposition(|w| w == CENTRAL_SIGNATURE.to_le_bytes()).expect("a directory");
    let mut encrypted = zip.clone();
    encrypted[central + 8] |= 1;
    assert!(matches!(contents(&encrypted), Err(ArchiveError::Encrypted { .. })));
    let mut exotic = zip;
    exotic[central + 10] = 14;
    assert!(matches!(contents(&exotic), Err(ArchiveError::Method { method: 14, .. })));
}

#[test]
fn real_bytes_are_counted_whatever_the_header_says() {
    let zip = archive(&[("zeros", &vec![0; 3_000_000])]);
    assert!(matches!(contents(&zip), Err(ArchiveError::TooLarge)));
    let central = zip.windows(4).rposition(|w| w == CENTRAL_SIGNATURE.to_le_bytes()).expect("a directory");
    let mut lying = zip;
    lying[central + 24..central + 28].copy_from_slice(&5_u32.to_le_bytes());
    assert!(matches!(contents(&lying), Err(ArchiveError::Content { .. })));
}

proptest! {
    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = contents(&noise);
    }

    /// Noise with all the right signatures in it gets further.
    #[test]
    fn damaged_archives_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        let mut zip = archive(&[("a/b", b"hello"), ("c", &[9; 500])]);
        for (at, byte) in changes {
            let at = at.index(zip.len());
            zip[at] = byte;
        }
        if let Ok(read) = contents(&zip) {
            prop_assert!(read.len() <= 2);
        }
    }
}
