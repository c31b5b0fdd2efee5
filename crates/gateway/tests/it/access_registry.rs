//! What a registry's token is worth: what its bearer may do, at the time of each request, to the repository that is named;
//! and ECR's API, decided by the same ARN and tags. An image is run by whom its repository lets in. What is pushed and deleted
//! is in the audit log.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use control::iam::{New, NewRole};
use control::identity::Access;
use http::HeaderMap;
use model::iam::{Role, User};
use model::id::AccountId;
use serde_json::{Value, json};
use wire::sigv4::{Credentials, Secret};

use crate::client::{Answer, Client};
use crate::world::World;

const ACCOUNT: AccountId = AccountId::DEFAULT;
const APP: &str = "arn:aws:ecr:us-east-1:000000000000:repository/team/app";
const CONFIG: &str =
    r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{}}"#;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// What ECR's user guide lets somebody push with.
const PUSH: [&str; 5] = [
    "ecr:CompleteLayerUpload",
    "ecr:UploadLayerPart",
    "ecr:InitiateLayerUpload",
    "ecr:BatchCheckLayerAvailability",
    "ecr:PutImage",
];

/// A world with a repository `team/app`, and a user who may what it is said to.
struct Guarded {
    world: World,
    root: Client,
    user: Client,
    key: String,
}

fn allow(action: impl Into<Value>, resource: &str) -> Value {
    json!({ "Effect": "Allow", "Action": action.into(), "Resource": resource })
}

fn deny(action: &str, resource: &str) -> Value {
    json!({ "Effect": "Deny", "Action": action, "Resource": resource })
}

fn policy(statements: &[Value]) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

fn new(name: &str) -> New {
    New { name: name.to_owned(), path: None, boundary: None, tags: BTreeMap::new() }
}

impl Guarded {
    async fn new() -> Self {
        let world = World::open(Access::Verified).await;
        let iam = world.identity.iam();
        iam.create_user(ACCOUNT, new("ann")).await.expect("a user");
        let key = iam.create_access_key(ACCOUNT, "ann").await.expect("a key");
        let secret = Secret::new(key.secret.expose());
        let credentials = Credentials { access_key_id: key.id.clone(), secret, session_token: None };
        let user = Client::new(world.address, Some(credentials)).with_service("ecr");
        let root = world.client().with_service("ecr");
        let made = ask(&root, "CreateRepository", json!({ "repositoryName": "team/app" })).await;
        assert_eq!(made.status, 200, "{made:?}");
        Self { root, user, key: key.id, world }
    }

    async fn may(&self, statements: &[Value]) {
        let iam = self.world.identity.iam();
        iam.put_inline::<User>(ACCOUNT, "ann", "own", policy(statements)).await.expect("a policy");
    }

    async fn delete_user(&self) {
        let iam = self.world.identity.iam();
        iam.delete_inline::<User>(ACCOUNT, "ann", "own").await.expect("no policy");
        iam.delete_access_key(ACCOUNT, "ann", &self.key).await.expect("no key");
        iam.delete_user(ACCOUNT, "ann").await.expect("no user");
    }

    /// The status of what the user asks of the API.
    async fn asks(&self, operation: &str, input: Value) -> u16 {
        let answer = ask(&self.user, operation, input).await;
        let denied = answer.json()["__type"] == "AccessDeniedException";
        assert_eq!(denied, answer.status >= 400, "{operation}: {answer:?}");
        if denied { 403 } else { answer.status }
    }

    /// The status of making a function of an image, which is 400 where that may be: there is no image.
    async fn runs(&self, client: &Client, function: &str, image: &str) -> u16 {
        let body = json!({
            "FunctionName": function, "PackageType": "Image", "Role": "arn:aws:iam::000000000000:role/r",
            "Code": { "ImageUri": image },
        });
        let client = client.clone().with_service("lambda");
        let answer =
            client.send("POST", "/2015-03-31/functions", HeaderMap::new(), body.to_string().into()).await;
        let (status, _, message) = answer.error();
        let begin = match status {
            403 => "Lambda does not have permission to access the ECR image. Check the ECR permissions.",
            _ => "Source image",
        };
        assert!(message.starts_with(begin), "{answer:?}");
        status
    }

