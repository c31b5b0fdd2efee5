//! Layers unpacked: as GNU tar would, as overlayfs wants it, and not at all where they are hostile.
//!
//! GNU tar is the reference for what is written, down to the nanosecond; each hostile layer must fail with its own
//! message and leave everything outside untouched.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::process::Command;

use ruzstd::encoding::CompressionLevel;
use services::image::unpack::{Bounds, Ownership, UnpackError, Unpacked, unpack, unpack_layer};
use services::oci::digest_of;
use services::oci::media_type::Compression;
use tempfile::TempDir;

use crate::image_files::{Tar, gzip};

pub fn into(target: &Path, tar: &[u8], bounds: &Bounds) -> Result<Unpacked, UnpackError> {
    unpack(tar, File::open(target).unwrap().as_fd(), bounds)
}

fn unpacked(tar: &[u8]) -> TempDir {
    let dir = TempDir::new().unwrap();
    into(dir.path(), tar, &Bounds::default()).unwrap();
    dir
}

pub fn xattr(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = [0; 64];
    let length = rustix::fs::lgetxattr(path, name, &mut value[..]).ok()?;
    Some(value[..length].to_vec())
}

fn is_whiteout(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_char_device() && found.rdev() == 0)
}

#[test]
fn the_ordinary() {
    let dir = unpacked(
        &Tar::default()
            .entry("./", b'5', 0o711, "", b"")
            .entry("d/", b'5', 0o555, "", b"")
            .program("d/f", b"hello")
            .entry("d/hard", b'1', 0o644, "d/f", b"")
            .entry("link", b'2', 0o777, "/anywhere/../at/all", b"")
            .entry("pipe", b'6', 0o622, "", b"")
            .entry("dev", b'3', 0o666, "", b"")
            .file("deep/er/x", b"")
            .end(),
    );
    let at = |name: &str| dir.path().join(name);
    let found = fs::metadata(at("d/f")).unwrap();
    assert_eq!((found.mode() & 0o7777, found.mtime(), found.nlink()), (0o755, 0o14000000000, 2));
    assert_eq!(fs::read(at("d/hard")).unwrap(), b"hello");
    let folder = fs::metadata(at("d")).unwrap();
    assert_eq!((folder.mode() & 0o7777, folder.mtime()), (0o555, 0o14000000000));
    assert_eq!(fs::metadata(dir.path()).unwrap().mode() & 0o7777, 0o711);
    assert_eq!(fs::read_link(at("link")).unwrap().as_os_str().as_bytes(), b"/anywhere/../at/all");
    assert!(fs::symlink_metadata(at("pipe")).unwrap().file_type().is_fifo());
    assert!(!at("dev").exists());
    assert_eq!(fs::metadata(at("deep/er")).unwrap().mode() & 0o7777, 0o755);
}

#[test]
fn whiteouts_are_what_overlayfs_reads() {
    let dir = unpacked(
        &Tar::default()
            .file("a/.wh.gone", b"")
            .file("b/.wh..wh..opq", b"")
            .file("b/kept", b"")
            .file(".wh.top", b"")
            .folder("own/")
            .file("own/x", b"")
            .file(".wh.own", b"")
            .file(".wh.later", b"")
            .folder("later/")
            .file("file", b"1")
            .file(".wh.file", b"")
            .file(".wh..wh.plnk", b"")
            .end(),
    );
    let at = |name: &str| dir.path().join(name);
    assert!(is_whiteout(&at("a/gone")) && is_whiteout(&at("top")));
    assert!(at("b/kept").exists() && at("own/x").exists());
    for hides in ["b", "own", "later"] {
        assert_eq!(xattr(&at(hides), "user.overlay.opaque").as_deref(), Some(&b"y"[..]), "{hides}");
    }
    assert_eq!(fs::read(at("file")).unwrap(), b"1");
    assert_eq!(xattr(&at("a"), "user.overlay.opaque"), None);
    assert!(!at(".wh..wh.plnk").exists());
}

