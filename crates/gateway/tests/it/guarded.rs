//! A user who may what it is said to, roles that services take on, and how services are asked and delivered to.
//!
//! Shared by the tests of denials and of senders; every [`Guarded`] is a world of its own.

use std::collections::BTreeMap;

use bytes::Bytes;
use control::iam::{New, NewRole};
use control::identity::Access;
use http::{HeaderMap, HeaderValue};
use model::arn::{ResourceArn, Scope};
use model::delivery::{Address, Delivery, Extras, Retry, Sender, Target, Undelivered};
use model::iam::{Role, User};
use model::id::{AccountId, Region};
use serde_json::{Value, json};
use wire::sigv4::{Credentials, Secret};

use crate::client::{Answer, Client};
use crate::world::World;

pub const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
pub const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:t";
pub const RULE: &str = "arn:aws:events:us-east-1:000000000000:rule/r";
pub const BUS: &str = "arn:aws:events:us-east-1:000000000000:event-bus/b";
pub const GROUP: &str = "arn:aws:scheduler:us-east-1:000000000000:schedule-group/g";
pub const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
pub const PARTITIONS: [&str; 4] = ["aws-cn", "aws-us-gov", "aws-anything", "awsx"];
pub const LOG: &str = "arn:aws:logs:us-east-1:000000000000:log-group:l";

pub fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::000000000000:role/{name}")
}

pub fn queue_url(name: &str) -> String {
    format!("http://localhost/000000000000/{name}")
}

/// Asks an operation of a service in the protocol that clients speak to it. SNS's input is its form.
pub async fn ask(client: &Client, service: &str, operation: &str, input: Value) -> Answer {
    let client = client.clone().with_service(service);
    let (target, content, body) = match service {
        "events" => (format!("AWSEvents.{operation}"), "application/x-amz-json-1.1", input.to_string()),
        "logs" => (format!("Logs_20140328.{operation}"), "application/x-amz-json-1.1", input.to_string()),
        "sqs" => (format!("AmazonSQS.{operation}"), "application/x-amz-json-1.0", input.to_string()),
        "sns" => {
            let form = format!("Action={operation}&Version=2010-03-31&{}", input.as_str().expect("a form"));
            (String::new(), "application/x-www-form-urlencoded", form)
        }
        other => panic!("{other} is asked by its paths"),
    };
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(content));
    if !target.is_empty() {
        headers.insert("x-amz-target", HeaderValue::from_str(&target).expect("a header"));
    }
    client.send("POST", "/", headers, Bytes::from(body)).await
}

/// Whether an answer says that the caller may not.
pub fn is_denied(answer: &Answer) -> bool {
    let body = String::from_utf8_lossy(&answer.body);
    answer.status >= 400 && body.contains("is not authorized to perform")
}

/// A world and a user of the account who may what it is said to.
pub struct Guarded {
    pub world: World,
    pub root: Client,
    pub user: Client,
    /// The user's access key id.
    pub key: String,
}

/// A client that signs as the user, and its key.
pub async fn with_key(world: &World) -> (Client, String) {
    let key = world.identity.iam().create_access_key(AccountId::DEFAULT, "ann").await.expect("a key");
    let secret = Secret::new(key.secret.expose());
    let credentials = Credentials { access_key_id: key.id.clone(), secret, session_token: None };
    (Client::new(world.address, Some(credentials)), key.id)
}

impl Guarded {
    pub async fn new() -> Self {
        let world = World::open(Access::Verified).await;
        let (iam, account) = (world.identity.iam(), AccountId::DEFAULT);
        let new = New { name: "ann".to_owned(), path: None, boundary: None, tags: BTreeMap::new() };
        iam.create_user(account, new).await.expect("a user");
        let (user, key) = with_key(&world).await;
        Self { root: world.client(), world, user, key }
    }

