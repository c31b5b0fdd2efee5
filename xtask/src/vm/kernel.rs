//! Debian's cloud kernel: downloaded once as a package, unpacked, and kept in the target folder.
//!
//! The package is not installed; only its kernel and three modules are used. APT checks the package's
//! signature chain as it always does, so nothing is verified here again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::repo;

/// What is a module in this kernel and what sandboxes use: disk images, layered roots, virtual cables.
/// ext4, seccomp, namespaces and cgroups are built in. None of these needs another module.
pub const MODULES: &[&str] = &["loop", "overlay", "veth"];

/// The package that always depends on the newest cloud kernel of the release.
const META_PACKAGE: &str = "linux-image-cloud-amd64";

/// A kernel ready to boot.
pub struct Kernel {
    /// The compressed kernel image.
    pub image: PathBuf,
    /// The files of `MODULES`, in that order.
    pub modules: Vec<PathBuf>,
}

/// Finds the kernel in the cache, or downloads it there.
pub fn provide(folder: &Path) -> Result<Kernel> {
    let cache = folder.join("kernel");
    if let Ok(kernel) = find(&cache) {
        return Ok(kernel);
    }
    eprintln!("vm: fetching Debian's cloud kernel");
    let unpacked = tempfile::Builder::new()
        .prefix("unpack-")
        .tempdir_in(folder)
        .with_context(|| format!("cannot make a folder in {}", folder.display()))?;
    download(unpacked.path())?;
    // An interrupted earlier attempt may have left a part.
    if cache.exists() {
        fs::remove_dir_all(&cache).with_context(|| format!("cannot remove {}", cache.display()))?;
    }
    fs::rename(unpacked.path(), &cache).with_context(|| format!("cannot make {}", cache.display()))?;
    find(&cache)
}

fn download(folder: &Path) -> Result<()> {
    let fetch = || -> Result<()> {
        let depends = repo::capture(Command::new("apt-cache").args(["depends", META_PACKAGE]))?;
        let package = dependency(&depends).with_context(|| format!("apt knows no {META_PACKAGE}"))?;
        repo::capture(Command::new("apt-get").current_dir(folder).args(["download", "--quiet", package]))
            .map(drop)
    };
    // Package lists that are missing or older than the archive are the usual cause; they can be renewed.
    if fetch().is_err() {
        repo::capture(Command::new("apt-get").args(["update", "--quiet"]))
            .context("cannot renew the package lists (try it as root)")?;
        fetch().context("cannot download the kernel's package")?;
    }
    let package = only_file(folder, "deb")?;
    repo::capture(Command::new("dpkg").arg("-x").arg(&package).arg(folder))?;
    fs::remove_file(&package).with_context(|| format!("cannot remove {}", package.display()))
}

/// The package named in what `apt-cache depends` prints.
fn dependency(depends: &str) -> Option<&str> {
    depends.lines().find_map(|line| line.trim().strip_prefix("Depends: "))
}

fn find(cache: &Path) -> Result<Kernel> {
    let boot = cache.join("boot");
    let image = entries(&boot)?
        .into_iter()
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-")))
        .with_context(|| format!("no kernel in {}", boot.display()))?;
    let modules = MODULES
        .iter()
        .map(|name| {
            let file = format!("{name}.ko");
            walk(&cache.join("lib/modules"), &file)?
                .with_context(|| format!("the kernel package has no {file}"))
        })
        .collect::<Result<_>>()?;
    Ok(Kernel { image, modules })
}

fn walk(folder: &Path, file: &str) -> Result<Option<PathBuf>> {
    for path in entries(folder)? {
        if path.is_dir() {
            if let Some(found) = walk(&path, file)? {
                return Ok(Some(found));
            }
        } else if path.file_name().is_some_and(|name| name == file) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn only_file(folder: &Path, extension: &str) -> Result<PathBuf> {
    let matches = |path: &PathBuf| path.extension().is_some_and(|found| found == extension);
    let mut found = entries(folder)?.into_iter().filter(matches);
    match (found.next(), found.next()) {
        (Some(file), None) => Ok(file),
        _ => bail!("expected one .{extension} file in {}", folder.display()),
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let listing = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    listing
        .map(|entry| Ok(entry.with_context(|| format!("cannot list {}", folder.display()))?.path()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::dependency;

    #[test]
    fn the_real_package_is_found() {
        let printed = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n  Suggests: x\n";
        assert_eq!(dependency(printed), Some("linux-image-6.1.0-56-cloud-amd64"));
        assert_eq!(dependency("linux-image-cloud-amd64\n"), None);
    }
}
