//! An OCI registry: OCI Distribution Specification 1.1 under `/v2/`, for `docker`, `skopeo`, `buildah` and the like.
//!
//! [`Registry::handle`] answers one request of a caller whose identity somebody else has checked ([`token`] helps).
//! Repositories belong to the caller's account and region; a blob is visible through the repositories that it was
//! pushed or mounted to and through no other. Digests are verified before anything gets its name, a manifest is
//! taken only when all that it refers to is there, and nothing is answered before it is durable.

pub mod address;
mod blob;
pub mod body;
pub mod catalog;
mod collect;
mod listing;
mod manifest;
mod needs;
mod refusal;
mod route;
pub mod token;
mod upload;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use model::arn::Scope;
use model::id::Digest;
use model::port::{Clock, Entropy};
use store::records::Records;

use crate::layout::{Bounds, Layout, LayoutError};
use crate::oci::name::RepositoryName;
use address::Address;
use body::Body;
use catalog::{Catalog, CatalogError, Repository};
use route::Place;

pub use collect::{CollectError, Collected};
pub use manifest::{Push, PushError, PushedManifest};
pub(crate) use needs::EVERY;
pub use refusal::{Code, Refusal};
pub use route::{Access, access};
pub(crate) use upload::owner;

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// Why the registry could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its files.
    #[error("could not open the registry's files")]
    Layout(#[from] LayoutError),
    /// Its records.
    #[error("could not read the registry's repositories")]
    Catalog(#[from] CatalogError),
}

/// How the registry behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether a push makes the repository that it names. ECR does so only where a creation template says it.
    pub create_on_push: bool,
    /// How long what nobody refers to is kept: longer than any push takes from its first blob to its manifest.
    pub grace: Duration,
    /// What bounds blobs and uploads.
    pub bounds: Bounds,
    /// How clients reach this registry.
    pub address: Address,
}

/// Who asks, as the gateway has found out.
pub struct Caller {
    /// The account and region whose repositories are meant.
    pub scope: Scope,
    /// Whether layers of a repository may be taken over from it: which one is asked for, the registry finds.
    pub may_mount: Box<dyn Fn(&Repository) -> bool + Send + Sync>,
}

/// The registry. One for all accounts.
pub struct Registry {
    catalog: Arc<Catalog>,
    layout: Layout,
    options: Options,
    /// Manifests that functions use.
    pinned: Mutex<HashSet<Digest>>,
}

impl Registry {
    /// Opens the registry in `dir`, with its repositories in `records`.
    ///
    /// # Errors
    /// What could not be read; nothing is then forgotten or repaired by guess.
    pub async fn open(
        dir: &Path,
        records: Arc<dyn Records>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: Options,
    ) -> Result<Arc<Self>, OpenError> {
        let (dir, bounds, random) = (dir.to_owned(), options.bounds, Arc::clone(&entropy));
        let opening = tokio::task::spawn_blocking(move || Layout::open(&dir, bounds, random));
        let layout = opening.await.unwrap_or(Err(LayoutError::Stopping))?;
        let catalog = Catalog::load(records, clock, entropy).await?;
        Ok(Arc::new(Self { catalog, layout, options, pinned: Mutex::default() }))
    }

