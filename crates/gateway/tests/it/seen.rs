//! What callers see of a service, so that tests can compare it before and after, and know when nothing goes on any more.
//!
//! Each service has a list of requests that change nothing; `${name}` is what a case calls the thing that it is about.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cases::{self, parsed};
use crate::conformance::{Stage, root};

/// Of an account with a function: paths.
const FUNCTIONS: &[&str] = &[
    "/2015-03-31/functions",
    "/2015-03-31/functions/${name}",
    "/2015-03-31/functions/${name}/versions",
    "/2015-03-31/functions/${name}/aliases",
    "/2015-03-31/functions/${name}/policy",
    "/2015-03-31/functions/${name}/policy?Qualifier=1",
    "/2019-09-30/functions/${name}/concurrency",
    "/2019-09-25/functions/${name}/event-invoke-config/list",
    "/2021-10-31/functions/${name}/urls",
    "/2020-06-30/functions/${name}/code-signing-config",
    "/2021-07-20/functions/${name}/runtime-management-config",
    "/2024-08-31/functions/${name}/recursion-config",
    "/2025-11-30/functions/${name}/function-scaling-config",
    "/2016-08-19/account-settings",
    "/2018-10-31/layers",
    "/2018-10-31/layers/${name}/versions",
    "/2018-10-31/layers/${name}/versions/1",
    "/2018-10-31/layers/${name}/versions/1/policy",
    "/2015-03-31/event-source-mappings",
    "/2020-04-22/code-signing-configs",
    "/2025-11-30/capacity-providers",
];
/// Of identities: operations, and the members of their forms.
const IDENTITIES: &[(&str, &str)] = &[
    ("ListUsers", r#"{"MaxItems":"1000"}"#),
    ("ListAccessKeys", r#"{"UserName":"${name}"}"#),
    ("ListAttachedUserPolicies", r#"{"UserName":"${name}"}"#),
    ("ListGroupsForUser", r#"{"UserName":"${name}"}"#),
    ("ListUserPolicies", r#"{"UserName":"${name}"}"#),
    ("GetUser", r#"{"UserName":"${name}"}"#),
    ("ListGroups", r#"{"MaxItems":"1000"}"#),
    ("ListAttachedGroupPolicies", r#"{"GroupName":"${name}"}"#),
    ("ListGroupPolicies", r#"{"GroupName":"${name}"}"#),
    ("GetGroup", r#"{"GroupName":"${name}"}"#),
    ("ListRoles", r#"{"MaxItems":"1000"}"#),
    ("ListAttachedRolePolicies", r#"{"RoleName":"${name}"}"#),
    ("ListRolePolicies", r#"{"RoleName":"${name}"}"#),
    ("GetRole", r#"{"RoleName":"${name}"}"#),
    ("ListPolicies", r#"{"Scope":"Local","MaxItems":"1000"}"#),
    ("ListPolicyVersions", r#"{"PolicyArn":"arn:aws:iam::${account}:policy/${name}"}"#),
    ("GetPolicy", r#"{"PolicyArn":"arn:aws:iam::${account}:policy/${name}"}"#),
];
/// Of event buses: operations, and their members.
const BUSES: &[(&str, &str)] = &[
    ("ListEventBuses", "{}"),
    ("DescribeEventBus", "{}"),
    ("DescribeEventBus", r#"{"Name":"${name}"}"#),
    ("ListRules", "{}"),
    ("ListRules", r#"{"EventBusName":"${name}"}"#),
    ("DescribeRule", r#"{"Name":"${name}"}"#),
    ("ListTargetsByRule", r#"{"Rule":"${name}"}"#),
    ("ListTagsForResource", r#"{"ResourceARN":"arn:aws:events:${region}:${account}:rule/${name}"}"#),
    ("ListTagsForResource", r#"{"ResourceARN":"arn:aws:events:${region}:${account}:event-bus/${name}"}"#),
    ("ListArchives", "{}"),
    ("DescribeArchive", r#"{"ArchiveName":"${name}"}"#),
    ("ListReplays", "{}"),
];
/// Of schedules: paths.
const SCHEDULES: &[&str] = &[
    "/schedules",
    "/schedules/${name}",
    "/schedules/${name}?groupName=${name}",
    "/schedule-groups",
    "/schedule-groups/${name}",
    "/tags/arn%3Aaws%3Ascheduler%3A${region}%3A${account}%3Aschedule-group%2F${name}",
];

/// Of topics: operations, and the members of their forms.
const TOPICS: &[(&str, &str)] = &[
    ("ListTopics", "{}"),
    ("ListSubscriptions", "{}"),
    ("GetTopicAttributes", r#"{"TopicArn":"arn:aws:sns:${region}:${account}:${name}"}"#),
    ("ListSubscriptionsByTopic", r#"{"TopicArn":"arn:aws:sns:${region}:${account}:${name}"}"#),
    ("ListTagsForResource", r#"{"ResourceArn":"arn:aws:sns:${region}:${account}:${name}"}"#),
];

/// Operations with requests.
fn pages(service: &str) -> Vec<(&'static str, Value)> {
    let got = |target: &&'static str| (*target, json!({ "method": "GET", "target": target }));
    let asked = |member: &'static str| {
        move |(operation, text): &(&'static str, &'static str)| {
            let members: Value = serde_json::from_str(text).expect("JSON");
            (*operation, json!({ member: members }))
        }
    };
    match service {
        "lambda" => FUNCTIONS.iter().map(got).collect(),
        "iam" => IDENTITIES.iter().map(asked("form")).collect(),
        "sns" => TOPICS.iter().map(asked("form")).collect(),
        "events" => BUSES.iter().map(asked("json")).collect(),
        "scheduler" => SCHEDULES.iter().map(got).collect(),
        other => panic!("what is seen of {other}?"),
    }
}

/// Requests, with status and body of each answer.
pub async fn seen(stage: &Stage<'_>, service: &str) -> Vec<(Value, u16, Value)> {
    let client = stage.client();
    let mut seen = Vec::new();
    for (operation, request) in pages(service) {
        let ask = cases::request(&root(), service, operation, &request, &stage.variables);
        let answer = stage.send(ask, &client).await;
        let mut body = parsed(&answer.body);
        // Where code can be had is signed for the moment.
        for place in ["/Code/Location", "/Content/Location", "/RequestId"] {
            body.pointer_mut(place).map(Value::take);
        }
        seen.push((request, answer.status, body));
    }
    seen
}

/// Fails if callers see anything else than before.
pub async fn same(stage: &Stage<'_>, service: &str, before: &[(Value, u16, Value)]) -> Result<(), String> {
    let after = seen(stage, service).await;
    let changed: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
    if changed.is_empty() { Ok(()) } else { Err(format!("it was half done: {changed:?}")) }
}

/// Waits until what goes on after an answer is over: replays, and the deletion of groups of schedules. Where deliveries are
/// held, nothing is ever over.
pub async fn quiet(stage: &Stage<'_>, service: &str) -> Result<(), String> {
    let (operation, request, under_way): (_, _, &[&str]) = match service {
        "events" => ("ListReplays", json!({ "json": {} }), &["STARTING", "RUNNING", "CANCELLING"]),
        "scheduler" => ("", json!({ "method": "GET", "target": "/schedule-groups/${name}" }), &["DELETING"]),
        _ => return Ok(()),
    };
    if stage.world.delivered.is_held.load(std::sync::atomic::Ordering::Acquire) {
        return Ok(());
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let ask = cases::request(&root(), service, operation, &request, &stage.variables);
        let body = String::from_utf8_lossy(&stage.send(ask, &stage.client()).await.body).into_owned();
        if !under_way.iter().any(|state| body.contains(&format!("\"{state}\""))) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("something goes on for ever: {body}"));
        }
    }
}
