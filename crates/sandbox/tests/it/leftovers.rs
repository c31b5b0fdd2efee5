//! Whoever dies, and however: no process, cgroup, mount or loop device may stay.
//!
//! What must go is recognised by the test's own marker, so that other sandboxes of this machine do not count.

use std::io::{BufRead, BufReader, Lines, PipeReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal};

use crate::world::{self, World, add, cgroups_of, command, eventually, exe, is_running, processes_with};

pub fn add_to(trials: &mut Vec<Trial>, world: Option<&World>) {
    add(trials, world, "leftovers::after_drop", after_drop);
    add(trials, world, "leftovers::after_process_1_was_killed", process_1_killed);
    add(trials, world, "leftovers::after_shutdown", after_shutdown);
    add(trials, world, "leftovers::after_the_server_was_killed", server_killed);
    add(trials, world, "leftovers::after_the_keeper_was_killed", keeper_killed);
    add(trials, world, "leftovers::after_an_aide_was_killed", aides_killed);
    add(trials, world, "leftovers::after_all_were_killed_the_next_start_cleans", all_killed);
    add(trials, world, "leftovers::a_restart_waits_for_the_end_of_the_last_keeper", restarted_at_once);
    add(trials, world, "leftovers::a_server_that_was_root_can_give_it_up", dropped);
    add(trials, world, "leftovers::an_ordinary_user_can_run_it_all", rootless);
}

/// A marker that no other process on the machine has in its command line.
fn marker(test: u32) -> String {
    format!("9{:07}{test:02}", std::process::id())
}

/// A program's command line becomes visible a moment after its `execve` has succeeded.
async fn appeared(marker: &str, count: usize) {
    eventually("the processes are there", || processes_with(marker).len() == count).await;
}

async fn after_drop(world: World) {
    let sandbox = world.sandbox().await;
    let marker = marker(1);
    sandbox.spawn(command(&["/bin/sleep", &marker])).await.unwrap();
    sandbox.freeze().unwrap();
    appeared(&marker, 1).await;
    drop(sandbox);
    eventually("the dropped sandbox is gone", || processes_with(&marker).is_empty()).await;
}

async fn process_1_killed(world: World) {
    let sandbox = world.sandbox().await;
    let marker = marker(2);
    let mut process = sandbox.spawn(command(&["/bin/sleep", &marker])).await.unwrap();
    appeared(&marker, 1).await;
    let pid = processes_with(&marker)[0];
    let parent = parent_of(pid);
    kill(parent);
    sandbox.gone().await;
    assert_eq!(process.wait().await, dormouse_sandbox::ExitStatus::Signaled(9));
    assert!(processes_with(&marker).is_empty());
    sandbox.destroy().await;
}

fn parent_of(pid: i32) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(") ").next().unwrap().split(' ').nth(1).unwrap().parse().unwrap()
}

fn children_of(pid: i32) -> Vec<i32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().map(|child| child.parse().unwrap()).collect()
}

fn kill(pid: i32) {
    signal(pid, Signal::KILL);
}

fn signal(pid: i32, signal: Signal) {
    rustix::process::kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Another server with its own keeper and two sandboxes.
struct Victim {
    server: Child,
    keeper: i32,
    /// Its disk aide, its nursery, and a porter at work.
    aides: Vec<i32>,
    dir: tempfile::TempDir,
    instance: String,
    marker: String,
}

impl Victim {
    async fn start(test: u32) -> Victim {
        let dir = world::tempdir();
        let instance = format!("victim-{}-{test}", std::process::id());
        Victim::start_in(test, dir, instance).await
    }

    async fn start_in(test: u32, dir: tempfile::TempDir, instance: String) -> Victim {
        let marker = marker(test);
        let (server, mut lines) = Victim::spawn(dir.path(), &instance, &marker);
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        Victim::ready(server, dir, instance, marker).await
    }

    /// A server on its way, and the lines that it and its keeper say.
    fn spawn(dir: &Path, instance: &str, marker: &str) -> (Child, Lines<BufReader<PipeReader>>) {
        let (reader, writer) = std::io::pipe().unwrap();
        let server = Command::new(exe())
            .env("SANDBOX_TESTS_ROLE", "victim")
            .env("SANDBOX_TESTS_DIR", dir)
            .env("SANDBOX_TESTS_INSTANCE", instance)
            .env("SANDBOX_TESTS_MARKER", marker)
            .stdin(Stdio::piped())
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .spawn()
            .unwrap();
        (server, BufReader::new(reader).lines())
    }

    /// A server that has said that it is ready.
    async fn ready(server: Child, dir: tempfile::TempDir, instance: String, marker: String) -> Victim {
        let keeper = children_of(server.id().try_into().unwrap())[0];
        let aides = children_of(keeper);
        assert_eq!(aides.len(), 3);
        appeared(&marker, 2).await;
        Victim { server, keeper, aides, dir, instance, marker }
    }

    /// The keeper and its aides, but no process inside a sandbox.
    fn keeper_and_aides(&self) -> impl Iterator<Item = i32> {
        self.aides.iter().copied().chain([self.keeper])
    }

    async fn nothing_is_left(&self) {
        eventually("no process of it is left", || {
            processes_with(&self.marker).is_empty() && !self.keeper_and_aides().any(is_running)
        })
        .await;
        eventually("no cgroup of it is left", || cgroups_of(&self.instance).is_empty()).await;
        eventually("no loop device of it is left", || !has_loop_device(self.dir.path())).await;
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(&*self.dir.path().to_string_lossy()), "{mounts}");
    }
}

