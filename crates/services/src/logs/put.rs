//! Putting events: what of a batch is taken, and what is not.
//!
//! Source: API Reference, `PutLogEvents`.

use std::sync::Arc;

use model::arn::Scope;
use model::error::ServiceError;
use model::log::LogEvent;
use model::time::Timestamp;
use wire::logs as api;

use super::error::{invalid, no_group, no_stream, not_served, of_files};
use super::{Logs, name};

const HOUR_MS: i64 = 3_600_000;
const AGE_MAX_MS: i64 = 14 * 24 * HOUR_MS;
const AHEAD_MAX_MS: i64 = 2 * HOUR_MS;
const SPAN_MAX_MS: i64 = 24 * HOUR_MS;
/// Of a batch, and of one event: messages in UTF-8, and 26 bytes for each.
const BYTES_MAX: usize = 1_048_576;
const EVENT_OVERHEAD_BYTES: usize = 26;

impl Logs {
    pub(super) async fn put_events(
        &self,
        scope: &Scope,
        input: &api::PutLogEventsRequest,
    ) -> Result<api::PutLogEventsResponse, ServiceError> {
        if input.entity.is_some() {
            return Err(not_served("The member entity"));
        }
        let group = name::group(scope, input.log_group_name.as_deref());
        let stream = input.log_stream_name.as_deref().unwrap_or_default();
        let events = input.log_events.as_deref().unwrap_or_default();
        check(events)?;
        let _there = self.putting.read().await;
        self.group_of(&group).await?.ok_or_else(no_group)?;
        if !self.has_stream(&group, stream).await? {
            return Err(no_stream());
        }
        let now = self.clock.now();
        let bounds = Bounds::at(now.as_millis(), self.kept_since(&group).as_millis());
        let (taken, rejected) = bounds.sort(events);
        let stream: Arc<str> = stream.into();
        let event = |event: &api::InputLogEvent| LogEvent {
            stream: Arc::clone(&stream),
            at: Timestamp::from_millis(event.timestamp.unwrap_or_default()),
            message: event.message.clone().unwrap_or_default(),
        };
        let taken: Vec<LogEvent> = taken.iter().map(event).collect();
        if !taken.is_empty() {
            self.files.put(&group, taken, now).await.map_err(of_files)?;
        }
        Ok(api::PutLogEventsResponse {
            next_sequence_token: Some(sequence_token(now)),
            rejected_log_events_info: rejected,
            rejected_entity_info: None,
        })
    }
}

/// AWS ignores these tokens, and still gives some.
pub(super) fn sequence_token(at: Timestamp) -> String {
    format!("{:056}", at.as_millis().max(0))
}

fn check(events: &[api::InputLogEvent]) -> Result<(), ServiceError> {
    let mut total = 0;
    for event in events {
        let bytes = event.message.as_ref().map_or(0, String::len) + EVENT_OVERHEAD_BYTES;
        if bytes > BYTES_MAX {
            return Err(invalid(format!("Log event too large: {bytes} bytes exceeds limit of {BYTES_MAX}")));
        }
        total += bytes;
    }
    if total > BYTES_MAX {
        return Err(invalid(format!("Upload too large: {total} bytes exceeds limit of {BYTES_MAX}")));
    }
    let time = |event: &api::InputLogEvent| event.timestamp.unwrap_or_default();
    if !events.is_sorted_by_key(time) {
        return Err(invalid("Log events in a single PutLogEvents request must be in chronological order."));
    }
    if let (Some(first), Some(last)) = (events.first(), events.last())
        && time(last).saturating_sub(time(first)) > SPAN_MAX_MS
    {
        return Err(invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ));
    }
    Ok(())
}

/// The times of events that are taken.
struct Bounds {
    oldest: i64,
    kept_since: i64,
    newest: i64,
}

impl Bounds {
    fn at(now: i64, kept_since: i64) -> Self {
        Self { oldest: now - AGE_MAX_MS, kept_since, newest: now + AHEAD_MAX_MS }
    }

    /// What is taken of events in order of time, and what not.
    fn sort<'e>(
        &self,
        events: &'e [api::InputLogEvent],
    ) -> (&'e [api::InputLogEvent], Option<api::RejectedLogEventsInfo>) {
        let until = |bound: i64| events.partition_point(|event| event.timestamp.unwrap_or_default() < bound);
        let (old, expired, new) = (until(self.oldest), until(self.kept_since), until(self.newest + 1));
        let index = |index: usize| i32::try_from(index).ok();
        let info = api::RejectedLogEventsInfo {
            too_new_log_event_start_index: index(new).filter(|_| new < events.len()),
            too_old_log_event_end_index: index(old).filter(|_| old > 0),
            expired_log_event_end_index: index(expired).filter(|_| expired > 0),
        };
        let rejected = (info != api::RejectedLogEventsInfo::default()).then_some(info);
        (&events[old.max(expired).min(new)..new], rejected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(times: &[i64]) -> Vec<api::InputLogEvent> {
        let event = |at: &i64| api::InputLogEvent { timestamp: Some(*at), message: Some("m".to_owned()) };
        times.iter().map(event).collect()
    }

    #[test]
    fn events_out_of_time_are_told_apart() {
        let now = 100 * 24 * HOUR_MS;
        let bounds = Bounds::at(now, now - 24 * HOUR_MS);
        let all = events(&[
            now - AGE_MAX_MS - 1,
            now - 25 * HOUR_MS,
            now,
            now + AHEAD_MAX_MS,
            now + AHEAD_MAX_MS + 1,
        ]);
        let (taken, rejected) = bounds.sort(&all);
        assert_eq!(taken, &all[2..4]);
        let expected = api::RejectedLogEventsInfo {
            too_new_log_event_start_index: Some(4),
            too_old_log_event_end_index: Some(1),
            expired_log_event_end_index: Some(2),
        };
        assert_eq!(rejected, Some(expected));
        assert_eq!(bounds.sort(&all[2..3]), (&all[2..3], None));
        let (taken, _) = bounds.sort(&all[4..]);
        assert!(taken.is_empty());
    }

    #[test]
    fn batches_are_in_order_and_within_a_day() {
        assert_eq!(check(&events(&[1, 1, 2])), Ok(()));
        assert!(check(&events(&[2, 1])).is_err());
        assert!(check(&events(&[0, SPAN_MAX_MS + 1])).is_err());
        assert!(check(&events(&[i64::MIN, i64::MAX])).is_err());
        let large =
            |bytes: usize| vec![api::InputLogEvent { timestamp: Some(0), message: Some("m".repeat(bytes)) }];
        assert_eq!(check(&large(BYTES_MAX - EVENT_OVERHEAD_BYTES)), Ok(()));
        assert!(check(&large(BYTES_MAX - EVENT_OVERHEAD_BYTES + 1)).is_err());
    }
}
