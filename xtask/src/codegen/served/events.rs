//! What is served of Amazon EventBridge.
//!
//! Data, as in [`super`].

use super::{Coverage, Service};

/// Amazon EventBridge: buses, rules, archives. Partners, connections, API destinations and global endpoints are not served.
pub(super) const EVENTS: Service = Service {
    name: "events",
    api_version: "2015-10-07",
    operations: &[
        ("CancelReplay", Coverage::Done),
        ("CreateArchive", Coverage::Done),
        ("CreateEventBus", Coverage::Done),
        ("DeleteArchive", Coverage::Done),
        ("DeleteEventBus", Coverage::Done),
        ("DeleteRule", Coverage::Done),
        ("DescribeArchive", Coverage::Done),
        ("DescribeEventBus", Coverage::Done),
        ("DescribeReplay", Coverage::Done),
        ("DescribeRule", Coverage::Done),
        ("DisableRule", Coverage::Done),
        ("EnableRule", Coverage::Done),
        ("ListArchives", Coverage::Done),
        ("ListEventBuses", Coverage::Done),
        ("ListReplays", Coverage::Done),
        ("ListRuleNamesByTarget", Coverage::Done),
        ("ListRules", Coverage::Done),
        ("ListTagsForResource", Coverage::Done),
        ("ListTargetsByRule", Coverage::Done),
        ("PutEvents", Coverage::Done),
        ("PutPermission", Coverage::Done),
        ("PutRule", Coverage::Done),
        ("PutTargets", Coverage::Done),
        ("RemovePermission", Coverage::Done),
        ("RemoveTargets", Coverage::Done),
        ("StartReplay", Coverage::Done),
        ("TagResource", Coverage::Done),
        ("TestEventPattern", Coverage::Done),
        ("UntagResource", Coverage::Done),
        ("UpdateArchive", Coverage::Done),
        ("UpdateEventBus", Coverage::Done),
    ],
    sensitive: &[],
    enums_checked_by_operation: &[],
    // Not of blanks alone.
    patterns: &[(r"^(?!\s*$).+", r".*\S.*")],
};
