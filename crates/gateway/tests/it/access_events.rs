//! Denials of queues, topics, buses, schedules and logs that hold however the resource is written, for what an operation does
//! beside its own, and by what is known of the request.

use serde_json::{Value, json};

use crate::guarded::*;

#[tokio::test]
async fn an_arn_of_another_partition_names_nothing() {
    let world = Guarded::new().await;
    world.make("sqs", "CreateQueue", json!({ "QueueName": "q" })).await;
    world.make("sns", "CreateTopic", json!("Name=t")).await;
    world.make("events", "PutRule", json!({ "Name": "r", "EventPattern": "{\"source\":[\"s\"]}" })).await;
    world.make("logs", "CreateLogGroup", json!({ "logGroupName": "l" })).await;
    for partition in PARTITIONS {
        let other = |arn: &str| arn.replacen("arn:aws:", &format!("arn:{partition}:"), 1);
        let tags = json!([{ "Key": "a", "Value": "b" }]);
        let target = |arn: &str| json!({ "Rule": "r", "Targets": [{ "Id": "t", "Arn": other(arn) }] });
        let refused = [
            ("events", "PutTargets", target(QUEUE), "ValidationException"),
            ("events", "PutTargets", target(FUNCTION), "ValidationException"),
            ("events", "PutTargets", target(BUS), "ValidationException"),
            (
                "events",
                "TagResource",
                json!({ "ResourceARN": other(RULE), "Tags": tags }),
                "ValidationException",
            ),
            (
                "events",
                "CreateArchive",
                json!({ "ArchiveName": "a", "EventSourceArn": other(BUS) }),
                "ValidationException",
            ),
            (
                "logs",
                "TagResource",
                json!({ "resourceArn": other(LOG), "tags": { "a": "b" } }),
                "InvalidParameterException",
            ),
            (
                "logs",
                "PutSubscriptionFilter",
                json!({ "logGroupName": "l", "filterName": "f", "filterPattern": "", "destinationArn": other(FUNCTION) }),
                "InvalidParameterException",
            ),
            ("sqs", "StartMessageMoveTask", json!({ "SourceArn": other(QUEUE) }), "InvalidParameterValue"),
            ("sns", "Publish", json!(format!("TopicArn={}&Message=m", other(TOPIC))), "InvalidParameter"),
            (
                "sns",
                "Subscribe",
                json!(format!("TopicArn={TOPIC}&Protocol=sqs&Endpoint={}", other(QUEUE))),
                "InvalidParameter",
            ),
        ];
        for (service, operation, input, error) in refused {
            let answer = ask(&world.root, service, operation, input.clone()).await;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(answer.status == 400 && text.contains(error), "{operation} {input}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_rule_has_one_name_when_tags_are_asked_for() {
    let world = Guarded::new().await;
    world.make("events", "PutRule", json!({ "Name": "r", "EventPattern": "{\"source\":[\"s\"]}" })).await;
    world
        .make("events", "TagResource", json!({ "ResourceARN": RULE, "Tags": [{ "Key": "a", "Value": "b" }] }))
        .await;
    world.deny(RULE, "events:*", Value::Null).await;
    for arn in [RULE, "arn:aws:events:us-east-1:000000000000:rule/default/r"] {
        assert!(
            world.is_denied("events", "ListTagsForResource", json!({ "ResourceARN": arn })).await,
            "{arn}"
        );
        let tags = json!({ "ResourceARN": arn, "Tags": [{ "Key": "c", "Value": "d" }] });
        assert!(world.is_denied("events", "TagResource", tags).await, "{arn}");
        let keys = json!({ "ResourceARN": arn, "TagKeys": ["a"] });
        assert!(world.is_denied("events", "UntagResource", keys).await, "{arn}");
    }
    // Groups of schedules are only the caller's own, and have one name too.
    world.make_group(json!([])).await;
    world.deny(GROUP, "scheduler:*", Value::Null).await;
    let group = GROUP.replace(':', "%3A").replace('/', "%2F");
    let tagged = world
        .scheduler("POST", &format!("/tags/{group}"), json!({ "Tags": [{ "Key": "a", "Value": "b" }] }))
        .await;
    assert!(is_denied(&tagged), "{tagged:?}");
}

#[tokio::test]
async fn a_move_of_messages_needs_leave_for_what_it_does() {
    let world = Guarded::new().await;
    let dead = "arn:aws:sqs:us-east-1:000000000000:dead";
    world.make("sqs", "CreateQueue", json!({ "QueueName": "dead" })).await;
    world.make("sqs", "CreateQueue", json!({ "QueueName": "other" })).await;
    let redrive = json!({ "deadLetterTargetArn": dead, "maxReceiveCount": 1 }).to_string();
    world
        .make("sqs", "CreateQueue", json!({ "QueueName": "q", "Attributes": { "RedrivePolicy": redrive } }))
        .await;
    let other = "arn:aws:sqs:us-east-1:000000000000:other";
    let back = json!({ "SourceArn": dead });
    let away = json!({ "SourceArn": dead, "DestinationArn": other });
    for (resource, action, denies_back, denies_away) in [
        (dead, "sqs:StartMessageMoveTask", true, true),
        (dead, "sqs:ReceiveMessage", true, true),
        (dead, "sqs:DeleteMessage", true, true),
        (dead, "sqs:GetQueueAttributes", true, true),
        (QUEUE, "sqs:SendMessage", true, false),
        (other, "sqs:SendMessage", false, true),
    ] {
        world.deny(resource, action, Value::Null).await;
        for (input, is_denied) in [(&back, denies_back), (&away, denies_away)] {
            let denied = world.is_denied("sqs", "StartMessageMoveTask", input.clone()).await;
            assert_eq!(denied, is_denied, "{action} {resource} {input}");
        }
    }
    world.deny(dead, "sqs:ReceiveMessage", Value::Null).await;
    assert!(world.is_denied("sqs", "ListMessageMoveTasks", back.clone()).await);
}

#[tokio::test]
async fn what_is_made_with_tags_needs_leave_to_tag() {
    let world = Guarded::new().await;
    world
        .may(
            json!([{ "Effect": "Allow", "Action": ["sqs:CreateQueue", "sns:CreateTopic"], "Resource": "*" }]),
        )
        .await;
    let tags = "&Tags.member.1.Key=a&Tags.member.1.Value=b";
    for (is_denied, queue, topic) in [
        (true, json!({ "QueueName": "q", "tags": { "a": "b" } }), format!("Name=t{tags}")),
        (false, json!({ "QueueName": "q" }), "Name=t".to_owned()),
    ] {
        assert_eq!(world.is_denied("sqs", "CreateQueue", queue).await, is_denied);
        assert_eq!(world.is_denied("sns", "CreateTopic", json!(topic)).await, is_denied);
    }
}

#[tokio::test]
async fn conditions_know_what_events_and_targets_are() {
    let world = Guarded::new().await;
    world.make("events", "PutRule", json!({ "Name": "r", "EventPattern": "{\"source\":[\"s\"]}" })).await;
    let target = |arns: &[&str]| {
        let targets: Vec<Value> =
            arns.iter().map(|arn| json!({ "Id": arn.len().to_string(), "Arn": arn })).collect();
        json!({ "Rule": "r", "Targets": targets })
    };
    world.deny("*", "events:PutTargets", json!({ "ArnEquals": { "events:TargetArn": QUEUE } })).await;
    let longer = format!("{QUEUE}-other");
    assert!(world.is_denied("events", "PutTargets", target(&[QUEUE])).await);
    assert!(world.is_denied("events", "PutTargets", target(&[&longer, QUEUE])).await, "among others");
    assert!(!world.is_denied("events", "PutTargets", target(&[&longer])).await);

    let entry = |source: &str, kind: &str| json!({ "Source": source, "DetailType": kind, "Detail": "{}" });
    for (key, denied, other) in [
        ("events:source", entry("bad", "t"), entry("s", "t")),
        ("events:detail-type", entry("s", "bad"), entry("s", "t")),
    ] {
        world.deny("*", "events:PutEvents", json!({ "StringEquals": { key: "bad" } })).await;
        let put = |entries: Value| world.is_denied("events", "PutEvents", json!({ "Entries": entries }));
        assert!(put(json!([denied])).await, "{key}");
        assert!(put(json!([other, denied])).await, "{key}, among others");
        assert!(!put(json!([other])).await, "{key}");
    }
    let by_bus = json!({ "Bool": { "events:eventBusInvocation": "false" } });
    world.deny("*", "events:PutEvents", by_bus).await;
    assert!(world.is_denied("events", "PutEvents", json!({ "Entries": [entry("s", "t")] })).await);

    let any = json!({ "ForAnyValue:StringEquals": { "events:source": "bad" } });
    world.deny("*", "events:PutRule", any).await;
    for (pattern, is_denied) in [("{\"source\":[\"s\",\"bad\"]}", true), ("{\"source\":[\"s\"]}", false)] {
        let rule = json!({ "Name": "r", "EventPattern": pattern });
        assert_eq!(world.is_denied("events", "PutRule", rule).await, is_denied, "{pattern}");
    }
    let logged = json!({ "ArnLike": { "logs:DestinationArn": "arn:aws:lambda:*:*:function:secret" } });
    world.make("logs", "CreateLogGroup", json!({ "logGroupName": "l" })).await;
    world.deny("*", "logs:PutSubscriptionFilter", logged).await;
    for (name, is_denied) in [("secret", true), ("open", false)] {
        let function = format!("arn:aws:lambda:us-east-1:000000000000:function:{name}");
        let filter = json!({ "logGroupName": "l", "filterName": "f", "filterPattern": "", "destinationArn": function });
        assert_eq!(world.is_denied("logs", "PutSubscriptionFilter", filter).await, is_denied, "{name}");
    }
}

#[tokio::test]
async fn conditions_know_the_tags_of_resources() {
    let world = Guarded::new().await;
    let tags = json!([{ "Key": "env", "Value": "prod" }]);
    world.make("sqs", "CreateQueue", json!({ "QueueName": "q", "tags": { "env": "prod" } })).await;
    world.make("sns", "CreateTopic", json!("Name=t&Tags.member.1.Key=env&Tags.member.1.Value=prod")).await;
    world.make("events", "CreateEventBus", json!({ "Name": "b", "Tags": tags })).await;
    world
        .make(
            "events",
            "PutRule",
            json!({ "Name": "r", "EventPattern": "{\"source\":[\"s\"]}", "Tags": tags }),
        )
        .await;
    world.make("logs", "CreateLogGroup", json!({ "logGroupName": "l", "tags": { "env": "prod" } })).await;
    world.make_group(tags).await;
    world.deny("*", "*", json!({ "StringEquals": { "aws:ResourceTag/env": "prod" } })).await;
    for (service, operation, input) in [
        ("sqs", "DeleteQueue", json!({ "QueueUrl": queue_url("q") })),
        ("sns", "DeleteTopic", json!(format!("TopicArn={TOPIC}"))),
        ("events", "DeleteEventBus", json!({ "Name": "b" })),
        ("events", "DeleteRule", json!({ "Name": "r" })),
        ("events", "UntagResource", json!({ "ResourceARN": RULE, "TagKeys": ["env"] })),
        ("logs", "DeleteLogGroup", json!({ "logGroupName": "l" })),
        (
            "logs",
            "PutLogEvents",
            json!({ "logGroupName": "l", "logStreamName": "s", "logEvents": [{ "timestamp": 0, "message": "m" }] }),
        ),
    ] {
        assert!(world.is_denied(service, operation, input).await, "{operation}");
    }
    let deleted = world.scheduler("DELETE", "/schedule-groups/g", Value::Null).await;
    assert!(is_denied(&deleted), "{deleted:?}");
}

#[tokio::test]
async fn conditions_know_the_tags_of_requests() {
    let world = Guarded::new().await;
    let tags = json!([{ "Key": "env", "Value": "prod" }]);
    let form = "Tags.member.1.Key=env&Tags.member.1.Value=prod";
    world.make("sqs", "CreateQueue", json!({ "QueueName": "q" })).await;
    world.make("sns", "CreateTopic", json!("Name=t")).await;
    world.make("events", "PutRule", json!({ "Name": "r", "EventPattern": "{\"source\":[\"s\"]}" })).await;
    world.make("logs", "CreateLogGroup", json!({ "logGroupName": "l" })).await;
    world.make_group(json!([])).await;
    let group = GROUP.replace(':', "%3A").replace('/', "%2F");
    let given = [
        ("sqs", "CreateQueue", json!({ "QueueName": "new", "tags": { "env": "prod" } })),
        ("sqs", "TagQueue", json!({ "QueueUrl": queue_url("q"), "Tags": { "env": "prod" } })),
        ("sns", "CreateTopic", json!(format!("Name=new&{form}"))),
        ("sns", "TagResource", json!(format!("ResourceArn={TOPIC}&{form}"))),
        ("events", "CreateEventBus", json!({ "Name": "new", "Tags": tags })),
        ("events", "PutRule", json!({ "Name": "new", "EventPattern": "{\"source\":[\"s\"]}", "Tags": tags })),
        ("events", "TagResource", json!({ "ResourceARN": RULE, "Tags": tags })),
        ("logs", "CreateLogGroup", json!({ "logGroupName": "new", "tags": { "env": "prod" } })),
        ("logs", "TagLogGroup", json!({ "logGroupName": "l", "tags": { "env": "prod" } })),
        ("logs", "TagResource", json!({ "resourceArn": LOG, "tags": { "env": "prod" } })),
    ];
    for condition in [
        json!({ "StringEquals": { "aws:RequestTag/env": "prod" } }),
        json!({ "ForAnyValue:StringEquals": { "aws:TagKeys": "env" } }),
    ] {
        world.deny("*", "*", condition.clone()).await;
        for (service, operation, input) in given.clone() {
            assert!(world.is_denied(service, operation, input).await, "{operation} {condition}");
        }
        let made = world.scheduler("POST", "/schedule-groups/new", json!({ "Tags": tags })).await;
        assert!(is_denied(&made), "{made:?}");
        let tagged = world.scheduler("POST", &format!("/tags/{group}"), json!({ "Tags": tags })).await;
        assert!(is_denied(&tagged), "{tagged:?}");
    }
    for (service, operation, input) in [
        ("sqs", "UntagQueue", json!({ "QueueUrl": queue_url("q"), "TagKeys": ["env"] })),
        ("sns", "UntagResource", json!(format!("ResourceArn={TOPIC}&TagKeys.member.1=env"))),
        ("events", "UntagResource", json!({ "ResourceARN": RULE, "TagKeys": ["env"] })),
        ("logs", "UntagLogGroup", json!({ "logGroupName": "l", "tags": ["env"] })),
        ("logs", "UntagResource", json!({ "resourceArn": LOG, "tagKeys": ["env"] })),
    ] {
        assert!(world.is_denied(service, operation, input).await, "{operation}");
    }
    let untagged = world.scheduler("DELETE", &format!("/tags/{group}?TagKeys=env"), Value::Null).await;
    assert!(is_denied(&untagged), "{untagged:?}");
}

#[tokio::test]
async fn logs_are_asked_about_by_the_arns_that_policies_name() {
    let world = Guarded::new().await;
    world.make("logs", "CreateLogGroup", json!({ "logGroupName": "l", "tags": { "env": "prod" } })).await;
    let stream = |name: &str| json!({ "logGroupName": "l", "logStreamName": name });
    let group = || json!({ "logGroupName": "l" });
    let tags = || json!({ "resourceArn": LOG, "tagKeys": ["env"] });
    let all = format!("{LOG}:*");
    let streams = format!("{LOG}:log-stream:*");
    let one = format!("{LOG}:log-stream:a");
    let anywhere = "arn:aws:logs:us-east-1:000000000000:log-group:*";
    // Whether a policy for each of these names what the operation is asked for on.
    let forms = [LOG, &all, &streams, &one, anywhere];
    for (operation, input, named) in [
        ("CreateLogStream", stream("a"), [false, true, true, true, true]),
        ("CreateLogStream", stream("ab"), [false, true, true, false, true]),
        ("GetLogEvents", stream("a"), [false, true, true, true, true]),
        ("DescribeLogStreams", group(), [false, true, true, false, true]),
        ("FilterLogEvents", group(), [false, true, true, false, true]),
        ("ListTagsLogGroup", group(), [false, true, true, false, true]),
        ("DescribeLogGroups", json!({}), [false, false, false, false, true]),
        ("CreateLogGroup", group(), [false, true, true, false, true]),
        ("ListTagsForResource", tags(), [true, false, false, false, true]),
        ("UntagResource", tags(), [true, false, false, false, true]),
        (
            "TagResource",
            json!({ "resourceArn": LOG, "tags": { "a": "b" } }),
            [true, false, false, false, true],
        ),
    ] {
        for (form, named) in forms.into_iter().zip(named) {
            let action = format!("logs:{operation}");
            world.may(json!([{ "Effect": "Allow", "Action": action, "Resource": form }])).await;
            assert_eq!(
                world.is_denied("logs", operation, input.clone()).await,
                !named,
                "{operation}, {form}"
            );
            world.deny(form, &action, Value::Null).await;
            assert_eq!(
                world.is_denied("logs", operation, input.clone()).await,
                named,
                "not {operation}, {form}"
            );
        }
    }
    // Policies of the account belong to no group.
    for operation in ["DescribeResourcePolicies", "DeleteResourcePolicy", "PutResourcePolicy"] {
        for (form, named) in [(anywhere, false), ("*", true)] {
            world
                .may(json!([{ "Effect": "Allow", "Action": format!("logs:{operation}"), "Resource": form }]))
                .await;
            assert_eq!(world.is_denied("logs", operation, json!({})).await, !named, "{operation}, {form}");
        }
    }
}

#[tokio::test]
async fn archives_and_replays_need_leave_for_where_events_come_from() {
    let world = Guarded::new().await;
    world.make("events", "CreateEventBus", json!({ "Name": "b" })).await;
    world.make("events", "CreateArchive", json!({ "ArchiveName": "a", "EventSourceArn": BUS })).await;
    let archive = "arn:aws:events:us-east-1:000000000000:archive/a";
    world.deny(BUS, "events:*", Value::Null).await;
    assert!(
        world
            .is_denied("events", "CreateArchive", json!({ "ArchiveName": "c", "EventSourceArn": BUS }))
            .await
    );
    world.deny(archive, "events:*", Value::Null).await;
    let replay = json!({
        "ReplayName": "again", "EventSourceArn": archive, "EventStartTime": 0, "EventEndTime": 1,
        "Destination": { "Arn": BUS },
    });
    assert!(world.is_denied("events", "StartReplay", replay).await);
}

#[tokio::test]
async fn schedules_are_listed_under_the_names_that_aws_asks_for() {
    let world = Guarded::new().await;
    let list = |resource: &str| {
        json!([{ "Effect": "Allow", "Action": ["scheduler:ListSchedules", "scheduler:ListScheduleGroups"],
            "Resource": format!("arn:aws:scheduler:us-east-1:000000000000:{resource}") }])
    };
    for (resource, target, is_allowed) in [
        ("schedule/*/*", "/schedules", true),
        ("schedule/*/*", "/schedules?ScheduleGroup=default", true),
        ("schedule/default/*", "/schedules", false),
        ("schedule-group/*", "/schedule-groups", true),
        ("schedule/*/*", "/schedule-groups", false),
    ] {
        world.may(list(resource)).await;
        let answer = world.scheduler("GET", target, Value::Null).await;
        assert_eq!(answer.status == 200, is_allowed, "{resource} {target}: {answer:?}");
    }
}

/// The policy that a service shows.
async fn shown(world: &Guarded, service: &str) -> Value {
    let text = match service {
        "sqs" => {
            let input = json!({ "QueueUrl": queue_url("q"), "AttributeNames": ["Policy"] });
            let answer = ask(&world.root, service, "GetQueueAttributes", input).await;
            answer.json()["Attributes"]["Policy"].as_str().expect("a policy").to_owned()
        }
        _ => {
            let answer = ask(&world.root, service, "DescribeEventBus", json!({ "Name": "b" })).await;
            answer.json()["Policy"].as_str().expect("a policy").to_owned()
        }
    };
    serde_json::from_str::<Value>(&text).expect("JSON")["Statement"][0]["Principal"]["AWS"].clone()
}

#[tokio::test]
async fn whoever_gets_a_users_name_gets_none_of_its_rights() {
    let mut world = Guarded::new().await;
    let ann = "arn:aws:iam::000000000000:user/ann";
    let policy = |resource: &str, action: &str| {
        let statement = json!({
            "Sid": "ann", "Effect": "Allow", "Principal": { "AWS": ann }, "Action": action, "Resource": resource,
        });
        json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
    };
    let attributes = json!({ "Policy": policy(QUEUE, "sqs:SendMessage") });
    world.make("sqs", "CreateQueue", json!({ "QueueName": "q", "Attributes": attributes })).await;
    // The same queue, not another.
    world.make("sqs", "CreateQueue", json!({ "QueueName": "q", "Attributes": attributes })).await;
    world.make("sqs", "CreateQueue", json!({ "QueueName": "set" })).await;
    let set = json!({ "Policy": policy("arn:aws:sqs:us-east-1:000000000000:set", "sqs:SendMessage") });
    world.make("sqs", "SetQueueAttributes", json!({ "QueueUrl": queue_url("set"), "Attributes": set })).await;
    let topic = policy(TOPIC, "sns:Publish").replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
    world.make("sns", "CreateTopic", json!("Name=t")).await;
    let set = format!("TopicArn={TOPIC}&AttributeName=Policy&AttributeValue={topic}");
    world.make("sns", "SetTopicAttributes", json!(set)).await;
    world.make("events", "CreateEventBus", json!({ "Name": "b" })).await;
    let bus = json!({ "EventBusName": "b", "Policy": policy(BUS, "events:PutEvents") });
    world.make("events", "PutPermission", bus).await;
    let entry = json!({ "Source": "s", "DetailType": "t", "Detail": "{}", "EventBusName": "b" });
    let asked = [
        ("sqs", "SendMessage", json!({ "QueueUrl": queue_url("q"), "MessageBody": "m" })),
        ("sqs", "SendMessage", json!({ "QueueUrl": queue_url("set"), "MessageBody": "m" })),
        ("sns", "Publish", json!(format!("TopicArn={TOPIC}&Message=m"))),
        ("events", "PutEvents", json!({ "Entries": [entry] })),
    ];
    for (service, operation, input) in asked.clone() {
        let answer = ask(&world.user, service, operation, input).await;
        assert_eq!(answer.status, 200, "{operation}: {answer:?}");
    }
    for service in ["sqs", "events"] {
        assert_eq!(shown(&world, service).await, ann, "{service}");
    }
    world.replace_user().await;
    for (service, operation, input) in asked {
        assert!(world.is_denied(service, operation, input).await, "{operation}");
    }
    for service in ["sqs", "events"] {
        let id = shown(&world, service).await;
        assert!(id.as_str().is_some_and(|id| id.starts_with("AIDA")), "{service}: {id}");
    }
}
