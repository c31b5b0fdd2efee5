//! Images fetched from the built-in registry, from others, and from the disk; kept, shared, collected.
//!
//! Registries here are real servers on the loopback; failures are compared with Lambda's wording.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use model::error::ServiceError;
use model::function::{Architecture, Image};
use model::id::Digest;
use model::port::Images;
use services::image::{ImageOptions, ImageStore, InProcess, TransportOptions};
use services::oci::{digest_of, parse_digest};

use crate::image_files::{Tar, TestImage, image, write_layout};
use crate::other_registry::{OtherRegistry, Wants};
use crate::registry::{put_blob, put_image};
use crate::world::{World, entropy, scope};

const HOUR: Duration = Duration::from_secs(3600);

async fn store(world: &World, change: impl FnOnce(&mut ImageOptions)) -> ImageStore {
    let mut options = ImageOptions {
        allowed_folders: vec![world.path().join("allowed")],
        transport: TransportOptions::default(),
        unpacker: Arc::new(InProcess),
        image_bytes_max: 10 * 1024 * 1024 * 1024,
        grace: HOUR,
    };
    change(&mut options);
    let dir = world.path().join("images");
    ImageStore::open(&dir, world.registry.clone(), world.clock.clone(), entropy(), options).await.unwrap()
}

async fn fetch(store: &ImageStore, uri: &str) -> Result<Image, ServiceError> {
    store.fetch(&scope(), uri, Architecture::HOST).await
}

/// Two layers: the upper one hides and replaces what the lower one has.
fn two_layers() -> TestImage {
    let lower = Tar::default().folder("etc/").file("etc/a", b"lower").file("etc/gone", b"x").end();
    let upper = Tar::default().file("etc/a", b"upper").file("etc/.wh.gone", b"").program("run", b"#!").end();
    image(&[lower, upper])
}

fn digests(image: &Image) -> [Digest; 1] {
    [image.digest]
}

fn count(dir: PathBuf) -> usize {
    fs::read_dir(dir).unwrap().count()
}

#[tokio::test]
async fn an_image_of_the_built_in_registry() {
    let world = World::new().await;
    let made = two_layers();
    put_image(&world, "team/app", "v1", &made).await;
    let images = store(&world, |_| {}).await;
    let uri = format!("{}/team/app:v1", world.authority);
    let fetched = fetch(&images, &uri).await.unwrap();
    assert_eq!(fetched.digest, parse_digest(&made.manifest).unwrap());
    assert_eq!(fetched.resolved_uri, format!("{}/team/app@{}", world.authority, made.manifest));
    assert_eq!(fetched.size_bytes, made.blobs[1..].iter().map(|blob| blob.len() as u64).sum::<u64>());
    let root = images.root(&fetched).await.unwrap();
    assert_eq!((root.entry_point, root.command), (vec!["/run".to_owned()], vec!["x".to_owned()]));
    assert_eq!(root.working_directory.as_deref(), Some("/var/task"));
    assert_eq!(root.environment, [("A".to_owned(), "b".to_owned())]);
    let [upper, lower] = &root.layers[..] else { panic!("{:?}", root.layers) };
    assert_eq!(fs::read(upper.join("etc/a")).unwrap(), b"upper");
    assert_eq!(fs::read(lower.join("etc/a")).unwrap(), b"lower");
    assert!(fs::symlink_metadata(upper.join("etc/gone")).unwrap().file_type().is_char_device());
    // ECR's own form of the address means the same, and so does a digest.
    let ecr = format!("000000000000.dkr.ecr.us-east-1.amazonaws.com/team/app@{}", made.manifest);
    assert_eq!(fetch(&images, &ecr).await.unwrap().digest, fetched.digest);
    assert_eq!(count(world.path().join("images/tmp")), 0);
}

