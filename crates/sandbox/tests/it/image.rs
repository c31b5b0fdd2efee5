//! Layers: merged directories, and images in the place of the generic root.
//!
//! The images here hold only what a test is about; programs come from the host's trees, mounted where an image
//! would have its own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dormouse_sandbox::{Access, ExitStatus, Mount, Root, SandboxError, SandboxSpec, Source, privilege};
use libtest_mimic::Trial;
use rustix::fs::{CWD, FileType, Mode, XattrFlags};

use crate::world::{World, add, exe, sh};

/// Where the host keeps programs and libraries.
pub const PROGRAM_TREES: [&str; 5] = ["/usr", "/bin", "/sbin", "/lib", "/lib64"];

pub fn add_to(trials: &mut Vec<Trial>, world: Option<&World>) {
    add(trials, world, "image::directories_are_merged_the_first_on_top", merged);
    add(trials, world, "image::layers_are_the_root_and_nothing_of_the_host_is", root);
    add(trials, world, "image::a_hostile_image_leads_nowhere", hostile);
    add(trials, world, "image::an_image_is_read_only", read_only);
    add(trials, world, "image::128_layers_and_not_one_more", many_layers);
    add(trials, world, "image::sources_outside_the_allowed_directories_are_refused", refused);
    add(trials, world, "image::many_different_targets", many_targets);
    add(trials, world, "image::an_image_starts_nearly_as_fast_as_the_generic_root", start_time);
}

/// An empty layer.
pub fn layer(dir: &Path, name: &str) -> PathBuf {
    let layer = dir.join("layers").join(name);
    fs::create_dir(&layer).unwrap();
    layer
}

/// The host's programs for an image, with links in `layer` where the host has links.
pub fn programs(layer: &Path) -> Vec<Mount> {
    let mut mounts = vec![Mount::read_only(exe(), "/opt/probe".into())];
    for tree in PROGRAM_TREES {
        let path = Path::new(tree);
        match path.read_link() {
            Ok(link) => symlink(link, layer.join(tree.trim_start_matches('/'))).unwrap(),
            Err(_) if path.is_dir() => mounts.push(Mount::read_only(path.into(), path.into())),
            Err(_) => {}
        }
    }
    mounts
}