    /// Somebody who shows a login.
    fn door(&self, login: String) -> Door {
        Door { client: Client::new(self.world.address, None), login }
    }
}

async fn ask(client: &Client, operation: &str, input: Value) -> Answer {
    let mut headers = HeaderMap::new();
    let target = format!("AmazonEC2ContainerRegistry_V20150921.{operation}");
    headers.insert("x-amz-target", target.parse().expect("a header"));
    headers.insert("content-type", "application/x-amz-json-1.1".parse().expect("a header"));
    client.send("POST", "/", headers, input.to_string().into()).await
}

/// A login for whom the client signs.
async fn login(client: &Client) -> String {
    let answer = ask(client, "GetAuthorizationToken", json!({})).await.json();
    answer["authorizationData"][0]["authorizationToken"].as_str().expect("a token").to_owned()
}

struct Door {
    client: Client,
    login: String,
}

impl Door {
    async fn send(&self, method: &str, target: &str, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", format!("Basic {}", self.login).parse().expect("a header"));
        headers.insert("content-type", MANIFEST.parse().expect("a header"));
        self.client.send(method, target, headers, Bytes::copy_from_slice(body.as_bytes())).await
    }

    async fn check(&self, method: &str, target: &str, status: u16, code: &str) {
        let answer = self.send(method, target, "").await;
        assert_eq!(
            (answer.status, answer.json()["errors"][0]["code"].as_str()),
            (status, Some(code)),
            "{target}"
        );
    }

    /// Pushes an image without layers; gives the answer to the manifest.
    async fn push(&self, repository: &str) -> Answer {
        let config = digest(CONFIG);
        let whole = format!("/v2/{repository}/blobs/uploads/?digest={config}");
        let pushed = self.send("POST", &whole, CONFIG).await;
        if pushed.status != 201 {
            return pushed;
        }
        self.send("PUT", &format!("/v2/{repository}/manifests/v1"), &manifest()).await
    }
}

fn digest(text: &str) -> String {
    format!("sha256:{}", store::blobs::digest_of(text.as_bytes()))
}

fn manifest() -> String {
    let kind = "application/vnd.oci.image.config.v1+json";
    let config = json!({ "mediaType": kind, "digest": digest(CONFIG), "size": CONFIG.len() });
    json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [] }).to_string()
}

#[tokio::test]
async fn a_token_lets_its_bearer_do_what_the_bearer_may() {
    let guarded = Guarded::new().await;
    let login_only = allow("ecr:GetAuthorizationToken", "*");
    guarded.may(std::slice::from_ref(&login_only)).await;
    let token = login(&guarded.user).await;
    let key = guarded.world.identity.iam().create_access_key(ACCOUNT, "ann").await.expect("a key");
    let key = STANDARD.encode(format!("{}:{}", key.id, key.secret.expose()));
    let blob = format!("/v2/team/app/blobs/{}", digest(CONFIG));
    for shown in [token.clone(), key] {
        let door = guarded.door(shown);
        guarded.may(std::slice::from_ref(&login_only)).await;
        assert_eq!(door.send("GET", "/v2/", "").await.status, 200);
        for (method, target) in [
            ("GET", "/v2/_catalog"),
            ("GET", "/v2/team/app/tags/list"),
            ("GET", "/v2/team/app/manifests/v1"),
            ("PUT", "/v2/team/app/manifests/v1"),
            ("DELETE", "/v2/team/app/manifests/v1"),
            ("POST", "/v2/team/app/blobs/uploads/"),
            ("PATCH", "/v2/team/app/blobs/uploads/x"),
            ("PUT", "/v2/team/app/blobs/uploads/x"),
            ("GET", &blob),
            ("DELETE", &blob),
        ] {
            door.check(method, target, 403, "DENIED").await;
        }
        guarded.may(&[login_only.clone(), allow(json!(PUSH), APP)]).await;
        assert_eq!(door.push("team/app").await.status, 201);
        assert_eq!(door.push("team/other").await.status, 403, "another repository");
        door.check("DELETE", "/v2/team/app/manifests/v1", 403, "DENIED").await;
        guarded.may(&[allow("ecr:*", "*"), deny("ecr:BatchGetImage", APP)]).await;
        assert_eq!(door.send("GET", "/v2/team/app/tags/list", "").await.status, 200);
        door.check("GET", "/v2/team/app/manifests/v1", 403, "DENIED").await;
    }
    guarded.may(&[allow("ecr:*", "*"), deny("ecr:CreateRepository", "*")]).await;
    assert_eq!(guarded.door(token.clone()).push("new").await.status, 403, "a push that makes a repository");
    assert_eq!(guarded.door(token).push("team/app").await.status, 201);
}

