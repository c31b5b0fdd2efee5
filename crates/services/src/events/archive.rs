//! Archives: made, described, listed, changed, deleted. Their events are [`super::kept`]'s.
//!
//! An archive's events go with it; those that are older than its retention go within the hour.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use model::arn::Scope;
use model::bus::Archive;
use model::error::ServiceError;
use model::time::Timestamp;
use pattern::{Dialect, Pattern};
use store::records::table::Entry;
use wire::events as api;

use super::error::{bad_pattern, exists, no_such, of_records, parameter, too_many};
use super::page::Page;
use super::{Events, managed, name};

/// Archives of one account in one region; AWS names no quota.
const ARCHIVES_MAX: usize = 100;
const DAY_S: u64 = 24 * 3600;

impl Events {
    pub(super) async fn create_archive(
        &self,
        scope: &Scope,
        input: &api::CreateArchiveRequest,
    ) -> Result<api::CreateArchiveResponse, ServiceError> {
        let arn = input.event_source_arn.as_deref().unwrap_or_default();
        let source = name::bus_of_arn(arn)
            .filter(|bus| bus.scope == *scope)
            .ok_or_else(|| parameter("EventSourceArn", "Must contain an event bus ARN."))?;
        check_pattern(input.event_pattern.as_deref())?;
        let archive = Archive {
            scope: scope.clone(),
            name: input.archive_name.clone().unwrap_or_default(),
            serial: self.event_id().to_string(),
            source,
            description: input.description.clone(),
            pattern: input.event_pattern.clone(),
            retention_days: days(input.retention_days),
            kms_key: input.kms_key_identifier.clone(),
            created: self.clock.now(),
        };
        let _turn = self.changing.lock().await;
        self.bus(&archive.source)?;
        if self.archives.get(scope, &archive.name).is_some() {
            return Err(exists("Archive", &archive.name));
        }
        let rule = managed::name_of(&archive);
        if self.rules.get(&archive.source, &rule).is_some() {
            return Err(exists("Rule", &rule));
        }
        if self.archives.count(scope) >= ARCHIVES_MAX {
            return Err(too_many());
        }
        let archive = self.archives.put(archive, None).await.map_err(of_records)?;
        self.routes.forget(&archive.source);
        Ok(api::CreateArchiveResponse {
            archive_arn: Some(archive.arn()),
            state: Some(api::ArchiveState::Enabled),
            state_reason: None,
            creation_time: Some(archive.created),
        })
    }

    pub(super) fn describe_archive(
        &self,
        scope: &Scope,
        input: &api::DescribeArchiveRequest,
    ) -> Result<api::DescribeArchiveResponse, ServiceError> {
        let archive = self.archive(scope, input.archive_name.as_deref())?.value;
        let size = self.kept.size(&archive.serial);
        Ok(api::DescribeArchiveResponse {
            archive_arn: Some(archive.arn()),
            archive_name: Some(archive.name.clone()),
            event_source_arn: Some(archive.source.arn()),
            description: archive.description.clone(),
            event_pattern: archive.pattern.clone(),
            state: Some(api::ArchiveState::Enabled),
            state_reason: None,
            kms_key_identifier: archive.kms_key.clone(),
            retention_days: i32::try_from(archive.retention_days).ok(),
            size_bytes: Some(size.bytes),
            event_count: Some(size.events),
            creation_time: Some(archive.created),
        })
    }

    pub(super) fn list_archives(
        &self,
        scope: &Scope,
        input: &api::ListArchivesRequest,
    ) -> Result<api::ListArchivesResponse, ServiceError> {
        let page = Page {
            prefix: input.name_prefix.as_deref(),
            token: input.next_token.as_deref(),
            limit: input.limit,
        };
        let of_source = input.event_source_arn.as_deref();
        let in_state = input.state.as_ref().is_none_or(|state| *state == api::ArchiveState::Enabled);
        let (archives, next_token) = page.of(&self.archives, scope, |archive| {
            in_state && of_source.is_none_or(|arn| arn == archive.source.arn())
        })?;
        let listed = |archive: Arc<Archive>| {
            let size = self.kept.size(&archive.serial);
            api::Archive {
                archive_name: Some(archive.name.clone()),
                event_source_arn: Some(archive.source.arn()),
                state: Some(api::ArchiveState::Enabled),
                state_reason: None,
                retention_days: i32::try_from(archive.retention_days).ok(),
                size_bytes: Some(size.bytes),
                event_count: Some(size.events),
                creation_time: Some(archive.created),
            }
        };
        Ok(api::ListArchivesResponse {
            archives: Some(archives.into_iter().map(listed).collect()),
            next_token,
        })
    }

