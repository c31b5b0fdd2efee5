//! Roles that this binary plays inside a sandbox: programs that try what they must not be able to do.
//!
//! Their exit code and their output are the result; they never touch what the test itself uses.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

/// Tries one call after another and prints those that were not refused by the filter.
pub fn forbidden_calls() -> ExitCode {
    let calls: &[(&str, i64, &[u64])] = &[
        ("mount", libc::SYS_mount, &[0, 0, 0, 0, 0]),
        ("umount2", libc::SYS_umount2, &[0, 0]),
        ("pivot_root", libc::SYS_pivot_root, &[0, 0]),
        ("chroot", libc::SYS_chroot, &[0]),
        ("unshare user", libc::SYS_unshare, &[0x1000_0000]),
        ("setns", libc::SYS_setns, &[0, 0]),
        ("clone into a user namespace", libc::SYS_clone, &[0x1000_0000 | 17, 0, 0, 0, 0]),
        ("clone into a network namespace", libc::SYS_clone, &[0x4000_0000 | 17, 0, 0, 0, 0]),
        ("ptrace", libc::SYS_ptrace, &[16, 1, 0, 0]),
        ("process_vm_readv", libc::SYS_process_vm_readv, &[1, 0, 0, 0, 0, 0]),
        ("bpf", libc::SYS_bpf, &[0, 0, 0]),
        ("perf_event_open", libc::SYS_perf_event_open, &[0, 0, 0, 0, 0]),
        ("keyctl", libc::SYS_keyctl, &[0, 0, 0, 0, 0]),
        ("add_key", libc::SYS_add_key, &[0, 0, 0, 0, 0]),
        ("userfaultfd", libc::SYS_userfaultfd, &[0]),
        ("io_uring_setup", libc::SYS_io_uring_setup, &[1, 0]),
        ("init_module", libc::SYS_init_module, &[0, 0, 0]),
        ("kexec_load", libc::SYS_kexec_load, &[0, 0, 0, 0]),
        ("open_by_handle_at", libc::SYS_open_by_handle_at, &[0, 0, 0]),
        ("syslog", libc::SYS_syslog, &[3, 0, 0]),
        ("reboot", libc::SYS_reboot, &[0, 0, 0, 0]),
        ("swapon", libc::SYS_swapon, &[0, 0]),
        ("sethostname", libc::SYS_sethostname, &[0, 0]),
        ("fsopen", libc::SYS_fsopen, &[0, 0]),
        ("open_tree", libc::SYS_open_tree, &[0, 0, 0]),
        ("pidfd_getfd", libc::SYS_pidfd_getfd, &[0, 0, 0]),
        ("personality", libc::SYS_personality, &[8]),
        ("packet socket", libc::SYS_socket, &[17, 3, 0]),
        ("vsock socket", libc::SYS_socket, &[40, 1, 0]),
        ("netfilter socket", libc::SYS_socket, &[16, 3, 12]),
        ("typing into a terminal", libc::SYS_ioctl, &[0, 0x5412, 0]),
        ("limits of process 1", libc::SYS_prlimit64, &[1, 7, 0, 0]),
        ("an unknown call", 5000, &[]),
    ];
    for (name, number, arguments) in calls {
        let errno = call(*number, arguments);
        if errno != libc::EPERM {
            println!("{name}: {}", std::io::Error::from_raw_os_error(errno));
        }
    }
    let errno = call(libc::SYS_clone3, &[0, 0]);
    if errno != libc::ENOSYS {
        println!("clone3 is not absent but {errno}");
    }
    ExitCode::SUCCESS
}

/// Makes one system call and returns its error, 0 for success.
pub fn call(number: i64, arguments: &[u64]) -> i32 {
    let argument = |index: usize| arguments.get(index).copied().unwrap_or(0);
    // SAFETY: every call here is refused by the filter before the kernel looks at an argument; should one
    // get through, its null pointers make it fail with an error of its own.
    let result = unsafe {
        libc::syscall(number, argument(0), argument(1), argument(2), argument(3), argument(4), argument(5))
    };
    if result >= 0 { 0 } else { std::io::Error::last_os_error().raw_os_error().unwrap_or(0) }
}

/// Prints the host user that this process is.
pub fn outside_user() -> ExitCode {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    println!("{}", map.split_whitespace().nth(1).unwrap());
    ExitCode::SUCCESS
}

/// Listens on the port given as argument and greets whoever comes, until it is killed.
pub fn serve() -> ExitCode {
    let port = std::env::args().nth(1).unwrap().parse().unwrap();
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).unwrap();
    println!("ready");
    for stream in listener.incoming() {
        stream.and_then(|mut stream| stream.write_all(b"from inside")).unwrap();
    }
    ExitCode::SUCCESS
}

/// Connects to the address given as argument and prints what comes.
pub fn connect() -> ExitCode {
    let address = std::env::args().nth(1).unwrap().parse().unwrap();
    let mut said = String::new();
    let result = TcpStream::connect_timeout(&address, Duration::from_secs(5))
        .and_then(|mut stream| stream.read_to_string(&mut said));
    match result {
        Ok(_) => {
            print!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}
