//! The system calls that no dependency wraps for us, each as the smallest safe function.
//!
//! Nothing here decides anything: callers choose flags and order. Every function returns the kernel's
//! error unchanged. All processes of this crate that use these calls are single-threaded, which is what
//! makes `fork`-like calls without `exec` sound.

mod loop_device;
mod spawn;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

pub(crate) use self::loop_device::{loop_configure, loop_free_number};
pub(crate) use self::spawn::{Program, spawn};

/// Turns a negative return value into the thread's `errno`.
fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Beyond 32 bits, so `clone3` only; the kernel's `linux/sched.h`.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which side of a fork the caller is on.
pub(crate) enum Forked {
    /// The parent, with the child's id and a pidfd for it.
    Parent { pid: i32, pidfd: OwnedFd },
    /// The new process.
    Child,
}

/// `clone3` with `flags`, as `fork` does it (copied memory, same stack), optionally into a v2 cgroup.
///
/// The child must end through [`exit_now`], never by returning to code that the parent also runs.
pub(crate) fn clone_process(flags: i32, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Forked> {
    let mut pidfd: RawFd = -1;
    // SAFETY: clone_args is a plain structure of integers for which all zeroes is valid.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = u64::from((flags | libc::CLONE_PIDFD).cast_unsigned());
    args.pidfd = (&raw mut pidfd).addr() as u64;
    args.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::from(cgroup.as_raw_fd().cast_unsigned());
    }
    // SAFETY: without CLONE_VM the child has its own copy of this single-threaded process, so nothing
    // is shared; `args` and `pidfd` live until the call has returned.
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    match check(result)? {
        0 => Ok(Forked::Child),
        pid => {
            let pid = i32::try_from(pid).map_err(io::Error::other)?;
            // SAFETY: the kernel stored a new descriptor there, and nobody else owns it.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Forked::Parent { pid, pidfd })
        }
    }
}

/// Plain `fork`, for processes whose filter refuses [`clone_process`]. `None` in the child, which must end through
/// [`exit_now`].
pub(crate) fn fork() -> io::Result<Option<i32>> {
    // SAFETY: this single-threaded process holds no lock, so the child can go on with its copy of everything.
    let pid = check(libc::c_long::from(unsafe { libc::fork() }))?;
    Ok(i32::try_from(pid).ok().filter(|pid| *pid != 0))
}

/// Ends this process at once, without running destructors that belong to the process it was forked from.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

/// `unshare(flags)`.
pub(crate) fn unshare(flags: i32) -> io::Result<()> {
    debug_assert_eq!(flags & (libc::CLONE_FILES | libc::CLONE_VM), 0, "only namespaces are unshared here");
    // SAFETY: namespaces only; no memory or descriptor table is affected.
    check(libc::c_long::from(unsafe { libc::unshare(flags) })).map(drop)
}

/// `prctl(option, value)` for the options that take one number.
pub(crate) fn prctl(option: i32, value: u64) -> io::Result<()> {
    // SAFETY: callers pass options whose argument is a number, so no memory is touched.
    check(libc::c_long::from(unsafe { libc::prctl(option, value, 0, 0, 0) })).map(drop)
}

/// Closes every descriptor except `keep` (0, 1 and 2 included if not listed).
///
/// For a process that was just forked: descriptors owned by values of the parent's stack frames are
/// closed too, and those frames must never run again here.
pub(crate) fn close_all_but(keep: &[RawFd]) {
    let mut keep: Vec<u32> = keep.iter().filter_map(|fd| u32::try_from(*fd).ok()).collect();
    keep.sort_unstable();
    keep.dedup();
    let mut from = 0;
    for fd in keep.iter().copied().chain([u32::MAX]) {
        if fd > from {
            let last = if fd == u32::MAX { u32::MAX } else { fd - 1 };
            // SAFETY: see above; the owners of these descriptors do not run in this process any more.
            unsafe { libc::syscall(libc::SYS_close_range, from, last, 0) };
        }
        from = fd.saturating_add(1);
    }
}

