//! Small images, made as files: a tar writer that also writes what no honest tool would, and images of such tars
//! in memory or as an OCI layout.
//! Everything here is deterministic, so digests can be compared.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use services::oci::{digest_of, digest_text};

/// A tar with one entry after the other: path, kind, content or link target.
#[derive(Default)]
pub struct Tar(pub Vec<u8>);

impl Tar {
    pub fn entry(mut self, path: &str, kind: u8, mode: u32, link: &str, content: &[u8]) -> Self {
        let mut header = [0_u8; 512];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, path.as_bytes());
        put(100, format!("{mode:07o}\0").as_bytes());
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(124, format!("{:011o}\0", content.len()).as_bytes());
        put(136, b"14000000000\0");
        put(148, b"        ");
        put(156, &[kind]);
        put(157, link.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend(header);
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, path: &str, content: &[u8]) -> Self {
        self.entry(path, b'0', 0o644, "", content)
    }

    pub fn program(self, path: &str, content: &[u8]) -> Self {
        self.entry(path, b'0', 0o755, "", content)
    }

    pub fn folder(self, path: &str) -> Self {
        self.entry(path, b'5', 0o755, "", b"")
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An image in memory: its blobs, and the digest of its manifest.
pub struct TestImage {
    pub blobs: Vec<Vec<u8>>,
    pub manifest: String,
    pub manifest_bytes: Vec<u8>,
}

/// An image for this machine of these layers.
pub fn image(layers: &[Vec<u8>]) -> TestImage {
    let diff_ids: Vec<_> = layers.iter().map(|layer| digest_text(digest_of(layer))).collect();
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = serde_json::json!({
        "architecture": architecture, "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "config": { "Entrypoint": ["/run"], "Cmd": ["x"], "Env": ["A=b"], "WorkingDir": "/var/task" },
    });
    let mut blobs = vec![config.to_string().into_bytes()];
    blobs.extend(layers.iter().map(|layer| gzip(layer)));
    let descriptor = |media_type: &str, blob: &[u8]| serde_json::json!({ "mediaType": media_type, "digest": digest_text(digest_of(blob)), "size": blob.len() });
    let layers: Vec<_> = blobs[1..]
        .iter()
        .map(|blob| descriptor("application/vnd.oci.image.layer.v1.tar+gzip", blob))
        .collect();
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": services::oci::media_type::OCI_MANIFEST,
        "config": descriptor(services::oci::media_type::OCI_CONFIG, &blobs[0]), "layers": layers,
    });
    let manifest_bytes = manifest.to_string().into_bytes();
    TestImage { blobs, manifest: digest_text(digest_of(&manifest_bytes)), manifest_bytes }
}

/// Writes an OCI layout with one small image tagged `v1`.
pub fn write_layout(dir: &Path) -> TestImage {
    let layer = Tar::default().folder("var/").folder("var/task/").program("run", b"#!/bin/sh\n").end();
    let made = image(&[layer]);
    let blobs = dir.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    for blob in made.blobs.iter().chain([&made.manifest_bytes]) {
        fs::write(blobs.join(digest_of(blob).to_string()), blob).unwrap();
    }
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [{
        "mediaType": services::oci::media_type::OCI_MANIFEST, "digest": made.manifest,
        "size": made.manifest_bytes.len(), "annotations": { "org.opencontainers.image.ref.name": "v1" },
    }] });
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    made
}
