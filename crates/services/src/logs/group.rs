//! Groups: made by customers or by the first thing that is written to them; how long their events are kept.
//!
//! Sources: API Reference, `CreateLogGroup`, `DeleteLogGroup`, `DescribeLogGroups`, `PutRetentionPolicy`.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::arn::Scope;
use model::error::ServiceError;
use model::log::{LogGroup, LogSettings};
use model::time::Timestamp;
use store::logs::GroupSize;
use wire::logs as api;

use super::error::{self, invalid, no_group, not_served, of_files, of_records};
use super::{Logs, name};

/// Items on a page where none is asked for.
const PAGE_DEFAULT: usize = 50;
/// What `PutRetentionPolicy` takes, in days.
const RETENTIONS: [i32; 23] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
    0,
];
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Logs {
    pub(super) async fn create_group(
        &self,
        scope: &Scope,
        input: &api::CreateLogGroupRequest,
    ) -> Result<(), ServiceError> {
        if input.kms_key_id.is_some() {
            return Err(not_served("Encryption of log groups with a KMS key"));
        }
        if input.deletion_protection_enabled == Some(true) {
            return Err(not_served("Deletion protection of log groups"));
        }
        let group = name::group(scope, input.log_group_name.as_deref());
        let class = input.log_group_class.as_ref().map_or("STANDARD", AsRef::as_ref);
        if !["STANDARD", "INFREQUENT_ACCESS"].contains(&class) {
            return Err(not_served(&format!("The log group class {class}")));
        }
        let tags = super::tags::added(BTreeMap::new(), input.tags.as_ref())?;
        let _turn = self.changing.lock().await;
        if self.group_of(&group).await?.is_some() {
            return Err(error::exists("group"));
        }
        let settings = LogSettings {
            group,
            created: self.clock.now(),
            class: class.to_owned(),
            retention_days: None,
            tags,
        };
        self.settings.put(settings, None).await.map_err(of_records).map(drop)
    }

    pub(super) async fn delete_group(
        &self,
        scope: &Scope,
        input: &api::DeleteLogGroupRequest,
    ) -> Result<(), ServiceError> {
        let group = name::group(scope, input.log_group_name.as_deref());
        let _turn = self.changing.lock().await;
        let _alone = self.putting.write().await;
        self.group_of(&group).await?.ok_or_else(no_group)?;
        self.end_subscriptions(&group).await?;
        self.files.delete(&group).await.map_err(of_files)?;
        for entry in self.streams.all(&group) {
            self.streams.remove(&group, &entry.value.name, entry.stored).await.map_err(of_records)?;
        }
        if let Some(entry) = self.settings.get(&group.scope, &group.name) {
            self.settings.remove(&group.scope, &group.name, entry.stored).await.map_err(of_records)?;
        }
        Ok(())
    }

    pub(super) async fn put_retention(
        &self,
        scope: &Scope,
        input: &api::PutRetentionPolicyRequest,
    ) -> Result<(), ServiceError> {
        let days = input.retention_in_days.unwrap_or_default();
        let kept = u32::try_from(days).ok().filter(|days| *days > 0 && RETENTIONS.contains(&(*days as i32)));
        let days = kept.ok_or_else(|| {
            let known = RETENTIONS[..22].iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            invalid(format!(
                "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: \
                 Member must satisfy enum value set: [{known}]"
            ))
        })?;
        let group = name::group(scope, input.log_group_name.as_deref());
        self.change(&group, |settings| {
            settings.retention_days = Some(days);
            Ok(())
        })
        .await?;
        self.expire(&group, days).await
    }

    pub(super) async fn delete_retention(
        &self,
        scope: &Scope,
        input: &api::DeleteRetentionPolicyRequest,
    ) -> Result<(), ServiceError> {
        let group = name::group(scope, input.log_group_name.as_deref());
        self.change(&group, |settings| {
            settings.retention_days = None;
            Ok(())
        })
        .await
    }

    /// Removes events that are kept no longer. Every hour or so.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn collect(&self) -> Result<(), ServiceError> {
        let kept = self.settings.gather(|settings| Some((settings.group.clone(), settings.retention_days?)));
        for (group, days) in kept {
            self.expire(&group, days).await?;
        }
        Ok(())
    }

    async fn expire(&self, group: &LogGroup, days: u32) -> Result<(), ServiceError> {
        self.files.expire(group, before(self.clock.now(), days)).await.map_err(of_files)
    }

    /// The time from which on a group's events are shown.
    pub(super) fn kept_since(&self, group: &LogGroup) -> Timestamp {
        let settings = self.settings.get(&group.scope, &group.name);
        let days = settings.and_then(|entry| entry.value.retention_days);
        days.map_or(Timestamp::from_millis(0), |days| before(self.clock.now(), days))
    }

    /// What is set for a group, or would be; none if there is no such group.
    pub(super) async fn group_of(&self, group: &LogGroup) -> Result<Option<LogSettings>, ServiceError> {
        if let Some(entry) = self.settings.get(&group.scope, &group.name) {
            return Ok(Some((*entry.value).clone()));
        }
        let size = self.files.group(group).await.map_err(of_files)?;
        Ok(size.map(|size| unset(&group.scope, size)))
    }

    /// Changes what is set for a group that is there.
    pub(super) async fn change(
        &self,
        group: &LogGroup,
        change: impl FnOnce(&mut LogSettings) -> Result<(), ServiceError>,
    ) -> Result<(), ServiceError> {
        let _turn = self.changing.lock().await;
        let mut settings = self.group_of(group).await?.ok_or_else(no_group)?;
        change(&mut settings)?;
        let stored = self.settings.get(&group.scope, &group.name).map(|entry| entry.stored);
        self.settings.put(settings, stored).await.map_err(of_records).map(drop)
    }

    pub(super) async fn describe_groups(
        &self,
        scope: &Scope,
        input: &api::DescribeLogGroupsRequest,
    ) -> Result<api::DescribeLogGroupsResponse, ServiceError> {
        if input.log_group_name_prefix.is_some() && input.log_group_name_pattern.is_some() {
            return Err(invalid(
                "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
            ));
        }
        let foreign = |account: &String| *account != scope.account.to_string();
        if input.account_identifiers.iter().flatten().any(foreign) {
            return Err(not_served("Log groups of linked accounts"));
        }
        let identifiers = input.log_group_identifiers.iter().flatten();
        let identified: Vec<String> = identifiers
            .map(|identifier| name::identified(scope, identifier).map(|group| group.name))
            .collect::<Result<_, _>>()?;
        let after = input.next_token.as_deref().map(read_token).transpose()?;
        let class = input.log_group_class.as_ref().map(AsRef::<str>::as_ref);
        let (prefix, pattern) = (&input.log_group_name_prefix, &input.log_group_name_pattern);
        let is_wanted = |settings: &LogSettings| {
            let name = &settings.group.name;
            prefix.as_ref().is_none_or(|prefix| name.starts_with(prefix.as_str()))
                && pattern.as_ref().is_none_or(|pattern| name.contains(pattern.as_str()))
                && (identified.is_empty() || identified.contains(name))
                && class.is_none_or(|class| settings.class == class)
                && after.as_ref().is_none_or(|after| name > after)
        };
        let sizes = self.files.groups(scope).await.map_err(of_files)?;
        let mut groups: BTreeMap<String, (LogSettings, u64)> = BTreeMap::new();
        for size in sizes.into_iter().filter(|size| !size.name.is_empty()) {
            let bytes = size.bytes;
            groups.insert(size.name.clone(), (unset(scope, size), bytes));
        }
        for entry in self.settings.all(scope) {
            let bytes = groups.get(&entry.value.group.name).map_or(0, |(_, bytes)| *bytes);
            groups.insert(entry.value.group.name.clone(), ((*entry.value).clone(), bytes));
        }
        let mut wanted: Vec<_> = groups.into_values().filter(|(settings, _)| is_wanted(settings)).collect();
        let limit = page_size(input.limit);
        let more = wanted.len() > limit;
        wanted.truncate(limit);
        let next = wanted.last().filter(|_| more).map(|(last, _)| URL_SAFE_NO_PAD.encode(&last.group.name));
        let log_groups = Some(wanted.iter().map(|(settings, bytes)| shown(settings, *bytes)).collect());
        Ok(api::DescribeLogGroupsResponse { log_groups, next_token: next })
    }
}

