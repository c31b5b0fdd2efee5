//! Between what a function is and the newest form in which it is stored.
//!
//! Writing cannot fail. Reading parses every id and name again, because a file can hold anything; an illegal value
//! is named by its field and never shown. Environment variables are sealed for the version that they belong to.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::arn::{FunctionId, Scope};
use model::function as domain;
use model::id::{AccountId, Digest, Region, RevisionId};
use model::name::{self, FunctionName, Qualifier};
use model::runtime::RuntimeName;
use model::time::Timestamp;

use super::v3 as stored;
use super::{SchemaError, noted};
use crate::seal::Sealer;

/// The form in which a function is stored.
pub(super) fn store<'a>(function: &'a domain::Function, sealer: &Sealer) -> stored::Function<'a> {
    let FunctionId { scope, name } = &function.id;
    stored::Function {
        v: stored::VERSION,
        account: scope.account.as_str().into(),
        region: scope.region.as_str().into(),
        name: name.as_str().into(),
        version: function.version.to_string().into(),
        revision: function.revision.to_string().into(),
        last_modified_ms: function.last_modified.as_millis(),
        state: match &function.state {
            domain::State::Pending => stored::State::Pending,
            domain::State::Active => stored::State::Active,
            domain::State::Failed { reason } => stored::State::Failed { reason: reason.clone() },
        },
        last_update: match &function.last_update {
            domain::UpdateStatus::Successful => stored::UpdateStatus::Successful,
            domain::UpdateStatus::InProgress => stored::UpdateStatus::InProgress,
            domain::UpdateStatus::Failed { reason } => {
                stored::UpdateStatus::Failed { reason: reason.clone() }
            }
        },
        code: match &function.code {
            domain::Code::Zip(zip) => stored::Code::Zip((*zip).into()),
            domain::Code::Image(image) => stored::Code::Image(stored::Image {
                uri: image.uri.clone(),
                resolved_uri: image.resolved_uri.clone(),
                digest: image.digest.to_string().into(),
                size_bytes: image.size_bytes,
            }),
        },
        origin: noted::store_origin(&function.origin),
        settings: store_settings(&function.settings, seal(function, sealer)),
        tags: function.tags.to_map(),
    }
}

/// Where the environment variables of a function's version open, and nowhere else.
fn label(id: &FunctionId, version: name::Version) -> String {
    format!("function {} {version}", id.arn())
}

fn seal(function: &domain::Function, sealer: &Sealer) -> stored::Variables<'static> {
    let domain::Environment(variables) = &function.settings.environment;
    if variables.is_empty() {
        return stored::Variables::None;
    }
    // A map of strings cannot fail to become JSON.
    let json = serde_json::to_vec(&variables.to_map()).unwrap_or_default();
    stored::Variables::Sealed(sealer.seal(&label(&function.id, function.version), &json).into())
}

fn unseal(
    variables: stored::Variables<'_>,
    label: &str,
    sealer: &Sealer,
) -> Result<domain::Environment, SchemaError> {
    const FIELD: &str = "settings.environment";
    let map = match variables {
        stored::Variables::None => BTreeMap::new(),
        stored::Variables::Clear(map) => map,
        stored::Variables::Sealed(sealed) => {
            let json = sealer.unseal(label, &sealed).map_err(|_| SchemaError::Sealed { field: FIELD })?;
            serde_json::from_slice(&json).map_err(illegal(FIELD))?
        }
    };
    Ok(domain::Environment(map.into()))
}

impl From<domain::Zip> for stored::Zip<'_> {
    fn from(zip: domain::Zip) -> Self {
        Self { digest: zip.digest.to_string().into(), size_bytes: zip.size_bytes }
    }
}

impl From<domain::Architecture> for stored::Architecture {
    fn from(architecture: domain::Architecture) -> Self {
        match architecture {
            domain::Architecture::X86_64 => Self::X86_64,
            domain::Architecture::Arm64 => Self::Arm64,
        }
    }
}