fn write(layer: &Path, file: &str, content: &str) {
    let path = layer.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn whiteout(layer: &Path, file: &str) {
    let path = layer.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    rustix::fs::mknodat(CWD, &path, FileType::CharacterDevice, Mode::empty(), 0).unwrap();
}

fn mark(directory: &Path, name: &str, value: &str) {
    rustix::fs::setxattr(directory, name, value.as_bytes(), XattrFlags::empty()).unwrap();
}

/// Three layers that differ in everything; the topmost first.
fn three_layers(world: &World, name: &str) -> Vec<PathBuf> {
    let names = ["top", "middle", "base"];
    let layers = names.map(|part| layer(world.dir.path(), &format!("{name}-{part}")));
    let [top, middle, base] = &layers;
    for (layer, content) in [(base, "base"), (middle, "middle"), (top, "top")] {
        write(layer, &format!("data/only-{content}"), content);
        write(layer, "data/all", content);
    }
    write(base, "data/hidden", "hidden by a whiteout");
    whiteout(middle, "data/hidden");
    write(base, "data/back", "hidden, and there again");
    whiteout(middle, "data/back");
    write(top, "data/back", "back");
    write(base, "data/opaque/below", "hidden by an opaque directory");
    write(middle, "data/opaque/above", "above");
    mark(&middle.join("data/opaque"), "user.overlay.opaque", "y");
    write(base, "data/file-or-directory/file", "hidden by a file");
    write(top, "data/file-or-directory", "a file");
    layers.to_vec()
}

/// What [`three_layers`] look like together.
const LOOK: &str = "cd $0/data; ls; cat all only-* back opaque/above file-or-directory; ls opaque";
const SEEN: &str = "all\nback\nfile-or-directory\nonly-base\nonly-middle\nonly-top\nopaque\n\
                    topbasemiddletopbackabovea fileabove\n";

async fn merged(world: World) {
    let mut spec = world.spec();
    let layers = three_layers(&world, "merged");
    let mount = |directories: &[PathBuf], target: &str| Mount {
        source: Source::Merged(directories.to_vec()),
        target: target.into(),
        access: Access::ReadOnly,
    };
    spec.mounts.push(mount(&layers, "/three"));
    spec.mounts.push(mount(&layers[2..], "/one"));
    let sandbox = world.keeper.create(spec).await.unwrap();
    assert_eq!(sh(&sandbox, &LOOK.replace("$0", "/three")).await.ok(), SEEN);
    assert_eq!(sh(&sandbox, "cat /one/data/all; ls /one/data").await.ok().lines().count(), 6);
    for script in ["echo x > /three/x", "echo x >> /three/data/all", "rm /three/data/all", "echo x > /one/x"]
    {
        let output = sh(&sandbox, script).await;
        assert!(output.stderr.contains("Read-only file system"), "{script}: {output:?}");
    }
}

async fn root(world: World) {
    let mut layers = three_layers(&world, "root");
    write(&layers[2], "etc/os-release", "ID=image\n");
    write(&layers[2], "etc/hosts", "10.0.0.1 wrong\n");
    let programs = programs(&layers[2]);
    layers.insert(1, layer(world.dir.path(), "root-empty"));
    let spec = SandboxSpec { root: Root::Image(layers), mounts: programs, ..world.spec() };
    let sandbox = world.keeper.create(spec).await.unwrap();
    assert_eq!(sh(&sandbox, &LOOK.replace("$0", "")).await.ok(), SEEN);
    let names = sh(&sandbox, "id -u; cat /etc/os-release /etc/hosts; pwd; hostname").await.ok();
    let hosts = "127.0.0.1 localhost\n::1 localhost\n127.0.0.1 sandbox.localdomain sandbox\n";
    assert_eq!(names, format!("993\nID=image\n{hosts}/tmp\nlocalhost\n"));
    sh(&sandbox, "echo x > /tmp/x && cat /tmp/x && echo y > /dev/shm/y && echo z > /dev/null").await.ok();
    let listed = sh(&sandbox, "ls /etc /sys; for p in /proc/[0-9]*; do echo $p; done").await.ok();
    let (files, process) = listed.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(files, "/etc:\nhostname\nhosts\nos-release\nresolv.conf\n\n/sys:");
    assert!(process.starts_with("/proc/"), "only the shell itself: {listed}");
    let visible = world.dir.path().display();
    for path in ["/var/task", "/root", "/home", &visible.to_string()] {
        assert_ne!(sh(&sandbox, &format!("ls {path}")).await.status, ExitStatus::Exited(0), "{path}");
    }
    // Other sandboxes are as before.
    assert_eq!(sh(&world.sandbox().await, "cat /var/task/hello").await.ok(), "hello from the code\n");
}

async fn hostile(world: World) {
    let outside = world.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    for name in ["hosts", "task", "mem", "null"] {
        fs::write(outside.join(name), "of the host").unwrap();
    }
    let hostile = layer(world.dir.path(), "hostile");
    for name in ["proc", "dev", "tmp", "sys", "etc", "var"] {
        symlink(&outside, hostile.join(name)).unwrap();
    }
    symlink("../../../../../../../..", hostile.join("up")).unwrap();
    // A directory that claims to be another one.
    fs::create_dir(hostile.join("redirected")).unwrap();
    mark(&hostile.join("redirected"), "user.overlay.redirect", "/data");
    let base = layer(world.dir.path(), "hostile-base");
    write(&base, "data/file", "must not appear elsewhere");
    symlink(outside.join("hosts"), layer(world.dir.path(), "hostile-etc").join("hosts")).unwrap();
    if privilege::is_root() {
        rustix::fs::mknodat(
            CWD,
            hostile.join("memory"),
            FileType::CharacterDevice,
            Mode::from_raw_mode(0o666),
            rustix::fs::makedev(1, 1),
        )
        .unwrap();
    }
    fs::copy("/usr/bin/id", hostile.join("id")).unwrap();
    fs::set_permissions(hostile.join("id"), fs::Permissions::from_mode(0o6755)).unwrap();
    let mut mounts = programs(&hostile);
    mounts.push(Mount::read_only(world.dir.path().join("code"), "/var/task".into()));
    let spec = SandboxSpec { root: Root::Image(vec![hostile, base]), mounts, ..world.spec() };
    let sandbox = world.keeper.create(spec).await.unwrap();
    let script = "cat /var/task/hello; ls -ld /proc /dev /tmp /sys /etc /var | cut -c1; head -1 /etc/hosts; \
                  echo x > /tmp/y; /id -u; ls /redirected 2>&1 | grep -o 'Operation not permitted'; ls /up/etc; test -d /proc/self && echo processes";
    let expected = "hello from the code\nd\nd\nd\nd\nd\nd\n127.0.0.1 localhost\n993\n\
                    Operation not permitted\n\
                    hostname\nhosts\nresolv.conf\nprocesses\n";
    assert_eq!(sh(&sandbox, script).await.ok(), expected);
    assert_ne!(
        sh(&sandbox, "head -c1 /memory").await.status,
        ExitStatus::Exited(0),
        "a device can be opened"
    );
    let untouched = fs::read_dir(&outside).unwrap().flatten();
    let untouched = untouched.map(|entry| fs::read_to_string(entry.path()).unwrap()).collect::<Vec<_>>();
    assert_eq!(untouched, ["of the host"; 4]);
}

async fn read_only(world: World) {
    let base = layer(world.dir.path(), "read-only");
    write(&base, "data/file", "content");
    fs::set_permissions(base.join("data"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(base.join("data/file"), fs::Permissions::from_mode(0o666)).unwrap();
    let mounts = programs(&base);
    let spec = SandboxSpec { root: Root::Image(vec![base.clone()]), mounts, ..world.spec() };
    let sandbox = world.keeper.create(spec).await.unwrap();
    for path in
        ["/x", "/data/x", "/data/file", "/etc/x", "/etc/hosts", "/dev/x", "/sys/x", "/proc/x", "/usr/x"]
    {
        let output = sh(&sandbox, &format!("echo x >> {path}")).await;
        assert_ne!(output.status, ExitStatus::Exited(0), "{path} can be written");
    }
    assert_eq!(fs::read_to_string(base.join("data/file")).unwrap(), "content");
}

async fn many_layers(world: World) {
    let mut layers = Vec::new();
    for number in 0..128 {
        let layer = layer(world.dir.path(), &format!("many-{number}"));
        write(&layer, &format!("data/{number}"), "");
        write(&layer, "data/last", &number.to_string());
        layers.insert(0, layer);
    }
    let mounts = programs(&layers[0]);
    let spec = SandboxSpec { root: Root::Image(layers.clone()), mounts, ..world.spec() };
    let sandbox = world.keeper.create(spec.clone()).await.unwrap();
    assert_eq!(sh(&sandbox, "ls /data | wc -l; cat /data/last").await.ok(), "129\n127");
    layers.push(layers[0].clone());
    let more = world.keeper.create(SandboxSpec { root: Root::Image(layers), ..spec }).await;
    let Err(SandboxError::Create { reason }) = more else { panic!("129 layers were taken") };
    assert!(reason.contains("128"), "{reason}");
}

async fn refused(world: World) {
    let good = layer(world.dir.path(), "good");
    symlink("/etc", good.join("leads-out")).unwrap();
    let file = good.join("file");
    fs::write(&file, "").unwrap();
    let cases = [
        (vec![], "no directories"),
        (vec![good.clone(), "/etc".into()], "allowed"),
        (vec![good.clone(), world.dir.path().join("layers/../work")], "mount source"),
        (vec![good.clone(), good.join("leads-out")], "mount source"),
        (vec![good.clone(), file], "Not a directory"),
        (vec![good.clone(), good.join("missing")], "No such file"),
    ];
    for (directories, because) in cases {
        let mount = Mount {
            source: Source::Merged(directories.clone()),
            target: "/x".into(),
            access: Access::ReadOnly,
        };
        let merged = SandboxSpec { mounts: vec![mount], ..world.spec() };
        let image = SandboxSpec { root: Root::Image(directories), ..world.spec() };
        for spec in [merged, image] {
            let Err(SandboxError::Create { reason }) = world.keeper.create(spec.clone()).await else {
                panic!("not refused: {spec:?}");
            };
            assert!(reason.contains(because), "{reason}");
        }
    }
    // A file where another target needs a directory.
    let code = world.dir.path().join("code");
    let mounts = vec![
        Mount::read_only(code.join("hello"), "/a".into()),
        Mount::read_only(code.clone(), "/a/b".into()),
    ];
    let spec = SandboxSpec { root: Root::Image(vec![good]), mounts, ..world.spec() };
    let Err(SandboxError::Create { reason }) = world.keeper.create(spec).await else { panic!("not refused") };
    assert!(reason.contains("/a/b"), "{reason}");
}

async fn many_targets(world: World) {
    let base = layer(world.dir.path(), "targets");
    let programs = programs(&base);
    let code = world.dir.path().join("code");
    // More than are remembered at once; the first one outlives the memory of it.
    let spec = |number: usize| {
        let own = Mount::read_only(code.clone(), format!("/mnt/{number}").into());
        let mounts = programs.iter().cloned().chain([own]).collect();
        SandboxSpec { root: Root::Image(vec![base.clone()]), mounts, ..world.spec() }
    };
    let first = world.keeper.create(spec(0)).await.unwrap();
    for number in 1..80 {
        world.keeper.create(spec(number)).await.unwrap().destroy().await;
    }
    assert_eq!(sh(&first, "cat /mnt/0/hello; ls /mnt").await.ok(), "hello from the code\n0\n");
    let again = world.keeper.create(spec(0)).await.unwrap();
    assert_eq!(sh(&again, "cat /mnt/0/hello; ls /mnt").await.ok(), "hello from the code\n0\n");
}

async fn start_time(world: World) {
    let mut layers: Vec<PathBuf> =
        (0..20).map(|number| layer(world.dir.path(), &format!("timed-{number}"))).collect();
    for layer in &layers {
        let data = fs::File::create(layer.join(layer.file_name().unwrap())).unwrap();
        data.set_len(50 << 20).unwrap();
    }
    let mounts = programs(&layers[19]);
    layers.reverse();
    let generic = world.spec();
    let image = SandboxSpec { root: Root::Image(layers), mounts, ..world.spec() };
    let (mut of_host, mut of_image) = (Duration::MAX, Duration::MAX);
    // The best of ten, or of as many more as the noise of an emulated machine needs: whatever else runs only adds.
    for round in 1..=100 {
        for (spec, best) in [(&generic, &mut of_host), (&image, &mut of_image)] {
            let started = Instant::now();
            let sandbox = world.keeper.create(spec.clone()).await.unwrap();
            sh(&sandbox, "true").await.ok();
            *best = started.elapsed().min(*best);
            sandbox.destroy().await;
        }
        if round >= 10 && nearly_as_fast(of_image, of_host) {
            break;
        }
    }
    println!("from the host's root {of_host:?}, from an image of 1 GB in 20 layers {of_image:?}");
    assert!(nearly_as_fast(of_image, of_host), "{of_image:?} after {of_host:?}");
}

/// At most twice the time, and 20 ms for the mount of the layers.
fn nearly_as_fast(of_image: Duration, of_host: Duration) -> bool {
    of_image < of_host * 2 + Duration::from_millis(20)
}
