//! How long an empty sandbox takes from the request to a running program, beside its floor.
//!
//! Run as root on a quiet machine: `cargo run --release -p dormouse-sandbox --example create [N]`. The floor is what
//! no sandbox can avoid: one `clone3` with the same namespaces, and `execve`, with nothing mounted,
//! limited or dropped. Both are measured in turn, in the same run, and printed as median and 99th
//! percentile. Between two sandboxes there is a pause, because real ones do not come back to back; the
//! last line shows a burst, where the prepared ones run out.

#![expect(clippy::unwrap_used, reason = "a measurement that fails has nothing better to do than to say so")]

use std::io;
use std::time::{Duration, Instant};

use dormouse_sandbox::{Bind, Command, Keeper, KeeperConfig, SandboxSpec, UID_BASE_DEFAULT, fork_keeper};

/// Long enough for the keeper to prepare another sandbox and volume.
const PAUSE: Duration = Duration::from_millis(60);
const BURST: usize = 20;

fn main() {
    let count: usize = std::env::args().nth(1).map_or(200, |count| count.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let code = dir.path().join("code");
    std::fs::create_dir(&code).unwrap();
    let config = KeeperConfig {
        instance: format!("bench-{}", std::process::id()),
        work_dir: dir.path().join("work"),
        allowed_sources: vec![code.clone()],
        listeners: vec!["127.0.0.1:9001".parse().unwrap(), "127.0.0.1:4566".parse().unwrap()],
        uid_base: UID_BASE_DEFAULT,
        blanks: 4,
        sandboxes_max: 100,
        inside_uid: 993,
        inside_gid: 990,
    };
    let start = Instant::now();
    let link = fork_keeper(config).unwrap();
    println!("keeper ready in {:?}, weaknesses: {:?}", start.elapsed(), link.weaknesses());
    // The floor forks, so it must run before the runtime has threads; the pauses are the same.
    let floor: Vec<Duration> = (0..count).map(|_| pause_and(floor)).collect();
    let spec = SandboxSpec {
        mounts: vec![Bind { source: code, target: "/var/task".into() }],
        memory_bytes: 128 << 20,
        tmp_bytes: 512 << 20,
        pids_max: 1024,
        open_files_max: 1024,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let keeper = Keeper::connect(link).unwrap();
        let (mut created, mut executed, mut destroyed) = (Vec::new(), Vec::new(), Vec::new());
        // The first one of a size waits for mkfs.
        for round in 0..=count {
            tokio::time::sleep(PAUSE).await;
            let (create, exec, destroy) = measure(&keeper, spec.clone()).await;
            if round == 0 {
                println!("first of its size, mkfs included: {exec:?}");
                continue;
            }
            created.push(create);
            executed.push(exec);
            destroyed.push(destroy);
        }
        report("floor: clone3 + execve", floor);
        report("create", created);
        report("create to exec", executed);
        report("destroy", destroyed);
        tokio::time::sleep(PAUSE * 4).await;
        burst(&keeper, &spec).await;
        keeper.shutdown().await;
    });
}

async fn measure(keeper: &Keeper, spec: SandboxSpec) -> (Duration, Duration, Duration) {
    let start = Instant::now();
    let sandbox = keeper.create(spec).await.unwrap();
    let created = start.elapsed();
    let mut process = sandbox.spawn(program()).await.unwrap();
    let executed = start.elapsed();
    process.wait().await;
    let start = Instant::now();
    sandbox.destroy().await;
    (created, executed, start.elapsed())
}

async fn burst(keeper: &Keeper, spec: &SandboxSpec) {
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..BURST {
        let (keeper, spec) = (keeper.clone(), spec.clone());
        tasks.spawn(async move { measure(&keeper, spec).await });
    }
    let times = tasks.join_all().await;
    println!("burst of {BURST}, all over after {:?}", start.elapsed());
    report("create to exec within the burst", times.into_iter().map(|(_, executed, _)| executed).collect());
}

fn program() -> Command {
    Command { argv: vec!["/bin/true".into()], env: Vec::new(), cwd: "/".into() }
}

fn pause_and(measure: fn() -> Duration) -> Duration {
    let pause = rustix::event::Timespec { tv_sec: 0, tv_nsec: PAUSE.subsec_nanos().into() };
    rustix::event::poll(&mut [], Some(&pause)).unwrap();
    measure()
}

/// One process in new namespaces, up to its successful `execve`, which closes the pipe.
fn floor() -> Duration {
    let namespaces = libc::CLONE_NEWPID
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUSER;
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let start = Instant::now();
    // SAFETY: clone_args is a plain structure of integers for which all zeroes is valid.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = u64::from(namespaces.cast_unsigned());
    args.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    // SAFETY: as `fork` in a process with one thread; the child only executes another program.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    assert!(pid >= 0, "{}", io::Error::last_os_error());
    if pid == 0 {
        let path = c"/bin/true".as_ptr();
        let argv = [path, std::ptr::null()];
        // SAFETY: the path and both arrays end as C expects and live until the call.
        unsafe { libc::execve(path, argv.as_ptr(), argv[1..].as_ptr()) };
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(127) };
    }
    drop(write);
    let mut end = [0; 1];
    assert_eq!(rustix::io::read(&read, &mut end).unwrap(), 0);
    let elapsed = start.elapsed();
    rustix::process::waitpid(None, rustix::process::WaitOptions::empty()).unwrap();
    elapsed
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |per_mille: usize| times[(times.len() - 1) * per_mille / 1000];
    println!("{what:34} p50 {:>9.3?}  p99 {:>9.3?}", at(500), at(990));
}
