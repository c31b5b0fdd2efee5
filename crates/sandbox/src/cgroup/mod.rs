//! Cgroups of versions 1 and 2, and of both at once, behind one shape.
//!
//! A [`Layout`] is found once by the keeper: for each controller, where its groups go and in which
//! version's dialect. A [`Group`] is one sandbox's set of directories. The server never sees paths, only
//! descriptors ([`Handles`]). Each directory made here is called `dormouse-<instance>/<slot>`; what an
//! earlier run left under that name is removed by [`sweep`](Layout::sweep). Nothing here forks.

mod detect;
mod handles;
mod sweep;

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

pub(crate) use self::handles::Handles;
use crate::config::Weakness;
use crate::error::Step;
use crate::spec::{CpuQuota, SandboxSpec};
use detect::Hierarchy;

/// The dialect that a controller's files speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// Where one controller's groups are made.
#[derive(Debug, Clone)]
struct Home {
    version: Version,
    /// `…/dormouse-<instance>`; the parent of all groups.
    parent: PathBuf,
}

/// Where groups are made on this host. `None`: there is no way to make one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    memory: Option<Home>,
    cpu: Option<Home>,
    pids: Option<Home>,
    freezer: Option<Home>,
    usage: Option<Home>,
    /// The version 2 hierarchy, into which processes can be cloned.
    unified: Option<PathBuf>,
}

impl Layout {
    /// Finds the hierarchies and makes this instance's parent in each. Never fails: what cannot be made
    /// is absent, and shows in [`weaknesses`](Self::weaknesses).
    pub(crate) fn prepare(instance: &str) -> Layout {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let hierarchies = detect::hierarchies(&mountinfo, &own);
        let name = format!("dormouse-{instance}");
        let v1 = |controller: &str| {
            let hierarchy = hierarchies.iter().find(|hierarchy| has_v1(hierarchy, controller))?;
            let parent = prepare_v1(hierarchy, &name)?;
            Some(Home { version: Version::V1, parent })
        };
        let mut layout =
            Layout { memory: v1("memory"), cpu: v1("cpu"), pids: v1("pids"), ..Layout::default() };
        let unified = hierarchies.iter().find(|hierarchy| hierarchy.v1_controllers.is_none());
        if let Some(unified) = unified.and_then(|hierarchy| prepare_v2(hierarchy, &name)) {
            let v2 = || Some(Home { version: Version::V2, parent: unified.parent.clone() });
            for (controller, home) in
                [("memory", &mut layout.memory), ("cpu", &mut layout.cpu), ("pids", &mut layout.pids)]
            {
                if home.is_none() && unified.controllers.iter().any(|enabled| enabled == controller) {
                    *home = v2();
                }
            }
            layout.freezer = v2();
            layout.usage = v2();
            layout.unified = Some(unified.parent.clone());
        } else {
            layout.freezer = v1("freezer");
            layout.usage = v1("cpuacct");
        }
        layout.raise_cpu_weight();
        layout
    }

    /// All sandboxes together count as one competitor for the processors. With the default weight, one
    /// busy process elsewhere on the host would slow all of them down by half.
    fn raise_cpu_weight(&self) {
        const TIMES_DEFAULT: u32 = 10;
        if let Some(home) = &self.cpu {
            let (file, default) = match home.version {
                Version::V1 => ("cpu.shares", 1024),
                Version::V2 => ("cpu.weight", 100),
            };
            // A host that does not allow it is only slower.
            drop(write(&home.parent.join(file), &(TIMES_DEFAULT * default).to_string()));
        }
    }

    /// What the absence of controllers means for people.
    pub(crate) fn weaknesses(&self) -> Vec<Weakness> {
        [
            (&self.memory, Weakness::MemoryUnlimited),
            (&self.cpu, Weakness::CpuUnlimited),
            (&self.pids, Weakness::PidsUnlimited),
            (&self.freezer, Weakness::FreezeBySignal),
        ]
        .into_iter()
        .filter_map(|(home, weakness)| home.is_none().then_some(weakness))
        .collect()
    }

    /// Whether freezing takes microseconds (version 2) rather than a tenth of a millisecond (version 1).
    pub(crate) fn freezes_cheaply(&self) -> bool {
        self.freezer.as_ref().is_some_and(|home| home.version == Version::V2)
    }

