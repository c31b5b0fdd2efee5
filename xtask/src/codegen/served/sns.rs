//! What is served of Amazon Simple Notification Service.
//!
//! Data, as in [`super`].

use super::{Coverage, Service};

/// Amazon Simple Notification Service: topics and their subscriptions. Mobile push, text messages and data protection
/// policies are not served; what else is refused by name is listed in `services::sns`.
pub(super) const SNS: Service = Service {
    name: "sns",
    api_version: "2010-03-31",
    operations: &[
        ("AddPermission", Coverage::Done),
        ("ConfirmSubscription", Coverage::Done),
        ("CreateTopic", Coverage::Done),
        ("DeleteTopic", Coverage::Done),
        ("GetSubscriptionAttributes", Coverage::Done),
        ("GetTopicAttributes", Coverage::Done),
        ("ListSubscriptions", Coverage::Done),
        ("ListSubscriptionsByTopic", Coverage::Done),
        ("ListTagsForResource", Coverage::Done),
        ("ListTopics", Coverage::Done),
        ("Publish", Coverage::Done),
        ("PublishBatch", Coverage::Done),
        ("RemovePermission", Coverage::Done),
        ("SetSubscriptionAttributes", Coverage::Done),
        ("SetTopicAttributes", Coverage::Done),
        ("Subscribe", Coverage::Done),
        ("TagResource", Coverage::Done),
        ("Unsubscribe", Coverage::Done),
        ("UntagResource", Coverage::Done),
    ],
    sensitive: &[],
    enums_checked_by_operation: &[],
    patterns: &[],
};
