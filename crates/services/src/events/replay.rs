//! Replays: events of an archive, sent to their bus once more.
//!
//! A replay runs beside the operations, page by page, and writes down how far it came after each page; the next start of
//! the server goes on from there, so an event may be sent twice, and none is passed over.

use std::sync::Arc;
use std::time::Duration;

use aside::Turn;
use model::arn::Scope;
use model::bus::{Replay, ReplayState};
use model::error::ServiceError;
use store::records::table::Entry;
use wire::events::{self as api, errors};

use super::error::{exists, invalid, no_such, of_records, parameter, too_many};
use super::event::{Event, Origin};
use super::kept::KeptEvent;
use super::page::Page;
use super::{Events, name};

/// Replays that are under way at once (EventBridge User Guide, "Quotas").
const RUNNING_MAX: usize = 10;
/// How long a replay that was held up waits.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Replays that are remembered of one account in one region.
const REPLAYS_MAX: usize = 1_000;
/// For how long (EventBridge User Guide, "Archiving and replaying events").
const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 3600);

impl Events {
    pub(super) async fn start_replay(
        &self,
        scope: &Scope,
        input: &api::StartReplayRequest,
    ) -> Result<api::StartReplayResponse, ServiceError> {
        let replay = self.replay_of(scope, input)?;
        let _turn = self.changing.lock().await;
        if self.replays.get(scope, &replay.name).is_some() {
            return Err(exists("Replay", &replay.name));
        }
        let running = self.replays.all(scope).iter().filter(|entry| !entry.value.state.is_over()).count();
        if running >= RUNNING_MAX || self.replays.count(scope) >= REPLAYS_MAX {
            return Err(too_many());
        }
        let replay = self.replays.put(replay, None).await.map_err(of_records)?;
        self.run_beside(&replay);
        Ok(api::StartReplayResponse {
            replay_arn: Some(replay.arn()),
            state: Some(state(replay.state)),
            state_reason: None,
            replay_start_time: Some(replay.started),
        })
    }

    fn replay_of(&self, scope: &Scope, input: &api::StartReplayRequest) -> Result<Replay, ServiceError> {
        let (Some(from), Some(to)) = (input.event_start_time, input.event_end_time) else {
            return Err(invalid("EventStartTime and EventEndTime must be specified."));
        };
        if from >= to {
            return Err(parameter("EventEndTime", "EventStartTime must be before EventEndTime."));
        }
        let destination = input.destination.clone().unwrap_or_default();
        let bus = destination.arn.as_deref().and_then(name::bus_of_arn);
        let bus = bus.ok_or_else(|| parameter("Destination.Arn", "Must contain an event bus ARN."))?;
        self.bus(&bus)?;
        let source = input.event_source_arn.as_deref().unwrap_or_default();
        let archive = name::archive_of_arn(scope, source)
            .ok_or_else(|| parameter("EventSourceArn", "Must contain an archive ARN."))?;
        let archive = self
            .archives
            .get(scope, &archive)
            .ok_or_else(|| parameter("EventSourceArn", &format!("Archive {archive} does not exist.")))?;
        if archive.value.source != bus {
            return Err(parameter("Destination.Arn", "Cross event bus replay is not permitted."));
        }
        Ok(Replay {
            scope: scope.clone(),
            name: input.replay_name.clone().unwrap_or_default(),
            description: input.description.clone(),
            archive: archive.value.name.clone(),
            serial: archive.value.serial.clone(),
            bus,
            rules: destination.filter_arns.unwrap_or_default(),
            from,
            to,
            state: ReplayState::Starting,
            reason: None,
            last: None,
            started: self.clock.now(),
            ended: None,
        })
    }

    pub(super) fn describe_replay(
        &self,
        scope: &Scope,
        input: &api::DescribeReplayRequest,
    ) -> Result<api::DescribeReplayResponse, ServiceError> {
        let name = input.replay_name.as_deref().unwrap_or_default();
        let replay = self.replays.get(scope, name).ok_or_else(|| no_such("Replay", name))?.value;
        Ok(api::DescribeReplayResponse {
            replay_name: Some(replay.name.clone()),
            replay_arn: Some(replay.arn()),
            description: replay.description.clone(),
            state: Some(state(replay.state)),
            state_reason: replay.reason.clone(),
            event_source_arn: Some(archive_arn(&replay)),
            destination: Some(api::ReplayDestination {
                arn: Some(replay.bus.arn()),
                filter_arns: Some(replay.rules.clone()),
            }),
            event_start_time: Some(replay.from),
            event_end_time: Some(replay.to),
            event_last_replayed_time: replay.last,
            replay_start_time: Some(replay.started),
            replay_end_time: replay.ended,
        })
    }

    pub(super) fn list_replays(
        &self,
        scope: &Scope,
        input: &api::ListReplaysRequest,
    ) -> Result<api::ListReplaysResponse, ServiceError> {
        let page = Page {
            prefix: input.name_prefix.as_deref(),
            token: input.next_token.as_deref(),
            limit: input.limit,
        };
        let (replays, next_token) = page.of(&self.replays, scope, |replay| {
            input.state.as_ref().is_none_or(|wanted| *wanted == state(replay.state))
                && input.event_source_arn.as_ref().is_none_or(|arn| *arn == archive_arn(replay))
        })?;
        let listed = |replay: Arc<Replay>| api::Replay {
            replay_name: Some(replay.name.clone()),
            event_source_arn: Some(archive_arn(&replay)),
            state: Some(state(replay.state)),
            state_reason: replay.reason.clone(),
            event_start_time: Some(replay.from),
            event_end_time: Some(replay.to),
            event_last_replayed_time: replay.last,
            replay_start_time: Some(replay.started),
            replay_end_time: replay.ended,
        };
        Ok(api::ListReplaysResponse { replays: Some(replays.into_iter().map(listed).collect()), next_token })
    }

