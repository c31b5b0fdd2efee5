//! All functions in memory: the source for every read, and the place where writers of one function take turns.
//!
//! Reads copy an `Arc` under a lock that is held for no longer than a look-up. A writer takes a [`Claim`] on one
//! function, makes its change durable, and installs the new snapshot; whoever wants the same function meanwhile
//! is told so or waits, but never overwrites. Invariant: a snapshot is installed only after it is durable.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use model::arn::{FunctionId, Scope};
use model::function::Function;
use model::id::Digest;
use model::name::{FunctionName, Version};
use tokio::sync::Notify;

use super::live::Live;

/// What is known of one name.
enum Slot {
    /// Somebody is creating it; nobody sees it yet.
    Reserved,
    /// It exists.
    Live(Entry),
}

/// A function that exists, and whether somebody is changing it.
struct Entry {
    live: Live,
    is_claimed: bool,
}

/// The functions of one scope.
#[derive(Default)]
struct Shelf {
    slots: BTreeMap<FunctionName, Slot>,
    /// Kept up to date, because it is asked for with every new code.
    code_bytes: u64,
}

#[derive(Default)]
struct All {
    scopes: HashMap<Scope, Shelf>,
    /// How many snapshots refer to each container image; kept up to date, because it is asked for after every change.
    images: HashMap<Digest, usize>,
}

/// See the module's description.
#[derive(Default)]
pub struct Registry {
    all: RwLock<All>,
    /// Told whenever a claim ends.
    settled: Notify,
}

/// Why a claim was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimError {
    /// There is no such function.
    Missing,
    /// Somebody else is changing it.
    Busy,
}

/// The right to change one function; given back when dropped.
pub struct Claim {
    registry: Arc<Registry>,
    id: FunctionId,
    /// The function as it was when claimed, and as it stays until this claim changes it.
    pub live: Live,
    end: End,
}

/// What becomes of the function when a claim ends.
enum End {
    /// It stays as it was.
    Release,
    /// It is this from now on.
    Install(Live),
    /// It is no more.
    Remove,
}

/// A name taken for a function that is being created; free again when dropped without [`Reservation::fill`].
pub struct Reservation {
    registry: Arc<Registry>,
    id: FunctionId,
    is_filled: bool,
}

impl Registry {
    /// Takes the functions that were stored.
    pub fn load(functions: impl IntoIterator<Item = Live>) -> Self {
        let mut all = All::default();
        functions.into_iter().for_each(|live| all.put(live));
        Self { all: RwLock::new(all), settled: Notify::new() }
    }

    /// What `look` makes of the function, if it exists. It runs under the lock and has to be brief.
    pub fn look<T>(&self, id: &FunctionId, look: impl FnOnce(&Live) -> T) -> Option<T> {
        match self.read().scopes.get(&id.scope)?.slots.get(&id.name)? {
            Slot::Live(entry) => Some(look(&entry.live)),
            Slot::Reserved => None,
        }
    }

    /// The function, if it exists.
    pub fn get(&self, id: &FunctionId) -> Option<Live> {
        self.look(id, Live::clone)
    }

    /// Up to `count_max` wanted snapshots of a scope, by name and then by version, after the given one; and whether there
    /// are more.
    pub fn page(
        &self,
        scope: &Scope,
        after: Option<&(FunctionName, Version)>,
        count_max: usize,
        wanted: impl Fn(&Function) -> bool,
    ) -> (Vec<Arc<Function>>, bool) {
        let all = self.read();
        let Some(shelf) = all.scopes.get(scope) else { return (Vec::new(), false) };
        let from = after.map_or(Bound::Unbounded, |(name, _)| Bound::Included(name));
        let live = shelf.slots.range((from, Bound::Unbounded)).filter_map(|(_, slot)| slot.live());
        let shown = live.flat_map(Live::shown).filter(|function| wanted(function));
        let is_after = |function: &&Arc<Function>| {
            after.is_none_or(|(name, version)| (&function.id.name, function.version) > (name, *version))
        };
        let mut found = shown.filter(is_after);
        let page = found.by_ref().take(count_max).cloned().collect();
        (page, found.next().is_some())
    }

    /// How many functions the scope has, those that are being made included.
    pub fn count(&self, scope: &Scope) -> usize {
        self.read().scopes.get(scope).map_or(0, |shelf| shelf.slots.len())
    }

    /// Bytes of code that the scope's functions keep, each version by itself.
    pub fn code_bytes(&self, scope: &Scope) -> u64 {
        self.read().scopes.get(scope).map_or(0, |shelf| shelf.code_bytes)
    }

    /// Every package that a function shows or runs, and those of its layers, which may be deleted by now. Looks at
    /// every function: for maintenance, not for requests.
    pub fn packages(&self) -> HashSet<Digest> {
        let all = self.read();
        let mut packages = HashSet::new();
        for function in all.live().flat_map(Live::snapshots) {
            packages.extend(function.code.zip().map(|zip| zip.digest));
            packages.extend(function.settings.layers.iter().map(|layer| layer.zip.digest));
        }
        packages
    }

