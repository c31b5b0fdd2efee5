//! ECR's operations as requests and answers in JSON, on the repositories that `/v2/` serves.
//!
//! Codes, wording and members are those of the Amazon ECR API Reference; each operation is asked for good and for
//! each of its errors.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::error::ServiceError;
use serde_json::{Value, json};
use services::ecr::{Ecr, EcrCaller};
use services::oci::{digest_of, digest_text};
use services::registry::token::{TokenKey, in_query};
use wire::error::ErrorReply;
use wire::json_rpc::error_reply;

use crate::image_files::{TestImage, image};
use crate::registry::put_image;
use crate::world::{World, scope};

struct Service {
    world: World,
    ecr: Ecr,
}

async fn service() -> Service {
    let world = World::with(|options| options.create_on_push = false).await;
    let ecr = Ecr::new(world.registry.clone(), TokenKey::new(b"key"));
    Service { world, ecr }
}

impl Service {
    async fn ask(&self, operation: &str, input: Value) -> Result<Value, ServiceError> {
        let target = format!("AmazonEC2ContainerRegistry_V20150921.{operation}");
        let caller = EcrCaller { scope: scope(), bearer: "AKIA".to_owned() };
        let input = Ecr::input(&target, input.to_string().as_bytes())?;
        let reply = self.ecr.perform(&caller, input).await?;
        Ok(serde_json::from_slice(&reply.body).unwrap())
    }

