//! What is served of Amazon CloudWatch Logs.
//!
//! Data, as in [`super`].

use super::{Coverage, Service};

/// Amazon CloudWatch Logs: groups, streams, events, retention, subscriptions. Insights, exports and deliveries are not served.
pub(super) const LOGS: Service = Service {
    name: "logs",
    api_version: "2014-03-28",
    operations: &[
        ("CreateLogGroup", Coverage::Partial),
        ("CreateLogStream", Coverage::Partial),
        ("DeleteLogGroup", Coverage::Partial),
        ("DeleteLogStream", Coverage::Partial),
        ("DeleteRetentionPolicy", Coverage::Partial),
        ("DeleteSubscriptionFilter", Coverage::Partial),
        ("DescribeLogGroups", Coverage::Partial),
        ("DescribeLogStreams", Coverage::Partial),
        ("DescribeSubscriptionFilters", Coverage::Partial),
        ("FilterLogEvents", Coverage::Partial),
        ("GetLogEvents", Coverage::Partial),
        ("ListTagsForResource", Coverage::Partial),
        ("ListTagsLogGroup", Coverage::Partial),
        ("PutLogEvents", Coverage::Partial),
        ("PutRetentionPolicy", Coverage::Partial),
        ("PutSubscriptionFilter", Coverage::Partial),
        ("TagLogGroup", Coverage::Partial),
        ("TagResource", Coverage::Partial),
        ("UntagLogGroup", Coverage::Partial),
        ("UntagResource", Coverage::Partial),
    ],
    sensitive: &[],
    enums_checked_by_operation: &[],
    patterns: &[],
};
