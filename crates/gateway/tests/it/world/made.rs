//! The services behind a front, each on the real store: what they get is the world's, and what they deliver is kept by it.
//!
//! Nothing is decided here but what a service is made of.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aside::Aside;
use control::function::Functions;
use control::iam::Iam;
use control::identity::{Access, Identity};
use control::package::Packages;
use gateway::RegistryDoor;
use model::limits::Quotas;
use model::port::{Clock, Entropy};
use services::layout::Bounds;
use services::registry::address::{Address, Style};
use services::registry::token::TokenKey;
use services::registry::{Options, Registry};
use store::Store;
use store::records::typed::TypedRecords;
use store::seal::Sealer;
use triggers::{Asynchronous, Delivering, Parts as AsynchronousParts, Settings as AsynchronousSettings};

use super::echo::Echo;
use super::kept::Delivered;
use super::root_key;
use crate::faults::{Faulty, FaultyQueue};

pub fn asynchronous(
    queue: &Arc<FaultyQueue>,
    functions: &Functions,
    engine: &Arc<Echo>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> Asynchronous {
    let parts = AsynchronousParts {
        queue: Arc::clone(queue) as _,
        directory: Arc::new(functions.clone()),
        invoke: Arc::clone(engine) as _,
        clock: Arc::clone(clock),
        // Nothing is delivered here; what is handed over waits.
        deliveries: Arc::new(Delivering::new(Arc::clone(queue) as _, Arc::clone(entropy))),
    };
    Asynchronous::new(parts, AsynchronousSettings { share: 4, retry_pause: Duration::ZERO })
}

pub fn packages(
    store: &Store,
    data: &Path,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> Arc<Packages> {
    let packages = Packages::open(data.join("code"), store.blobs(), Arc::clone(clock), Arc::clone(entropy));
    Arc::new(packages.expect("packages"))
}

pub fn identity(
    access: Access,
    store: &Store,
    iam: Iam,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> Arc<Identity> {
    let (clock, entropy) = (Arc::clone(clock), Arc::clone(entropy));
    let identity = Identity::open(access, root_key(), &store.secrets(), iam, clock, entropy);
    Arc::new(identity.expect("identities"))
}

/// The records that can go wrong.
pub fn typed(store: &Store, records: &Arc<Faulty>) -> TypedRecords {
    let sealer = Sealer::open(&store.secrets()).expect("a sealer");
    TypedRecords::new(Arc::clone(records) as _, Arc::new(sealer))
}

pub async fn bus(
    store: &Store,
    records: &Arc<Faulty>,
    delivered: &Arc<Delivered>,
    identity: &Arc<Identity>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> services::events::Events {
    let parts = services::events::Parts {
        typed: typed(store, records),
        records: Arc::clone(records) as _,
        deliveries: Arc::clone(delivered) as _,
        admission: Arc::clone(identity) as _,
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
        aside: Aside::new(),
    };
    services::events::Events::load(parts).await.expect("buses")
}

pub async fn queues(
    store: &Store,
    identity: &Arc<Identity>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    quotas: Quotas,
) -> services::sqs::Sqs {
    let parts = services::sqs::Parts {
        typed: store.typed_records(),
        queue: store.queue(),
        admission: Arc::clone(identity) as _,
        receipts: services::sqs::ReceiptKey::new(b"receipts for tests"),
        quotas,
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
    };
    services::sqs::Sqs::load(parts).await.expect("queues")
}

pub async fn topics(
    typed: TypedRecords,
    identity: &Arc<Identity>,
    delivered: &Arc<Delivered>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    quotas: Quotas,
) -> services::sns::Sns {
    let parts = services::sns::Parts {
        typed,
        quotas,
        deliveries: Arc::clone(delivered) as _,
        admission: Arc::clone(identity) as _,
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
        aside: Aside::new(),
    };
    services::sns::Sns::load(parts).await.expect("topics")
}

pub async fn schedules(
    store: &Store,
    records: &Arc<Faulty>,
    delivered: &Arc<Delivered>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> services::scheduler::Scheduler {
    let parts = services::scheduler::Parts {
        typed: typed(store, records),
        deliveries: Arc::clone(delivered) as _,
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
    };
    services::scheduler::Scheduler::load(parts).await.expect("schedules")
}

pub async fn log_groups(
    store: &Store,
    records: &Arc<Faulty>,
    delivered: &Arc<Delivered>,
    clock: &Arc<dyn Clock>,
) -> services::logs::Logs {
    let parts = services::logs::Parts {
        typed: typed(store, records),
        files: store.logs(),
        deliveries: Arc::clone(delivered) as _,
        clock: Arc::clone(clock),
        aside: Aside::new(),
    };
    services::logs::Logs::load(parts).await.expect("log groups")
}

pub async fn registry(
    store: &Store,
    data: &Path,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> RegistryDoor {
    let options = Options {
        create_on_push: true,
        grace: Duration::from_secs(3_600),
        bounds: Bounds::default(),
        address: Address { authority: "localhost:4566".to_owned(), style: Style::Plain },
    };
    let (clock, entropy) = (Arc::clone(clock), Arc::clone(entropy));
    let registry = Registry::open(&data.join("registry"), store.records(), clock, entropy, options).await;
    RegistryDoor { registry: registry.expect("a registry"), tokens: TokenKey::new(b"tokens for tests") }
}
