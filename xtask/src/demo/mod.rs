//! The whole way once, on real input: build, serve, deploy, invoke on a photograph, show what came back.
//!
//! It drives the `dormouse` binary as a user would, by its commands alone, on a fresh data folder that is
//! removed afterwards. Everything that it keeps is under `demo/` in the target folder.

mod package;
mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::repo;
use server::Server;

const EXAMPLE: &str = "examples/thumbnail";
const FUNCTION: &str = "thumbnail";
const WIDTH: u32 = 200;
/// Invocations after the first, of which the quickest is shown beside it.
const WARM_INVOKES: u32 = 5;

/// Runs the demonstration.
pub fn run(args: &[String]) -> Result<()> {
    ensure!(args.is_empty(), "demo takes no arguments");
    let kept = repo::target_dir().join("demo");
    fs::create_dir_all(&kept).with_context(|| format!("cannot make {}", kept.display()))?;
    let mut phases = Phases::default();

    let binary = phases.time("build the binary", build)?;
    let example = repo::root().join(EXAMPLE);
    let package =
        phases.time("collect the package, Pillow included", || package::collect(&example, &kept))?;
    let server = phases.time("start the server", || Server::start(&binary))?;
    println!("\nserver ready on {}", server.endpoint);

    let deployed = phases.time("deploy", || server.command(&["deploy", text(&package)?, "--json"]))?;
    println!("\n$ dormouse deploy {EXAMPLE}\n{}", shown(&deployed));

    let event = kept.join("event.json");
    let photo = example.join("photo.jpg");
    write_event(&photo, &event)?;
    let invoke = ["invoke", FUNCTION, "--payload-file", text(&event)?, "--json"];
    let answer = phases.time("invoke: cold", || server.command(&invoke))?;
    println!("\n$ dormouse invoke {FUNCTION} --payload-file event.json\n{}", shown(&answer));
    let picture = kept.join("thumbnail.jpg");
    write_picture(&answer, &picture)?;
    let warm = phases.quickest(&format!("invoke: warm, quickest of {WARM_INVOKES}"), WARM_INVOKES, || {
        server.command(&invoke)
    })?;
    println!(
        "\nInside the server, by phase:\n  first:   {}\n  warm:    {}",
        inside(&answer)?,
        inside(&warm)?
    );

    let log = server.command(&["logs", FUNCTION])?;
    println!("\n$ dormouse logs {FUNCTION}\n{}", log.trim_end());
    phases.time("stop the server", || server.stop())?;

    println!("\nTime of each phase, this program's own included:\n{}", phases.table());
    println!("The photograph:  {}\nThe thumbnail:   {}", photo.display(), picture.display());
    Ok(())
}

fn build() -> Result<PathBuf> {
    repo::run(&mut repo::cargo(&["build", "--release", "--locked", "--package", "dormouse"]))?;
    Ok(repo::target_dir().join("release/dormouse"))
}

fn write_event(photo: &Path, event: &Path) -> Result<()> {
    let photo_bytes = fs::read(photo).with_context(|| format!("cannot read {}", photo.display()))?;
    let body = json!({ "image": BASE64.encode(photo_bytes), "width": WIDTH }).to_string();
    fs::write(event, body).with_context(|| format!("cannot write {}", event.display()))
}

/// Takes the picture out of the answer, and makes sure that it is one.
fn write_picture(answer: &str, picture: &Path) -> Result<()> {
    let answer: Value = serde_json::from_str(answer).context("the answer is not JSON")?;
    let image = find(&answer, "image").context("the answer holds no image")?;
    let bytes = BASE64.decode(image).context("the answer's image is not base64")?;
    ensure!(bytes.starts_with(&[0xff, 0xd8, 0xff]), "the answer's image is not a JPEG");
    fs::write(picture, bytes).with_context(|| format!("cannot write {}", picture.display()))
}

/// The first text under a key, at any depth: the command wraps the function's answer in its own facts.
fn find<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    match value {
        Value::Object(members) => {
            let here = members.get(key).and_then(Value::as_str);
            here.or_else(|| members.values().find_map(|member| find(member, key)))
        }
        Value::Array(items) => items.iter().find_map(|item| find(item, key)),
        _ => None,
    }
}