    async fn good(&self, operation: &str, input: Value) -> Value {
        self.ask(operation, input).await.unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    async fn bad(&self, operation: &str, input: Value, code: &str, message: &str) {
        let error = self.ask(operation, input.clone()).await.expect_err(operation);
        let reply = ErrorReply::read(&error_reply(&wire::ecr::SERVICE, &error));
        assert_eq!((reply.code.as_str(), reply.status), (code, 400), "{operation} {input}: {error}");
        assert!(reply.message.starts_with(message), "{operation} {input}: {}", reply.message);
    }
}

#[tokio::test]
async fn repositories() {
    let s = service().await;
    let unknown = "The repository with name 'app' does not exist in the registry with id '000000000000'";
    s.bad(
        "DescribeRepositories",
        json!({ "repositoryNames": ["app"] }),
        "RepositoryNotFoundException",
        unknown,
    )
    .await;
    let made = s
        .good("CreateRepository", json!({ "repositoryName": "app", "tags": [{ "Key": "a", "Value": "b" }] }))
        .await;
    let shown = &made["repository"];
    assert_eq!(shown["repositoryArn"], "arn:aws:ecr:us-east-1:000000000000:repository/app");
    assert_eq!(shown["repositoryUri"], format!("{}/app", s.world.authority));
    assert_eq!(
        (&shown["imageTagMutability"], &shown["registryId"]),
        (&json!("MUTABLE"), &json!("000000000000"))
    );
    assert_eq!(shown["imageScanningConfiguration"], json!({ "scanOnPush": false }));
    assert_eq!(shown["encryptionConfiguration"], json!({ "encryptionType": "AES256" }));
    assert!(shown["createdAt"].is_f64() || shown["createdAt"].is_u64());
    let exists = "The repository with name 'app' already exists in the registry with id '000000000000'";
    s.bad("CreateRepository", json!({ "repositoryName": "app" }), "RepositoryAlreadyExistsException", exists)
        .await;
    s.bad(
        "CreateRepository",
        json!({ "repositoryName": "App" }),
        "InvalidParameterException",
        "Invalid parameter at",
    )
    .await;
    for name in ["b", "c", "d"] {
        s.good("CreateRepository", json!({ "repositoryName": format!("team/{name}") })).await;
    }
    let first = s.good("DescribeRepositories", json!({ "maxResults": 3 })).await;
    let names = |page: &Value| -> Vec<String> {
        let list = page["repositories"].as_array().unwrap().iter();
        list.map(|one| one["repositoryName"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&first), ["app", "team/b", "team/c"]);
    let rest = s.good("DescribeRepositories", json!({ "nextToken": first["nextToken"] })).await;
    assert_eq!((names(&rest), &rest["nextToken"]), (vec!["team/d".to_owned()], &Value::Null));
    let other = json!({ "repositoryName": "app", "registryId": "123456789012" });
    s.bad(
        "ListImages",
        other,
        "RepositoryNotFoundException",
        "The repository with name 'app' does not exist in the registry with id '123456789012'",
    )
    .await;
    put_image(&s.world, "app", "v1", &image(&[])).await;
    let full = "The repository with name 'app' in registry with id '000000000000' cannot be deleted because it still contains images";
    s.bad("DeleteRepository", json!({ "repositoryName": "app" }), "RepositoryNotEmptyException", full).await;
    s.good("DeleteRepository", json!({ "repositoryName": "app", "force": true })).await;
    s.bad("DeleteRepository", json!({ "repositoryName": "app" }), "RepositoryNotFoundException", unknown)
        .await;
    let registry = s.good("DescribeRegistry", json!({})).await;
    assert_eq!(
        registry,
        json!({ "registryId": "000000000000", "replicationConfiguration": { "rules": [] } })
    );
    assert!(matches!(s.ask("PutLifecyclePolicy", json!({})).await, Err(ServiceError::NotServed(_))));
    assert!(matches!(s.ask("Nonsense", json!({})).await, Err(ServiceError::UnknownOperation(_))));
}

/// An input for the repository `app`.
fn ask(rest: Value) -> Value {
    let mut input = json!({ "repositoryName": "app" });
    input.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    input
}

/// The repository `app` with two images: one tagged `v1` and `latest`, one tagged `v2`.
async fn stocked() -> (Service, TestImage, TestImage) {
    let s = service().await;
    s.good("CreateRepository", json!({ "repositoryName": "app" })).await;
    let (one, two) = (image(&[b"1".to_vec()]), image(&[b"2".to_vec()]));
    for (tag, image) in [("v1", &one), ("latest", &one), ("v2", &two)] {
        put_image(&s.world, "app", tag, image).await;
    }
    (s, one, two)
}

#[tokio::test]
async fn images_are_told() {
    let (s, one, two) = stocked().await;
    let listed = s.good("ListImages", ask(json!({}))).await;
    assert_eq!(listed["imageIds"].as_array().unwrap().len(), 3);
    let described = s.good("DescribeImages", ask(json!({ "imageIds": [{ "imageTag": "v1" }] }))).await;
    let detail = &described["imageDetails"][0];
    assert_eq!(
        (&detail["imageDigest"], &detail["imageTags"]),
        (&json!(one.manifest), &json!(["latest", "v1"]))
    );
    assert_eq!(detail["imageSizeInBytes"], one.blobs.iter().map(Vec::len).sum::<usize>());
    let missing = "The image with imageId {imageDigest:'null', imageTag:'v9'} does not exist within the repository with name 'app' in the registry with id '000000000000'";
    s.bad(
        "DescribeImages",
        ask(json!({ "imageIds": [{ "imageTag": "v9" }] })),
        "ImageNotFoundException",
        missing,
    )
    .await;
    let ids = json!([{ "imageTag": "v2" }, { "imageTag": "v9" }, {}, { "imageTag": "v1", "imageDigest": two.manifest }]);
    let got = s.good("BatchGetImage", ask(json!({ "imageIds": ids }))).await;
    assert_eq!(got["images"][0]["imageManifest"], String::from_utf8(two.manifest_bytes.clone()).unwrap());
    let codes: Vec<_> =
        got["failures"].as_array().unwrap().iter().map(|one| one["failureCode"].clone()).collect();
    assert_eq!(codes, ["ImageNotFound", "MissingDigestAndTag", "ImageTagDoesNotMatchDigest"]);
}

/// `PutImage` gives another tag, and refuses what is there.
#[tokio::test]
async fn images_are_put() {
    let (s, one, two) = stocked().await;
    let manifest = String::from_utf8(two.manifest_bytes.clone()).unwrap();
    let put = |tag: &str| ask(json!({ "imageManifest": manifest, "imageTag": tag }));
    assert_eq!(s.good("PutImage", put("again")).await["image"]["imageId"]["imageTag"], "again");
    s.bad(
        "PutImage",
        put("again"),
        "ImageAlreadyExistsException",
        &format!("Image with digest '{}' and tag 'again'", two.manifest),
    )
    .await;
    s.bad(
        "PutImage",
        ask(json!({ "imageManifest": "{" })),
        "InvalidParameterException",
        "Invalid parameter at 'ImageManifest'",
    )
    .await;
    let elsewhere = String::from_utf8(image(&[b"3".to_vec()]).manifest_bytes).unwrap();
    s.bad("PutImage", ask(json!({ "imageManifest": elsewhere })), "LayersNotFoundException", "").await;
    let wrong = ask(json!({ "imageManifest": manifest, "imageDigest": one.manifest }));
    s.bad("PutImage", wrong, "ImageDigestDoesNotMatchException", "").await;
    s.good("PutImageTagMutability", ask(json!({ "imageTagMutability": "IMMUTABLE" }))).await;
    let immutable = "The image tag 'v1' already exists in the 'app' repository and cannot be overwritten because the repository is immutable.";
    s.bad("PutImage", put("v1"), "ImageTagAlreadyExistsException", immutable).await;
    let headers = [("content-type", services::oci::media_type::OCI_MANIFEST)];
    let pushed = s.world.send("PUT", "/v2/app/manifests/v1", &headers, &two.manifest_bytes).await;
    assert_eq!((pushed.status.as_u16(), pushed.code().as_str()), (400, "TAG_INVALID"));
}

/// One tag of several goes alone; the last one takes the image with it.
#[tokio::test]
async fn images_are_deleted() {
    let (s, one, two) = stocked().await;
    let delete = |id: Value| ask(json!({ "imageIds": [id] }));
    let gone = s.good("BatchDeleteImage", delete(json!({ "imageTag": "v1" }))).await;
    assert_eq!(gone["imageIds"], json!([{ "imageDigest": one.manifest, "imageTag": "v1" }]));
    s.good("DescribeImages", ask(json!({ "imageIds": [{ "imageDigest": one.manifest }] }))).await;
    s.good("BatchDeleteImage", delete(json!({ "imageTag": "latest" }))).await;
    s.bad(
        "DescribeImages",
        ask(json!({ "imageIds": [{ "imageDigest": one.manifest }] })),
        "ImageNotFoundException",
        "",
    )
    .await;
    let gone = s.good("BatchDeleteImage", delete(json!({ "imageDigest": two.manifest }))).await;
    assert_eq!(gone["imageIds"].as_array().unwrap().len(), 1);
    let again = s.good("BatchDeleteImage", delete(json!({ "imageDigest": two.manifest }))).await;
    assert_eq!(again["failures"][0]["failureCode"], "ImageNotFound");
}

#[tokio::test]
async fn layers_in_parts() {
    let s = service().await;
    s.good("CreateRepository", json!({ "repositoryName": "app" })).await;
    let begun = s.good("InitiateLayerUpload", json!({ "repositoryName": "app" })).await;
    let upload = begun["uploadId"].as_str().unwrap().to_owned();
    assert_eq!(begun["partSize"], 20 * 1024 * 1024);
    let part = |upload: &str, first: u64, last: u64, bytes: &[u8]| {
        json!({ "repositoryName": "app", "uploadId": upload, "partFirstByte": first, "partLastByte": last,
            "layerPartBlob": STANDARD.encode(bytes) })
    };
    let digest = digest_text(digest_of(b"01234"));
    let complete = json!({ "repositoryName": "app", "uploadId": upload, "layerDigests": [digest] });
    s.bad("CompleteLayerUpload", complete.clone(), "EmptyUploadException", "").await;
    let sent = s.good("UploadLayerPart", part(&upload, 0, 2, b"012")).await;
    assert_eq!(sent["lastByteReceived"], 2);
    for wrong in [part(&upload, 0, 2, b"012"), part(&upload, 4, 4, b"4"), part(&upload, 3, 9, b"34")] {
        s.bad("UploadLayerPart", wrong, "InvalidLayerPartException", "The layer part size is not valid")
            .await;
    }
    s.good("UploadLayerPart", part(&upload, 3, 4, b"34")).await;
    assert_eq!(s.good("CompleteLayerUpload", complete.clone()).await["layerDigest"], digest);
    s.bad("CompleteLayerUpload", complete, "UploadNotFoundException", "").await;
    let other = s.good("InitiateLayerUpload", json!({ "repositoryName": "app" })).await;
    let other = other["uploadId"].as_str().unwrap();
    s.good("UploadLayerPart", part(other, 0, 0, b"x")).await;
    let twice = json!({ "repositoryName": "app", "uploadId": other, "layerDigests": [digest] });
    s.bad("CompleteLayerUpload", twice, "LayerAlreadyExistsException", "").await;
    let unknown = digest_text(digest_of(b"unknown"));
    let digests = json!({ "repositoryName": "app", "layerDigests": [digest, unknown, "sha256:1"] });
    let checked = s.good("BatchCheckLayerAvailability", digests).await;
    assert_eq!(checked["layers"][0]["layerAvailability"], "AVAILABLE");
    assert_eq!(checked["layers"][1]["layerAvailability"], "UNAVAILABLE");
    assert_eq!(checked["failures"][0]["failureCode"], "InvalidLayerDigest");
    let place =
        s.good("GetDownloadUrlForLayer", json!({ "repositoryName": "app", "layerDigest": digest })).await;
    let url: http::Uri = place["downloadUrl"].as_str().unwrap().parse().unwrap();
    let token = in_query(url.query()).unwrap();
    let claims = TokenKey::new(b"key").open(&token, s.world.registry.catalog().now()).unwrap();
    assert!(
        claims.fits(&http::Method::GET, url.path()) && !claims.fits(&http::Method::GET, "/v2/app/tags/list")
    );
    assert_eq!(&s.world.send("GET", url.path(), &[], b"").await.body[..], b"01234");
    let missing = json!({ "repositoryName": "app", "layerDigest": unknown });
    s.bad("GetDownloadUrlForLayer", missing, "LayersNotFoundException", "").await;
    // What was on its way goes with its repository.
    s.good("InitiateLayerUpload", json!({ "repositoryName": "app" })).await;
    s.good("DeleteRepository", json!({ "repositoryName": "app", "force": true })).await;
    assert_eq!(s.world.registry.layout().uploads_open(), 0);
}

#[tokio::test]
async fn labels_policies_and_login() {
    let s = service().await;
    s.good("CreateRepository", json!({ "repositoryName": "app" })).await;
    let arn = "arn:aws:ecr:us-east-1:000000000000:repository/app";
    s.good(
        "TagResource",
        json!({ "resourceArn": arn, "tags": [{ "Key": "a", "Value": "1" }, { "Key": "b", "Value": "2" }] }),
    )
    .await;
    s.good("UntagResource", json!({ "resourceArn": arn, "tagKeys": ["a"] })).await;
    let labels = s.good("ListTagsForResource", json!({ "resourceArn": arn })).await;
    assert_eq!(labels, json!({ "tags": [{ "Key": "b", "Value": "2" }] }));
    let many: Vec<_> = (0..50).map(|n| json!({ "Key": format!("k{n}"), "Value": "" })).collect();
    s.bad("TagResource", json!({ "resourceArn": arn, "tags": many }), "TooManyTagsException", "").await;
    s.bad("ListTagsForResource", json!({ "resourceArn": "x" }), "InvalidParameterException", "").await;
    let app = json!({ "repositoryName": "app" });
    let none = "Repository policy does not exist for the repository with name 'app' in the registry with id '000000000000'";
    s.bad("GetRepositoryPolicy", app.clone(), "RepositoryPolicyNotFoundException", none).await;
    let pull = json!({ "Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage" });
    let with = |name: &str, value: Value| {
        let mut statement = pull.clone();
        statement[name] = value;
        json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
    };
    let unknown = json!({ "Alike": { "aws:SourceAccount": "1" } });
    for policy in [
        "{".to_owned(),
        with("Resource", json!("*")),
        with("Principal", Value::Null),
        with("Condition", unknown),
    ] {
        let asked = json!({ "repositoryName": "app", "policyText": policy });
        let refused = "Invalid parameter at 'PolicyText'";
        s.bad("SetRepositoryPolicy", asked, "InvalidParameterException", refused).await;
    }
    let policy = r#"{"Version":"2012-10-17","Statement":[]}"#;
    s.good("SetRepositoryPolicy", json!({ "repositoryName": "app", "policyText": policy })).await;
    assert_eq!(s.good("GetRepositoryPolicy", app.clone()).await["policyText"], policy);
    s.good("DeleteRepositoryPolicy", app.clone()).await;
    s.bad("GetRepositoryPolicy", app, "RepositoryPolicyNotFoundException", none).await;
    let login = s.good("GetAuthorizationToken", json!({})).await;
    let data = &login["authorizationData"][0];
    let decoded = STANDARD.decode(data["authorizationToken"].as_str().unwrap()).unwrap();
    let password = String::from_utf8(decoded).unwrap();
    let token = password.strip_prefix("AWS:").unwrap();
    let claims = TokenKey::new(b"key").open(token, s.world.registry.catalog().now()).unwrap();
    assert_eq!((claims.scope, claims.bearer.as_str()), (scope(), "AKIA"));
    assert_eq!(data["proxyEndpoint"], format!("http://{}", s.world.authority));
}

/// What is set survives a restart, exclusion filters included.
#[tokio::test]
async fn settings_are_durable() {
    let mut s = service().await;
    let filters = json!([{ "filterType": "WILDCARD", "filter": "dev-*" }]);
    let create = json!({ "repositoryName": "app", "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": filters, "imageScanningConfiguration": { "scanOnPush": true } });
    let made = s.good("CreateRepository", create).await;
    let lacking = json!({ "repositoryName": "x/y", "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION" });
    s.bad("CreateRepository", lacking, "InvalidParameterException", "").await;
    s.world = s.world.restart().await;
    s.ecr = Ecr::new(s.world.registry.clone(), TokenKey::new(b"key"));
    let mut described = s.good("DescribeRepositories", json!({})).await["repositories"][0].clone();
    described["repositoryUri"] = made["repository"]["repositoryUri"].clone();
    assert_eq!(described, made["repository"]);
}
