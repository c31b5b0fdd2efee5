//! Makes functions of the snapshots that were stored, when the server starts.
//!
//! What thousands of snapshots say alike is kept once in each batch: a function's versions share its name, and all
//! snapshots of equal tags, environment, region or runtime share these. What is created later shares with the snapshot
//! that it came from. Batches are made by several threads at once; what is left to do in turn is little.

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
}

/// Snapshots that were stored next to each other, function by function.
pub struct Batch(Vec<(FunctionId, Parts)>);

#[derive(Default)]
struct Parts {
    latest: Option<Published>,
    published: Vec<Published>,
}

/// One of each value.
struct Pool<T>(HashSet<T>);

#[derive(Default)]
struct Pools {
    regions: Pool<Region>,
    runtimes: Pool<RuntimeName>,
    pairs: Pool<Pairs>,
}

impl Batch {
    /// Makes a batch of snapshots. It may be made on any thread, beside others.
    pub fn of(snapshots: Vec<(Function, Revision)>) -> Self {
        let mut pools = Pools::default();
        let mut functions: Vec<(FunctionId, Parts)> = Vec::new();
        for (mut function, stored) in snapshots {
            pools.share(&mut function);
            match functions.last_mut().filter(|(id, _)| *id == function.id) {
                Some((id, parts)) => {
                    function.id = id.clone();
                    parts.add(function, stored);
                }
                None => {
                    let mut parts = Parts::default();
                    let id = function.id.clone();
                    parts.add(function, stored);
                    functions.push((id, parts));
                }
            }
        }
        Self(functions)
    }
}

impl Parts {
    fn add(&mut self, function: Function, stored: Revision) {
        let is_latest = function.version == Version::Latest;
        let snapshot = Published { function: Arc::new(function), stored };
        if is_latest {
            self.latest = Some(snapshot);
        } else {
            self.published.push(snapshot);
        }
    }
}

impl Assembly {
    /// Takes a batch.
    pub fn add(&mut self, Batch(functions): Batch) {
        for (id, Parts { latest, published }) in functions {
            let parts = self.functions.entry(id).or_default();
            parts.latest = latest.or(parts.latest.take());
            parts.published.extend(published);
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

impl Pools {
    fn share(&mut self, function: &mut Function) {
        self.regions.share(&mut function.id.scope.region);
        self.pairs.share(&mut function.tags);
        let settings = Arc::make_mut(&mut function.settings);
        let Settings { start, environment: Environment(variables), .. } = settings;
        self.pairs.share(variables);
        if let Start::Handler { runtime, .. } = start {
            self.runtimes.share(runtime);
        }
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
