//! The services that events come from and go to, and who brings events from one to another.
//!
//! Made in two steps: all services first, which hand over deliveries; then what takes deliveries, which are the services
//! themselves and the functions. Deliveries are on the disk meanwhile.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use control::event_source::PerformedMappings;
use control::function::{FunctionTarget, Functions};
use engine::Engine;
use model::delivery::Target;
use model::limits::Quotas;
use model::schedule::Timetable;
use services::endpoint::Endpoints;
use services::events::{Events as Bus, Parts as BusParts};
use services::logs::{Logs, Parts as LogParts};
use services::scheduler::{Parts as SchedulerParts, Scheduler};
use services::sns::{Parts as SnsParts, Sns};
use services::sqs::{Parts as SqsParts, ReceiptKey, Sqs};
use triggers::{Asynchronous, Delivering, EventSources, SourceParts, Timekeeper};

use crate::compose::Ground;
use crate::gauges::Backlog;

/// How often services remove what they need no more.
const COLLECTED_EVERY: Duration = Duration::from_secs(3_600);

/// How often messages that are too old are removed. Nobody receives them meanwhile.
const QUEUES_COLLECTED_EVERY: Duration = Duration::from_secs(60);

/// See the module. Cloning gives another handle.
#[derive(Clone)]
pub(crate) struct EventServices {
    pub(crate) delivering: Delivering,
    pub(crate) bus: Bus,
    pub(crate) logs: Logs,
    pub(crate) sqs: Sqs,
    pub(crate) topics: Sns,
    pub(crate) scheduler: Scheduler,
    pub(crate) backlog: Backlog,
    timekeeper: Timekeeper,
}

impl EventServices {
    /// Loads what was stored.
    pub(crate) async fn open(ground: &Ground) -> anyhow::Result<Self> {
        let delivering = Delivering::new(ground.store.queue(), Arc::clone(&ground.entropy));
        let bus = BusParts {
            typed: ground.store.typed_records(),
            records: ground.store.records(),
            deliveries: Arc::new(delivering.clone()),
            admission: Arc::clone(&ground.identity) as _,
            clock: Arc::clone(&ground.clock),
            entropy: Arc::clone(&ground.entropy),
            aside: ground.aside.clone(),
        };
        let bus = Bus::load(bus).await.context("cannot load the event buses")?;
        let scheduler = scheduler(ground, &delivering).await?;
        let timekeeper = Timekeeper::new(Arc::clone(&ground.clock));
        Ok(Self {
            logs: logs(ground, &delivering).await?,
            sqs: sqs(ground).await?,
            topics: topics(ground, &delivering).await?,
            backlog: Backlog::of(ground.store.queue()),
            delivering,
            bus,
            scheduler,
            timekeeper,
        })
    }

    /// Begins to deliver, and to perform event source mappings with at most `share` batches of each at once. What is given
    /// back stops the latter.
    pub(crate) async fn start(
        &self,
        ground: &Ground,
        functions: &Functions,
        events: &Asynchronous,
        engine: &Engine,
        share: usize,
    ) -> anyhow::Result<EventSources> {
        let target = FunctionTarget {
            functions: functions.clone(),
            events: Arc::new(events.clone()),
            admission: Arc::clone(&ground.identity) as _,
            entropy: Arc::clone(&ground.entropy),
        };
        let endpoints = Endpoints::new().context("cannot set up TLS for endpoints")?;
        let targets: Vec<Arc<dyn Target>> = vec![
            Arc::new(target),
            Arc::new(self.bus.clone()),
            Arc::new(self.logs.clone()),
            Arc::new(self.sqs.clone()),
            Arc::new(self.topics.clone()),
            Arc::new(endpoints),
        ];
        self.delivering.start(targets).await.context("cannot read the queue of deliveries")?;
        let mappings =
            PerformedMappings { functions: functions.clone(), admission: Arc::clone(&ground.identity) as _ };
        let pollers = EventSources::new(SourceParts {
            mappings: Arc::new(mappings),
            directory: Arc::new(functions.clone()),
            sources: Arc::new(self.sqs.clone()),
            queue: ground.store.queue(),
            invoke: Arc::new(engine.clone()),
            entropy: Arc::clone(&ground.entropy),
            aside: ground.aside.clone(),
            share,
        });
        tokio::spawn(pollers.clone().run());
        Ok(pollers)
    }