#[tokio::test]
async fn a_token_ends_with_its_bearer() {
    let guarded = Guarded::new().await;
    guarded.may(&[allow("ecr:*", "*")]).await;
    let door = guarded.door(login(&guarded.user).await);
    assert_eq!(door.push("team/app").await.status, 201);
    let layer = json!({ "repositoryName": "team/app", "layerDigest": digest(CONFIG) });
    let address = ask(&guarded.user, "GetDownloadUrlForLayer", layer).await.json();
    let address = address["downloadUrl"].as_str().expect("an address").to_owned();
    let path = &address[address.find("/v2/").expect("a path")..];
    let anyone = Client::new(guarded.world.address, None);
    assert_eq!(anyone.get(path).await.status, 200);
    guarded.delete_user().await;
    for (method, target) in
        [("GET", "/v2/"), ("DELETE", "/v2/team/app/manifests/v1"), ("POST", "/v2/team/app/blobs/uploads/")]
    {
        door.check(method, target, 401, "UNAUTHORIZED").await;
    }
    assert_eq!(anyone.get(path).await.status, 401);
    // One of the same name is somebody else.
    guarded.world.identity.iam().create_user(ACCOUNT, new("ann")).await.expect("a user");
    guarded.may(&[allow("ecr:*", "*")]).await;
    door.check("GET", "/v2/", 401, "UNAUTHORIZED").await;
}

#[tokio::test]
async fn the_token_of_a_session_is_bounded_as_the_session_is() {
    let guarded = Guarded::new().await;
    let iam = guarded.world.identity.iam();
    let trust =
        json!({ "Effect": "Allow", "Principal": { "AWS": ACCOUNT.as_str() }, "Action": "sts:AssumeRole" });
    let role = NewRole { new: new("pusher"), trust: policy(&[trust]), ..NewRole::default() };
    iam.create_role(ACCOUNT, role).await.expect("a role");
    let all = policy(&[allow("ecr:*", "*")]);
    iam.put_inline::<Role>(ACCOUNT, "pusher", "own", all).await.expect("a policy");
    guarded.may(&[allow("sts:AssumeRole", "*")]).await;
    let bound = policy(&[allow("ecr:*", "*"), deny("ecr:BatchDeleteImage", "*")]);
    let bound = wire::percent::encode(&bound);
    let form = format!(
        "Action=AssumeRole&Version=2011-06-15&RoleSessionName=session&Policy={bound}\
         &RoleArn=arn%3Aaws%3Aiam%3A%3A000000000000%3Arole%2Fpusher"
    );
    let sts = guarded.user.clone().with_service("sts");
    let answer = sts.send("POST", "/", HeaderMap::new(), form.into()).await;
    let xml = String::from_utf8_lossy(&answer.body).into_owned();
    let part = |name: &str| {
        let rest = xml.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("{xml}")).1;
        rest.split_once('<').expect("an end").0.to_owned()
    };
    let secret = Secret::new(part("SecretAccessKey"));
    let session_token = Some(Secret::new(part("SessionToken")));
    let credentials = Credentials { access_key_id: part("AccessKeyId"), secret, session_token };
    let session = Client::new(guarded.world.address, Some(credentials)).with_service("ecr");
    let door = guarded.door(login(&session).await);
    assert_eq!(door.push("team/app").await.status, 201);
    door.check("DELETE", "/v2/team/app/manifests/v1", 403, "DENIED").await;
    iam.delete_inline::<Role>(ACCOUNT, "pusher", "own").await.expect("no policy");
    door.check("GET", "/v2/team/app/manifests/v1", 403, "DENIED").await;
    iam.delete_role(ACCOUNT, "pusher").await.expect("no role");
    door.check("GET", "/v2/team/app/manifests/v1", 401, "UNAUTHORIZED").await;
}