    pub(super) async fn update_archive(
        &self,
        scope: &Scope,
        input: &api::UpdateArchiveRequest,
    ) -> Result<api::UpdateArchiveResponse, ServiceError> {
        check_pattern(input.event_pattern.as_deref())?;
        let _turn = self.changing.lock().await;
        let Entry { value, stored } = self.archive(scope, input.archive_name.as_deref())?;
        let before = Archive::clone(&value);
        let archive = Archive {
            description: input.description.clone().or(before.description),
            pattern: input.event_pattern.clone().or(before.pattern),
            retention_days: input.retention_days.map_or(before.retention_days, |given| days(Some(given))),
            kms_key: input.kms_key_identifier.clone().or(before.kms_key),
            ..before
        };
        let archive = self.archives.put(archive, Some(stored)).await.map_err(of_records)?;
        self.routes.forget(&archive.source);
        Ok(api::UpdateArchiveResponse {
            archive_arn: Some(archive.arn()),
            state: Some(api::ArchiveState::Enabled),
            state_reason: None,
            creation_time: Some(archive.created),
        })
    }

    pub(super) async fn delete_archive(
        &self,
        scope: &Scope,
        input: &api::DeleteArchiveRequest,
    ) -> Result<api::DeleteArchiveResponse, ServiceError> {
        let serial = {
            let _turn = self.changing.lock().await;
            let Entry { value, stored } = self.archive(scope, input.archive_name.as_deref())?;
            self.archives.remove(scope, &value.name, stored).await.map_err(of_records)?;
            self.routes.forget(&value.source);
            value.serial.clone()
        };
        // The archive is gone; what is left of it, or came at the same instant, goes with the next collection.
        if let Err(error) = self.kept.purge(&serial, None).await {
            tracing::warn!(archive = serial, %error, "the events of a deleted archive go later");
        }
        Ok(api::DeleteArchiveResponse {})
    }

    pub(super) fn archive(&self, scope: &Scope, name: Option<&str>) -> Result<Entry<Archive>, ServiceError> {
        let name = name.unwrap_or_default();
        self.archives.get(scope, name).ok_or_else(|| no_such("Archive", name))
    }

    /// Removes archived events that are too old, or whose archive is no more.
    pub(super) async fn collect_archives(&self) -> Result<(), ServiceError> {
        let (now, archives) = (self.clock.now(), self.archives.gather(|archive| Some(archive.clone())));
        for archive in &archives {
            if archive.retention_days > 0 {
                let kept_for = Duration::from_secs(u64::from(archive.retention_days) * DAY_S);
                let millis = i64::try_from(kept_for.as_millis()).unwrap_or(i64::MAX);
                let before = Timestamp::from_millis(now.as_millis().saturating_sub(millis));
                self.kept.purge(&archive.serial, Some(before)).await.map_err(of_records)?;
            }
        }
        let alive = || {
            self.archives.gather(|archive| Some(archive.serial.clone())).into_iter().collect::<HashSet<_>>()
        };
        self.kept.purge_all_but(|serial| alive().contains(serial)).await.map_err(of_records)
    }
}

fn days(given: Option<i32>) -> u32 {
    given.and_then(|days| u32::try_from(days).ok()).unwrap_or_default()
}

fn check_pattern(pattern: Option<&str>) -> Result<(), ServiceError> {
    pattern.map_or(Ok(()), |text| {
        Pattern::parse(text, Dialect::EventBridge).map(drop).map_err(|error| bad_pattern(&error))
    })
}
