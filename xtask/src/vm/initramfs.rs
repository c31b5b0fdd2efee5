//! The emulated machine's root file system: busybox, the job's program with its libraries, a few accounts.
//!
//! The layout is Debian's merged `/usr`. The kernel unpacks the archive into a file system that cannot be
//! left with `pivot_root`, so the first script copies everything into a tmpfs and continues from there;
//! sandboxes then find the machine like any other.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Job;
use super::cpio::Archive;
use super::kernel::{Kernel, MODULES};
use crate::repo;

/// Formats disk images; sandboxes use it for `/tmp` with a size limit.
const HOST_PROGRAMS: &[&str] = &["/usr/sbin/mkfs.ext4"];
const MERGED: &[&str] = &["bin", "sbin", "lib", "lib64"];
const FOLDERS: &[&str] = &[
    "/dev", "/proc", "/sys", "/tmp", "/run", "/var/tmp", "/var/lib", "/var/log", "/root", "/mnt", "/modules",
];

/// First script: from the kernel's file system into a tmpfs of the same content.
const FIRST: &str = "\
#!/bin/busybox sh
set -e
bb=/bin/busybox
everything=$(echo /*)
$bb mkdir /new
$bb mount -t tmpfs -o mode=755,size=80% root /new
$bb cp -a $everything /new/
exec $bb switch_root /new /main
";

/// Second script: the mounts and devices of a machine in use, then the job, then off.
const SECOND: &str = "\
#!/bin/sh
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
# The root is a tmpfs already, and the job's program may stand under /tmp.
chmod 1777 /tmp /var/tmp
mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
# As the init system of a usual host does.
echo '+cpu +memory +pids' > /sys/fs/cgroup/cgroup.subtree_control
mount --make-rshared /
ln -s /proc/self/fd /dev/fd
hostname emulated
ip link set lo up
";

/// Everything the machine boots into, as one archive.
pub fn build(job: &Job, kernel: &Kernel, token: &str) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for name in MERGED {
        archive.folder(&format!("/usr/{name}"))?;
        archive.symlink(&format!("/{name}"), &format!("usr/{name}"))?;
    }
    for folder in FOLDERS {
        archive.folder(folder)?;
    }
    archive.file(
        "/etc/passwd",
        0o644,
        b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
    )?;
    archive.file("/etc/group", 0o644, b"root:x:0:\nnogroup:x:65534:\n")?;
    archive.file("/etc/hosts", 0o644, b"127.0.0.1 localhost\n")?;
    for (name, path) in MODULES.iter().zip(&kernel.modules) {
        archive.file(&format!("/modules/{name}.ko"), 0o644, &read(path)?)?;
    }

    let program = fs::canonicalize(&job.program)
        .with_context(|| format!("there is no program {}", job.program.display()))?;
    let wanted = HOST_PROGRAMS.iter().map(PathBuf::from).chain(job.with.iter().cloned());
    for path in wanted.chain([program.clone()]) {
        with_libraries(&mut archive, &path)?;
    }
    busybox(&mut archive)?;

    archive.file("/init", 0o755, FIRST.as_bytes())?;
    archive.file("/main", 0o755, format!("{SECOND}{}{}", load_modules(), ending(token)).as_bytes())?;
    archive.file("/job", 0o755, script(&program, &job.args)?.as_bytes())?;
    archive.finish()
}

fn load_modules() -> String {
    MODULES.iter().map(|name| format!("insmod /modules/{name}.ko\n")).collect()
}

/// Runs the job and tells its exit code in a line that the program itself cannot guess.
fn ending(token: &str) -> String {
    format!("echo '{token} begin'\n/job\ncode=$?\nprintf '\\n%s %s\\n' '{token}' $code\npoweroff -f\n")
}

/// The script that becomes the job's program. It starts with a plain environment, as under an init system.
fn script(program: &Path, args: &[String]) -> Result<String> {
    let program = program.to_str().context("the program's path is not UTF-8")?;
    let words: Vec<String> =
        std::iter::once(program).chain(args.iter().map(String::as_str)).map(quoted).collect();
    Ok(format!(
        "#!/bin/sh\ncd /tmp\nexec env -i PATH=/usr/sbin:/usr/bin HOME=/root RUST_BACKTRACE=1 SANDBOX_TESTS=core {} 2>&1\n",
        words.join(" ")
    ))
}

/// A word that the shell takes literally.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Busybox with a link for each of its commands that nothing better has taken.
fn busybox(archive: &mut Archive) -> Result<()> {
    let path = ["/usr/bin/busybox", "/bin/busybox"].into_iter().find(|path| Path::new(path).exists());
    let path = path.context("busybox is missing; install it with: apt-get install busybox-static")?;
    let libraries = libraries(Path::new(path))?;
    ensure!(libraries.is_empty(), "busybox must be the static one: apt-get install busybox-static");
    archive.file("/usr/bin/busybox", 0o755, &read(Path::new(path))?)?;
    for command in repo::capture(Command::new(path).arg("--list"))?.lines() {
        if !archive.contains(&format!("/usr/sbin/{command}")) {
            archive.symlink(&format!("/usr/bin/{command}"), "busybox")?;
        }
    }
    Ok(())
}

/// Adds a file of this host, and if it is a program, the shared libraries that it loads.
fn with_libraries(archive: &mut Archive, path: &Path) -> Result<()> {
    ensure!(path.is_absolute(), "{} must be an absolute path", path.display());
    for file in libraries(path)?.iter().map(PathBuf::as_path).chain([path]) {
        let name = file.to_str().with_context(|| format!("{} is not UTF-8", file.display()))?;
        let place = merged(name);
        let metadata = fs::metadata(file).with_context(|| format!("there is no file {name}"))?;
        // Reading follows links, so the file stands under the name that the loader asks for.
        archive.file(&place, metadata.permissions().mode() & 0o777, &read(file)?)?;
    }
    Ok(())
}

/// `/lib/x` and its kin live under `/usr`.
fn merged(path: &str) -> String {
    let first = path.split('/').nth(1).unwrap_or_default();
    if MERGED.contains(&first) { format!("/usr{path}") } else { path.to_owned() }
}

/// The shared libraries of a program as the loader resolves them here; none for a static program or a script.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("cannot run ldd")?;
    let listing = String::from_utf8_lossy(&output.stdout);
    ensure!(!listing.contains("not found"), "{} lacks a shared library: {listing}", program.display());
    Ok(listing.lines().filter_map(library).collect())
}

/// The path in one line of ldd: `libc.so.6 => /lib/libc.so.6 (0x…)` or `/lib64/ld-linux.so.2 (0x…)`.
fn library(line: &str) -> Option<PathBuf> {
    line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_the_loaders_listing() {
        for (line, expected) in [
            (
                "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x7f)",
                Some("/lib/x86_64-linux-gnu/libc.so.6"),
            ),
            ("\t/lib64/ld-linux-x86-64.so.2 (0x7f)", Some("/lib64/ld-linux-x86-64.so.2")),
            ("\tlinux-vdso.so.1 (0x7f)", None),
            ("\tstatically linked", None),
        ] {
            assert_eq!(library(line), expected.map(PathBuf::from), "{line:?}");
        }
    }

    #[test]
    fn the_layout_is_merged() {
        assert_eq!(merged("/lib/x86_64-linux-gnu/libc.so.6"), "/usr/lib/x86_64-linux-gnu/libc.so.6");
        assert_eq!(merged("/usr/sbin/mkfs.ext4"), "/usr/sbin/mkfs.ext4");
        assert_eq!(merged("/library/a"), "/library/a");
    }

    #[test]
    fn arguments_reach_the_program_literally() {
        let script = script(Path::new("/a b"), &["it's $HOME".to_owned()]).unwrap();
        assert!(script.contains(r"'/a b' 'it'\''s $HOME' 2>&1"), "{script}");
    }
}
