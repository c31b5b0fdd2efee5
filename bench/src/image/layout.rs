//! An OCI layout with one image, written as it is made up: plain tar layers, their digests, configuration, manifest
//! and index. Only what a bench needs of each format.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const BLOCK: usize = 512;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A layout that is being written.
pub struct Layout {
    blobs: PathBuf,
    folder: PathBuf,
    layers: Vec<Value>,
}

/// A layer that is being written: a tar, and the digest of what was written of it.
struct Layer {
    file: BufWriter<File>,
    digest: Sha256,
    size: usize,
}

impl Layout {
    /// An empty one.
    pub fn create(folder: &Path) -> anyhow::Result<Self> {
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs)?;
        Ok(Self { blobs, folder: folder.to_owned(), layers: Vec::new() })
    }

    /// Adds a layer with a folder of random files.
    pub fn random_layer(&mut self, name: &str, files: usize, file_bytes: usize) -> anyhow::Result<()> {
        let mut random = File::open("/dev/urandom").context("open /dev/urandom")?;
        let mut content = vec![0; file_bytes];
        let mut layer = self.layer()?;
        for number in 0..files {
            random.read_exact(&mut content)?;
            layer.add(&format!("{name}/{number}"), 0o644, &content)?;
        }
        self.seal(layer)
    }

    /// Adds a layer with one program.
    pub fn program_layer(&mut self, name: &str, content: &[u8]) -> anyhow::Result<()> {
        let mut layer = self.layer()?;
        layer.add(name, 0o755, content)?;
        self.seal(layer)
    }

    /// Writes all that describes the layers.
    pub fn finish(self, entry_point: &str, tag: &str) -> anyhow::Result<()> {
        let diff_ids: Vec<_> = self.layers.iter().map(|layer| layer["digest"].clone()).collect();
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let config = self.blob(
            CONFIG,
            &json!({
                "architecture": architecture,
                "os": "linux",
                "config": { "Entrypoint": [entry_point] },
                "rootfs": { "type": "layers", "diff_ids": diff_ids },
            }),
        )?;
        let mut manifest = self.blob(
            MANIFEST,
            &json!({
                "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": self.layers,
            }),
        )?;
        manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
        fs::write(self.folder.join("index.json"), index.to_string())?;
        fs::write(self.folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
        Ok(())
    }

    fn layer(&self) -> anyhow::Result<Layer> {
        let file = File::create(self.blobs.join("partial")).context("create a layer")?;
        Ok(Layer { file: BufWriter::new(file), digest: Sha256::new(), size: 0 })
    }

    fn seal(&mut self, mut layer: Layer) -> anyhow::Result<()> {
        layer.write(&[0; 2 * BLOCK])?;
        layer.file.flush()?;
        let digest = hex(layer.digest);
        fs::rename(self.blobs.join("partial"), self.blobs.join(&digest))?;
        self.layers.push(descriptor(LAYER, &digest, layer.size));
        Ok(())
    }

    fn blob(&self, media_type: &str, content: &Value) -> anyhow::Result<Value> {
        let bytes = content.to_string().into_bytes();
        let digest = hex(Sha256::new_with_prefix(&bytes));
        fs::write(self.blobs.join(&digest), &bytes)?;
        Ok(descriptor(media_type, &digest, bytes.len()))
    }
}

impl Layer {
    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.digest.update(bytes);
        self.size += bytes.len();
        Ok(self.file.write_all(bytes)?)
    }

    /// A file of root's: its header, its content, and zeros up to the next block.
    fn add(&mut self, path: &str, mode: u32, content: &[u8]) -> anyhow::Result<()> {
        let mut header = [0; BLOCK];
        let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, path);
        put(100, &format!("{mode:07o}"));
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{:011o}", content.len()));
        put(136, "00000000000");
        // Counted as spaces where the sum is made.
        put(148, "        ");
        put(156, "0");
        put(257, "ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.write(&header)?;
        self.write(content)?;
        self.write(&[0; BLOCK][..content.len().next_multiple_of(BLOCK) - content.len()])
    }
}

fn descriptor(media_type: &str, digest: &str, size: usize) -> Value {
    json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size })
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