    /// Every container image that a function shows or runs.
    pub fn images(&self) -> HashSet<Digest> {
        self.read().images.keys().copied().collect()
    }

    /// Every function whose last change has not come to its end. Looks at every function, as [`Registry::packages`].
    pub fn unsettled(&self) -> Vec<Arc<Function>> {
        let all = self.read();
        all.live().map(|live| &live.current).filter(|current| super::is_unsettled(current)).cloned().collect()
    }

    /// Takes a name for a new function, unless it is taken.
    pub fn reserve(self: &Arc<Self>, id: &FunctionId) -> Option<Reservation> {
        let mut all = self.write();
        let shelf = all.scopes.entry(id.scope.clone()).or_default();
        if shelf.slots.contains_key(&id.name) {
            return None;
        }
        shelf.slots.insert(id.name.clone(), Slot::Reserved);
        Some(Reservation { registry: Arc::clone(self), id: id.clone(), is_filled: false })
    }

    /// Takes the right to change a function, if nobody has it.
    pub fn claim(self: &Arc<Self>, id: &FunctionId) -> Result<Claim, ClaimError> {
        match self.write().entry(id) {
            None => Err(ClaimError::Missing),
            Some(entry) if entry.is_claimed => Err(ClaimError::Busy),
            Some(entry) => {
                entry.is_claimed = true;
                Ok(Claim {
                    registry: Arc::clone(self),
                    id: id.clone(),
                    live: entry.live.clone(),
                    end: End::Release,
                })
            }
        }
    }

    /// Takes the right to change a function, waiting for whoever has it. The wait is bounded by the time that a
    /// durable write takes, since claims are held for nothing else.
    pub async fn claim_in_turn(self: &Arc<Self>, id: &FunctionId) -> Option<Claim> {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            // Registered before looking, so that a claim that ends in between is not missed.
            settled.as_mut().enable();
            match self.claim(id) {
                Ok(claim) => return Some(claim),
                Err(ClaimError::Missing) => return None,
                Err(ClaimError::Busy) => settled.await,
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, All> {
        self.all.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, All> {
        self.all.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    fn live(&self) -> impl Iterator<Item = &Live> {
        self.scopes.values().flat_map(|shelf| shelf.slots.values()).filter_map(Slot::live)
    }

    fn entry(&mut self, id: &FunctionId) -> Option<&mut Entry> {
        match self.scopes.get_mut(&id.scope)?.slots.get_mut(&id.name)? {
            Slot::Live(entry) => Some(entry),
            Slot::Reserved => None,
        }
    }

    /// Shows a function that nobody is changing.
    fn put(&mut self, live: Live) {
        let FunctionId { scope, name } = live.current.id.clone();
        for image in live.images() {
            *self.images.entry(image).or_default() += 1;
        }
        let shelf = self.scopes.entry(scope).or_default();
        shelf.code_bytes += live.code_bytes();
        if let Some(Slot::Live(old)) = shelf.slots.insert(name, Slot::Live(Entry { live, is_claimed: false }))
        {
            shelf.code_bytes = shelf.code_bytes.saturating_sub(old.live.code_bytes());
            self.release_images(&old.live);
        }
    }

    fn remove(&mut self, id: &FunctionId) {
        let Some(shelf) = self.scopes.get_mut(&id.scope) else { return };
        let removed = shelf.slots.remove(&id.name);
        let gone = removed.as_ref().and_then(Slot::live);
        shelf.code_bytes = shelf.code_bytes.saturating_sub(gone.map_or(0, Live::code_bytes));
        if shelf.slots.is_empty() {
            self.scopes.remove(&id.scope);
        }
        gone.into_iter().for_each(|live| self.release_images(live));
    }

    fn release_images(&mut self, old: &Live) {
        for image in old.images() {
            match self.images.get_mut(&image) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(self.images.remove(&image)),
            }
        }
    }
}

impl Slot {
    fn live(&self) -> Option<&Live> {
        match self {
            Self::Live(entry) => Some(&entry.live),
            Self::Reserved => None,
        }
    }
}

impl Claim {
    /// Shows what has become durable, and ends the claim.
    pub fn install(mut self, live: Live) {
        self.end = End::Install(live);
    }

    /// Forgets the function, whose records have been removed, and ends the claim.
    pub fn remove(mut self) {
        self.end = End::Remove;
    }
}

/// In one step with what the claim was for, so that it never ends the claim of whoever comes next.
impl Drop for Claim {
    fn drop(&mut self) {
        let mut all = self.registry.write();
        match std::mem::replace(&mut self.end, End::Release) {
            End::Install(live) => all.put(live),
            End::Remove => all.remove(&self.id),
            End::Release => {
                if let Some(entry) = all.entry(&self.id) {
                    entry.is_claimed = false;
                }
            }
        }
        drop(all);
        self.registry.settled.notify_waiters();
    }
}

impl Reservation {
    /// Shows the new function, which has become durable.
    pub fn fill(mut self, live: Live) {
        self.is_filled = true;
        self.registry.write().put(live);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_filled {
            self.registry.write().remove(&self.id);
        }
    }
}
