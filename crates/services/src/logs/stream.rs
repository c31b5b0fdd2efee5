//! Streams: made by customers, or by the first event that is written to them.
//!
//! Sources: API Reference, `CreateLogStream`, `DeleteLogStream`, `DescribeLogStreams`.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::arn::Scope;
use model::error::ServiceError;
use model::log::{LogGroup, LogStream};
use model::time::Timestamp;
use store::logs::StreamSpan;
use wire::logs as api;

use super::error::{self, invalid, no_group, no_stream, of_files, of_records, too_many};
use super::group::{page_size, read_token};
use super::{Logs, name};

/// Streams that customers may make in a group; those that come with their first event are not counted.
const STREAMS_MAX: usize = 10_000;

impl Logs {
    pub(super) async fn create_stream(
        &self,
        scope: &Scope,
        input: &api::CreateLogStreamRequest,
    ) -> Result<(), ServiceError> {
        let group = name::group(scope, input.log_group_name.as_deref());
        let name = input.log_stream_name.clone().unwrap_or_default();
        let _turn = self.changing.lock().await;
        self.group_of(&group).await?.ok_or_else(no_group)?;
        if self.has_stream(&group, &name).await? {
            return Err(error::exists("stream"));
        }
        if self.streams.count(&group) >= STREAMS_MAX {
            return Err(too_many());
        }
        let stream = LogStream { group, name, created: self.clock.now() };
        self.streams.put(stream, None).await.map_err(of_records).map(drop)
    }

    pub(super) async fn delete_stream(
        &self,
        scope: &Scope,
        input: &api::DeleteLogStreamRequest,
    ) -> Result<(), ServiceError> {
        let group = name::group(scope, input.log_group_name.as_deref());
        let name = input.log_stream_name.as_deref().unwrap_or_default();
        let _turn = self.changing.lock().await;
        let _alone = self.putting.write().await;
        self.group_of(&group).await?.ok_or_else(no_group)?;
        if !self.has_stream(&group, name).await? {
            return Err(no_stream());
        }
        if self.files.group(&group).await.map_err(of_files)?.is_some() {
            self.files.end_stream(&group, name, self.clock.now()).await.map_err(of_files)?;
        }
        if let Some(entry) = self.streams.get(&group, name) {
            self.streams.remove(&group, name, entry.stored).await.map_err(of_records)?;
        }
        Ok(())
    }

    /// Whether there is such a stream.
    pub(super) async fn has_stream(&self, group: &LogGroup, name: &str) -> Result<bool, ServiceError> {
        if self.streams.get(group, name).is_some() {
            return Ok(true);
        }
        let name = name.to_owned();
        let found = self.files.streams(group, self.kept_since(group), move |stream| stream == name).await;
        Ok(!found.map_err(of_files)?.is_empty())
    }

    pub(super) async fn describe_streams(
        &self,
        scope: &Scope,
        input: &api::DescribeLogStreamsRequest,
    ) -> Result<api::DescribeLogStreamsResponse, ServiceError> {
        let group =
            name::either(scope, input.log_group_name.as_deref(), input.log_group_identifier.as_deref())?;
        let by_time = input.order_by == Some(api::OrderBy::LastEventTime);
        if by_time && input.log_stream_name_prefix.is_some() {
            return Err(invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
        }
        self.group_of(&group).await?.ok_or_else(no_group)?;
        let prefix = input.log_stream_name_prefix.clone().unwrap_or_default();
        let streams = self.streams_of(&group, prefix).await?;
        let order = |stream: &Shown| {
            let last = stream.span.map_or(0, |span| span.last.as_millis());
            (if by_time { last } else { 0 }, stream.name.to_string())
        };
        let after = input.next_token.as_deref().map(place_of).transpose()?;
        let descending = input.descending.unwrap_or(false);
        let mut streams: Vec<_> = streams
            .into_iter()
            .map(|stream| (order(&stream), stream))
            .filter(|(place, _)| {
                after.as_ref().is_none_or(|after| if descending { place < after } else { place > after })
            })
            .collect();
        streams.sort_by(|(one, _), (other, _)| if descending { other.cmp(one) } else { one.cmp(other) });
        let limit = page_size(input.limit);
        let more = streams.len() > limit;
        streams.truncate(limit);
        let token = |((at, name), _): &((i64, String), Shown)| URL_SAFE_NO_PAD.encode(format!("{at} {name}"));
        let next_token = streams.last().filter(|_| more).map(token);
        let log_streams = Some(streams.iter().map(|(_, stream)| stream.shown(&group)).collect());
        Ok(api::DescribeLogStreamsResponse { log_streams, next_token })
    }

    async fn streams_of(&self, group: &LogGroup, prefix: String) -> Result<Vec<Shown>, ServiceError> {
        let made = self.streams.all(group);
        let made = made.into_iter().filter(|entry| entry.value.name.starts_with(&prefix));
        let mut streams: BTreeMap<Arc<str>, Shown> = made
            .map(|entry| {
                let name: Arc<str> = entry.value.name.as_str().into();
                (Arc::clone(&name), Shown { name, created: entry.value.created, span: None })
            })
            .collect();
        let since = self.kept_since(group);
        let found = self.files.streams(group, since, move |name| name.starts_with(&prefix)).await;
        for (name, span) in found.map_err(of_files)? {
            let created = streams.get(&name).map_or(span.created, |made| made.created);
            streams.insert(Arc::clone(&name), Shown { name, created, span: Some(span) });
        }
        Ok(streams.into_values().collect())
    }
}

fn place_of(token: &str) -> Result<(i64, String), ServiceError> {
    let text = read_token(token)?;
    let place = text.split_once(' ').and_then(|(at, name)| Some((at.parse().ok()?, name.to_owned())));
    place.ok_or_else(|| invalid("The specified nextToken is invalid."))
}

struct Shown {
    name: Arc<str>,
    created: Timestamp,
    span: Option<StreamSpan>,
}

impl Shown {
    fn shown(&self, group: &LogGroup) -> api::LogStream {
        let millis = |of: fn(&StreamSpan) -> Timestamp| self.span.as_ref().map(|span| of(span).as_millis());
        api::LogStream {
            log_stream_name: Some(self.name.to_string()),
            creation_time: Some(self.created.as_millis()),
            first_event_timestamp: millis(|span| span.first),
            last_event_timestamp: millis(|span| span.last),
            last_ingestion_time: millis(|span| span.taken),
            upload_sequence_token: Some(super::put::sequence_token(self.created)),
            arn: Some(group.stream_arn(&self.name)),
            // AWS answers 0 for every stream since 2019.
            stored_bytes: Some(0),
        }
    }
}
