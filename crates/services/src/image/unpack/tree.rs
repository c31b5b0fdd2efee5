//! The directory that a layer is unpacked into. Every path is resolved by the kernel beneath it, without following
//! any link (`openat2` with `RESOLVE_BENEATH` and `RESOLVE_NO_SYMLINKS`); all else is done relative to a directory
//! so opened and a single name. Nothing here ever opens an absolute path.
//!
//! Files get their owner, mode and times when they are written, directories at the end, so that writing into a
//! read-only one works and does not disturb its time.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{
    self as sys, AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use super::archive::{Archive, Entry};
use super::{Ownership, UnpackError};

/// Longest name of one component on Linux' file systems.
const NAME_BYTES_MAX: usize = 255;
/// Deepest nesting.
const DEPTH_MAX: usize = 512;
/// Memory for what is still to be done to directories.
const DEFERRED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Copied at a time.
const COPY_BYTES: usize = 128 * 1024;
/// Marks a directory that hides what lower layers have at its place.
const OPAQUE: &str = "user.overlay.opaque";

const RESOLVE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// A path of an entry, checked: relative, without `..`, and bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RelativePath {
    /// Joined by single slashes; empty for the root.
    whole: Vec<u8>,
    /// Where the last component starts.
    last: usize,
}

impl RelativePath {
    pub(super) fn parse(path: &[u8]) -> Result<Self, UnpackError> {
        let illegal = |reason| Err(UnpackError::illegal(path, reason));
        if path.is_empty() {
            return illegal("it has no path");
        }
        if path.starts_with(b"/") {
            return illegal("its path is absolute");
        }
        if path.contains(&0) {
            return illegal("its path contains a zero byte");
        }
        let components: Vec<&[u8]> =
            path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
        if components.contains(&&b".."[..]) {
            return illegal("its path leads upwards");
        }
        if components.iter().any(|part| part.len() > NAME_BYTES_MAX) || components.len() > DEPTH_MAX {
            return illegal("its path is too long or too deep");
        }
        let whole = components.join(&b'/');
        let last = whole.len() - components.last().map_or(0, |name| name.len());
        Ok(Self { whole, last })
    }

    /// The last component; `None` for the root.
    pub(super) fn name(&self) -> Option<&[u8]> {
        Some(&self.whole[self.last..]).filter(|name| !name.is_empty())
    }

    fn parent(&self) -> &[u8] {
        &self.whole[..self.last.saturating_sub(1)]
    }
}

/// What is to be done to a directory in the end.
struct Deferred {
    path: Vec<u8>,
    mode: u32,
    uid: u32,
    gid: u32,
    modified: (i64, u32),
}

pub(super) struct Tree<'t> {
    target: BorrowedFd<'t>,
    /// The directory that was written to last, open.
    recent: Option<(Vec<u8>, OwnedFd)>,
    ownership: Ownership,
    deferred: Vec<Deferred>,
    deferred_bytes: usize,
    buffer: Vec<u8>,
}

impl<'t> Tree<'t> {
    pub(super) fn new(target: BorrowedFd<'t>) -> Self {
        Self {
            target,
            recent: None,
            ownership: Ownership::Kept,
            deferred: Vec::new(),
            deferred_bytes: 0,
            buffer: vec![0; COPY_BYTES],
        }
    }

    pub(super) fn root(&mut self, entry: &Entry) -> Result<(), UnpackError> {
        self.defer(Vec::new(), entry)
    }

