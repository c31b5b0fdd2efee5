//! Which cgroup hierarchies this process can see, read from two files of `/proc`.
//!
//! Pure text in, values out: no file is opened here. Version 1 hierarchies carry the controllers in their
//! mount options; the version 2 hierarchy carries none, even when mounted next to them (a hybrid host).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// `None` for version 2; the mount's options, controllers among them, for version 1.
    pub(crate) v1_controllers: Option<Vec<String>>,
    /// Where it is mounted: the highest cgroup that can be reached here.
    pub(crate) top: PathBuf,
    /// The directory of this process, where visible.
    pub(crate) own: Option<PathBuf>,
}

/// All hierarchies, from the text of `/proc/self/mountinfo` and `/proc/self/cgroup`.
pub(crate) fn hierarchies(mountinfo: &str, own_cgroups: &str) -> Vec<Hierarchy> {
    mountinfo.lines().filter_map(|line| hierarchy(line, own_cgroups)).collect()
}

/// One line of mountinfo: `id parent dev root mount-point options [optional…] - type source super-options`.
fn hierarchy(line: &str, own_cgroups: &str) -> Option<Hierarchy> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(3);
    let (root, top) = (unescape(mount.next()?), unescape(mount.next()?));
    let mut filesystem = filesystem.split(' ');
    let v1_controllers = match filesystem.next()? {
        "cgroup2" => None,
        "cgroup" => Some(filesystem.nth(1)?.split(',').map(str::to_owned).collect::<Vec<_>>()),
        _ => return None,
    };
    let own_in_hierarchy = own_cgroups.lines().find_map(|line| own_path(line, v1_controllers.as_deref()))?;
    let own = Path::new(own_in_hierarchy).strip_prefix(&root).ok().map(|below| top.join(below));
    Some(Hierarchy { v1_controllers, top, own })
}

/// The path in one line of `/proc/self/cgroup`, `id:controllers:path`, if it is the hierarchy meant.
fn own_path<'a>(line: &'a str, v1_controllers: Option<&[String]>) -> Option<&'a str> {
    let (id, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let matches = match v1_controllers {
        None => id == "0" && controllers.is_empty(),
        Some(mounted) => {
            !controllers.is_empty()
                && controllers.split(',').all(|one| mounted.iter().any(|other| other == one))
        }
    };
    matches.then_some(path)
}

/// Undoes the kernel's `\ooo` escapes for blanks and backslashes.
fn unescape(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'\\').then(|| after.split_first_chunk::<3>()).flatten();
        match escaped.and_then(|(digits, after)| Some((octal(*digits)?, after))) {
            Some((byte, after)) => {
                bytes.push(byte);
                rest = after;
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

fn octal(digits: [u8; 3]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v1(controllers: &[&str], top: &str, own: Option<&str>) -> Hierarchy {
        Hierarchy {
            v1_controllers: Some(controllers.iter().map(|name| (*name).to_owned()).collect()),
            top: top.into(),
            own: own.map(PathBuf::from),
        }
    }

    fn v2(top: &str, own: Option<&str>) -> Hierarchy {
        Hierarchy { v1_controllers: None, top: top.into(), own: own.map(PathBuf::from) }
    }

    fn check(mountinfo: &str, own_cgroups: &str, expected: &[Hierarchy]) {
        assert_eq!(hierarchies(mountinfo, own_cgroups), expected);
    }

    #[test]
    fn pure_v2() {
        check(
            "22 1 0:20 / /proc rw - proc proc rw\n\
             25 23 0:22 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate",
            "0::/user.slice/session-3.scope\n",
            &[v2("/sys/fs/cgroup", Some("/sys/fs/cgroup/user.slice/session-3.scope"))],
        );
    }

    #[test]
    fn hybrid() {
        check(
            "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
             40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
            "9:name=systemd:/\n4:memory:/a/b\n2:cpu,cpuacct:/\n0::/\n",
            &[
                v1(&["rw", "memory"], "/sys/fs/cgroup/memory", Some("/sys/fs/cgroup/memory/a/b")),
                v1(
                    &["rw", "cpu", "cpuacct"],
                    "/sys/fs/cgroup/cpu,cpuacct",
                    Some("/sys/fs/cgroup/cpu,cpuacct/"),
                ),
                v1(&["rw", "name=systemd"], "/sys/fs/cgroup/systemd", Some("/sys/fs/cgroup/systemd/")),
                v2("/sys/fs/cgroup/unified", Some("/sys/fs/cgroup/unified/")),
            ],
        );
    }

    #[test]
    fn inside_a_container_only_the_part_below_the_mount_is_visible() {
        check(
            "35 31 0:32 /docker/1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
             36 31 0:33 /elsewhere /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids",
            "4:memory:/docker/1\n5:pids:/docker/1\n",
            &[
                v1(&["rw", "memory"], "/sys/fs/cgroup/memory", Some("/sys/fs/cgroup/memory/")),
                v1(&["rw", "pids"], "/sys/fs/cgroup/pids", None),
            ],
        );
    }

    #[test]
    fn blanks_in_mount_points_are_unescaped() {
        check(
            "25 23 0:22 / /my\\040groups\\134x rw - cgroup2 cgroup2 rw",
            "0::/\n",
            &[v2("/my groups\\x", Some("/my groups\\x/"))],
        );
    }
}
