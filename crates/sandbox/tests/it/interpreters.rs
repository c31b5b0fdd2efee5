//! The host's interpreters under the system call filter. Each is skipped where it is not installed.
//!
//! Each must come through its whole start, since that is where runtimes make calls that no program of ours makes.

use dormouse_sandbox::SandboxSpec;
use libtest_mimic::Trial;

use crate::world::{MIB, World, add, command, run};

pub fn add_to(trials: &mut Vec<Trial>, world: Option<&World>) {
    add(trials, world, "interpreters::python", python);
    add(trials, world, "interpreters::node", node);
    add(trials, world, "interpreters::java", java);
    add(trials, world, "interpreters::ruby", ruby);
    add(trials, world, "interpreters::perl", perl);
}

/// Runs a program of the host with room for a virtual machine, if it is installed.
async fn check(world: World, argv: &[&str], expected: &str) {
    if !std::path::Path::new(argv[0]).exists() {
        println!("{} is not installed", argv[0]);
        return;
    }
    let spec = SandboxSpec { memory_bytes: 1024 * MIB, pids_max: 1024, ..world.spec() };
    let sandbox = world.keeper.create(spec).await.unwrap();
    assert_eq!(run(&sandbox, command(argv)).await.ok(), expected);
}

async fn python(world: World) {
    let script = "
import asyncio, ctypes, hashlib, json, multiprocessing, os, socket, ssl, subprocess, tempfile, threading, urllib.request
results = []
thread = threading.Thread(target=lambda: results.append('thread')); thread.start(); thread.join()
results.append(subprocess.run(['echo', 'child'], capture_output=True, text=True).stdout.strip())
with multiprocessing.Pool(2) as pool: results.append(sum(pool.map(abs, [-1, -2])))
asyncio.run(asyncio.sleep(0.001))
with tempfile.NamedTemporaryFile() as file: file.write(b'x')
ssl.create_default_context()
a, b = socket.socketpair(); a.send(b'x'); results.append(b.recv(1).decode())
print(json.dumps(results))
";
    check(world, &["/usr/bin/python3", "-c", script], "[\"thread\", \"child\", 3, \"x\"]\n").await;
}

async fn node(world: World) {
    let script = "
const { Worker } = require('worker_threads');
const { execFileSync } = require('child_process');
const fs = require('fs'), crypto = require('crypto'), zlib = require('zlib'), os = require('os');
fs.writeFileSync('/tmp/f', 'x'); fs.copyFileSync('/tmp/f', '/tmp/g'); fs.watch('/tmp').close();
os.networkInterfaces(); os.cpus(); process.resourceUsage();
const child = execFileSync('/bin/echo', ['child']).toString().trim();
const worker = new Worker(\"require('worker_threads').parentPort.postMessage('worker')\", { eval: true });
worker.on('message', message => setTimeout(() =>
  crypto.pbkdf2('a', 'b', 1000, 8, 'sha256', (error, key) =>
    zlib.gzip('x', () => console.log(child, message, key.length))), 1));
";
    check(world, &["/usr/bin/node", "-e", script], "child worker 8\n").await;
}

async fn java(world: World) {
    let source = world.dir.path().join("code/Main.java");
    let program = "public class Main { public static void main(String[] a) throws Exception {
        Thread t = new Thread(() -> System.out.print(\"thread \")); t.start(); t.join();
        new ProcessBuilder(\"/bin/echo\", \"child\").inheritIO().start().waitFor();
        System.out.println(Runtime.getRuntime().availableProcessors() > 0); } }";
    std::fs::write(source, program).unwrap();
    // A JVM without its compiler cannot run a source file; its version still says that it starts.
    let compiler = std::path::Path::new("/usr/bin/javac").exists();
    if compiler {
        check(world, &["/usr/bin/java", "-Xmx256m", "/var/task/Main.java"], "thread child\ntrue\n").await;
    } else {
        check(world, &["/usr/bin/java", "-Xmx256m", "-version"], "").await;
    }
}

async fn ruby(world: World) {
    let script = "print Thread.new { 'thread ' }.value; puts `echo child`";
    check(world, &["/usr/bin/ruby", "-e", script], "thread child\n").await;
}

async fn perl(world: World) {
    check(
        world,
        &["/usr/bin/perl", "-e", "print `echo child`, fork ? (wait, 'parent')[1] : exit"],
        "child\nparent",
    )
    .await;
}
