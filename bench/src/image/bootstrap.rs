//! The program inside both packages of the image bench: it answers every event with itself, over the Runtime API
//! 2018-06-01, on one connection. Compiled alone, by the bench, as a static program; no part of the bench's crate.
//!
//! It holds no more of HTTP than that API needs: a status line, headers, and bodies with a length.

use std::io::{BufRead, BufReader, Result, Write};
use std::net::TcpStream;

const BASE: &str = "/2018-06-01/runtime/invocation";

fn main() -> Result<()> {
    let address = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(std::io::Error::other)?;
    let mut writer = TcpStream::connect(&address)?;
    writer.set_nodelay(true)?;
    let mut reader = BufReader::new(writer.try_clone()?);
    loop {
        writer.write_all(format!("GET {BASE}/next HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes())?;
        let (id, event) = answer(&mut reader)?;
        let head = format!(
            "POST {BASE}/{id}/response HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n",
            event.len()
        );
        writer.write_all(&[head.as_bytes(), &event].concat())?;
        answer(&mut reader)?;
    }
}

/// The request id, if there is one, and the body.
fn answer(reader: &mut impl BufRead) -> Result<(String, Vec<u8>)> {
    let (mut id, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        match name.to_ascii_lowercase().as_str() {
            "lambda-runtime-aws-request-id" => value.trim().clone_into(&mut id),
            "content-length" => length = value.trim().parse().unwrap_or(0),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((id, body))
}
