//! What a dead-letter queue gets of a delivery that was given up: its body, and attributes that say why.
//!
//! Source: EventBridge User Guide, "Using dead-letter queues to process undelivered events"; EventBridge Scheduler User
//! Guide, "Configuring a dead-letter queue".

use bytes::Bytes;

use crate::delivery::{Address, Attribute, Delivery, Undelivered};
use crate::sqs::fitting;

/// Attributes that one message may have, its own included (SQS).
const ATTRIBUTES_MAX: usize = 10;
/// Characters of a reason.
const MESSAGE_CHARS_MAX: usize = 1_000;

/// What has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// Attempts.
    Retries,
    /// Time.
    Age,
}

/// The letter; nothing if the delivery has no dead-letter queue.
#[must_use]
pub fn letter(
    delivery: &Delivery,
    refused: &Undelivered,
    retries: u32,
    exhausted: Option<Exhausted>,
) -> Option<Delivery> {
    let queue = delivery.dead_letter.clone()?;
    let (code, message) = match refused {
        Undelivered::Never { code, message } => (*code, message),
        Undelivered::NotNow { message } => ("UNAVAILABLE", message),
    };
    let text = |name: &str, kind: &str, value: &str| Attribute {
        name: name.to_owned(),
        kind: kind.to_owned(),
        value: Bytes::copy_from_slice(value.as_bytes()),
    };
    let message: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
    let mut why = vec![
        text(source_name(&delivery.from.service), "String", &delivery.from.source),
        text("TARGET_ARN", "String", &delivery.to.to_string()),
        text("ERROR_CODE", "String", code),
        text("ERROR_MESSAGE", "String", &message),
    ];
    if let Some(exhausted) = exhausted {
        let condition = match exhausted {
            Exhausted::Retries => "MaximumRetryAttempts",
            Exhausted::Age => "MaximumEventAgeInSeconds",
        };
        why.push(text("EXHAUSTED_RETRY_CONDITION", "String", condition));
        why.push(text("RETRY_ATTEMPTS", "Number", &retries.to_string()));
    }
    let own = delivery.extras.attributes.iter().take(ATTRIBUTES_MAX - why.len()).cloned();
    let attributes = fitting(&delivery.body, own.chain(why.iter().cloned()).collect());
    let mut letter = Delivery { to: Address::Resource(queue), dead_letter: None, ..delivery.clone() };
    letter.extras.attributes = attributes;
    Some(letter)
}

/// The attribute that names what the delivery came from.
fn source_name(service: &str) -> &'static str {
    match service {
        "events.amazonaws.com" => "RULE_ARN",
        "scheduler.amazonaws.com" => "SCHEDULE_ARN",
        "sns.amazonaws.com" => "TOPIC_ARN",
        _ => "SOURCE_ARN",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::arn::{ResourceArn, Scope};
    use crate::delivery::{Extras, Retry, Sender};
    use crate::id::{AccountId, Region};
    use crate::sqs::MESSAGE_BYTES_MAX;

    fn delivery() -> Delivery {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        let arn = |service: &str, resource: &str| ResourceArn::of(service, &scope, resource).expect("an ARN");
        let attribute = Attribute {
            name: "n".to_owned(),
            kind: "Binary".to_owned(),
            value: Bytes::from_static(&[0, 255]),
        };
        Delivery {
            to: Address::Resource(arn("lambda", "function:resize")),
            from: Sender {
                service: "events.amazonaws.com".to_owned(),
                source: arn("events", "rule/hourly").to_string(),
                scope: scope.clone(),
                role: None,
            },
            body: Bytes::from_static(b"{}"),
            extras: Extras { attributes: vec![attribute], ..Extras::default() },
            retry: Retry { retries_max: 3, age_max: Duration::from_secs(60) },
            dead_letter: Some(arn("sqs", "lost")),
            line: "rule/default/hourly/1".to_owned(),
        }
    }

    #[test]
    fn a_letter_says_why_and_holds_no_more_than_a_queue_takes() {
        let refused = Undelivered::NotNow { message: "away ".repeat(1_000) };
        let mut given_up = delivery();
        given_up.extras.attributes = vec![given_up.extras.attributes[0].clone(); 10];
        let letter = letter(&given_up, &refused, 7, Some(Exhausted::Retries)).expect("it has a queue");
        assert_eq!(Some(letter.to.to_string()), given_up.dead_letter.as_ref().map(ToString::to_string));
        assert_eq!((letter.body, letter.dead_letter), (given_up.body.clone(), None));
        let attributes = letter.extras.attributes;
        assert_eq!(attributes.len(), ATTRIBUTES_MAX);
        let value = |name: &str| {
            let found = attributes.iter().find(|it| it.name == name);
            found.map(|it| String::from_utf8_lossy(&it.value).into_owned())
        };
        assert_eq!(value("RULE_ARN").as_deref(), Some(given_up.from.source.as_str()));
        assert_eq!(value("RETRY_ATTEMPTS").as_deref(), Some("7"));
        assert_eq!(value("EXHAUSTED_RETRY_CONDITION").as_deref(), Some("MaximumRetryAttempts"));
        assert_eq!(value("ERROR_MESSAGE").map(|text| text.len()), Some(MESSAGE_CHARS_MAX));
        let room = MESSAGE_BYTES_MAX as usize - given_up.extras.attributes[0].bytes();
        let large = Delivery { body: vec![b'x'; room].into(), ..given_up.clone() };
        let letter = super::letter(&large, &refused, 7, None).expect("it has a queue");
        assert_eq!(letter.extras.attributes, given_up.extras.attributes[..1], "a letter has room for itself");
        let none = Delivery { dead_letter: None, ..given_up };
        assert_eq!(super::letter(&none, &refused, 0, None), None);
    }
}
