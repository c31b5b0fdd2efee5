//! Emptying a directory that anybody may have filled.
//!
//! A tree can be deeper than any stack and wider than any memory, and its links lead anywhere. So nothing is followed
//! and nothing remembered: each directory below the top is flattened, its own directories being moved up to the
//! top, until only empty ones are left. At most two directories are open at any time.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

/// Removes everything in `top`.
pub(super) fn empty(top: BorrowedFd<'_>) -> io::Result<()> {
    let mut moved = 0;
    // A directory that changes while it is read may hide entries from the reader, so it is read until it is empty.
    while flatten(top, top, &mut moved)? {}
    Ok(())
}

/// One pass over `directory`: files go, directories are flattened and go, or move to the top first.
/// Whether there was anything.
fn flatten(directory: BorrowedFd<'_>, top: BorrowedFd<'_>, moved: &mut u64) -> io::Result<bool> {
    let is_top = directory.as_raw_fd() == top.as_raw_fd();
    let mut found = false;
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        found = true;
        if !is_directory(directory, name, entry.file_type())? {
            remove(directory, name, AtFlags::empty())?;
        } else if is_top {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let below = rustix::fs::openat(directory, name, flags, Mode::empty())?;
            while flatten(below.as_fd(), top, moved)? {}
            remove(directory, name, AtFlags::REMOVEDIR)?;
        } else {
            move_up(directory, name, top, moved)?;
        }
    }
    Ok(found)
}

fn is_directory(directory: BorrowedFd<'_>, name: &CStr, kind: FileType) -> io::Result<bool> {
    // Some file systems do not say while listing.
    if kind != FileType::Unknown {
        return Ok(kind == FileType::Directory);
    }
    let status = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(status.st_mode) == FileType::Directory)
}

fn remove(directory: BorrowedFd<'_>, name: &CStr, flags: AtFlags) -> io::Result<()> {
    match rustix::fs::unlinkat(directory, name, flags) {
        Err(Errno::NOENT) => Ok(()),
        other => Ok(other?),
    }
}

/// Moves a directory to the top, under a name that is free there.
fn move_up(directory: BorrowedFd<'_>, name: &CStr, top: BorrowedFd<'_>, moved: &mut u64) -> io::Result<()> {
    loop {
        *moved += 1;
        let free = format!(".removing-{moved}");
        match rustix::fs::renameat(directory, name, top, free.as_str()) {
            // Something of the tree has that name; an empty directory would be replaced, which is as good.
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
            other => return Ok(other?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    fn fill(top: &Path, outside: &Path) {
        for number in 0..200 {
            fs::create_dir_all(top.join(format!("wide/{number}/deep"))).unwrap();
            fs::write(top.join(format!("wide/{number}/deep/file")), "x").unwrap();
        }
        // Names that the mover would like to use.
        fs::create_dir_all(top.join(".removing-1/not-empty")).unwrap();
        fs::write(top.join(".removing-2"), "a file").unwrap();
        symlink(outside, top.join("link")).unwrap();
        symlink(outside, top.join("wide/link")).unwrap();
        symlink(".", top.join("loop")).unwrap();
        // Deeper than a path can be long.
        let mut at = File::open(top).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&at, "deep", Mode::from_raw_mode(0o755)).unwrap();
            at = File::from(rustix::fs::openat(&at, "deep", OFlags::RDONLY, Mode::empty()).unwrap());
        }
    }

    #[test]
    fn everything_goes_and_nothing_outside_does() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("kept"), "kept").unwrap();
        fill(dir.path(), outside.path());
        empty(File::open(dir.path()).unwrap().as_fd()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(fs::read_to_string(outside.path().join("kept")).unwrap(), "kept");
    }
}