    pub(super) fn file<R: Read>(
        &mut self,
        path: &RelativePath,
        entry: &Entry,
        archive: &mut Archive<R>,
    ) -> Result<(), UnpackError> {
        let name = self.make_way(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let failed = |operation| move |error: Errno| UnpackError::write(operation, &entry.path, error);
        let opened = sys::openat(self.parent(), name, flags, Mode::from_raw_mode(0o600));
        let file = File::from(opened.map_err(failed("create"))?);
        match &entry.parts {
            None => self.copy(&file, 0, entry.size, entry, archive)?,
            Some(parts) => {
                for (offset, length) in parts {
                    self.copy(&file, *offset, *length, entry, archive)?;
                }
                file.set_len(entry.size).map_err(|error| UnpackError::write("extend", &entry.path, error))?;
            }
        }
        let owner = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
        let owned = sys::fchown(&file, Some(owner.0), Some(owner.1));
        self.owned(owned).map_err(failed("change the owner of"))?;
        // After the owner, because a change of that takes some bits away.
        sys::fchmod(&file, self.mode(entry.mode)).map_err(failed("change the mode of"))?;
        set_xattrs(&file, entry)?;
        sys::futimens(&file, &times(entry.modified)).map_err(failed("set the time of"))
    }

    fn copy<R: Read>(
        &mut self,
        file: &File,
        mut offset: u64,
        length: u64,
        entry: &Entry,
        archive: &mut Archive<R>,
    ) -> Result<(), UnpackError> {
        let end = offset + length;
        while offset < end {
            let wanted = usize::try_from(end - offset).unwrap_or(usize::MAX).min(self.buffer.len());
            let count = archive.read_content(&mut self.buffer[..wanted])?;
            if count == 0 {
                return Err(UnpackError::Format("an entry is shorter than it must be"));
            }
            file.write_all_at(&self.buffer[..count], offset)
                .map_err(|error| UnpackError::write("write", &entry.path, error))?;
            offset += count as u64;
        }
        Ok(())
    }

    pub(super) fn directory(&mut self, path: &RelativePath, entry: &Entry) -> Result<(), UnpackError> {
        self.enter_parent(path)?;
        let name = path.name().unwrap_or_default();
        let failed = |error: Errno| UnpackError::write("create", &entry.path, error);
        let mut hides = false;
        match self.look(name).map_err(failed)? {
            Some(found) if found.is_dir => {}
            found => {
                if let Some(found) = found {
                    // A whiteout of the same name was for what lies below; this directory shall not mix with it.
                    hides = found.is_whiteout;
                    self.unlink(name).map_err(failed)?;
                }
                sys::mkdirat(self.parent(), name, Mode::from_raw_mode(0o700)).map_err(failed)?;
            }
        }
        let directory = open_directory(self.parent(), name).map_err(failed)?;
        if hides {
            set_opaque(&directory, &entry.path)?;
        }
        set_xattrs(&directory, entry)?;
        self.defer(path.whole.clone(), entry)
    }

    pub(super) fn symlink(&mut self, path: &RelativePath, entry: &Entry) -> Result<(), UnpackError> {
        if entry.link.is_empty() || entry.link.contains(&0) {
            return Err(UnpackError::illegal(&entry.path, "its link leads nowhere"));
        }
        let name = self.make_way(path)?;
        // Where it leads does not matter: nothing here follows it, and a function does so in its own root.
        let made = sys::symlinkat(&entry.link[..], self.parent(), name);
        made.map_err(|error| UnpackError::write("create", &entry.path, error))?;
        self.set_attributes(name, entry, None)
    }

    pub(super) fn fifo(&mut self, path: &RelativePath, entry: &Entry) -> Result<(), UnpackError> {
        let name = self.make_way(path)?;
        let made = sys::mknodat(self.parent(), name, FileType::Fifo, Mode::from_raw_mode(0o600), 0);
        made.map_err(|error| UnpackError::write("create", &entry.path, error))?;
        self.set_attributes(name, entry, Some(self.mode(entry.mode)))
    }

    /// Another name for an earlier entry of this layer.
    pub(super) fn hardlink(&mut self, path: &RelativePath, entry: &Entry) -> Result<(), UnpackError> {
        let to = RelativePath::parse(&entry.link)
            .map_err(|_| UnpackError::illegal(&entry.path, "it links to what is not within the layer"))?;
        let to_name = to.name().ok_or_else(|| UnpackError::illegal(&entry.path, "it links to the root"))?;
        if to == *path {
            return Err(UnpackError::illegal(&entry.path, "it links to itself"));
        }
        let missing = |error: Errno| match error {
            Errno::NOENT | Errno::NOTDIR => {
                UnpackError::illegal(&entry.path, "it links to what the layer does not contain")
            }
            Errno::LOOP | Errno::XDEV => {
                UnpackError::illegal(&entry.path, "it links through a symbolic link")
            }
            error => UnpackError::write("find the link's target of", &entry.path, error),
        };
        let to_parent = open_beneath(self.target, to.parent()).map_err(missing)?;
        let found = sys::statat(&to_parent, to_name, AtFlags::SYMLINK_NOFOLLOW).map_err(missing)?;
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            return Err(UnpackError::illegal(&entry.path, "it links to a directory"));
        }
        let name = self.make_way(path)?;
        let linked = sys::linkat(&to_parent, to_name, self.parent(), name, AtFlags::empty());
        linked.map_err(|error| UnpackError::write("link", &entry.path, error))
    }

