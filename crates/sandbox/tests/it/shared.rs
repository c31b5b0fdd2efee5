//! Shared directories: what a function writes there belongs to the directory's owner, and others see it.
//!
//! The owner is one that exists nowhere on the machine; without root, it is whoever runs the tests.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use dormouse_sandbox::{Access, ExitStatus, Mount, SandboxError, SandboxSpec, Source, Weakness, privilege};
use libtest_mimic::Trial;

use crate::world::{World, add, sh};

/// Some user and group of the host.
const OWNER: (u32, u32) = (12_345, 23_456);

pub fn add_to(trials: &mut Vec<Trial>, world: Option<&World>) {
    add(trials, world, "shared::what_is_written_belongs_to_the_owner", belongs_to_owner);
    add(trials, world, "shared::two_sandboxes_share_a_directory", two_sandboxes);
    add(trials, world, "shared::files_of_others_are_as_their_modes_say", files_of_others);
    add(trials, world, "shared::what_must_not_be_shared_is_refused", refused);
}

/// An empty directory that may be shared, in the directory of a world.
pub fn directory(dir: &Path, name: &str) -> PathBuf {
    let path = dir.join("shared").join(name);
    fs::create_dir(&path).unwrap();
    if privilege::is_root() {
        chown(&path, Some(OWNER.0), Some(OWNER.1)).unwrap();
    }
    path
}

/// It, at `/mnt/shared`.
pub fn mount(source: PathBuf) -> Mount {
    Mount { source: Source::Tree(source), target: "/mnt/shared".into(), access: Access::ReadWrite }
}

fn spec(world: &World, source: PathBuf) -> SandboxSpec {
    let mut spec = world.spec();
    spec.mounts.push(mount(source));
    spec
}

async fn belongs_to_owner(world: World) {
    let path = directory(world.dir.path(), "owner");
    let sandbox = world.keeper.create(spec(&world, path.clone())).await.unwrap();
    let script = "cd /mnt/shared; mkdir -p a/b; echo written > a/b/file; ln -s file a/b/link; mv a/b/file a/file; \
                  chmod 640 a/file; cat a/file; stat -c '%A %U %G' . a/file";
    let seen = sh(&sandbox, script).await.ok();
    let expected = "written\ndrwxr-xr-x sbx_user1051 sbx_user1051\n-rw-r----- sbx_user1051 sbx_user1051\n";
    assert_eq!(seen, expected);
    let owner = fs::metadata(&path).unwrap();
    for part in ["a", "a/b", "a/file", "a/b/link"] {
        let made = fs::symlink_metadata(path.join(part)).unwrap();
        assert_eq!((made.uid(), made.gid()), (owner.uid(), owner.gid()), "{part}");
    }
    assert_eq!(fs::read_to_string(path.join("a/file")).unwrap(), "written\n");
    // A program that is set-user-id outside is an ordinary one inside, and devices cannot be made.
    let script = "cd /mnt/shared; cp /usr/bin/id .; chmod 6755 id; ./id -u; mknod d c 1 3 || echo none";
    assert_eq!(sh(&sandbox, script).await.ok(), "993\nnone\n");
}

async fn two_sandboxes(world: World) {
    let path = directory(world.dir.path(), "two");
    let one = world.keeper.create(spec(&world, path.clone())).await.unwrap();
    let other = world.keeper.create(spec(&world, path.clone())).await.unwrap();
    sh(&one, "echo from one > /mnt/shared/file").await.ok();
    assert_eq!(
        sh(&other, "cat /mnt/shared/file; echo from other >> /mnt/shared/file").await.ok(),
        "from one\n"
    );
    assert_eq!(sh(&one, "cat /mnt/shared/file; rm /mnt/shared/file").await.ok(), "from one\nfrom other\n");
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    let mut read_only = world.spec();
    read_only.mounts.push(Mount::read_only(path, "/mnt/shared".into()));
    let reader = world.keeper.create(read_only).await.unwrap();
    sh(&one, "echo again > /mnt/shared/file").await.ok();
    assert_eq!(sh(&reader, "cat /mnt/shared/file").await.ok(), "again\n");
    assert_ne!(sh(&reader, "echo x > /mnt/shared/x").await.status, ExitStatus::Exited(0));
}

async fn files_of_others(world: World) {
    if world.weak(Weakness::SharedUser) {
        return; // no other user can have made files here
    }
    let path = directory(world.dir.path(), "others");
    for (name, mode) in [("open", 0o644), ("closed", 0o600), ("writable", 0o666)] {
        fs::write(path.join(name), name).unwrap();
        fs::set_permissions(path.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let sandbox = world.keeper.create(spec(&world, path.clone())).await.unwrap();
    let seen = sh(&sandbox, "cd /mnt/shared; cat open; cat closed || echo -refused; stat -c ' %u %g' open");
    let seen = seen.await.ok();
    assert!(seen.starts_with("open-refused\n 65534 65534"), "{seen}");
    for script in ["echo x >> /mnt/shared/open", "echo x >> /mnt/shared/writable"] {
        assert_ne!(sh(&sandbox, script).await.status, ExitStatus::Exited(0), "{script}");
    }
    assert_eq!(fs::read_to_string(path.join("writable")).unwrap(), "writable");
}

async fn refused(world: World) {
    let code = world.dir.path().join("code");
    let path = directory(world.dir.path(), "refused");
    let merged = Mount { source: Source::Merged(vec![path.clone()]), ..mount(path.clone()) };
    let file = path.join("file");
    fs::write(&file, "").unwrap();
    std::os::unix::fs::symlink("/etc", path.join("leads-out")).unwrap();
    let mut cases = vec![
        (mount(code), "allowed"),
        (mount("/etc".into()), "allowed"),
        (mount(path.join("leads-out")), "mount source"),
        (mount(path.join("missing")), "mount source"),
        (mount(file), "Not a directory"),
        (merged, "read-only"),
    ];
    let foreign = directory(world.dir.path(), "foreign");
    if world.weak(Weakness::SharedUser) {
        cases.push((mount("/mnt".into()), "allowed"));
    } else {
        chown(&foreign, Some(0), Some(OWNER.1)).unwrap();
        cases.push((mount(foreign), "belongs to root"));
    }
    for (mount, because) in cases {
        let mut spec = world.spec();
        spec.mounts.push(mount);
        let Err(SandboxError::Create { reason }) = world.keeper.create(spec.clone()).await else {
            panic!("not refused: {spec:?}");
        };
        assert!(reason.contains(because), "{reason}");
    }
}
