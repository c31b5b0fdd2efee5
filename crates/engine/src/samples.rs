//! Values for tests: a function with nothing special about it, and an invocation of it. Tests change what they are
//! about and leave the rest. Compiled for tests only.

use std::sync::Arc;

use bytes::Bytes;
use model::arn::{FunctionId, Scope};
use model::function::{
    Architecture, Code, Environment, Function, LogFormat, Logging, Settings, Start, State, TracingMode,
    UpdateStatus, Zip,
};
use model::id::{AccountId, Digest, Region, RequestId, RevisionId};
use model::name::{FunctionName, Version};
use model::noted::{Noted, Origin};
use model::port::Invocation;
use model::runtime::RuntimeName;
use model::time::Timestamp;

/// A Python function with nothing special about it.
pub(crate) fn function() -> Function {
    Function {
        id: FunctionId {
            scope: Scope { account: AccountId::DEFAULT, region: Region::default_region() },
            name: FunctionName::parse("hello").expect("a legal name"),
        },
        version: Version::Latest,
        settings: Arc::new(Settings {
            start: Start::Handler {
                runtime: RuntimeName::new("python3.12"),
                handler: "app.handler".to_owned(),
            },
            role: "arn:aws:iam::000000000000:role/r".to_owned(),
            description: String::new(),
            timeout_s: 3,
            memory_mb: 128,
            ephemeral_mb: 512,
            environment: Environment::default(),
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
        code: Code::Zip(Zip { digest: Digest::from_bytes([0; 32]), size_bytes: 1 }),
        origin: Origin::default(),
        revision: RevisionId::from_random([0; 16]),
        build: RevisionId::from_random([0; 16]),
        last_modified: Timestamp::from_millis(0),
        state: State::Active,
        last_update: UpdateStatus::Successful,
        tags: Default::default(),
    }
}

/// An invocation of it.
pub(crate) fn invocation(function: &Arc<Function>) -> Invocation {
    Invocation {
        request: RequestId::from_random([0; 16]),
        function: Arc::clone(function),
        invoked_arn: function.id.arn().to_string(),
        payload: Bytes::from_static(b"{}"),
        client_context: None,
        cognito_identity: None,
        trace: None,
        tail: false,
        streaming: false,
        tenant: None,
    }
}