    /// Every parent once.
    fn parents(&self) -> Vec<&Path> {
        let mut parents: Vec<&Path> = Vec::new();
        for home in [&self.memory, &self.cpu, &self.pids, &self.freezer, &self.usage].into_iter().flatten() {
            if !parents.contains(&home.parent.as_path()) {
                parents.push(&home.parent);
            }
        }
        parents
    }

    /// Makes one sandbox's directories, with no limit set yet.
    pub(crate) fn create(&self, name: &str) -> io::Result<Group> {
        let mut group = Group { unified: None, attach: Vec::new() };
        for parent in self.parents() {
            let directory = parent.join(name);
            make_directory(&directory).step(|| format!("make cgroup {}", directory.display()))?;
            if self.unified.as_deref() == Some(parent) {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                group.unified = Some(rustix::fs::open(&directory, flags, Mode::empty())?);
            } else {
                group.attach.push(open_write(&directory.join("cgroup.procs"))?);
            }
        }
        if let Some(home) = self.cpu.as_ref().filter(|home| home.version == Version::V1) {
            let period = CpuQuota::PERIOD_US.to_string();
            write(&home.parent.join(name).join("cpu.cfs_period_us"), &period)?;
        }
        Ok(group)
    }

    /// Sets the limits of the group called `name`. Only plain writes: quick at any time.
    ///
    /// Over the memory limit, the kernel kills the largest process, on both versions. The kill of a whole
    /// group that version 2 offers would end process 1 too, and `/tmp` with it; the server resets instead.
    pub(crate) fn set_limits(&self, name: &str, spec: &SandboxSpec) -> io::Result<()> {
        let memory_bytes = spec.memory_bytes.to_string();
        if let Some(home) = &self.memory {
            let directory = home.parent.join(name);
            match home.version {
                Version::V1 => {
                    write(&directory.join("memory.limit_in_bytes"), &memory_bytes)?;
                    // Memory and swap together; absent when the kernel does not account swap.
                    write_if_present(&directory.join("memory.memsw.limit_in_bytes"), &memory_bytes)?;
                }
                Version::V2 => {
                    write(&directory.join("memory.max"), &memory_bytes)?;
                    write_if_present(&directory.join("memory.swap.max"), "0")?;
                }
            }
        }
        if let Some(home) = &self.pids {
            write(&home.parent.join(name).join("pids.max"), &spec.pids_max.to_string())?;
        }
        Ok(())
    }

    /// Removes the directories of the group called `name`. `ResourceBusy` while a process is still ending.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        self.parents().into_iter().try_for_each(|parent| match fs::remove_dir(parent.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
    }

    /// Opens what the server may hold of the group called `name`.
    pub(crate) fn handles(&self, name: &str) -> io::Result<Handles> {
        Handles::open(self, name)
    }

    /// Version 1 only: lets a frozen group run again, so that a kill can reach its processes.
    pub(crate) fn thaw(&self, name: &str) {
        if let Some(home) = self.freezer.as_ref().filter(|home| home.version == Version::V1) {
            // The group may be gone already, which serves the same end.
            drop(write(&home.parent.join(name).join("freezer.state"), "THAWED"));
        }
    }
}

/// One sandbox's directories, as far as the birth of its process 1 needs them.
#[derive(Debug)]
pub(crate) struct Group {
    /// The version 2 directory, for `CLONE_INTO_CGROUP`.
    pub(crate) unified: Option<OwnedFd>,
    /// `cgroup.procs` of the version 1 directories: a process that writes `0` moves itself.
    pub(crate) attach: Vec<OwnedFd>,
}

/// Moves the calling process into the version 1 groups behind `procs_files`.
///
/// After a second of idleness the kernel takes 7 to 15 ms for the first of these writes, so this must
/// never happen while somebody waits.
pub(crate) fn attach_self(procs_files: &[OwnedFd]) -> io::Result<()> {
    procs_files.iter().try_for_each(|procs| rustix::io::write(procs, b"0").map(drop).map_err(io::Error::from))
}

fn has_v1(hierarchy: &Hierarchy, controller: &str) -> bool {
    hierarchy.v1_controllers.as_ref().is_some_and(|names| names.iter().any(|name| name == controller))
}

