//! The generic root of every sandbox, built before anybody has asked for it.
//!
//! A small tmpfs holds what is our own (`/etc`, links, mount points); the host's programs and libraries
//! are shown read-only beneath it. Nothing of the host that could be secret is reachable: no home
//! directories, no `/etc` but a few public files, no `/sys`, no devices but the harmless ones. The tree
//! stays writable to process 1 until the mounts of the specification are in place.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::mount::{MountAttrFlags, MountPropagationFlags, UnmountFlags};

use crate::error::Step;
use crate::mount;

/// The tree's own files are a few kilobytes; more means a mistake.
const ROOT_BYTES: &str = "1m";
/// Shared memory inside; counts against the memory limit like any other.
const SHM_BYTES: u64 = 64 << 20;

/// Directories of programs and libraries. Where the host has a link, the same link is made.
const HOST_TREES: [&str; 7] = ["usr", "bin", "sbin", "lib", "lib64", "lib32", "libx32"];

/// Public parts of the host's `/etc` that programs under `/usr` need to find their own files.
const HOST_ETC: [&str; 10] = [
    "alternatives",    // links from /usr/bin to the chosen version of a program
    "ca-certificates", // trust anchors, Arch and others
    "crypto-policies", // OpenSSL settings, Fedora and others
    "ld.so.cache",     // where the dynamic linker finds libraries
    "localtime",       // the time zone
    "mono",            // which native libraries the assemblies of Mono mean
    "pki/tls/certs",   // trust anchors, Fedora and others
    "pki/ca-trust",    // the same
    "ssl/certs",       // trust anchors, Debian and others
    "ssl/openssl.cnf", // OpenSSL refuses to start without it in some builds
];

/// Devices without state or power: `(name, why)`.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// Files of `/proc` that tell about the host or act on it; shown empty.
const PROC_EMPTY_FILES: [&str; 8] =
    ["kcore", "keys", "kmsg", "kallsyms", "latency_stats", "sched_debug", "sysrq-trigger", "timer_list"];
/// Directories of `/proc` about the host's hardware; shown empty.
const PROC_EMPTY_DIRECTORIES: [&str; 2] = ["acpi", "scsi"];
/// Directories of `/proc` through which root could change the host; shown read-only.
const PROC_READ_ONLY: [&str; 4] = ["bus", "fs", "irq", "sys"];

/// Extensions listen at the names that Lambda gives to an environment for its telemetry.
pub(crate) const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n127.0.0.1 sandbox.localdomain sandbox\n";
pub(crate) const HOSTNAME: &str = "localhost\n";

/// Names and ids shown inside.
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Builds the tree in the calling process's own mount namespace and makes it the root.
///
/// Returns the root's mount, to which [`seal`] will be applied.
pub(crate) fn build(identity: &Identity) -> io::Result<OwnedFd> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).step(|| "make mounts private".into())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let root = mount::new_filesystem("tmpfs", &[("size", ROOT_BYTES), ("mode", "755")], attributes)?;
    mount::attach(root.as_fd(), CWD, Path::new("/")).step(|| "attach the root".into())?;
    host_trees(&root)?;
    etc(&root, identity)?;
    devices(&root)?;
    proc(&root)?;
    for directory in ["tmp", "var/tmp", "opt", "mnt", "home/sbx_user1051"] {
        mount::make_target(&root, Path::new(directory), true).step(|| format!("make /{directory}"))?;
    }
    enter(&root)?;
    Ok(root)
}

/// Makes the tree's own part read-only. The last change to the root.
pub(crate) fn seal(root: &OwnedFd) -> io::Result<()> {
    crate::sys::mount_set_attributes(root.as_fd(), libc::MOUNT_ATTR_RDONLY, false)
}

fn host_trees(root: &OwnedFd) -> io::Result<()> {
    for name in HOST_TREES {
        let source = format!("/{name}");
        match rustix::fs::readlink(source.as_str(), Vec::new()) {
            Ok(target) => rustix::fs::symlinkat(target, root, name).step(|| format!("link {source}"))?,
            // Not a link (EINVAL), or not there at all.
            Err(_) => mount::bind_host(root, &source, name, mount::READ_ONLY)?,
        }
    }
    Ok(())
}

fn etc(root: &OwnedFd, identity: &Identity) -> io::Result<()> {
    mount::make_target(root, Path::new("etc"), true)?;
    let Identity { uid, gid } = identity;
    let passwd = format!(
        "root:x:0:0:root:/root:/sbin/nologin\n\
         sbx_user1051:x:{uid}:{gid}::/home/sbx_user1051:/sbin/nologin\n\
         nobody:x:65534:65534:nobody:/:/sbin/nologin\n"
    );
    let files = [
        ("etc/passwd", passwd.as_str()),
        ("etc/group", &format!("root:x:0:\nsbx_user1051:x:{gid}:\nnogroup:x:65534:\n")),
        ("etc/hosts", HOSTS),
        ("etc/hostname", HOSTNAME),
        ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
        ("etc/resolv.conf", ""),
    ];
    for (path, content) in files {
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(root, path, flags, Mode::from_raw_mode(0o644))?;
        rustix::io::write(&file, content.as_bytes()).step(|| format!("write /{path}"))?;
    }
    let mut public: Vec<String> = HOST_ETC.iter().map(|name| (*name).to_owned()).collect();
    public.extend(java_settings());
    public.iter().try_for_each(|name| {
        mount::bind_host(root, &format!("/etc/{name}"), &format!("etc/{name}"), mount::READ_ONLY)
    })
}

