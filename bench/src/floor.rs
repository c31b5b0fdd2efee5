//! The floors: what remains when everything that can be left out is left out.
//!
//! For a warm call that is a client, one HTTP hop in Rust that parses and forwards, and a bare interpreter that
//! decodes and encodes JSON: no sandbox, no signature, no API, no metering. For a cold start it is the interpreter
//! itself, started and ended.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

/// A bare interpreter behind one HTTP hop.
pub struct EchoFloor {
    worker: Child,
    /// Where the hop listens.
    pub address: SocketAddr,
}

/// Reads a length and that many bytes, decodes and encodes them as JSON, writes the same way back.
const PYTHON_WORKER: &str = r"
import json, socket, struct, sys
link = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
while True:
    head = link.recv(4)
    if not head:
        break
    size, = struct.unpack('<I', head)
    body = b''
    while len(body) < size:
        body += link.recv(size - len(body))
    answer = json.dumps(json.loads(body)).encode()
    link.sendall(struct.pack('<I', len(answer)) + answer)
";

impl EchoFloor {
    /// Starts a bare Python worker and the hop in front of it.
    pub fn python(interpreter: &str) -> anyhow::Result<Self> {
        let inner = TcpListener::bind("127.0.0.1:0")?;
        let port = inner.local_addr()?.port().to_string();
        let worker = Command::new(interpreter)
            .args(["-I", "-c", PYTHON_WORKER, &port])
            .env_clear()
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("start {interpreter}"))?;
        let (link, _) = inner.accept()?;
        link.set_nodelay(true)?;
        let outer = TcpListener::bind("127.0.0.1:0")?;
        let address = outer.local_addr()?;
        std::thread::spawn(move || hop(&outer, link));
        Ok(Self { worker, address })
    }
}

impl Drop for EchoFloor {
    fn drop(&mut self) {
        let _ = self.worker.kill();
        let _ = self.worker.wait();
    }
}

/// Serves one client: parse the head, forward the body, answer.
fn hop(outer: &TcpListener, mut link: TcpStream) -> Option<()> {
    let (mut client, _) = outer.accept().ok()?;
    client.set_nodelay(true).ok()?;
    let mut buffer = Vec::new();
    let mut chunk = [0; 64 * 1024];
    loop {
        let body = loop {
            if let Some(body) = complete_body(&buffer) {
                break body;
            }
            let count = client.read(&mut chunk).ok().filter(|count| *count > 0)?;
            buffer.extend_from_slice(&chunk[..count]);
        };
        let size = u32::try_from(body.len()).ok()?;
        link.write_all(&[&size.to_le_bytes(), body.as_slice()].concat()).ok()?;
        buffer.clear();
        let mut head = [0; 4];
        link.read_exact(&mut head).ok()?;
        let mut answer = vec![0; u32::from_le_bytes(head) as usize];
        link.read_exact(&mut answer).ok()?;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len());
        client.write_all(&[head.as_bytes(), &answer].concat()).ok()?;
    }
}

fn complete_body(buffer: &[u8]) -> Option<Vec<u8>> {
    let head_end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&buffer[..head_end]).ok()?;
    let length: usize = crate::client::header(head, "content-length")?.parse().ok()?;
    buffer.get(head_end..head_end + length).map(<[u8]>::to_vec)
}

/// How long a bare interpreter takes to start, do nothing and end.
pub fn bare_start(command: &[&str]) -> anyhow::Result<Duration> {
    let (program, arguments) = command.split_first().context("a program")?;
    let began = Instant::now();
    let status =
        Command::new(program).args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).status();
    status.with_context(|| format!("start {program}"))?;
    Ok(began.elapsed())
}
