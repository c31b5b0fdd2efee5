//! Denials of what is done to users, groups, roles and policies: by the path that something new gets, by the tags of whom no
//! name says, and for the tags that something is made with. What a function is whose role is missing.

use std::collections::BTreeMap;

use control::iam::New;
use control::identity::Access;
use http::{HeaderMap, HeaderValue};
use model::iam::User;
use model::id::AccountId;
use serde_json::{Value, json};
use wire::sigv4::{Credentials, Secret};

use crate::client::Client;
use crate::forms;
use crate::guarded::{Guarded, ask, is_denied, queue_url};
use crate::world::{World, create_body};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
const DOCUMENT: &str = r#"{"Version":"2012-10-17","Statement":[]}"#;

/// A world with a user `ann`, whose tag is `locked`.
struct Asking {
    world: World,
    ann: Client,
}

impl Asking {
    async fn new() -> Self {
        let world = World::open(Access::Verified).await;
        let (iam, account) = (world.identity.iam(), AccountId::DEFAULT);
        let tags = BTreeMap::from([("locked".to_owned(), "1".to_owned())]);
        let new = New { name: "ann".to_owned(), path: None, boundary: None, tags };
        iam.create_user(account, new).await.expect("a user");
        let key = iam.create_access_key(account, "ann").await.expect("a key");
        let secret = Secret::new(key.secret.expose());
        let credentials = Credentials { access_key_id: key.id, secret, session_token: None };
        let ann = Client::new(world.address, Some(credentials)).with_service("iam");
        Self { world, ann }
    }

    async fn may(&self, statements: Value) {
        let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        let iam = self.world.identity.iam();
        iam.put_inline::<User>(AccountId::DEFAULT, "ann", "own", policy).await.expect("a policy");
    }

    /// Lets her do everything but this.
    async fn deny(&self, action: &str, resource: &str, condition: Value) {
        let mut denial = json!({ "Effect": "Deny", "Action": action, "Resource": resource });
        if !condition.is_null() {
            denial["Condition"] = condition;
        }
        self.may(json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }, denial])).await;
    }

    /// The status of what she asks for.
    async fn asks(&self, operation: &str, form: Value) -> u16 {
        let request = forms::complete(&json!({ "form": form }), "iam", operation);
        let content = HeaderValue::from_static("application/x-www-form-urlencoded");
        let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, content)]);
        self.ann.send("POST", "/", headers, forms::encode(&request["form"]).into()).await.status
    }
}

/// How each kind is made, and the operation that gives it tags.
fn creations() -> [(&'static str, Value, Option<&'static str>); 4] {
    let role = json!({ "RoleName": "r", "AssumeRolePolicyDocument": TRUST });
    let policy = json!({ "PolicyName": "p", "PolicyDocument": DOCUMENT });
    [
        ("CreateUser", json!({ "UserName": "u" }), Some("TagUser")),
        ("CreateRole", role, Some("TagRole")),
        ("CreatePolicy", policy, Some("TagPolicy")),
        ("CreateGroup", json!({ "GroupName": "g" }), None),
    ]
}

#[tokio::test]
async fn something_new_has_the_path_that_it_is_made_with() {
    let world = Asking::new().await;
    world.deny("iam:*", "arn:aws:iam::000000000000:*/admin/*", Value::Null).await;
    for (operation, mut form, _) in creations() {
        form["Path"] = json!("/admin/");
        assert_eq!(world.asks(operation, form).await, 403, "{operation}");
    }
    world
        .may(json!({ "Effect": "Allow", "Action": "iam:*", "Resource": "arn:aws:iam::000000000000:*/app/*" }))
        .await;
    for (operation, mut form, _) in creations() {
        assert_eq!(world.asks(operation, form.clone()).await, 403, "{operation}");
        form["Path"] = json!("/app/");
        assert_eq!(world.asks(operation, form).await, 200, "{operation}");
    }
}

