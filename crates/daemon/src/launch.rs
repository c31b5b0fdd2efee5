//! Everything that must happen before the first thread exists, in the one order that works:
//!
//! 1. bind the port, which may need privileges;
//! 2. take the data directory, because what follows removes what an earlier run left in the system;
//! 3. as root, make it reachable for an unprivileged user without opening its parents, and give it to the server's
//!    own user;
//! 4. as that user, find interpreters and write out their bootstraps;
//! 5. fork the keeper, which keeps the privileges and first waits until the keeper of an earlier run, if that was
//!    killed just now, has removed what it made;
//! 6. as root, become the server's own user for good.
//!
//! Credentials and namespaces belong to threads, so none of this can be done later.

use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use engine::Catalogue;
use rustix::fs::{Mode as FileMode, OFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};
use sandbox::{KeeperConfig, KeeperLink, PorterConfig, privilege};
use sha2::{Digest as _, Sha256};

use crate::config::{Config, Mode};
use crate::porter;

/// Where the Runtime API and AWS's API answer inside every sandbox.
const INSIDE: [SocketAddrV4; 2] =
    [SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9001), SocketAddrV4::new(Ipv4Addr::LOCALHOST, 4566)];
/// User and group that functions see as their own, as on Lambda (`sbx_user1051`).
const INSIDE_UID: u32 = 993;
const INSIDE_GID: u32 = 990;

/// Host user ids that systemd documents as unused begin here; each server has a block of its own, so that two
/// servers on one machine share no user. The first half of a block are the users of images' files, the second half
/// the server and its sandboxes.
const UID_BASE: u32 = 0x7000_0000;
const UID_BLOCK: u32 = 0x2_0000;
const UID_BLOCKS: u32 = 2_000;
const IMAGE_UIDS: u32 = 0x1_0000;

/// Folders in the data directory that sandboxes see parts of.
const CODE_DIR: &str = "code";
const RUNTIMES_DIR: &str = "runtimes";
const IMAGES_DIR: &str = "images";
/// Folder for the images behind `/tmp`.
const WORK_DIR: &str = "work";

/// What the first steps give to the server.
pub(crate) struct Launched {
    /// Bound and listening, not yet served.
    pub listener: TcpListener,
    /// Its address with the real port.
    pub address: SocketAddr,
    /// The data directory as this process reaches it.
    pub data_dir: PathBuf,
    /// The data directory as its owner knows it.
    pub shown_data_dir: PathBuf,
    /// The forked keeper.
    pub keeper: KeeperLink,
    /// The runtimes of this machine.
    pub catalogue: Catalogue,
    /// Held for the life of the server.
    pub claim: Claim,
}

/// The right to use a data directory, which ends with the process however it ends.
pub(crate) struct Claim(#[expect(dead_code, reason = "held, not read: closing it ends the claim")] File);

impl Launched {
    /// Where images are unpacked.
    pub(crate) fn images_dir(&self) -> PathBuf {
        self.data_dir.join(IMAGES_DIR)
    }

    /// Where packages are unpacked.
    pub(crate) fn code_dir(&self) -> PathBuf {
        self.data_dir.join(CODE_DIR)
    }
}

/// Does the first steps.
pub(crate) fn launch(config: &Config, mode: Mode) -> anyhow::Result<Launched> {
    umask(FileMode::from_raw_mode(0o022));
    raise_open_files();
    let listener = TcpListener::bind(config.listen).with_context(|| {
        format!("cannot listen on {}; choose another address with --listen", config.listen)
    })?;
    let address = listener.local_addr().context("cannot read the address of the listening socket")?;

    let shown_data_dir = make_data_dir(&config.data_dir)?;
    let claim = claim(&shown_data_dir)?;
    let block = Block::of(&shown_data_dir);

    let drops = config.drop_user && privilege::is_root();
    let data_dir =
        if drops { privilege::enter_private_mounts(&shown_data_dir)? } else { shown_data_dir.clone() };
    let (places, runtimes_dir) = (runtime_places(config, mode), data_dir.join(RUNTIMES_DIR));
    let prepare = || Catalogue::prepare(&runtimes_dir, &places, mode == Mode::Dev);
    let catalogue = if drops {
        privilege::own_tree(&data_dir, |id| block.owner(id))?;
        // A server that was led astray could have left anything there: root neither writes nor runs it.
        privilege::as_user(block.uid_base, block.uid_base, prepare)??
    } else {
        prepare()?
    };
    let keeper = fork_keeper(config, &data_dir, &catalogue, &block)?;
    if drops {
        privilege::drop_to(block.uid_base, block.uid_base)?;
    }
    Ok(Launched { listener, address, data_dir, shown_data_dir, keeper, catalogue, claim })
}

fn fork_keeper(
    config: &Config,
    data_dir: &Path,
    catalogue: &Catalogue,
    block: &Block,
) -> anyhow::Result<KeeperLink> {
    let mut allowed_sources = catalogue.sources();
    allowed_sources.extend([data_dir.join(CODE_DIR), data_dir.join(IMAGES_DIR)]);
    config.file_systems.iter().try_for_each(|(arn, dir)| check_shared(arn, dir))?;
    sandbox::fork_keeper(KeeperConfig {
        instance: block.instance.clone(),
        work_dir: data_dir.join(WORK_DIR),
        allowed_sources,
        writable_sources: config.file_systems.values().cloned().collect(),
        porter: Some(PorterConfig {
            directories: vec![data_dir.join(IMAGES_DIR)],
            image_uid_base: block.image_uid_base(),
            unpack: porter::unpack,
        }),
        listeners: INSIDE.to_vec(),
        uid_base: block.uid_base,
        blanks: config.blanks,
        sandboxes_max: config.environments_max,
        inside_uid: INSIDE_UID,
        inside_gid: INSIDE_GID,
    })
    .context("cannot start the keeper of sandboxes")
}

/// A directory that functions may write, as its owner: so there must be one other than root.
fn check_shared(arn: &str, dir: &Path) -> anyhow::Result<()> {
    let shared = format!("{} is to be shared as {arn}", dir.display());
    let metadata = fs::metadata(dir).with_context(|| format!("{shared}, but cannot be read"))?;
    if !metadata.is_dir() {
        bail!("{shared}, but is no directory; make it, or change file-systems");
    }
    if privilege::is_root() && (metadata.uid() == 0 || metadata.gid() == 0) {
        bail!(
            "{shared}, but belongs to root, whom no function may act as; give it to another user and group"
        );
    }
    Ok(())
}

/// Makes the directory and what must be in it, readable by nobody else; gives its real path.
fn make_data_dir(dir: &Path) -> anyhow::Result<PathBuf> {
    let failed =
        || format!("cannot use the data directory {}; choose another with --data-dir", dir.display());
    for part in ["", CODE_DIR, RUNTIMES_DIR, IMAGES_DIR, WORK_DIR] {
        fs::create_dir_all(dir.join(part)).with_context(failed)?;
        // The server's user owns them; what the keeper shows to sandboxes must not lead elsewhere.
        if !part.is_empty() && dir.join(part).is_symlink() {
            bail!("{} is a link; put a directory in its place", dir.join(part).display());
        }
    }
    let dir = fs::canonicalize(dir).with_context(failed)?;
    privilege::close_to_others(&dir)?;
    Ok(dir)
}

/// Claims the directory for this process. The store locks it too, but only once threads may exist; by then the
/// keeper would have removed the sandboxes of the server that is using it.
fn claim(dir: &Path) -> anyhow::Result<Claim> {
    let path = dir.join("server.lock");
    // The directory belongs to the server's user, who must not be able to lead root elsewhere with a link.
    let no_link = OFlags::NOFOLLOW.bits().cast_signed();
    let opened =
        File::options().read(true).write(true).create(true).truncate(false).custom_flags(no_link).open(&path);
    let mut file = opened.with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The number is only for the message.
            let _ = file.read_to_string(&mut holder);
            let holder = holder.trim();
            bail!(
                "the data directory {} is used by another server (process {holder}); stop that one, or choose \
                 another directory with --data-dir",
                dir.display()
            );
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    let noted =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    noted.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Claim(file))
}

