//! What is served of Amazon EventBridge Scheduler.
//!
//! Data, as in [`super`].

use super::{Coverage, Service};

/// Amazon EventBridge Scheduler.
pub(super) const SCHEDULER: Service = Service {
    name: "scheduler",
    api_version: "2021-06-30",
    operations: &[
        ("CreateSchedule", Coverage::Done),
        ("CreateScheduleGroup", Coverage::Done),
        ("DeleteSchedule", Coverage::Done),
        ("DeleteScheduleGroup", Coverage::Done),
        ("GetSchedule", Coverage::Done),
        ("GetScheduleGroup", Coverage::Done),
        ("ListScheduleGroups", Coverage::Done),
        ("ListSchedules", Coverage::Done),
        ("ListTagsForResource", Coverage::Done),
        ("TagResource", Coverage::Done),
        ("UntagResource", Coverage::Done),
        ("UpdateSchedule", Coverage::Done),
    ],
    sensitive: &[],
    enums_checked_by_operation: &[],
    // Does not begin with `aws.`.
    patterns: &[(
        r"(?=[/\.\-_A-Za-z0-9]+)((?!aws\.).*)|(\$(\.[\w_-]+(\[(\d+|\*)\])*)*)",
        r"([/.\-_A-Zb-z0-9].*|a([^w].*)?|aw([^s].*)?|aws([^.].*)?)|(\$(\.[a-zA-Z0-9_\-]+(\[([0-9]+|\*)\])*)*)",
    )],
};
