//! Whoever dies, and however: no process, cgroup, mount or loop device may stay.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use libtest_mimic::Trial;

use crate::world::{World, add, cgroups_of, command, eventually, exe, is_running, processes_with};

pub fn add_to(trials: &mut Vec<Trial>, world: Option<&World>) {
    add(trials, world, "leftovers::after_drop", after_drop);
    add(trials, world, "leftovers::after_process_1_was_killed", process_1_killed);
    add(trials, world, "leftovers::after_shutdown", after_shutdown);
    add(trials, world, "leftovers::after_the_server_was_killed", server_killed);
    add(trials, world, "leftovers::after_the_keeper_was_killed", keeper_killed);
    add(trials, world, "leftovers::after_all_were_killed_the_next_start_cleans", all_killed);
    add(trials, world, "leftovers::an_ordinary_user_can_run_it_all", rootless);
}

/// A marker that no other process on the machine has in its command line.
fn marker(test: u32) -> String {
    format!("9{:07}{test:02}", std::process::id())
}

async fn after_drop(world: World) {
    let sandbox = world.sandbox().await;
    let marker = marker(1);
    sandbox.spawn(command(&["/bin/sleep", &marker])).await.unwrap();
    sandbox.freeze().unwrap();
    assert_eq!(processes_with(&marker).len(), 1);
    drop(sandbox);
    eventually("the dropped sandbox is gone", || processes_with(&marker).is_empty()).await;
}

async fn process_1_killed(world: World) {
    let sandbox = world.sandbox().await;
    let marker = marker(2);
    let mut process = sandbox.spawn(command(&["/bin/sleep", &marker])).await.unwrap();
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
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
}

/// Another server with its own keeper and two sandboxes.
struct Victim {
    server: Child,
    keeper: i32,
    aide: i32,
    dir: tempfile::TempDir,
    instance: String,
    marker: String,
}

impl Victim {
    fn start(test: u32) -> Victim {
        let dir = tempfile::tempdir().unwrap();
        let instance = format!("victim-{}-{test}", std::process::id());
        Victim::start_in(test, dir, instance)
    }

    fn start_in(test: u32, dir: tempfile::TempDir, instance: String) -> Victim {
        let marker = marker(test);
        let mut server = Command::new(exe())
            .env("SANDBOX_TESTS_ROLE", "victim")
            .env("SANDBOX_TESTS_DIR", dir.path())
            .env("SANDBOX_TESTS_INSTANCE", &instance)
            .env("SANDBOX_TESTS_MARKER", &marker)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let keeper = children_of(server.id().try_into().unwrap())[0];
        let aide = children_of(keeper)[0];
        assert_eq!(processes_with(&marker).len(), 2, "one in each sandbox");
        Victim { server, keeper, aide, dir, instance, marker }
    }

    async fn nothing_is_left(&self) {
        let Victim { keeper, aide, instance, .. } = self;
        eventually("no process of it is left", || {
            processes_with(&self.marker).is_empty() && !is_running(*keeper) && !is_running(*aide)
        })
        .await;
        eventually("no cgroup of it is left", || cgroups_of(instance).is_empty()).await;
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
    let mut victim = Victim::start(3);
    drop(victim.server.stdin.take());
    let status = tokio::task::block_in_place(|| victim.server.wait()).unwrap();
    assert!(status.success());
    assert!(!is_running(victim.keeper), "shutdown waits for the keeper");
    victim.nothing_is_left().await;
}

async fn server_killed(_: World) {
    let mut victim = Victim::start(4);
    victim.server.kill().unwrap();
    victim.server.wait().unwrap();
    victim.nothing_is_left().await;
}

async fn keeper_killed(_: World) {
    let mut victim = Victim::start(5);
    kill(victim.keeper);
    victim.nothing_is_left().await;
    drop(victim.server.stdin.take());
    let status = tokio::task::block_in_place(|| victim.server.wait()).unwrap();
    assert!(status.success(), "the server survives its keeper and can end in order");
}

async fn all_killed(_: World) {
    let mut victim = Victim::start(6);
    // The aide first, and stopped processes cannot clean up either.
    kill(victim.aide);
    kill(victim.keeper);
    victim.server.kill().unwrap();
    victim.server.wait().unwrap();
    eventually("the kernel ends the sandboxes", || processes_with(&victim.marker).is_empty()).await;
    let Victim { dir, instance, .. } = victim;
    let mut next = Victim::start_in(7, dir, instance);
    drop(next.server.stdin.take());
    tokio::task::block_in_place(|| next.server.wait()).unwrap();
    next.nothing_is_left().await;
}

async fn rootless(_: World) {
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
