//! The example's deployment package as a folder: its source, and the libraries it asks for, as real wheels.
//!
//! The libraries are installed by the pip that belongs to the interpreter the function will run on, so that
//! compiled parts fit. They are installed once for a given `requirements.txt`; the source is copied each time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::repo;

/// Written beside the package when its libraries are complete: the requirements they were installed from.
const STAMP: &str = "installed.txt";
/// The example's own files that go with it.
const SOURCES: &[&str] = &["lambda_function.py", "dormouse.toml"];

/// Brings the package up to date and returns its folder.
pub fn collect(example: &Path, kept: &Path) -> Result<PathBuf> {
    let package = kept.join("package");
    let stamp = kept.join(STAMP);
    let requirements_file = example.join("requirements.txt");
    let requirements = read(&requirements_file)?;
    if !package.is_dir() || fs::read(&stamp).ok().as_ref() != Some(&requirements) {
        if package.exists() {
            fs::remove_dir_all(&package).with_context(|| format!("cannot remove {}", package.display()))?;
        }
        install(&requirements_file, &package)?;
        fs::write(&stamp, requirements).with_context(|| format!("cannot write {}", stamp.display()))?;
    }
    for source in SOURCES {
        let copy = package.join(source);
        fs::copy(example.join(source), &copy).with_context(|| format!("cannot write {}", copy.display()))?;
    }
    Ok(package)
}

fn install(requirements: &Path, package: &Path) -> Result<()> {
    let pip = repo::root().join(".venv/bin/pip");
    let mut command = Command::new(&pip);
    command
        .args(["install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--no-compile"])
        .arg("--requirement")
        .arg(requirements)
        .arg("--target")
        .arg(package);
    repo::run(&mut command).with_context(|| format!("{} cannot install the libraries", pip.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
