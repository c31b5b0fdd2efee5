//! What is served of Amazon EventBridge.
//!
//! Data, as in [`super`].

use super::{Coverage, Service};

/// Amazon EventBridge: buses, rules, archives. Partners, connections, API destinations and global endpoints are not served.
pub(super) const EVENTS: Service = Service {
    name: "events",
    api_version: "2015-10-07",
    operations: &[
        ("CancelReplay", Coverage::Partial),
        ("CreateArchive", Coverage::Partial),
        ("CreateEventBus", Coverage::Partial),
        ("DeleteArchive", Coverage::Partial),
        ("DeleteEventBus", Coverage::Partial),
        ("DeleteRule", Coverage::Partial),
        ("DescribeArchive", Coverage::Partial),
        ("DescribeEventBus", Coverage::Partial),
        ("DescribeReplay", Coverage::Partial),
        ("DescribeRule", Coverage::Partial),
        ("DisableRule", Coverage::Partial),
        ("EnableRule", Coverage::Partial),
        ("ListArchives", Coverage::Partial),
        ("ListEventBuses", Coverage::Partial),
        ("ListReplays", Coverage::Partial),
        ("ListRuleNamesByTarget", Coverage::Partial),
        ("ListRules", Coverage::Partial),
        ("ListTagsForResource", Coverage::Partial),
        ("ListTargetsByRule", Coverage::Partial),
        ("PutEvents", Coverage::Partial),
        ("PutPermission", Coverage::Partial),
        ("PutRule", Coverage::Partial),
        ("PutTargets", Coverage::Partial),
        ("RemovePermission", Coverage::Partial),
        ("RemoveTargets", Coverage::Partial),
        ("StartReplay", Coverage::Partial),
        ("TagResource", Coverage::Partial),
        ("TestEventPattern", Coverage::Partial),
        ("UntagResource", Coverage::Partial),
        ("UpdateArchive", Coverage::Partial),
        ("UpdateEventBus", Coverage::Partial),
    ],
    sensitive: &[],
    enums_checked_by_operation: &[],
    // Not of blanks alone.
    patterns: &[(r"^(?!\s*$).+", r".*\S.*")],
};
