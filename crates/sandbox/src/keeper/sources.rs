//! Which host paths the server may have shown inside a sandbox.
//!
//! The allowed directories are opened once, at start, and held as descriptors: renaming or replacing them
//! later changes nothing. Every source is resolved beneath one of them by the kernel, so that neither
//! `..` nor a link can lead out, even while somebody changes the tree.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::error::Step;
use crate::spec::SandboxSpec;

/// The allowed directories.
pub(super) struct Sources {
    /// What may be shown read-only.
    readable: Vec<Allowed>,
    /// What may be changed from inside, and so read as well.
    writable: Vec<Allowed>,
}

/// A directory as it was named, and as it was opened at start.
type Allowed = (PathBuf, OwnedFd);

impl Sources {
    pub(super) fn open(readable: &[PathBuf], writable: &[PathBuf]) -> io::Result<Sources> {
        Ok(Sources { readable: open_all(readable)?, writable: open_all(writable)? })
    }

    /// Opens what is to be shown read-only.
    pub(super) fn open_readable(&self, source: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        open_beneath(self.readable.iter().chain(&self.writable), source, flags)
    }

    /// Opens a directory that is to be shared.
    pub(super) fn open_writable(&self, source: &Path) -> io::Result<OwnedFd> {
        open_beneath(self.writable.iter(), source, OFlags::DIRECTORY)
    }
}

fn open_all(directories: &[PathBuf]) -> io::Result<Vec<Allowed>> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = directories.iter().map(|directory| {
        let fd = rustix::fs::open(directory, flags, Mode::empty())
            .step(|| format!("open the mount source {}", directory.display()))?;
        Ok((directory.clone(), fd))
    });
    opened.collect()
}

fn open_beneath<'a>(
    mut allowed: impl Iterator<Item = &'a Allowed>,
    source: &Path,
    flags: OFlags,
) -> io::Result<OwnedFd> {
    let mut work = || {
        let found = allowed.find_map(|(directory, root)| Some((root, source.strip_prefix(directory).ok()?)));
        let (root, below) = found.ok_or_else(|| {
            io::Error::new(io::ErrorKind::PermissionDenied, "not beneath an allowed directory")
        })?;
        let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::PATH | OFlags::CLOEXEC;
        Ok::<_, io::Error>(rustix::fs::openat2(root, below, flags, Mode::empty(), resolve)?)
    };
    work().step(|| format!("open the mount source {}", source.display()))
}

/// Refuses specifications beyond what a correct server would ask for.
pub(super) fn check(spec: &SandboxSpec) -> io::Result<()> {
    const MIB: u64 = 1 << 20;
    let within = |name: &str, value: u64, least: u64, most: u64| {
        if (least..=most).contains(&value) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name} is {value}, not {least} to {most}")))
    };
    within("memory_bytes", spec.memory_bytes, 8 * MIB, 1 << 44)?;
    within("tmp_bytes", spec.tmp_bytes, MIB, 1 << 40)?;
    within("pids_max", spec.pids_max.into(), 2, 1 << 20)?;
    within("open_files_max", spec.open_files_max, 16, 1 << 20)?;
    spec.mounts.iter().try_for_each(|mount| check_target(&mount.target))
}

fn check_target(target: &Path) -> io::Result<()> {
    use std::path::Component;
    let mut components = target.components();
    let absolute = components.next() == Some(Component::RootDir);
    let plain = components.all(|component| matches!(component, Component::Normal(_)));
    if absolute && plain && target != Path::new("/") {
        return Ok(());
    }
    let problem = format!("mount target {} is not an absolute path without '..'", target.display());
    Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Mount, Root};

    #[test]
    fn bounds() {
        let good = SandboxSpec {
            root: Root::Host,
            mounts: Vec::new(),
            memory_bytes: 128 << 20,
            tmp_bytes: 512 << 20,
            pids_max: 1024,
            open_files_max: 1024,
        };
        check(&good).unwrap();
        for bad in [
            SandboxSpec { memory_bytes: 0, ..good.clone() },
            SandboxSpec { tmp_bytes: u64::MAX, ..good.clone() },
            SandboxSpec { pids_max: 1, ..good.clone() },
            SandboxSpec { open_files_max: 0, ..good.clone() },
        ] {
            assert_eq!(check(&bad).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{bad:?}");
        }
        for target in ["relative", "/", "/a/../b", ""] {
            let mount = Mount::read_only("/x".into(), target.into());
            assert!(check(&SandboxSpec { mounts: vec![mount], ..good.clone() }).is_err(), "{target:?}");
        }
    }
}
