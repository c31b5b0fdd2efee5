//! How asynchronous invocations are configured, per version or alias: put, change, get, list, delete.
//!
//! A configuration is written in turn with its function, so it never belongs to a version or alias that is not there.
//!
//! Source: Lambda API reference, `PutFunctionEventInvokeConfig` and its kin.

use std::sync::Arc;

use model::arn::{FunctionId, PARTITION, Scope};
use model::error::ServiceError;
use model::event_invoke::EventInvokeConfig;
use model::limits;
use model::name::{FunctionReference, Qualifier, Version};

use super::Functions;
use super::live::Live;
use super::reference::{one_qualifier, own_id};
use super::refusal::not_found;
use crate::durable::not_written;
use crate::marker;

/// What is to be set. An empty destination means none.
#[derive(Debug, Clone, Default)]
pub struct EventInvokeChange {
    /// Further attempts after one that failed.
    pub retries_max: Option<u32>,
    /// How old an event may become.
    pub event_age_max_s: Option<u32>,
    /// ARN of what is told of successes.
    pub on_success: Option<String>,
    /// ARN of what is told of failures.
    pub on_failure: Option<String>,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct EventInvokePage {
    /// Ordered by qualifier.
    pub configs: Vec<Arc<EventInvokeConfig>>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

impl Functions {
    /// Sets a configuration in place of any earlier one; or, with `keep`, changes what is given of the present one.
    ///
    /// # Errors
    /// `ResourceNotFound` for function, qualifier, or (with `keep`) configuration; `InvalidParameterValue` for a
    /// destination that cannot be one.
    pub async fn configure_events(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
        change: EventInvokeChange,
        keep: bool,
    ) -> Result<Arc<EventInvokeConfig>, ServiceError> {
        let (id, qualifier) = meant(caller, reference, qualifier)?;
        let EventInvokeChange { retries_max, event_age_max_s, on_success, on_failure } = change;
        check_destination(&id, on_success.as_deref(), Outcome::Success)?;
        check_destination(&id, on_failure.as_deref(), Outcome::Failure)?;
        [&on_success, &on_failure].into_iter().flatten().try_for_each(|arn| self.check_is_there(&id, arn))?;
        self.in_turn(&id.clone(), async move |functions, live| {
            functions.check_qualifier(&live, &id, &qualifier)?;
            let table = &functions.0.attachments.event_invokes;
            let before = table.get(&id, &qualifier.to_string());
            let kept = match (&before, keep) {
                (Some(entry), true) => Some(Arc::clone(&entry.value)),
                (None, true) => return Err(missing(&id, &qualifier)),
                (_, false) => None,
            };
            let destination = |given: Option<String>, kept: Option<&String>| match given {
                Some(given) => Some(given).filter(|given| !given.is_empty()),
                None => kept.cloned(),
            };
            let kept = kept.as_deref();
            let config = EventInvokeConfig {
                retries_max: retries_max.or(kept.and_then(|kept| kept.retries_max)),
                event_age_max_s: event_age_max_s.or(kept.and_then(|kept| kept.event_age_max_s)),
                on_success: destination(on_success, kept.and_then(|kept| kept.on_success.as_ref())),
                on_failure: destination(on_failure, kept.and_then(|kept| kept.on_failure.as_ref())),
                last_modified: functions.0.parts.clock.now(),
                function: id,
                qualifier,
            };
            let arn = config.function.arn().to_string();
            let written = table.put(config, before.map(|entry| entry.stored)).await;
            written.map_err(|error| not_written(arn, &error))
        })
        .await
    }

    /// The configuration of a version or alias.
    ///
    /// # Errors
    /// `ResourceNotFound` for function, qualifier or configuration.
    pub fn event_config(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<Arc<EventInvokeConfig>, ServiceError> {
        self.get(caller, reference, qualifier)?;
        let (id, qualifier) = meant(caller, reference, qualifier)?;
        let entry = self.0.attachments.event_invokes.get(&id, &qualifier.to_string());
        entry.map(|entry| entry.value).ok_or_else(|| missing(&id, &qualifier))
    }

    /// The configurations of a function by qualifier, a page at a time.
    ///
    /// # Errors
    /// `ResourceNotFound`; `InvalidParameterValue` for a marker that was not given out here.
    pub fn event_configs(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        marker: Option<&str>,
        count_max: usize,
    ) -> Result<EventInvokePage, ServiceError> {
        let id = self.existing(caller, reference)?;
        let after = marker.map(|marker| marker::decode(marker, |name| Some(name.to_owned()))).transpose()?;
        let count_max = count_max.clamp(1, limits::LIST_PAGE_MAX);
        let table = &self.0.attachments.event_invokes;
        let (configs, has_more) = table.page(&id, after.as_deref(), count_max, |_| true);
        let next =
            configs.last().filter(|_| has_more).map(|last| marker::encode(&last.qualifier.to_string()));
        Ok(EventInvokePage { configs, next })
    }

    /// Removes a configuration: Lambda's defaults hold again.
    ///
    /// # Errors
    /// `ResourceNotFound` for function, qualifier or configuration.
    pub async fn forget_events(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<(), ServiceError> {
        let (id, qualifier) = meant(caller, reference, qualifier)?;
        self.in_turn(&id.clone(), async move |functions, live| {
            functions.check_qualifier(&live, &id, &qualifier)?;
            let (table, name) = (&functions.0.attachments.event_invokes, qualifier.to_string());
            let entry = table.get(&id, &name).ok_or_else(|| missing(&id, &qualifier))?;
            table.remove(&id, &name, entry.stored).await.map_err(|error| not_written(id.arn(), &error))
        })
        .await
    }

    /// Whether a destination that is a function of the same account and region is there. What lies elsewhere cannot be
    /// known, and what is no function comes and goes.
    fn check_is_there(&self, id: &FunctionId, arn: &str) -> Result<(), ServiceError> {
        if self.has_destination(id, arn) {
            return Ok(());
        }
        let shown: String = arn.chars().take(200).collect();
        Err(ServiceError::InvalidParameterValue(format!("The destination ARN {shown} is invalid.")))
    }

    /// Whether a destination of a function is there, as far as that is known.
    #[must_use]
    pub fn has_destination(&self, id: &FunctionId, arn: &str) -> bool {
        if arn.split(':').nth(2) != Some("lambda") {
            return true;
        }
        FunctionReference::parse(arn).is_ok_and(|named| {
            let account = named.account.unwrap_or(id.scope.account);
            let region = named.region.unwrap_or_else(|| id.scope.region.clone());
            let named = FunctionId { scope: Scope { account, region }, name: named.name };
            named.scope != id.scope || self.0.registry.look(&named, |_| ()).is_some()
        })
    }

    /// Whether a function that is claimed has this version or alias.
    pub(super) fn check_qualifier(
        &self,
        live: &Live,
        id: &FunctionId,
        qualifier: &Qualifier,
    ) -> Result<(), ServiceError> {
        let exists = match qualifier {
            Qualifier::Version(version) => live.version(*version).is_some(),
            Qualifier::Alias(name) => self.0.attachments.aliases.get(id, name).is_some(),
        };
        if exists { Ok(()) } else { Err(not_found(id, Some(qualifier))) }
    }
}

/// The function and the qualifier that are meant; `$LATEST` where none is named.
fn meant(
    caller: &Scope,
    reference: &FunctionReference,
    qualifier: Option<&Qualifier>,
) -> Result<(FunctionId, Qualifier), ServiceError> {
    let named = one_qualifier(reference, qualifier)?.cloned();
    Ok((own_id(caller, reference)?, named.unwrap_or(Qualifier::Version(Version::Latest))))
}

fn missing(id: &FunctionId, qualifier: &Qualifier) -> ServiceError {
    ServiceError::ResourceNotFound(format!(
        "The function {} doesn't have an EventInvokeConfig",
        id.qualified_arn(qualifier)
    ))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Success,
    Failure,
}

/// Whether an ARN can be told of outcomes: queues, topics, buses and other functions; of failures, buckets too.
fn check_destination(id: &FunctionId, arn: Option<&str>, outcome: Outcome) -> Result<(), ServiceError> {
    let Some(arn) = arn.filter(|arn| !arn.is_empty()) else { return Ok(()) };
    let shown: String = arn.chars().take(200).collect();
    let refuse = |reason: &str| {
        let message = format!("The provided destination {shown} is invalid: {reason}");
        Err(ServiceError::InvalidParameterValue(message))
    };
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", PARTITION, service, _, _, resource] = parts.as_slice() else {
        return refuse("it is the ARN of no queue, topic, event bus or function.");
    };
    let own = id.arn().to_string();
    let is_own = arn == own || arn.strip_prefix(&own).is_some_and(|rest| rest.starts_with(':'));
    match (*service, outcome) {
        ("lambda", _) if is_own => Err(ServiceError::InvalidParameterValue(
            "You can't specify the function as a destination for itself.".to_owned(),
        )),
        ("lambda", _) if resource.starts_with("function:") => Ok(()),
        ("events", _) if resource.starts_with("event-bus/") => Ok(()),
        ("sqs", _) if resource.ends_with(".fifo") => refuse("a FIFO queue cannot be a destination."),
        ("sns", _) if resource.ends_with(".fifo") => refuse("a FIFO topic cannot be a destination."),
        ("sqs" | "sns", _) if !resource.is_empty() => Ok(()),
        ("s3", Outcome::Failure) if !resource.is_empty() => Ok(()),
        ("s3", Outcome::Success) => refuse("a bucket can be a destination of failures only."),
        _ => refuse("it is the ARN of no queue, topic, event bus or function."),
    }
}

#[cfg(test)]
mod tests {
    use model::id::{AccountId, Region};
    use model::name::FunctionName;

    use super::*;

    fn check(arn: &str, outcome: Outcome, expect: Option<&str>) {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        let id = FunctionId { scope, name: FunctionName::parse("f").expect("a name") };
        match (check_destination(&id, Some(arn), outcome), expect) {
            (Ok(()), None) => {}
            (Err(error), Some(expect)) => assert!(error.to_string().contains(expect), "{error}"),
            (seen, expect) => panic!("{arn}: {seen:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn destinations_are_of_a_few_kinds() {
        use Outcome::{Failure, Success};
        check("", Success, None);
        check("arn:aws:sqs:us-east-1:000000000000:q", Success, None);
        check("arn:aws:sqs:us-east-1:000000000000:q.fifo", Success, Some("FIFO"));
        check("arn:aws:sns:us-east-1:000000000000:t", Failure, None);
        check("arn:aws:events:us-east-1:000000000000:event-bus/b", Success, None);
        check("arn:aws:events:us-east-1:000000000000:rule/r", Success, Some("no queue"));
        check("arn:aws:lambda:us-east-1:000000000000:function:g", Success, None);
        check("arn:aws-cn:lambda:us-east-1:000000000000:function:g", Success, Some("no queue"));
        check("arn:aws-cn:sqs:us-east-1:000000000000:q", Success, Some("no queue"));
        check("arn:aws:lambda:us-east-1:000000000000:function:f", Success, Some("for itself"));
        check("arn:aws:lambda:us-east-1:000000000000:function:f:live", Failure, Some("for itself"));
        check("arn:aws:lambda:us-east-1:000000000000:function:f2", Failure, None);
        check("arn:aws:s3:::bucket", Failure, None);
        check("arn:aws:s3:::bucket", Success, Some("failures only"));
        check("arn:aws:dynamodb:us-east-1:000000000000:table/t", Failure, Some("no queue"));
        check("kafka://topic", Failure, Some("no queue"));
    }
}
