//! Between what is noted about things beside a function's code and its stored form; a part of [`super::function`].
//!
//! Neither direction can fail: nothing here has a form of its own that a file could break.

use model::noted as domain;

use super::v3 as stored;

/// Nothing where nothing is noted, which is so for nearly every function.
pub(super) fn store(noted: &domain::Noted) -> Option<stored::Noted> {
    if *noted == domain::Noted::default() {
        return None;
    }
    Some(stored::Noted {
        vpc: noted.vpc.as_ref().map(|vpc| stored::Vpc {
            subnets: vpc.subnets.clone(),
            security_groups: vpc.security_groups.clone(),
            ipv6: vpc.ipv6,
        }),
        dead_letter: noted.dead_letter.clone(),
        kms_key: noted.kms_key.clone(),
        snap_start: noted.snap_start,
        durable: noted.durable.as_ref().map(|durable| stored::Durable {
            kms_key: durable.kms_key.clone(),
            retention_days: durable.retention_days,
            timeout_s: durable.timeout_s,
        }),
        custom_runtime: noted
            .custom_runtime
            .as_ref()
            .map(|runtime| stored::CustomRuntime { arn: runtime.arn.clone(), alias: runtime.alias.clone() }),
        accelerator_gb: noted.accelerator_gb,
    })
}

pub(super) fn read(noted: Option<stored::Noted>) -> domain::Noted {
    let Some(noted) = noted else { return domain::Noted::default() };
    domain::Noted {
        vpc: noted.vpc.map(|vpc| {
            Box::new(domain::Vpc {
                subnets: vpc.subnets,
                security_groups: vpc.security_groups,
                ipv6: vpc.ipv6,
            })
        }),
        dead_letter: noted.dead_letter,
        kms_key: noted.kms_key,
        snap_start: noted.snap_start,
        durable: noted.durable.map(|durable| {
            Box::new(domain::Durable {
                kms_key: durable.kms_key,
                retention_days: durable.retention_days,
                timeout_s: durable.timeout_s,
            })
        }),
        custom_runtime: noted
            .custom_runtime
            .map(|runtime| Box::new(domain::CustomRuntime { arn: runtime.arn, alias: runtime.alias })),
        accelerator_gb: noted.accelerator_gb,
    }
}

pub(super) fn store_origin(origin: &domain::Origin) -> Option<stored::Origin> {
    let object = |object: &domain::Object| stored::Object {
        bucket: object.bucket.clone(),
        key: object.key.clone(),
        version: object.version.clone(),
    };
    (*origin != domain::Origin::default()).then(|| stored::Origin {
        kms_key: origin.kms_key.clone(),
        object: origin.object.as_deref().map(object),
    })
}

pub(super) fn read_origin(origin: Option<stored::Origin>) -> domain::Origin {
    let object = |object: stored::Object| domain::Object {
        bucket: object.bucket,
        key: object.key,
        version: object.version,
    };
    origin.map_or_else(domain::Origin::default, |origin| domain::Origin {
        kms_key: origin.kms_key,
        object: origin.object.map(object).map(Box::new),
    })
}

impl From<domain::DirectRead> for stored::DirectRead {
    fn from(mode: domain::DirectRead) -> Self {
        match mode {
            domain::DirectRead::Auto => Self::Auto,
            domain::DirectRead::Enabled => Self::Enabled,
            domain::DirectRead::Disabled => Self::Disabled,
        }
    }
}

impl From<stored::DirectRead> for domain::DirectRead {
    fn from(mode: stored::DirectRead) -> Self {
        match mode {
            stored::DirectRead::Auto => Self::Auto,
            stored::DirectRead::Enabled => Self::Enabled,
            stored::DirectRead::Disabled => Self::Disabled,
        }
    }
}
