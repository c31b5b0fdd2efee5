//! What needs a process of its own: a disk that is full, and a user who may not give files away. Each test runs
//! this program again with one of the children below as its only test.

use std::env;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::process::Command;

use services::image::unpack::{Bounds, Ownership, unpack};
use services::oci::{digest_of, digest_text};
use tempfile::TempDir;

use crate::image_files::Tar;
use crate::registry::put_blob;
use crate::world::World;

const CHILD: &str = "DORMOUSE_TEST_CHILD";

/// Whether this process was started for this child.
fn is_child(name: &str) -> bool {
    env::var(CHILD).is_ok_and(|child| child == name)
}

/// Runs a child under a shell script, which starts it as `"$@"`.
fn run_child(name: &str, script: &str) {
    let program = env::current_exe().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-ec", script, "sh"]).arg(program).args([
        &format!("limits::{name}"),
        "--exact",
        "--nocapture",
    ]);
    let output = shell.env(CHILD, name).output().unwrap();
    let (shown, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && shown.contains("1 passed"), "{shown}{errors}");
}

/// The limit on file sizes is the kernel's own, and meets the same `write(2)` as a full disk.
#[test]
fn a_full_disk_is_a_clean_error() {
    run_child("child_with_little_disk", "trap '' XFSZ; ulimit -f 4096; exec \"$@\"");
}

#[tokio::test]
async fn child_with_little_disk() {
    if !is_child("child_with_little_disk") {
        return;
    }
    let world = World::new().await;
    let begun = world.send("POST", "/v2/a/blobs/uploads/", &[], b"").await;
    let place = begun.header("location").to_owned();
    let piece = vec![1; 1_500_000];
    assert_eq!(world.send("PATCH", &place, &[], &piece).await.status, 202);
    let refused = world.send("PATCH", &place, &[], &piece).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (507, "BLOB_UPLOAD_INVALID"));
    // What was written before stands, in whole pieces, and the upload can go on.
    let stands = world.send("GET", &place, &[], b"").await;
    let end: usize = stands.header("range").trim_start_matches("0-").parse().unwrap();
    assert!((1_499_999..3_000_000).contains(&end), "{end}");
    let content = vec![1; end + 1];
    let done =
        world.send("PUT", &format!("{place}?digest={}", digest_text(digest_of(&content))), &[], b"").await;
    assert_eq!(done.status, 201);
    let digest = digest_text(digest_of(&vec![2; 3_000_000]));
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");
    assert_eq!(world.send("POST", &path, &[], &vec![2; 3_000_000]).await.status, 507);
    assert_eq!(world.registry.layout().uploads_open(), 0);
    put_blob(&world, "a", b"small").await;
}

#[test]
fn another_user_unpacks_for_himself() {
    if !rustix::process::geteuid().is_root() {
        return child_without_rights();
    }
    let drop = "exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs \"$@\"";
    // The build folder may be closed to others; a copy of this program is not.
    let copied = format!(
        "d=$(mktemp -d); trap 'rm -rf $d' EXIT; chmod 755 $d; cp \"$1\" $d/it; chmod 755 $d/it; shift; \
         export TMPDIR=/tmp; set -- $d/it \"$@\"; ({drop})"
    );
    run_child("child_without_rights", &copied);
}

#[test]
fn child_without_rights() {
    if !is_child("child_without_rights") && rustix::process::geteuid().is_root() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let tar = Tar::default()
        .entry("su", b'0', 0o4755, "", b"#!")
        .entry("closed/", b'5', 0o000, "", b"")
        .file("closed/f", b"")
        .entry("sticky/", b'5', 0o1777, "", b"")
        .file("sticky/.wh..wh..opq", b"")
        .file(".wh.gone", b"")
        .end();
    let target = dir.path().join("target");
    fs::create_dir(&target).unwrap();
    let done = unpack(&tar[..], File::open(&target).unwrap().as_fd(), &Bounds::default()).unwrap();
    assert_eq!(done.ownership, Ownership::Flattened);
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o7777;
    // The bit would mean another owner than the layer's.
    assert_eq!(mode(&target.join("su")), 0o755);
    assert_eq!((mode(&target.join("closed")), mode(&target.join("sticky"))), (0o000, 0o1777));
    assert!(fs::symlink_metadata(target.join("gone")).unwrap().file_type().is_char_device());
    // What its owner may not enter can be removed all the same.
    services::image::Unpacker::remove(&services::image::InProcess, &target).unwrap();
    assert!(!target.exists());
}
