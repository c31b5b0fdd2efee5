//! Reading events: those of one stream in both directions, and those of a group that a pattern wants.
//!
//! A token is a place between events; a page that is empty leaves it where it is, so tokens repeat at the ends.
//! Sources: API Reference, `GetLogEvents`, `FilterLogEvents`.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use aside::BrokeOff;
use model::arn::Scope;
use model::error::ServiceError;
use model::log::LogGroup;
use store::logs::{Direction, Found, Place, Search, Wanted};
use wire::logs as api;

use super::error::{broke_off, invalid, no_group, no_stream, of_files};
use super::filter::Filter;
use super::{Logs, name};

const COUNT_MAX: usize = 10_000;
/// The start of 2024: from there on events are found the latest first, too.
const LATEST_FIRST_SINCE_MS: i64 = 1_704_067_200_000;
/// Messages of one answer.
const BYTES_MAX: usize = 1_048_576;
/// How long one search goes on, without the time that it waits for others.
const SEARCH_MAX: Duration = Duration::from_secs(30);

impl Logs {
    pub(super) async fn get_events(
        &self,
        scope: &Scope,
        input: &api::GetLogEventsRequest,
    ) -> Result<api::GetLogEventsResponse, ServiceError> {
        let group =
            name::either(scope, input.log_group_name.as_deref(), input.log_group_identifier.as_deref())?;
        let stream = input.log_stream_name.clone().unwrap_or_default();
        let from_head = input.start_from_head.unwrap_or(false);
        let direction = match input.next_token.as_deref() {
            Some(token) => direction_of(token)?,
            None if from_head => Direction::From(Place::START),
            None => Direction::Before(None),
        };
        self.group_of(&group).await?.ok_or_else(no_group)?;
        if !self.has_stream(&group, &stream).await? {
            return Err(no_stream());
        }
        // The end of the time is not part of it here.
        let end = input.end_time.map(|end| end.saturating_sub(1));
        let search = Search {
            times: self.times(&group, input.start_time, end),
            direction,
            count_max: count(input.limit),
            bytes_max: BYTES_MAX,
            wanted: Box::new(move |in_stream, _| in_stream == stream),
        };
        let found = self.files.search(&group, search).await.map_err(of_files)?.events;
        let (backward, forward) = match (found.first(), found.last(), direction) {
            (Some(first), Some(last), _) => (first.place, last.place.next()),
            (_, _, Direction::From(place) | Direction::Before(Some(place))) => (place, place),
            _ => (Place::START, Place::START),
        };
        let event = |found: Found| api::OutputLogEvent {
            timestamp: Some(found.event.at.as_millis()),
            message: Some(found.event.message),
            ingestion_time: Some(found.taken.as_millis()),
        };
        Ok(api::GetLogEventsResponse {
            events: Some(found.into_iter().map(event).collect()),
            next_forward_token: Some(format!("f/{}", text(forward))),
            next_backward_token: Some(format!("b/{}", text(backward))),
        })
    }

    /// Searches in the line of its group, so that it holds up no other group for long.
    pub(super) async fn filter_events(
        &self,
        scope: &Scope,
        input: &api::FilterLogEventsRequest,
    ) -> Result<api::FilterLogEventsResponse, ServiceError> {
        let group =
            name::either(scope, input.log_group_name.as_deref(), input.log_group_identifier.as_deref())?;
        let names = input.log_stream_names.as_ref().filter(|names| !names.is_empty());
        if names.is_some() && input.log_stream_name_prefix.is_some() {
            return Err(invalid("logStreamNamePrefix and logStreamNames cannot both be given."));
        }
        if let (Some(start), Some(end)) = (input.start_time, input.end_time)
            && end < start
        {
            return Err(invalid("endTime must be greater than startTime."));
        }
        let filter = Filter::parse(input.filter_pattern.as_deref().unwrap_or_default())
            .map_err(|error| invalid(error.to_string()))?;
        let direction = filter_direction(input)?;
        self.group_of(&group).await?.ok_or_else(no_group)?;
        for name in names.into_iter().flatten() {
            if !self.has_stream(&group, name).await? {
                return Err(no_stream());
            }
        }
        let patience = Patience::default();
        let is_wanted = wanted(names, input.log_stream_name_prefix.clone(), filter);
        let search = Search {
            times: self.times(&group, input.start_time, input.end_time),
            direction,
            count_max: count(input.limit),
            bytes_max: BYTES_MAX,
            wanted: patience.within(is_wanted),
        };
        let (files, searched) = (Arc::clone(&self.files), group.clone());
        let found = self.aside.run(&group.arn(), move || files.search_here(&searched, &search)).await;
        let page = found.map_err(|BrokeOff| broke_off())?.map_err(of_files)?;
        if patience.is_lost() {
            return Err(invalid(format!(
                "The search took more than {} seconds. Look into a shorter time, into fewer streams, or for a simpler \
                 pattern.",
                SEARCH_MAX.as_secs()
            )));
        }
        let more = |found: Option<&Found>| found.filter(|_| page.more).map(|found| found.place);
        let next_token = match direction {
            Direction::From(_) => more(page.events.last()).map(|last| text(last.next())),
            Direction::Before(_) => more(page.events.first()).map(|first| format!("b/{}", text(first))),
        };
        let mut events: Vec<_> = page.events.into_iter().map(shown).collect();
        if let Direction::Before(_) = direction {
            events.reverse();
        }
        let (events, searched_log_streams) = (Some(events), Some(Vec::new()));
        Ok(api::FilterLogEventsResponse { events, searched_log_streams, next_token })
    }

