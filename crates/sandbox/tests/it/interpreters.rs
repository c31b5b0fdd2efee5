//! The host's interpreters and compilers under the system call filter. Where one is missing, the test says which
//! package to install and checks nothing.
//!
//! Each must come through its whole start, threads and garbage collection, since that is where runtimes make calls
//! that no program of ours makes.

use std::path::PathBuf;

use dormouse_sandbox::{Mount, SandboxSpec};
use libtest_mimic::Trial;

use crate::world::{MIB, World, add, command, run};

pub fn add_to(trials: &mut Vec<Trial>, world: Option<&World>) {
    add(trials, world, "interpreters::python", python);
    add(trials, world, "interpreters::node", node);
    add(trials, world, "interpreters::java", java);
    add(trials, world, "interpreters::ruby", ruby);
    add(trials, world, "interpreters::go", go);
    add(trials, world, "interpreters::mono", mono);
    add(trials, world, "interpreters::dotnet", dotnet);
    add(trials, world, "interpreters::perl", perl);
}

/// Whether a program of the host is there; if not, says how to get it.
fn is_installed(program: &str, package: &str) -> bool {
    let installed = std::path::Path::new(program).exists();
    if !installed {
        println!("not checked, because {program} is missing: apt-get install {package}");
    }
    installed
}

/// Runs a program with room for a virtual machine.
async fn check(world: World, argv: &[&str], expected: &str) {
    let spec = SandboxSpec { memory_bytes: 1024 * MIB, pids_max: 1024, ..world.spec() };
    let sandbox = world.keeper.create(spec).await.unwrap();
    assert_eq!(run(&sandbox, command(argv)).await.ok(), expected);
}

