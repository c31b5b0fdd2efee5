//! Volumes for `/tmp`: a filesystem of exact size, so that filling it gives `ENOSPC` and no more.
//!
//! On disk where the host allows it: a sparse ext4 image on a loop device, copied from a template made
//! once for each size. The image has no name and the loop device releases itself, so whatever happens
//! to its user, nothing is left. Elsewhere a tmpfs, whose content counts as memory. A volume is used by
//! one sandbox only, ever.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{AtFlags, Mode, OFlags, SeekFrom};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use crate::error::Step;
use crate::{mount, sys};

/// Size of the volume made at start to find out whether volumes on disk work here.
const PROBE_BYTES: u64 = 64 << 20;
/// How often another process may snatch the loop device between asking and taking.
const LOOP_ATTEMPTS: usize = 64;
/// Where distributions keep `mkfs.ext4`.
const MKFS_PLACES: [&str; 4] =
    ["/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4", "/usr/bin/mkfs.ext4", "/bin/mkfs.ext4"];

/// Makes volumes, one at a time.
pub(super) enum Maker {
    Disk { images: PathBuf, mkfs: PathBuf, loop_control: OwnedFd },
    Memory,
}

impl Maker {
    /// On disk if a first, small volume succeeds.
    pub(super) fn new(work_dir: &Path) -> Maker {
        Maker::on_disk(work_dir).unwrap_or(Maker::Memory)
    }

    fn on_disk(work_dir: &Path) -> io::Result<Maker> {
        let mkfs = MKFS_PLACES.iter().map(PathBuf::from).find(|place| place.exists());
        let mkfs = mkfs.ok_or(io::ErrorKind::NotFound)?;
        let loop_control = File::options().read(true).write(true).open("/dev/loop-control")?.into();
        let images = work_dir.join("images");
        fs::create_dir_all(&images)?;
        let maker = Maker::Disk { images, mkfs, loop_control };
        maker.make(PROBE_BYTES)?;
        Ok(maker)
    }

    pub(super) fn is_on_disk(&self) -> bool {
        matches!(self, Maker::Disk { .. })
    }

    /// A detached, empty, world-writable filesystem with room for `bytes`.
    pub(super) fn make(&self, bytes: u64) -> io::Result<OwnedFd> {
        match self {
            Maker::Memory => mount::shared_tmpfs(bytes),
            Maker::Disk { images, mkfs, loop_control } => {
                let template = template(images, mkfs, bytes)?;
                let image = copy(images, &template).step(|| "copy the image of /tmp".into())?;
                mount_image(loop_control, &image)
            }
        }
    }
}

/// Room for the filesystem's own records, so that `bytes` are left for files.
fn image_bytes(bytes: u64) -> u64 {
    const BLOCK_GROUP_BYTES: u64 = 128 << 20;
    // 256 bytes of inode for every 16 KiB, bitmaps and superblock copies in each group, and some slack.
    let inodes = bytes / 64;
    let groups = (bytes / BLOCK_GROUP_BYTES + 2) * (64 << 10);
    // What the kernel keeps back for delayed allocation: a fiftieth, at most 4,096 blocks.
    let reserve = (bytes / 48).min(16 << 20);
    (bytes + inodes + groups + reserve + (2 << 20)).next_multiple_of(1 << 20)
}

/// The image to copy from; made at the first use of a size.
fn template(images: &Path, mkfs: &Path, bytes: u64) -> io::Result<File> {
    let path = images.join(format!("ext4-{bytes}.img"));
    if let Ok(file) = File::open(&path) {
        return Ok(file);
    }
    let unfinished = images.join(format!("ext4-{bytes}.new"));
    File::create(&unfinished)
        .and_then(|file| file.set_len(image_bytes(bytes)))
        .step(|| format!("make {}", unfinished.display()))?;
    let status = Command::new(mkfs)
        .env_clear()
        .args(["-q", "-F", "-b", "4096", "-i", "16384", "-I", "256", "-m", "0"])
        // No journal: nobody recovers a /tmp whose owner is gone. No spare room to grow.
        .args(["-O", "^has_journal,^resize_inode", "-E", "lazy_itable_init=1,nodiscard"])
        .arg(&unfinished)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .step(|| format!("run {}", mkfs.display()))?;
    if !status.success() {
        return Err(io::Error::other(format!("{} ended with {status}", mkfs.display())));
    }
    fs::rename(&unfinished, &path)?;
    File::open(&path)
}

/// A nameless copy that shares the template's blocks, or has at least its holes.
fn copy(images: &Path, template: &File) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let image = match rustix::fs::open(images, flags, Mode::from_raw_mode(0o600)) {
        Err(Errno::OPNOTSUPP | Errno::ISDIR) => nameless_file(images)?,
        other => other?,
    };
    if rustix::fs::ioctl_ficlone(&image, template).is_ok() {
        return Ok(image);
    }
    let length = template.metadata()?.len();
    rustix::fs::ftruncate(&image, length)?;
    let mut position = 0;
    while position < length {
        let start = match rustix::fs::seek(template, SeekFrom::Data(position)) {
            Err(Errno::NXIO) => break,
            other => other?,
        };
        let end = rustix::fs::seek(template, SeekFrom::Hole(start))?;
        copy_range(template, &image, start, end)?;
        position = end;
    }
    Ok(image)
}

/// For filesystems without unnamed files.
fn nameless_file(images: &Path) -> io::Result<OwnedFd> {
    let path = images.join("image.new");
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file.into())
}

fn copy_range(from: &File, to: &OwnedFd, start: u64, end: u64) -> io::Result<()> {
    let (mut read_at, mut write_at) = (start, start);
    while read_at < end {
        let left = usize::try_from(end - read_at).unwrap_or(usize::MAX);
        let copied = rustix::fs::copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), left)?;
        if copied == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

fn mount_image(loop_control: &OwnedFd, image: &OwnedFd) -> io::Result<OwnedFd> {
    // The descriptor is needed only until the filesystem holds the device itself.
    let (path, _device) = attach_loop(loop_control, image)?;
    let options = [
        ("source", path.as_str()),
        // Nothing here outlives its sandbox, so nothing needs to reach the platters in order.
        ("nobarrier", ""),
        ("noinit_itable", ""),
    ];
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOATIME;
    let volume = mount::new_filesystem("ext4", &options, attributes)?;
    rustix::fs::unlinkat(&volume, "lost+found", AtFlags::REMOVEDIR).step(|| "empty /tmp".into())?;
    rustix::fs::chmodat(&volume, ".", Mode::from_raw_mode(0o1777), AtFlags::empty())
        .step(|| "open /tmp to everybody".into())?;
    Ok(volume)
}

fn attach_loop(loop_control: &OwnedFd, image: &OwnedFd) -> io::Result<(String, OwnedFd)> {
    for _ in 0..LOOP_ATTEMPTS {
        let number = sys::loop_free_number(loop_control.as_fd()).step(|| "find a free loop device".into())?;
        let path = format!("/dev/loop{number}");
        let device: OwnedFd =
            File::options().read(true).write(true).open(&path).step(|| format!("open {path}"))?.into();
        // Through the page cache only where the image's filesystem cannot do without.
        let configured = sys::loop_configure(device.as_fd(), image.as_fd(), true)
            .or_else(|_| sys::loop_configure(device.as_fd(), image.as_fd(), false));
        match configured {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
            other => return other.map(|()| (path, device)).step(|| "attach a loop device".into()),
        }
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, "no loop device stayed free long enough to take it"))
}
