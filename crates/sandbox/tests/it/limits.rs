//! Memory, processes, files, CPU, `/tmp`; freezing and killing.
//!
//! The programs inside are ordinary ones that want too much; the host and the other sandboxes must not notice.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use dormouse_sandbox::{CpuQuota, ExitStatus, SandboxSpec, Weakness};
use libtest_mimic::Trial;

use crate::world::{MIB, World, add, command, eventually, sh};

pub fn add_to(trials: &mut Vec<Trial>, world: Option<&World>) {
    add(trials, world, "limits::a_full_tmp_is_no_space_and_not_out_of_memory", full_tmp);
    add(trials, world, "limits::the_largest_tmp_is_made_fast_and_takes_no_room", largest_tmp);
    add(trials, world, "limits::out_of_memory_is_counted_and_stays_inside", out_of_memory);
    add(trials, world, "limits::processes", processes);
    add(trials, world, "limits::a_reset_of_many_processes_leaves_none", many_processes);
    add(trials, world, "limits::open_files", open_files);
    add(trials, world, "limits::cpu_quota", cpu_quota);
    add(trials, world, "limits::memory_is_measured", memory);
    add(trials, world, "limits::freeze_stops_and_thaw_resumes", freeze);
    add(trials, world, "limits::kill_ends_a_frozen_sandbox", kill);
}

/// Runs until killed, and does nothing but compute.
const BUSY: [&str; 3] = ["/bin/sh", "-c", "while :; do :; done"];

async fn full_tmp(world: World) {
    if world.weak(Weakness::TmpInMemory) || world.weak(Weakness::MemoryUnlimited) {
        return;
    }
    // Several times the memory limit, and no more than an emulated machine writes in a few seconds.
    let spec = SandboxSpec { memory_bytes: 64 * MIB, tmp_bytes: 160 * MIB, ..world.spec() };
    let sandbox = world.keeper.create(spec).await.unwrap();
    let output =
        sh(&sandbox, "dd if=/dev/zero of=/tmp/fill bs=1048576; rc=$?; wc -c < /tmp/fill; exit $rc").await;
    assert_eq!(output.status, ExitStatus::Exited(1), "{output:?}");
    assert!(output.stderr.contains("No space left"), "{output:?}");
    let written: u64 = output.stdout.trim().parse().unwrap();
    assert!((160 * MIB..176 * MIB).contains(&written), "{written} bytes fitted");
    assert_eq!(sandbox.oom_kills().unwrap(), 0);
    assert!(sandbox.memory_current_bytes().unwrap() <= 64 * MIB);
    sh(&sandbox, "rm /tmp/fill && echo again > /tmp/fill").await.ok();
}

async fn largest_tmp(world: World) {
    if world.weak(Weakness::TmpInMemory) {
        return;
    }
    // The most that Lambda offers.
    let spec = || SandboxSpec { tmp_bytes: 10_240 * MIB, ..world.spec() };
    let started = Instant::now();
    let sandbox = world.keeper.create(spec()).await.unwrap();
    println!("the first /tmp of 10,240 MB: {:?}", started.elapsed());
    let room = sh(&sandbox, "df -B1 /tmp | tail -1 | awk '{print $4}'").await.ok();
    let room: u64 = room.trim().parse().unwrap();
    assert!((10_240 * MIB..10_500 * MIB).contains(&room), "{room} bytes are free");
    // Far out in the file system, which is as sparse as its image.
    let output = sh(&sandbox, "truncate -s 10G /tmp/x && echo end >> /tmp/x && tail -c 4 /tmp/x").await;
    assert_eq!(output.ok(), "end\n");
    let started = Instant::now();
    let other = world.keeper.create(spec()).await.unwrap();
    let elapsed = started.elapsed();
    println!("the next: {elapsed:?}");
    assert!(elapsed < Duration::from_secs(1), "{elapsed:?}");
    drop((sandbox, other));
    let images = std::fs::read_dir(world.dir.path().join("work/images")).unwrap().flatten();
    let largest = images.map(|image| image.metadata().unwrap().blocks() * 512).max().unwrap();
    assert!(largest < 64 * MIB, "an empty one takes {largest} bytes on disk");
}

async fn out_of_memory(world: World) {
    if world.weak(Weakness::MemoryUnlimited) {
        return;
    }
    let spec = SandboxSpec { memory_bytes: 32 * MIB, ..world.spec() };
    let sandbox = world.keeper.create(spec).await.unwrap();
    let output = sh(&sandbox, "a=xxxxxxxxxxxxxxxx; while :; do a=$a$a; done").await;
    assert_eq!(output.status, ExitStatus::Signaled(9), "{output:?}");
    assert!(sandbox.oom_kills().unwrap() >= 1);
    assert!(sandbox.memory_peak_bytes().unwrap() >= 28 * MIB);
    assert_eq!(sh(&sandbox, "echo alive").await.ok(), "alive\n", "process 1 has survived");
}

async fn processes(world: World) {
    if world.weak(Weakness::PidsUnlimited) {
        return;
    }
    let spec = SandboxSpec { pids_max: 20, ..world.spec() };
    let sandbox = world.keeper.create(spec).await.unwrap();
    let output =
        sh(&sandbox, "i=0; while [ $i -lt 100 ]; do sleep 1000 >/dev/null 2>&1 & i=$((i+1)); done").await;
    assert_ne!(output.status, ExitStatus::Exited(0), "{output:?}");
    assert!(output.stderr.to_lowercase().contains("fork"), "{output:?}");
    sandbox.reset().await.unwrap();
    sh(&sandbox, "sleep 0").await.ok();
}

