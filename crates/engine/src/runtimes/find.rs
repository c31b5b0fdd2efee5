//! Finding interpreters: among the files of directories, or in a directory that holds one whole. Each is asked for
//! its true version, once, with a limit on the time; never through a version manager's shim, which would cost more
//! than the interpreter itself.
//!
//! At start this runs before any thread may exist, so it waits for processes by descriptor.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use model::runtime::{Family, LanguageVersion};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::manifest::{Find, Manifest, fill};

/// A Java virtual machine on a slow disk takes a second.
const ASK_TIME_MAX: Duration = Duration::from_secs(10);
/// A version is a line or two.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// Where an interpreter stands in a directory of its own.
const PLACES: [&str; 2] = ["bin", ""];

/// An interpreter on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interpreter {
    pub family: Family,
    /// The program, without links.
    pub path: PathBuf,
    /// What must be visible inside: its own directory if that is not below `/usr`, and whatever else it needs.
    pub mounts: Vec<PathBuf>,
    /// As it says itself, such as `3.1.2`.
    pub version_text: String,
    pub version: LanguageVersion,
    /// As whom it is run outside of sandboxes, if not as ourselves.
    pub user: Option<User>,
}

/// A user of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User {
    pub uid: u32,
    pub gid: u32,
}

impl Interpreter {
    /// The placeholders that it fills, for somebody who sees its paths where `place` says.
    pub(super) fn values(&self, place: impl Fn(&Path) -> PathBuf) -> Vec<(&'static str, String)> {
        let text = |path: &Path| place(path).to_string_lossy().into_owned();
        vec![("{interpreter}", text(&self.path)), ("{prefix}", text(prefix_of(&self.path)))]
    }
}

/// Interpreters of a language among the files of `search`, best first, then in the language's own places.
pub(super) fn on_host(manifest: &Manifest, search: &[PathBuf]) -> Vec<Interpreter> {
    let mut candidates: Vec<PathBuf> =
        search.iter().flat_map(|place| executables(place, &manifest.find)).collect();
    // The language's places belong to the system: they count where the system's programs do.
    if search.iter().any(|place| place.starts_with("/usr")) {
        let prefixes = manifest.find.prefixes.iter().flat_map(|pattern| expand(pattern));
        candidates.extend(prefixes.flat_map(|prefix| executables_beneath(&prefix, &manifest.find)));
    }
    let mut found: Vec<Interpreter> = Vec::new();
    for candidate in candidates {
        let Some(path) = fs::canonicalize(candidate).ok().filter(|path| path.is_file()) else { continue };
        if found.iter().all(|known| known.path != path) {
            found.extend(ask(manifest, path, None, None));
        }
    }
    found
}

/// The interpreter in a directory that holds one whole, asked as `user`.
pub(super) fn beneath(manifest: &Manifest, directory: &Path, user: Option<User>) -> Option<Interpreter> {
    let candidates = executables_beneath(directory, &manifest.find);
    let paths = candidates.into_iter().filter_map(|path| fs::canonicalize(path).ok());
    paths.filter(|path| path.is_file()).find_map(|path| ask(manifest, path, Some(directory), user))
}

/// Runs a command without input, environment or standard error, and ends it after `limit`.
pub(super) fn run(command: &[String], user: Option<User>, limit: Duration) -> io::Result<ExitStatus> {
    let mut child = spawn(command, user, Stdio::null())?;
    wait(&mut child, limit)
}

fn spawn(command: &[String], user: Option<User>, output: Stdio) -> io::Result<Child> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut started = Command::new(program);
    started.args(arguments).env_clear().stdin(Stdio::null()).stdout(output).stderr(Stdio::null());
    if let Some(User { uid, gid }) = user {
        started.uid(uid).gid(gid);
    }
    started.spawn()
}

fn wait(child: &mut Child, limit: Duration) -> io::Result<ExitStatus> {
    let ended = wait_until_ended(child, limit)?;
    if !ended {
        // It may have ended just now.
        let _ = child.kill();
    }
    let status = child.wait()?;
    if ended { Ok(status) } else { Err(io::ErrorKind::TimedOut.into()) }
}

/// Whether the process ends in time.
fn wait_until_ended(child: &Child, limit: Duration) -> io::Result<bool> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
        match poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Learns the version of a program, and so whether it is an interpreter at all. `whole` is the directory that
