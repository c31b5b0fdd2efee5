//! Functions as targets of deliveries: which names of a service, and which names of a function, a policy lets in.
//!
//! Nothing runs here: what was let in is taken by nobody in particular.

use std::sync::Arc;

use bytes::Bytes;
use control::function::{FunctionTarget, Place};
use model::arn::ResourceArn;
use model::delivery::{Address, Delivery, Extras, Retry, Sender, Target as _};
use model::error::ServiceError;
use model::event::{Event, Events, Fate};
use model::id::RequestId;
use model::port::Pending;
use serde_json::{Value, json};

use crate::iam::identity;
use crate::world::{Numbers, World, reference, scope};

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const LATEST: &str = "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST";
const LOGS: &str = "logs.amazonaws.com";
const LOGS_HERE: &str = "logs.us-east-1.amazonaws.com";

struct Taking;

impl Events for Taking {
    fn accept(&self, _: Event) -> Pending<'_, Result<(), ServiceError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn fate(&self, _: RequestId) -> Pending<'_, Result<Option<Fate>, ServiceError>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// A function that gets one policy after another.
struct Guarded {
    world: World,
    target: FunctionTarget,
    _data: tempfile::TempDir,
}

impl Guarded {
    async fn new() -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let world = World::open(data.path()).await;
        world.create("f").await;
        let target = FunctionTarget {
            functions: world.functions.clone(),
            events: Arc::new(Taking),
            admission: Arc::new(identity(&world)),
            entropy: Arc::new(Numbers::default()),
        };
        Self { world, target, _data: data }
    }

    async fn guard(&self, statements: &[Value]) {
        let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        let f = reference("f");
        let place = Place { reference: &f, qualifier: None };
        self.world.functions.put_policy(&scope(), place, policy, None).await.expect("a policy");
    }

    async fn takes(&self, service: &str, to: &str) -> bool {
        let delivery = Delivery {
            to: Address::Resource(ResourceArn::parse(to).expect("an ARN")),
            from: Sender {
                service: service.to_owned(),
                source: "arn:aws:logs:us-east-1:000000000000:log-group:/shop:*".to_owned(),
                scope: scope(),
                role: None,
            },
            body: Bytes::from_static(b"{}"),
            extras: Extras::default(),
            retry: Retry::BUS,
            dead_letter: None,
            line: "subscription/shop".to_owned(),
        };
        self.target.take(&delivery).await.is_ok()
    }
}

fn statement(effect: &str, service: &str, resource: &str, condition: Value) -> Value {
    json!({
        "Effect": effect,
        "Principal": { "Service": service },
        "Action": "lambda:InvokeFunction",
        "Resource": resource,
        "Condition": condition,
    })
}

fn from(key: &str, value: &str) -> Value {
    json!({ "ArnLike": { "aws:SourceArn": "arn:aws:logs:*" }, "StringLike": { key: value } })
}

#[tokio::test]
async fn logs_are_let_in_by_their_name_or_that_in_their_region() {
    let guarded = Guarded::new().await;
    let group = "arn:aws:logs:us-east-1:000000000000:log-group:/shop:*";
    let none = || from("aws:SourceArn", "*");
    let allow = |service, condition| statement("Allow", service, FUNCTION, condition);
    let deny = |service| statement("Deny", service, FUNCTION, none());
    let table = [
        (vec![allow(LOGS, none())], true),
        (vec![allow(LOGS_HERE, none())], true),
        (vec![allow("logs.eu-central-1.amazonaws.com", none())], false),
        (vec![allow("logs.us-east-1.amazonaws.com.example", none())], false),
        (vec![allow("events.us-east-1.amazonaws.com", none())], false),
        (vec![allow(LOGS_HERE, from("aws:SourceArn", group))], true),
        (vec![allow(LOGS_HERE, from("aws:SourceArn", "arn:aws:logs:*:log-group:/other:*"))], false),
        (vec![allow(LOGS_HERE, from("aws:SourceAccount", "000000000000"))], true),
        (vec![allow(LOGS_HERE, from("aws:SourceAccount", "111122223333"))], false),
        (vec![allow(LOGS, none()), deny(LOGS_HERE)], false),
        (vec![allow(LOGS_HERE, none()), deny(LOGS)], false),
        (vec![allow(LOGS_HERE, none()), deny("logs.eu-central-1.amazonaws.com")], true),
    ];
    for (statements, expected) in table {
        guarded.guard(&statements).await;
        assert_eq!(guarded.takes(LOGS, FUNCTION).await, expected, "{statements:?}");
    }
    guarded.guard(&[allow("events.us-east-1.amazonaws.com", none())]).await;
    assert!(!guarded.takes("events.amazonaws.com", FUNCTION).await, "others have one name everywhere");
}

#[tokio::test]
async fn latest_is_let_in_under_its_own_name_and_not_where_the_function_is_denied() {
    let guarded = Guarded::new().await;
    let here = |effect, resource| statement(effect, LOGS, resource, from("aws:SourceArn", "*"));
    let all = "arn:aws:lambda:us-east-1:000000000000:function:f*";
    let table = [
        (vec![here("Allow", FUNCTION)], true, false),
        (vec![here("Allow", LATEST)], false, true),
        (vec![here("Allow", all)], true, true),
        (vec![here("Allow", all), here("Deny", FUNCTION)], false, false),
        (vec![here("Allow", all), here("Deny", LATEST)], true, false),
    ];
    for (statements, function, latest) in table {
        guarded.guard(&statements).await;
        let taken = (guarded.takes(LOGS, FUNCTION).await, guarded.takes(LOGS, LATEST).await);
        assert_eq!(taken, (function, latest), "{statements:?}");
    }
}