/// A JVM's settings, which distributions move from its own directory to `/etc/java-<version>…`.
fn java_settings() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/etc") else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name == "java" || name.starts_with("java-")).collect()
}

fn devices(root: &OwnedFd) -> io::Result<()> {
    // Bound rather than made: a user namespace may not make devices, but may show those that exist.
    let harmless = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;
    for name in DEVICES {
        mount::bind_host(root, &format!("/dev/{name}"), &format!("dev/{name}"), harmless)?;
    }
    let links = [
        ("dev/fd", "/proc/self/fd"),
        ("dev/stdin", "/proc/self/fd/0"),
        ("dev/stdout", "/proc/self/fd/1"),
        ("dev/stderr", "/proc/self/fd/2"),
    ];
    for (name, target) in links {
        rustix::fs::symlinkat(target, root, name).step(|| format!("link /{name}"))?;
    }
    mount::make_target(root, Path::new("dev/shm"), true)?;
    let shm = mount::shared_tmpfs(SHM_BYTES)?;
    mount::attach(shm.as_fd(), root, Path::new("dev/shm")).step(|| "attach /dev/shm".into())
}

fn proc(root: &OwnedFd) -> io::Result<()> {
    mount::make_target(root, Path::new("proc"), true)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    // Processes that the reader could not trace, process 1 among them, are not listed.
    let proc = mount::new_filesystem("proc", &[("hidepid", "invisible")], attributes)?;
    mount::attach(proc.as_fd(), root, Path::new("proc")).step(|| "attach /proc".into())?;
    for name in PROC_EMPTY_FILES.iter().filter(|name| mount::exists(&proc, Path::new(name))) {
        mount::bind_host(root, "/dev/null", &format!("proc/{name}"), mount::READ_ONLY)?;
    }
    for name in PROC_EMPTY_DIRECTORIES.iter().filter(|name| mount::exists(&proc, Path::new(name))) {
        let read_only = attributes | MountAttrFlags::MOUNT_ATTR_RDONLY;
        let empty = mount::new_filesystem("tmpfs", &[("size", "4k"), ("mode", "755")], read_only)?;
        mount::attach(empty.as_fd(), root, &Path::new("proc").join(name))?;
    }
    for name in PROC_READ_ONLY.iter().filter(|name| mount::exists(&proc, Path::new(name))) {
        let part =
            mount::clone_tree_read_only(&proc, Path::new(name)).step(|| format!("open /proc/{name}"))?;
        mount::attach(part.as_fd(), root, &Path::new("proc").join(name))
            .step(|| format!("seal /proc/{name}"))?;
    }
    Ok(())
}

/// Lays an image over the sealed generic root, with what of it every sandbox has: processes and devices.
///
/// The image's topmost layer is the keeper's, so that each of these places is a real directory.
pub(crate) fn cover(generic: &OwnedFd, image: &OwnedFd) -> io::Result<()> {
    seal(generic).step(|| "seal the root".into())?;
    mount::attach(image.as_fd(), CWD, Path::new("/")).step(|| "attach the image".into())?;
    for name in ["proc", "dev"] {
        let path = Path::new(name);
        mount::clone_tree(generic, path)
            .and_then(|part| attach_in_image(image, path, &part))
            .step(|| format!("attach /{name}"))?;
    }
    Ok(())
}

/// Attaches a detached mount at an existing place of an image. What lies there is hostile: no link is followed.
pub(crate) fn attach_in_image(image: &OwnedFd, relative: &Path, source: &OwnedFd) -> io::Result<()> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = rustix::fs::openat2(image, relative, flags, Mode::empty(), resolve)?;
    mount::attach_on(source.as_fd(), place.as_fd())
}

/// Makes an attached tree the root directory and lets go of the one before.
pub(crate) fn enter(root: &OwnedFd) -> io::Result<()> {
    rustix::process::fchdir(root).step(|| "enter the root".into())?;
    match rustix::process::pivot_root(".", ".") {
        // The old root now lies on top of the new one; taking it away leaves nothing of it.
        Ok(()) => {
            rustix::mount::unmount(".", UnmountFlags::DETACH).step(|| "let go of the old root".into())?
        }
        // A host that runs from its initial ramdisk cannot change roots; the tree already covers it.
        Err(rustix::io::Errno::INVAL) => rustix::process::chroot(".").step(|| "change the root".into())?,
        Err(error) => return Err(error).step(|| "change the root".into()),
    }
    rustix::process::chdir("/").step(|| "enter /".into())
}
