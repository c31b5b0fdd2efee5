//! The descriptors of one sandbox's cgroup files that the server holds.
//!
//! The keeper opens them with its privileges; the server then freezes, thaws, limits and measures with
//! one `pread` or `pwrite` each and no round trip. They give no way to move a process or to widen a
//! limit other than the CPU quota. Which ones exist, and in which dialect, travels as a bit set.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::{Layout, Version, open};
use crate::spec::CpuQuota;
use rustix::fs::OFlags;

/// An open control file and the version whose dialect it speaks.
#[derive(Debug)]
struct Handle {
    version: Version,
    fd: OwnedFd,
}

/// See the module. Absent members answer [`Unsupported`](io::ErrorKind::Unsupported).
#[derive(Debug, Default)]
pub(crate) struct Handles {
    freeze: Option<Handle>,
    kill: Option<Handle>,
    memory_current: Option<Handle>,
    memory_peak: Option<Handle>,
    oom: Option<Handle>,
    usage: Option<Handle>,
    quota: Option<Handle>,
}

impl Handles {
    pub(super) fn open(layout: &Layout, name: &str) -> io::Result<Handles> {
        let file = |home: &Option<super::Home>, v1: Option<&str>, v2: Option<&str>, access| {
            let Some(home) = home else { return Ok(None) };
            let file = match home.version {
                Version::V1 => v1,
                Version::V2 => v2,
            };
            let Some(file) = file else { return Ok(None) };
            match open(&home.parent.join(name).join(file), access) {
                // Files that older kernels lack: `cgroup.kill` before 5.14, `memory.peak` before 5.19.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
                Ok(fd) => Ok(Some(Handle { version: home.version, fd })),
            }
        };
        let (read, write) = (OFlags::RDONLY, OFlags::WRONLY);
        let memory = &layout.memory;
        Ok(Handles {
            freeze: file(&layout.freezer, Some("freezer.state"), Some("cgroup.freeze"), write)?,
            kill: file(&layout.freezer, None, Some("cgroup.kill"), write)?,
            memory_current: file(memory, Some("memory.usage_in_bytes"), Some("memory.current"), read)?,
            memory_peak: file(memory, Some("memory.max_usage_in_bytes"), Some("memory.peak"), read)?,
            oom: file(memory, Some("memory.oom_control"), Some("memory.events"), read)?,
            usage: file(&layout.usage, Some("cpuacct.usage"), Some("cpu.stat"), read)?,
            quota: file(&layout.cpu, Some("cpu.cfs_quota_us"), Some("cpu.max"), write)?,
        })
    }

    fn all(&self) -> [&Option<Handle>; 7] {
        [
            &self.freeze,
            &self.kill,
            &self.memory_current,
            &self.memory_peak,
            &self.oom,
            &self.usage,
            &self.quota,
        ]
    }

    /// Two bits for each member: is there one, and does it speak version 2?
    pub(crate) fn bits(&self) -> u32 {
        self.all().iter().enumerate().fold(0, |bits, (index, handle)| {
            let value = match handle {
                None => 0,
                Some(handle) if handle.version == Version::V1 => 1,
                Some(_) => 3,
            };
            bits | value << (2 * index)
        })
    }

