//! What the keeper is told once, when it is forked, and what it answers about this host.
//!
//! The configuration is fixed for the life of the keeper: nothing that the server says later can widen
//! the set of allowed mount sources or raise a limit stated here. A [`Weakness`] is a protection that
//! this host cannot give; it is found by trying, never by guessing from versions.

use std::fmt;
use std::io;
use std::net::SocketAddrV4;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// Where the host user ids of sandboxes begin by default: systemd documents the ids from
/// 1,879,048,192 (this value) to 2,147,352,575 as unused.
pub const UID_BASE_DEFAULT: u32 = 0x7000_0000;

/// Users, and groups, that files of images may belong to.
pub(crate) const IMAGE_IDS: u32 = 65_536;

/// Everything the keeper needs to know; read once by [`fork_keeper`](crate::fork_keeper).
#[derive(Debug, Clone)]
pub struct KeeperConfig {
    /// Names the cgroups (`dormouse-<instance>`). Stable for one data directory, and different for every
    /// server on the machine: what an earlier run of the same instance left behind is removed at start.
    /// At most 64 characters of `[A-Za-z0-9_-]`.
    pub instance: String,
    /// A directory on a disk for the images behind `/tmp`. Created when missing.
    pub work_dir: PathBuf,
    /// Existing directories beneath which a mount source must lie. They are opened once, at start.
    pub allowed_sources: Vec<PathBuf>,
    /// Existing directories of shared file systems: a source that can be changed from inside must lie beneath one
    /// of them. Opened once, at start; usually empty.
    pub writable_sources: Vec<PathBuf>,
    /// Who unpacks the layers of images; `None` when the server does so itself, as its own user.
    pub porter: Option<PorterConfig>,
    /// TCP addresses opened inside every sandbox; the server receives the listening sockets.
    pub listeners: Vec<SocketAddrV4>,
    /// First host user id of the range; sandbox `n` runs as `uid_base + 1 + n`, the server as `uid_base`.
    pub uid_base: u32,
    /// How many sandboxes are kept prepared, waiting for a specification.
    pub blanks: usize,
    /// How many sandboxes may live at once.
    pub sandboxes_max: usize,
    /// The user id that processes inside see as their own.
    pub inside_uid: u32,
    /// The group id that processes inside see as their own.
    pub inside_gid: u32,
}

/// How a confined process, the porter, unpacks and removes trees whose files belong to many users.
#[derive(Debug, Clone)]
pub struct PorterConfig {
    /// Existing directories beneath which trees may be unpacked and removed. They must be private to the server:
    /// what is unpacked keeps its set-user-id bits. Sandboxes see them only through `allowed_sources`.
    pub directories: Vec<PathBuf>,
    /// Users and groups 0 to 65,535 of a tree are the host's ids from here on. Must not overlap
    /// the range that begins with `uid_base`; the 65,536 ids right below that are a good choice.
    pub image_uid_base: u32,
    /// Reads an archive from `stream` into the empty `directory`, as `order` says, which is what
    /// [`Keeper::unpack`](crate::Keeper::unpack) was given; returns a report of at most 2,048 bytes.
    ///
    /// It runs in a process of its own, forked from the keeper: one thread, 1 GiB of address space, half an hour of
    /// computing, files of at most 10 GiB. `directory` is also its root directory, and there is no other file,
    /// no network, and no program to execute. It is user 0 of a user namespace in which it can give files to the
    /// users 0 to 65,535; without root, it is the keeper's user and cannot give files away.
    pub unpack: fn(stream: OwnedFd, directory: BorrowedFd<'_>, order: &str) -> io::Result<String>,
}

/// A protection or limit that is not enforced on this host. `Display` gives a sentence for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weakness {
    /// Memory is neither limited nor measured.
    MemoryUnlimited,
    /// CPU time is not limited.
    CpuUnlimited,
    /// The number of processes is not limited.
    PidsUnlimited,
    /// No cgroup freezer: processes are stopped with signals, and CPU time is not measured.
    FreezeBySignal,
    /// All sandboxes run as one host user.
    SharedUser,
    /// No user namespace: inside and outside user ids are the same number.
    NoUserNamespace,
    /// `/tmp` is kept in memory and counts against the memory limit.
    TmpInMemory,
    /// Files of images do not keep their owners. Reported only where a porter is configured.
    ImageOwnersLost,
}

impl Weakness {
    /// Every weakness, in the order in which they are reported; the index is the bit in the report.
    pub(crate) const ALL: [Weakness; 8] = [
        Weakness::MemoryUnlimited,
        Weakness::CpuUnlimited,
        Weakness::PidsUnlimited,
        Weakness::FreezeBySignal,
        Weakness::SharedUser,
        Weakness::NoUserNamespace,
        Weakness::TmpInMemory,
        Weakness::ImageOwnersLost,
    ];

    /// One bit for each member of [`ALL`](Self::ALL).
    pub(crate) fn to_bits(weaknesses: &[Weakness]) -> u32 {
        let bit = |(index, weakness)| u32::from(weaknesses.contains(weakness)) << index;
        Self::ALL.iter().enumerate().map(bit).sum()
    }

    /// Undoes [`to_bits`](Self::to_bits).
    pub(crate) fn from_bits(bits: u32) -> Vec<Weakness> {
        let set = |(index, _): &(usize, Weakness)| bits >> index & 1 == 1;
        Self::ALL.into_iter().enumerate().filter(set).map(|(_, weakness)| weakness).collect()
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Weakness::MemoryUnlimited => {
                "memory limits are not enforced: no memory cgroup can be made here (run as root, or delegate one)"
            }
            Weakness::CpuUnlimited => "CPU shares are not enforced: no cpu cgroup can be made here",
            Weakness::PidsUnlimited => "the number of processes is not limited: no pids cgroup can be made here",
            Weakness::FreezeBySignal => {
                "sandboxes are paused with signals, because no cgroup can be made here to freeze them in"
            }
            Weakness::SharedUser => {
                "all sandboxes run as one host user, because only root can give each its own"
            }
            Weakness::NoUserNamespace => {
                "sandboxes have no user namespace, because the kernel refuses to make one for an unprivileged user"
            }
            Weakness::TmpInMemory => {
                "/tmp is kept in memory and counts against the memory limit, because no loop device can be used here"
            }
            Weakness::ImageOwnersLost => {
                "files of container images all belong to one user, because only root can give files to others"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_back() {
        let some = [Weakness::MemoryUnlimited, Weakness::SharedUser, Weakness::TmpInMemory];
        assert_eq!(Weakness::from_bits(Weakness::to_bits(&some)), some);
        assert_eq!(Weakness::from_bits(0), []);
        assert_eq!(Weakness::from_bits(u32::MAX), Weakness::ALL);
    }
}