#[test]
fn the_later_of_two_entries_counts() {
    let dir = unpacked(
        &Tar::default()
            .file("f", b"old")
            .entry("other", b'1', 0o644, "f", b"")
            .file("f", b"new")
            .entry("l", b'2', 0o777, "f", b"")
            .file("l", b"file")
            .folder("d/")
            .entry("d/", b'5', 0o700, "", b"")
            .folder("e/")
            .file("e", b"file now")
            .end(),
    );
    let read = |name: &str| fs::read(dir.path().join(name)).unwrap();
    assert_eq!((read("f"), read("other"), read("l")), (b"new".to_vec(), b"old".to_vec(), b"file".to_vec()));
    assert_eq!(read("e"), b"file now");
    assert_eq!(fs::metadata(dir.path().join("d")).unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn bounds_hold() {
    let tar = Tar::default().file("a", b"12345").file("b", b"12345").end();
    let bounds = |bytes_max, entries_max| Bounds { bytes_max, entries_max };
    let check = |bounds, expected: Option<&str>| {
        let dir = TempDir::new().unwrap();
        let error = into(dir.path(), &tar, &bounds).err().map(|error| error.to_string());
        assert_eq!(error.is_some(), expected.is_some(), "{bounds:?}: {error:?}");
        assert!(expected.is_none_or(|part| error.unwrap().contains(part)));
    };
    check(bounds(10, 2), None);
    check(bounds(9, 2), Some("larger than 9 bytes"));
    check(bounds(10, 1), Some("more than 1 entries"));
    // A hole takes no space, and still counts: a function could fill it.
    let pax = b"30 GNU.sparse.size=9999999999\n20 GNU.sparse.map=\n";
    let pax = &pax[..30];
    let hole = Tar::default().entry("p", b'x', 0, "", pax).file("s", b"").end();
    let dir = TempDir::new().unwrap();
    assert!(matches!(into(dir.path(), &hole, &bounds(1_000, 9)), Err(UnpackError::TooLarge { .. })));
}

#[test]
fn broken_tars_are_errors_wherever_they_are_cut() {
    let tar = Tar::default()
        .file("a", &[7; 700])
        .folder("d/")
        .entry("x", b'x', 0, "", b"13 path=abcd\n")
        .file("f", b"x");
    for cut in (1..tar.0.len()).step_by(97).filter(|cut| cut % 512 != 0) {
        let dir = TempDir::new().unwrap();
        assert!(into(dir.path(), &tar.0[..cut], &Bounds::default()).is_err(), "{cut}");
    }
    let mut flipped = tar.0.clone();
    flipped[3] ^= 1;
    let dir = TempDir::new().unwrap();
    let error = into(dir.path(), &flipped, &Bounds::default()).unwrap_err().to_string();
    assert!(error.contains("checksum"), "{error}");
}

#[test]
fn every_compression_and_the_digest() {
    let tar = Tar::default().file("f", &b"content ".repeat(100_000)).end();
    let zstd = |bytes: &[u8]| ruzstd::encoding::compress_to_vec(bytes, CompressionLevel::Fastest);
    let (first, second) = tar.split_at(1_000);
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    for (name, blob, compression) in [
        ("plain", tar.clone(), Compression::None),
        ("gzip", gzip(&tar), Compression::Gzip),
        ("two members", [gzip(first), gzip(second)].concat(), Compression::Gzip),
        ("zstd", zstd(&tar), Compression::Zstd),
        (
            "frames",
            [zstd(first), skippable.to_vec(), zstd(second), skippable.to_vec()].concat(),
            Compression::Zstd,
        ),
    ] {
        let dir = TempDir::new().unwrap();
        let target = File::open(dir.path()).unwrap();
        let bounds = Bounds::default();
        let done = unpack_layer(&blob[..], compression, digest_of(&tar), target.as_fd(), &bounds);
        assert_eq!(done.unwrap().bytes, 800_000, "{name}");
        let dir = TempDir::new().unwrap();
        let target = File::open(dir.path()).unwrap();
        let wrong = unpack_layer(&blob[..], compression, digest_of(b""), target.as_fd(), &bounds);
        assert!(matches!(wrong, Err(UnpackError::WrongDigest { .. })), "{name}: {wrong:?}");
        let cut =
            unpack_layer(&blob[..blob.len() / 2], compression, digest_of(&tar), target.as_fd(), &bounds);
        assert!(cut.is_err(), "{name} cut short");
    }
}

/// Whatever format GNU tar writes, what comes out is what went in.
#[test]
fn what_gnu_tar_writes() {
    let dir = TempDir::new().unwrap();
    let source = dir.path().join("source");
    fs::create_dir_all(source.join("sub/dir")).unwrap();
    let long = format!("sub/{}/{}", "d".repeat(150), "n".repeat(200));
    fs::create_dir_all(source.join(&long).parent().unwrap()).unwrap();
    fs::write(source.join(&long), "long").unwrap();
    std::os::unix::fs::symlink("t".repeat(180), source.join("longlink")).unwrap();
    fs::write(source.join("ümlaut"), "u").unwrap();
    fs::hard_link(source.join("ümlaut"), source.join("sub/again")).unwrap();
    let sparse = File::create(source.join("sparse")).unwrap();
    for at in 0..40_u64 {
        std::os::unix::fs::FileExt::write_all_at(&sparse, b"part", at * 1_000_000).unwrap();
    }
    sparse.set_len(50_000_000).unwrap();
    let formats: &[&[&str]] = &[
        &["--format=gnu"],
        &["--format=gnu", "--sparse"],
        &["--format=posix"],
        &["--format=posix", "--sparse", "--sparse-version=0.0"],
        &["--format=posix", "--sparse", "--sparse-version=0.1"],
        &["--format=posix", "--sparse", "--sparse-version=1.0"],
    ];
    for format in formats {
        let mut packed = Command::new("tar");
        let packed = packed.args(["-C", source.to_str().unwrap(), "-cf", "-"]).args(*format).arg(".");
        let tar = packed.output().unwrap();
        assert!(tar.status.success());
        let target = dir.path().join("target");
        fs::create_dir(&target).unwrap();
        let done = into(&target, &tar.stdout, &Bounds::default()).unwrap();
        let root = rustix::process::geteuid().is_root();
        assert_eq!(done.ownership == Ownership::Kept, root, "{format:?}");
        let diff =
            Command::new("diff").args(["-r", "--no-dereference"]).args([&source, &target]).output().unwrap();
        assert!(diff.status.success(), "{format:?}: {}", String::from_utf8_lossy(&diff.stdout));
        if format[0] == "--format=posix" {
            // Owners, modes, links and times to the nanosecond.
            assert_eq!(list(&source), list(&target), "{format:?}");
        }
        let stored = fs::metadata(target.join("sparse")).unwrap();
        if format.contains(&"--sparse") {
            assert!(stored.blocks() * 512 < 10_000_000, "{format:?}: {} blocks", stored.blocks());
        }
        fs::remove_dir_all(&target).unwrap();
    }
}

/// Path, mode, owner, time, links, size and link target of everything beneath, sorted.
fn list(at: &Path) -> Vec<String> {
    let mut find = Command::new("find");
    let listed = find.args([".", "-printf", "%p %m %U %G %T@ %n %s %l\n"]).current_dir(at).output().unwrap();
    let mut lines: Vec<_> = String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn attributes_of_the_system_and_of_overlayfs_are_left_out() {
    let record = |key: &str| {
        let body = format!(" SCHILY.xattr.{key}=v\n");
        let length = (body.len() + 2).to_string();
        format!("{length}{body}")
    };
    let pax = [
        record("user.note"),
        record("user.overlay.redirect"),
        record("trusted.t"),
        record("security.capability"),
    ];
    let tar = Tar::default().entry("p", b'x', 0, "", pax.concat().as_bytes()).file("f", b"");
    let dir = unpacked(&tar.end());
    let f = dir.path().join("f");
    assert_eq!(xattr(&f, "user.note").as_deref(), Some(&b"v"[..]));
    for name in ["user.overlay.redirect", "trusted.t", "security.capability"] {
        assert_eq!(xattr(&f, name), None, "{name}");
    }
}