async fn many_processes(world: World) {
    if world.weak(Weakness::PidsUnlimited) {
        return;
    }
    let spec = SandboxSpec { pids_max: 1000, memory_bytes: 1024 * MIB, ..world.spec() };
    let sandbox = world.keeper.create(spec).await.unwrap();
    // Many that stay, and some that fork as fast as they can while they are killed.
    let many = "for k in 1 2 3 4; do while :; do (:); done >/dev/null 2>&1 & done; \
                i=0; while [ $i -lt 900 ]; do sleep 1000 >/dev/null 2>&1 & i=$((i+1)); done";
    sh(&sandbox, many).await.ok();
    let started = Instant::now();
    sandbox.reset().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "the reset took {:?}", started.elapsed());
    let left = sh(&sandbox, "set -- /proc/[0-9]*; echo $#").await.ok();
    assert_eq!(left, "1\n", "only the shell, which does not see process 1");
}

async fn open_files(world: World) {
    let spec = SandboxSpec { open_files_max: 77, ..world.spec() };
    let sandbox = world.keeper.create(spec).await.unwrap();
    assert_eq!(sh(&sandbox, "ulimit -Sn; ulimit -Hn; ulimit -c").await.ok(), "77\n77\n0\n");
}

async fn cpu_quota(world: World) {
    if world.weak(Weakness::CpuUnlimited) {
        return;
    }
    let sandbox = world.sandbox().await;
    sandbox.set_cpu(Some(CpuQuota::from_millicores(100))).unwrap();
    let _busy = sandbox.spawn(command(&BUSY)).await.unwrap();
    let (start, used_before) = (Instant::now(), sandbox.cpu_usage().unwrap());
    let used = || sandbox.cpu_usage().unwrap() - used_before;
    eventually("60 ms of CPU time", || used() >= Duration::from_millis(60)).await;
    let share = used().as_secs_f64() / start.elapsed().as_secs_f64();
    assert!(share < 0.2, "a tenth of a processor was allowed, {share:.2} used");
    sandbox.set_cpu(None).unwrap();
    let (start, used_before) = (Instant::now(), sandbox.cpu_usage().unwrap());
    eventually("time without a limit", || {
        sandbox.cpu_usage().unwrap() - used_before > Duration::from_millis(60)
    })
    .await;
    let share = 0.06 / start.elapsed().as_secs_f64();
    assert!(share > 0.15, "still limited to {share:.2}");
}

async fn memory(world: World) {
    if world.weak(Weakness::MemoryUnlimited) {
        return;
    }
    let sandbox = world.sandbox().await;
    let before = sandbox.memory_current_bytes().unwrap();
    sh(&sandbox, "dd if=/dev/zero of=/dev/shm/x bs=1048576 count=20 2>/dev/null").await.ok();
    let after = sandbox.memory_current_bytes().unwrap();
    assert!(after >= before + 19 * MIB, "{before} then {after}");
    sh(&sandbox, "rm /dev/shm/x").await.ok();
    assert!(sandbox.memory_peak_bytes().unwrap() >= before + 19 * MIB);
}

async fn freeze(world: World) {
    let sandbox = world.sandbox().await;
    let _busy = sandbox.spawn(command(&BUSY)).await.unwrap();
    let used = || sandbox.cpu_usage().unwrap();
    if world.weak(Weakness::FreezeBySignal) {
        sandbox.freeze().unwrap();
        sandbox.thaw().unwrap();
        return;
    }
    for _ in 0..3 {
        let before = used();
        eventually("it runs", || used() > before + Duration::from_millis(5)).await;
        sandbox.freeze().unwrap();
        // The absence of something takes time to see; the freezer itself acts within microseconds.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let frozen = used();
        tokio::time::sleep(Duration::from_millis(60)).await;
        // Reading brings the kernel's books up to date, which may add some microseconds.
        assert!(used() < frozen + Duration::from_millis(5), "it runs while frozen");
        sandbox.thaw().unwrap();
    }
    let before = used();
    eventually("it runs again", || used() > before).await;
    let mut times: Vec<(Duration, Duration)> = (0..200).map(|_| time_freeze(&sandbox)).collect();
    times.sort_unstable();
    println!("freeze and thaw of a busy process, median: {:?}", times[times.len() / 2]);
}

fn time_freeze(sandbox: &dormouse_sandbox::Sandbox) -> (Duration, Duration) {
    let start = Instant::now();
    sandbox.freeze().unwrap();
    let frozen = start.elapsed();
    sandbox.thaw().unwrap();
    (frozen, start.elapsed() - frozen)
}

async fn kill(world: World) {
    let sandbox = world.sandbox().await;
    let mut busy = sandbox.spawn(command(&BUSY)).await.unwrap();
    sandbox.freeze().unwrap();
    sandbox.kill().unwrap();
    sandbox.gone().await;
    assert_eq!(busy.wait().await, ExitStatus::Signaled(9));
    assert!(sandbox.spawn(command(&["/bin/true"])).await.is_err());
    assert!(sandbox.reset().await.is_err());
    sandbox.gone().await;
    sandbox.destroy().await;
}
