//! Layers that no honest tool writes: paths and links that lead out, whiteouts of what is not theirs, headers that
//! lie. Each is refused with its own message, and nothing outside of the target is touched.

use std::fs;
use std::os::unix::fs::MetadataExt;

use services::image::unpack::Bounds;
use tempfile::TempDir;

use crate::image_files::Tar;
use crate::unpack::{into, xattr};

#[track_caller]
fn refused(name: &str, tar: Tar, expected: &str) {
    let dir = TempDir::new().unwrap();
    let (target, outside) = (dir.path().join("target"), dir.path().join("outside"));
    fs::create_dir(&target).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("f"), "untouched").unwrap();
    let error = into(&target, &tar.end(), &Bounds::default()).expect_err(name).to_string();
    assert!(error.contains(expected), "{name}: {error}");
    let left: Vec<_> = fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["f"], "{name}");
    assert_eq!(fs::metadata(outside.join("f")).unwrap().nlink(), 1, "{name}");
    assert_eq!(xattr(&outside, "user.overlay.opaque"), None, "{name}");
}

#[test]
fn paths_that_lead_out() {
    refused("absolute", Tar::default().file("/etc/x", b""), "its path is absolute");
    refused("upwards", Tar::default().file("a/../../x", b""), "its path leads upwards");
    refused("no name", Tar::default().file("", b""), "it has no path");
    refused("the root a file", Tar::default().file(".", b""), "the root is not a directory");
    refused(
        "a full directory replaced",
        Tar::default().folder("d/").file("d/x", b"").entry("d", b'2', 0o777, "/", b""),
        "it would replace a directory with content",
    );
}

#[test]
fn links_that_lead_out() {
    refused(
        "through a link out",
        Tar::default().entry("l", b'2', 0o777, "../outside", b"").file("l/x", b""),
        "a directory on its path is a symbolic link",
    );
    refused(
        "through a link within",
        Tar::default().folder("d/").entry("l", b'2', 0o777, "d", b"").file("l/x", b""),
        "a directory on its path is a symbolic link",
    );
    refused(
        "through an absolute link",
        Tar::default().entry("l", b'2', 0o777, "/tmp", b"").folder("l/x/"),
        "a directory on its path is a symbolic link",
    );
    refused(
        "through a file",
        Tar::default().file("f", b"").file("f/x", b""),
        "a directory on its path is none",
    );
    refused(
        "hard link out",
        Tar::default().entry("h", b'1', 0o644, "../outside/f", b""),
        "not within the layer",
    );
    refused(
        "absolute hard link",
        Tar::default().entry("h", b'1', 0o644, "/etc/passwd", b""),
        "not within the layer",
    );
    refused(
        "hard link through a link",
        Tar::default().entry("l", b'2', 0o777, "../outside", b"").entry("h", b'1', 0o644, "l/f", b""),
        "links through a symbolic link",
    );
    refused("hard link to nothing", Tar::default().entry("h", b'1', 0o644, "no", b""), "does not contain");
    refused(
        "hard link to itself",
        Tar::default().file("f", b"").entry("f", b'1', 0o644, "f", b""),
        "links to itself",
    );
    refused(
        "hard link to a directory",
        Tar::default().folder("d/").entry("h", b'1', 0o644, "d", b""),
        "a directory",
    );
    refused("link to nowhere", Tar::default().entry("l", b'2', 0o777, "", b""), "its link leads nowhere");
}

#[test]
fn whiteouts_of_what_is_not_theirs() {
    refused("whiteout of a parent", Tar::default().file("a/.wh...", b""), "it hides nothing");
    refused("whiteout of itself", Tar::default().file("a/.wh..", b""), "it hides nothing");
    refused("whiteout of nothing", Tar::default().file(".wh.", b""), "it hides nothing");
    refused(
        "whiteout through a link",
        Tar::default().entry("l", b'2', 0o777, "../outside", b"").file("l/.wh.f", b""),
        "a directory on its path is a symbolic link",
    );
    refused(
        "opaque through a link",
        Tar::default().entry("l", b'2', 0o777, "../outside", b"").file("l/.wh..wh..opq", b""),
        "a directory on its path is a symbolic link",
    );
}

#[test]
fn headers_that_lie() {
    let long = "x".repeat(90);
    refused("unknown kind", Tar::default().entry("v", b'V', 0o644, "", b""), "its kind is unknown");
    refused("a path too long", Tar::default().entry("l", b'L', 0, "", &[b'a'; 5_000]), "a path is too long");
    refused(
        "a name too long",
        Tar::default().entry("l", b'L', 0, "", &[b'a'; 300]).file("x", b""),
        "too long or too deep",
    );
    refused(
        "broken pax",
        Tar::default().entry("p", b'x', 0, "", b"99 path=x\n").file(&long, b""),
        "pax header",
    );
    refused(
        "pax upwards",
        Tar::default().entry("p", b'x', 0, "", b"13 path=../x\n").file(&long, b""),
        "leads upwards",
    );
    refused(
        "sparse beyond its end",
        Tar::default()
            .entry("p", b'x', 0, "", b"22 GNU.sparse.size=10\n27 GNU.sparse.map=0,1,99,1\n")
            .file("s", b"ab"),
        "beyond its end",
    );
    refused(
        "sparse that overlaps",
        Tar::default()
            .entry("p", b'x', 0, "", b"22 GNU.sparse.size=10\n27 GNU.sparse.map=3,1,00,1\n")
            .file("s", b"ab"),
        "overlap",
    );
}