    /// Makes the user anew: one of the same name who may nothing.
    pub async fn replace_user(&mut self) {
        let (iam, account) = (self.world.identity.iam(), AccountId::DEFAULT);
        iam.delete_access_key(account, "ann", &self.key).await.expect("no key");
        iam.delete_user(account, "ann").await.expect("no user");
        let new = New { name: "ann".to_owned(), path: None, boundary: None, tags: BTreeMap::new() };
        iam.create_user(account, new).await.expect("a user");
        (self.user, self.key) = with_key(&self.world).await;
    }

    pub async fn may(&self, statements: Value) {
        let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        let iam = self.world.identity.iam();
        iam.put_inline::<User>(AccountId::DEFAULT, "ann", "own", policy).await.expect("a policy");
    }

    /// Lets the user do everything but this.
    pub async fn deny(&self, resource: &str, action: &str, condition: Value) {
        let mut denial = json!({ "Effect": "Deny", "Action": action, "Resource": resource });
        if !condition.is_null() {
            denial["Condition"] = condition;
        }
        self.may(json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }, denial])).await;
    }

    /// Makes something as the owner.
    pub async fn make(&self, service: &str, operation: &str, input: Value) {
        let answer = ask(&self.root, service, operation, input).await;
        assert_eq!(answer.status, 200, "{operation}: {answer:?}");
    }

    pub async fn make_group(&self, tags: Value) {
        let client = self.root.clone().with_service("scheduler");
        let answer = client.post("/schedule-groups/g", json!({ "Tags": tags })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    pub async fn is_denied(&self, service: &str, operation: &str, input: Value) -> bool {
        is_denied(&ask(&self.user, service, operation, input).await)
    }

    pub async fn scheduler(&self, method: &str, target: &str, body: Value) -> Answer {
        let client = self.user.clone().with_service("scheduler");
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        client.send(method, target, HeaderMap::new(), body).await
    }

    /// A role that a service may take on, and what it may.
    pub async fn role(&self, name: &str, condition: Value, statements: Value) {
        let (iam, account) = (self.world.identity.iam(), AccountId::DEFAULT);
        let service = ["events.amazonaws.com", "scheduler.amazonaws.com", "lambda.amazonaws.com"];
        let mut trust =
            json!({ "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole" });
        if !condition.is_null() {
            trust["Condition"] = condition;
        }
        let trust = json!({ "Version": "2012-10-17", "Statement": trust }).to_string();
        let new = New { name: name.to_owned(), path: None, boundary: None, tags: BTreeMap::new() };
        iam.create_role(account, NewRole { new, trust, ..NewRole::default() }).await.expect("a role");
        if statements != json!([]) {
            let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
            iam.put_inline::<Role>(account, name, "own", policy).await.expect("a policy");
        }
    }

    /// Whether what a sender delivers is taken.
    pub async fn takes(&self, from: Sender, to: &str, source: &str) -> bool {
        let to = ResourceArn::parse(to).expect("an ARN");
        let target: &dyn Target = match to.service() {
            "sqs" => &self.world.sqs,
            _ => &self.world.bus,
        };
        let extras = Extras {
            detail_type: Some("kind".to_owned()),
            source: Some(source.to_owned()),
            ..Extras::default()
        };
        let delivery = Delivery {
            to: Address::Resource(to),
            from,
            body: Bytes::from_static(b"{}"),
            extras,
            retry: Retry::BUS,
            dead_letter: None,
            line: "line".to_owned(),
        };
        match target.take(&delivery).await {
            Ok(()) => true,
            Err(Undelivered::Never { code: "NO_PERMISSIONS", .. }) => false,
            Err(other) => panic!("{other:?}"),
        }
    }
}

pub fn scope() -> Scope {
    Scope { account: AccountId::DEFAULT, region: Region::default_region() }
}

pub fn sender(service: &str, source: &str, role: Option<&str>) -> Sender {
    Sender {
        service: format!("{service}.amazonaws.com"),
        source: source.to_owned(),
        scope: scope(),
        role: role.map(role_arn),
    }
}
