//! Unmodified container tools against the registry, as a user would run them.
//!
//! They are part of the test machine, as `CONTRIBUTING.md` has it; a missing one fails the test.

use std::path::Path;
use std::process::Output;

use services::registry::token::{self, Claims};

use crate::world::{World, token_key};

/// Runs a tool to its end, away from this thread, which serves it.
async fn run(program: &str, arguments: &[&str], dir: &Path) -> Output {
    let mut command = std::process::Command::new(program);
    command.args(arguments).current_dir(dir).env("XDG_RUNTIME_DIR", dir).env("HOME", dir);
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

#[track_caller]
fn succeeded(output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn skopeo_copies_inspects_and_deletes() {
    let world = World::new().await;
    let dir = world.path();
    let image = crate::image_files::write_layout(&dir.join("source"));
    let there = format!("docker://{}/team/app:v1", world.authority);
    let copy = ["copy", "--dest-tls-verify=false", "oci:source:v1", &there];
    succeeded(run("skopeo", &copy, dir).await);
    let inspected = succeeded(run("skopeo", &["inspect", "--tls-verify=false", &there], dir).await);
    assert!(inspected.contains(&image.manifest), "{inspected}");
    let back = ["copy", "--src-tls-verify=false", &there, "dir:back"];
    succeeded(run("skopeo", &back, dir).await);
    let manifest = std::fs::read(dir.join("back/manifest.json")).unwrap();
    assert_eq!(services::oci::digest_text(services::oci::digest_of(&manifest)), image.manifest);
    let tags =
        succeeded(run("skopeo", &["list-tags", "--tls-verify=false", &there[..there.len() - 3]], dir).await);
    assert!(tags.contains("\"v1\""), "{tags}");
    succeeded(run("skopeo", &["delete", "--tls-verify=false", &there], dir).await);
    let gone = run("skopeo", &["inspect", "--tls-verify=false", &there], dir).await;
    assert!(!gone.status.success());
}

/// An image built from nothing, pushed, pulled again: by a tool that uploads in chunks and mounts across repositories.
#[tokio::test]
async fn buildah_builds_pushes_and_pulls() {
    let world = World::new().await;
    let dir = world.path();
    std::fs::write(dir.join("Containerfile"), "FROM scratch\nCOPY hello /hello\nENTRYPOINT [\"/hello\"]\n")
        .unwrap();
    std::fs::write(dir.join("hello"), "#!/bin/sh\n").unwrap();
    let storage = ["--root", "storage", "--runroot", "run", "--storage-driver", "vfs"];
    let buildah =
        async |arguments: &[&str]| succeeded(run("buildah", &[&storage[..], arguments].concat(), dir).await);
    buildah(&["bud", "--isolation", "chroot", "-t", "hello", "."]).await;
    for repository in ["first", "second"] {
        let there = format!("docker://{}/{repository}:v1", world.authority);
        buildah(&["push", "--tls-verify=false", "hello", &there]).await;
    }
    let there = format!("{}/second:v1", world.authority);
    buildah(&["rmi", "-a"]).await;
    buildah(&["pull", "--tls-verify=false", &there]).await;
    let repositories = world.registry.catalog().page(&crate::world::scope(), None, 10);
    assert_eq!(repositories.len(), 2);
    assert_eq!(world.registry.layout().uploads_open(), 0, "every upload was finished");
}

/// As with ECR: the password comes from `GetAuthorizationToken`, the user is called AWS.
#[tokio::test]
async fn skopeo_logs_in() {
    let world = World::with_login().await;
    let dir = world.path();
    crate::image_files::write_layout(&dir.join("source"));
    let there = format!("docker://{}/app:v1", world.authority);
    let auth = ["--authfile", "auth.json"];
    let copy = [&["copy", "--dest-tls-verify=false"][..], &auth, &["oci:source:v1", &there]].concat();
    let stranger = run("skopeo", &copy, dir).await;
    assert!(!stranger.status.success());
    let expires = world.registry.catalog().now().after(token::VALID);
    let (scope, bearer) = (crate::world::scope(), "AKIA".to_owned());
    let password = token_key().mint(&Claims { scope, bearer, path: String::new(), expires });
    let login = |password| {
        let credentials = ["-u", token::USER, "-p", password, &world.authority];
        [&["login", "--tls-verify=false"][..], &auth, &credentials].concat()
    };
    assert!(!run("skopeo", &login("wrong"), dir).await.status.success());
    succeeded(run("skopeo", &login(&password), dir).await);
    succeeded(run("skopeo", &copy, dir).await);
}
