//! What is told when an event is at its end: an invocation record to the destination, and the event itself to the
//! function's dead-letter queue.
//!
//! Sources: Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations" and "Adding a dead-letter
//! queue".

use bytes::Bytes;
use model::arn::ResourceArn;
use model::delivery::{Address, Attribute, Delivery, Extras, Retry, Sender};
use model::event::{Attempts, Condition, Event, EventSettings, SOURCE};
use model::lineage;
use model::sqs::{fitting, is_legal};
use model::time::Timestamp;

pub(super) use super::record::Answer;
use super::record::record;

/// Bytes of the error that a dead-letter queue is told (Lambda: the first kilobyte).
const ERROR_BYTES_MAX: usize = 1_024;

/// An event at its end.
pub(super) struct Ending<'a> {
    pub(super) event: &'a Event,
    pub(super) settings: &'a EventSettings,
    pub(super) condition: Condition,
    pub(super) attempts: Attempts,
    /// What the function answered at last, if it ran.
    pub(super) answer: Option<&'a Answer>,
}

impl Ending<'_> {
    /// All that is to be told.
    pub(super) fn deliveries(&self, now: Timestamp) -> Vec<Delivery> {
        let destination = match self.condition {
            Condition::Success => &self.settings.on_success,
            _ => &self.settings.on_failure,
        };
        let told = destination.as_deref().and_then(|to| self.to_destination(to, now));
        let dead_letter = match self.condition {
            Condition::Success => None,
            _ => self.settings.dead_letter.as_deref().and_then(|to| self.to_dead_letter_queue(to)),
        };
        told.into_iter().chain(dead_letter).collect()
    }

    fn to_destination(&self, to: &str, now: Timestamp) -> Option<Delivery> {
        let Self { event, condition, attempts, answer, .. } = self;
        let arn = self.qualified_arn();
        let record = record(event, &arn, *condition, *attempts, *answer, now);
        let extras = Extras {
            // The chain goes on, so that destinations that lead in a circle are found too.
            trace: Some(lineage::step(event.trace.as_deref().unwrap_or_default(), &event.function).0),
            source: Some(SOURCE.to_owned()),
            detail_type: Some(condition.detail_type()),
            resources: vec![to.to_owned(), arn],
            ..Extras::default()
        };
        self.delivery(to, record, extras)
    }

    fn to_dead_letter_queue(&self, to: &str) -> Option<Delivery> {
        let text = |name: &str, kind: &str, value: &[u8]| Attribute {
            name: name.to_owned(),
            kind: kind.to_owned(),
            value: Bytes::copy_from_slice(value),
        };
        let (code, message) = self.error();
        let attributes = vec![
            text("RequestID", "String", self.event.request.to_string().as_bytes()),
            text("ErrorCode", "Number", code.as_bytes()),
            text("ErrorMessage", "String", shown(&message).as_bytes()),
        ];
        // The event itself matters more than why it failed.
        let attributes = fitting(&self.event.payload, attributes);
        self.delivery(to, self.event.payload.clone(), Extras { attributes, ..Extras::default() })
    }

    /// The status of the last answer, and what the function or Lambda said.
    fn error(&self) -> (&'static str, String) {
        let said = self.answer.and_then(|answer| {
            let body: serde_json::Value = serde_json::from_slice(&answer.payload).ok()?;
            Some(body.get("errorMessage")?.as_str()?.to_owned())
        });
        match (said, self.condition) {
            (Some(said), _) if !said.is_empty() => ("200", said),
            (_, Condition::RetriesExhausted) => ("200", "The function failed.".to_owned()),
            (_, condition) => ("429", condition.as_str().to_owned()),
        }
    }

    fn delivery(&self, to: &str, body: Bytes, extras: Extras) -> Option<Delivery> {
        let function = &self.event.function;
        let Ok(arn) = ResourceArn::parse(to) else {
            tracing::warn!(destination = to, function = %function.arn(), "a destination is no ARN; it is not told");
            return None;
        };
        Some(Delivery {
            to: Address::Resource(arn),
            from: Sender::lambda(function, self.settings.role.clone()),
            body,
            extras,
            retry: Retry::BUS,
            dead_letter: None,
            line: format!("function/{}", function.name),
        })
    }

    fn qualified_arn(&self) -> String {
        let function = &self.event.function;
        match &self.event.qualifier {
            Some(qualifier) => function.qualified_arn(qualifier).to_string(),
            None => format!("{}:$LATEST", function.arn()),
        }
    }
}

/// At most [`ERROR_BYTES_MAX`] bytes, and nothing that a queue does not take.
fn shown(error: &str) -> String {
    let mut text = error.replace(|character| !is_legal(character), "\u{FFFD}");
    let mut end = text.len().min(ERROR_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_shown_as_a_queue_takes_it() {
        assert_eq!(shown("no\u{0}\u{1b}[31m\n"), "no\u{FFFD}\u{FFFD}[31m\n");
        assert_eq!(shown(&format!("x{}", "é".repeat(600))), format!("x{}", "é".repeat(511)));
    }
}
