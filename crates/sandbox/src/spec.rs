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
    /// What is mounted besides the generic root, in this order.
    pub mounts: Vec<Bind>,
    /// Memory of all processes together, page cache included, in bytes.
    pub memory_bytes: u64,
    /// Size of `/tmp` in bytes; more gives `ENOSPC`.
    pub tmp_bytes: u64,
    /// Processes and threads at once, init included.
    pub pids_max: u32,
    /// Open files per process (`RLIMIT_NOFILE`, soft and hard).
    pub open_files_max: u64,
}

/// A file or directory of the host shown inside; always read-only, `nosuid` and `nodev`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Absolute host path beneath one of `KeeperConfig::allowed_sources`.
    pub source: PathBuf,
    /// Absolute path inside, without `..`; missing directories are made.
    pub target: PathBuf,
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