#[tokio::test]
async fn layers_are_not_taken_over_from_what_the_caller_may_not_read() {
    let guarded = Guarded::new().await;
    let root = guarded.door(login(&guarded.root).await);
    assert_eq!(root.push("secret").await.status, 201);
    guarded.may(&[allow("ecr:GetAuthorizationToken", "*"), allow(json!(PUSH), APP)]).await;
    let door = guarded.door(login(&guarded.user).await);
    let blob = digest(CONFIG);
    let uploads = format!("/v2/team/app/blobs/uploads/?mount={blob}");
    for target in [format!("{uploads}&from=secret"), uploads.clone()] {
        let begun = door.send("POST", &target, "").await;
        assert_eq!(begun.status, 202, "an upload begins instead: {target}");
    }
    assert_eq!(door.send("HEAD", &format!("/v2/team/app/blobs/{blob}"), "").await.status, 404);
    let secret = APP.replace("team/app", "secret");
    let read = allow("ecr:GetDownloadUrlForLayer", &secret);
    guarded.may(&[allow("ecr:GetAuthorizationToken", "*"), allow(json!(PUSH), APP), read]).await;
    assert_eq!(door.send("POST", &uploads, "").await.status, 201);
}

#[tokio::test]
async fn the_api_is_decided_on_the_repository() {
    let guarded = Guarded::new().await;
    let app = || json!({ "repositoryName": "team/app" });
    guarded.may(&[allow("ecr:*", "*"), deny("ecr:*", APP)]).await;
    for (operation, input) in [
        ("DeleteRepository", json!({ "repositoryName": "team/app", "force": true })),
        ("DescribeImages", app()),
        ("ListImages", app()),
        ("DescribeRepositories", json!({ "repositoryNames": ["team/app"] })),
        ("TagResource", json!({ "resourceArn": APP, "tags": [{ "Key": "a", "Value": "b" }] })),
        ("ListTagsForResource", json!({ "resourceArn": APP })),
        ("SetRepositoryPolicy", json!({ "repositoryName": "team/app", "policyText": "{\"Statement\":[]}" })),
    ] {
        assert_eq!(guarded.asks(operation, input).await, 403, "{operation}");
    }
    assert_eq!(guarded.asks("CreateRepository", json!({ "repositoryName": "team/other" })).await, 200);
    guarded.may(&[allow("ecr:*", APP)]).await;
    assert_eq!(guarded.asks("DescribeImages", app()).await, 200);
    assert_eq!(guarded.asks("ListTagsForResource", json!({ "resourceArn": APP })).await, 200);
    assert_eq!(guarded.asks("DescribeImages", json!({ "repositoryName": "team/other" })).await, 403);
    assert_eq!(guarded.asks("DescribeRepositories", json!({})).await, 403);
    assert_eq!(guarded.asks("GetAuthorizationToken", json!({})).await, 403);
    let elsewhere = json!({ "repositoryName": "team/app", "registryId": "210987654321" });
    guarded.may(&[allow("ecr:*", "*")]).await;
    assert_eq!(guarded.asks("DescribeImages", elsewhere).await, 403);
}

