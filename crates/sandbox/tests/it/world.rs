//! What tests share: one keeper, one runtime, one directory; and how they run a program and look at it.
//!
//! It ends with the last test; tests run side by side in it and so must not count what belongs to others.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use dormouse_sandbox::{
    Command, ExitStatus, Keeper, KeeperConfig, KeeperLink, Mount, Root, Sandbox, SandboxSpec,
    UID_BASE_DEFAULT, Weakness,
};
use libtest_mimic::Trial;
use tokio::io::AsyncReadExt;
use tokio::runtime::Runtime;

use crate::image;
use crate::interpreters::dotnet_root;
use crate::porter;

pub const MIB: u64 = 1 << 20;
/// Inside every sandbox of these tests.
pub const LISTENERS: [&str; 2] = ["127.0.0.1:9001", "127.0.0.1:4566"];
/// No single test takes longer on a machine that works at all, emulated ones included.
const TEST_TIMEOUT: Duration = Duration::from_secs(120);

/// Cheap to clone; the keeper ends with [`World::end`].
#[derive(Clone)]
pub struct World {
    pub keeper: Keeper,
    pub dir: Arc<tempfile::TempDir>,
    pub runtime: Arc<Runtime>,
}

impl World {
    /// Forks the keeper; call it first of all.
    pub fn start() -> World {
        find_place();
        let dir = tempdir();
        let link = fork(&format!("test-{}", std::process::id()), dir.path());
        for weakness in link.weaknesses() {
            eprintln!("weakness: {weakness}");
        }
        let runtime = Runtime::new().unwrap();
        let keeper = runtime.block_on(async { Keeper::connect(link) }).unwrap();
        World { keeper, dir: Arc::new(dir), runtime: Arc::new(runtime) }
    }

    pub fn end(self) {
        self.runtime.block_on(self.keeper.shutdown());
        drop(self.dir);
        leave_place();
    }

    pub fn weak(&self, weakness: Weakness) -> bool {
        self.keeper.weaknesses().contains(&weakness)
    }

    /// A sandbox with room to work in.
    pub async fn sandbox(&self) -> Sandbox {
        self.keeper.create(self.spec()).await.unwrap()
    }

    pub fn spec(&self) -> SandboxSpec {
        SandboxSpec {
            root: Root::Host,
            mounts: vec![
                Mount::read_only(self.dir.path().join("code"), "/var/task".into()),
                Mount::read_only(exe(), "/opt/probe".into()),
            ],
            memory_bytes: 256 * MIB,
            tmp_bytes: 64 * MIB,
            pids_max: 64,
            open_files_max: 1024,
        }
    }
}

/// A directory of its own, on a filesystem where everything can be tested.
pub fn tempdir() -> tempfile::TempDir {
    let usual = std::env::temp_dir();
    tempfile::tempdir_in(PLACE.get().unwrap_or(&usual)).unwrap()
}

/// Where [`tempdir`] makes directories, if not where everybody does.
static PLACE: OnceLock<PathBuf> = OnceLock::new();

/// Finds a place for [`tempdir`]. Older kernels have a tmpfs without user attributes and translated owners, and some
/// machines have nothing else; then a disk image is mounted, seen by this process and its children alone.
fn find_place() {
    const TMPFS: u64 = 0x0102_1994;
    let usual = rustix::fs::statfs(std::env::temp_dir()).unwrap();
    if u64::try_from(usual.f_type) != Ok(TMPFS) || !dormouse_sandbox::privilege::is_root() {
        return;
    }
    // SAFETY: there is one thread so far, and only its mounts are affected.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0);
    let private = rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).unwrap();
    let place = tempfile::tempdir().unwrap().keep();
    let image = place.join("image");
    std::fs::File::create(&image).unwrap().set_len(512 * MIB).unwrap();
    let run =
        |command: &mut std::process::Command| assert!(command.status().unwrap().success(), "{command:?}");
    run(std::process::Command::new("mkfs.ext4").arg("-q").arg(&image));
    // It covers the image as well, which the loop device keeps.
    run(std::process::Command::new("mount").args(["-t", "ext4", "-o", "loop"]).arg(&image).arg(&place));
    PLACE.set(place).unwrap();
}

/// Undoes [`find_place`].
fn leave_place() {
    if let Some(place) = PLACE.get() {
        rustix::mount::unmount(place, rustix::mount::UnmountFlags::DETACH).unwrap();
        std::fs::remove_dir_all(place).unwrap();
    }
}

