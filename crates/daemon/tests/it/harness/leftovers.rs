//! What a server may leave behind on the machine, and must not: processes, control groups, mounts, loop devices,
//! namespaces.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Pid;
use sha2::{Digest as _, Sha256};

use super::{Server, until};

/// What belongs to one server, noted while it runs.
pub struct Belongings {
    data_dir: PathBuf,
    server: u32,
    instance: String,
    processes: BTreeSet<u32>,
    namespaces: BTreeSet<PathBuf>,
    /// When this was noted, in clock ticks since the machine started.
    noted: u64,
    images: BTreeSet<String>,
}

impl Belongings {
    /// Notes everything that the server has made so far.
    pub fn of(server: &Server) -> Self {
        let data_dir = server.data_dir().canonicalize().expect("the data directory is there");
        let hash = Sha256::digest(data_dir.as_os_str().as_encoded_bytes());
        let instance = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let mut processes = BTreeSet::from([server.pid()]);
        // Children of children: the keeper, each sandbox's first process, the functions.
        loop {
            let children =
                processes_with(|pid| parent(pid).is_some_and(|parent| processes.contains(&parent)));
            let known = processes.len();
            processes.extend(children);
            if processes.len() == known {
                break;
            }
        }
        let own = namespaces(std::process::id());
        let all: BTreeSet<PathBuf> = processes.iter().flat_map(|pid| namespaces(*pid)).collect();
        let namespaces = all.difference(&own).cloned().collect();
        let host_images = mounted_images(std::process::id());
        let images = processes.iter().flat_map(|pid| mounted_images(*pid));
        let images = images.filter(|image| !host_images.contains(image)).collect();
        Self { data_dir, server: server.pid(), instance, processes, namespaces, noted: ticks_now(), images }
    }

    /// How many processes the server had, itself and the keeper included.
    pub fn process_count(&self) -> usize {
        self.processes.len()
    }

    /// The process that makes the sandboxes: the server's only child that has children itself.
    pub fn keeper(&self) -> Pid {
        let is_parent = |pid: u32| self.processes.iter().any(|child| parent(*child) == Some(pid));
        let of_server = self.processes.iter().filter(|pid| parent(**pid) == Some(self.server));
        let keepers: Vec<u32> = of_server.copied().filter(|pid| is_parent(*pid)).collect();
        assert_eq!(keepers.len(), 1, "one keeper: {keepers:?}");
        i32::try_from(keepers[0]).ok().and_then(Pid::from_raw).expect("a process id")
    }

    /// How many loop devices its sandboxes had mounted.
    pub fn image_count(&self) -> usize {
        self.images.len()
    }

    /// Waits until nothing is left. A moment passes between the end of a process and the end of its namespaces.
    pub fn are_gone(&self) {
        until(&format!("nothing is left ({:?})", self.left()), || self.left().is_empty().then_some(()));
    }

    fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        let data_dir = self.data_dir.to_string_lossy();
        left.extend(self.processes.iter().filter(|pid| is_alive(**pid)).map(|pid| format!("process {pid}")));
        // The kernel gives the number of a namespace out again: a process of another server, started since, may be
        // in one of the same number. What this server started since is found by its control groups.
        let users = processes_with(|pid| {
            let old = start_ticks(pid).is_some_and(|start| start <= self.noted);
            old && !namespaces(pid).is_disjoint(&self.namespaces)
        });
        left.extend(users.iter().map(|pid| format!("process {pid} in a namespace of the server")));
        let groups = cgroups(&self.instance);
        left.extend(groups.iter().map(|group| format!("control group {}", group.display())));
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("readable");
        let of_server =
            mounts.lines().filter(|line| line.contains(&*data_dir) || line.contains("/run/dormouse"));
        left.extend(of_server.map(|line| format!("mount {line}")));
        let images = images_in_use();
        left.extend(
            self.images.intersection(&images).map(|image| format!("loop device on {}", image.trim())),
        );
        left
    }
}

fn processes_with(wanted: impl Fn(u32) -> bool) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("readable").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| wanted(*pid)).collect()
}

fn status_field(pid: u32, field: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().to_owned())
}

fn parent(pid: u32) -> Option<u32> {
    status_field(pid, "PPid:")?.parse().ok()
}

/// A zombie has ended; that its parent has not looked yet is not the server's doing.
fn is_alive(pid: u32) -> bool {
    status_field(pid, "State:").is_some_and(|state| !state.starts_with('Z'))
}

/// When a process started, in clock ticks since the machine did.
fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything, so what counts begins after the last one.
    stat.rsplit(')').next()?.split_whitespace().nth(19)?.parse().ok()
}

/// The start of the youngest process that there is: all that start from now on are not older.
fn ticks_now() -> u64 {
    processes_with(|_| true).into_iter().filter_map(start_ticks).max().unwrap_or_default()
}

fn namespaces(pid: u32) -> BTreeSet<PathBuf> {
    let kinds = ["mnt", "net", "pid", "ipc", "uts", "user", "cgroup"];
    kinds.iter().filter_map(|kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()).collect()
}

fn cgroups(instance: &str) -> Vec<PathBuf> {
    fn walk(dir: &Path, depth: usize, wanted: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if entry.file_name().to_string_lossy().contains(wanted) {
                found.push(entry.path());
            } else if depth > 0 {
                walk(&entry.path(), depth - 1, wanted, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new("/sys/fs/cgroup"), 5, instance, &mut found);
    found
}

/// The files behind the loop devices that a process has mounted. A deleted file shows its inode, which is unique.
fn mounted_images(pid: u32) -> BTreeSet<String> {
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    let devices = mounts.split_whitespace().filter_map(|word| word.strip_prefix("/dev/"));
    devices.filter_map(backing_file).collect()
}

fn backing_file(device: &str) -> Option<String> {
    fs::read_to_string(Path::new("/sys/block").join(device).join("loop/backing_file")).ok()
}

fn images_in_use() -> BTreeSet<String> {
    let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    devices.filter_map(|device| backing_file(device.file_name().to_str()?)).collect()
}
