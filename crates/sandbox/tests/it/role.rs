//! The other parts that this binary can play, chosen by `SANDBOX_TESTS_ROLE`.
//!
//! Inside a sandbox: see `probe.rs`. Outside: a small server of its own (`victim`), for tests that kill
//! servers and keepers; a server of an ordinary user (`rootless`), and one that was root and gave it up
//! (`dropped`), which check themselves.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use dormouse_sandbox::{
    CpuQuota, ExitStatus, Keeper, Mount, Root, SandboxSpec, UID_BASE_DEFAULT, Weakness, privilege,
};
use tokio::runtime::Runtime;

use crate::image;
use crate::porter;
use crate::shared;
use crate::world::{self, MIB, World, command, probe, sh};

/// Plays the part asked for, if any.
pub fn play() -> Option<ExitCode> {
    let role = std::env::var("SANDBOX_TESTS_ROLE").ok()?;
    Some(match role.as_str() {
        "forbidden-calls" => crate::probe::forbidden_calls(),
        "outside-user" => crate::probe::outside_user(),
        "serve" => crate::probe::serve(),
        "connect" => crate::probe::connect(),
        "victim" => victim(),
        "rootless" => rootless(),
        "dropped" => dropped(),
        other => panic!("unknown role {other}"),
    })
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// Holds two sandboxes with a marked process each, and a porter that waits for more; says so, and waits until its
/// input closes.
fn victim() -> ExitCode {
    let dir = PathBuf::from(variable("SANDBOX_TESTS_DIR"));
    let (instance, marker) = (variable("SANDBOX_TESTS_INSTANCE"), variable("SANDBOX_TESTS_MARKER"));
    let link = world::fork(&instance, &dir);
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let keeper = Keeper::connect(link).unwrap();
        let of_image = image_spec(&dir);
        let (one, other) =
            (keeper.create(world_spec(&dir)).await.unwrap(), keeper.create(of_image).await.unwrap());
        one.spawn(command(&["/bin/sleep", &marker])).await.unwrap();
        other.spawn(command(&["/bin/sleep", &marker])).await.unwrap();
        // Frozen ones must go as well.
        other.freeze().unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        let (porter, tree) = (keeper.clone(), dir.join("layers").join(own_name("unfinished")));
        let begun = tree.join("begun");
        tokio::spawn(async move { porter.unpack(reader.into(), &tree, "build").await });
        writer.write_all(b"file 0 644 begun x\n").unwrap();
        world::eventually("the porter is at work", || begun.exists()).await;
        println!("ready");
        tokio::task::block_in_place(|| std::io::stdin().read_to_end(&mut Vec::new())).unwrap();
        keeper.shutdown().await;
    });
    ExitCode::SUCCESS
}

fn world_spec(dir: &std::path::Path) -> SandboxSpec {
    SandboxSpec {
        root: Root::Host,
        mounts: vec![Mount::read_only(dir.join("code"), "/var/task".into())],
        memory_bytes: 128 * MIB,
        tmp_bytes: 16 * MIB,
        pids_max: 64,
        open_files_max: 256,
    }
}

/// An image of two layers, and a shared directory.
fn image_spec(dir: &std::path::Path) -> SandboxSpec {
    let spec = world_spec(dir);
    let layers = vec![image::layer(dir, &own_name("one")), image::layer(dir, &own_name("two"))];
    let mut mounts = image::programs(&layers[0]);
    mounts.extend(spec.mounts);
    mounts.push(shared::mount(shared::directory(dir, &own_name("directory"))));
    SandboxSpec { root: Root::Image(layers), mounts, ..spec }
}