/// The phases that the server reports with an answer, in one line.
fn inside(answer: &str) -> Result<String> {
    let answer: Value = serde_json::from_str(answer).context("the answer is not JSON")?;
    let phases = answer["phases_us"].as_object().context("the answer tells no phases")?;
    let phases = phases.iter().map(|(name, micros)| {
        let milliseconds = micros.as_f64().unwrap_or(f64::NAN) / 1e3;
        format!("{name} {milliseconds:.2} ms")
    });
    let start = answer["start"].as_str().unwrap_or("unknown").to_owned() + " start";
    Ok(std::iter::once(start).chain(phases).collect::<Vec<_>>().join(" · "))
}

/// JSON laid out for reading, with long texts cut; anything else as it is.
fn shown(output: &str) -> String {
    match serde_json::from_str::<Value>(output) {
        Ok(mut value) => {
            shorten(&mut value);
            format!("{value:#}")
        }
        Err(_) => output.trim_end().to_owned(),
    }
}

fn shorten(value: &mut Value) {
    const CHARS_MAX: usize = 120;
    match value {
        Value::String(long) if long.chars().count() > CHARS_MAX => {
            let start: String = long.chars().take(40).collect();
            *long = format!("{start}… ({} characters)", long.chars().count());
        }
        Value::Object(members) => members.values_mut().for_each(shorten),
        Value::Array(items) => items.iter_mut().for_each(shorten),
        _ => {}
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

/// How long each phase took, in the order in which they happened.
#[derive(Default)]
struct Phases(Vec<(String, Duration)>);

impl Phases {
    fn time<T>(&mut self, name: &str, phase: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let outcome = phase().with_context(|| format!("failed to {name}"))?;
        self.0.push((name.to_owned(), start.elapsed()));
        Ok(outcome)
    }

    /// Times several rounds and keeps the quickest, with what it gave.
    fn quickest<T>(&mut self, name: &str, rounds: u32, mut phase: impl FnMut() -> Result<T>) -> Result<T> {
        let mut best: Option<(Duration, T)> = None;
        for _ in 0..rounds {
            let start = Instant::now();
            let outcome = phase().with_context(|| format!("failed to {name}"))?;
            let time = start.elapsed();
            if best.as_ref().is_none_or(|(quickest, _)| time < *quickest) {
                best = Some((time, outcome));
            }
        }
        let (time, outcome) = best.context("no rounds to time")?;
        self.0.push((name.to_owned(), time));
        Ok(outcome)
    }

    fn table(&self) -> String {
        let line = |(name, time): &(String, Duration)| {
            format!("  {name:<40} {:>9.1} ms\n", time.as_secs_f64() * 1e3)
        };
        self.0.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_found_inside_the_commands_answer() {
        let answer = json!({ "status": 200, "payload": { "width": 1, "image": "AA==" } });
        assert_eq!(find(&answer, "image"), Some("AA=="));
        assert_eq!(find(&answer, "picture"), None);
    }

    #[test]
    fn phases_are_told_in_one_line() {
        let answer = json!({ "start": "cold", "phases_us": { "queue": 40, "init": 8100 } }).to_string();
        assert_eq!(inside(&answer).unwrap(), "cold start · init 8.10 ms · queue 0.04 ms");
        assert!(inside("{}").is_err());
    }

    #[test]
    fn long_texts_are_cut_and_others_left() {
        let output = json!({ "image": "A".repeat(500), "width": 200 }).to_string();
        let shown = shown(&output);
        assert!(shown.contains("… (500 characters)") && shown.contains("200"), "{shown}");
        assert_eq!(super::shown("plain text\n"), "plain text");
    }

    #[test]
    fn an_answer_that_is_no_picture_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let picture = folder.path().join("p.jpg");
        for (answer, expected) in [
            (json!({ "image": BASE64.encode([0xff, 0xd8, 0xff, 0xe0]) }), ""),
            (json!({ "image": BASE64.encode(b"PNG") }), "not a JPEG"),
            (json!({ "errorMessage": "no" }), "holds no image"),
        ] {
            let error = write_picture(&answer.to_string(), &picture).err().map(|error| error.to_string());
            assert!(error.clone().unwrap_or_default().contains(expected), "{answer} gave {error:?}");
            assert_eq!(error.is_none(), expected.is_empty());
        }
    }
}
