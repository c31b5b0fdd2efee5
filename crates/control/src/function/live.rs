//! A function that exists, as one whole: `$LATEST` with what runs of it, and every published version.
//!
//! Immutable and cheap to clone: a change makes a new one and the registry shows it. Snapshots made from the same
//! settings share them, so that a version costs little more than its name.

use std::sync::Arc;

use model::function::{Code, Function, State};
use model::id::Digest;
use model::name::Version;
use store::records::Revision;

use super::images::is_resolved;

/// See the module's description.
#[derive(Clone)]
pub struct Live {
    /// Which of all functions that have had its name.
    making: Making,
    /// The newest durable snapshot of `$LATEST`: what reads show.
    pub current: Arc<Function>,
    /// What invocations of `$LATEST` run: the last snapshot whose code was prepared.
    pub serving: Option<Arc<Function>>,
    /// The stored revision of `current`.
    pub stored: Revision,
    /// Its versions by number.
    pub published: Arc<[Published]>,
}

/// Tells a function from one of the same name that was deleted or is made after it. Nothing that waits outlives the
/// process, so it is kept nowhere.
#[derive(Clone)]
struct Making(Arc<()>);

/// A published version.
#[derive(Clone)]
pub struct Published {
    /// The snapshot.
    pub function: Arc<Function>,
    /// Its stored revision.
    pub stored: Revision,
}

impl Live {
    /// A function without published versions.
    pub fn new(current: Arc<Function>, serving: Option<Arc<Function>>, stored: Revision) -> Self {
        Self { making: Making(Arc::default()), current, serving, stored, published: Arc::default() }
    }

    /// Whether both are the same function, whatever has changed of it; not merely two of one name.
    pub fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.making.0, &other.making.0)
    }

    /// The same with these versions added, or put in the place of those of the same number.
    pub fn with_versions(self, versions: impl IntoIterator<Item = Published>) -> Self {
        let mut published = self.published.to_vec();
        for version in versions {
            match published.binary_search_by_key(&version.function.version, Published::version) {
                Ok(at) => published[at] = version,
                Err(at) => published.insert(at, version),
            }
        }
        self.share(published)
    }

    /// The same without one version.
    pub fn without(self, version: Version) -> Self {
        let published = self.published.iter().filter(|published| published.version() != version);
        let published = published.cloned().collect();
        self.share(published)
    }

    /// The same with another `$LATEST`.
    pub fn with_current(
        self,
        current: Arc<Function>,
        serving: Option<Arc<Function>>,
        stored: Revision,
    ) -> Self {
        let published = self.published.to_vec();
        Self { making: self.making, current, serving, stored, published: Arc::default() }.share(published)
    }

    /// Puts versions in: they have the tags of their function, since AWS knows tags of functions only, and share
    /// settings with their neighbours where these are equal.
    fn share(self, mut published: Vec<Published>) -> Self {
        let mut settings = &self.current.settings;
        for version in published.iter_mut().rev() {
            let of = &version.function;
            let is_copy = !Arc::ptr_eq(&of.settings, settings) && of.settings == *settings;
            if is_copy || !of.tags.is_shared_with(&self.current.tags) {
                let shared = Arc::make_mut(&mut version.function);
                shared.id = self.current.id.clone();
                shared.tags = self.current.tags.clone();
                if is_copy {
                    shared.settings = Arc::clone(settings);
                }
            }
            settings = &version.function.settings;
        }
        Self { published: published.into(), ..self }
    }

    /// A version as reads show it.
    pub fn version(&self, version: Version) -> Option<&Arc<Function>> {
        match version {
            Version::Latest => Some(&self.current),
            Version::Published(_) => self.published(version).map(|published| &published.function),
        }
    }

    /// A published version.
    pub fn published(&self, version: Version) -> Option<&Published> {
        let found = self.published.binary_search_by_key(&version, Published::version);
        found.ok().and_then(|at| self.published.get(at))
    }

    /// The published version with the highest number.
    pub fn newest(&self) -> Option<&Published> {
        self.published.last()
    }

    /// What invocations of a version run.
    pub fn serving(&self, version: Version) -> Option<&Arc<Function>> {
        match version {
            Version::Latest => self.serving.as_ref(),
            Version::Published(_) => self.version(version).filter(|function| function.state == State::Active),
        }
    }

    /// `$LATEST`, then all versions by number.
    pub fn shown(&self) -> impl Iterator<Item = &Arc<Function>> {
        [&self.current].into_iter().chain(self.published.iter().map(|published| &published.function))
    }

    /// All that is shown or runs.
    pub fn snapshots(&self) -> impl Iterator<Item = &Arc<Function>> {
        self.shown().chain(&self.serving)
    }

    /// Bytes of code that count as the account's: each version by itself, as AWS has it.
    pub fn code_bytes(&self) -> u64 {
        self.shown().map(|function| function.code.stored_bytes()).sum()
    }

    /// The container images that it refers to, each as often as it does.
    pub fn images(&self) -> impl Iterator<Item = Digest> {
        self.snapshots().filter_map(|function| match &function.code {
            Code::Image(image) if is_resolved(image) => Some(image.digest),
            _ => None,
        })
    }
}

impl Published {
    fn version(&self) -> Version {
        self.function.version
    }
}
