//! A server under measurement: the real binary on a temporary data directory, stopped when dropped, and the
//! functions that are put on it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::client::{Client, KEY_ID, SECRET};

/// A running server.
pub struct Server {
    process: Child,
    /// Where it serves.
    pub address: SocketAddr,
    /// Removed with it, unless it came from elsewhere.
    data: Option<tempfile::TempDir>,
}

/// A function to be measured.
pub struct Function<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its runtime.
    pub runtime: &'a str,
    /// File name and source.
    pub file: (&'a str, &'a str),
    /// Its handler.
    pub handler: &'a str,
    /// Its memory in MB.
    pub memory_mb: u32,
    /// Its timeout in seconds.
    pub timeout_s: u32,
    /// The tag `dormouse:idle-seconds`.
    pub idle_s: u32,
    /// The tag `dormouse:freeze`.
    pub freeze: bool,
}

impl Server {
    /// Starts the binary and waits until it is ready.
    pub fn start(binary: &Path) -> anyhow::Result<Self> {
        Self::start_with(binary, &[])
    }

    /// The same with further flags.
    pub fn start_with(binary: &Path, flags: &[&OsStr]) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let mut server = Self::run(binary, &data.path().join("data"), flags)?;
        server.data = Some(data);
        Ok(server)
    }

    /// Starts the binary on a data directory that outlives it.
    pub fn start_in(binary: &Path, data: &Path) -> anyhow::Result<Self> {
        Self::run(binary, data, &[])
    }

    fn run(binary: &Path, data: &Path, flags: &[&OsStr]) -> anyhow::Result<Self> {
        // What it can do is measured, not what it lets one account do.
        let mut process = Command::new(binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--control-rate", "0", "--data-dir"])
            .arg(data)
            .args(flags)
            .env("DORMOUSE_ROOT_ACCESS_KEY_ID", KEY_ID)
            .env("DORMOUSE_ROOT_SECRET_ACCESS_KEY", SECRET)
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}; build it with cargo build --release", binary.display()))?;
        let stderr = process.stderr.take().context("its standard error")?;
        let mut lines = BufReader::new(stderr).lines();
        let address = loop {
            let line = lines.next().context("the server ended before it was ready")??;
            if let Some(url) = line.trim().strip_prefix("dormouse ready on http://") {
                break url.parse()?;
            }
        };
        // Read on, so that the server never blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { process, address, data: None })
    }

    /// A connection to it.
    pub fn client(&self) -> anyhow::Result<Client> {
        Client::connect(self.address)
    }

    /// Processor time that the server process has used so far, in the kernel's steps of 10 ms; the keeper's is not in it.
    pub fn processor_time(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // The program's name, in brackets, may hold anything. The 14th and 15th field are user and system time.
        let (_, fields) = stat.rsplit_once(')').context("a program's name")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        let ticks: u64 = ticks.sum::<Result<_, _>>()?;
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Its memory in millions of bytes.
    pub fn memory_mb(&self) -> anyhow::Result<f64> {
        Ok(f64::from(u32::try_from(self.memory_bytes()? / 1_000)?) / 1_000.0)
    }

    /// Its memory in bytes: the resident set of the server process.
    pub fn memory_bytes(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    /// Creates a function and waits until it is active.
    pub fn create(&self, function: &Function<'_>) -> anyhow::Result<()> {
        let mut client = self.client()?;
        let (file, source) = function.file;
        let body = serde_json::json!({
            "FunctionName": function.name,
            "Runtime": function.runtime,
            "Handler": function.handler,
            "Role": "arn:aws:iam::000000000000:role/bench",
            "MemorySize": function.memory_mb,
            "Timeout": function.timeout_s,
            "Code": { "ZipFile": STANDARD.encode(zip_of(file, source.as_bytes(), 0o644)?) },
            "Tags": {
                "dormouse:idle-seconds": function.idle_s.to_string(),
                "dormouse:freeze": function.freeze.to_string(),
            },
        });
        client.call("POST", "/2015-03-31/functions", body.to_string().as_bytes())?;
        self.await_active(function.name, Duration::from_secs(10))
    }

    /// Waits until a function can be invoked.
    pub fn await_active(&self, name: &str, patience: Duration) -> anyhow::Result<()> {
        let mut client = self.client()?;
        let deadline = Instant::now() + patience;
        let path = format!("/2015-03-31/functions/{name}/configuration");
        while Instant::now() < deadline {
            let answer = client.call("GET", &path, b"")?;
            let value: serde_json::Value = serde_json::from_slice(&answer.body)?;
            match value["State"].as_str() {
                Some("Active") => return Ok(()),
                Some("Failed") => bail!("{name} failed: {}", value["StateReason"]),
                _ => {}
            }
        }
        bail!("{name} did not become active")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

/// The path that invokes a function.
pub fn invoke_path(name: &str) -> String {
    format!("/2015-03-31/functions/{name}/invocations")
}

/// A zip of one file.
pub fn zip_of(name: &str, content: &[u8], mode: u32) -> anyhow::Result<Vec<u8>> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file(name, zip::write::SimpleFileOptions::default().unix_permissions(mode))?;
    writer.write_all(content)?;
    Ok(writer.finish()?.into_inner())
}
