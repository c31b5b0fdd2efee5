//! Runs the real binary: starts servers on data directories of their own, waits on conditions with deadlines,
//! and proves that nothing is left when a server has gone.
//!
//! Every test has its own server, so tests share nothing and run side by side. A server is stopped when its
//! handle is dropped, also when a test fails.

pub mod http;
pub mod leftovers;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The binary under test.
pub const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
/// The root key of every test server.
pub const KEY_ID: &str = "AKIATESTTESTTESTTEST";
/// Its secret.
pub const SECRET: &str = "a secret that only tests know";
/// Long enough for a loaded machine, short enough to notice a hang.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The folder of the whole repository.
pub fn repository() -> &'static Path {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates.and_then(Path::parent).expect("the crate is two folders deep")
}

/// A running server.
pub struct Server {
    child: Child,
    address: SocketAddr,
    data_dir: PathBuf,
    said: Arc<Said>,
}

/// Everything a server has printed, and a way to wait for more.
#[derive(Default)]
struct Said {
    text: Mutex<String>,
    more: Condvar,
}

impl Said {
    fn watch(self: &Arc<Self>, stream: impl std::io::Read + Send + 'static) {
        let said = Arc::clone(self);
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let mut text = said.text.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&line);
                text.push('\n');
                said.more.notify_all();
            }
        });
    }

    fn wait_for(&self, what: &str, deadline: Duration) -> Option<String> {
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let (text, _) = self
            .more
            .wait_timeout_while(text, deadline, |text| !text.contains(what))
            .unwrap_or_else(PoisonError::into_inner);
        text.contains(what).then(|| text.clone())
    }
}

impl Server {
    /// `dormouse serve` on a data directory, which may be from an earlier server.
    pub fn start(data_dir: &Path) -> Server {
        Self::spawn(data_dir, serve(data_dir))
    }

    /// `dormouse dev` on a folder of code.
    pub fn dev(data_dir: &Path, code: &Path) -> Server {
        let mut command = Command::new(DORMOUSE);
        command.args(["dev", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir).arg(code);
        Self::spawn(data_dir, command)
    }

    /// Starts a server with the command given and waits for its ready line.
    pub fn spawn(data_dir: &Path, mut command: Command) -> Server {
        // A group of its own, so that an interrupted test run does not signal it in passing.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let said = Arc::new(Said::default());
        said.watch(child.stdout.take().expect("piped"));
        said.watch(child.stderr.take().expect("piped"));
        let ready = said.wait_for("dormouse ready on http://", DEADLINE);
        let address = ready.as_deref().and_then(address_in);
        let Some(address) = address else {
            let _ = child.kill();
            let _ = child.wait();
            let text = said.text.lock().unwrap_or_else(PoisonError::into_inner).clone();
            panic!("the server did not become ready; it said:\n{text}");
        };
        Server { child, address, data_dir: data_dir.to_owned(), said }
    }

    /// `http://HOST:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has printed.
    pub fn said(&self) -> String {
        self.said.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has printed something.
    pub fn wait_until_it_says(&self, what: &str) -> String {
        let heard = self.said.wait_for(what, DEADLINE);
        heard.unwrap_or_else(|| panic!("the server never said {what:?}; it said:\n{}", self.said()))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("the server is there");
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> ExitStatus {
        until("the server has ended", || self.child.try_wait().expect("a child of ours"))
    }

    /// Stops it as an operator would.
    pub fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// A command of the binary that talks to this server.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(DORMOUSE);
        command.args(args);
        self.introduce(&mut command);
        command
    }

    /// Runs a command of the binary to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().expect("the binary starts")
    }

    /// Runs a command that must succeed, with `--json`, and gives its answer.
    pub fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Tells a client program where the server is and as whom to call it, and nothing else about AWS.
    pub fn introduce(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("AWS_") || name.starts_with("DORMOUSE_")) {
                command.env_remove(name);
            }
        }
        command
            .env("AWS_ENDPOINT_URL", self.endpoint())
            .env("AWS_ACCESS_KEY_ID", KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        self.signal(Signal::TERM);
        let begun = Instant::now();
        while begun.elapsed() < DEADLINE {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            pause();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `dormouse serve` with the key that tests know.
pub fn serve(data_dir: &Path) -> Command {
    let mut command = Command::new(DORMOUSE);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir);
    command.env("DORMOUSE_ROOT_ACCESS_KEY_ID", KEY_ID).env("DORMOUSE_ROOT_SECRET_ACCESS_KEY", SECRET);
    command
}

fn address_in(text: &str) -> Option<SocketAddr> {
    let rest = text.split_once("dormouse ready on http://")?.1;
    rest.split_whitespace().next()?.parse().ok()
}

/// Waits until something is there.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < DEADLINE, "waited too long until {what}");
        pause();
    }
}

/// Between two looks at a condition.
fn pause() {
    std::thread::park_timeout(Duration::from_millis(5));
}

/// A folder with these files.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    write(dir.path(), files);
    dir
}

/// Writes files into a folder.
pub fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("written");
    }
}

/// The zip of these files.
pub fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let dir = folder(files);
    let settings = cli::package::Settings::default();
    cli::package::pack_folder(dir.path(), &settings, &mut |_, _| ()).expect("packed").zip
}

/// What a finished program printed, for messages.
pub fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr))
}