/// What this data directory has to itself in the system: a name for its cgroups, and a block of user ids.
struct Block {
    instance: String,
    uid_base: u32,
}

impl Block {
    fn of(data_dir: &Path) -> Self {
        let hash = Sha256::digest(data_dir.as_os_str().as_encoded_bytes());
        let instance = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let number = u32::from_be_bytes([hash[6], hash[7], hash[8], hash[9]]) % UID_BLOCKS;
        Self { instance, uid_base: UID_BASE + number * UID_BLOCK + IMAGE_UIDS }
    }

    /// User 0 of images' files.
    fn image_uid_base(&self) -> u32 {
        self.uid_base - IMAGE_UIDS
    }

    /// Whom a file in the data directory belongs to that now belongs to `id`: files of images keep their user within
    /// the image, also when the directory comes from another place and so another block; all else is the server's.
    fn owner(&self, id: u32) -> u32 {
        match id.checked_sub(UID_BASE).filter(|above| *above < UID_BLOCKS * UID_BLOCK) {
            Some(above) if above % UID_BLOCK < IMAGE_UIDS => self.image_uid_base() + above % UID_BLOCK,
            _ => self.uid_base,
        }
    }
}

fn runtime_places(config: &Config, mode: Mode) -> Vec<PathBuf> {
    if !config.runtime_path.is_empty() {
        return config.runtime_path.clone();
    }
    // A server for others does not depend on what one user has in their home.
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|_| mode == Mode::Dev);
    Catalogue::usual_places(home.as_deref())
}

/// Every environment holds a dozen descriptors; the usual soft limit of 1,024 is for programs that use `select`.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_at_a_time_has_a_data_directory() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = make_data_dir(&dir.path().join("new/data")).expect("made");
        let held = claim(&path).expect("claimed");
        let refused = claim(&path).err().expect("refused").to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(held);
        claim(&path).expect("free again");
    }

    #[test]
    fn files_of_images_keep_their_user() {
        let (here, there) = (Block::of(Path::new("/a")), Block::of(Path::new("/b")));
        assert_eq!(here.owner(0), here.uid_base);
        assert_eq!(here.owner(there.uid_base), here.uid_base, "another server's");
        assert_eq!(here.owner(there.uid_base + 7), here.uid_base, "a sandbox's");
        for user in [0, 1_000, 65_534] {
            let expect = here.image_uid_base() + user;
            assert_eq!(here.owner(there.image_uid_base() + user), expect);
            assert_eq!(here.owner(expect), expect);
        }
    }

    #[test]
    fn servers_have_blocks_of_users_within_the_documented_range() {
        let block = |path: &str| Block::of(Path::new(path));
        assert_eq!(block("/a").instance, block("/a").instance);
        assert_ne!(block("/a").instance, block("/b").instance);
        for number in 0..1_000 {
            let base = block(&format!("/data/{number}")).uid_base;
            assert!((0x7000_0000..=2_147_352_575 - UID_BLOCK).contains(&base), "{base}");
        }
    }
}
