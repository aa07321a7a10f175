//! A producer of delayed messages with the Rust SDK; arguments and output as in tests/interop/delay/delay.py. The SDK
//! cannot recall them, and takes whole seconds.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use rocketmq::conf::{ClientOption, ProducerOption};
use rocketmq::model::message::{Message, MessageBuilder};
use rocketmq::Producer;
use serde_json::json;

const DELAY: i64 = 10; // seconds

async fn send(producer: &Producer, message: impl Message, body: &str, due: i64) {
    let receipt = producer.send(message).await.unwrap();
    println!(
        "{}",
        json!({"event": "sent", "body": body, "id": receipt.message_id(), "due": due * 1000})
    );
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, exact, plain] = &arguments[..] else {
        panic!("usage: delayed ENDPOINT EXACT_TOPIC PLAIN_TOPIC");
    };
    let mut client = ClientOption::default();
    client.set_access_url(endpoint);
    let mut option = ProducerOption::default();
    option.set_topics(vec![exact, plain]);
    let mut producer = Producer::new(option, client).unwrap();
    producer.start().await.unwrap();

    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs() as i64;
    let message = MessageBuilder::delay_message_builder(exact, b"exact".to_vec(), now + DELAY);
    send(
        &producer,
        message.set_tag("interop").build().unwrap(),
        "exact",
        now + DELAY,
    )
    .await;
    let message = MessageBuilder::builder()
        .set_topic(plain)
        .set_body(b"level".to_vec());
    let message = message
        .set_tag("interop")
        .set_properties(HashMap::from([("DELAY", "1")]));
    send(&producer, message.build().unwrap(), "level", now + 1).await;

    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
}