fn has_loop_device(dir: &Path) -> bool {
    let Ok(devices) = std::fs::read_dir("/sys/block") else { return false };
    devices.flatten().any(|device| {
        let backing = std::fs::read_to_string(device.path().join("loop/backing_file")).unwrap_or_default();
        backing.starts_with(&*dir.to_string_lossy())
    })
}

async fn after_shutdown(_: World) {
    let mut victim = Victim::start(3).await;
    drop(victim.server.stdin.take());
    let status = tokio::task::block_in_place(|| victim.server.wait()).unwrap();
    assert!(status.success());
    assert!(!is_running(victim.keeper), "shutdown waits for the keeper");
    victim.nothing_is_left().await;
}

async fn server_killed(_: World) {
    let mut victim = Victim::start(4).await;
    victim.server.kill().unwrap();
    victim.server.wait().unwrap();
    victim.nothing_is_left().await;
}

async fn keeper_killed(_: World) {
    let mut victim = Victim::start(5).await;
    kill(victim.keeper);
    victim.nothing_is_left().await;
    drop(victim.server.stdin.take());
    let status = tokio::task::block_in_place(|| victim.server.wait()).unwrap();
    assert!(status.success(), "the server survives its keeper and can end in order");
}

async fn aides_killed(_: World) {
    for aide in [0, 1] {
        let mut victim = Victim::start(8 + u32::try_from(aide).unwrap()).await;
        kill(victim.aides[aide]);
        victim.nothing_is_left().await;
        drop(victim.server.stdin.take());
        tokio::task::block_in_place(|| victim.server.wait()).unwrap();
    }
}

async fn all_killed(_: World) {
    let mut victim = Victim::start(6).await;
    // The server first, and each of the others before it can clean up.
    victim.keeper_and_aides().for_each(|pid| signal(pid, Signal::STOP));
    victim.server.kill().unwrap();
    victim.server.wait().unwrap();
    victim.keeper_and_aides().for_each(kill);
    // The kernel has ended what ran; on version 1, what was frozen is still there.
    let Victim { dir, instance, marker, .. } = victim;
    let mut next = Victim::start_in(7, dir, instance).await;
    drop(next.server.stdin.take());
    tokio::task::block_in_place(|| next.server.wait()).unwrap();
    next.nothing_is_left().await;
    assert!(processes_with(&marker).is_empty());
}

async fn restarted_at_once(_: World) {
    let mut old = Victim::start(10).await;
    // Held up where a busy machine may hold them up: after the death of the server, before they clean up.
    old.keeper_and_aides().for_each(|pid| signal(pid, Signal::STOP));
    old.server.kill().unwrap();
    old.server.wait().unwrap();
    let marker = marker(11);
    let (server, mut lines) = Victim::spawn(old.dir.path(), &old.instance, &marker);
    let said = lines.next().unwrap().unwrap();
    old.keeper_and_aides().for_each(|pid| signal(pid, Signal::CONT));
    assert!(
        said.contains(&format!("process {}", old.keeper)),
        "the new one waits, and says for whom: {said}"
    );
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    assert!(
        !old.keeper_and_aides().any(is_running),
        "the new one is ready while the old one still cleans up"
    );
    let Victim { dir, instance, marker: old_marker, .. } = old;
    let mut new = Victim::ready(server, dir, instance, marker).await;
    assert!(processes_with(&old_marker).is_empty());
    drop(new.server.stdin.take());
    assert!(tokio::task::block_in_place(|| new.server.wait()).unwrap().success());
    new.nothing_is_left().await;
}

async fn rootless(_: World) {
    if !dormouse_sandbox::privilege::is_root() {
        return; // then all the other tests show it
    }
    // Somewhere that an ordinary user can reach, wherever this binary lies.
    let dir = tempfile::Builder::new().prefix("rootless").tempdir_in("/tmp").unwrap();
    let binary = dir.path().join("it");
    std::fs::copy(exe(), &binary).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).unwrap();
    let output = tokio::task::block_in_place(|| {
        Command::new(&binary)
            .env("SANDBOX_TESTS_ROLE", "rootless")
            .env("TMPDIR", "/tmp")
            .current_dir("/")
            .uid(65534)
            .gid(65534)
            .output()
            .unwrap()
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn dropped(_: World) {
    if !dormouse_sandbox::privilege::is_root() {
        return;
    }
    let dir = world::tempdir();
    std::fs::create_dir_all(dir.path().join("data/deep")).unwrap();
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(dir.path(), closed).unwrap();
    let instance = format!("dropped-{}", std::process::id());
    let output = tokio::task::block_in_place(|| {
        Command::new(exe())
            .env("SANDBOX_TESTS_ROLE", "dropped")
            .env("SANDBOX_TESTS_DIR", dir.path())
            .env("SANDBOX_TESTS_INSTANCE", &instance)
            .output()
            .unwrap()
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read(dir.path().join("data/deep/file")).unwrap(), b"the server's");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains("/run/dormouse"), "{mounts}");
    eventually("no cgroup of it is left", || cgroups_of(&instance).is_empty()).await;
}
