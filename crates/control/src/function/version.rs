//! Published versions: made, listed, deleted.
//!
//! A version is a snapshot of `$LATEST` that never changes; only its state settles, if it was published together with
//! code that was still being prepared. Numbers are never used again: the newest version says the last one, and where
//! it is deleted a record of its own does.
//!
//! Source: Lambda API reference, `PublishVersion`; Developer Guide, "Manage Lambda function versions".

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::arn::{FunctionId, Scope};
use model::error::ServiceError;
use model::function::{Code, Function, Settings, State, UpdateStatus};
use model::limits;
use model::name::{FunctionReference, Version};
use model::version::LastVersion;

use super::live::Live;
use super::reference::{own_latest, own_whole};
use super::refusal::{in_state, not_found};
use super::registry::Claim;
use super::update::check_changeable;
use super::{Functions, Page};
use crate::durable::{not_written, to_the_end};
use crate::marker;

/// A version to be made of `$LATEST`.
#[derive(Debug, Clone)]
pub struct Publish {
    /// The function.
    pub reference: FunctionReference,
    /// Replaces the description of `$LATEST`.
    pub description: Option<String>,
    /// Refuse unless this is the hash of the code.
    pub code_sha256: Option<String>,
    /// Refuse unless `$LATEST` is at this revision.
    pub revision: Option<String>,
}

impl Functions {
    /// Publishes `$LATEST`; gives the newest version again if nothing has changed since.
    ///
    /// # Errors
    /// `ResourceNotFound`; `ResourceConflict` while a change is being prepared; `PreconditionFailed`;
    /// `InvalidParameterValue` for another hash; `CodeStorageExceeded`; `ProviderVersionsLimitExceeded`.
    pub async fn publish(&self, caller: &Scope, request: Publish) -> Result<Arc<Function>, ServiceError> {
        let id = own_latest(caller, &request.reference, None)?;
        let functions = self.clone();
        to_the_end(async move {
            let claim = functions.claim_in_turn(&id).await?;
            let latest = Arc::clone(&claim.live.current);
            check_changeable(&latest, request.revision.as_deref())?;
            check_runs(&latest)?;
            check_hash(&latest.code, request.code_sha256.as_deref())?;
            let Some(version) = functions.next_version(&claim.live, &latest, request.description) else {
                let newest = claim.live.newest().ok_or_else(|| not_found(&id, None))?;
                return Ok(Arc::clone(&newest.function));
            };
            functions.check_code_storage(&id.scope, version.code.stored_bytes(), 0)?;
            let _room = functions.room_on_provider(&id.scope, &version.settings, 1).await?;
            let number = version.version;
            let latest = Function { revision: functions.new_revision(), ..Function::clone(&latest) };
            let live = functions.write(claim, latest, vec![version], |_, serving| serving).await?;
            live.version(number).cloned().ok_or_else(super::lost_count)
        })
        .await
    }

    /// The version that publishing `latest` makes; nothing if the newest version is the same already.
    pub(super) fn next_version(
        &self,
        live: &Live,
        latest: &Function,
        description: Option<String>,
    ) -> Option<Function> {
        let last = self.last_number(live);
        let newest = live.newest().filter(|newest| newest.function.version == Version::Published(last));
        if newest.is_some_and(|newest| is_unchanged(&newest.function, latest)) {
            return None;
        }
        Some(self.version_of(latest, last + 1, description))
    }

    /// `latest` as a version with a number.
    pub(super) fn version_of(&self, latest: &Function, number: u64, description: Option<String>) -> Function {
        let mut version = latest.clone();
        version.version = Version::Published(number);
        version.revision = self.new_revision();
        version.build = version.revision;
        version.last_modified = self.0.parts.clock.now();
        // Code that is still being prepared has never run as this version.
        let is_ready = latest.state == State::Active && latest.last_update != UpdateStatus::InProgress;
        version.state = if is_ready { State::Active } else { State::Pending };
        version.last_update = UpdateStatus::Successful;
        if let Some(description) = description.filter(|text| *text != latest.settings.description) {
            Arc::make_mut(&mut version.settings).description = description;
        }
        version
    }

    /// The highest number that a version of the function ever had.
    fn last_number(&self, live: &Live) -> u64 {
        let gone = self.0.attachments.last_versions.get(&live.current.id, "");
        let gone = gone.map_or(0, |last| last.value.number);
        match live.newest().map(|newest| newest.function.version) {
            Some(Version::Published(number)) => number.max(gone),
            _ => gone,
        }
    }

