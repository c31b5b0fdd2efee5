//! What is served of Amazon Simple Notification Service.
//!
//! Data, as in [`super`].

use super::{Coverage, Service};

/// Amazon Simple Notification Service: topics and their subscriptions. Mobile push and text messages are not served.
pub(super) const SNS: Service = Service {
    name: "sns",
    api_version: "2010-03-31",
    operations: &[
        ("AddPermission", Coverage::Partial),
        ("ConfirmSubscription", Coverage::Partial),
        ("CreateTopic", Coverage::Partial),
        ("DeleteTopic", Coverage::Partial),
        ("GetSubscriptionAttributes", Coverage::Partial),
        ("GetTopicAttributes", Coverage::Partial),
        ("ListSubscriptions", Coverage::Partial),
        ("ListSubscriptionsByTopic", Coverage::Partial),
        ("ListTagsForResource", Coverage::Partial),
        ("ListTopics", Coverage::Partial),
        ("Publish", Coverage::Partial),
        ("PublishBatch", Coverage::Partial),
        ("RemovePermission", Coverage::Partial),
        ("SetSubscriptionAttributes", Coverage::Partial),
        ("SetTopicAttributes", Coverage::Partial),
        ("Subscribe", Coverage::Partial),
        ("TagResource", Coverage::Partial),
        ("Unsubscribe", Coverage::Partial),
        ("UntagResource", Coverage::Partial),
    ],
    sensitive: &[],
    enums_checked_by_operation: &[],
    patterns: &[],
};
