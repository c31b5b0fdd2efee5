//! All functions in memory: the source for every read, and the place where writers of one function take turns.
//!
//! Reads copy an `Arc` under a lock that is held for no longer than a look-up. A writer takes a [`Claim`] on one
//! function, makes its change durable, and installs the new snapshot; whoever wants the same function meanwhile
//! is told so or waits, but never overwrites. Invariant: a snapshot is installed only after it is durable.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use model::arn::{FunctionId, Scope};
use model::function::{Code, Function};
use model::id::Digest;
use model::name::FunctionName;
use store::records::Revision;
use tokio::sync::Notify;

/// What is known of one name.
enum Slot {
    /// Somebody is creating it; nobody sees it yet.
    Reserved,
    /// It exists.
    Live(Live),
}

/// A function that exists.
#[derive(Clone)]
pub struct Live {
    /// The newest durable snapshot: what reads show.
    pub current: Arc<Function>,
    /// What invocations run: the last snapshot whose code was prepared.
    pub serving: Option<Arc<Function>>,
    /// The stored revision of `current`.
    pub stored: Revision,
    is_claimed: bool,
}

impl Live {
    /// A function nobody is changing.
    pub fn new(current: Arc<Function>, serving: Option<Arc<Function>>, stored: Revision) -> Self {
        Self { current, serving, stored, is_claimed: false }
    }

    /// What is shown and what runs.
    fn both(&self) -> impl Iterator<Item = &Arc<Function>> {
        self.serving.iter().chain([&self.current])
    }
}

type Shelf = BTreeMap<FunctionName, Slot>;

/// See the module's description.
#[derive(Default)]
pub struct Registry {
    scopes: RwLock<HashMap<Scope, Shelf>>,
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
        let mut scopes: HashMap<Scope, Shelf> = HashMap::new();
        for live in functions {
            let id = live.current.id.clone();
            scopes.entry(id.scope).or_default().insert(id.name, Slot::Live(live));
        }
        Self { scopes: RwLock::new(scopes), settled: Notify::new() }
    }

    /// The function, if it exists.
    pub fn get(&self, id: &FunctionId) -> Option<Live> {
        match self.read().get(&id.scope)?.get(&id.name)? {
            Slot::Live(live) => Some(live.clone()),
            Slot::Reserved => None,
        }
    }

    /// Up to `count_max` functions of a scope by name, after the given one; and whether there are more.
    pub fn page(
        &self,
        scope: &Scope,
        after: Option<&FunctionName>,
        count_max: usize,
    ) -> (Vec<Arc<Function>>, bool) {
        let scopes = self.read();
        let Some(shelf) = scopes.get(scope) else { return (Vec::new(), false) };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut found = shelf.range((from, Bound::Unbounded)).filter_map(|(_, slot)| match slot {
            Slot::Live(live) => Some(&live.current),
            Slot::Reserved => None,
        });
        let page = found.by_ref().take(count_max).cloned().collect();
        (page, found.next().is_some())
    }

    /// Bytes of code that the scope's functions keep.
    pub fn code_bytes(&self, scope: &Scope) -> u64 {
        let scopes = self.read();
        scopes.get(scope).into_iter().flat_map(Shelf::values).filter_map(Slot::live).map(code_size).sum()
    }

    /// Every package that a function shows or runs, and those of its layers, which may be deleted by now.
    pub fn packages(&self) -> HashSet<Digest> {
        let scopes = self.read();
        let functions = scopes.values().flat_map(Shelf::values).filter_map(Slot::live).flat_map(Live::both);
        let zips = |function: &Arc<Function>| {
            let layers = function.settings.layers.iter().map(|layer| layer.zip.digest);
            function.code.zip().map(|zip| zip.digest).into_iter().chain(layers).collect::<Vec<_>>()
        };
        functions.flat_map(zips).collect()
    }

    /// Every container image that a function shows or runs.
    pub fn images(&self) -> HashSet<Digest> {
        let scopes = self.read();
        let functions = scopes.values().flat_map(Shelf::values).filter_map(Slot::live).flat_map(Live::both);
        let image = |function: &Arc<Function>| match &function.code {
            Code::Image(image) if super::is_resolved(image) => Some(image.digest),
            _ => None,
        };
        functions.filter_map(image).collect()
    }

    /// Every function whose last change has not come to its end.
    pub fn unsettled(&self) -> Vec<Arc<Function>> {
        let scopes = self.read();
        let live = scopes.values().flat_map(Shelf::values).filter_map(Slot::live);
        live.map(|live| &live.current).filter(|function| super::is_unsettled(function)).cloned().collect()
    }

    /// Takes a name for a new function, unless it is taken.
    pub fn reserve(self: &Arc<Self>, id: &FunctionId) -> Option<Reservation> {
        let mut scopes = self.write();
        let shelf = scopes.entry(id.scope.clone()).or_default();
        if shelf.contains_key(&id.name) {
            return None;
        }
        shelf.insert(id.name.clone(), Slot::Reserved);
        Some(Reservation { registry: Arc::clone(self), id: id.clone(), is_filled: false })
    }

    /// Takes the right to change a function, if nobody has it.
    pub fn claim(self: &Arc<Self>, id: &FunctionId) -> Result<Claim, ClaimError> {
        let mut scopes = self.write();
        match scopes.get_mut(&id.scope).and_then(|shelf| shelf.get_mut(&id.name)) {
            None | Some(Slot::Reserved) => Err(ClaimError::Missing),
            Some(Slot::Live(live)) if live.is_claimed => Err(ClaimError::Busy),
            Some(Slot::Live(live)) => {
                live.is_claimed = true;
                Ok(Claim { registry: Arc::clone(self), id: id.clone(), live: live.clone() })
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

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Scope, Shelf>> {
        self.scopes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Scope, Shelf>> {
        self.scopes.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, id: &FunctionId) {
        let mut scopes = self.write();
        if let Some(shelf) = scopes.get_mut(&id.scope) {
            shelf.remove(&id.name);
            if shelf.is_empty() {
                scopes.remove(&id.scope);
            }
        }
    }
}

impl Slot {
    fn live(&self) -> Option<&Live> {
        match self {
            Self::Live(live) => Some(live),
            Self::Reserved => None,
        }
    }
}

fn code_size(live: &Live) -> u64 {
    live.current.code.stored_bytes()
}

impl Claim {
    /// Shows a snapshot that has become durable, and ends the claim.
    pub fn install(mut self, current: Arc<Function>, serving: Option<Arc<Function>>, stored: Revision) {
        // Dropping the claim writes it back.
        self.live = Live::new(current, serving, stored);
    }

    /// Forgets the function, whose record has been removed.
    pub fn remove(self) {
        self.registry.remove(&self.id);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut scopes = self.registry.write();
        if let Some(Slot::Live(live)) = scopes.get_mut(&self.id.scope).and_then(|s| s.get_mut(&self.id.name))
        {
            *live = Live { is_claimed: false, ..self.live.clone() };
        }
        drop(scopes);
        self.registry.settled.notify_waiters();
    }
}

impl Reservation {
    /// Shows the new function, which has become durable.
    pub fn fill(mut self, live: Live) {
        self.is_filled = true;
        let mut scopes = self.registry.write();
        scopes.entry(self.id.scope.clone()).or_default().insert(self.id.name.clone(), Slot::Live(live));
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_filled {
            self.registry.remove(&self.id);
        }
    }
}
