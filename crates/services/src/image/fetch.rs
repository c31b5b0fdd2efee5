//! Fetching an image: resolve the reference, choose the platform, bring and unpack the layers that are not here,
//! and remember the result.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream::{self, TryStreamExt};
use model::arn::Scope;
use model::function::{Architecture, Image};
use model::id::{AccountId, Digest};
use model::port::ImageRoot;

use super::disk::DiskImage;
use super::error::ImageError;
use super::kept::{Kept, KeptImage};
use super::layers::Proof;
use super::pull::Remote;
use super::reference::{Place, Reference, Version, own_scopes};
use super::unpack::Bounds;
use super::{DOWNLOADS_MAX, Inner, LAYERS_MAX};
use crate::layout::UploadId;
use crate::oci::config::{CONFIG_BYTES_MAX, ImageConfig};
use crate::oci::manifest::{Content, Descriptor, MANIFEST_BYTES_MAX, Manifest};
use crate::oci::media_type::{Compression, DOCKER_CONFIG, OCI_CONFIG};
use crate::oci::{digest_of, digest_text};
use crate::registry::catalog::Repository;

/// Indexes within indexes.
const NESTING_MAX: usize = 4;

/// Where content comes from.
enum Source<'i> {
    Own(Arc<Repository>),
    Remote(Remote<'i>),
    Disk(Arc<DiskImage>),
}

impl Source<'_> {
    /// A name for a blob that an account has from here: one account's half of a blob is not another's to finish, nor is
    /// what one source gave to be taken for what another would give.
    fn name_of(&self, account: AccountId, digest: Digest) -> Digest {
        let source = match self {
            Self::Own(repository) => {
                let Scope { account, region } = &repository.scope;
                format!("own {account} {region} {}", repository.name)
            }
            Self::Remote(remote) => remote.name(),
            Self::Disk(image) => format!("disk {}", image.path().display()),
        };
        digest_of(format!("{account} {source} {digest}").as_bytes())
    }
}

