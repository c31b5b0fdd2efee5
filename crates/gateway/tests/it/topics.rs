//! Publishing to topics: the order of FIFO topics while filters take long over a message.
//!
//! What operations answer is in the tables of `conformance/sns`.

use std::time::Duration;

use serde_json::{Value, json};
use wire::percent::encode;

use crate::guarded::{Guarded, ask};

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:t.fifo";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q.fifo";

async fn publish(world: &Guarded, id: usize, message: &str) {
    let message = encode(message);
    let form = format!("TopicArn={TOPIC}&MessageGroupId=g&MessageDeduplicationId=d{id}&Message={message}");
    let answer = ask(&world.root, "sns", "Publish", json!(form)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn what_comes_while_filters_take_long_comes_after_it() {
    let world = Guarded::new().await;
    let topic = "Name=t.fifo&Attributes.entry.1.key=FifoTopic&Attributes.entry.1.value=true";
    world.make("sns", "CreateTopic", json!(topic)).await;
    for queue in ["q.fifo", "other.fifo"] {
        world
            .make("sqs", "CreateQueue", json!({ "QueueName": queue, "Attributes": { "FifoQueue": "true" } }))
            .await;
    }
    let ways: Vec<_> = (1..=60).map(|number| json!({ "l": { "a": [number] } })).collect();
    let filter = encode(&json!({ "$or": ways }).to_string());
    let other = format!(
        "TopicArn={TOPIC}&Protocol=sqs&Endpoint={}&Attributes.entry.1.key=FilterPolicyScope\
         &Attributes.entry.1.value=MessageBody&Attributes.entry.2.key=FilterPolicy&Attributes.entry.2.value={filter}",
        QUEUE.replace("q.fifo", "other.fifo")
    );
    world.make("sns", "Subscribe", json!(other)).await;
    world.make("sns", "Subscribe", json!(format!("TopicArn={TOPIC}&Protocol=sqs&Endpoint={QUEUE}"))).await;

    let large = json!({ "number": 0, "l": vec![json!({ "a": 0 }); 25_000] }).to_string();
    let small = async {
        // The large one is being looked at by then.
        tokio::time::sleep(Duration::from_millis(20)).await;
        for number in 1..=3 {
            publish(&world, number, &json!({ "number": number }).to_string()).await;
        }
    };
    tokio::join!(publish(&world, 0, &large), small);
    let taken = std::mem::take(&mut *world.world.delivered.taken.lock().expect("nobody panicked"));
    let bodies: Vec<Value> =
        taken.iter().map(|delivery| serde_json::from_slice(&delivery.body).expect("JSON")).collect();
    let number = |body: &Value| {
        let message: Value = serde_json::from_str(body["Message"].as_str().expect("a text")).expect("JSON");
        message["number"].clone()
    };
    assert_eq!(bodies.iter().map(number).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(bodies.is_sorted_by_key(|body| body["SequenceNumber"].as_str().expect("a text").to_owned()));
}