    /// Its repositories.
    #[must_use]
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Its files.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How clients reach it.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.options.address
    }

    /// Deletes a repository as the catalog does, and what was on its way to it.
    ///
    /// # Errors
    /// The catalog's.
    pub async fn delete_repository(
        &self,
        scope: &Scope,
        name: &RepositoryName,
        force: bool,
    ) -> Result<Arc<Repository>, CatalogError> {
        let deleted = self.catalog.delete(scope, name, force).await?;
        self.layout.cancel_all(owner(&deleted)).await.map_err(|_| CatalogError::Stopping)?;
        Ok(deleted)
    }

    /// From now on these manifests and all that they refer to are kept, whoever deletes them, and no others.
    pub fn pin(&self, used: &[Digest]) {
        *self.pinned.lock().unwrap_or_else(PoisonError::into_inner) = used.iter().copied().collect();
    }

    /// Answers one request below `/v2/`. Failures are answers too.
    pub async fn handle<B>(&self, caller: Caller, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data: Send, Error: std::fmt::Display + Send> + Send + Unpin,
    {
        let (parts, mut body) = request.into_parts();
        let answered = self.answer(&caller, &parts, &mut body).await;
        let mut response = answered.unwrap_or_else(|refusal| refusal.response());
        response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
        response
    }

    async fn answer<B>(&self, caller: &Caller, parts: &Parts, body: &mut B) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body<Data: Send, Error: std::fmt::Display + Send> + Send + Unpin,
    {
        let scope = &caller.scope;
        let place = Place::parse(parts.uri.path())?;
        match (place, &parts.method) {
            (Place::Base, &Method::GET | &Method::HEAD) => Ok(json(StatusCode::OK, &serde_json::json!({}))),
            (Place::Catalog, &Method::GET) => Ok(self.list_repositories(scope, parts)),
            (Place::Tags(name), &Method::GET) => self.list_tags(&*self.existing(scope, &name)?, parts),
            (Place::Referrers(name, digest), &Method::GET) => {
                self.list_referrers(&*self.existing(scope, &name)?, &digest, parts).await
            }
            (Place::Manifest(name, reference), &Method::GET | &Method::HEAD) => {
                self.get_manifest(&*self.existing(scope, &name)?, &reference, parts).await
            }
            (Place::Manifest(name, reference), &Method::PUT) => {
                let repository = self.for_push(scope, &name).await?;
                self.take_manifest(&repository, &reference, parts, body).await
            }
            (Place::Manifest(name, reference), &Method::DELETE) => {
                self.delete_manifest(&self.existing(scope, &name)?, &reference).await
            }
            (Place::Blob(name, digest), &Method::GET | &Method::HEAD) => {
                self.get_blob(&*self.existing(scope, &name)?, &digest, parts).await
            }
            (Place::Blob(name, digest), &Method::DELETE) => {
                self.delete_blob(&self.existing(scope, &name)?, &digest).await
            }
            (Place::Uploads(name), &Method::POST) => {
                let repository = self.for_push(scope, &name).await?;
                self.begin_upload(caller, &repository, parts, body).await
            }
            (Place::Upload(name, id), method) => {
                let repository = self.existing(scope, &name)?;
                match *method {
                    Method::GET | Method::HEAD => self.upload_status(&repository, &id),
                    Method::PATCH => self.continue_upload(&repository, &id, parts, body).await,
                    Method::PUT => self.finish_upload(&repository, &id, parts, body).await,
                    Method::DELETE => self.cancel_upload(&repository, &id).await,
                    _ => Err(unsupported()),
                }
            }
            _ => Err(unsupported()),
        }
    }

    fn existing(&self, scope: &Scope, name: &RepositoryName) -> Result<Arc<Repository>, Refusal> {
        let found = self.catalog.find(scope, name);
        found.ok_or_else(|| Refusal::no_repository(name, scope.account.as_str()))
    }

    async fn for_push(&self, scope: &Scope, name: &RepositoryName) -> Result<Arc<Repository>, Refusal> {
        if self.options.create_on_push {
            return Ok(self.catalog.find_or_create(scope, name).await?);
        }
        self.existing(scope, name)
    }
}

fn unsupported() -> Refusal {
    Refusal::new(Code::Unsupported, "the operation is not supported here")
}

/// An answer without content.
fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(body::whole(bytes::Bytes::new()));
    *response.status_mut() = status;
    response
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(body::whole(value.to_string().into()));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
    response
}

/// Sets a header whose value was made from checked names, digests and numbers, and so is always legal.
fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn header(parts: &Parts, name: HeaderName) -> Option<&str> {
    parts.headers.get(name)?.to_str().ok()
}
