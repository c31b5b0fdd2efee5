//! The OCI Distribution Specification 1.1 as requests and answers, on raw HTTP; and what happens when things
//! break: cut connections, restarts, wrong digests.

use std::time::Duration;

use bytes::Bytes;
use services::layout::{Bounds, Owner};
use services::oci::manifest::MANIFEST_BYTES_MAX;
use services::oci::media_type::{OCI_INDEX, OCI_MANIFEST};
use services::oci::{digest_of, digest_text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::image_files::{TestImage, image};
use crate::world::{Answer, World, scope};

const NOBODY: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

async fn check(world: &World, method: &str, path: &str, status: u16, code: &str) -> Answer {
    check_body(world, method, path, &[], b"", status, code).await
}

async fn check_body(
    world: &World,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    status: u16,
    code: &str,
) -> Answer {
    let answer = world.send(method, path, headers, body).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (status, code),
        "{method} {path}: {answer:?}"
    );
    assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0", "{method} {path}");
    answer
}

fn digest(bytes: &[u8]) -> String {
    digest_text(digest_of(bytes))
}

pub async fn put_blob(world: &World, repository: &str, bytes: &[u8]) -> String {
    let digest = digest(bytes);
    let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
    check_body(world, "POST", &path, &[], bytes, 201, "").await;
    digest
}

pub async fn put_image(world: &World, repository: &str, tag: &str, image: &TestImage) {
    for blob in &image.blobs {
        put_blob(world, repository, blob).await;
    }
    let path = format!("/v2/{repository}/manifests/{tag}");
    let headers = [("content-type", OCI_MANIFEST)];
    check_body(world, "PUT", &path, &headers, &image.manifest_bytes, 201, "").await;
}