impl From<stored::Architecture> for domain::Architecture {
    fn from(architecture: stored::Architecture) -> Self {
        match architecture {
            stored::Architecture::X86_64 => Self::X86_64,
            stored::Architecture::Arm64 => Self::Arm64,
        }
    }
}

fn store_settings<'a>(
    settings: &'a domain::Settings,
    environment: stored::Variables<'a>,
) -> stored::Settings<'a> {
    let layer = |layer: &domain::Layer| stored::Layer { arn: layer.arn.clone(), zip: layer.zip.into() };
    let file_system = |mount: &domain::FileSystem| stored::FileSystem {
        arn: mount.arn.clone(),
        local_path: mount.local_path.clone(),
        direct_read: mount.direct_read.map(Into::into),
    };
    let capacity = |provider: &domain::CapacityProvider| stored::Capacity {
        arn: provider.arn.clone(),
        concurrency: provider.concurrency,
        memory_gib_per_vcpu: provider.memory_gib_per_vcpu,
    };
    stored::Settings {
        start: stored::Start::from(&settings.start),
        role: settings.role.clone(),
        description: settings.description.clone(),
        timeout_s: settings.timeout_s,
        memory_mb: settings.memory_mb,
        ephemeral_mb: settings.ephemeral_mb,
        environment,
        architecture: settings.architecture.into(),
        tracing: match settings.tracing {
            domain::TracingMode::Active => stored::TracingMode::Active,
            domain::TracingMode::PassThrough => stored::TracingMode::PassThrough,
        },
        logging: stored::Logging {
            format: match settings.logging.format {
                domain::LogFormat::Text => stored::LogFormat::Text,
                domain::LogFormat::Json => stored::LogFormat::Json,
            },
            application_level: settings.logging.application_level.clone(),
            system_level: settings.logging.system_level.clone(),
            group: settings.logging.group.clone(),
        },
        layers: settings.layers.iter().map(layer).collect(),
        file_systems: settings.file_systems.iter().map(file_system).collect(),
        tenant_isolation: settings.tenant_isolation,
        capacity: settings.capacity.as_ref().map(capacity),
        noted: noted::store(&settings.noted),
    }
}

impl<'a> From<&'a domain::Start> for stored::Start<'a> {
    fn from(start: &'a domain::Start) -> Self {
        match start {
            domain::Start::Handler { runtime, handler } => {
                Self::Handler(stored::Handler { runtime: runtime.as_str().into(), handler: handler.clone() })
            }
            domain::Start::Image(config) => Self::Image(stored::ImageConfig {
                entry_point: config.entry_point.clone(),
                command: config.command.clone(),
                working_directory: config.working_directory.clone(),
            }),
        }
    }
}

fn illegal<E>(field: &'static str) -> impl FnOnce(E) -> SchemaError {
    move |_| SchemaError::IllegalValue { field }
}

