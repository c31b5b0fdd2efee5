//! Functions, leases and log events to store, each told apart by a number or a name.
//!
//! Only what a test varies is a parameter; all else is fixed, so that equality means that everything was kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::arn::{FunctionId, Scope};
use model::function::{
    Architecture, Code, Environment, Function, LogFormat, Logging, Settings, Start, State, TracingMode,
    UpdateStatus, Zip,
};
use model::id::{AccountId, Digest, EnvironmentId, Region, RequestId, RevisionId};
use model::lease::{Lease, LeaseOutcome, StartReason};
use model::log::{LogEvent, LogGroup};
use model::name::{FunctionName, Version};
use model::noted::{Noted, Origin};
use model::runtime::RuntimeName;
use model::time::Timestamp;

pub(crate) fn scope() -> Scope {
    Scope { account: AccountId::DEFAULT, region: Region::default_region() }
}

pub(crate) fn id(name: &str) -> FunctionId {
    FunctionId { scope: scope(), name: FunctionName::parse(name).unwrap() }
}

/// A function whose description is the part that tests change.
pub(crate) fn function(name: &str, description: &str) -> Function {
    Function {
        id: id(name),
        version: Version::Latest,
        settings: Arc::new(Settings {
            start: Start::Handler {
                runtime: RuntimeName::new("python3.12"),
                handler: "app.handler".to_owned(),
            },
            role: "arn:aws:iam::000000000000:role/r".to_owned(),
            description: description.to_owned(),
            timeout_s: 3,
            memory_mb: 128,
            ephemeral_mb: 512,
            environment: Environment(BTreeMap::from([("KEY".to_owned(), "value".to_owned())]).into()),
            architecture: Architecture::HOST,
            tracing: TracingMode::PassThrough,
            logging: Logging {
                format: LogFormat::Text,
                application_level: None,
                system_level: None,
                group: None,
            },
            layers: Vec::new(),
            file_systems: Vec::new(),
            tenant_isolation: false,
            capacity: None,
            noted: Noted::default(),
        }),
        code: Code::Zip(Zip { digest: Digest::from_bytes([1; 32]), size_bytes: 1 }),
        origin: Origin::default(),
        revision: RevisionId::from_random([2; 16]),
        build: RevisionId::from_random([2; 16]),
        last_modified: Timestamp::from_millis(1),
        state: State::Active,
        last_update: UpdateStatus::Successful,
        tags: Default::default(),
    }
}

pub(crate) fn request(number: u64) -> RequestId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    // The top bits of byte 8 are the variant of a UUID; numbers here are far smaller.
    RequestId::from_random(bytes)
}

/// A lease that started at `number` milliseconds and billed as many.
pub(crate) fn lease(number: u64) -> Lease {
    Lease {
        request: request(number),
        function: id("hello"),
        version: Version::Latest,
        tenant: None,
        environment: EnvironmentId::from_random([9; 16]),
        started: Timestamp::from_millis(i64::try_from(number).unwrap()),
        architecture: Architecture::HOST,
        memory_mb: 128,
        billed_ms: number,
        init: number.is_multiple_of(2).then_some(Duration::from_micros(number)),
        peak_memory_bytes: 1 << 20,
        bytes_in: 10,
        bytes_out: 20,
        reason: StartReason::Warm,
        outcome: LeaseOutcome::Success,
    }
}

pub(crate) fn group(name: &str) -> Arc<LogGroup> {
    Arc::new(LogGroup { scope: scope(), name: name.to_owned() })
}

pub(crate) fn event(at_ms: i64, message: &str) -> LogEvent {
    LogEvent { stream: "s".into(), at: Timestamp::from_millis(at_ms), message: message.to_owned() }
}
