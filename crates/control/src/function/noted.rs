//! What a request says about things beside a function's code: how it changes what is noted, and what it may not be.
//!
//! Pure. Sources: Lambda API reference, `CreateFunction`, and Lambda Developer Guide, "Improving startup performance
//! with Lambda SnapStart" (limitations) and "Dead-letter queues"; the words are the service's where it has some.

use model::error::ServiceError;
use model::function::{Settings, Start};
use model::limits;
use model::noted::{CustomRuntime, Durable, Noted, Vpc};
use model::runtime::RuntimeName;

/// What a caller wants to be noted; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct NotedChange {
    /// The network.
    pub vpc: Option<VpcChange>,
    /// ARN of the dead-letter target; empty for none.
    pub dead_letter: Option<String>,
    /// ARN of the key; empty for none.
    pub kms_key: Option<String>,
    /// Whether published versions start from snapshots.
    pub snap_start: Option<bool>,
    /// Durable execution; what it leaves out stays.
    pub durable: Option<Durable>,
    /// A runtime of the customer's.
    pub custom_runtime: Option<CustomRuntime>,
    /// Memory of each accelerator in GB.
    pub accelerator_gb: Option<i32>,
}

/// What a caller wants of a network; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct VpcChange {
    /// All subnets.
    pub subnets: Option<Vec<String>>,
    /// All security groups.
    pub security_groups: Option<Vec<String>>,
    /// IPv6 out of dual-stack subnets.
    pub ipv6: Option<bool>,
}

impl NotedChange {
    /// What is noted with this change applied.
    ///
    /// # Errors
    /// `InvalidParameterValue`.
    pub(super) fn apply(self, mut noted: Noted) -> Result<Noted, ServiceError> {
        if let Some(change) = self.vpc {
            noted.vpc = Some(Box::new(change.apply(noted.vpc.map(|vpc| *vpc).unwrap_or_default())?));
        }
        if let Some(target) = self.dead_letter {
            // Not asked of what was set before: every other change would be refused for it.
            if target.ends_with(".fifo") {
                return invalid(
                    "The DeadLetterConfig target has to be a standard queue or topic, not a FIFO one.",
                );
            }
            noted.dead_letter = Some(target).filter(|target| !target.is_empty());
        }
        if let Some(key) = self.kms_key {
            noted.kms_key = Some(key).filter(|key| !key.is_empty());
        }
        if let Some(snap_start) = self.snap_start {
            noted.snap_start = snap_start;
        }
        if let Some(change) = self.durable {
            let Some(durable) = &mut noted.durable else {
                return invalid(
                    "Durable execution can only be enabled when a function is created. Create a new function with \
                     DurableConfig.",
                );
            };
            let Durable { kms_key, retention_days, timeout_s } = change;
            if let Some(key) = kms_key {
                durable.kms_key = Some(key).filter(|key| !key.is_empty());
            }
            durable.retention_days = retention_days.or(durable.retention_days);
            durable.timeout_s = timeout_s.or(durable.timeout_s);
        }
        if let Some(runtime) = self.custom_runtime {
            noted.custom_runtime = Some(Box::new(runtime));
        }
        if let Some(gb) = self.accelerator_gb {
            noted.accelerator_gb = match u32::try_from(gb) {
                Ok(gb @ 1..) => Some(gb),
                _ => return invalid("AcceleratorMemorySize must be at least 1."),
            };
        }
        Ok(noted)
    }
}

impl VpcChange {
    fn apply(self, vpc: Vpc) -> Result<Vpc, ServiceError> {
        let subnets = self.subnets.unwrap_or(vpc.subnets);
        let vpc = Vpc {
            // What was said of a network goes with it.
            ipv6: self.ipv6.unwrap_or(vpc.ipv6 && !subnets.is_empty()),
            subnets,
            security_groups: self.security_groups.unwrap_or(vpc.security_groups),
        };
        if vpc.subnets.is_empty() != vpc.security_groups.is_empty() {
            return invalid("SubnetIds and SecurityIds must coexist or be both empty list.");
        }
        Ok(vpc)
    }
}

/// Checks what is noted, by itself and together with the other settings.
///
/// # Errors
/// `InvalidParameterValue`.
pub(super) fn check(settings: &Settings) -> Result<(), ServiceError> {
    let Noted { dead_letter, kms_key, durable, accelerator_gb, .. } = &settings.noted;
    if let Some(target) = dead_letter
        && !matches!(service_of(target), Some("sqs" | "sns"))
    {
        return invalid(&format!(
            "The DeadLetterConfig target {} is neither an Amazon SQS queue nor an Amazon SNS topic.",
            shown(target)
        ));
    }
    check_key(kms_key.as_deref())?;
    check_key(durable.as_ref().and_then(|durable| durable.kms_key.as_deref()))?;
    if accelerator_gb.is_some() && settings.capacity.is_none() {
        return invalid("AcceleratorConfig is only supported for functions with a CapacityProviderConfig.");
    }
    if settings.noted.snap_start { check_snap_start(settings) } else { Ok(()) }
}

/// Checks that an ARN, if there is one, names a key.
///
/// # Errors
/// `InvalidParameterValue`.
pub(crate) fn check_key(arn: Option<&str>) -> Result<(), ServiceError> {
    match arn {
        Some(arn) if service_of(arn) != Some("kms") => {
            invalid(&format!("{} is not the ARN of an AWS KMS key.", shown(arn)))
        }
        _ => Ok(()),
    }
}

