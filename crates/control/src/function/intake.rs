//! New code of a function on its way in: read, checked, measured together with its layers, and stored; or, if it is a
//! container image, fetched. Nothing is stored that was not found to be right, and nothing at all in a dry run.

use model::arn::Scope;
use model::error::ServiceError;
use model::function::{Architecture, Code, Layer, Start};
use model::limits;

use super::images::Fetched;
use super::surroundings::Surroundings;
use super::{Functions, Source, ZipSource};
use crate::package::{Checked, Kept};

/// Code that has arrived. Held until the function refers to it, so that it is not collected before.
pub(super) enum Arrived {
    /// Stored.
    Zip(Kept),
    /// Checked and thrown away.
    Tried(Checked),
    /// Fetched, or on its way.
    Image(Fetched),
}

impl Arrived {
    /// What the function refers to from now on.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Zip(kept) => Code::Zip(kept.zip),
            Self::Tried(checked) => Code::Zip(checked.zip),
            Self::Image(fetched) => Code::Image(fetched.image.clone()),
        }
    }
}

/// What new code has to fit.
pub(super) struct Fit<'a> {
    /// Whose it is.
    pub(super) scope: &'a Scope,
    /// The instruction set.
    pub(super) architecture: Architecture,
    /// The layers that it runs with.
    pub(super) layers: &'a [Layer],
    /// Stored bytes that it replaces.
    pub(super) replaced_bytes: u64,
    /// How many snapshots keep it from now on.
    pub(super) copies: u64,
    /// Whether it is only to be checked.
    pub(super) dry_run: bool,
}

impl Functions {
    /// Takes new code in.
    ///
    /// # Errors
    /// `InvalidParameterValue` for what is no package or no image, or is too large with its layers;
    /// `RequestTooLarge`; `CodeStorageExceeded`.
    pub(super) async fn take_in(&self, source: Source, fit: Fit<'_>) -> Result<Arrived, ServiceError> {
        match source {
            Source::Zip(zip) => {
                let package = self.check_zip(fit.scope, zip).await?;
                let layers_bytes = self.layers_bytes(fit.layers).await?;
                check_size(package.unzipped_bytes, layers_bytes, fit.layers)?;
                self.check_code_storage(fit.scope, package.zip.size_bytes * fit.copies, fit.replaced_bytes)?;
                if fit.dry_run {
                    return Ok(Arrived::Tried(package));
                }
                self.0.parts.packages.keep(package).await.map(Arrived::Zip)
            }
            Source::Image(uri) => {
                self.0.images.fetch_soon(fit.scope, uri, fit.architecture).await.map(Arrived::Image)
            }
        }
    }

    /// Reads and checks a zip, of a function or a layer.
    pub(crate) async fn check_zip(&self, scope: &Scope, zip: ZipSource) -> Result<Checked, ServiceError> {
        let parts = &self.0.parts;
        let bytes = zip.read(scope, parts.objects.as_deref()).await?;
        parts.packages.check(bytes).await
    }

    /// Stores a checked zip.
    pub(crate) async fn keep_zip(&self, package: Checked) -> Result<Kept, ServiceError> {
        self.0.parts.packages.keep(package).await
    }

    /// Whether the function's present code may be combined with other layers.
    pub(super) async fn check_with_layers(&self, code: &Code, layers: &[Layer]) -> Result<(), ServiceError> {
        let Some(zip) = code.zip() else { return Ok(()) };
        let code_bytes = self.0.parts.packages.unzipped_bytes(zip).await?;
        check_size(code_bytes, self.layers_bytes(layers).await?, layers)
    }

    async fn layers_bytes(&self, layers: &[Layer]) -> Result<u64, ServiceError> {
        let mut sum = 0;
        for layer in layers {
            sum += self.0.parts.packages.unzipped_bytes(layer.zip).await?;
        }
        Ok(sum)
    }

    /// Functions and layers share one account's storage.
    pub(crate) fn check_code_storage(
        &self,
        scope: &Scope,
        added: u64,
        replaced: u64,
    ) -> Result<(), ServiceError> {
        let stored = self.0.registry.code_bytes(scope) + self.0.shelves.code_bytes(scope);
        if (stored + added).saturating_sub(replaced) > self.0.parts.quotas.code_bytes {
            return Err(ServiceError::CodeStorageExceeded("Code storage limit exceeded.".to_owned()));
        }
        Ok(())
    }

    /// Whether this machine can start it. What an image holds, nobody knows before it runs.
    pub(super) fn check_runtime(
        &self,
        start: &Start,
        architecture: Architecture,
    ) -> Result<(), ServiceError> {
        match start {
            Start::Handler { runtime, .. } => self.0.parts.runtimes.choose(runtime, architecture).map(drop),
            Start::Image(_) => Ok(()),
        }
    }

    pub(super) fn surroundings<'a>(&'a self, scope: &'a Scope) -> Surroundings<'a> {
        Surroundings {
            scope,
            shelves: &self.0.shelves,
            policies: &self.0.layer_policies,
            file_systems: &self.0.parts.file_systems,
        }
    }
}

/// Source: Lambda Developer Guide, "Lambda quotas": 250 MB unzipped, layers included.
fn check_size(code_bytes: u64, layers_bytes: u64, layers: &[Layer]) -> Result<(), ServiceError> {
    let actual = code_bytes + layers_bytes;
    if layers.is_empty() || actual <= limits::UNZIPPED_BYTES_MAX {
        // Code without layers was measured when it was unzipped.
        return Ok(());
    }
    Err(ServiceError::InvalidParameterValue(format!(
        "Function code combined with layers exceeds the maximum allowed size of {} bytes. The actual size is {actual} \
         bytes.",
        limits::UNZIPPED_BYTES_MAX
    )))
}