/// A keeper for the given instance, with its sources beneath `dir`.
pub fn fork(instance: &str, dir: &Path) -> KeeperLink {
    let code = dir.join("code");
    std::fs::create_dir_all(&code).unwrap();
    std::fs::write(code.join("hello"), "hello from the code\n").unwrap();
    for name in ["layers", "shared"] {
        std::fs::create_dir_all(dir.join(name)).unwrap();
    }
    let executables = exe().parent().unwrap().to_owned();
    let programs = image::PROGRAM_TREES.iter().map(PathBuf::from).filter(|tree| tree.is_dir());
    let allowed_sources =
        [code, executables, dir.join("layers")].into_iter().chain(programs).chain(dotnet_root()).collect();
    dormouse_sandbox::fork_keeper(KeeperConfig {
        instance: instance.to_owned(),
        work_dir: dir.join("work"),
        allowed_sources,
        writable_sources: vec![dir.join("shared")],
        porter: Some(porter::config(dir)),
        listeners: LISTENERS.iter().map(|address| address.parse().unwrap()).collect(),
        uid_base: UID_BASE_DEFAULT,
        blanks: 4,
        sandboxes_max: 64,
        inside_uid: 993,
        inside_gid: 990,
    })
    .unwrap()
}

pub fn exe() -> PathBuf {
    std::env::current_exe().unwrap()
}

/// Adds a test that runs in the shared runtime.
pub fn add<F, Fut>(trials: &mut Vec<Trial>, world: Option<&World>, name: &str, test: F)
where
    F: FnOnce(World) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let world = world.cloned();
    trials.push(Trial::test(name, move || {
        let world = world.ok_or("tests are only listed")?;
        let runtime = Arc::clone(&world.runtime);
        let test = async { tokio::time::timeout(TEST_TIMEOUT, test(world)).await };
        runtime.block_on(test).map_err(|_| "the test takes too long")?;
        Ok(())
    }));
}

/// What a program said and how it ended.
#[derive(Debug)]
pub struct Output {
    pub stdout: String,
    pub stderr: String,
    pub status: ExitStatus,
}

impl Output {
    /// Standard output of a program that must have succeeded.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.status, ExitStatus::Exited(0), "{self:?}");
        self.stdout
    }
}

pub fn command(argv: &[&str]) -> Command {
    Command {
        argv: argv.iter().map(Into::into).collect(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        cwd: "/tmp".into(),
        log_pipe: false,
    }
}

/// Runs a program to its end.
pub async fn run(sandbox: &Sandbox, command: Command) -> Output {
    let mut process = sandbox.spawn(command).await.unwrap();
    let stdout = tokio::spawn(read(process.stdout.try_clone().unwrap()));
    let stderr = tokio::spawn(read(process.stderr.try_clone().unwrap()));
    let status = process.wait().await;
    Output { stdout: stdout.await.unwrap(), stderr: stderr.await.unwrap(), status }
}

pub async fn sh(sandbox: &Sandbox, script: &str) -> Output {
    run(sandbox, command(&["/bin/sh", "-c", script])).await
}

/// Runs this binary inside, in one of the roles of `probe.rs`.
pub async fn probe(sandbox: &Sandbox, role: &str) -> Output {
    let mut command = command(&["/opt/probe"]);
    command.env.push(("SANDBOX_TESTS_ROLE".into(), role.into()));
    run(sandbox, command).await
}

/// Everything that comes out of a pipe.
pub async fn read(pipe: OwnedFd) -> String {
    let mut pipe = tokio::net::unix::pipe::Receiver::from_owned_fd(pipe).unwrap();
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits until `condition` holds.
#[track_caller]
pub fn eventually(what: &str, condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    let what = what.to_owned();
    let mut condition = condition;
    async move {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        while !condition() {
            assert!(Instant::now() < deadline, "never came true: {what} ({caller})");
            tick.tick().await;
        }
    }
}

/// Every cgroup directory of an instance, on all hierarchies.
pub fn cgroups_of(instance: &str) -> Vec<PathBuf> {
    let name = format!("dormouse-{instance}");
    let mut found = Vec::new();
    let mut pending = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(directory) = pending.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for path in entries.flatten().filter(is_directory).map(|entry| entry.path()) {
            if path.file_name().is_some_and(|last| last == name.as_str()) {
                found.push(path.clone());
            }
            pending.push(path);
        }
    }
    found
}

fn is_directory(entry: &std::fs::DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_dir())
}

/// Host ids of running processes (no zombies) whose command line contains `text`.
pub fn processes_with(text: &str) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(text)
    })
    .collect()
}

/// Whether a process exists and is not just waiting to be reaped.
pub fn is_running(pid: i32) -> bool {
    let status: io::Result<String> = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    status.is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| !rest.starts_with('Z')))
}
