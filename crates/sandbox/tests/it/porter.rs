//! Trees that a porter unpacks and removes: what it can do, and what it must not reach.
//!
//! The archive here is a text, one entry a line, and [`unpack`] is the reader that a server would configure. As the
//! other part of this file it also tries what a reader could that an archive has taken over.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use dormouse_sandbox::{Keeper, PorterConfig, Root, SandboxError, SandboxSpec, UID_BASE_DEFAULT, Weakness};
use libtest_mimic::Trial;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};

use crate::image;
use crate::world::{World, add, eventually, sh};

/// Right below the users of sandboxes.
const BASE: u32 = UID_BASE_DEFAULT - 65_536;

pub fn add_to(trials: &mut Vec<Trial>, world: Option<&World>) {
    add(trials, world, "porter::files_keep_their_owners_inside_an_image", owners);
    add(trials, world, "porter::a_porter_reaches_nothing_else", reaches_nothing);
    add(trials, world, "porter::nothing_is_left_of_what_fails", failures);
    add(trials, world, "porter::an_abandoned_unpacking_ends", abandoned);
    add(trials, world, "porter::many_at_once", many);
    add(trials, world, "porter::other_directories_are_refused", refused);
}

/// For a keeper whose trees lie beneath `dir`.
pub fn config(dir: &Path) -> PorterConfig {
    PorterConfig { directories: vec![dir.join("layers")], image_uid_base: BASE, unpack }
}

/// The reader. It runs in the porter.
fn unpack(stream: OwnedFd, directory: BorrowedFd<'_>, order: &str) -> io::Result<String> {
    let lines = BufReader::new(fs::File::from(stream)).lines();
    match order {
        "build" => {
            let mut entries = 0;
            for line in lines {
                place(directory, &line?)?;
                entries += 1;
            }
            Ok(format!("{entries} entries"))
        }
        "explore" => Ok(explore(directory)),
        "break" => {
            place(directory, "directory 0 755 partial")?;
            place(directory, "file 0 644 partial/file content")?;
            Err(io::Error::other("the archive ends too early"))
        }
        "panic" => panic!("as asked"),
        "memory" => {
            let mut kept = Vec::new();
            loop {
                kept.push(vec![1_u8; 1 << 24]);
            }
        }
        other => Err(io::Error::other(format!("unknown order {other}"))),
    }
}

/// `KIND OWNER MODE PATH CONTENT`
fn place(directory: BorrowedFd<'_>, line: &str) -> io::Result<()> {
    let mut words = line.splitn(5, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (kind, owner, mode, path, content) = (word(), word(), word(), word(), word());
    let mode = Mode::from_raw_mode(u32::from_str_radix(mode, 8).map_err(io::Error::other)?);
    match kind {
        "file" => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW;
            let file = rustix::fs::openat(directory, path, flags, Mode::empty())?;
            fs::File::from(file).write_all(content.as_bytes())?;
        }
        "directory" => rustix::fs::mkdirat(directory, path, Mode::empty())?,
        "whiteout" => rustix::fs::mknodat(directory, path, FileType::CharacterDevice, Mode::empty(), 0)?,
        other => return Err(io::Error::other(format!("unknown kind {other}"))),
    }
    let owner: u32 = owner.parse().map_err(io::Error::other)?;
    let (user, group) = (Uid::from_raw(owner), Gid::from_raw(owner));
    match rustix::fs::chownat(directory, path, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW) {
        // Without root, files belong to whoever there is.
        Err(rustix::io::Errno::PERM | rustix::io::Errno::INVAL) => {}
        other => other?,
    }
    Ok(rustix::fs::chmodat(directory, path, mode, AtFlags::empty())?)
}