/// At the top where that is allowed, so that the place is the same at every start; else below our own.
fn prepare_v1(hierarchy: &Hierarchy, name: &str) -> Option<PathBuf> {
    [Some(&hierarchy.top), hierarchy.own.as_ref()].into_iter().flatten().find_map(|place| {
        let parent = place.join(name);
        let usable = make_directory(&parent).is_ok() && can_write(&parent.join("cgroup.procs"));
        usable.then_some(parent)
    })
}

/// The prepared parent in the version 2 hierarchy.
struct Unified {
    parent: PathBuf,
    controllers: Vec<String>,
}

/// Our own group where it was delegated to us, else the top.
fn prepare_v2(hierarchy: &Hierarchy, name: &str) -> Option<Unified> {
    let is_root = rustix::process::geteuid().is_root();
    let own = hierarchy.own.as_ref().filter(|own| !is_root || is_delegated(own));
    [own, Some(&hierarchy.top)].into_iter().flatten().find_map(|place| {
        let parent = place.join(name);
        make_directory(&parent).ok()?;
        let usable = can_write(&parent.join("cgroup.procs")) && parent.join("cgroup.freeze").exists();
        if !usable {
            // Not ours to use: leave no trace.
            drop(fs::remove_dir(&parent));
            return None;
        }
        let controllers = enable_controllers(place, &parent, name);
        Some(Unified { parent, controllers })
    })
}

/// systemd marks a group that it leaves to the service in it with one of these attributes.
fn is_delegated(directory: &Path) -> bool {
    ["trusted.delegate", "user.delegate"].iter().any(|attribute| {
        let mut value = [0; 4];
        matches!(rustix::fs::getxattr(directory, *attribute, &mut value), Ok(1..)) && value[0] == b'1'
    })
}

/// Hands memory, cpu and pids down to the children of `parent`; returns those that arrived there.
fn enable_controllers(place: &Path, parent: &Path, name: &str) -> Vec<String> {
    let available = fs::read_to_string(place.join("cgroup.controllers")).unwrap_or_default();
    let mut enabled = Vec::new();
    for controller in available.split_whitespace().filter(|name| ["memory", "cpu", "pids"].contains(name)) {
        let change = format!("+{controller}");
        let control = place.join("cgroup.subtree_control");
        let handed_down = write(&control, &change).or_else(|error| {
            // A group with processes of its own cannot have limited children, so they move into a leaf.
            // The host's topmost group, which alone has no type, is exempt from the rule and never touched.
            if error.kind() != io::ErrorKind::ResourceBusy || !place.join("cgroup.type").exists() {
                return Err(error);
            }
            move_processes_to_leaf(place, name);
            write(&control, &change)
        });
        if handed_down.and_then(|()| write(&parent.join("cgroup.subtree_control"), &change)).is_ok() {
            enabled.push(controller.to_owned());
        }
    }
    enabled
}

/// Moves every process of `place` into `place/<name>-own`, which lasts as long as they do.
fn move_processes_to_leaf(place: &Path, name: &str) {
    let leaf = place.join(format!("{name}-own"));
    let Ok(processes) = fs::read_to_string(place.join("cgroup.procs")) else { return };
    if make_directory(&leaf).is_err() {
        return;
    }
    for pid in processes.lines() {
        // Kernel threads refuse to move, and a process may just have ended.
        drop(write(&leaf.join("cgroup.procs"), pid));
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn can_write(path: &Path) -> bool {
    open_write(path).is_ok()
}

fn open_write(path: &Path) -> io::Result<OwnedFd> {
    open(path, OFlags::WRONLY)
}

fn open(path: &Path, access: OFlags) -> io::Result<OwnedFd> {
    rustix::fs::open(path, access | OFlags::CLOEXEC, Mode::empty())
        .step(|| format!("open {}", path.display()))
}

fn write(path: &Path, value: &str) -> io::Result<()> {
    let file = open_write(path)?;
    rustix::io::write(file.as_fd(), value.as_bytes())
        .map(drop)
        .step(|| format!("write {value:?} to {}", path.display()))
}

fn write_if_present(path: &Path, value: &str) -> io::Result<()> {
    match write(path, value) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
