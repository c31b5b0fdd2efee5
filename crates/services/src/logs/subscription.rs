//! Subscription filters: which of a group's events go on to which function. Two for each group.
//!
//! A function is told at once that it is subscribed, which shows whether it lets the logs in. What is put in comes from
//! then on; `forward` hands it on. Other destinations (streams, delivery streams, other accounts) are refused.
//! Sources: API Reference, `PutSubscriptionFilter`; CloudWatch Logs User Guide, "Real-time processing of log data with
//! subscriptions".

use model::arn::{ResourceArn, Scope};
use model::delivery::Undelivered;
use model::error::ServiceError;
use model::log::{LogGroup, Subscription};
use model::name::FunctionReference;
use store::records::RecordError;
use wire::logs::{self as api, errors};

use super::error::{invalid, no_group, no_subscription, not_served, of_files, of_records, too_many};
use super::filter::Filter;
use super::group::{page_size, read_token, token};
use super::{Logs, forward, name};

/// Subscription filters of one group.
const FILTERS_MAX: usize = 2;
/// How often a change is tried that meets one of how far events were handed on.
const TRIES: usize = 8;

impl Logs {
    pub(super) async fn put_subscription(
        &self,
        scope: &Scope,
        input: &api::PutSubscriptionFilterRequest,
    ) -> Result<(), ServiceError> {
        let wanted = self.wanted(scope, input)?;
        let settings = self.group_of(&wanted.group).await?.ok_or_else(no_group)?;
        if settings.class != "STANDARD" {
            return Err(errors::INVALID_OPERATION_EXCEPTION.error(format!(
                "Subscription filters are not supported for log groups of the class {}.",
                settings.class
            )));
        }
        self.deliveries.offer(&forward::greeting(&wanted, self.clock.now())).await.map_err(unreachable)?;
        if goes_round(&wanted) {
            let (group, name) = (wanted.group.name.as_str(), wanted.name.as_str());
            tracing::warn!(
                group,
                name,
                "a function is subscribed to its own log: what it logs invokes it without an end"
            );
        }
        let _turn = self.changing.lock().await;
        self.group_of(&wanted.group).await?.ok_or_else(no_group)?;
        self.keep_subscription(wanted).await
    }

    async fn keep_subscription(&self, mut wanted: Subscription) -> Result<(), ServiceError> {
        let group = wanted.group.clone();
        let mut outcome = Ok(());
        for _ in 0..TRIES {
            let there = self.subscriptions.get(&group, &wanted.name);
            match &there {
                Some(there) => {
                    (wanted.created, wanted.mark) = (there.value.created, there.value.mark);
                }
                None if self.subscriptions.count(&group) >= FILTERS_MAX => return Err(too_many()),
                None => wanted.mark = self.files.end(&group).await.map_err(of_files)?,
            }
            match self.subscriptions.put(wanted.clone(), there.map(|there| there.stored)).await {
                Err(error @ RecordError::Conflict { .. }) => outcome = Err(of_records(error)),
                Err(error) => return Err(of_records(error)),
                Ok(kept) => {
                    self.forward(&kept);
                    return Ok(());
                }
            }
        }
        outcome
    }

    /// What is asked for, its place still unknown.
    fn wanted(
        &self,
        scope: &Scope,
        input: &api::PutSubscriptionFilterRequest,
    ) -> Result<Subscription, ServiceError> {
        if input.apply_on_transformed_logs == Some(true) {
            return Err(not_served("The transformation of log events"));
        }
        if input.field_selection_criteria.as_ref().is_some_and(|criteria| !criteria.is_empty()) {
            return Err(not_served("The member fieldSelectionCriteria"));
        }
        if input.emit_system_fields.as_ref().is_some_and(|fields| !fields.is_empty()) {
            return Err(not_served("The member emitSystemFields"));
        }
        let pattern = input.filter_pattern.clone().unwrap_or_default();
        Filter::parse(&pattern).map_err(|error| invalid(error.to_string()))?;
        let destination = destination(scope, input.destination_arn.as_deref().unwrap_or_default())?;
        if input.role_arn.is_some() {
            return Err(invalid("destinationArn for vendor lambda cannot be used with roleArn"));
        }
        let distribution = input.distribution.as_ref().map_or("ByLogStream", AsRef::as_ref);
        Ok(Subscription {
            group: name::group(scope, input.log_group_name.as_deref()),
            name: input.filter_name.clone().unwrap_or_default(),
            pattern,
            destination,
            distribution: distribution.to_owned(),
            created: self.clock.now(),
            mark: Default::default(),
        })
    }

