//! Real sandboxes on this machine, from the server's side of the API.
//!
//! The keeper has to be forked before any thread exists, so this binary has its own `main` instead of the
//! standard harness. Every test uses the one keeper unless it is about keepers themselves; those run the
//! binary again with `SANDBOX_TESTS_ROLE` set. `SANDBOX_TESTS=core` leaves out what needs an interpreter,
//! for machines that have nothing but a shell.
fn main() {
    let dir = tempfile::tempdir().unwrap();
    let work_dir = dir.path().join("work");
    let source = dir.path().join("code");
    std::fs::create_dir_all(&source).unwrap();
    std::fs::write(source.join("hello"), "hi").unwrap();
    let t = std::time::Instant::now();
    let link = dormouse_sandbox::fork_keeper(dormouse_sandbox::KeeperConfig {
        instance: format!("test-{}", std::process::id()), work_dir, allowed_sources: vec![source.clone()],
        listeners: vec!["127.0.0.1:9001".parse().unwrap()], uid_base: dormouse_sandbox::UID_BASE_DEFAULT, blanks: 4, sandboxes_max: 100, inside_uid: 993, inside_gid: 990 }).unwrap();
    println!("weak {:?} {:?}", link.weaknesses(), t.elapsed());
    let rt = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    rt.block_on(async {
        let keeper = dormouse_sandbox::Keeper::connect(link).unwrap();
        for i in 0..20 {
        let t = std::time::Instant::now();
        let sb = keeper.create(dormouse_sandbox::SandboxSpec { mounts: vec![dormouse_sandbox::Bind{source: source.clone(), target: "/var/task".into()}], memory_bytes: 128<<20, tmp_bytes: 512<<20, pids_max: 100, open_files_max: 1024 }).await;
        let created = t.elapsed();
        let sb = match sb { Ok(s) => s, Err(e) => { println!("ERR {e}"); return } };
        let mut p = sb.spawn(dormouse_sandbox::Command { argv: vec!["/bin/sh".into(), "-c".into(), std::env::args().nth(1).unwrap_or("true".into()).into()], env: vec![], cwd: "/tmp".into() }).await.unwrap();
        let spawned = t.elapsed();
        let s = p.wait().await;
        println!("{i} {s:?} {created:?} {spawned:?} {:?}", t.elapsed());
        if i == 0 {
        let mut out = String::new(); use std::io::Read;
        let _ = std::fs::File::from(p.stdout).read_to_string(&mut out); println!("{out}");
        let mut out = String::new();
        let _ = std::fs::File::from(p.stderr).read_to_string(&mut out); println!("{out}");
        }
        sb.destroy().await;
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        }
        let t = std::time::Instant::now();
        keeper.shutdown().await;
        println!("shutdown {:?}", t.elapsed());
    });
}
