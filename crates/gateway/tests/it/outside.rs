//! Stand-ins for what lies outside of control: container images, buckets and the owner's runtimes. Each knows a few
//! names, which the conformance tables use, and refuses all others in AWS's words.

use std::path::PathBuf;
use std::sync::Mutex;

use bytes::Bytes;
use gateway::{RuntimeAdmin, RuntimeSource};
use model::arn::Scope;
use model::error::ServiceError;
use model::function::{Architecture, Image};
use model::id::Digest;
use model::port::{ImageRoot, Images, Objects, Pending};
use model::runtime::{Effect, RuntimeName};

/// The image that there is.
pub const IMAGE: &str = "registry.localhost/conformance:1";
/// The bucket and the object that there are.
pub const OBJECT: (&str, &str) = ("conformance-bucket", "echo.zip");

/// See the module's description.
#[derive(Default)]
pub struct Outside {
    /// Runtimes that were added.
    pub added: Mutex<Vec<(String, RuntimeSource)>>,
}

impl Images for Outside {
    fn fetch<'a>(
        &'a self,
        _: &'a Scope,
        uri: &'a str,
        _: Architecture,
    ) -> Pending<'a, Result<Image, ServiceError>> {
        Box::pin(async move {
            if uri != IMAGE {
                return Err(ServiceError::InvalidParameterValue(format!(
                    "Source image {uri} does not exist. Provide a valid source image."
                )));
            }
            let digest = Digest::from_bytes([7; 32]);
            let resolved_uri = format!("registry.localhost/conformance@sha256:{digest}");
            Ok(Image { uri: uri.to_owned(), resolved_uri, digest, size_bytes: 1 })
        })
    }

    fn root<'a>(&'a self, _: &'a Image) -> Pending<'a, Result<ImageRoot, ServiceError>> {
        Box::pin(async { Ok(ImageRoot::default()) })
    }

    fn retain(&self, _: &[Digest]) {}
}

impl Objects for Outside {
    fn get<'a>(
        &'a self,
        _: &'a Scope,
        bucket: &'a str,
        key: &'a str,
        _: Option<&'a str>,
        _: u64,
    ) -> Pending<'a, Result<Bytes, ServiceError>> {
        Box::pin(async move {
            if (bucket, key) != OBJECT {
                return Err(ServiceError::InvalidParameterValue(
                    "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key \
                     does not exist."
                        .to_owned(),
                ));
            }
            let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance/fixtures");
            Ok(std::fs::read(fixtures.join("echo.zip")).expect("the fixture").into())
        })
    }
}

impl RuntimeAdmin for Outside {
    fn add(&self, name: RuntimeName, source: RuntimeSource) -> Pending<'_, Result<Effect, ServiceError>> {
        Box::pin(async move {
            let effect = match &source {
                RuntimeSource::Image(_) => Effect::Now,
                RuntimeSource::Path(_) => Effect::NextStart,
            };
            self.added.lock().expect("not poisoned").push((name.to_string(), source));
            Ok(effect)
        })
    }

    fn remove(&self, name: RuntimeName) -> Pending<'_, Result<(), ServiceError>> {
        Box::pin(async move {
            let mut added = self.added.lock().expect("not poisoned");
            let place = added.iter().position(|(known, _)| known == name.as_str());
            let missing = || ServiceError::ResourceNotFound(format!("No runtime {name} was added."));
            added.remove(place.ok_or_else(missing)?);
            Ok(())
        })
    }
}