/// the owner says holds all of it.
fn ask(manifest: &Manifest, path: PathBuf, whole: Option<&Path>, user: Option<User>) -> Option<Interpreter> {
    let find = &manifest.find;
    let prefix = prefix_of(&path);
    let answer = match &find.read {
        Some(file) => read_bounded(fs::File::open(prefix.join(file)).ok()?),
        None => {
            let values = [("{interpreter}", path.to_string_lossy().into_owned())];
            let command: Vec<String> = find.ask.iter().map(|text| fill(text, &values, 0)).collect();
            answer(&command, user)
        }
    };
    let version_text = version_in(&answer.ok()?, &find.line)?;
    let version = LanguageVersion::of_interpreter(manifest.family(), &version_text)?;
    let own = whole.filter(|whole| path.starts_with(whole)).unwrap_or(prefix);
    let own = (!path.starts_with("/usr")).then(|| own.to_owned());
    let values = [("{major}", version.major.to_string())];
    let needs =
        find.needs.iter().map(|text| PathBuf::from(fill(text, &values, 0))).filter(|path| path.exists());
    let mounts = own.into_iter().chain(needs).collect();
    Some(Interpreter { family: manifest.family(), path, mounts, version_text, version, user })
}

/// What a command prints.
fn answer(command: &[String], user: Option<User>) -> io::Result<String> {
    let mut child = spawn(command, user, Stdio::piped())?;
    let status = wait(&mut child, ASK_TIME_MAX)?;
    if !status.success() {
        return Err(io::Error::other(format!("{status}")));
    }
    child.stdout.take().map_or_else(|| Ok(String::new()), read_bounded)
}

fn read_bounded(source: impl io::Read) -> io::Result<String> {
    let mut text = String::new();
    source.take(ANSWER_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// The first number with its dots in the first line that begins with `line`.
fn version_in(text: &str, line: &str) -> Option<String> {
    let rest = text.lines().find_map(|candidate| candidate.trim().strip_prefix(line))?;
    let from = rest.find(|c: char| c.is_ascii_digit())?;
    let version = rest[from..].split(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').next()?;
    Some(version.trim_end_matches('.').to_owned())
}

fn executables(place: &Path, find: &Find) -> Vec<PathBuf> {
    let names = fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let names = names.filter_map(|name| name.into_string().ok());
    let mut wanted: Vec<(usize, String)> = names
        .filter_map(|name| Some((find.executables.iter().position(|pattern| matches(pattern, &name))?, name)))
        .collect();
    wanted.sort();
    wanted.into_iter().map(|(_, name)| place.join(name)).collect()
}

fn executables_beneath(directory: &Path, find: &Find) -> Vec<PathBuf> {
    PLACES.iter().flat_map(|place| executables(&directory.join(place), find)).collect()
}

/// Whether a file name is of a form where `*` stands for digits and dots.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == name };
    let middle = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    middle.is_some_and(|text| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// The directories that a pattern with a `*` at its end stands for, newest name first.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some(parent) = pattern.strip_suffix("/*") else { return vec![PathBuf::from(pattern)] };
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    paths.sort();
    paths.reverse();
    paths
}

/// The directory that an interpreter's own files stand in.
fn prefix_of(interpreter: &Path) -> &Path {
    let directory = interpreter.parent().unwrap_or(interpreter);
    match directory.file_name() {
        Some(name) if name == "bin" => directory.parent().unwrap_or(directory),
        _ => directory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_executables() {
        for (pattern, name, expect) in [
            ("python3.*", "python3.11", true),
            ("python3.*", "python3.11-config", false),
            ("python3.*", "python3.", false),
            ("ruby", "ruby", true),
            ("ruby", "ruby3.1", false),
        ] {
            assert_eq!(matches(pattern, name), expect, "{pattern} {name}");
        }
    }

    #[test]
    fn versions_in_answers() {
        for (text, line, expect) in [
            ("Python 3.11.2\n", "Python ", Some("3.11.2")),
            ("v20.19.2\n", "v", Some("20.19.2")),
            ("ruby 3.1.2p20 (2022-04-12) [x86_64]\n", "ruby ", Some("3.1.2")),
            ("A=\"1\"\nJAVA_VERSION=\"1.8.0_392\"\n", "JAVA_VERSION=", Some("1.8.0_392")),
            ("rubbish", "ruby ", None),
            ("v", "v", None),
        ] {
            assert_eq!(version_in(text, line).as_deref(), expect, "{text}");
        }
    }

    #[test]
    fn a_command_that_does_not_end_is_ended() {
        let command = ["/bin/sh", "-c", "while :; do :; done"].map(str::to_owned);
        let error = run(&command, None, Duration::from_millis(20)).expect_err("no end");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
