//! Cold starts of a large image that is local, unpacked and in the page cache, against a zip with the same program,
//! in turns. Claim: at most 20 ms above the zip.
//!
//! The image is written here, as an OCI layout: layers of random files, and one with a small static program that
//! speaks the Runtime API and nothing else, so that what is measured is the sandbox and its mounts.

mod layout;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::claim::Claims;
use crate::client::{header, prepare};
use crate::server::{Server, invoke_path, zip_of};
use crate::stats::Timings;
use layout::Layout;

const STARTS: usize = 30;
const LAYERS: usize = 10;
const FILES_PER_LAYER: usize = 100;
const FILE_BYTES: usize = 1024 * 1024;
/// Between two starts, so that the keeper can make the next sandbox ahead as it would between real events.
const PAUSE: Duration = Duration::from_millis(60);
/// For bringing and unpacking the image.
const PATIENCE: Duration = Duration::from_secs(300);
/// The program in both packages, compiled by itself because it must be static.
const BOOTSTRAP: &str = include_str!("image/bootstrap.rs");

/// Prints both medians and their difference.
pub fn measure(binary: &Path, claims: &mut Claims) -> anyhow::Result<()> {
    println!(
        "image: cold start of a local image of {LAYERS} layers of 100 MB, against a zip with the same program"
    );
    let folder = tempfile::tempdir()?;
    // The server reads it as a user of its own.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let program = fs::read(compile(folder.path())?).context("read the program")?;
    let layout = write(&folder.path().join("layout"), &program)?;

    let server = Server::start_with(binary, &["--image-path".as_ref(), folder.path().as_os_str()])?;
    let zipped = STANDARD.encode(zip_of("bootstrap", &program, 0o755)?);
    let code = json!({ "ZipFile": zipped });
    let of_zip = json!({ "Runtime": "provided.al2023", "Handler": "any", "Code": code });
    create(&server, "of-zip", of_zip)?;
    let uri = format!("oci:{}:v1", layout.display());
    create(&server, "of-image", json!({ "PackageType": "Image", "Code": { "ImageUri": uri } }))?;

    let (mut zip, mut image) = (Timings::default(), Timings::default());
    for round in 0..=STARTS {
        let (zip_took, image_took) = (cold(&server, "of-zip")?, cold(&server, "of-image")?);
        if round > 0 {
            zip.add(zip_took);
            image.add(image_took);
        }
    }
    println!("{}\n{}", image.line("image of 1 GB"), zip.line("zip, same program"));
    claims.at_most("difference of medians in ms", image.p50_ms() - zip.p50_ms(), 20.0);
    println!();
    Ok(())
}

fn compile(folder: &Path) -> anyhow::Result<PathBuf> {
    let (source, program) = (folder.join("bootstrap.rs"), folder.join("bootstrap"));
    fs::write(&source, BOOTSTRAP)?;
    let options =
        ["--edition", "2024", "-C", "opt-level=s", "-C", "strip=symbols", "-C", "target-feature=+crt-static"];
    let status = Command::new("rustc").args(options).arg("-o").args([&program, &source]).status();
    ensure!(status.context("start rustc")?.success(), "rustc could not compile the program");
    Ok(program)
}

/// Writes the image into a folder; gives the folder.
fn write(folder: &Path, program: &[u8]) -> anyhow::Result<PathBuf> {
    let mut layout = Layout::create(folder)?;
    for layer in 0..LAYERS {
        layout.random_layer(&format!("data-{layer}"), FILES_PER_LAYER, FILE_BYTES)?;
    }
    layout.program_layer("bootstrap", program)?;
    layout.finish("/bootstrap", "v1")?;
    Ok(folder.to_owned())
}

fn create(server: &Server, name: &str, what: Value) -> anyhow::Result<()> {
    let mut body = json!({
        "FunctionName": name,
        "Role": "arn:aws:iam::000000000000:role/bench",
        "MemorySize": 1_769,
        "Tags": { "dormouse:idle-seconds": "0" },
    });
    if let (Value::Object(body), Value::Object(what)) = (&mut body, what) {
        body.extend(what);
    }
    server.client()?.call("POST", "/2015-03-31/functions", body.to_string().as_bytes())?;
    server.await_active(name, PATIENCE)
}

/// One start from nothing to the answer.
#[expect(clippy::disallowed_methods, reason = "real time must pass between two cold starts")]
fn cold(server: &Server, name: &str) -> anyhow::Result<Duration> {
    std::thread::sleep(PAUSE);
    let mut client = server.client()?;
    let request = prepare("POST", &invoke_path(name), b"{}")?;
    let began = Instant::now();
    let answer = client.send(&request)?;
    let took = began.elapsed();
    ensure!(answer.status == 200, "{name}: status {}", answer.status);
    ensure!(answer.body == b"{}", "{name}: {}", String::from_utf8_lossy(&answer.body));
    ensure!(header(&answer.head, "x-dormouse-start") == Some("cold"), "not cold: {}", answer.head);
    Ok(took)
}