/// A line for each thing that should not work and does.
fn explore(directory: BorrowedFd<'_>) -> String {
    let mut found = Vec::new();
    for path in
        ["/proc/self/status", "/etc/passwd", "/dev/null", "/tmp", "/usr", "../etc/passwd", "/../../etc"]
    {
        if rustix::fs::openat(directory, path, OFlags::RDONLY, Mode::empty()).is_ok() {
            found.push(format!("open {path}"));
        }
    }
    let parent = rustix::fs::statat(directory, "..", AtFlags::empty()).unwrap();
    if parent.st_ino != rustix::fs::fstat(directory).unwrap().st_ino {
        found.push("there is something above".to_owned());
    }
    let calls: &[(&str, i64, &[u64])] = &[
        ("a socket", libc::SYS_socket, &[2, 1, 0]),
        ("a local socket", libc::SYS_socket, &[1, 1, 0]),
        ("fork", libc::SYS_clone, &[17, 0, 0, 0, 0]),
        ("a program", libc::SYS_execve, &[0, 0, 0]),
        ("another user", libc::SYS_setuid, &[7]),
        ("mount", libc::SYS_mount, &[0, 0, 0, 0, 0]),
        ("open_tree", libc::SYS_open_tree, &[0, 0, 0]),
        ("umount", libc::SYS_umount2, &[0, 0]),
        ("chroot", libc::SYS_chroot, &[0]),
        ("setns", libc::SYS_setns, &[0, 0]),
        ("unshare", libc::SYS_unshare, &[0x1000_0000]),
        ("kill", libc::SYS_kill, &[1, 0]),
        ("ptrace", libc::SYS_ptrace, &[16, 1, 0, 0]),
        ("open_by_handle_at", libc::SYS_open_by_handle_at, &[0, 0, 0]),
        ("bpf", libc::SYS_bpf, &[0, 0, 0]),
        ("io_uring", libc::SYS_io_uring_setup, &[1, 0]),
        ("capset", libc::SYS_capset, &[0, 0]),
        ("limits", libc::SYS_prlimit64, &[0, 7, 0, 0]),
    ];
    let refused =
        |(_, number, arguments): &&(&str, i64, &[u64])| crate::probe::call(*number, arguments) == libc::EPERM;
    found.extend(calls.iter().filter(|call| !refused(call)).map(|(name, ..)| (*name).to_owned()));
    let device = rustix::fs::makedev(1, 3);
    if rustix::fs::mknodat(directory, "null", FileType::CharacterDevice, Mode::from_raw_mode(0o666), device)
        .is_ok()
    {
        found.push("a device".to_owned());
    }
    found.join("\n")
}

/// Unpacks a text.
pub async fn unpack_text(
    keeper: &Keeper,
    target: &Path,
    order: &str,
    text: &str,
) -> Result<String, SandboxError> {
    let (reader, mut writer) = io::pipe().unwrap();
    let text = text.to_owned();
    let writing = tokio::task::spawn_blocking(move || drop(writer.write_all(text.as_bytes())));
    let result = keeper.unpack(reader.into(), target, order).await;
    writing.await.unwrap();
    result
}

fn target(world: &World, name: &str) -> PathBuf {
    world.dir.path().join("layers").join(name)
}

async fn owners(world: World) {
    let path = target(&world, "owners");
    let text = "directory 0 755 data\nfile 0 644 data/root of root\nfile 1000 640 data/user of a user\n\
                file 65535 644 data/last of the last\nfile 993 600 data/function of the function's number\n\
                file 0 4755 data/setuid x\nwhiteout 0 0 data/hidden";
    assert_eq!(unpack_text(&world.keeper, &path, "build", text).await.unwrap(), "7 entries");
    let kept = !world.weak(Weakness::ImageOwnersLost);
    for (name, owner) in
        [("", 0), ("data/root", 0), ("data/user", 1000), ("data/last", 65_535), ("data/hidden", 0)]
    {
        let found = fs::symlink_metadata(path.join(name)).unwrap();
        let expected = if kept { BASE + owner } else { rustix::process::geteuid().as_raw() };
        assert_eq!((found.uid(), found.gid() == found.uid() || !kept), (expected, true), "{name}");
    }
    let base = image::layer(world.dir.path(), "owners-base");
    fs::create_dir(base.join("data")).unwrap();
    fs::write(base.join("data/hidden"), "").unwrap();
    let mounts = image::programs(&base);
    let spec = SandboxSpec { root: Root::Image(vec![path.clone(), base]), mounts, ..world.spec() };
    let sandbox = world.keeper.create(spec).await.unwrap();
    let script = "cd /data; ls; for f in /etc /etc/hosts . root user last; do stat -c '%n %u %g' $f; done; id -u; id -g; \
                  cat root; cat user || cat function || echo ' closed'; echo x > root || touch /tmp/x && stat -c %u /tmp/x";
    let seen = sh(&sandbox, script).await.ok();
    if kept {
        let expected = "function\nlast\nroot\nsetuid\nuser\n/etc 0 0\n/etc/hosts 0 0\n. 0 0\nroot 0 0\nuser 1000 1000\n\
                        last 65535 65535\n993\n990\nof root closed\n993\n";
        assert_eq!(seen, expected);
    }
    let no_privileges =
        sh(&sandbox, "grep -E 'Cap(Prm|Eff|Bnd)' /proc/self/status | grep -vc 0000000000000000").await;
    assert_eq!(no_privileges.stdout, "0\n");
    sandbox.destroy().await;
    world.keeper.remove_tree(&path).await.unwrap();
    assert!(!path.exists());
    world.keeper.remove_tree(&path).await.unwrap();
}

