//! What is served of Amazon EventBridge Scheduler.
//!
//! Data, as in [`super`].

use super::{Coverage, Service};

/// Amazon EventBridge Scheduler.
pub(super) const SCHEDULER: Service = Service {
    name: "scheduler",
    api_version: "2021-06-30",
    operations: &[
        ("CreateSchedule", Coverage::Partial),
        ("CreateScheduleGroup", Coverage::Partial),
        ("DeleteSchedule", Coverage::Partial),
        ("DeleteScheduleGroup", Coverage::Partial),
        ("GetSchedule", Coverage::Partial),
        ("GetScheduleGroup", Coverage::Partial),
        ("ListScheduleGroups", Coverage::Partial),
        ("ListSchedules", Coverage::Partial),
        ("ListTagsForResource", Coverage::Partial),
        ("TagResource", Coverage::Partial),
        ("UntagResource", Coverage::Partial),
        ("UpdateSchedule", Coverage::Partial),
    ],
    sensitive: &[],
    enums_checked_by_operation: &[],
    // Does not begin with `aws.`.
    patterns: &[(
        r"(?=[/\.\-_A-Za-z0-9]+)((?!aws\.).*)|(\$(\.[\w_-]+(\[(\d+|\*)\])*)*)",
        r"([/.\-_A-Zb-z0-9].*|a([^w].*)?|aw([^s].*)?|aws([^.].*)?)|(\$(\.[a-zA-Z0-9_\-]+(\[([0-9]+|\*)\])*)*)",
    )],
};