/// A name that the next process in the same place does not use.
fn own_name(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// What must work for an ordinary user, end to end.
fn rootless() -> ExitCode {
    assert_ne!(rustix::process::geteuid().as_raw(), 0, "this part is for ordinary users");
    let world = World::start();
    assert!(world.weak(Weakness::SharedUser) && world.weak(Weakness::TmpInMemory));
    world.runtime.clone().block_on(async {
        let sandbox = world.sandbox().await;
        let output = sh(&sandbox, "id -u; cat /var/task/hello; echo x > /tmp/x; exit 3").await;
        assert_eq!(
            (output.stdout.as_str(), output.status),
            ("993\nhello from the code\n", ExitStatus::Exited(3))
        );
        for script in ["echo x > /x", "echo x > /var/task/x", "mount -t tmpfs none /tmp", "ls /root"] {
            assert_ne!(sh(&sandbox, script).await.status, ExitStatus::Exited(0), "{script}");
        }
        assert_eq!(probe(&sandbox, "forbidden-calls").await.ok(), "");
        let listed = sh(&sandbox, "for p in /proc/[0-9]*; do echo $p; done").await.ok();
        assert_eq!(listed.lines().count(), 1, "{listed}");
        let full = sh(&sandbox, "dd if=/dev/zero of=/tmp/fill bs=1048576").await;
        assert!(full.stderr.contains("No space left"), "{full:?}");
        let mut busy = sandbox.spawn(command(&["/bin/sh", "-c", "while :; do :; done"])).await.unwrap();
        freezes_by_signal(busy.pid, &sandbox).await;
        sandbox.reset().await.unwrap();
        assert_eq!(busy.wait().await, ExitStatus::Signaled(9));
        let of_image = world.keeper.create(image_spec(world.dir.path())).await.unwrap();
        let script =
            "ls /; cat /var/task/hello; echo shared > /mnt/shared/file; stat -c '%u %g' /mnt/shared/file";
        let seen = sh(&of_image, script).await.ok();
        assert!(seen.ends_with("hello from the code\n993 990\n"), "{seen}");
        assert!(!seen.contains("home"), "the generic root is still there: {seen}");
        assert_eq!(sh(&of_image, "echo x > /var/task/x || echo refused").await.ok(), "refused\n");
        assert!(world.dir.path().join("shared").join(own_name("directory")).join("file").exists());
        let tree = world.dir.path().join("layers/unpacked");
        let text = "directory 7 0 closed\nfile 7 600 file mine";
        assert_eq!(porter::unpack_text(&world.keeper, &tree, "build", text).await.unwrap(), "2 entries");
        assert_eq!(std::fs::read_to_string(tree.join("file")).unwrap(), "mine");
        world.keeper.remove_tree(&tree).await.unwrap();
        assert!(!tree.exists());
        let other = world.sandbox().await;
        other.freeze().unwrap();
        other.kill().unwrap();
        other.gone().await;
        sandbox.destroy().await;
    });
    world.end();
    ExitCode::SUCCESS
}

/// A stopped process has state `T`; its shell, started later, runs.
async fn freezes_by_signal(pid: u32, sandbox: &dormouse_sandbox::Sandbox) {
    if sandbox.cpu_usage().is_ok() {
        return; // a delegated cgroup freezes instead
    }
    let script =
        format!("while :; do read -r line < /proc/{pid}/stat; case $line in *') T '*) exit;; esac; done");
    sandbox.freeze().unwrap();
    sh(sandbox, &script).await.ok();
    sandbox.thaw().unwrap();
    sh(sandbox, &script.replace("') T '", "') R '")).await.ok();
}

/// A server that was root, with its data in a directory that only root can reach.
fn dropped() -> ExitCode {
    let outside = PathBuf::from(variable("SANDBOX_TESTS_DIR")).join("data");
    let data = privilege::enter_private_mounts(&outside).unwrap();
    let link = world::fork(&variable("SANDBOX_TESTS_INSTANCE"), &data);
    privilege::own_tree(&data, |_| UID_BASE_DEFAULT).unwrap();
    privilege::drop_to(UID_BASE_DEFAULT, UID_BASE_DEFAULT).unwrap();
    assert!(!privilege::is_root());
    assert_eq!(rustix::process::getgid().as_raw(), UID_BASE_DEFAULT);
    assert_eq!(rustix::process::getgroups().unwrap(), []);
    assert!(std::fs::read_dir(&outside).is_err(), "the path outside is closed to the server");
    std::fs::write(data.join("deep/file"), "the server's").unwrap();
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    for line in ["CapPrm:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{status}");
    }
    Runtime::new().unwrap().block_on(async {
        let keeper = Keeper::connect(link).unwrap();
        let sandbox = keeper.create(world_spec(&data)).await.unwrap();
        assert_eq!(sh(&sandbox, "cat /var/task/hello").await.ok(), "hello from the code\n");
        let mut busy = sandbox.spawn(command(&["/bin/sh", "-c", "while :; do :; done"])).await.unwrap();
        sandbox.freeze().unwrap();
        sandbox.thaw().unwrap();
        if !keeper.weaknesses().contains(&Weakness::CpuUnlimited) {
            sandbox.set_cpu(Some(CpuQuota::from_millicores(100))).unwrap();
        }
        if !keeper.weaknesses().contains(&Weakness::MemoryUnlimited) {
            sandbox.memory_peak_bytes().unwrap();
        }
        sandbox.kill().unwrap();
        sandbox.gone().await;
        assert_eq!(busy.wait().await, ExitStatus::Signaled(9));
        keeper.shutdown().await;
    });
    ExitCode::SUCCESS
}