/// The function that was stored.
pub(super) fn read(function: stored::Function<'_>, sealer: &Sealer) -> Result<domain::Function, SchemaError> {
    let scope = Scope {
        account: AccountId::parse(&function.account).map_err(illegal("account"))?,
        region: Region::parse(&function.region).map_err(illegal("region"))?,
    };
    let name = FunctionName::parse(&function.name).map_err(illegal("name"))?;
    let id = FunctionId { scope, name };
    let version = parse_version(&function.version).ok_or(SchemaError::IllegalValue { field: "version" })?;
    let mut settings = function.settings;
    let variables = std::mem::replace(&mut settings.environment, stored::Variables::None);
    let environment = unseal(variables, &label(&id, version), sealer)?;
    let revision = RevisionId::parse(&function.revision).map_err(illegal("revision"))?;
    Ok(domain::Function {
        id,
        version,
        revision,
        build: revision,
        last_modified: Timestamp::from_millis(function.last_modified_ms),
        state: match function.state {
            stored::State::Pending => domain::State::Pending,
            stored::State::Active => domain::State::Active,
            stored::State::Failed { reason } => domain::State::Failed { reason },
        },
        last_update: match function.last_update {
            stored::UpdateStatus::Successful => domain::UpdateStatus::Successful,
            stored::UpdateStatus::InProgress => domain::UpdateStatus::InProgress,
            stored::UpdateStatus::Failed { reason } => domain::UpdateStatus::Failed { reason },
        },
        code: match function.code {
            stored::Code::Zip(zip) => domain::Code::Zip(read_zip(&zip, "code.zip.digest")?),
            stored::Code::Image(image) => domain::Code::Image(domain::Image {
                uri: image.uri,
                resolved_uri: image.resolved_uri,
                digest: Digest::parse(&image.digest).map_err(illegal("code.image.digest"))?,
                size_bytes: image.size_bytes,
            }),
        },
        origin: noted::read_origin(function.origin),
        settings: Arc::new(read_settings(settings, environment)?),
        tags: function.tags.into(),
    })
}

fn read_settings(
    settings: stored::Settings<'_>,
    environment: domain::Environment,
) -> Result<domain::Settings, SchemaError> {
    let layer = |layer: stored::Layer<'_>| {
        let zip = read_zip(&layer.zip, "settings.layers.zip.digest")?;
        Ok(domain::Layer { arn: layer.arn, zip })
    };
    let file_system = |mount: stored::FileSystem| domain::FileSystem {
        arn: mount.arn,
        local_path: mount.local_path,
        direct_read: mount.direct_read.map(Into::into),
    };
    Ok(domain::Settings {
        start: settings.start.into(),
        role: settings.role,
        description: settings.description,
        timeout_s: settings.timeout_s,
        memory_mb: settings.memory_mb,
        ephemeral_mb: settings.ephemeral_mb,
        environment,
        architecture: settings.architecture.into(),
        tracing: match settings.tracing {
            stored::TracingMode::Active => domain::TracingMode::Active,
            stored::TracingMode::PassThrough => domain::TracingMode::PassThrough,
        },
        logging: domain::Logging {
            format: match settings.logging.format {
                stored::LogFormat::Text => domain::LogFormat::Text,
                stored::LogFormat::Json => domain::LogFormat::Json,
            },
            application_level: settings.logging.application_level,
            system_level: settings.logging.system_level,
            group: settings.logging.group,
        },
        layers: settings.layers.into_iter().map(layer).collect::<Result<_, _>>()?,
        file_systems: settings.file_systems.into_iter().map(file_system).collect(),
        tenant_isolation: settings.tenant_isolation,
        capacity: settings.capacity.map(|capacity| domain::CapacityProvider {
            arn: capacity.arn,
            concurrency: capacity.concurrency,
            memory_gib_per_vcpu: capacity.memory_gib_per_vcpu,
        }),
        noted: noted::read(settings.noted),
    })
}

impl From<stored::Start<'_>> for domain::Start {
    fn from(start: stored::Start<'_>) -> Self {
        match start {
            stored::Start::Handler(start) => {
                Self::Handler { runtime: RuntimeName::new(&start.runtime), handler: start.handler }
            }
            stored::Start::Image(config) => Self::Image(domain::ImageConfig {
                entry_point: config.entry_point,
                command: config.command,
                working_directory: config.working_directory,
            }),
        }
    }
}

fn read_zip(zip: &stored::Zip<'_>, field: &'static str) -> Result<domain::Zip, SchemaError> {
    let digest = Digest::parse(&zip.digest).map_err(illegal(field))?;
    Ok(domain::Zip { digest, size_bytes: zip.size_bytes })
}

/// `$LATEST` or a number; an alias is no version.
pub(super) fn parse_version(text: &str) -> Option<name::Version> {
    match Qualifier::parse(text) {
        Ok(Qualifier::Version(version)) => Some(version),
        _ => None,
    }
}