    /// The times that are asked for, as far as events are kept.
    fn times(&self, group: &LogGroup, start: Option<i64>, end: Option<i64>) -> RangeInclusive<i64> {
        let kept_since = self.kept_since(group).as_millis();
        start.unwrap_or(kept_since).max(kept_since)..=end.unwrap_or(i64::MAX)
    }
}

fn count(limit: Option<i32>) -> usize {
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(COUNT_MAX).clamp(1, COUNT_MAX)
}

/// How long a search goes on: for its time, and no longer than somebody waits for it.
#[derive(Default)]
struct Patience(Arc<AtomicBool>);

impl Patience {
    /// Wants what is wanted for that long, from the first question on, and nothing any more afterwards.
    fn within(&self, wanted: Wanted) -> Wanted {
        let (lost, until) = (Arc::clone(&self.0), OnceLock::new());
        Box::new(move |stream, message| {
            if Instant::now() > *until.get_or_init(|| Instant::now() + SEARCH_MAX) {
                lost.store(true, Ordering::Relaxed);
            }
            !lost.load(Ordering::Relaxed) && wanted(stream, message)
        })
    }

    fn is_lost(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn wanted(names: Option<&Vec<String>>, prefix: Option<String>, filter: Filter) -> Wanted {
    let names: Option<BTreeSet<String>> = names.map(|names| names.iter().cloned().collect());
    let prefix = prefix.unwrap_or_default();
    Box::new(move |stream, message| {
        names.as_ref().is_none_or(|names| names.contains(stream))
            && stream.starts_with(&prefix)
            && filter.matches(message)
    })
}

fn shown(found: Found) -> api::FilteredLogEvent {
    api::FilteredLogEvent {
        log_stream_name: Some(found.event.stream.to_string()),
        timestamp: Some(found.event.at.as_millis()),
        ingestion_time: Some(found.taken.as_millis()),
        event_id: Some(text(found.place)),
        message: Some(found.event.message),
    }
}

/// A place as 56 digits, in its order.
pub(super) fn text(place: Place) -> String {
    format!("{:020}{:016}{:020}", place.at.max(0), place.file, place.offset)
}

fn place_of(token: &str) -> Result<Place, ServiceError> {
    let refused = || invalid("The specified nextToken is invalid.");
    if token.len() != 56 || !token.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused());
    }
    let number = |from: usize, to: usize| token[from..to].parse::<u64>().map_err(|_| refused());
    let at = i64::try_from(number(0, 20)?).map_err(|_| refused())?;
    let offset = number(36, 56)?;
    // Behind it there is room for one more.
    if offset == u64::MAX { Err(refused()) } else { Ok(Place { at, file: number(20, 36)?, offset }) }
}

/// Which way a page of found events is filled: tokens say it, and for the first page the caller.
fn filter_direction(input: &api::FilterLogEventsRequest) -> Result<Direction, ServiceError> {
    if let Some(token) = input.next_token.as_deref() {
        let is_backward = token.starts_with("b/");
        return if is_backward { direction_of(token) } else { place_of(token).map(Direction::From) };
    }
    if input.start_from_head.unwrap_or(true) {
        return Ok(Direction::From(Place::START));
    }
    if input.start_time.is_some_and(|start| start < LATEST_FIRST_SINCE_MS) {
        return Err(invalid("startFromHead can be false only for a startTime from 2024-01-01T00:00:00Z on."));
    }
    Ok(Direction::Before(None))
}

fn direction_of(token: &str) -> Result<Direction, ServiceError> {
    match token.split_once('/') {
        Some(("f", place)) => Ok(Direction::From(place_of(place)?)),
        Some(("b", place)) => Ok(Direction::Before(Some(place_of(place)?))),
        _ => Err(invalid("The specified nextToken is invalid.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_goes_on_no_longer_than_somebody_waits_for_it() {
        let patience = Patience::default();
        let within = patience.within(Box::new(|stream, message| stream == "s" && message == "m"));
        assert!(within("s", "m") && !within("s", "n") && !patience.is_lost());
        drop(patience);
        assert!(!within("s", "m"));
    }
}