fn check_snap_start(settings: &Settings) -> Result<(), ServiceError> {
    match &settings.start {
        Start::Image(_) => {
            return invalid("ContainerImage is not supported for SnapStart enabled functions.");
        }
        Start::Handler { runtime, .. } if !has_snap_start(runtime) => {
            return invalid(&format!("{runtime} is not supported for SnapStart enabled functions."));
        }
        Start::Handler { .. } => {}
    }
    if !settings.file_systems.is_empty() {
        return invalid("FileSystemConfigs is not supported for SnapStart enabled functions.");
    }
    if settings.ephemeral_mb > limits::EPHEMERAL_MB_DEFAULT {
        return invalid(
            "EphemeralStorage larger than 512 MB is not supported for SnapStart enabled functions.",
        );
    }
    if settings.capacity.is_some() {
        return invalid("CapacityProviderConfig is not supported for SnapStart enabled functions.");
    }
    Ok(())
}

/// Java 11, Python 3.12, .NET 8 and whatever came later.
fn has_snap_start(runtime: &RuntimeName) -> bool {
    let number = |text: &str| text.parse::<u32>().ok();
    let name = runtime.as_str();
    if let Some(minor) = name.strip_prefix("python3.") {
        return number(minor).is_some_and(|minor| minor >= 12);
    }
    if let Some(version) = name.strip_prefix("java") {
        return number(version).is_some_and(|version| version >= 11);
    }
    name.strip_prefix("dotnet").and_then(number).is_some_and(|version| version >= 8)
}

fn service_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(2)
}

fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}

fn invalid<T>(message: &str) -> Result<T, ServiceError> {
    Err(ServiceError::InvalidParameterValue(message.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_apply(change: NotedChange, noted: Noted, expect: Result<Noted, &str>) {
        match (change.apply(noted), expect) {
            (Ok(seen), Ok(expect)) => assert_eq!(seen, expect),
            (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{error}"),
            (seen, expect) => panic!("{seen:?} instead of {expect:?}"),
        }
    }

    fn list(items: &[&str]) -> Option<Vec<String>> {
        Some(items.iter().map(|item| (*item).to_owned()).collect())
    }

    #[test]
    fn subnets_and_security_groups_come_and_go_together() {
        let both = VpcChange { subnets: list(&["subnet-1"]), security_groups: list(&["sg-1"]), ipv6: None };
        let vpc = Vpc {
            subnets: vec!["subnet-1".to_owned()],
            security_groups: vec!["sg-1".to_owned()],
            ipv6: false,
        };
        let noted = |vpc: Vpc| Noted { vpc: Some(Box::new(vpc)), ..Noted::default() };
        let change = |vpc| NotedChange { vpc: Some(vpc), ..NotedChange::default() };
        check_apply(change(both), Noted::default(), Ok(noted(vpc.clone())));
        let ipv6 = VpcChange { ipv6: Some(true), ..VpcChange::default() };
        check_apply(change(ipv6), noted(vpc.clone()), Ok(noted(Vpc { ipv6: true, ..vpc.clone() })));
        let one = VpcChange { subnets: list(&[]), ..VpcChange::default() };
        check_apply(change(one.clone()), noted(vpc.clone()), Err("must coexist or be both empty list"));
        let none = VpcChange { security_groups: list(&[]), ..one };
        check_apply(change(none.clone()), noted(vpc.clone()), Ok(noted(Vpc::default())));
        let both = noted(Vpc { ipv6: true, ..vpc });
        check_apply(change(none), both, Ok(noted(Vpc::default())));
    }

    #[test]
    fn what_is_empty_is_taken_back() {
        let text = |text: &str| Some(text.to_owned());
        let before =
            Noted { dead_letter: text("d"), kms_key: text("k"), snap_start: true, ..Noted::default() };
        let change = NotedChange {
            dead_letter: text(""),
            kms_key: text(""),
            snap_start: Some(false),
            ..NotedChange::default()
        };
        check_apply(change, before.clone(), Ok(Noted::default()));
        check_apply(NotedChange::default(), before.clone(), Ok(before));
    }

    #[test]
    fn durability_is_a_matter_of_birth() {
        let change = |durable| NotedChange { durable: Some(durable), ..NotedChange::default() };
        let days = Durable { retention_days: Some(7), ..Durable::default() };
        check_apply(
            change(days.clone()),
            Noted::default(),
            Err("only be enabled when a function is created"),
        );
        let before = Noted {
            durable: Some(Box::new(Durable { timeout_s: Some(9), ..Durable::default() })),
            ..Noted::default()
        };
        let after = Noted {
            durable: Some(Box::new(Durable { timeout_s: Some(9), ..days.clone() })),
            ..Noted::default()
        };
        check_apply(change(days), before, Ok(after));
    }

    #[test]
    fn snapshots_need_a_runtime_that_has_them() {
        for (runtime, expect) in [
            ("python3.12", true),
            ("python3.11", false),
            ("java11", true),
            ("java21", true),
            ("java8.al2", false),
            ("dotnet8", true),
            ("dotnet6", false),
            ("nodejs22.x", false),
            ("provided.al2023", false),
        ] {
            assert_eq!(has_snap_start(&RuntimeName::new(runtime)), expect, "{runtime}");
        }
    }
}
