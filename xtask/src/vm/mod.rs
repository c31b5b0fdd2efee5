//! An emulated machine whose only cgroups are version 2, to run one program there as root.
//!
//! Debian's cloud kernel is taken from its package, the root file system is an archive of our own making
//! (`initramfs`), and QEMU runs both without any disk or network (`machine`). Nothing is installed on the host
//! besides QEMU and busybox, and nothing outlives the run but the cached kernel in the target folder.

mod cpio;
mod initramfs;
mod kernel;
mod machine;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::repo;

/// What to run on the machine.
pub struct Job {
    /// A program of this host; it and its shared libraries are carried over to the same paths.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Further programs and files that must be there, likewise with their libraries.
    pub with: Vec<PathBuf>,
    /// When to pull the plug.
    pub time_limit: Duration,
}

const USAGE: &str = "usage: ./x vm [--with FILE]… [--limit SECONDS] -- BINARY [ARGS…]";
const TIME_LIMIT_DEFAULT: Duration = Duration::from_secs(300);

/// Runs the program that the arguments name; ends with its exit code.
pub fn run(args: &[String]) -> Result<ExitCode> {
    let code = boot(&parse(args)?)?;
    Ok(ExitCode::from(code))
}

fn parse(args: &[String]) -> Result<Job> {
    let mut args = args.iter();
    let mut with = Vec::new();
    let mut time_limit = TIME_LIMIT_DEFAULT;
    loop {
        match args.next().map(String::as_str) {
            Some("--with") => with.push(PathBuf::from(args.next().context(USAGE)?)),
            Some("--limit") => {
                let seconds = args.next().context(USAGE)?.parse().context("--limit takes whole seconds")?;
                time_limit = Duration::from_secs(seconds);
            }
            Some("--") => break,
            _ => bail!(USAGE),
        }
    }
    let program = PathBuf::from(args.next().context(USAGE)?);
    Ok(Job { program, args: args.cloned().collect(), with, time_limit })
}

/// Runs a job on a fresh machine and returns its exit code. What the program prints goes to standard output.
pub fn boot(job: &Job) -> Result<u8> {
    ensure!(cfg!(target_arch = "x86_64"), "the emulated machine is built for x86-64 hosts only");
    let folder = repo::target_dir().join("vm");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let kernel = kernel::provide(&folder)?;
    // Two runs at once must not write over each other's archive.
    let archive = tempfile::Builder::new()
        .prefix("initramfs-")
        .tempfile_in(&folder)
        .with_context(|| format!("cannot make a file in {}", folder.display()))?;
    let token = machine::token();
    fs::write(archive.path(), initramfs::build(job, &kernel, &token)?)
        .with_context(|| format!("cannot write {}", archive.path().display()))?;
    machine::run(&kernel, archive.path(), &token, job.time_limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn arguments_after_the_dashes_belong_to_the_program() {
        let job = parse(&words("--with /bin/ls --limit 9 -- ./a --limit 3")).unwrap();
        assert_eq!(job.program, PathBuf::from("./a"));
        assert_eq!(job.args, ["--limit", "3"]);
        assert_eq!(job.with, [PathBuf::from("/bin/ls")]);
        assert_eq!(job.time_limit, Duration::from_secs(9));
    }

    #[test]
    fn a_missing_part_is_explained() {
        for line in ["", "--", "./a", "--limit", "--limit x -- a", "--with"] {
            let error = parse(&words(line)).err().map(|error| format!("{error:#}")).unwrap_or_default();
            assert!(error.contains("usage") || error.contains("whole seconds"), "{line:?} gave {error:?}");
        }
    }
}