#[tokio::test]
async fn whoever_makes_something_with_tags_has_to_be_allowed_to_tag_it() {
    let world = Asking::new().await;
    for (operation, mut form, tagging) in creations() {
        let Some(tagging) = tagging else { continue };
        world.deny(&format!("iam:{tagging}"), "*", Value::Null).await;
        let plain = form.clone();
        form["Tags"] = json!([{ "Key": "a", "Value": "b" }]);
        assert_eq!(world.asks(operation, form).await, 403, "{operation}");
        assert_eq!(world.asks(operation, plain).await, 200, "{operation}");
    }
}

#[tokio::test]
async fn who_names_no_user_is_asked_by_its_own_tags() {
    let world = Asking::new().await;
    let locked = json!({ "StringEquals": { "aws:ResourceTag/locked": "1" } });
    world.deny("iam:*", "*", locked).await;
    for operation in ["CreateAccessKey", "ListAccessKeys", "GetUser"] {
        assert_eq!(world.asks(operation, json!({ "UserName": "ann" })).await, 403, "{operation}");
        assert_eq!(world.asks(operation, json!({})).await, 403, "{operation}");
    }
    let key = json!({ "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": "Inactive" });
    assert_eq!(world.asks("UpdateAccessKey", key).await, 403);
    let key = json!({ "AccessKeyId": "AKIAIOSFODNN7EXAMPLE" });
    assert_eq!(world.asks("DeleteAccessKey", key).await, 403);
    world.deny("iam:*", "*", json!({ "StringEquals": { "iam:ResourceTag/locked": "0" } })).await;
    assert_eq!(world.asks("GetUser", json!({})).await, 200);
}

#[tokio::test]
async fn a_function_without_its_role_does_not_pass_for_a_session_of_one_of_that_name() {
    let world = Guarded::new().await;
    let create = |name: &str, role: &str| {
        let mut body = create_body(name);
        body["Role"] = json!(format!("arn:aws:iam::000000000000:{role}"));
        body
    };
    let functions = "/2015-03-31/functions";
    assert_eq!(world.root.post(functions, create("early", "role/later")).await.status, 201);
    world.world.settled(&world.root, "early").await;
    let ghost = world.world.role_client("early");
    world.role("later", Value::Null, json!([])).await;
    let real = world.world.role_client("early");

    let session = "arn:aws:sts::000000000000:assumed-role/later/early";
    let queue = "arn:aws:sqs:us-east-1:000000000000:q";
    let policy = json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": { "AWS": session }, "Action": "sqs:*", "Resource": queue } });
    let attributes = json!({ "Policy": policy.to_string() });
    world.make("sqs", "CreateQueue", json!({ "QueueName": "q", "Attributes": attributes })).await;
    let message = json!({ "QueueUrl": queue_url("q"), "MessageBody": "x" });
    assert!(is_denied(&ask(&ghost, "sqs", "SendMessage", message.clone()).await));
    assert_eq!(ask(&real, "sqs", "SendMessage", message).await.status, 200);

    let here = json!({ "Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*",
        "Condition": { "StringLike": { "aws:PrincipalArn": ["*role/later*", "*assumed-role/later/*"] } } });
    let attributes = json!({ "Policy": json!({ "Version": "2012-10-17", "Statement": here }).to_string() });
    world.make("sqs", "CreateQueue", json!({ "QueueName": "by-name", "Attributes": attributes })).await;
    let message = json!({ "QueueUrl": queue_url("by-name"), "MessageBody": "x" });
    assert!(is_denied(&ask(&ghost, "sqs", "SendMessage", message).await));

    for role in ["role/x/later", "role//later", "role/x/../later", "role/x/LATER"] {
        let (status, code, message) = world.root.post(functions, create("other", role)).await.error();
        assert_eq!((status, code.as_str()), (400, "InvalidParameterValueException"), "{role}");
        assert!(message.contains("cannot be assumed by Lambda"), "{role}: {message}");
    }
}
