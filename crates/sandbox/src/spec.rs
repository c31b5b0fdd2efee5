//! The words in which the server describes a sandbox and the processes in it.
//!
//! Plain values without behaviour beyond checks that need no I/O. The keeper checks every value again
//! on arrival: it does not trust the server.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// What one sandbox may see and use.
#[derive(Debug, Clone)]
pub struct SandboxSpec {
    /// Where the programs come from.
    pub root: Root,
    /// What is mounted besides the root, in this order; at most 48.
    pub mounts: Vec<Mount>,
    /// Memory of all processes together, page cache included, in bytes.
    pub memory_bytes: u64,
    /// Size of `/tmp` in bytes; more gives `ENOSPC`.
    pub tmp_bytes: u64,
    /// Processes and threads at once, init included.
    pub pids_max: u32,
    /// Open files per process (`RLIMIT_NOFILE`, soft and hard).
    pub open_files_max: u64,
}

/// The file system that a sandbox starts from. Read-only either way, but for `/tmp` and `/dev/shm`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// The generic root: the host's programs and libraries, and nothing else of the host.
    Host,
    /// The file system of a container image: its layers, topmost first, at most 128. Nothing of the host's
    /// trees is visible. `/proc`, `/dev`, `/sys`, `/tmp`, `/etc/{hosts,hostname,resolv.conf}` and the targets
    /// of the mounts are the sandbox's own, whatever the image has in their places.
    Image(Vec<PathBuf>),
}

/// Something of the host shown inside, always `nosuid` and `nodev`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What is shown.
    pub source: Source,
    /// Absolute path inside, without `..`; missing directories are made.
    pub target: PathBuf,
    /// Whether it can be changed from inside.
    pub access: Access,
}

impl Mount {
    /// One file or directory that cannot be changed from inside.
    pub fn read_only(source: PathBuf, target: PathBuf) -> Mount {
        Mount { source: Source::Tree(source), target, access: Access::ReadOnly }
    }
}

/// What a [`Mount`] shows. Every path is absolute and beneath one of `KeeperConfig::allowed_sources`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// One file or directory.
    Tree(PathBuf),
    /// Directories merged into one, the first on top, 1 to 128 of them; always read-only. A character device 0:0
    /// hides what lies below it, and so does a directory with the extended attribute `user.overlay.opaque=y`.
    Merged(Vec<PathBuf>),
}

/// Whether a mount can be changed from inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It cannot.
    ReadOnly,
    /// It can, where the directory's owner can: the processes inside act as that user and group there.
    /// Only for a [`Source::Tree`] beneath one of `KeeperConfig::writable_sources`, of an owner other than root.
    ReadWrite,
}

/// A program to start inside. The environment is exactly `env`: nothing is inherited.
#[derive(Clone)]
pub struct Command {
    /// Program path inside the sandbox (absolute, no search) and its arguments.
    pub argv: Vec<OsString>,
    /// The whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// Working directory inside.
    pub cwd: PathBuf,
    /// Whether descriptor 3 is a pipe as well; its read end is `Process::log`.
    pub log_pipe: bool,
}

/// Arguments and environment may be secret: only the program and counts are shown.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("program", &self.argv.first())
            .field("arguments", &self.argv.len().saturating_sub(1))
            .field("variables", &self.env.len())
            .field("cwd", &self.cwd)
            .finish()
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// It exited with this code.
    Exited(i32),
    /// This signal ended it; also given when the whole sandbox was destroyed.
    Signaled(i32),
}

/// A signal that the server may send to a process inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// `SIGTERM`: please end.
    Terminate,
    /// `SIGKILL`: end now.
    Kill,
    /// `SIGINT`: as from a terminal.
    Interrupt,
    /// `SIGUSR1`.
    User1,
    /// `SIGUSR2`.
    User2,
}

impl Signal {
    /// The kernel's number.
    pub(crate) fn number(self) -> i32 {
        match self {
            Signal::Terminate => libc::SIGTERM,
            Signal::Kill => libc::SIGKILL,
            Signal::Interrupt => libc::SIGINT,
            Signal::User1 => libc::SIGUSR1,
            Signal::User2 => libc::SIGUSR2,
        }
    }
}

/// CPU time per wall time in thousandths of one processor: 1,000 is one whole vCPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CpuQuota(u32);

impl CpuQuota {
    /// Scheduling period in which the quota is given out. 20 ms keeps a throttled process responsive.
    pub(crate) const PERIOD_US: u64 = 20_000;
    /// The kernel refuses quotas below 1 ms per period: 50 thousandths at this period.
    const MILLICORES_MIN: u32 = 50;
    const MILLICORES_MAX: u32 = 1_000_000;

    /// A quota of `millicores`, brought into what the kernel accepts (50 to 1,000,000).
    pub fn from_millicores(millicores: u32) -> CpuQuota {
        CpuQuota(millicores.clamp(Self::MILLICORES_MIN, Self::MILLICORES_MAX))
    }

    /// Thousandths of one processor.
    pub fn millicores(self) -> u32 {
        self.0
    }

    /// Microseconds of CPU time per [`PERIOD_US`](Self::PERIOD_US).
    pub(crate) fn quota_us(self) -> u64 {
        u64::from(self.0) * Self::PERIOD_US / 1_000
    }
}