    /// The descriptors in the order of [`bits`](Self::bits).
    pub(crate) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.all().into_iter().flatten().map(|handle| handle.fd.as_fd())
    }

    /// As [`fds`](Self::fds), given away.
    pub(crate) fn into_fds(self) -> impl Iterator<Item = OwnedFd> {
        let Handles { freeze, kill, memory_current, memory_peak, oom, usage, quota } = self;
        [freeze, kill, memory_current, memory_peak, oom, usage, quota]
            .into_iter()
            .flatten()
            .map(|handle| handle.fd)
    }

    /// Rebuilds the value on the receiver's side. `None`: bits and descriptors do not match.
    pub(crate) fn from_parts(bits: u32, mut fds: impl Iterator<Item = OwnedFd>) -> Option<Handles> {
        let mut index = 0;
        let mut next = || {
            let value = bits >> (2 * index) & 3;
            index += 1;
            match value {
                0 => Some(None),
                1 => Some(Some(Handle { version: Version::V1, fd: fds.next()? })),
                _ => Some(Some(Handle { version: Version::V2, fd: fds.next()? })),
            }
        };
        Some(Handles {
            freeze: next()?,
            kill: next()?,
            memory_current: next()?,
            memory_peak: next()?,
            oom: next()?,
            usage: next()?,
            quota: next()?,
        })
    }

    /// Whether freezing goes through a cgroup at all.
    pub(crate) fn can_freeze(&self) -> bool {
        self.freeze.is_some()
    }

    pub(crate) fn freeze(&self, frozen: bool) -> io::Result<()> {
        let handle = present(&self.freeze)?;
        let value = match (handle.version, frozen) {
            (Version::V1, true) => "FROZEN",
            (Version::V1, false) => "THAWED",
            (Version::V2, true) => "1",
            (Version::V2, false) => "0",
        };
        put(handle, value)
    }

    /// Kills every process of the group, frozen or not.
    pub(crate) fn kill(&self) -> io::Result<()> {
        put(present(&self.kill)?, "1")
    }

    pub(crate) fn set_quota(&self, quota: Option<CpuQuota>) -> io::Result<()> {
        let handle = present(&self.quota)?;
        match (handle.version, quota) {
            (Version::V1, None) => put(handle, "-1"),
            (Version::V1, Some(quota)) => put(handle, &quota.quota_us().to_string()),
            (Version::V2, None) => put(handle, &format!("max {}", CpuQuota::PERIOD_US)),
            (Version::V2, Some(quota)) => {
                put(handle, &format!("{} {}", quota.quota_us(), CpuQuota::PERIOD_US))
            }
        }
    }

    pub(crate) fn memory_current_bytes(&self) -> io::Result<u64> {
        get(present(&self.memory_current)?, whole)
    }

    pub(crate) fn memory_peak_bytes(&self) -> io::Result<u64> {
        match &self.memory_peak {
            Some(handle) => get(handle, whole),
            None => self.memory_current_bytes(),
        }
    }

    pub(crate) fn oom_kills(&self) -> io::Result<u64> {
        get(present(&self.oom)?, |text| field(text, "oom_kill"))
    }

    pub(crate) fn cpu_usage(&self) -> io::Result<Duration> {
        let handle = present(&self.usage)?;
        match handle.version {
            Version::V1 => get(handle, whole).map(Duration::from_nanos),
            Version::V2 => get(handle, |text| field(text, "usage_usec")).map(Duration::from_micros),
        }
    }
}

fn present(handle: &Option<Handle>) -> io::Result<&Handle> {
    handle.as_ref().ok_or_else(|| io::ErrorKind::Unsupported.into())
}

fn put(handle: &Handle, value: &str) -> io::Result<()> {
    rustix::io::pwrite(&handle.fd, value.as_bytes(), 0)?;
    Ok(())
}

fn get(handle: &Handle, parse: impl FnOnce(&str) -> Option<u64>) -> io::Result<u64> {
    let mut buffer = [0; 4096];
    let length = rustix::io::pread(&handle.fd, &mut buffer, 0)?;
    let text = std::str::from_utf8(&buffer[..length]).map_err(io::Error::other)?;
    parse(text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unexpected cgroup file content"))
}

/// A file that is one number.
fn whole(text: &str) -> Option<u64> {
    text.trim_end().parse().ok()
}

/// A file of `name value` lines.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim_end().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_field_among_similar_names() {
        let events = "low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\noom_group_kill 7\n";
        assert_eq!(field(events, "oom_kill"), Some(1));
        assert_eq!(field("oom_kill_disable 0\nunder_oom 0\noom_kill 4\n", "oom_kill"), Some(4));
        assert_eq!(field("oom_kill_disable 0\n", "oom_kill"), None);
        assert_eq!(whole("123\n"), Some(123));
    }

    #[test]
    fn bits_name_the_descriptors_and_their_dialect() {
        let null = || std::fs::File::open("/dev/null").unwrap().into();
        let handles = Handles {
            freeze: Some(Handle { version: Version::V2, fd: null() }),
            oom: Some(Handle { version: Version::V1, fd: null() }),
            ..Handles::default()
        };
        let bits = handles.bits();
        assert_eq!(bits, 0b01_00_00_00_11);
        assert_eq!(handles.fds().count(), 2);
        let back = Handles::from_parts(bits, [null(), null()].into_iter()).unwrap();
        assert!(back.can_freeze() && back.oom.is_some() && back.quota.is_none());
        assert!(Handles::from_parts(bits, [null()].into_iter()).is_none(), "a descriptor is missing");
        assert_eq!(back.set_quota(None).unwrap_err().kind(), io::ErrorKind::Unsupported);
    }
}