    /// `$LATEST` and the versions of a function by number, a page at a time.
    ///
    /// # Errors
    /// `ResourceNotFound`; `InvalidParameterValue` for a marker that was not given out here.
    pub fn versions(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        marker: Option<&str>,
        count_max: usize,
    ) -> Result<Page, ServiceError> {
        let id = own_whole(caller, reference)?;
        let parse = |text: &str| Version::parse(text).ok();
        let after = marker.map(|marker| marker::decode(marker, parse)).transpose()?;
        let count_max = count_max.clamp(1, limits::LIST_PAGE_MAX);
        let page = self.0.registry.look(&id, |live| {
            let mut found = live.shown().filter(|shown| after.is_none_or(|after| shown.version > after));
            let functions: Vec<_> = found.by_ref().take(count_max).cloned().collect();
            let next = functions.last().filter(|_| found.next().is_some());
            let next = next.map(|last| marker::encode(&last.version.to_string()));
            Page { functions, next }
        });
        page.ok_or_else(|| not_found(&id, None))
    }

    /// Removes a version, with what belongs to it alone. One that is not there is no error, as at Lambda.
    pub(super) async fn delete_version(
        &self,
        claim: Claim,
        id: &FunctionId,
        version: Version,
    ) -> Result<(), ServiceError> {
        let Some(published) = claim.live.published(version) else { return Ok(()) };
        self.check_unreferenced(id, version)?;
        let records = &self.0.parts.records;
        let name = version.to_string();
        let attached = self.0.attachments.all();
        let mut writes = vec![records.removal::<Function>(id, &name, published.stored)];
        writes.extend(attached.iter().flat_map(|kind| kind.removals(id, Some(&name))));
        let last_versions = &self.0.attachments.last_versions;
        let is_last = Version::Published(self.last_number(&claim.live)) == version;
        let last =
            is_last.then(|| LastVersion { function: id.clone(), number: self.last_number(&claim.live) });
        if let Some(last) = &last {
            let before = last_versions.get(id, "").map(|entry| entry.stored);
            writes.push(last_versions.keep(last, before));
        }
        let stored = records.commit(writes).await.map_err(|error| not_written(id.arn(), &error))?;
        attached.iter().for_each(|kind| kind.forget(id, Some(&name)));
        if let (Some(last), Some(stored)) = (last, stored.last()) {
            last_versions.install(Arc::new(last), *stored);
        }
        let live = claim.live.clone().without(version);
        claim.install(live);
        Ok(())
    }

    fn check_unreferenced(&self, id: &FunctionId, version: Version) -> Result<(), ServiceError> {
        let aliases = self.0.attachments.aliases.all(id);
        let referring: Vec<_> = aliases.iter().filter(|alias| alias.value.refers_to(version)).collect();
        if referring.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = referring.iter().map(|alias| alias.value.name.as_str()).collect();
        Err(ServiceError::ResourceConflict(format!(
            "Unable to delete version because the following aliases reference it: [{}]",
            names.join(", ")
        )))
    }
}

/// Whether publishing `latest` would make the version again. Its description may have been replaced, so that counts
/// only if `$LATEST` has changed since.
fn is_unchanged(version: &Function, latest: &Function) -> bool {
    let plain = |settings: &Settings| Settings { description: String::new(), ..settings.clone() };
    version.code == latest.code
        && (version.settings == latest.settings
            || (latest.last_modified <= version.last_modified
                && plain(&version.settings) == plain(&latest.settings)))
}

/// Code that could not be prepared never becomes a version.
fn check_runs(latest: &Function) -> Result<(), ServiceError> {
    match (&latest.state, &latest.last_update) {
        (State::Failed { reason }, _) | (_, UpdateStatus::Failed { reason }) => {
            Err(in_state(&State::Failed { reason: reason.clone() }))
        }
        _ => Ok(()),
    }
}

fn check_hash(code: &Code, expected: Option<&str>) -> Result<(), ServiceError> {
    let current = match code {
        Code::Zip(zip) => STANDARD.encode(zip.digest.as_bytes()),
        Code::Image(image) => image.digest.to_string(),
    };
    match expected {
        Some(expected) if expected != current => Err(ServiceError::InvalidParameterValue(format!(
            "CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({current}). Please try again with \
             the CodeSHA256 in $LATEST."
        ))),
        _ => Ok(()),
    }
}