/// The kernel agrees about what the layers mean together.
#[tokio::test]
async fn overlayfs_shows_what_the_image_says() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let world = World::new().await;
    let lower =
        Tar::default().folder("d/").file("d/a", b"1").file("gone", b"").folder("full/").file("full/x", b"");
    let upper = Tar::default()
        .file(".wh.gone", b"")
        .file("d/.wh..wh..opq", b"")
        .file("d/b", b"2")
        .file(".wh.full", b"");
    put_image(&world, "a", "v1", &image(&[lower.end(), upper.end()])).await;
    let images = store(&world, |_| {}).await;
    let fetched = fetch(&images, &format!("{}/a:v1", world.authority)).await.unwrap();
    let root = images.root(&fetched).await.unwrap();
    let lowers: Vec<_> = root.layers.iter().map(|layer| layer.to_str().unwrap()).collect();
    let script = format!(
        "mount -t overlay -o userxattr,lowerdir={} none /mnt && cd /mnt && find . | sort | tr '\\n' ' '",
        lowers.join(":")
    );
    let shown = Command::new("unshare").args(["-m", "sh", "-ec", &script]).output().unwrap();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    assert_eq!(String::from_utf8_lossy(&shown.stdout), ". ./d ./d/b ");
}

#[tokio::test]
async fn an_image_needs_its_registry_no_more() {
    let world = World::new().await;
    let made = two_layers();
    put_image(&world, "a", "v1", &made).await;
    let images = store(&world, |_| {}).await;
    let fetched = fetch(&images, &format!("{}/a:v1", world.authority)).await.unwrap();
    world.send("DELETE", &format!("/v2/a/manifests/{}", made.manifest), &[], b"").await;
    drop(images);
    // Half-made things of a crash are gone after a start.
    let stray = world.path().join("images/tmp/stray/fs");
    fs::create_dir_all(&stray).unwrap();
    let images = store(&world, |_| {}).await;
    assert!(!stray.exists());
    let root = images.root(&fetched).await.unwrap();
    assert_eq!(fs::read(root.layers[0].join("etc/a")).unwrap(), b"upper");
    // A layer that is lost comes again from where the image was, if it is still there.
    let lose = || fs::remove_dir_all(root.layers[0].parent().unwrap()).unwrap();
    lose();
    let again = images.root(&fetched).await.unwrap();
    assert_eq!((fs::read(again.layers[0].join("etc/a")).unwrap(), &again), (b"upper".to_vec(), &root));
    lose();
    let name = services::oci::name::RepositoryName::parse("a").unwrap();
    world.registry.catalog().delete(&scope(), &name, true).await.unwrap();
    assert!(matches!(images.root(&fetched).await, Err(ServiceError::Internal(_))));
}

#[tokio::test]
async fn failures_are_worded_as_lambda_words_them() {
    let world = World::new().await;
    let images = store(&world, |options| options.image_bytes_max = 100_000).await;
    let authority = &world.authority;
    let put = async |tag: &str, image: &TestImage| {
        put_image(&world, "a", tag, image).await;
        format!("{authority}/a:{tag}")
    };
    let check = async |uri: &str, expected: &str| {
        let error = fetch(&images, uri).await.unwrap_err();
        assert!(matches!(error, ServiceError::InvalidParameterValue(_)), "{error:?}");
        assert!(error.to_string().starts_with(&expected.replace("URI", uri)), "{error}");
    };
    let missing = "Source image URI does not exist. Provide a valid source image.";
    check(&format!("{authority}/nothing:v1"), missing).await;
    put("v1", &two_layers()).await;
    check(&format!("{authority}/a:v2"), missing).await;
    check("123456789012.dkr.ecr.us-east-1.amazonaws.com/a:v1", missing).await;
    let invalid = "Source image URI is not valid. Provide a valid source image.";
    check("No Image", invalid).await;
    check("oci:/etc", invalid).await;
    let unsupported =
        "The image manifest, config or layer media type for the source image URI is not supported.";
    let mut other = two_layers();
    let manifest = String::from_utf8(other.manifest_bytes.clone()).unwrap();
    other.manifest_bytes =
        manifest.replace("image.layer.v1.tar+gzip", "image.layer.v2.squashfs").into_bytes();
    check(&put("squashfs", &other).await, unsupported).await;
    other.manifest_bytes = manifest.replace("vnd.oci.image.config", "vnd.cncf.helm.config").into_bytes();
    check(&put("chart", &other).await, unsupported).await;
    check(&put("empty", &image(&[])).await, unsupported).await;
    let escape = Tar::default().file("../../escape", b"x").end();
    check(&put("hostile", &image(&[escape])).await, invalid).await;
    let large = Tar::default().file("zeros", &[0; 200_000]).end();
    let too_large = "The uncompressed size of the source image URI exceeds the limit of 100000 bytes.";
    check(&put("large", &image(&[large])).await, too_large).await;
    let half = |byte| Tar::default().file("half", &[byte; 60_000]).end();
    check(&put("together", &image(&[half(1), half(2)])).await, too_large).await;
    let mut lies = two_layers();
    let config = String::from_utf8(lies.blobs[0].clone()).unwrap();
    lies.blobs[0] = config.replace("\"linux\"", "\"plan9\"").into_bytes();
    let swapped = [(digest_of(config.as_bytes()), digest_of(&lies.blobs[0]))];
    let manifest = manifest.replace(&swapped[0].0.to_string(), &swapped[0].1.to_string());
    lies.manifest_bytes = manifest.into_bytes();
    check(&put("plan9", &lies).await, unsupported).await;
    assert_eq!(count(world.path().join("images/tmp")), 0, "nothing half-made stays");
}

