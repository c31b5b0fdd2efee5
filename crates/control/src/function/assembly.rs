//! Makes functions of the snapshots that were stored, when the server starts.
//!
//! What thousands of snapshots say alike is kept once: a function's versions share its name, and all functions of equal
//! tags, environment, region or runtime share these. What is created later shares with the snapshot that it came from.

use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use model::arn::FunctionId;
use model::function::{Environment, Function, Settings, Start, State};
use model::id::Region;
use model::name::Version;
use model::pairs::Pairs;
use model::runtime::RuntimeName;
use store::records::Revision;

use super::images::is_runnable;
use super::live::{Live, Published};

/// See the module's description.
#[derive(Default)]
pub struct Assembly {
    functions: BTreeMap<FunctionId, Parts>,
    regions: Pool<Region>,
    runtimes: Pool<RuntimeName>,
    pairs: Pool<Pairs>,
}

#[derive(Default)]
struct Parts {
    latest: Option<Published>,
    published: Vec<Published>,
}

/// One of each value.
struct Pool<T>(HashSet<T>);

impl Assembly {
    /// Takes one snapshot.
    pub fn add(&mut self, mut function: Function, stored: Revision) {
        self.regions.share(&mut function.id.scope.region);
        self.pairs.share(&mut function.tags);
        let Settings { start, environment: Environment(variables), .. } =
            Arc::make_mut(&mut function.settings);
        self.pairs.share(variables);
        if let Start::Handler { runtime, .. } = start {
            self.runtimes.share(runtime);
        }
        let parts = self.functions.entry(function.id.clone()).or_default();
        let is_latest = function.version == Version::Latest;
        let snapshot = Published { function: Arc::new(function), stored };
        if is_latest {
            parts.latest = Some(snapshot);
        } else {
            parts.published.push(snapshot);
        }
    }

    /// The functions that the snapshots make up. Versions without their function are told to `orphan`.
    pub fn finish(self, mut orphan: impl FnMut(&Function)) -> impl Iterator<Item = Live> {
        self.functions.into_values().filter_map(move |Parts { latest, published }| {
            let Some(Published { function: current, stored }) = latest else {
                published.iter().for_each(|version| orphan(&version.function));
                return None;
            };
            // No environment outlived the earlier run, so there is no older snapshot that could serve.
            let runs = current.state == State::Active && is_runnable(&current.code);
            let serving = runs.then(|| Arc::clone(&current));
            Some(Live::new(current, serving, stored).with_versions(published))
        })
    }
}

impl<T: Clone + Eq + Hash> Pool<T> {
    /// Puts the one that is kept in the place of an equal one.
    fn share(&mut self, value: &mut T) {
        match self.0.get(value) {
            Some(kept) => *value = kept.clone(),
            None => drop(self.0.insert(value.clone())),
        }
    }
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(HashSet::new())
    }
}