    /// Hides what lower layers have under a name, unless this layer has something there itself.
    pub(super) fn whiteout(&mut self, path: &RelativePath, hidden: &[u8]) -> Result<(), UnpackError> {
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(UnpackError::illegal(&path.whole, "it hides nothing"));
        }
        self.enter_parent(path)?;
        let failed = |error: Errno| UnpackError::write("hide", &path.whole, error);
        match self.look(hidden).map_err(failed)? {
            Some(found) if found.is_dir => {
                let directory = open_directory(self.parent(), hidden).map_err(failed)?;
                set_opaque(&directory, &path.whole)
            }
            Some(_) => Ok(()),
            None => {
                let (kind, mode) = (FileType::CharacterDevice, Mode::empty());
                sys::mknodat(self.parent(), hidden, kind, mode, sys::makedev(0, 0)).map_err(failed)
            }
        }
    }

    /// Hides all that lower layers have in the directory.
    pub(super) fn opaque(&mut self, path: &RelativePath) -> Result<(), UnpackError> {
        self.enter_parent(path)?;
        set_opaque(self.parent(), &path.whole)
    }

    /// Gives directories their final attributes, innermost first, and tells who owns everything.
    pub(super) fn finish(mut self) -> Result<Ownership, UnpackError> {
        let mut deferred = std::mem::take(&mut self.deferred);
        // Stable, so that of several entries for one directory the last one counts.
        deferred.sort_by(|a, b| b.path.cmp(&a.path));
        for step in deferred {
            let failed = |operation| move |error: Errno| (operation, error);
            let done = open_beneath(self.target, &step.path).map_err(failed("open")).and_then(|directory| {
                let owned =
                    sys::fchown(&directory, Some(Uid::from_raw(step.uid)), Some(Gid::from_raw(step.gid)));
                self.owned(owned).map_err(failed("change the owner of"))?;
                sys::fchmod(&directory, self.mode(step.mode)).map_err(failed("change the mode of"))?;
                sys::futimens(&directory, &times(step.modified)).map_err(failed("set the time of"))
            });
            match done {
                Ok(()) => {}
                // Replaced by something else that came later in the layer.
                Err((_, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => {}
                Err((operation, error)) => return Err(UnpackError::write(operation, &step.path, error)),
            }
        }
        Ok(self.ownership)
    }

    /// The directory entered last.
    fn parent(&self) -> BorrowedFd<'_> {
        self.recent.as_ref().map_or(self.target, |(_, directory)| directory.as_fd())
    }

    /// Opens the directory of a path, making what is missing on the way.
    fn enter_parent(&mut self, path: &RelativePath) -> Result<(), UnpackError> {
        let parent = path.parent();
        if self.recent.as_ref().is_some_and(|(recent, _)| recent == parent) {
            return Ok(());
        }
        let opened = match open_beneath(self.target, parent) {
            Err(Errno::NOENT) => self.make_directories(parent),
            opened => opened,
        };
        let opened = opened.map_err(|error| match error {
            Errno::LOOP | Errno::XDEV => {
                UnpackError::illegal(&path.whole, "a directory on its path is a symbolic link")
            }
            Errno::NOTDIR => UnpackError::illegal(&path.whole, "a directory on its path is none"),
            error => UnpackError::write("open the directory of", &path.whole, error),
        })?;
        self.recent = Some((parent.to_vec(), opened));
        Ok(())
    }

    /// Makes a directory and those above it, each opened before the next is made in it.
    fn make_directories(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let mut at = open_beneath(self.target, b"")?;
        for name in path.split(|byte| *byte == b'/') {
            match sys::mkdirat(&at, name, Mode::from_raw_mode(0o755)) {
                // Whatever the process's umask is.
                Ok(()) => sys::fchmod(open_directory(at.as_fd(), name)?, Mode::from_raw_mode(0o755))?,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
            at = open_directory(at.as_fd(), name)?;
        }
        Ok(at)
    }

    /// Enters the directory of a path and removes what has its name there: the later entry counts. A directory
    /// with content does not give way.
    fn make_way<'p>(&mut self, path: &'p RelativePath) -> Result<&'p [u8], UnpackError> {
        self.enter_parent(path)?;
        let name = path.name().unwrap_or_default();
        let failed = |error: Errno| match error {
            Errno::NOTEMPTY => UnpackError::illegal(&path.whole, "it would replace a directory with content"),
            error => UnpackError::write("replace", &path.whole, error),
        };
        match self.look(name).map_err(failed)? {
            Some(found) if found.is_dir => {
                sys::unlinkat(self.parent(), name, AtFlags::REMOVEDIR).map_err(failed)?;
            }
            Some(_) => self.unlink(name).map_err(failed)?,
            None => {}
        }
        Ok(name)
    }

    fn unlink(&self, name: &[u8]) -> Result<(), Errno> {
        sys::unlinkat(self.parent(), name, AtFlags::empty())
    }

    fn look(&self, name: &[u8]) -> Result<Option<Found>, Errno> {
        match sys::statat(self.parent(), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                let kind = FileType::from_raw_mode(stat.st_mode);
                let is_whiteout = kind == FileType::CharacterDevice && stat.st_rdev == 0;
                Ok(Some(Found { is_dir: kind == FileType::Directory, is_whiteout }))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Owner, mode and time of what is not a file or directory.
    fn set_attributes(&mut self, name: &[u8], entry: &Entry, mode: Option<Mode>) -> Result<(), UnpackError> {
        let failed = |operation| move |error: Errno| UnpackError::write(operation, &entry.path, error);
        let nofollow = AtFlags::SYMLINK_NOFOLLOW;
        let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
        let owned = sys::chownat(self.parent(), name, Some(uid), Some(gid), nofollow);
        self.owned(owned).map_err(failed("change the owner of"))?;
        if let Some(mode) = mode {
            sys::chmodat(self.parent(), name, mode, AtFlags::empty())
                .map_err(failed("change the mode of"))?;
        }
        let set = sys::utimensat(self.parent(), name, &times(entry.modified), nofollow);
        set.map_err(failed("set the time of"))
    }

    /// Notes that files cannot be given away, which is no error.
    fn owned(&mut self, changed: Result<(), Errno>) -> Result<(), Errno> {
        match changed {
            // `EINVAL`: the owner does not exist in this user namespace.
            Err(Errno::PERM | Errno::INVAL) => {
                self.ownership = Ownership::Flattened;
                Ok(())
            }
            other => other,
        }
    }

    fn mode(&self, mode: u32) -> Mode {
        // A set-user-id bit means the owner that the layer names, and no other.
        let kept = if self.ownership == Ownership::Kept { 0o7777 } else { 0o1777 };
        Mode::from_raw_mode(mode & kept)
    }

    fn defer(&mut self, path: Vec<u8>, entry: &Entry) -> Result<(), UnpackError> {
        self.deferred_bytes += path.len() + size_of::<Deferred>();
        if self.deferred_bytes > DEFERRED_BYTES_MAX {
            return Err(UnpackError::illegal(&entry.path, "the layer has too many directories"));
        }
        let Entry { mode, uid, gid, modified, .. } = *entry;
        self.deferred.push(Deferred { path, mode, uid, gid, modified });
        Ok(())
    }
}

struct Found {
    is_dir: bool,
    is_whiteout: bool,
}

/// Opens a directory by its path beneath another one.
fn open_beneath(target: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { &b"."[..] } else { path };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    loop {
        match sys::openat2(target, path, flags, Mode::empty(), RESOLVE) {
            // The kernel could not rule out a race with a rename; it asks to try again.
            Err(Errno::AGAIN | Errno::INTR) => {}
            opened => return opened,
        }
    }
}

fn open_directory(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    open_beneath(parent, name)
}

fn set_opaque(directory: impl AsFd, path: &[u8]) -> Result<(), UnpackError> {
    let set = sys::fsetxattr(directory, OPAQUE, b"y", XattrFlags::empty());
    set.map_err(|error| UnpackError::write("mark as opaque", path, error))
}

/// Sets the attributes that belong to users. Those of the system (`security.`, `trusted.`) would be privileges,
/// and overlayfs's own would steer the mount.
fn set_xattrs(file: impl AsFd, entry: &Entry) -> Result<(), UnpackError> {
    let own =
        |name: &[u8]| name.starts_with(b"user.") && !name.starts_with(b"user.overlay.") && !name.contains(&0);
    for (name, value) in entry.xattrs.iter().filter(|(name, _)| own(name)) {
        match sys::fsetxattr(&file, &name[..], value, XattrFlags::empty()) {
            // A file system without them, or without room for them: nothing that a function relies on.
            Ok(()) | Err(Errno::NOTSUP | Errno::NOSPC | Errno::RANGE | Errno::TOOBIG) => {}
            Err(error) => return Err(UnpackError::write("set an attribute of", &entry.path, error)),
        }
    }
    Ok(())
}

fn times((seconds, nanos): (i64, u32)) -> Timestamps {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanos.into() };
    Timestamps { last_access: time, last_modification: time }
}