async fn reaches_nothing(world: World) {
    let path = target(&world, "explore");
    assert_eq!(unpack_text(&world.keeper, &path, "explore", "").await.unwrap(), "", "each line is a way out");
    world.keeper.remove_tree(&path).await.unwrap();
}

async fn failures(world: World) {
    for (order, because) in
        [("break", "too early"), ("panic", "panicked"), ("memory", "killed"), ("what", "unknown order")]
    {
        let path = target(&world, order);
        let Err(SandboxError::Unpack { reason, .. }) = unpack_text(&world.keeper, &path, order, "").await
        else {
            panic!("{order} did not fail");
        };
        assert!(reason.contains(because), "{reason}");
        assert!(!path.exists(), "{order} left something");
    }
    let long = "x".repeat(5000);
    assert!(matches!(
        unpack_text(&world.keeper, &target(&world, "long"), &long, "").await,
        Err(SandboxError::Unpack { .. })
    ));
}

async fn abandoned(world: World) {
    let path = target(&world, "abandoned");
    let (reader, mut writer) = io::pipe().unwrap();
    let unpacking = world.keeper.unpack(reader.into(), &path, "build");
    writer.write_all(b"directory 0 755 data\nfile 0 644 data/file x\n").unwrap();
    let file = path.join("data/file");
    tokio::select! {
        result = unpacking => panic!("it ended: {result:?}"),
        () = eventually("it is at work", || file.exists()) => {}
    }
    eventually("what was made is gone", || !path.exists()).await;
    // Its end of the stream is closed, too.
    eventually("nobody reads", || writer.write_all(b"directory 0 755 more\n").is_err()).await;
}

async fn many(world: World) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..20 {
        let world = world.clone();
        tasks.spawn(async move {
            let path = target(&world, &format!("many-porters-{number}"));
            // An existing, empty directory is as good as none.
            if number % 2 == 0 {
                fs::create_dir(&path).unwrap();
            }
            let text = format!("file 5 644 number {number}");
            unpack_text(&world.keeper, &path, "build", &text).await.unwrap();
            let mut content = String::new();
            fs::File::open(path.join("number")).unwrap().read_to_string(&mut content).unwrap();
            assert_eq!(content, number.to_string());
            world.keeper.remove_tree(&path).await.unwrap();
            assert!(!path.exists());
        });
    }
    tasks.join_all().await;
}

async fn refused(world: World) {
    let layers = world.dir.path().join("layers");
    let full = image::layer(world.dir.path(), "full");
    fs::write(full.join("file"), "kept").unwrap();
    let outside = world.dir.path().join("elsewhere");
    fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, layers.join("leads-out")).unwrap();
    let cases = [
        (world.dir.path().join("code/x"), "allowed"),
        ("/etc/x".into(), "allowed"),
        (layers.join("leads-out"), "leads-out"),
        (layers.join("leads-out/x"), "leads-out"),
        (layers.join("missing/x"), "missing"),
        (layers.join(".."), "nvalid"),
        (full.clone(), "not empty"),
    ];
    for (path, because) in cases {
        let Err(SandboxError::Unpack { reason, .. }) = unpack_text(&world.keeper, &path, "build", "").await
        else {
            panic!("{} was taken", path.display());
        };
        assert!(reason.contains(because), "{reason}");
    }
    // Not made by a porter: the server's own, or somebody else's.
    if !world.weak(Weakness::SharedUser) {
        let refused = world.keeper.remove_tree(&full).await.unwrap_err();
        assert!(refused.to_string().contains("belongs to user"), "{refused}");
    }
    assert_eq!(fs::read_to_string(full.join("file")).unwrap(), "kept");
    assert!(world.keeper.remove_tree(Path::new("/etc")).await.is_err());
    assert!(world.keeper.remove_tree(&layers.join("leads-out")).await.is_err());
    assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
}
