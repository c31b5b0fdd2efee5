//! Schedules: a thousand for one time each, which send to a queue; how long after its time each message is in the queue,
//! on the disk. First with a hundred due in each of ten seconds, then with all due in the same instant.
//!
//! Claim: each within 50 ms. The floor is as many deliveries' writes in SQLite: a row for the delivery and one for the
//! message, a hundred at a time, with a sync for each.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use model::time::Timestamp;
use serde_json::json;

use crate::claim::Claims;
use crate::client::{Client, prepare_form, prepare_rest};
use crate::floor::Table;
use crate::server::Server;
use crate::stats::Timings;

const SCHEDULES: usize = 1_000;
const ROLE: &str = "arn:aws:iam::000000000000:role/bench";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:bench";
/// For all of them to be created, before the first is due.
const LEAD_S: u64 = 15;
/// For messages after the last is due.
const PATIENCE: Duration = Duration::from_secs(30);
const LATE_MAX_MS: f64 = 50.0;

/// Prints how late they were.
pub fn measure(binary: &Path, claims: &mut Claims) -> anyhow::Result<()> {
    println!("schedules: {SCHEDULES} for one time each, to a queue");
    println!(
        "  floor: the writes of {SCHEDULES} in SQLite, a hundred at a time: {:.1} ms",
        floor()?.as_secs_f64() * 1_000.0
    );
    for (name, seconds) in [("in ten seconds", 10), ("in one instant", 1)] {
        let late = fire(binary, seconds)?;
        println!("{}", late.line(name));
        let latest_ms = late.quantile(1.0).as_secs_f64() * 1_000.0;
        claims.at_most(&format!("the latest of {SCHEDULES} {name}, in ms"), latest_ms, LATE_MAX_MS);
    }
    println!();
    Ok(())
}

fn floor() -> anyhow::Result<Duration> {
    let (table, began) = (Table::create()?, Instant::now());
    (0..2 * SCHEDULES / 100).try_for_each(|number| table.commit_many(number * 100, 100))?;
    Ok(began.elapsed())
}

/// Has the schedules fire in so many seconds, as many in each; how late each was.
fn fire(binary: &Path, seconds: u64) -> anyhow::Result<Timings> {
    let server = Server::start(binary)?;
    let mut client = server.client()?;
    allow(&mut client)?;
    let queue = client.call_sqs("CreateQueue", &json!({ "QueueName": "bench" }))?;
    let queue = queue["QueueUrl"].as_str().context("an address")?;
    let first = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + LEAD_S;
    for number in 0..SCHEDULES {
        let due = first + u64::try_from(number)? % seconds;
        create(&mut client, number, due)?;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    ensure!(now < first, "creating them took longer than {LEAD_S} s");
    let sent = receive_all(&mut client, queue, Duration::from_secs(LEAD_S + seconds) + PATIENCE)?;
    let mut late = Timings::default();
    for (due_s, sent_ms) in sent.into_values() {
        let early = format!("sent at {sent_ms} ms, due at {due_s} s");
        late.add(Duration::from_millis(sent_ms.checked_sub(due_s * 1_000).context(early)?));
    }
    Ok(late)
}

/// The role that schedules send with.
fn allow(client: &mut Client) -> anyhow::Result<()> {
    let trust = r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"scheduler.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
    let policy = r#"{"Statement":{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}}"#;
    for fields in [
        vec![("Action", "CreateRole"), ("RoleName", "bench"), ("AssumeRolePolicyDocument", trust)],
        vec![
            ("Action", "PutRolePolicy"),
            ("RoleName", "bench"),
            ("PolicyName", "send"),
            ("PolicyDocument", policy),
        ],
    ] {
        let fields = fields.iter().chain(&[("Version", "2010-05-08")]);
        let form: Vec<String> = fields.map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        client.insist(&prepare_form("iam", &form.join("&"))?)?;
    }
    Ok(())
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

fn create(client: &mut Client, number: usize, due_s: u64) -> anyhow::Result<()> {
    let due = wire::time::whole_seconds(Timestamp::from_millis(i64::try_from(due_s * 1_000)?));
    let schedule = json!({
        "ScheduleExpression": format!("at({})", due.trim_end_matches("+0000")),
        "FlexibleTimeWindow": { "Mode": "OFF" },
        "Target": { "Arn": QUEUE, "RoleArn": ROLE, "Input": format!("{number} {due_s}") },
    });
    let path = format!("/schedules/bench-{number}");
    client.insist(&prepare_rest("scheduler", "POST", &path, schedule.to_string().as_bytes())?)?;
    Ok(())
}

/// By schedule, when it was due and when its message was sent.
fn receive_all(
    client: &mut Client,
    queue: &str,
    patience: Duration,
) -> anyhow::Result<HashMap<usize, (u64, u64)>> {
    let deadline = Instant::now() + patience;
    let wanted = json!({
        "QueueUrl": queue,
        "MaxNumberOfMessages": 10,
        "WaitTimeSeconds": 1,
        "VisibilityTimeout": 600,
        "MessageSystemAttributeNames": ["SentTimestamp"],
    });
    let mut sent = HashMap::new();
    while sent.len() < SCHEDULES {
        ensure!(Instant::now() < deadline, "{} of {SCHEDULES} schedules fired", sent.len());
        let received = client.call_sqs("ReceiveMessage", &wanted)?;
        for message in received["Messages"].as_array().into_iter().flatten() {
            let body = message["Body"].as_str().and_then(|body| body.split_once(' ')).context("a body")?;
            let at = message["Attributes"]["SentTimestamp"].as_str().context("a time")?;
            sent.insert(body.0.parse()?, (body.1.parse()?, at.parse()?));
        }
    }
    Ok(sent)
}