#[tokio::test]
async fn conditions_know_the_tags_of_repositories() {
    let guarded = Guarded::new().await;
    let tagged = |name: &str, value: &str| json!({ "repositoryName": name, "tags": [{ "Key": "env", "Value": value }] });
    guarded.may(&[allow("ecr:*", "*"), deny("ecr:TagResource", "*")]).await;
    assert_eq!(guarded.asks("CreateRepository", tagged("one", "dev")).await, 403);
    assert_eq!(guarded.asks("CreateRepository", json!({ "repositoryName": "plain" })).await, 200);
    let on = |action: &str, key: &str| {
        let mut denial = deny(action, "*");
        denial["Condition"] = json!({ "StringEquals": { key: "prod" } });
        [allow("ecr:*", "*"), denial]
    };
    guarded.may(&on("ecr:CreateRepository", "aws:RequestTag/env")).await;
    assert_eq!(guarded.asks("CreateRepository", tagged("one", "prod")).await, 403);
    assert_eq!(guarded.asks("CreateRepository", tagged("one", "dev")).await, 200);
    let made = ask(&guarded.root, "CreateRepository", tagged("two", "prod")).await;
    assert_eq!(made.status, 200, "{made:?}");
    for key in ["aws:ResourceTag/env", "ecr:ResourceTag/env"] {
        guarded.may(&on("ecr:*", key)).await;
        assert_eq!(guarded.asks("ListImages", json!({ "repositoryName": "two" })).await, 403, "{key}");
        assert_eq!(guarded.asks("ListImages", json!({ "repositoryName": "one" })).await, 200, "{key}");
        let door = guarded.door(login(&guarded.user).await);
        door.check("GET", "/v2/two/tags/list", 403, "DENIED").await;
        assert_eq!(door.send("GET", "/v2/one/tags/list", "").await.status, 200, "{key}");
    }
}

