//! Starting programs: output, exit, environment, files.
//!
//! Every test asks the sandbox for what its specification promises, and for one thing that it must refuse.

use dormouse_sandbox::{ExitStatus, Mount, SandboxError, SandboxSpec, Signal, Weakness};
use libtest_mimic::Trial;

use crate::world::{MIB, World, add, command, probe, read, run, sh};

pub fn add_to(trials: &mut Vec<Trial>, world: Option<&World>) {
    add(trials, world, "basic::output_and_exit_codes", output_and_exit_codes);
    add(trials, world, "basic::environment_and_directory_are_exactly_those_given", environment);
    add(trials, world, "basic::a_program_that_cannot_start_says_why", cannot_start);
    add(trials, world, "basic::an_oversize_command_is_refused", oversize);
    add(trials, world, "basic::a_log_pipe_is_descriptor_3_when_asked_for", log_pipe);
    add(trials, world, "basic::signals_reach_the_process", signals);
    add(trials, world, "basic::orphans_are_reaped", orphans);
    add(trials, world, "basic::everything_but_tmp_is_read_only", read_only);
    add(trials, world, "basic::reset_kills_all_and_keeps_tmp", reset);
    add(trials, world, "basic::sources_outside_the_allowed_directories_are_refused", bad_sources);
    add(trials, world, "basic::wrong_values_are_refused", bad_values);
    add(trials, world, "basic::a_file_can_be_mounted", file_mount);
    add(trials, world, "basic::forty_at_once", forty);
}

async fn output_and_exit_codes(world: World) {
    let sandbox = world.sandbox().await;
    let output = sh(&sandbox, "echo out; echo err >&2; exit 7").await;
    assert_eq!(output.status, ExitStatus::Exited(7));
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
    assert_eq!(sh(&sandbox, "kill -SEGV $$").await.status, ExitStatus::Signaled(11));
    assert_eq!(sh(&sandbox, "cat").await.ok(), "", "standard input is empty");
    let id = sh(&sandbox, "id -u; id -g; cat /proc/sys/kernel/hostname").await.ok();
    assert_eq!(id, "993\n990\nlocalhost\n");
    let own = sh(&sandbox, "grep -w sandbox /etc/hosts").await.ok();
    assert_eq!(own, "127.0.0.1 sandbox.localdomain sandbox\n", "where extensions listen");
    sandbox.destroy().await;
}

async fn environment(world: World) {
    let sandbox = world.sandbox().await;
    let mut wanted = command(&["/usr/bin/env"]);
    wanted.env = vec![("A".into(), "1".into()), ("B".into(), "x y=z\nü".into())];
    assert_eq!(run(&sandbox, wanted).await.ok(), "A=1\nB=x y=z\nü\n");
    let mut wanted = command(&["/bin/pwd"]);
    wanted.cwd = "/var/task".into();
    assert_eq!(run(&sandbox, wanted).await.ok(), "/var/task\n");
}

async fn cannot_start(world: World) {
    let sandbox = world.sandbox().await;
    let kind = |result: Result<_, SandboxError>| match result {
        Err(SandboxError::Spawn { source, .. }) => source.kind(),
        other => panic!("{other:?}"),
    };
    let missing = sandbox.spawn(command(&["/no/such/program"])).await;
    assert_eq!(kind(missing), std::io::ErrorKind::NotFound);
    let not_executable = sandbox.spawn(command(&["/var/task/hello"])).await;
    assert_eq!(kind(not_executable), std::io::ErrorKind::PermissionDenied);
    let mut nowhere = command(&["/bin/true"]);
    nowhere.cwd = "/no/such/directory".into();
    assert_eq!(kind(sandbox.spawn(nowhere).await), std::io::ErrorKind::NotFound);
    assert_eq!(sh(&sandbox, "echo still here").await.ok(), "still here\n");
}

async fn oversize(world: World) {
    let sandbox = world.sandbox().await;
    let mut large = command(&["/bin/true"]);
    large.env.push(("LARGE".into(), "x".repeat(200_000).into()));
    assert!(matches!(sandbox.spawn(large).await, Err(SandboxError::CommandTooLarge { .. })));
    let mut fits = command(&["/bin/sh", "-c", "echo ${#LARGE}"]);
    fits.env.push(("LARGE".into(), "x".repeat(100_000).into()));
    assert_eq!(run(&sandbox, fits).await.ok(), "100000\n");
}

async fn log_pipe(world: World) {
    let sandbox = world.sandbox().await;
    let mut with_log =
        command(&["/bin/sh", "-c", "echo out; echo err >&2; echo log >&3; ls /proc/self/fd | wc -l"]);
    with_log.log_pipe = true;
    let mut process = sandbox.spawn(with_log).await.unwrap();
    let log = read(process.log.take().unwrap());
    let (stdout, stderr) = (process.stdout.try_clone().unwrap(), process.stderr.try_clone().unwrap());
    // The fifth is the listed directory itself.
    assert_eq!(
        tokio::join!(read(stdout), read(stderr), log),
        ("out\n5\n".into(), "err\n".into(), "log\n".into())
    );
    assert_eq!(process.wait().await, ExitStatus::Exited(0));
    let without = sandbox.spawn(command(&["/bin/sh", "-c", "echo log >&3"])).await.unwrap();
    assert!(without.log.is_none());
    assert_ne!(sh(&sandbox, "echo log >&3").await.status, ExitStatus::Exited(0), "descriptor 3 is open");
}