pub(super) fn page_size(limit: Option<i32>) -> usize {
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_DEFAULT)
}

/// A token that stands for a text.
pub(super) fn token(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// The text that a token of ours stands for.
pub(super) fn read_token(token: &str) -> Result<String, ServiceError> {
    let read = URL_SAFE_NO_PAD.decode(token).ok().and_then(|text| String::from_utf8(text).ok());
    read.ok_or_else(|| invalid("The specified nextToken is invalid."))
}

fn before(now: Timestamp, days: u32) -> Timestamp {
    let span = i64::try_from((DAY * days).as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(span))
}

/// A group for which nothing is set.
fn unset(scope: &Scope, size: GroupSize) -> LogSettings {
    LogSettings {
        group: LogGroup { scope: scope.clone(), name: size.name },
        created: size.created,
        class: "STANDARD".to_owned(),
        retention_days: None,
        tags: BTreeMap::new(),
    }
}

fn shown(settings: &LogSettings, bytes: u64) -> api::LogGroup {
    let arn = settings.group.arn();
    api::LogGroup {
        log_group_name: Some(settings.group.name.clone()),
        creation_time: Some(settings.created.as_millis()),
        retention_in_days: settings.retention_days.and_then(|days| i32::try_from(days).ok()),
        metric_filter_count: Some(0),
        arn: Some(format!("{arn}:*")),
        stored_bytes: Some(i64::try_from(bytes).unwrap_or(i64::MAX)),
        log_group_class: Some(settings.class.as_str().into()),
        log_group_arn: Some(arn),
        deletion_protection_enabled: Some(false),
        ..api::LogGroup::default()
    }
}
