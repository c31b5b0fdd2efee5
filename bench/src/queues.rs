//! Queues: batches of ten messages of 1,000 bytes sent, received and deleted by 16 clients, each with a queue of its own,
//! beside SQLite alone doing the writes of that: as many rows at a time inserted, marked and deleted, with a sync for each.
//!
//! Claim: 5,000 messages a second go all the way.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, anyhow, ensure};
use serde_json::{Value, json};

use crate::claim::Claims;
use crate::client::Client;
use crate::floor::Table;
use crate::server::Server;

const CLIENTS: usize = 16;
const BATCH: usize = 10;
const BATCHES_EACH: usize = 200;
const BODY_BYTES: usize = 1_000;
const MESSAGES_MIN: f64 = 5_000.0;

/// Prints how many messages a second go through.
pub fn measure(binary: &Path, claims: &mut Claims) -> anyhow::Result<()> {
    println!("queues: batches of {BATCH} messages of {BODY_BYTES} bytes, {CLIENTS} clients");
    let floor = floor()?;
    println!("  floor: {} rows at a time inserted, marked, deleted in SQLite: {floor:.0}/s", CLIENTS * BATCH);
    let server = Server::start(binary)?;
    let began = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let server = &server;
                scope.spawn(move || work(&mut server.client()?, number))
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a client panicked"))?)
    })?;
    let rate = per_second(began)?;
    claims.at_least("messages sent, received and deleted per second", rate, MESSAGES_MIN);
    println!("  {:.2} of the floor\n", rate / floor);
    Ok(())
}

fn per_second(began: Instant) -> anyhow::Result<f64> {
    Ok(f64::from(u32::try_from(CLIENTS * BATCHES_EACH * BATCH)?) / began.elapsed().as_secs_f64())
}

fn floor() -> anyhow::Result<f64> {
    let (table, began) = (Table::create()?, Instant::now());
    (0..BATCHES_EACH).try_for_each(|_| table.pass(CLIENTS * BATCH))?;
    per_second(began)
}

/// Takes all batches of one client through a queue.
fn work(client: &mut Client, number: usize) -> anyhow::Result<()> {
    let made = client.call_sqs("CreateQueue", &json!({ "QueueName": format!("bench-{number}") }))?;
    let url = made["QueueUrl"].as_str().context("an address")?;
    let body = "x".repeat(BODY_BYTES);
    let entries: Vec<Value> =
        (0..BATCH).map(|n| json!({ "Id": n.to_string(), "MessageBody": body })).collect();
    let send = json!({ "QueueUrl": url, "Entries": entries });
    let receive = json!({ "QueueUrl": url, "MaxNumberOfMessages": BATCH });
    for _ in 0..BATCHES_EACH {
        client.call_sqs("SendMessageBatch", &send)?;
        let received = client.call_sqs("ReceiveMessage", &receive)?;
        let messages = received["Messages"].as_array().context("messages")?;
        ensure!(messages.len() == BATCH, "only {} messages were received", messages.len());
        let handle = |(n, message): (usize, &Value)| json!({ "Id": n.to_string(), "ReceiptHandle": message["ReceiptHandle"] });
        let entries: Vec<Value> = messages.iter().enumerate().map(handle).collect();
        client.call_sqs("DeleteMessageBatch", &json!({ "QueueUrl": url, "Entries": entries }))?;
    }
    Ok(())
}
