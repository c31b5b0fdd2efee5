//! How long an empty sandbox takes from the request to a running program, beside its floor.
//!
//! Run as root on a quiet machine: `cargo run --release -p dormouse-sandbox --example create [N]`. The floor is what
//! no sandbox can avoid: one `clone3` with the same namespaces, and `execve`, with nothing mounted,
//! limited or dropped. Both are measured in turn, in the same run, and printed as median and 99th
//! percentile, and so are sandboxes whose root is an image of 1 GB in 20 layers. Between two sandboxes there is a
//! pause, because real ones do not come back to back; the last line shows a burst, where the prepared ones run out.

#![expect(clippy::unwrap_used, reason = "a measurement that fails has nothing better to do than to say so")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dormouse_sandbox::{
    Command, Keeper, KeeperConfig, Mount, PorterConfig, Root, SandboxSpec, UID_BASE_DEFAULT, fork_keeper,
};

/// Long enough for the keeper to prepare another sandbox and volume.
const PAUSE: Duration = Duration::from_millis(60);
const BURST: usize = 20;

fn main() {
    let count: usize = std::env::args().nth(1).map_or(200, |count| count.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let code = dir.path().join("code");
    let layers = dir.path().join("layers");
    std::fs::create_dir(&code).unwrap();
    std::fs::create_dir(&layers).unwrap();
    let config = KeeperConfig {
        instance: format!("bench-{}", std::process::id()),
        work_dir: dir.path().join("work"),
        allowed_sources: vec![code.clone(), layers.clone()],
        writable_sources: Vec::new(),
        // Its images' files have users of their own, as they have in a server run by root.
        porter: Some(PorterConfig {
            directories: Vec::new(),
            image_uid_base: UID_BASE_DEFAULT - 65_536,
            unpack: |_, _, _| Err(io::ErrorKind::Unsupported.into()),
        }),
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
        root: Root::Host,
        mounts: vec![Mount::read_only(code, "/var/task".into())],
        memory_bytes: 128 << 20,
        tmp_bytes: 512 << 20,
        pids_max: 1024,
        open_files_max: 1024,
    };
    let image = SandboxSpec { root: Root::Image(image(&layers)), ..spec.clone() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let keeper = Keeper::connect(link).unwrap();
        // The first one of a size waits for mkfs.
        println!("first of its size, mkfs included: {:?}", measure(&keeper, spec.clone()).await.1);
        println!("first of an image: {:?}", measure(&keeper, image.clone()).await.1);
        let (mut host, mut from_image) = (Times::default(), Times::default());
        for _ in 0..count {
            tokio::time::sleep(PAUSE).await;
            host.add(measure(&keeper, spec.clone()).await);
            tokio::time::sleep(PAUSE).await;
            from_image.add(measure(&keeper, image.clone()).await);
        }
        report("floor: clone3 + execve", floor);
        host.report("");
        from_image.report("image of 1 GB: ");
        tokio::time::sleep(PAUSE * 4).await;
        burst(&keeper, &spec).await;
        keeper.shutdown().await;
    });
}

/// Twenty layers, topmost first: at the bottom a program and its libraries, above it 1 GB of data.
fn image(dir: &Path) -> Vec<PathBuf> {
    let base = dir.join("0");
    let copy = |file: &Path| {
        let target = base.join(file.strip_prefix("/").unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    };
    copy(Path::new("/bin/true"));
    // What this program is linked with, and where the kernel looks for the linker.
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let files = maps.lines().filter_map(|line| line.split_once('/').map(|(_, path)| format!("/{path}")));
    for library in files.filter(|path| path.contains(".so")) {
        copy(Path::new(&library));
        if library.contains("/ld-") {
            copy(&Path::new("/lib64").join(Path::new(&library).file_name().unwrap()));
        }
        // The linker looks in /lib, which on this host may be a link to /usr/lib.
        let short = library.strip_prefix("/usr").unwrap_or(&library);
        copy(Path::new(short));
    }
    let mut layers = vec![base];
    for number in 1..20 {
        let layer = dir.join(number.to_string());
        fs::create_dir(&layer).unwrap();
        for file in 0..50 {
            let data = fs::File::create(layer.join(format!("data-{number}-{file}"))).unwrap();
            data.set_len((1 << 30) / (19 * 50)).unwrap();
        }
        layers.insert(0, layer);
    }
    layers
}

/// What happened to many sandboxes.
#[derive(Default)]
struct Times {
    created: Vec<Duration>,
    executed: Vec<Duration>,
    destroyed: Vec<Duration>,
}

impl Times {
    fn add(&mut self, (created, executed, destroyed): (Duration, Duration, Duration)) {
        self.created.push(created);
        self.executed.push(executed);
        self.destroyed.push(destroyed);
    }

    fn report(self, what: &str) {
        report(&format!("{what}create"), self.created);
        report(&format!("{what}create to exec"), self.executed);
        report(&format!("{what}destroy"), self.destroyed);
    }
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
    Command { argv: vec!["/bin/true".into()], env: Vec::new(), cwd: "/".into(), log_pipe: false }
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