    pub(super) async fn cancel_replay(
        &self,
        scope: &Scope,
        input: &api::CancelReplayRequest,
    ) -> Result<api::CancelReplayResponse, ServiceError> {
        let name = input.replay_name.as_deref().unwrap_or_default();
        let _turn = self.changing.lock().await;
        let Entry { value, stored } = self.replays.get(scope, name).ok_or_else(|| no_such("Replay", name))?;
        if !matches!(value.state, ReplayState::Starting | ReplayState::Running) {
            let message = format!("Replay {name} is not in a valid state for this operation.");
            return Err(errors::ILLEGAL_STATUS_EXCEPTION.error(message));
        }
        let replay = Replay { state: ReplayState::Cancelling, ..Replay::clone(&value) };
        let replay = self.replays.put(replay, Some(stored)).await.map_err(of_records)?;
        Ok(api::CancelReplayResponse {
            replay_arn: Some(replay.arn()),
            state: Some(state(replay.state)),
            state_reason: None,
        })
    }

    /// Goes on with all replays that the end of the server broke off.
    pub(super) fn resume_replays(&self) {
        for replay in self.replays.gather(|replay| (!replay.state.is_over()).then(|| replay.clone())) {
            self.run_beside(&replay);
        }
    }

    /// Forgets replays that were over long ago.
    pub(super) async fn collect_replays(&self) -> Result<(), ServiceError> {
        let now = self.clock.now();
        let is_old = |replay: &Replay| replay.ended.is_some_and(|ended| now.since(ended) > REMEMBERED);
        let old =
            self.replays.gather(|replay| is_old(replay).then(|| (replay.scope.clone(), replay.name.clone())));
        for (scope, name) in old {
            let _turn = self.changing.lock().await;
            if let Some(Entry { stored, .. }) = self.replays.get(&scope, &name) {
                self.replays.remove(&scope, &name, stored).await.map_err(of_records)?;
            }
        }
        Ok(())
    }

    /// Until a replay is over or gone. What breaks it off, as a disk that is full, holds it up; the end of the server too.
    fn run_beside(&self, replay: &Replay) {
        let (events, scope, name) = (self.clone(), replay.scope.clone(), replay.name.clone());
        tokio::spawn(async move {
            while let Err(error) = events.run(&scope, &name).await {
                if events.replays.get(&scope, &name).is_none() {
                    return;
                }
                tracing::warn!(%error, replay = name, "a replay is held up");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        });
    }

    async fn run(&self, scope: &Scope, name: &str) -> Result<(), ServiceError> {
        let begun = self.note(scope, name, |replay| {
            if replay.state == ReplayState::Starting {
                replay.state = ReplayState::Running;
            }
        });
        let mut replay = begun.await?;
        let mut place = None;
        while replay.state == ReplayState::Running {
            let from = replay.last.unwrap_or(replay.from);
            let page = self
                .kept
                .page(&replay.serial, place.as_deref(), from..replay.to)
                .await
                .map_err(of_records)?;
            let Some(last) = page.last() else { break };
            let (last_time, last_place) = (last.time, last.place.clone());
            let (mut turn, mut events) = (Turn::among_all(), Vec::new());
            for kept in &page {
                events.extend(self.again(&replay, kept).map(Arc::new));
                turn.give_way().await;
            }
            let only = Some(replay.rules.as_slice()).filter(|rules| !rules.is_empty());
            self.publish(&events, only).await?;
            place = Some(last_place);
            replay = self.note(scope, name, |replay| replay.last = Some(last_time)).await?;
        }
        let over = match replay.state {
            ReplayState::Cancelling => ReplayState::Cancelled,
            ReplayState::Running => ReplayState::Completed,
            over => over,
        };
        self.note(scope, name, |replay| replay.state = over).await.map(drop)
    }

    /// An event as a replay sends it: it says whose.
    fn again(&self, replay: &Replay, kept: &KeptEvent) -> Option<Event> {
        let inside = kept.text.strip_suffix('}')?;
        let text = format!("{inside},\"replay-name\":{}}}", serde_json::Value::from(replay.name.as_str()));
        let mut event = Event::of(&replay.bus, text, self.clock.now(), Origin::Put)?;
        (event.id, event.time) = (kept.id.clone(), kept.time);
        Some(event)
    }

    /// Writes down how far a replay is.
    async fn note(
        &self,
        scope: &Scope,
        name: &str,
        change: impl FnOnce(&mut Replay) + Send,
    ) -> Result<Arc<Replay>, ServiceError> {
        let _turn = self.changing.lock().await;
        let Entry { value, stored } = self.replays.get(scope, name).ok_or_else(|| no_such("Replay", name))?;
        let mut replay = Replay::clone(&value);
        change(&mut replay);
        if replay.state.is_over() && replay.ended.is_none() {
            replay.ended = Some(self.clock.now());
        }
        self.replays.put(replay, Some(stored)).await.map_err(of_records)
    }
}

fn archive_arn(replay: &Replay) -> String {
    format!("arn:aws:events:{}:{}:archive/{}", replay.scope.region, replay.scope.account, replay.archive)
}

fn state(state: ReplayState) -> api::ReplayState {
    match state {
        ReplayState::Starting => api::ReplayState::Starting,
        ReplayState::Running => api::ReplayState::Running,
        ReplayState::Cancelling => api::ReplayState::Cancelling,
        ReplayState::Completed => api::ReplayState::Completed,
        ReplayState::Cancelled => api::ReplayState::Cancelled,
        ReplayState::Failed => api::ReplayState::Failed,
    }
}