#[tokio::test]
async fn many_who_ask_share_one_flight() {
    let other = OtherRegistry::start(two_layers(), Wants::Nothing, None).await;
    let world = World::new().await;
    let images = store(&world, |_| {}).await;
    let uri = format!("{}/a:v1", other.authority);
    let all = futures_util::future::join_all((0..8).map(|_| fetch(&images, &uri))).await;
    assert!(all.iter().all(|fetched| fetched.as_ref().unwrap() == all[0].as_ref().unwrap()));
    assert_eq!((other.manifests(), other.blobs()), (1, 3));
    assert_eq!(count(world.path().join("images/downloads")), 0);
    // The layers are here; only what the tag means is asked again.
    fetch(&images, &uri).await.unwrap();
    assert_eq!((other.manifests(), other.blobs()), (2, 4));
}

#[tokio::test]
async fn registries_that_want_credentials() {
    let world = World::new().await;
    let file = world.path().join("auth.json");
    for wants in [Wants::Basic, Wants::Token] {
        let other = OtherRegistry::start(two_layers(), wants, None).await;
        let uri = format!("{}/a:v1", other.authority);
        let with_file = |options: &mut ImageOptions| options.transport.credentials = Some(file.clone());
        let images = store(&world, with_file).await;
        fs::write(&file, "{}").unwrap();
        let error = fetch(&images, &uri).await.unwrap_err();
        assert!(matches!(error, ServiceError::AccessDenied(_)), "{error:?}");
        let auths =
            format!(r#"{{"auths":{{"{}":{{"username":"u","password":"secret"}}}}}}"#, other.authority);
        fs::write(&file, auths).unwrap();
        fetch(&images, &uri).await.unwrap();
        fs::remove_dir_all(world.path().join("images")).unwrap();
    }
}

#[tokio::test]
async fn a_download_goes_on_where_it_broke() {
    // Does not compress, so that it breaks in the middle.
    let noise: Vec<u8> =
        (0..40_000_u64).flat_map(|n| digest_of(&n.to_le_bytes()).as_bytes().to_vec()).collect();
    let made = image(&[Tar::default().file("noise", &noise).end()]);
    let other = OtherRegistry::start(made, Wants::Nothing, Some(300_000)).await;
    let world = World::new().await;
    let images = store(&world, |_| {}).await;
    let fetched = fetch(&images, &format!("{}/a:v1", other.authority)).await.unwrap();
    assert!(other.ranges() >= 3, "{} requests went on", other.ranges());
    let root = images.root(&fetched).await.unwrap();
    assert_eq!(fs::read(root.layers[0].join("noise")).unwrap(), noise);
}

#[tokio::test]
async fn what_does_not_have_its_digest_is_refused() {
    let mut made = image(&[Tar::default().file("f", b"content").end()]);
    let last = made.blobs.len() - 1;
    let length = made.blobs[last].len();
    made.blobs[last][length / 2] ^= 1;
    let other = OtherRegistry::start_lying(made).await;
    let world = World::new().await;
    let images = store(&world, |_| {}).await;
    let error = fetch(&images, &format!("{}/a:v1", other.authority)).await.unwrap_err();
    assert!(error.to_string().contains("does not have that digest"), "{error}");
    assert_eq!(count(world.path().join("images/downloads")), 0);
}

/// Who names the digest of a layer that is here must have the layer himself: otherwise a digest would be a key.
#[tokio::test]
async fn a_digest_alone_gives_no_layer() {
    let world = World::new().await;
    let secret = Tar::default().file("secret", b"s").end();
    put_image(&world, "a", "v1", &image(std::slice::from_ref(&secret))).await;
    let images = store(&world, |_| {}).await;
    let first = fetch(&images, &format!("{}/a:v1", world.authority)).await.unwrap();
    let junk = Tar::default().file("junk", b"j").end();
    let mut claims = image(std::slice::from_ref(&junk));
    let config = String::from_utf8(claims.blobs[0].clone()).unwrap();
    let config = config.replace(&digest_of(&junk).to_string(), &digest_of(&secret).to_string()).into_bytes();
    let manifest = String::from_utf8(claims.manifest_bytes.clone()).unwrap();
    let (before, after) = (digest_of(&claims.blobs[0]).to_string(), digest_of(&config).to_string());
    claims.blobs[0] = config;
    claims.manifest_bytes = manifest.replace(&before, &after).into_bytes();
    let other = OtherRegistry::start(claims, Wants::Nothing, None).await;
    let error = fetch(&images, &format!("{}/a:v1", other.authority)).await.unwrap_err();
    assert!(error.to_string().contains("content has digest"), "{error}");
    // The same content in another packing is the same layer.
    let mut plain = image(std::slice::from_ref(&secret));
    let gzipped = plain.blobs[1].clone();
    let manifest = String::from_utf8(plain.manifest_bytes.clone()).unwrap().replace("tar+gzip", "tar");
    let manifest = manifest.replace(&digest_of(&gzipped).to_string(), &digest_of(&secret).to_string());
    let size = |bytes: &[u8]| format!("\"size\":{}", bytes.len());
    plain.manifest_bytes = manifest.replace(&size(&gzipped), &size(&secret)).into_bytes();
    plain.blobs[1] = secret;
    put_image(&world, "b", "v1", &plain).await;
    let second = fetch(&images, &format!("{}/b:v1", world.authority)).await.unwrap();
    assert_ne!(first.digest, second.digest);
    assert_eq!(images.root(&first).await.unwrap().layers, images.root(&second).await.unwrap().layers);
}

/// Nor does a manifest that says its layer is to be had elsewhere, which no registry looks for when it is pushed; nor one
/// in a registry that does not have the layer, whoever of the account has shown it from where it is.
#[tokio::test]
async fn a_layer_is_had_from_where_it_is_named() {
    let world = World::new().await;
    let mut made = image(&[Tar::default().file("secret", b"s").end()]);
    put_image(&world, "secret", "v1", &made).await;
    let layer = made.blobs.pop().unwrap();
    let kind = r#""mediaType":"application/vnd.oci.image.layer."#;
    let manifest = String::from_utf8(made.manifest_bytes.clone()).unwrap();
    assert!(manifest.contains(kind));
    let foreign =
        manifest.replace(kind, &format!(r#""urls":["http://localhost/x"],{kind}nondistributable."#));
    let images = store(&world, |_| {}).await;
    let claim = TestImage { manifest_bytes: foreign.into_bytes(), blobs: made.blobs.clone(), ..image(&[]) };
    put_image(&world, "mine", "v1", &claim).await;
    let other = OtherRegistry::start(made, Wants::Nothing, None).await;
    let own = |name: &str| format!("{}/{name}:v1", world.authority);
    for shown in [false, true] {
        let error = fetch(&images, &own("mine")).await.unwrap_err().to_string();
        assert!(error.contains("does not exist"), "{error}");
        assert!(fetch(&images, &format!("{}/a:v1", other.authority)).await.is_err(), "{shown}");
        fetch(&images, &own("secret")).await.unwrap();
    }
    put_blob(&world, "mine", &layer).await;
    fetch(&images, &own("mine")).await.unwrap();
}

#[tokio::test]
async fn unencrypted_registries_must_be_allowed() {
    let world = World::new().await;
    // It listens at an address that is no loopback name, and speaks no TLS.
    let other = OtherRegistry::start_at("127.0.0.2", two_layers()).await;
    let uri = format!("{}/a:v1", other.authority);
    let images = store(&world, |_| {}).await;
    let error = fetch(&images, &uri).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("Source image {uri} is not valid.")), "{error}");
    assert_eq!(other.manifests(), 0);
    let images = store(&world, |options| options.transport.plain_http = vec![other.authority.clone()]).await;
    fetch(&images, &uri).await.unwrap();
}

#[tokio::test]
async fn images_on_the_disk() {
    let world = World::new().await;
    let allowed = world.path().join("allowed");
    fs::create_dir(&allowed).unwrap();
    let made = write_layout(&allowed.join("layout"));
    let skopeo = |to: &str| {
        let copied = Command::new("skopeo")
            .args(["copy", "oci:layout:v1", to])
            .current_dir(&allowed)
            .output()
            .unwrap();
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    };
    skopeo("oci-archive:oci.tar");
    skopeo("docker-archive:docker.tar:app:v1");
    let images = store(&world, |_| {}).await;
    let at = |form: &str| format!("{form}:{}", allowed.display());
    for (uri, same) in [
        (format!("{}/layout", at("oci")), true),
        (format!("{}/layout:v1", at("oci")), true),
        (format!("{}/layout@{}", at("oci"), made.manifest), true),
        (format!("{}/oci.tar", at("oci-archive")), true),
        (format!("{}/docker.tar", at("docker-archive")), false),
    ] {
        let fetched = fetch(&images, &uri).await.unwrap();
        assert_eq!(fetched.digest == parse_digest(&made.manifest).unwrap(), same, "{uri}");
        let root = images.root(&fetched).await.unwrap();
        assert_eq!(fs::read(root.layers[0].join("run")).unwrap(), b"#!/bin/sh\n", "{uri}");
    }
    let missing = fetch(&images, &format!("{}/layout:v2", at("oci"))).await.unwrap_err().to_string();
    assert!(missing.contains("does not exist"), "{missing}");
    // Out of the allowed folders there is nothing, whatever links say.
    write_layout(&world.path().join("outside"));
    std::os::unix::fs::symlink("../outside", allowed.join("link")).unwrap();
    fs::remove_file(allowed.join("layout/index.json")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", allowed.join("layout/index.json")).unwrap();
    for uri in
        [format!("{}/link", at("oci")), format!("{}/../outside", at("oci")), format!("{}/layout", at("oci"))]
    {
        let error = fetch(&images, &uri).await.unwrap_err().to_string();
        assert!(!error.contains("does not exist"), "{uri}: {error}");
    }
    assert_eq!(world.registry.layout().uploads_open(), 0);
}

#[tokio::test]
async fn an_index_is_resolved_for_the_machine() {
    let world = World::new().await;
    let made = two_layers();
    put_image(&world, "a", "one", &made).await;
    let arch = if Architecture::HOST == Architecture::Arm64 { "arm64" } else { "amd64" };
    let entry = |arch: &str| {
        serde_json::json!({ "mediaType": services::oci::media_type::OCI_MANIFEST, "digest": made.manifest,
            "size": made.manifest_bytes.len(), "platform": { "os": "linux", "architecture": arch } })
    };
    let put = async |tag: &str, entries: &[serde_json::Value]| {
        let index = serde_json::json!({ "schemaVersion": 2, "manifests": entries }).to_string();
        let headers = [("content-type", services::oci::media_type::OCI_INDEX)];
        let answer = world.send("PUT", &format!("/v2/a/manifests/{tag}"), &headers, index.as_bytes()).await;
        assert_eq!(answer.status, 201);
    };
    put("many", &[entry("riscv64"), entry(arch)]).await;
    put("other", &[entry("riscv64"), entry("s390x")]).await;
    let images = store(&world, |_| {}).await;
    let fetched = fetch(&images, &format!("{}/a:many", world.authority)).await.unwrap();
    assert_eq!(fetched.digest, parse_digest(&made.manifest).unwrap());
    let error = fetch(&images, &format!("{}/a:other", world.authority)).await.unwrap_err().to_string();
    assert!(error.contains(&format!("no variant for linux/{arch}")), "{error}");
}

#[tokio::test]
async fn unused_images_and_layers_go() {
    let world = World::new().await;
    let shared = Tar::default().file("shared", b"s").end();
    let own = |name: &str| Tar::default().file(name, b"").end();
    put_image(&world, "a", "one", &image(&[shared.clone(), own("one")])).await;
    put_image(&world, "a", "two", &image(&[shared.clone(), own("two"), shared])).await;
    let images = store(&world, |options| options.grace = Duration::ZERO).await;
    let one = fetch(&images, &format!("{}/a:one", world.authority)).await.unwrap();
    let two = fetch(&images, &format!("{}/a:two", world.authority)).await.unwrap();
    let layers = world.path().join("images/layers");
    // One layer that stands twice in an image is mounted once.
    assert_eq!((images.root(&two).await.unwrap().layers.len(), count(layers.clone())), (2, 3));
    assert_eq!(images.collect().await.unwrap().images, 0, "nobody has said yet what is used");
    images.retain(&digests(&two));
    let removed = images.collect().await.unwrap();
    assert_eq!((removed.images, removed.layers, count(layers.clone())), (1, 1, 2));
    assert!(images.root(&two).await.unwrap().layers.iter().all(|layer| layer.is_dir()));
    assert!(images.root(&one).await.is_err());
    images.retain(&[]);
    assert_eq!(images.collect().await.unwrap().layers, 2);
    assert_eq!(count(layers), 0);
}

#[tokio::test]
async fn what_was_used_a_moment_ago_stays() {
    let world = World::new().await;
    put_image(&world, "a", "one", &two_layers()).await;
    let images = store(&world, |_| {}).await;
    let one = fetch(&images, &format!("{}/a:one", world.authority)).await.unwrap();
    let record = world.path().join(format!("images/manifests/{}.json", one.digest));
    let age =
        || fs::File::open(&record).unwrap().set_modified(std::time::SystemTime::now() - 2 * HOUR).unwrap();
    age();
    images.retain(&digests(&one));
    world.clock.forward(2 * HOUR);
    assert_eq!(images.collect().await.unwrap().images, 0, "in use for long");
    images.retain(&[]);
    assert_eq!(images.collect().await.unwrap().images, 0, "in use a moment ago");
    world.clock.forward(2 * HOUR);
    assert_eq!(images.collect().await.unwrap().images, 1);
}

/// A registry with a certificate of the owner's own authority.
#[tokio::test]
async fn tls_with_the_owner_s_certificate() {
    let world = World::new().await;
    let dir = world.path();
    let config = "[req]\ndistinguished_name=dn\nx509_extensions=leaf\n[dn]\n\
        [leaf]\nbasicConstraints=CA:FALSE\nsubjectAltName=IP:127.0.0.2\n";
    fs::write(dir.join("leaf.cnf"), config).unwrap();
    let openssl = |arguments: &str| {
        let common = "req -x509 -newkey rsa:2048 -nodes -days 2".split(' ');
        let arguments = common.chain(arguments.split(' '));
        let made = Command::new("openssl").args(arguments).current_dir(dir).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    openssl("-subj /CN=ca -keyout ca.key -out ca.pem");
    openssl("-subj /CN=leaf -config leaf.cnf -CA ca.pem -CAkey ca.key -keyout leaf.key -out leaf.pem");
    let read = |name: &str| fs::read(dir.join(name)).unwrap();
    let other = OtherRegistry::start_tls(two_layers(), &read("leaf.pem"), &read("leaf.key")).await;
    let uri = format!("{}/a:v1", other.authority);
    let images = store(&world, |_| {}).await;
    let error = fetch(&images, &uri).await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
    let images = store(&world, |options| options.transport.extra_ca = Some(dir.join("ca.pem"))).await;
    fetch(&images, &uri).await.unwrap();
    fs::File::create(dir.join("broken.pem")).unwrap().write_all(b"no certificate").unwrap();
    assert!(open_with_ca(&world, &dir.join("broken.pem")).await.is_err());
}

async fn open_with_ca(world: &World, ca: &Path) -> Result<ImageStore, String> {
    let options = ImageOptions {
        allowed_folders: Vec::new(),
        transport: TransportOptions { extra_ca: Some(ca.to_owned()), ..TransportOptions::default() },
        unpacker: Arc::new(InProcess),
        image_bytes_max: 1,
        grace: HOUR,
    };
    let dir = world.path().join("images");
    let opened =
        ImageStore::open(&dir, world.registry.clone(), world.clock.clone(), entropy(), options).await;
    opened.map_err(|error| error.to_string())
}
