//! The names of topics and subscriptions, and the ARNs that stand for them.
//!
//! Pure: whether there is such a topic is not known here. Source: SNS API Reference, `CreateTopic`; a subscription's ARN is its
//! topic's with an id at the end.

use model::arn::ResourceArn;
use model::error::ServiceError;
use model::topic::TopicId;

use super::SERVICE;
use super::error::invalid;

/// Whether a topic can be called so.
pub(super) fn is_name(name: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let plain = name.strip_suffix(".fifo").unwrap_or(name);
    !plain.is_empty() && name.len() <= 256 && plain.bytes().all(is_sign)
}

/// The topic that the ARN in the member `named` means.
pub(super) fn topic(named: &str, arn: Option<&String>) -> Result<TopicId, ServiceError> {
    let arn = arn.filter(|arn| !arn.is_empty());
    let arn = arn.ok_or_else(|| invalid(format_args!("{named} Reason: no value for required parameter")))?;
    topic_of(arn).ok_or_else(|| malformed(named, arn, 6))
}

/// The subscription that an ARN means, and its topic.
pub(super) fn subscription(arn: Option<&String>) -> Result<(TopicId, String), ServiceError> {
    let arn = arn.map(String::as_str).unwrap_or_default();
    let parts = arn.rsplit_once(':').and_then(|(topic, id)| Some((topic_of(topic)?, id.to_owned())));
    parts.ok_or_else(|| malformed("SubscriptionArn", arn, 7))
}

pub(super) fn topic_of(arn: &str) -> Option<TopicId> {
    let arn = ResourceArn::parse(arn).ok().filter(|arn| arn.service() == SERVICE)?;
    let name = arn.resource();
    is_name(name).then(|| TopicId { scope: arn.scope().clone(), name: name.to_owned() })
}

fn malformed(named: &str, arn: &str, wanted: usize) -> ServiceError {
    match arn.split(':').count() {
        found if found < 6 => {
            invalid(format_args!("{named} Reason: An ARN must have at least 6 elements, not {found}"))
        }
        found if found < wanted => {
            invalid(format_args!("{named} Reason: An ARN of it has {wanted} elements, not {found}"))
        }
        _ => invalid(named),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_arns_are_read() {
        for name in ["a", "A-b_9", "a.fifo", &"x".repeat(256)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".fifo", "a.b", "a b", "a:b", &"x".repeat(257), &format!("{}.fifo", "x".repeat(252))]
        {
            assert!(!is_name(name), "{name}");
        }
        let arn = "arn:aws:sns:eu-west-1:000000000000:a.fifo".to_owned();
        assert_eq!(topic("TopicArn", Some(&arn)).map(|topic| topic.arn()), Ok(arn.clone()));
        let (of, id) = subscription(Some(&format!("{arn}:1"))).expect("an ARN");
        assert_eq!((of.arn(), id.as_str()), (arn, "1"));
        let refused = topic("TopicArn", Some(&"x".to_owned())).expect_err("no ARN").to_string();
        assert_eq!(
            refused,
            "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1"
        );
        assert!(topic("TopicArn", Some(&"arn:aws:sqs:eu-west-1:000000000000:a".to_owned())).is_err());
    }
}
