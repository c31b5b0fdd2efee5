//! What a hostile program inside must not be able to do.
//!
//! The programs inside are this binary's own (`probe.rs`) or plain shell, run as the function's user.

use dormouse_sandbox::{ExitStatus, Weakness};
use libtest_mimic::Trial;

use crate::world::{World, add, probe, sh};

pub fn add_to(trials: &mut Vec<Trial>, world: Option<&World>) {
    add(trials, world, "isolation::forbidden_system_calls_fail", forbidden_calls);
    add(trials, world, "isolation::no_privileges_are_left", no_privileges);
    add(trials, world, "isolation::only_its_own_processes_are_visible", own_processes);
    add(trials, world, "isolation::process_1_cannot_be_harmed", process_1);
    add(trials, world, "isolation::no_secret_of_the_host_is_visible", host_files);
    add(trials, world, "isolation::mounts_and_namespaces_cannot_be_changed", mounts);
    add(trials, world, "isolation::sandboxes_do_not_see_each_other", each_other);
}

async fn forbidden_calls(world: World) {
    let sandbox = world.sandbox().await;
    assert_eq!(probe(&sandbox, "forbidden-calls").await.ok(), "", "each line is a call that was let through");
}

async fn no_privileges(world: World) {
    let sandbox = world.sandbox().await;
    let status = sh(&sandbox, "cat /proc/self/status").await.ok();
    let field = |name: &str| {
        let line =
            status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}"));
        line.trim_start_matches(':').trim().to_owned()
    };
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(u64::from_str_radix(&field(set), 16).unwrap(), 0, "{set}");
    }
    assert_eq!(field("NoNewPrivs"), "1");
    assert_eq!(field("Seccomp"), "2");
}

async fn own_processes(world: World) {
    let sandbox = world.sandbox().await;
    let listed = sh(&sandbox, "for p in /proc/[0-9]*; do echo ${p#/proc/}; done").await.ok();
    // The shell alone: process 1 cannot be traced, so it is not shown.
    assert_eq!(listed.lines().count(), 1, "{listed}");
    let host_pid = std::process::id();
    assert_ne!(sh(&sandbox, &format!("kill -0 {host_pid}")).await.status, ExitStatus::Exited(0));
}

async fn process_1(world: World) {
    let sandbox = world.sandbox().await;
    sh(&sandbox, "kill -9 1; kill -STOP 1; kill -TERM 1; kill -CHLD 1; true").await.ok();
    for file in ["mem", "environ", "maps", "fd/0", "root/etc/passwd"] {
        let output = sh(&sandbox, &format!("cat /proc/1/{file}")).await;
        assert_ne!(output.status, ExitStatus::Exited(0), "{file} can be read");
    }
    assert_eq!(sh(&sandbox, "echo alive").await.ok(), "alive\n");
}

async fn host_files(world: World) {
    let sandbox = world.sandbox().await;
    for path in [
        "/etc/shadow",
        "/root",
        "/home/*/.ssh",
        "/var/lib",
        "/run",
        "/sys",
        "/boot",
        "/work",
        "/dev/vda",
        "/dev/sda",
        "/dev/mem",
        "/dev/kmsg",
        "/dev/loop-control",
        "/proc/kcore",
        "/proc/kmsg",
        "/proc/keys",
        "/proc/sysrq-trigger",
    ] {
        // Existing is allowed only for masked files, which are empty devices.
        let output = sh(&sandbox, &format!("test -c {path} || test ! -e {path} || test ! -r {path}")).await;
        assert_eq!(output.status, ExitStatus::Exited(0), "{path} is there");
        assert_eq!(
            sh(&sandbox, &format!("cat {path} 2>/dev/null | head -c 10")).await.ok(),
            "",
            "{path} has content"
        );
    }
    let visible = world.dir.path().display();
    assert_ne!(sh(&sandbox, &format!("ls {visible}")).await.status, ExitStatus::Exited(0));
}

async fn mounts(world: World) {
    let sandbox = world.sandbox().await;
    for script in [
        "mount -t tmpfs none /tmp",
        "mount -o remount,rw /",
        "umount /tmp",
        "umount -l /proc/sys",
        "unshare -U true",
        "unshare -n true",
        "chroot / true",
        "hostname other",
        "echo 1 > /proc/sys/kernel/core_pattern",
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
        "echo c > /proc/sysrq-trigger",
    ] {
        assert_ne!(sh(&sandbox, script).await.status, ExitStatus::Exited(0), "{script}");
    }
}

async fn each_other(world: World) {
    let (one, other) = (world.sandbox().await, world.sandbox().await);
    sh(&one, "echo secret > /tmp/file; chmod 777 /tmp/file; echo secret > /dev/shm/file").await.ok();
    assert_ne!(sh(&other, "cat /tmp/file").await.status, ExitStatus::Exited(0));
    assert_ne!(sh(&other, "cat /dev/shm/file").await.status, ExitStatus::Exited(0));
    let users = (probe(&one, "outside-user").await.ok(), probe(&other, "outside-user").await.ok());
    assert_eq!(users.0 == users.1, world.weak(Weakness::SharedUser), "{users:?}");
    one.destroy().await;
    // A volume is never used twice.
    let next = world.sandbox().await;
    assert_eq!(sh(&next, "ls -A /tmp /dev/shm").await.ok(), "/dev/shm:\n\n/tmp:\n");
}