#[tokio::test]
async fn what_is_not_there() {
    let world = World::with(|options| options.create_on_push = false).await;
    check(&world, "GET", "/v2/", 200, "").await;
    check(&world, "GET", "/v2", 200, "").await;
    let image = image(&[]);
    for (method, path, status, code) in [
        ("GET", "/v2/a/tags/list", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/a/manifests/x", 404, "NAME_UNKNOWN"),
        ("POST", "/v2/a/blobs/uploads/", 404, "NAME_UNKNOWN"),
        ("PUT", "/v2/a/manifests/x", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/A/tags/list", 400, "NAME_INVALID"),
        ("GET", "/v2/a/nothing", 404, "UNSUPPORTED"),
        ("POST", "/v2/", 405, "UNSUPPORTED"),
        ("PATCH", "/v2/a/manifests/x", 405, "UNSUPPORTED"),
    ] {
        check(&world, method, path, status, code).await;
    }
    let world = World::new().await;
    put_image(&world, "a", "v1", &image).await;
    for (method, path, status, code) in [
        ("GET", "/v2/a/manifests/x".to_owned(), 404, "MANIFEST_UNKNOWN"),
        ("GET", format!("/v2/a/manifests/{NOBODY}"), 404, "MANIFEST_UNKNOWN"),
        ("DELETE", format!("/v2/a/manifests/{NOBODY}"), 404, "MANIFEST_UNKNOWN"),
        ("GET", "/v2/a/manifests/-x".to_owned(), 400, "TAG_INVALID"),
        ("GET", "/v2/a/manifests/sha256:1".to_owned(), 400, "DIGEST_INVALID"),
        ("GET", format!("/v2/a/blobs/{NOBODY}"), 404, "BLOB_UNKNOWN"),
        ("DELETE", format!("/v2/a/blobs/{NOBODY}"), 404, "BLOB_UNKNOWN"),
        ("GET", "/v2/a/blobs/sha512:00".to_owned(), 400, "DIGEST_INVALID"),
        ("GET", "/v2/a/blobs/uploads/0".to_owned(), 404, "BLOB_UPLOAD_UNKNOWN"),
        ("PATCH", "/v2/a/blobs/uploads/../x".to_owned(), 404, "UNSUPPORTED"),
        ("POST", "/v2/a/blobs/uploads/?digest=md5:1".to_owned(), 400, "DIGEST_INVALID"),
        // Another repository's blob is nobody's business.
        ("GET", format!("/v2/b/blobs/{}", digest(&image.blobs[0])), 404, "NAME_UNKNOWN"),
    ] {
        check(&world, method, &path, status, code).await;
    }
    put_blob(&world, "b", b"other").await;
    check(&world, "GET", &format!("/v2/b/blobs/{}", digest(&image.blobs[0])), 404, "BLOB_UNKNOWN").await;
}

#[tokio::test]
async fn blobs_whole_and_in_parts() {
    let world = World::new().await;
    let digest = put_blob(&world, "a/b", b"0123456789").await;
    let path = format!("/v2/a/b/blobs/{digest}");
    let answer = check(&world, "GET", &path, 200, "").await;
    assert_eq!(&answer.body[..], b"0123456789");
    assert_eq!(answer.header("docker-content-digest"), digest);
    let answer = check(&world, "HEAD", &path, 200, "").await;
    assert_eq!((answer.header("content-length"), answer.body.len()), ("10", 0));
    let part = check_body(&world, "GET", &path, &[("range", "bytes=2-4")], b"", 206, "").await;
    assert_eq!((&part.body[..], part.header("content-range")), (&b"234"[..], "bytes 2-4/10"));
    let part = check_body(&world, "GET", &path, &[("range", "bytes=10-")], b"", 416, "").await;
    assert_eq!(part.header("content-range"), "bytes */10");
    check(&world, "DELETE", &path, 202, "").await;
    check(&world, "GET", &path, 404, "BLOB_UNKNOWN").await;
    let empty = put_blob(&world, "a/b", b"").await;
    check(&world, "GET", &format!("/v2/a/b/blobs/{empty}"), 200, "").await;
    // More than one piece of the file.
    let large = vec![7; 3_000_000];
    let digest = put_blob(&world, "a/b", &large).await;
    assert_eq!(check(&world, "GET", &format!("/v2/a/b/blobs/{digest}"), 200, "").await.body, large);
}

#[tokio::test]
async fn an_upload_in_chunks() {
    let world = World::new().await;
    let begun = check(&world, "POST", "/v2/a/blobs/uploads/", 202, "").await;
    let place = begun.header("location").to_owned();
    assert_eq!((begun.header("range"), place.ends_with(begun.header("docker-upload-uuid"))), ("0-0", true));
    let first = check_body(&world, "PATCH", &place, &[("content-range", "0-3")], b"0123", 202, "").await;
    assert_eq!(first.header("range"), "0-3");
    let gap = check_body(&world, "PATCH", &place, &[("content-range", "6-7")], b"67", 416, "").await;
    assert_eq!((gap.header("range"), gap.header("location")), ("0-3", place.as_str()));
    for (range, body, code) in [
        ("4-5", &b"456"[..], "SIZE_INVALID"),
        ("4-9", b"456", "SIZE_INVALID"),
        ("x", b"456", "BLOB_UPLOAD_INVALID"),
        ("5-4", b"456", "BLOB_UPLOAD_INVALID"),
    ] {
        check_body(&world, "PATCH", &place, &[("content-range", range)], body, 400, code).await;
    }
    let stands = check(&world, "GET", &place, 204, "").await;
    assert_eq!(stands.header("range"), "0-3");
    // As Docker sends it: a stream without range.
    check_body(&world, "PATCH", &place, &[], b"4567", 202, "").await;
    check_body(&world, "PUT", &place, &[], b"", 400, "DIGEST_INVALID").await;
    let digest = digest(b"0123456789");
    let path = format!("{place}?digest={digest}");
    let done = check_body(&world, "PUT", &path, &[("content-range", "8-9")], b"89", 201, "").await;
    assert_eq!(done.header("location"), format!("/v2/a/blobs/{digest}"));
    assert_eq!(&check(&world, "GET", done.header("location"), 200, "").await.body[..], b"0123456789");
    check(&world, "GET", &place, 404, "BLOB_UPLOAD_UNKNOWN").await;
}

#[tokio::test]
async fn a_wrong_digest_leaves_nothing() {
    let world = World::new().await;
    let path = format!("/v2/a/blobs/uploads/?digest={NOBODY}");
    check_body(&world, "POST", &path, &[], b"x", 400, "DIGEST_INVALID").await;
    let begun = check(&world, "POST", "/v2/a/blobs/uploads/", 202, "").await;
    let place = begun.header("location").to_owned();
    check_body(&world, "PUT", &format!("{place}?digest={NOBODY}"), &[], b"x", 400, "DIGEST_INVALID").await;
    check(&world, "GET", &place, 404, "BLOB_UPLOAD_UNKNOWN").await;
    assert_eq!(world.registry.layout().uploads_open(), 0);
    assert_eq!(files(&world), 0);
    check(&world, "GET", &format!("/v2/a/blobs/{NOBODY}"), 404, "BLOB_UNKNOWN").await;
}

/// Files of blobs and uploads.
fn files(world: &World) -> usize {
    fn count(dir: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
    }
    count(&world.path().join("registry"))
}

#[tokio::test]
async fn an_upload_survives_a_cut_connection_and_a_restart() {
    let world = World::new().await;
    let begun = check(&world, "POST", "/v2/a/blobs/uploads/", 202, "").await;
    let place = begun.header("location").to_owned();
    check_body(&world, "PATCH", &place, &[], b"0123", 202, "").await;
    // A body that ends before its announced length.
    let address = world.authority.replace("localhost", "127.0.0.1");
    let mut raw = tokio::net::TcpStream::connect(&address).await.unwrap();
    let head = format!("PATCH {place} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n4567");
    raw.write_all(head.as_bytes()).await.unwrap();
    raw.shutdown().await.unwrap();
    let _ = raw.read_to_end(&mut Vec::new()).await;
    let stands = check(&world, "GET", &place, 204, "").await;
    assert_eq!(stands.header("range"), "0-7");
    let world = world.restart().await;
    let stands = check(&world, "GET", &place, 204, "").await;
    assert_eq!(stands.header("range"), "0-7");
    let digest = digest(b"0123456789");
    check_body(&world, "PUT", &format!("{place}?digest={digest}"), &[], b"89", 201, "").await;
    let world = world.restart().await;
    assert_eq!(
        &check(&world, "GET", &format!("/v2/a/blobs/{digest}"), 200, "").await.body[..],
        b"0123456789"
    );
    // What belongs to nobody is gone after a start.
    std::fs::write(world.path().join("registry/uploads/stray.tmp"), "x").unwrap();
    let world = world.restart().await;
    assert!(!world.path().join("registry/uploads/stray.tmp").exists());
}

#[tokio::test]
async fn uploads_are_bounded() {
    let world = World::with(|options| {
        options.bounds = Bounds { blob_bytes_max: 10, uploads_max: 2, upload_idle_max: Duration::ZERO };
    })
    .await;
    let begun = check(&world, "POST", "/v2/a/blobs/uploads/", 202, "").await;
    let place = begun.header("location").to_owned();
    check_body(&world, "PATCH", &place, &[], b"01234567", 202, "").await;
    check_body(&world, "PATCH", &place, &[], b"89A", 413, "SIZE_INVALID").await;
    let stands = check(&world, "GET", &place, 204, "").await;
    assert_eq!(stands.header("range"), "0-7");
    check(&world, "POST", "/v2/a/blobs/uploads/", 202, "").await;
    check(&world, "DELETE", &place, 204, "").await;
    check(&world, "POST", "/v2/a/blobs/uploads/", 202, "").await;
    let collected = world.registry.collect().await.unwrap();
    assert_eq!((collected.swept.uploads, world.registry.layout().uploads_open()), (2, 0));
}

/// Whoever begins upload after upload stands in nobody's way but his own.
#[tokio::test]
async fn a_full_pool_makes_room() {
    let bounds = Bounds { uploads_max: 4, ..Bounds::default() };
    let world = World::with(|options| options.bounds = bounds).await;
    let begin = async |repository: &str| {
        let begun = check(&world, "POST", &format!("/v2/{repository}/blobs/uploads/"), 202, "").await;
        begun.header("location").to_owned()
    };
    let mine = begin("mine").await;
    check_body(&world, "PATCH", &mine, &[], b"0123", 202, "").await;
    let mut greedy = Vec::new();
    for _ in 0..8 {
        greedy.push(begin("greedy").await);
    }
    let second = begin("mine").await;
    for place in &greedy[..6] {
        check(&world, "GET", place, 404, "BLOB_UPLOAD_UNKNOWN").await;
        check_body(&world, "PATCH", place, &[], b"x", 404, "BLOB_UPLOAD_UNKNOWN").await;
    }
    for place in greedy[6..].iter().chain([&mine, &second]) {
        check(&world, "GET", place, 204, "").await;
    }
    assert_eq!((world.registry.layout().uploads_open(), files(&world)), (4, 8));
    // One that is being written to is not taken away, even from whoever has most.
    let layout = world.registry.layout();
    let name = |name: &str| services::oci::name::RepositoryName::parse(name).unwrap();
    let owner = |repository: &str| Owner { scope: scope(), repository: name(repository) };
    let mut writing = Vec::new();
    for (place, repository) in
        greedy[6..].iter().map(|place| (place, "greedy")).chain([(&mine, "mine"), (&second, "mine")])
    {
        let id = place.rsplit('/').next().unwrap();
        writing.push(layout.write_to(&layout.upload(id, &owner(repository)).unwrap()).await.unwrap());
    }
    check(&world, "POST", "/v2/greedy/blobs/uploads/", 429, "TOOMANYREQUESTS").await;
    drop(writing);
    // A repository takes its uploads with it.
    world.registry.delete_repository(&scope(), &name("greedy"), false).await.unwrap();
    assert_eq!((world.registry.layout().uploads_open(), files(&world)), (2, 4));
    let digest = digest(b"0123");
    check(&world, "PUT", &format!("{mine}?digest={digest}"), 201, "").await;
}

#[tokio::test]
async fn a_mount_copies_nothing() {
    let world = World::new().await;
    let digest = put_blob(&world, "a", b"shared").await;
    put_blob(&world, "c", b"own").await;
    let mounted =
        check(&world, "POST", &format!("/v2/b/blobs/uploads/?mount={digest}&from=a"), 201, "").await;
    assert_eq!(mounted.header("location"), format!("/v2/b/blobs/{digest}"));
    check(&world, "GET", &format!("/v2/b/blobs/{digest}"), 200, "").await;
    check(&world, "POST", &format!("/v2/c/blobs/uploads/?mount={digest}"), 201, "").await;
    // Where there is nothing to mount, an upload begins.
    check(&world, "POST", &format!("/v2/d/blobs/uploads/?mount={digest}&from=nowhere"), 202, "").await;
    check(&world, "POST", &format!("/v2/d/blobs/uploads/?mount={NOBODY}"), 202, "").await;
    check(&world, "POST", "/v2/d/blobs/uploads/?mount=x", 400, "DIGEST_INVALID").await;
}

#[tokio::test]
async fn manifests_are_taken_when_they_are_complete() {
    let world = World::new().await;
    let image = image(&[b"layer".to_vec()]);
    let path = "/v2/a/manifests/v1";
    let json = [("content-type", OCI_MANIFEST)];
    put_blob(&world, "a", &image.blobs[0]).await;
    let refused =
        check_body(&world, "PUT", path, &json, &image.manifest_bytes, 400, "MANIFEST_BLOB_UNKNOWN").await;
    assert!(String::from_utf8_lossy(&refused.body).contains(&digest(&image.blobs[1])));
    put_blob(&world, "a", &image.blobs[1]).await;
    for (body, headers, status, code) in [
        (&b"{"[..], &json, 400, "MANIFEST_INVALID"),
        (&image.manifest_bytes, &[("content-type", "text/plain")], 400, "MANIFEST_INVALID"),
        (&image.manifest_bytes, &[("content-type", OCI_INDEX)], 400, "MANIFEST_INVALID"),
        (&vec![b' '; MANIFEST_BYTES_MAX + 1][..], &json, 413, "MANIFEST_INVALID"),
    ] {
        check_body(&world, "PUT", path, headers, body, status, code).await;
    }
    let other = format!("/v2/a/manifests/{NOBODY}");
    check_body(&world, "PUT", &other, &json, &image.manifest_bytes, 400, "DIGEST_INVALID").await;
    let taken = check_body(&world, "PUT", path, &json, &image.manifest_bytes, 201, "").await;
    assert_eq!(taken.header("docker-content-digest"), image.manifest);
    for by in ["v1", image.manifest.as_str()] {
        let got = check(&world, "GET", &format!("/v2/a/manifests/{by}"), 200, "").await;
        assert_eq!(got.body, image.manifest_bytes);
        assert_eq!(
            (got.header("content-type"), got.header("docker-content-digest")),
            (OCI_MANIFEST, &*image.manifest)
        );
        let head = check(&world, "HEAD", &format!("/v2/a/manifests/{by}"), 200, "").await;
        assert_eq!(head.header("content-length"), image.manifest_bytes.len().to_string());
    }
    let used = format!("/v2/a/blobs/{}", digest(&image.blobs[1]));
    check(&world, "DELETE", &used, 405, "UNSUPPORTED").await;
    let index = serde_json::json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        { "mediaType": OCI_MANIFEST, "digest": image.manifest, "size": image.manifest_bytes.len() } ] });
    let index = index.to_string().into_bytes();
    let json = [("content-type", OCI_INDEX)];
    check_body(&world, "PUT", "/v2/b/manifests/all", &json, &index, 400, "MANIFEST_BLOB_UNKNOWN").await;
    check_body(&world, "PUT", "/v2/a/manifests/all", &json, &index, 201, "").await;
    let by_digest = format!("/v2/a/manifests/{}", image.manifest);
    check(&world, "DELETE", &by_digest, 405, "UNSUPPORTED").await;
    check(&world, "DELETE", "/v2/a/manifests/all", 202, "").await;
    check(&world, "GET", "/v2/a/manifests/all", 404, "MANIFEST_UNKNOWN").await;
    check(&world, "DELETE", &format!("/v2/a/manifests/{}", digest(&index)), 202, "").await;
    let world = world.restart().await;
    check(&world, "GET", path, 200, "").await;
    check(&world, "DELETE", &by_digest, 202, "").await;
    check(&world, "GET", path, 404, "MANIFEST_UNKNOWN").await;
    check(&world, "DELETE", &used, 202, "").await;
}

