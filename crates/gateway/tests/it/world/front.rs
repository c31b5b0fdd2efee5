//! The front of a world and what it is made of, but for the services that `made` makes.
//!
//! It listens on a free port until the test's runtime ends.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use control::function::Functions;
use control::identity::Identity;
use control::layer::Layers;
use control::link::CodeLinks;
use control::logs::FunctionLogs;
use gateway::{About, Gateway, Gauge, Parts};
use model::limits;
use model::port::{Clock, Entropy};
use store::Store;
use triggers::Asynchronous;

use super::clock::Numbers;
use super::echo::Echo;
use crate::outside::Outside;

/// What lies behind a front.
pub struct Behind<'a> {
    pub functions: &'a Functions,
    pub identity: &'a Arc<Identity>,
    pub engine: &'a Arc<Echo>,
    pub events: &'a Arc<Asynchronous>,
    pub outside: &'a Arc<Outside>,
}

impl<'a> Behind<'a> {
    pub fn of(
        functions: &'a Functions,
        identity: &'a Arc<Identity>,
        engine: &'a Arc<Echo>,
        events: &'a Arc<Asynchronous>,
        outside: &'a Arc<Outside>,
    ) -> Self {
        Self { functions, identity, engine, events, outside }
    }
}

/// The parts of a front without a registry and an audit log.
pub fn parts(behind: &Behind<'_>, store: &Store, clock: Arc<dyn Clock>) -> Parts {
    let Behind { functions, identity, engine, events, outside } = *behind;
    let entropy: Arc<dyn Entropy> = Arc::new(Numbers(Mutex::new(1 << 32)));
    let gauge = || Gauge { name: "dormouse_environments", help: "All.", label: None, value: 3.0 };
    Parts {
        logs: FunctionLogs::new(functions.clone(), store.logs()),
        layers: Layers::new(functions.clone()),
        functions: functions.clone(),
        identity: Arc::clone(identity),
        links: CodeLinks::open(&store.secrets(), entropy.as_ref()).expect("links"),
        invoke: Arc::clone(engine) as _,
        events: Arc::clone(events) as _,
        queue: store.queue(),
        runtimes: Arc::clone(engine) as _,
        runtime_admin: Arc::clone(outside) as _,
        audit: None,
        bus: None,
        log_groups: None,
        sqs: None,
        scheduler: None,
        topics: None,
        registry: None,
        payload_bytes_max: limits::PAYLOAD_SYNC_BYTES_MAX,
        control_rate: 0,
        clock,
        entropy,
        about: About {
            version: "0.0.0-test",
            weaknesses: vec!["nothing is enforced in tests".to_owned()],
            gauges: Box::new(move || vec![gauge()]),
        },
    }
}

pub fn serve(gateway: &Arc<Gateway>) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(gateway.serve_listener(listener).expect("a usable listener"));
    address
}