/// Points standard input, output and error at `/dev/null`; `keep_stderr` leaves the last one alone.
pub(crate) fn silence_stdio(keep_stderr: bool) -> io::Result<()> {
    // Out of the way of the three numbers below, or it would be closed by the next `exec`.
    let null = {
        let anywhere = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
        rustix::io::fcntl_dupfd_cloexec(&anywhere, 3)?
    };
    for target in 0..=if keep_stderr { 1 } else { 2 } {
        // SAFETY: replaces one of the standard descriptors, which no value in this process owns.
        check(libc::c_long::from(unsafe { libc::dup2(null.as_raw_fd(), target) }))?;
    }
    Ok(())
}

/// `mount_setattr` on the mount that `mount` refers to: sets `attributes`, never clears any.
pub(crate) fn mount_set_attributes(
    mount: BorrowedFd<'_>,
    attributes: u64,
    recursive: bool,
) -> io::Result<()> {
    let change = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    mount_change(mount, &change, recursive)
}

/// Shows the files of the one, detached mount `mount` as `namespace` maps their owners.
pub(crate) fn mount_map_ids(mount: BorrowedFd<'_>, namespace: BorrowedFd<'_>) -> io::Result<()> {
    let change = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: u64::from(namespace.as_raw_fd().cast_unsigned()),
    };
    mount_change(mount, &change, false)
}

fn mount_change(mount: BorrowedFd<'_>, change: &libc::mount_attr, recursive: bool) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: `change` and the empty path live through the call; the size is the structure's own.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(change),
            size_of::<libc::mount_attr>(),
        )
    };
    check(result).map(drop)
}

/// A descriptor that becomes readable when a child ends. `SIGCHLD` is blocked from here on.
pub(crate) fn child_signal_fd() -> io::Result<OwnedFd> {
    // SAFETY: sigset_t is plain data; sigemptyset initialises it fully.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is a valid place for a signal set.
    unsafe { libc::sigemptyset(&raw mut set) };
    // SAFETY: `set` was initialised above and SIGCHLD is a valid signal.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGCHLD) };
    // SAFETY: `set` is initialised; the old mask is not asked for.
    let blocked = unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
    check(libc::c_long::from(blocked))?;
    // SAFETY: `set` is initialised.
    let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    check(libc::c_long::from(fd))?;
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets each of `signals` to `handling` (`SIG_IGN` or `SIG_DFL`).
pub(crate) fn set_signals(signals: &[i32], handling: libc::sighandler_t) {
    debug_assert!(handling == libc::SIG_IGN || handling == libc::SIG_DFL, "no handler functions");
    for signal in signals {
        // SAFETY: no handler function is installed, so no code runs asynchronously.
        unsafe { libc::signal(*signal, handling) };
    }
}

/// A child that ended, as told by [`reap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reaped {
    pub(crate) pid: i32,
    pub(crate) status: crate::spec::ExitStatus,
}

/// Collects one ended child, waiting for it if `wait`. `None`: no children at all, or none has ended yet.
pub(crate) fn reap(wait: bool) -> Option<Reaped> {
    let mut status = 0;
    let options = if wait { 0 } else { libc::WNOHANG };
    loop {
        // SAFETY: `status` is a valid place for the result.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, options) };
        if pid < 0 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted {
            continue;
        }
        if pid <= 0 {
            return None;
        }
        let status = if libc::WIFEXITED(status) {
            crate::spec::ExitStatus::Exited(libc::WEXITSTATUS(status))
        } else {
            crate::spec::ExitStatus::Signaled(libc::WTERMSIG(status))
        };
        return Some(Reaped { pid, status });
    }
}

/// Forgets one ended child by its id, so that no zombie stays.
pub(crate) fn reap_one(pid: i32) {
    // SAFETY: a null status pointer asks for no status.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
}

/// `kill(pid, signal)`; `pid` -1 means every process in this pid namespace but process 1 and the caller.
pub(crate) fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill touches no memory of this process.
    check(libc::c_long::from(unsafe { libc::kill(pid, signal) })).map(drop)
}

/// `pidfd_send_signal`.
pub(crate) fn signal_pidfd(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: a null siginfo asks the kernel to fill it in.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    check(result).map(drop)
}

