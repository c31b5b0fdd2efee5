//! What one sandbox will see of the host, opened before anybody waits for the rest of it.
//!
//! Everything here is a detached mount: dropping it undoes it. Only the last step, whose files a shared directory
//! shows as the sandbox's own, depends on which sandbox it becomes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::OFlags;

use super::idmap::{self, Owner};
use super::sources::Sources;
use super::workshop::{Target, Workshop};
use crate::error::Step;
use crate::spec::{Access, Mount, Root, SandboxSpec, Source};
use crate::{mount, sys};

/// The mounts of one specification.
pub(super) struct Mounts {
    /// The root of an image.
    root: Option<OwnedFd>,
    others: Vec<Opened>,
}

struct Opened {
    mount: OwnedFd,
    /// Who the sandbox's user is to act as, where that takes a translation.
    owner: Option<Owner>,
}

impl Mounts {
    /// Opens the sources of a specification. `own_users`: each sandbox will have a host user of its own.
    pub(super) fn open(
        spec: &SandboxSpec,
        sources: &Sources,
        workshop: &mut Workshop,
        own_users: bool,
    ) -> io::Result<Mounts> {
        let mut others = Vec::with_capacity(spec.mounts.len());
        for mount in &spec.mounts {
            let opened = match &mount.source {
                Source::Tree(path) => open_tree(path, mount.access, sources, own_users),
                Source::Merged(_) if mount.access == Access::ReadWrite => {
                    Err(invalid("merged directories can only be read-only"))
                }
                Source::Merged(paths) => open_merged(paths, sources, workshop),
            };
            others.push(opened.step(|| format!("mount {}", mount.target.display()))?);
        }
        let root = match &spec.root {
            Root::Host => None,
            Root::Image(layers) => {
                let targets = targets(&spec.mounts, &others)?;
                let opened = open_directories(layers, sources);
                let merged = opened.and_then(|layers| workshop.merge_image(&targets, &layers));
                Some(merged.step(|| "mount the image".into())?)
            }
        };
        Ok(Mounts { root, others })
    }

    /// Makes shared directories writable to `user`, the host user and group of the sandbox.
    pub(super) fn translate(&self, user: u32) -> io::Result<()> {
        for Opened { mount, owner } in &self.others {
            if let Some(owner) = owner {
                idmap::translate(mount, *owner, user).step(|| "share a directory".into())?;
            }
        }
        Ok(())
    }

    /// Whether the first of [`fds`](Self::fds) is the root of an image.
    pub(super) fn has_root(&self) -> bool {
        self.root.is_some()
    }

    /// The root of an image, if there is one, then the mounts in the order of the specification.
    pub(super) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.root.iter().chain(self.others.iter().map(|opened| &opened.mount)).map(AsFd::as_fd)
    }
}

fn open_tree(path: &Path, access: Access, sources: &Sources, own_users: bool) -> io::Result<Opened> {
    match access {
        Access::ReadOnly => {
            let opened = sources.open_readable(path, OFlags::empty())?;
            Ok(Opened { mount: mount::clone_tree_read_only(&opened, Path::new(""))?, owner: None })
        }
        Access::ReadWrite => {
            let opened = sources.open_writable(path)?;
            let owner = owner_to_become(&opened, own_users).step(|| format!("share {}", path.display()))?;
            let mount = mount::clone_one(&opened)?;
            let harmless = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
            sys::mount_set_attributes(mount.as_fd(), harmless, false)?;
            Ok(Opened { mount, owner })
        }
    }
}

/// Who owns a directory that is to be shared, unless that is whom every sandbox runs as anyway.
fn owner_to_become(directory: &OwnedFd, own_users: bool) -> io::Result<Option<Owner>> {
    let status = rustix::fs::fstat(directory)?;
    let owner = Owner { uid: status.st_uid, gid: status.st_gid };
    if !own_users {
        let everyone =
            Owner { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() };
        if owner == everyone {
            return Ok(None);
        }
        let reason = "it belongs to another user, and only root can let sandboxes act as that user";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
    }
    // Whatever is written belongs to the owner on the host as well, and it may be made set-user-id.
    if owner.uid == 0 || owner.gid == 0 {
        let reason = "it belongs to root, and so would all that functions write there; \
                      give it to another user and group with chown";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
    }
    Ok(Some(owner))
}

fn open_merged(paths: &[impl AsRef<Path>], sources: &Sources, workshop: &Workshop) -> io::Result<Opened> {
    let directories = open_directories(paths, sources)?;
    let mount = match directories.as_slice() {
        [] => return Err(invalid("no directories to merge")),
        [single] => mount::clone_tree_read_only(single, Path::new(""))?,
        several => workshop.merge(&several.iter().map(AsFd::as_fd).collect::<Vec<_>>())?,
    };
    Ok(Opened { mount, owner: None })
}

fn open_directories(paths: &[impl AsRef<Path>], sources: &Sources) -> io::Result<Vec<OwnedFd>> {
    if paths.is_empty() {
        return Err(invalid("no directories to merge"));
    }
    paths.iter().map(|path| sources.open_readable(path.as_ref(), OFlags::DIRECTORY)).collect()
}

fn targets(mounts: &[Mount], opened: &[Opened]) -> io::Result<Vec<Target>> {
    let targets = mounts
        .iter()
        .zip(opened)
        .map(|(mount, opened)| Ok((mount.target.clone(), mount::is_directory(opened.mount.as_fd())?)));
    targets.collect()
}

fn invalid(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}