/// Writes a source file where the sandbox will see it, and runs a compiler of the host on it.
fn compile(world: &World, file: &str, source: &str, compiler: &[&str]) {
    let code = world.dir.path().join("code");
    std::fs::write(code.join(file), source).unwrap();
    let mut command = std::process::Command::new(compiler[0]);
    // A compiler's cache belongs to nobody's home directory.
    let command =
        command.args(&compiler[1..]).current_dir(&code).env("GOCACHE", world.dir.path().join("cache"));
    let output = tokio::task::block_in_place(|| command.output()).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn python(world: World) {
    if !is_installed("/usr/bin/python3", "python3") {
        return;
    }
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
    if !is_installed("/usr/bin/node", "nodejs") {
        return;
    }
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
    if !is_installed("/usr/bin/java", "default-jdk-headless") {
        return;
    }
    let source = world.dir.path().join("code/Main.java");
    let program = "public class Main { public static void main(String[] a) throws Exception {
        Thread t = new Thread(() -> System.out.print(\"thread \")); t.start(); t.join();
        var pool = java.util.concurrent.Executors.newFixedThreadPool(8);
        for (int i = 0; i < 64; i++) pool.submit(() -> new byte[1 << 20]);
        pool.shutdown(); pool.awaitTermination(60, java.util.concurrent.TimeUnit.SECONDS); System.gc();
        new ProcessBuilder(\"/bin/echo\", \"child\").inheritIO().start().waitFor();
        try (var s = new java.net.ServerSocket(0, 1, java.net.InetAddress.getLoopbackAddress());
             var c = new java.net.Socket(s.getInetAddress(), s.getLocalPort())) { c.getOutputStream().write(1);
             System.out.print(s.accept().getInputStream().read() + \" \"); }
        System.out.println(Runtime.getRuntime().availableProcessors() > 0); } }";
    std::fs::write(source, program).unwrap();
    for collector in ["-XX:+UseSerialGC", "-XX:+UseG1GC", "-XX:+UseParallelGC"] {
        // A JVM without its compiler cannot run a source file; its version still says that it starts.
        if std::path::Path::new("/usr/bin/javac").exists() {
            let argv = ["/usr/bin/java", "-Xmx256m", collector, "/var/task/Main.java"];
            check(world.clone(), &argv, "thread child\n1 true\n").await;
        } else {
            check(world.clone(), &["/usr/bin/java", "-Xmx256m", collector, "-version"], "").await;
        }
    }
}

async fn ruby(world: World) {
    if !is_installed("/usr/bin/ruby", "ruby") {
        return;
    }
    let script = "
require 'json'; require 'net/http'; require 'openssl'; require 'securerandom'; require 'socket'; require 'tempfile'
results = (1..8).map { |n| Thread.new { Array.new(100_000) { 'x' * n }.size } }.sum(&:value)
GC.start; GC.compact if GC.respond_to?(:compact)
server = TCPServer.new('127.0.0.1', 0)
reader = Thread.new { TCPSocket.new('127.0.0.1', server.addr[1]).read }
server.accept.tap { |s| s.write('socket'); s.close }
Tempfile.create { |f| f.write(SecureRandom.hex); f.flush }
child = fork { exit!(7) }; Process.wait(child)
puts JSON.generate([results, reader.value, `echo child`.strip, $?.exitstatus, Process.clock_gettime(Process::CLOCK_MONOTONIC) > 0])
";
    check(world, &["/usr/bin/ruby", "-e", script], "[800000,\"socket\",\"child\",0,true]\n").await;
}

async fn go(world: World) {
    if !is_installed("/usr/bin/go", "golang-go") {
        return;
    }
    let source = r#"package main
import ("fmt"; "net"; "os"; "os/exec"; "runtime"; "sync"; "io"; "time")
func main() {
    var group sync.WaitGroup; total := make(chan int, 64)
    for i := 0; i < 64; i++ { group.Add(1); go func() { defer group.Done()
        kept := 0; for j := 0; j < 100; j++ { kept += len(make([]byte, 1<<16)) }; total <- kept }() }
    group.Wait(); runtime.GC(); sum := 0; for i := 0; i < 64; i++ { sum += <-total }
    listener, err := net.Listen("tcp", "127.0.0.1:0"); if err != nil { panic(err) }
    go func() { c, _ := listener.Accept(); fmt.Fprint(c, "socket"); c.Close() }()
    c, err := net.Dial("tcp", listener.Addr().String()); if err != nil { panic(err) }
    said, _ := io.ReadAll(c)
    child, err := exec.Command("/bin/echo", "child").Output(); if err != nil { panic(err) }
    if err := os.WriteFile("/tmp/x", child, 0o600); err != nil { panic(err) }
    <-time.After(time.Millisecond)
    fmt.Printf("%d %s %s", sum, said, child) }"#;
    compile(&world, "program.go", source, &["/usr/bin/go", "build", "-o", "program-go", "program.go"]);
    check(world, &["/var/task/program-go"], "419430400 socket child\n").await;
}

const CSHARP: &str = r#"using System; using System.Threading; using System.Threading.Tasks;
class Program { static void Main() {
    var tasks = new Task<int>[16];
    for (int i = 0; i < 16; i++) tasks[i] = Task.Run(() => { int n = 0; for (int j = 0; j < 100; j++) n += new byte[65536].Length; return n; });
    Task.WaitAll(tasks); GC.Collect(); int sum = 0; foreach (var t in tasks) sum += t.Result;
    var thread = new Thread(() => Console.Write("thread ")); thread.Start(); thread.Join();
    var child = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("/bin/echo", "child") { RedirectStandardOutput = true, UseShellExecute = false });
    var said = child.StandardOutput.ReadToEnd().Trim(); child.WaitForExit();
    System.IO.File.WriteAllText("/tmp/x", "y"); Console.WriteLine(said + " " + sum); } }"#;

async fn mono(world: World) {
    if !is_installed("/usr/bin/mono", "mono-runtime") || !is_installed("/usr/bin/mcs", "mono-mcs") {
        return;
    }
    compile(&world, "mono.cs", CSHARP, &["/usr/bin/mcs", "-out:mono.exe", "mono.cs"]);
    check(world, &["/usr/bin/mono", "/var/task/mono.exe"], "thread child 104857600\n").await;
}

/// A .NET runtime: no distribution has it in one place.
pub fn dotnet_root() -> Option<PathBuf> {
    let named = std::env::var_os("DOTNET_ROOT").map(PathBuf::from);
    let usual = ["/usr/share/dotnet", "/usr/lib/dotnet"].map(PathBuf::from);
    named.into_iter().chain(usual).find(|root| root.join("dotnet").exists())
}

async fn dotnet(world: World) {
    let Some(root) = dotnet_root() else {
        println!("not checked, because no .NET runtime is found: name its directory in DOTNET_ROOT");
        return;
    };
    if !is_installed("/usr/bin/mcs", "mono-mcs") {
        return;
    }
    compile(&world, "dotnet.cs", CSHARP, &["/usr/bin/mcs", "-out:dotnet.dll", "dotnet.cs"]);
    let settings = r#"{"runtimeOptions": {"framework": {"name": "Microsoft.NETCore.App", "version": "8.0.0"},
        "rollForward": "LatestMajor", "configProperties": {"System.Globalization.Invariant": true}}}"#;
    std::fs::write(world.dir.path().join("code/dotnet.runtimeconfig.json"), settings).unwrap();
    let mut spec = SandboxSpec { memory_bytes: 1024 * MIB, pids_max: 1024, ..world.spec() };
    spec.mounts.push(Mount::read_only(root, "/opt/dotnet".into()));
    let sandbox = world.keeper.create(spec).await.unwrap();
    for server_collector in ["0", "1"] {
        let mut command = command(&["/opt/dotnet/dotnet", "/var/task/dotnet.dll"]);
        command.env.push(("DOTNET_gcServer".into(), server_collector.into()));
        assert_eq!(run(&sandbox, command).await.ok(), "thread child 104857600\n");
    }
}

async fn perl(world: World) {
    if !is_installed("/usr/bin/perl", "perl") {
        return;
    }
    check(
        world,
        &["/usr/bin/perl", "-e", "print `echo child`, fork ? (wait, 'parent')[1] : exit"],
        "child\nparent",
    )
    .await;
}