    pub(super) async fn describe_subscriptions(
        &self,
        scope: &Scope,
        input: &api::DescribeSubscriptionFiltersRequest,
    ) -> Result<api::DescribeSubscriptionFiltersResponse, ServiceError> {
        let group = name::group(scope, input.log_group_name.as_deref());
        let after = input.next_token.as_deref().map(read_token).transpose()?;
        self.group_of(&group).await?.ok_or_else(no_group)?;
        let prefix = input.filter_name_prefix.as_deref().unwrap_or_default();
        let is_wanted = |subscription: &Subscription| subscription.name.starts_with(prefix);
        let (page, more) =
            self.subscriptions.page(&group, after.as_deref(), page_size(input.limit), is_wanted);
        Ok(api::DescribeSubscriptionFiltersResponse {
            next_token: page.last().filter(|_| more).map(|last| token(&last.name)),
            subscription_filters: Some(page.iter().map(|subscription| shown(subscription)).collect()),
        })
    }

    pub(super) async fn delete_subscription(
        &self,
        scope: &Scope,
        input: &api::DeleteSubscriptionFilterRequest,
    ) -> Result<(), ServiceError> {
        let group = name::group(scope, input.log_group_name.as_deref());
        let _turn = self.changing.lock().await;
        self.group_of(&group).await?.ok_or_else(no_group)?;
        self.end_subscription(&group, input.filter_name.as_deref().unwrap_or_default()).await
    }

    /// Ends those of a group that is deleted.
    pub(super) async fn end_subscriptions(&self, group: &LogGroup) -> Result<(), ServiceError> {
        for entry in self.subscriptions.all(group) {
            self.end_subscription(group, &entry.value.name).await?;
        }
        Ok(())
    }

    async fn end_subscription(&self, group: &LogGroup, name: &str) -> Result<(), ServiceError> {
        let mut outcome = Ok(());
        for _ in 0..TRIES {
            let there = self.subscriptions.get(group, name).ok_or_else(no_subscription)?;
            match self.subscriptions.remove(group, name, there.stored).await {
                Err(error @ RecordError::Conflict { .. }) => outcome = Err(of_records(error)),
                Err(error) => return Err(of_records(error)),
                Ok(()) => {
                    self.forwarding.wake(group, name);
                    return Ok(());
                }
            }
        }
        outcome
    }
}

/// A function of the caller's account and region.
fn destination(scope: &Scope, arn: &str) -> Result<ResourceArn, ServiceError> {
    let parsed = ResourceArn::parse(arn).map_err(|_| invalid(format!("Invalid destinationArn: {arn}")))?;
    if parsed.service() != "lambda" {
        return Err(not_served(&format!(
            "A destination of the service {} (only functions)",
            parsed.service()
        )));
    }
    let function =
        FunctionReference::parse(arn).map_err(|_| invalid(format!("Invalid destinationArn: {arn}")))?;
    if function.account != Some(scope.account) || function.region.as_ref() != Some(&scope.region) {
        return Err(invalid("The destination must be in the account and region of the log group."));
    }
    Ok(parsed)
}

/// Whether a function gets its own log, if that is where functions log to.
fn goes_round(subscription: &Subscription) -> bool {
    let function = FunctionReference::parse(subscription.destination.as_str());
    function.is_ok_and(|function| subscription.group.name == format!("/aws/lambda/{}", function.name))
}

fn unreachable(error: Undelivered) -> ServiceError {
    match error {
        Undelivered::Never { .. } => invalid(
            "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your \
             function.",
        ),
        Undelivered::NotNow { message } => ServiceError::Unavailable(message),
    }
}

fn shown(subscription: &Subscription) -> api::SubscriptionFilter {
    api::SubscriptionFilter {
        filter_name: Some(subscription.name.clone()),
        log_group_name: Some(subscription.group.name.clone()),
        filter_pattern: Some(subscription.pattern.clone()),
        destination_arn: Some(subscription.destination.as_str().to_owned()),
        distribution: Some(subscription.distribution.as_str().into()),
        apply_on_transformed_logs: Some(false),
        creation_time: Some(subscription.created.as_millis()),
        ..api::SubscriptionFilter::default()
    }
}