async fn signals(world: World) {
    let sandbox = world.sandbox().await;
    let mut process = sandbox.spawn(command(&["/bin/sleep", "1000"])).await.unwrap();
    process.signal(Signal::Terminate);
    assert_eq!(process.wait().await, ExitStatus::Signaled(15));
    assert_eq!(process.wait().await, ExitStatus::Signaled(15), "asking again gives the same");
    process.signal(Signal::Kill);
    let mut other = sandbox.spawn(command(&["/bin/sleep", "1000"])).await.unwrap();
    sandbox.destroy().await;
    assert_eq!(other.wait().await, ExitStatus::Signaled(9), "destroyed with the sandbox");
}

async fn orphans(world: World) {
    let sandbox = world.sandbox().await;
    // Each round leaves a child to process 1; unreaped ones would fill the limit of 64 processes.
    let output =
        sh(&sandbox, "i=0; while [ $i -lt 200 ]; do (/bin/true &); i=$((i+1)); done; echo done").await;
    assert_eq!(output.ok(), "done\n");
    let output =
        sh(&sandbox, "i=0; while [ $i -lt 30 ]; do /bin/true & i=$((i+1)); done; wait; echo done").await;
    assert_eq!(output.ok(), "done\n");
}

async fn read_only(world: World) {
    let sandbox = world.sandbox().await;
    for path in
        ["/x", "/usr/x", "/etc/x", "/etc/passwd", "/var/task/hello", "/var/task/x", "/dev/x", "/opt/probe"]
    {
        let output = sh(&sandbox, &format!("echo x >> {path}")).await;
        assert_ne!(output.status, ExitStatus::Exited(0), "{path} can be written");
    }
    assert_eq!(sh(&sandbox, "cat /var/task/hello").await.ok(), "hello from the code\n");
    let output = sh(&sandbox, "echo x > /tmp/x && echo y > /dev/shm/y && cat /tmp/x /dev/shm/y").await;
    assert_eq!(output.ok(), "x\ny\n");
}

async fn reset(world: World) {
    let sandbox = world.sandbox().await;
    sh(&sandbox, "echo kept > /tmp/file").await.ok();
    let mut sleeper = sandbox.spawn(command(&["/bin/sh", "-c", "sleep 1000 & sleep 1000"])).await.unwrap();
    sandbox.reset().await.unwrap();
    assert_eq!(sleeper.wait().await, ExitStatus::Signaled(9));
    let processes =
        sh(&sandbox, "for p in /proc/[0-9]*; do echo ${p#/proc/}; done; cat /tmp/file").await.ok();
    assert_eq!(processes.lines().count(), 2, "only the shell and the file's line: {processes}");
    assert!(processes.ends_with("kept\n"));
}

async fn bad_sources(world: World) {
    let code = world.dir.path().join("code");
    std::os::unix::fs::symlink("/etc", code.join("leads-out")).unwrap();
    for source in ["/etc/shadow", "/", "relative"] {
        refused(&world, Mount::read_only(source.into(), "/x".into()), "allowed").await;
    }
    for below in ["leads-out/shadow", "../work", "missing"] {
        refused(&world, Mount::read_only(code.join(below), "/x".into()), "mount source").await;
    }
}

async fn refused(world: &World, mount: Mount, because: &str) {
    let spec = SandboxSpec { mounts: vec![mount.clone()], ..world.spec() };
    match world.keeper.create(spec).await {
        Err(SandboxError::Create { reason }) => assert!(reason.contains(because), "{reason}"),
        other => panic!("{mount:?} was not refused: {other:?}"),
    }
}

async fn bad_values(world: World) {
    for spec in [
        SandboxSpec { memory_bytes: 0, ..world.spec() },
        SandboxSpec { tmp_bytes: u64::MAX, ..world.spec() },
        SandboxSpec { pids_max: 0, ..world.spec() },
        SandboxSpec { open_files_max: u64::MAX, ..world.spec() },
    ] {
        assert!(matches!(world.keeper.create(spec).await, Err(SandboxError::Create { .. })));
    }
    let code = world.dir.path().join("code");
    let many = vec![Mount::read_only(code.clone(), "/x".into()); 49];
    let result = world.keeper.create(SandboxSpec { mounts: many, ..world.spec() }).await;
    assert!(matches!(result, Err(SandboxError::Create { .. })));
    for target in ["/a/../b", "relative", "/"] {
        refused(&world, Mount::read_only(code.clone(), target.into()), "target").await;
    }
    // An existing place that is read-only and lacks the target.
    refused(&world, Mount::read_only(code, "/usr/no/such/place".into()), "/usr/no").await;
}

async fn file_mount(world: World) {
    let file = world.dir.path().join("code/hello");
    let mut spec = world.spec();
    spec.mounts.push(Mount::read_only(file, "/srv/deep/inside/file".into()));
    spec.tmp_bytes = 16 * MIB;
    let sandbox = world.keeper.create(spec).await.unwrap();
    assert_eq!(sh(&sandbox, "cat /srv/deep/inside/file").await.ok(), "hello from the code\n");
}

async fn forty(world: World) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let world = world.clone();
        tasks.spawn(async move {
            let sandbox = world.sandbox().await;
            assert_eq!(sh(&sandbox, &format!("echo {number}")).await.ok(), format!("{number}\n"));
            let user = probe(&sandbox, "outside-user").await.ok();
            (sandbox, user)
        });
    }
    let all = tasks.join_all().await;
    let users: std::collections::HashSet<_> = all.iter().map(|(_, user)| user.clone()).collect();
    let expected = if world.weak(Weakness::SharedUser) { 1 } else { 40 };
    assert_eq!(users.len(), expected, "each has a host user of its own: {users:?}");
    for (sandbox, _) in all {
        sandbox.destroy().await;
    }
}
