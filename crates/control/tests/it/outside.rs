//! Stand-ins for what lies outside: a gallery of container images and a bucket, whose doors a test can hold shut.
//!
//! Both know what was put into them, refuse all else in AWS's words, and remember what they were asked.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use model::arn::Scope;
use model::error::ServiceError;
use model::function::{Architecture, Image};
use model::id::Digest;
use model::port::{ImageRoot, Images, Objects, Pending};

/// Images by reference.
#[derive(Default)]
pub struct Gallery {
    images: Mutex<HashMap<String, u8>>,
    /// What was said to be in use, each time.
    pub retained: Mutex<Vec<Vec<Digest>>>,
    /// While this is held for writing, fetches take their time.
    pub doors: tokio::sync::RwLock<()>,
}

impl Gallery {
    /// Hangs up an image, whose digest is made of one byte.
    pub fn hang(&self, uri: &str, byte: u8) {
        self.images.lock().expect("not poisoned").insert(uri.to_owned(), byte);
    }

    /// What was last said to be in use, in order.
    pub fn in_use(&self) -> Vec<Digest> {
        let mut last = self.retained.lock().expect("not poisoned").last().cloned().unwrap_or_default();
        last.sort_by_key(ToString::to_string);
        last
    }
}

impl Images for Gallery {
    fn fetch<'a>(
        &'a self,
        _: &'a Scope,
        uri: &'a str,
        _: Architecture,
    ) -> Pending<'a, Result<Image, ServiceError>> {
        Box::pin(async move {
            let _open = self.doors.read().await;
            let byte = self.images.lock().expect("not poisoned").get(uri).copied();
            let missing = || {
                ServiceError::InvalidParameterValue(format!(
                    "Source image {uri} does not exist. Provide a valid source image."
                ))
            };
            let digest = Digest::from_bytes([byte.ok_or_else(missing)?; 32]);
            let resolved_uri = format!("{}@sha256:{digest}", uri.split(':').next().unwrap_or_default());
            Ok(Image { uri: uri.to_owned(), resolved_uri, digest, size_bytes: 1 })
        })
    }

    fn root<'a>(&'a self, _: &'a Image) -> Pending<'a, Result<ImageRoot, ServiceError>> {
        Box::pin(async { Ok(ImageRoot::default()) })
    }

    fn retain(&self, used: &[Digest]) {
        self.retained.lock().expect("not poisoned").push(used.to_vec());
    }
}

/// Bucket, key and version of an object.
type Name = (String, String, Option<String>);

/// Objects by name.
#[derive(Default)]
pub struct Bucket {
    pub objects: Mutex<HashMap<Name, Bytes>>,
    /// While this is held for writing, objects take their time.
    pub doors: tokio::sync::RwLock<()>,
    /// How many have been asked for.
    pub asked: AtomicUsize,
}

impl Objects for Bucket {
    fn get<'a>(
        &'a self,
        _: &'a Scope,
        bucket: &'a str,
        key: &'a str,
        version: Option<&'a str>,
        bytes_max: u64,
    ) -> Pending<'a, Result<Bytes, ServiceError>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let _open = self.doors.read().await;
            let name = (bucket.to_owned(), key.to_owned(), version.map(str::to_owned));
            let found = self.objects.lock().expect("not poisoned").get(&name).cloned();
            found.filter(|bytes| bytes.len() as u64 <= bytes_max).ok_or_else(|| {
                ServiceError::InvalidParameterValue(
                    "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key \
                     does not exist."
                        .to_owned(),
                )
            })
        })
    }
}