    /// Takes up nothing more.
    pub(crate) fn stop(&self) {
        self.timekeeper.stop();
        self.delivering.stop();
    }

    /// Does what schedules say, until it is stopped.
    pub(crate) async fn keep_time(self) {
        let timetables: Vec<Arc<dyn Timetable>> = vec![Arc::new(self.bus), Arc::new(self.scheduler)];
        self.timekeeper.run(timetables).await;
    }

    /// Goes on with what services were doing, and removes what they need no more, for ever.
    pub(crate) async fn maintain(self) {
        self.sqs.resume();
        self.logs.resume();
        self.scheduler.resume();
        if let Err(error) = self.bus.resume().await {
            tracing::warn!(%error, "event archives were not counted");
        }
        tokio::join!(self.maintain_records(), self.maintain_queues(), self.backlog.watch());
    }

    async fn maintain_records(&self) {
        loop {
            self.topics.collect().await;
            if let Err(error) = self.bus.collect().await {
                tracing::warn!(%error, "event archives were not cleared of what is old");
            }
            if let Err(error) = self.logs.collect().await {
                tracing::warn!(%error, "log groups were not cleared of what is old");
            }
            tokio::time::sleep(COLLECTED_EVERY).await;
        }
    }

    async fn maintain_queues(&self) {
        loop {
            if let Err(error) = self.sqs.collect().await {
                tracing::warn!(%error, "queues were not cleared of what is old");
            }
            tokio::time::sleep(QUEUES_COLLECTED_EVERY).await;
        }
    }
}

async fn logs(ground: &Ground, delivering: &Delivering) -> anyhow::Result<Logs> {
    let parts = LogParts {
        typed: ground.store.typed_records(),
        files: ground.store.logs(),
        deliveries: Arc::new(delivering.clone()),
        clock: Arc::clone(&ground.clock),
        aside: ground.aside.clone(),
    };
    Logs::load(parts).await.context("cannot load the log groups")
}

async fn sqs(ground: &Ground) -> anyhow::Result<Sqs> {
    let make = || {
        let mut key = vec![0; 32];
        ground.entropy.fill(&mut key);
        key
    };
    let key = ground.store.secrets().get_or_create("sqs-receipts", make)?;
    let parts = SqsParts {
        typed: ground.store.typed_records(),
        queue: ground.store.queue(),
        admission: Arc::clone(&ground.identity) as _,
        receipts: ReceiptKey::new(key.expose()),
        quotas: Quotas::default(),
        clock: Arc::clone(&ground.clock),
        entropy: Arc::clone(&ground.entropy),
    };
    Sqs::load(parts).await.context("cannot load the queues")
}

async fn scheduler(ground: &Ground, delivering: &Delivering) -> anyhow::Result<Scheduler> {
    let parts = SchedulerParts {
        typed: ground.store.typed_records(),
        deliveries: Arc::new(delivering.clone()),
        clock: Arc::clone(&ground.clock),
        entropy: Arc::clone(&ground.entropy),
    };
    Scheduler::load(parts).await.context("cannot load the schedules")
}

async fn topics(ground: &Ground, delivering: &Delivering) -> anyhow::Result<Sns> {
    let parts = SnsParts {
        typed: ground.store.typed_records(),
        deliveries: Arc::new(delivering.clone()),
        admission: Arc::clone(&ground.identity) as _,
        quotas: Quotas::default(),
        clock: Arc::clone(&ground.clock),
        entropy: Arc::clone(&ground.entropy),
        aside: ground.aside.clone(),
    };
    Sns::load(parts).await.context("cannot load the topics")
}