#[tokio::test]
async fn pushes_and_deletions_are_kept_with_who_did_them() {
    let guarded = Guarded::new().await;
    guarded.may(&[allow("ecr:*", "*"), deny("ecr:BatchDeleteImage", "*")]).await;
    let door = guarded.door(login(&guarded.user).await);
    let before = guarded.world.audited.lines().len();
    assert_eq!(door.push("team/app").await.status, 201);
    door.check("DELETE", "/v2/team/app/manifests/v1", 403, "DENIED").await;
    door.check("PUT", "/v2/team/app/manifests/v2", 400, "MANIFEST_INVALID").await;
    assert_eq!(door.push("new").await.status, 201);
    let lines = guarded.world.audited.lines();
    let events: Vec<Value> =
        lines[before..].iter().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let seen = |event: &Value| {
        let of = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        assert_eq!(of("/userIdentity/userName").as_deref(), Some("ann"), "{event}");
        assert_eq!(of("/eventSource").as_deref(), Some("ecr.amazonaws.com"));
        let parameter = |name: &str| of(&format!("/requestParameters/{name}")).unwrap_or_default();
        let image = format!("{}:{}", parameter("repositoryName"), parameter("imageTag"));
        (of("/eventName").unwrap_or_default(), image, of("/errorCode").unwrap_or_default())
    };
    let expected = [
        ("PutImage", "team/app:v1", ""),
        ("BatchDeleteImage", "team/app:v1", "DENIED"),
        ("PutImage", "team/app:v2", "MANIFEST_INVALID"),
        ("CreateRepository", "new:", ""),
        ("PutImage", "new:v1", ""),
    ];
    let expected = expected.map(|(name, image, code)| (name.to_owned(), image.to_owned(), code.to_owned()));
    assert_eq!(events.iter().map(seen).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn an_image_is_run_by_whom_its_repository_lets_in() {
    let guarded = Guarded::new().await;
    let (user, image) = (&guarded.user, "localhost:4566/team/app:v1");
    let base = [allow(json!(["lambda:*", "iam:PassRole"]), "*")];
    let with = |more: &[Value]| [&base, more].concat();
    let host = "000000000000.dkr.ecr.us-east-1.localhost:4566";
    let pinned = format!("127.0.0.1:4566/team/app@{}", digest(CONFIG));
    let addresses = [image, &pinned, &format!("{host}/team/app"), "localhost:4566/none"];
    for statements in [with(&[]), with(&[deny("ecr:*", "*")]), with(&[allow("ecr:GetRepositoryPolicy", APP)])]
    {
        guarded.may(&statements).await;
        for address in addresses {
            assert_eq!(guarded.runs(user, "f", address).await, 403, "{address}");
        }
        let elsewhere = user.clone().with_region("eu-west-1");
        assert_eq!(guarded.runs(&elsewhere, "f", image).await, 403, "where it would be looked for");
    }
    assert_eq!(guarded.runs(&guarded.root, "f", image).await, 400);
    let both = json!(["ecr:GetRepositoryPolicy", "ecr:SetRepositoryPolicy"]);
    guarded.may(&with(&[allow(both, APP)])).await;
    assert_eq!(guarded.runs(user, "f", image).await, 400);
    assert_eq!(guarded.runs(&user.clone().with_region("eu-west-1"), "f", image).await, 400);
    assert_eq!(guarded.runs(user, "f", "localhost:4566/secret").await, 403);
    guarded.may(&with(&[deny("ecr:*", "*")])).await;
    assert_eq!(guarded.runs(user, "f", "docker.io/team/app:v1").await, 400, "another registry's");

    let functions = "arn:aws:lambda:us-east-1:000000000000:function:f*";
    let lambda = |effect: &str, actions: &[&str]| {
        let statement = json!({
            "Sid": "LambdaECRImageRetrievalPolicy", "Effect": effect, "Action": actions,
            "Principal": { "Service": "lambda.amazonaws.com" },
            "Condition": { "StringLike": { "aws:sourceArn": functions } },
        });
        json!({ "repositoryName": "team/app", "policyText": policy(&[statement]) })
    };
    let pull = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
    for (actions, name, status) in [(&pull[..1], "f", 403), (&pull, "f", 400), (&pull, "g", 403)] {
        let set = ask(&guarded.root, "SetRepositoryPolicy", lambda("Allow", actions)).await;
        assert_eq!(set.status, 200, "{set:?}");
        assert_eq!(guarded.runs(user, name, image).await, status, "{actions:?} for {name}");
    }
    ask(&guarded.root, "SetRepositoryPolicy", lambda("Deny", &pull[..1])).await;
    for (name, status) in [("f", 403), ("g", 400)] {
        assert_eq!(guarded.runs(&guarded.root, name, image).await, status, "what is denied, for {name}");
    }
    ask(&guarded.root, "SetRepositoryPolicy", lambda("Allow", &pull)).await;
    let update = |name: &str| format!("/2015-03-31/functions/{name}/code");
    for (name, status) in [("f", 404), ("g", 403)] {
        let client = user.clone().with_service("lambda");
        let body = Bytes::from(json!({ "ImageUri": image }).to_string());
        let answer = client.send("PUT", &update(name), HeaderMap::new(), body).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

/// What is kept in the audit log takes of the account's rate; moving layers does not, however many there are.
#[tokio::test]
async fn control_calls_of_the_registry_are_throttled_and_layers_are_not() {
    let guarded = Guarded::new().await;
    let login = login(&guarded.root).await;
    assert_eq!(guarded.door(login.clone()).push("team/app").await.status, 201);
    let client = guarded.world.throttled().await.unsigned();
    let throttled = Door { client, login };
    for (method, target) in [
        ("GET", "/v2/_catalog"),
        ("GET", "/v2/team/app/tags/list"),
        ("HEAD", "/v2/team/app/manifests/v1"),
        ("PUT", "/v2/team/app/manifests/v2"),
        ("DELETE", "/v2/team/app/manifests/v1"),
        // It makes the repository.
        ("POST", "/v2/new/blobs/uploads/"),
    ] {
        let answer = throttled.send(method, target, "").await;
        assert_eq!((answer.status, answer.header("retry-after")), (429, "5"), "{method} {target}");
    }
    throttled.check("GET", "/v2/team/app/manifests/v1", 429, "TOOMANYREQUESTS").await;
    let (blob, layer) = (digest(CONFIG), digest("a layer"));
    for _ in 0..20 {
        for (method, target, status) in [
            ("GET", "/v2/".to_owned(), 200),
            ("HEAD", format!("/v2/team/app/blobs/{blob}"), 200),
            ("GET", format!("/v2/team/app/blobs/{blob}"), 200),
        ] {
            assert_eq!(throttled.send(method, &target, "").await.status, status, "{method} {target}");
        }
        let begun = throttled.send("POST", "/v2/team/app/blobs/uploads/", "").await;
        let place = begun.header("location").to_owned();
        assert_eq!((begun.status, throttled.send("PATCH", &place, "a layer").await.status), (202, 202));
        let done = throttled.send("PUT", &format!("{place}?digest={layer}"), "").await;
        assert_eq!(done.status, 201, "{done:?}");
    }
}