impl Inner {
    /// See `model::port::Images::fetch`.
    pub(super) async fn fetch(
        &self,
        scope: &Scope,
        uri: &str,
        architecture: Architecture,
    ) -> Result<Image, ImageError> {
        let _here = self.collecting.read().await;
        let reference = Reference::parse(uri, self.registry.address())?;
        let source = self.source(scope, &reference).await?;
        let (manifest_bytes, manifest) = self.manifest(&source, &reference.version, architecture).await?;
        let digest = digest_of(&manifest_bytes);
        let (config_descriptor, layers) = match &manifest.content {
            Content::Image { config, layers } => (config.clone(), layers.clone()),
            Content::Index { .. } => return Err(ImageError::Unsupported("the index has no end".to_owned())),
        };
        self.check_own(&source, std::iter::once(&config_descriptor).chain(&layers))?;
        let config_bytes = self.config(&source, &config_descriptor).await?;
        let config = ImageConfig::parse(&config_bytes)?;
        check(&config, &layers, architecture)?;
        self.bring_layers(scope.account, &source, &layers, &config).await?;
        let resolved_uri = Reference::pinned(uri, digest);
        let size_bytes = layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.size_bytes));
        let bytes = (manifest_bytes.to_vec(), config_bytes.to_vec());
        let (scope, resolved) = (scope.clone(), resolved_uri.clone());
        let kept = KeptImage { scope, resolved_uri: resolved, manifest, config, bytes };
        self.kept(move |images| images.put(digest, &kept)).await?;
        Ok(Image { uri: uri.to_owned(), resolved_uri, digest, size_bytes })
    }

    /// See `model::port::Images::root`.
    pub(super) async fn root(&self, digest: Digest) -> Result<ImageRoot, ImageError> {
        let kept = self.kept(move |images| images.get(digest)).await?;
        if !self.layers.all_here(&kept.config.diff_ids).await {
            tracing::warn!(image = %kept.resolved_uri, "an unpacked layer is gone; fetching it again");
            let _here = self.collecting.read().await;
            let reference = Reference::parse(&kept.resolved_uri, self.registry.address())?;
            let source = self.source(&kept.scope, &reference).await?;
            let Content::Image { layers, .. } = &kept.manifest.content else {
                return Err(ImageError::Missing);
            };
            self.bring_layers(kept.scope.account, &source, layers, &kept.config).await?;
        }
        let KeptImage { config, .. } = kept;
        Ok(ImageRoot {
            layers: topmost_first(&config.diff_ids)
                .into_iter()
                .map(|layer| self.layers.path(layer))
                .collect(),
            entry_point: config.entry_point,
            command: config.command,
            working_directory: config.working_directory,
            environment: config.environment,
        })
    }

    /// Reads or writes the images that are kept, where it may block.
    async fn kept<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Kept) -> Result<T, ImageError> + Send + 'static,
    ) -> Result<T, ImageError> {
        let kept = Arc::clone(&self.kept);
        tokio::task::spawn_blocking(move || work(&kept)).await.unwrap_or(Err(ImageError::Stopping))
    }

    async fn source(&self, scope: &Scope, reference: &Reference) -> Result<Source<'_>, ImageError> {
        match &reference.place {
            Place::Own { scope: named, repository } => {
                let scopes = own_scopes(named.as_ref(), scope);
                let found = scopes.iter().find_map(|at| self.registry.catalog().find(at, repository));
                found.map(Source::Own).ok_or(ImageError::Missing)
            }
            Place::Remote { host, repository } => {
                Ok(Source::Remote(Remote::new(&self.transport, host, repository.clone())))
            }
            Place::Disk { form, path } => {
                let (form, path, version) = (*form, path.clone(), reference.version.clone());
                let allowed = self.options.allowed_folders.clone();
                let scratch = self.temporary.join(UploadId::random(&*self.entropy).to_string());
                let opening = tokio::task::spawn_blocking(move || {
                    DiskImage::open(form, &path, &version, &allowed, &scratch)
                });
                Ok(Source::Disk(Arc::new(opening.await.unwrap_or(Err(ImageError::Stopping))?)))
            }
        }
    }

    /// The manifest for this architecture, through as many indexes as lead to it.
    async fn manifest(
        &self,
        source: &Source<'_>,
        version: &Version,
        architecture: Architecture,
    ) -> Result<(Bytes, Manifest), ImageError> {
        let (mut bytes, media_type) = self.first_manifest(source, version).await?;
        let mut manifest =
            Manifest::parse(&bytes, Some(&media_type).filter(|text| !text.is_empty()).map(|x| &**x))?;
        for _ in 0..NESTING_MAX {
            let Content::Index { manifests } = &manifest.content else { break };
            let chosen = choose(manifests, architecture)?.clone();
            let digest = chosen.digest()?;
            if matches!(source, Source::Own(repository) if repository.image(digest).is_none()) {
                return Err(ImageError::Missing);
            }
            bytes = self.blob_or_manifest(source, digest, MANIFEST_BYTES_MAX, true).await?;
            manifest = Manifest::parse(&bytes, Some(&chosen.media_type))?;
        }
        Ok((bytes, manifest))
    }

    async fn first_manifest(
        &self,
        source: &Source<'_>,
        version: &Version,
    ) -> Result<(Bytes, String), ImageError> {
        match source {
            Source::Own(repository) => {
                let image = match version {
                    Version::Digest(digest) => repository.image(*digest),
                    Version::Tag(tag) => repository.tagged(tag),
                    Version::Only => None,
                };
                let image = image.ok_or(ImageError::Missing)?;
                Ok((self.registry.manifest_bytes(image.digest).await?, image.media_type))
            }
            Source::Remote(remote) => match version {
                Version::Digest(digest) => remote.manifest(&digest_text(*digest), Some(*digest)).await,
                Version::Tag(tag) => remote.manifest(tag.as_str(), None).await,
                Version::Only => Err(ImageError::Missing),
            },
            Source::Disk(image) => {
                let (bytes, media_type) = image.manifest();
                Ok((bytes.into(), media_type))
            }
        }
    }

    /// Whether a repository of the built-in registry may use the blobs that its manifest names: those of all repositories
    /// lie together, and what a manifest says to be had elsewhere was not looked for when it was pushed.
    fn check_own<'d>(
        &self,
        source: &Source<'_>,
        blobs: impl Iterator<Item = &'d Descriptor>,
    ) -> Result<(), ImageError> {
        let Source::Own(repository) = source else { return Ok(()) };
        let now = self.clock.now();
        for blob in blobs {
            repository.blob(blob.digest()?, now).ok_or(ImageError::Missing)?;
        }
        Ok(())
    }

    async fn config(&self, source: &Source<'_>, descriptor: &Descriptor) -> Result<Bytes, ImageError> {
        if !matches!(descriptor.media_type.as_str(), OCI_CONFIG | DOCKER_CONFIG) {
            let message = format!("the configuration has media type {:?}", descriptor.media_type);
            return Err(ImageError::Unsupported(message));
        }
        self.blob_or_manifest(source, descriptor.digest()?, CONFIG_BYTES_MAX, false).await
    }

    /// Something small, verified against its digest.
    async fn blob_or_manifest(
        &self,
        source: &Source<'_>,
        digest: Digest,
        limit_bytes: usize,
        is_manifest: bool,
    ) -> Result<Bytes, ImageError> {
        match source {
            Source::Own(_) => Ok(self.registry.layout().read(digest, limit_bytes).await?),
            Source::Remote(remote) if is_manifest => {
                Ok(remote.manifest(&digest_text(digest), Some(digest)).await?.0)
            }
            Source::Remote(remote) => remote.blob(digest, limit_bytes).await,
            Source::Disk(image) => {
                let image = Arc::clone(image);
                let reading = tokio::task::spawn_blocking(move || image.read(digest, limit_bytes));
                Ok(reading.await.unwrap_or(Err(ImageError::Stopping))?.into())
            }
        }
    }

    /// Makes all layers local, several at a time, and checks their size together.
    async fn bring_layers(
        &self,
        account: AccountId,
        source: &Source<'_>,
        layers: &[Descriptor],
        config: &ImageConfig,
    ) -> Result<(), ImageError> {
        let total = AtomicU64::new(0);
        let limit_bytes = self.options.image_bytes_max;
        let pairs = layers.iter().zip(&config.diff_ids).map(Ok);
        let brought = stream::iter(pairs).try_for_each_concurrent(DOWNLOADS_MAX, async |(layer, diff_id)| {
            let size = self.bring_layer(account, source, layer, *diff_id).await?;
            let sum = total.fetch_add(size, Ordering::Relaxed).saturating_add(size);
            if sum > limit_bytes { Err(ImageError::TooLarge { limit_bytes }) } else { Ok(()) }
        });
        brought.await
    }

    /// Makes one layer local; returns its unpacked size.
    async fn bring_layer(
        &self,
        account: AccountId,
        source: &Source<'_>,
        layer: &Descriptor,
        diff_id: Digest,
    ) -> Result<u64, ImageError> {
        let _one = self.layers.flights.alone(diff_id).await;
        let digest = layer.digest()?;
        let name = source.name_of(account, digest);
        let proof = Proof(name);
        let here = self.layers.size(diff_id).await;
        if let Some(size) = here
            && self.layers.is_proven(diff_id, &proof).await
        {
            return Ok(size);
        }
        let unsupported =
            || ImageError::Unsupported(format!("a layer has media type {:?}", layer.media_type));
        let compression = Compression::of_layer(&layer.media_type).ok_or_else(unsupported)?;
        let limit_bytes = self.options.image_bytes_max;
        if layer.size_bytes > limit_bytes {
            return Err(ImageError::TooLarge { limit_bytes });
        }
        let bounds = Bounds { bytes_max: limit_bytes, ..Bounds::default() };
        // Held until the file is not needed any more.
        let download = matches!(source, Source::Remote(_)).then_some(name);
        let _only = match download {
            Some(name) => Some(self.downloads_flights.alone(name).await),
            None => None,
        };
        let path = download.map(|name| self.downloads.join(name.to_string()));
        let file = self.blob_file(source, digest, layer.size_bytes, path.as_deref()).await?;
        let size = match here {
            Some(size) => {
                self.layers.prove(file, compression, diff_id, bounds, proof).await?;
                size
            }
            None => self.layers.unpack(file, compression, diff_id, bounds, proof).await?,
        };
        if let Some(path) = path {
            // It can be had again, and would only take space.
            let _ = std::fs::remove_file(path);
        }
        Ok(size)
    }

    async fn blob_file(
        &self,
        source: &Source<'_>,
        digest: Digest,
        size_bytes: u64,
        path: Option<&Path>,
    ) -> Result<File, ImageError> {
        match (source, path) {
            (Source::Own(_), _) => Ok(self.registry.layout().open_blob(digest).await?.0),
            (Source::Remote(remote), Some(path)) => {
                let _permit = self.downloading.acquire().await.map_err(|_| ImageError::Stopping)?;
                remote.download(digest, size_bytes, path).await
            }
            (Source::Remote(_), None) => Err(ImageError::Missing),
            (Source::Disk(image), _) => image.blob(digest),
        }
    }
}

