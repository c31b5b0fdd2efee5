//! Starting a program through the C library's `posix_spawn`.
//!
//! Used by process 1 of a sandbox only. Every descriptor that it owns is closed on `exec`, so a program
//! gets exactly the three standard ones, and a fourth where it is asked for.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What [`spawn`] starts.
pub(crate) struct Program {
    pub(crate) argv: Vec<CString>,
    pub(crate) env: Vec<CString>,
    pub(crate) cwd: CString,
}

/// Starts a program in its own session with `/dev/null` as input and each of `outputs` at its number.
///
/// The numbers rise from 1 without a gap, so that none of them can overwrite a descriptor that is still to be placed:
/// descriptors 0 to 2 of process 1 are `/dev/null`.
///
/// The caller waits inside the kernel until `execve` has succeeded or failed, and shares its memory with
/// the child until then, so no page is copied and the error is exact.
pub(crate) fn spawn(program: &Program, outputs: &[(BorrowedFd<'_>, i32)]) -> io::Result<i32> {
    let actions = SpawnActions::new(&program.cwd, outputs)?;
    let attributes = SpawnAttributes::new()?;
    let argv = null_terminated(&program.argv);
    let env = null_terminated(&program.env);
    let path = program.argv.first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut pid = 0;
    // SAFETY: all pointers refer to initialised values that outlive the call, and both arrays end with a
    // null pointer.
    let error = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            path.as_ptr(),
            &raw const actions.0,
            &raw const attributes.0,
            argv.as_ptr(),
            env.as_ptr(),
        )
    };
    if error == 0 { Ok(pid) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// Pointers to `strings`, followed by the null pointer that C expects.
fn null_terminated(strings: &[CString]) -> Vec<*mut libc::c_char> {
    strings.iter().map(|string| string.as_ptr().cast_mut()).chain([std::ptr::null_mut()]).collect()
}

/// Owns an initialised `posix_spawn_file_actions_t`.
struct SpawnActions(libc::posix_spawn_file_actions_t);

impl SpawnActions {
    fn new(cwd: &CString, outputs: &[(BorrowedFd<'_>, i32)]) -> io::Result<SpawnActions> {
        // SAFETY: plain data; init below gives it its meaning.
        let mut actions = SpawnActions(unsafe { std::mem::zeroed() });
        // SAFETY: `actions.0` is a valid place to initialise.
        spawn_check(unsafe { libc::posix_spawn_file_actions_init(&raw mut actions.0) })?;
        for (from, to) in outputs {
            // SAFETY: initialised above.
            spawn_check(unsafe {
                libc::posix_spawn_file_actions_adddup2(&raw mut actions.0, from.as_raw_fd(), *to)
            })?;
        }
        // SAFETY: initialised above; the string is copied.
        spawn_check(unsafe { libc::posix_spawn_file_actions_addchdir_np(&raw mut actions.0, cwd.as_ptr()) })?;
        Ok(actions)
    }
}

impl Drop for SpawnActions {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed once.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

/// Owns an initialised `posix_spawnattr_t`: own session, no signal blocked, every signal at its default.
struct SpawnAttributes(libc::posix_spawnattr_t);

impl SpawnAttributes {
    fn new() -> io::Result<SpawnAttributes> {
        const SETSID: libc::c_int = 0x80; // POSIX_SPAWN_SETSID of glibc and musl
        // SAFETY: plain data; init below gives it its meaning.
        let mut attributes = SpawnAttributes(unsafe { std::mem::zeroed() });
        // SAFETY: `attributes.0` is a valid place to initialise.
        spawn_check(unsafe { libc::posix_spawnattr_init(&raw mut attributes.0) })?;
        // SAFETY: sigset_t is plain data.
        let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: a valid place for a signal set.
        unsafe { libc::sigemptyset(&raw mut set) };
        // SAFETY: both were initialised above.
        spawn_check(unsafe { libc::posix_spawnattr_setsigmask(&raw mut attributes.0, &raw const set) })?;
        // SAFETY: a valid place for a signal set.
        unsafe { libc::sigfillset(&raw mut set) };
        // SAFETY: both were initialised above.
        spawn_check(unsafe { libc::posix_spawnattr_setsigdefault(&raw mut attributes.0, &raw const set) })?;
        let flags = SETSID | libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF;
        let flags = libc::c_short::try_from(flags).map_err(io::Error::other)?;
        // SAFETY: initialised above.
        spawn_check(unsafe { libc::posix_spawnattr_setflags(&raw mut attributes.0, flags) })?;
        Ok(attributes)
    }
}

impl Drop for SpawnAttributes {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed once.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}

/// The spawn functions return the error instead of setting `errno`.
fn spawn_check(error: libc::c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}