/// Lowers (or, with privilege, raises) both limits of `resource` to at most `value`.
pub(crate) fn limit(resource: libc::__rlimit_resource_t, value: u64) -> io::Result<()> {
    let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `old` is a valid place for the result.
    check(libc::c_long::from(unsafe { libc::getrlimit(resource, &raw mut old) }))?;
    let wanted = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: `wanted` lives through the call.
    if unsafe { libc::setrlimit(resource, &raw const wanted) } == 0 {
        return Ok(());
    }
    // Raising the hard limit needs a privilege that even root may lack in a container.
    let value = value.min(old.rlim_max);
    let possible = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: `possible` lives through the call.
    check(libc::c_long::from(unsafe { libc::setrlimit(resource, &raw const possible) })).map(drop)
}

/// Brings up the loopback interface of the current network namespace (and with it 127.0.0.1 and ::1).
pub(crate) fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    // SAFETY: ifreq is plain data for which all zeroes is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    let flags = libc::IFF_UP | libc::IFF_RUNNING;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).map_err(io::Error::other)?;
    // SAFETY: SIOCSIFFLAGS reads one ifreq, which lives through the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    check(libc::c_long::from(result)).map(drop)
}

/// Sets real, effective and saved user and group id of the whole process, and no supplementary groups.
pub(crate) fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    // SAFETY: an empty list needs no memory.
    check(libc::c_long::from(unsafe { libc::setgroups(0, std::ptr::null()) }))?;
    // SAFETY: plain numbers.
    check(libc::c_long::from(unsafe { libc::setresgid(gid, gid, gid) }))?;
    // SAFETY: plain numbers.
    check(libc::c_long::from(unsafe { libc::setresuid(uid, uid, uid) })).map(drop)
}

/// Empties the bounding set: no program started later can gain a capability.
pub(crate) fn drop_bounding_set() -> io::Result<()> {
    const CAPABILITY_NUMBER_MAX: u64 = 63;
    for capability in 0..=CAPABILITY_NUMBER_MAX {
        match prctl(libc::PR_CAPBSET_DROP, capability) {
            // Numbers beyond the last capability that this kernel knows.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            other => other?,
        }
    }
    Ok(())
}

/// Gives up every capability that this process holds or could pass on.
pub(crate) fn clear_capabilities() -> io::Result<()> {
    rustix::thread::clear_ambient_capability_set()?;
    let none = rustix::thread::CapabilitySet::empty();
    let sets = rustix::thread::CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets)?;
    Ok(())
}

/// Waits until `fd` is readable, at most `timeout_ms`; `true` when it is (or has failed).
pub(crate) fn wait_readable(fd: impl AsFd, timeout_ms: i64) -> bool {
    wait_for(fd, rustix::event::PollFlags::IN, timeout_ms)
}

/// Waits until `fd` is writable, at most `timeout_ms`; `true` when it is (or has failed).
pub(crate) fn wait_writable(fd: impl AsFd, timeout_ms: i64) -> bool {
    wait_for(fd, rustix::event::PollFlags::OUT, timeout_ms)
}

fn wait_for(fd: impl AsFd, events: rustix::event::PollFlags, timeout_ms: i64) -> bool {
    let deadline = std::time::Instant::now() + std::time::Duration::from_millis(timeout_ms.unsigned_abs());
    loop {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        let timeout = rustix::event::Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut fds = [rustix::event::PollFd::new(&fd, events)];
        match rustix::event::poll(&mut fds, Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(0) | Err(_) => return false,
            Ok(_) => return true,
        }
    }
}

/// Lets `timeout_ms` pass; for conditions that the kernel offers no way to wait for.
pub(crate) fn pause_ms(timeout_ms: i64) {
    let timeout =
        rustix::event::Timespec { tv_sec: timeout_ms / 1000, tv_nsec: timeout_ms % 1000 * 1_000_000 };
    // An interruption only makes the pause shorter, and every caller checks its condition again.
    let _ = rustix::event::poll(&mut [], Some(&timeout));
}