/// Layers from the top, each once: overlayfs refuses to have one twice, and what a layer holds is seen from its
/// topmost place anyway.
fn topmost_first(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut seen = HashSet::new();
    diff_ids.iter().rev().copied().filter(|diff_id| seen.insert(*diff_id)).collect()
}

/// Docker's name of an architecture.
const fn docker_name(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "amd64",
        Architecture::Arm64 => "arm64",
    }
}

fn choose(manifests: &[Descriptor], architecture: Architecture) -> Result<&Descriptor, ImageError> {
    let wanted = docker_name(architecture);
    let fits = |to: &&Descriptor| {
        to.platform.as_ref().is_some_and(|platform| platform.os == "linux" && platform.architecture == wanted)
    };
    // An index of one entry without platform is what some tools write for a single image.
    let only = || manifests.first().filter(|to| manifests.len() == 1 && to.platform.is_none());
    let chosen = manifests.iter().find(fits).or_else(only);
    chosen.ok_or_else(|| ImageError::Unsupported(format!("the image has no variant for linux/{wanted}")))
}

fn check(config: &ImageConfig, layers: &[Descriptor], architecture: Architecture) -> Result<(), ImageError> {
    let wanted = docker_name(architecture);
    let unsupported = |message: String| Err(ImageError::Unsupported(message));
    if !config.os.is_empty() && config.os != "linux" {
        return unsupported(format!("the image is for {}", config.os));
    }
    if !config.architecture.is_empty() && config.architecture != wanted {
        return unsupported(format!(
            "the image is for {}, and the function for {wanted}",
            config.architecture
        ));
    }
    if config.diff_ids.len() != layers.len() {
        return unsupported("manifest and configuration disagree about the number of layers".to_owned());
    }
    if layers.is_empty() || layers.len() > LAYERS_MAX {
        return unsupported(format!(
            "the image has {} layers; 1 to {LAYERS_MAX} are supported",
            layers.len()
        ));
    }
    Ok(())
}