#[tokio::test]
async fn lists_come_in_pages() {
    let world = World::new().await;
    let image = image(&[]);
    for tag in ["c", "a", "d", "b"] {
        put_image(&world, "x/y", tag, &image).await;
    }
    put_blob(&world, "other", b"").await;
    let list = async |path: &str, member: &str| {
        let answer = check(&world, "GET", path, 200, "").await;
        (answer.json()[member].to_string(), answer.header("link").to_owned())
    };
    assert_eq!(list("/v2/x/y/tags/list", "tags").await, (r#"["a","b","c","d"]"#.to_owned(), String::new()));
    let next = "</v2/x/y/tags/list?n=2&last=b>; rel=\"next\"".to_owned();
    assert_eq!(list("/v2/x/y/tags/list?n=2", "tags").await, (r#"["a","b"]"#.to_owned(), next));
    let end = (r#"["c","d"]"#.to_owned(), String::new());
    assert_eq!(list("/v2/x/y/tags/list?n=2&last=b", "tags").await, end);
    assert_eq!(list("/v2/x/y/tags/list?last=bb", "tags").await, end);
    assert_eq!(list("/v2/x/y/tags/list?n=0", "tags").await.0, "[]");
    check(&world, "GET", "/v2/x/y/tags/list?n=x", 400, "UNSUPPORTED").await;
    assert_eq!(list("/v2/_catalog", "repositories").await.0, r#"["other","x/y"]"#);
    assert_eq!(list("/v2/_catalog?n=1", "repositories").await.0, r#"["other"]"#);
    assert_eq!(list("/v2/_catalog?n=1&last=other", "repositories").await.0, r#"["x/y"]"#);
}

#[tokio::test]
async fn referrers_are_told() {
    let world = World::new().await;
    let image = image(&[]);
    put_image(&world, "a", "v1", &image).await;
    put_blob(&world, "a", b"{}").await;
    let about = serde_json::json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/x.sbom+json",
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2 },
        "layers": [{ "mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2 }],
        "subject": { "mediaType": OCI_MANIFEST, "digest": image.manifest, "size": 1 }, "annotations": { "k": "v" },
    });
    let about = about.to_string().into_bytes();
    let path = format!("/v2/a/manifests/{}", digest(&about));
    let taken = check_body(&world, "PUT", &path, &[("content-type", OCI_MANIFEST)], &about, 201, "").await;
    assert_eq!(taken.header("oci-subject"), image.manifest);
    let path = format!("/v2/a/referrers/{}", image.manifest);
    let answer = check(&world, "GET", &path, 200, "").await;
    assert_eq!(answer.header("content-type"), OCI_INDEX);
    let found = &answer.json()["manifests"][0];
    assert_eq!(
        (found["digest"].as_str(), found["annotations"]["k"].as_str()),
        (Some(&*digest(&about)), Some("v"))
    );
    assert_eq!(found["artifactType"], "application/x.sbom+json");
    let filtered = check(&world, "GET", &format!("{path}?artifactType=x"), 200, "").await;
    assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
    assert_eq!(filtered.json()["manifests"].as_array().unwrap().len(), 0);
    let none = check(&world, "GET", &format!("/v2/a/referrers/{NOBODY}"), 200, "").await;
    assert_eq!(none.json()["manifests"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn garbage_goes_and_what_is_used_stays() {
    let hour = Duration::from_secs(3600);
    let world = World::new().await;
    let image = image(&[b"layer".to_vec()]);
    put_image(&world, "a", "v1", &image).await;
    let stray = put_blob(&world, "a", b"stray").await;
    // Young: nothing goes.
    let collected = world.registry.collect().await.unwrap();
    assert_eq!((collected.links, collected.swept.blobs), (0, 0));
    let age = |digest: &str| {
        let digest = services::oci::parse_digest(digest).unwrap();
        let file = std::fs::File::open(world.registry.layout().path(digest)).unwrap();
        file.set_modified(std::time::SystemTime::now() - 2 * hour).unwrap();
    };
    let everything: Vec<String> =
        image.blobs.iter().map(|blob| digest(blob)).chain([image.manifest.clone()]).collect();
    let age_all = || everything.iter().chain([&stray]).for_each(|digest| age(digest));
    age_all();
    world.clock.forward(2 * hour);
    // Told of again: it must stay, because the client will not send it.
    check(&world, "HEAD", &format!("/v2/a/blobs/{stray}"), 200, "").await;
    assert_eq!(world.registry.collect().await.unwrap().swept.blobs, 0);
    age_all();
    world.clock.forward(2 * hour);
    let collected = world.registry.collect().await.unwrap();
    assert_eq!((collected.links, collected.swept.blobs), (1, 1));
    check(&world, "GET", &format!("/v2/a/blobs/{stray}"), 404, "BLOB_UNKNOWN").await;
    check(&world, "GET", &format!("/v2/a/blobs/{}", everything[1]), 200, "").await;
    // Deleted by its owner, and still used by a function.
    world.registry.pin(&[services::oci::parse_digest(&image.manifest).unwrap()]);
    check(&world, "DELETE", &format!("/v2/a/manifests/{}", image.manifest), 202, "").await;
    let age_image = || everything.iter().for_each(|digest| age(digest));
    age_image();
    world.clock.forward(2 * hour);
    assert_eq!(world.registry.collect().await.unwrap().swept.blobs, 0);
    world.registry.pin(&[]);
    assert_eq!(world.registry.collect().await.unwrap().swept.blobs, 3);
    assert_eq!(files(&world), 0);
}

/// Bytes that a test sends are those that it gets.
#[tokio::test]
async fn deleted_repositories_leave_nothing_to_their_successors() {
    let world = World::new().await;
    put_image(&world, "a", "v1", &image(&[])).await;
    let name = services::oci::name::RepositoryName::parse("a").unwrap();
    let scope = scope();
    assert!(world.registry.catalog().delete(&scope, &name, false).await.is_err());
    world.registry.catalog().delete(&scope, &name, true).await.unwrap();
    check(&world, "GET", "/v2/a/tags/list", 404, "NAME_UNKNOWN").await;
    put_blob(&world, "a", &Bytes::from_static(b"x")).await;
    let world = world.restart().await;
    assert_eq!(check(&world, "GET", "/v2/a/tags/list", 200, "").await.json()["tags"].to_string(), "[]");
}
