//! What is served of Amazon CloudWatch Logs.
//!
//! Data, as in [`super`].

use super::{Coverage, Service};

/// Amazon CloudWatch Logs: groups, streams, events, retention, subscriptions. Insights, exports and deliveries are not served.
pub(super) const LOGS: Service = Service {
    name: "logs",
    api_version: "2014-03-28",
    operations: &[
        ("CreateLogGroup", Coverage::Done),
        ("CreateLogStream", Coverage::Done),
        ("DeleteLogGroup", Coverage::Done),
        ("DeleteLogStream", Coverage::Done),
        ("DeleteResourcePolicy", Coverage::Done),
        ("DeleteRetentionPolicy", Coverage::Done),
        ("DeleteSubscriptionFilter", Coverage::Done),
        ("DescribeLogGroups", Coverage::Done),
        ("DescribeLogStreams", Coverage::Done),
        ("DescribeResourcePolicies", Coverage::Done),
        ("DescribeSubscriptionFilters", Coverage::Done),
        ("FilterLogEvents", Coverage::Done),
        ("GetLogEvents", Coverage::Done),
        ("ListTagsForResource", Coverage::Done),
        ("ListTagsLogGroup", Coverage::Done),
        ("PutLogEvents", Coverage::Done),
        ("PutResourcePolicy", Coverage::Done),
        ("PutRetentionPolicy", Coverage::Done),
        ("PutSubscriptionFilter", Coverage::Done),
        ("TagLogGroup", Coverage::Done),
        ("TagResource", Coverage::Done),
        ("UntagLogGroup", Coverage::Done),
        ("UntagResource", Coverage::Done),
    ],
    sensitive: &[],
    enums_checked_by_operation: &[],
    patterns: &[],
};
