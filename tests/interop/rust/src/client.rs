//! The Rust SDK's test client; arguments and output as in tests/interop/lib/sdk_client.py. The SDK has neither a push
//! consumer nor a change of the invisible time.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rocketmq::conf::{ClientOption, ProducerOption, SimpleConsumerOption};
use rocketmq::error::ClientError;
use rocketmq::model::common::{FilterExpression, FilterType};
use rocketmq::model::message::{MessageBuilder, MessageView};
use rocketmq::model::transaction::{Transaction, TransactionResolution};
use rocketmq::{Producer, SimpleConsumer};
use serde_json::{json, Value};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::sync::Notify;

const IN_FLIGHT: usize = 64; // sends without an answer

fn emit(event: Value) {
    println!("{event}");
}

async fn emit_error(text: String) {
    emit(json!({"event": "error", "text": text}));
    tokio::time::sleep(Duration::from_millis(200)).await;
}

/// Runs a call of the SDK, which panics when it cannot connect to a broker; its error as text.
async fn attempt<T: Send + 'static>(
    call: impl Future<Output = Result<T, ClientError>> + Send + 'static,
) -> Result<T, String> {
    match tokio::spawn(call).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => Err(panic.to_string()),
    }
}

struct Options(HashMap<String, String>);

impl Options {
    fn text(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }

    fn number<T: FromStr>(&self, name: &str, usual: T) -> T {
        self.0
            .get(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(usual)
    }

    fn client(&self) -> ClientOption {
        let mut option = ClientOption::default();
        option.set_access_url(self.text("endpoint"));
        // Its 3 s for a request do not last on a busy machine.
        option.set_timeout(Duration::from_secs(15));
        option
    }

    fn producer(&self) -> ProducerOption {
        let mut option = ProducerOption::default();
        option.set_topics(vec![self.text("topic")]);
        option
    }
}

/// Sends one message until it is acknowledged: an application that cannot lose it does the same.
async fn send(producer: &Arc<Producer>, options: &Options, number: usize) {
    let body = format!("{}-{}", options.text("prefix"), number);
    loop {
        let message = MessageBuilder::builder()
            .set_topic(options.text("topic"))
            .set_tag("interop")
            .set_keys(vec![body.clone()])
            .set_properties(HashMap::from([("number", number.to_string())]))
            .set_body(body.clone().into_bytes())
            .build()
            .unwrap();
        let producer = producer.clone();
        match attempt(async move { producer.send(message).await }).await {
            Ok(receipt) => {
                emit(json!({"event": "sent", "id": receipt.message_id(), "body": body}));
                tokio::time::sleep(Duration::from_millis(options.number("work", 0))).await;
                return;
            }
            Err(error) => emit_error(error).await,
        }
    }
}

async fn send_all(producer: &Arc<Producer>, options: &Arc<Options>, from: usize, to: usize) {
    let next = Arc::new(AtomicUsize::new(from));
    let workers: Vec<_> = (0..IN_FLIGHT)
        .map(|_| {
            let (producer, options, next) = (producer.clone(), options.clone(), next.clone());
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= to {
                        return;
                    }
                    send(&producer, &options, number).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
}

async fn produce(options: Arc<Options>) {
    let mut producer = Producer::new(options.producer(), options.client()).unwrap();
    producer.start().await.unwrap();
    let producer = Arc::new(producer);
    emit(json!({"event": "ready"}));
    let pause_at = options.number("pause-at", 0);
    if pause_at > 0 {
        send_all(&producer, &options, 0, pause_at).await;
        emit(json!({"event": "paused"}));
        let mut line = String::new();
        let _ = BufReader::new(tokio::io::stdin())
            .read_line(&mut line)
            .await;
    }
    send_all(&producer, &options, pause_at, options.number("count", 0)).await;
    emit(json!({"event": "done"}));
}

/// What a consumer does with its messages: works on them, and fails some.
struct Application {
    options: Arc<Options>,
    count: usize,
    seen: Mutex<HashSet<String>>,
    done: Notify,
}

impl Application {
    async fn succeeds(&self, message: &MessageView) -> bool {
        let body = String::from_utf8_lossy(message.body()).into_owned();
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs_f64();
        emit(json!({
            "event": "received", "id": message.message_id(), "body": body,
            "attempt": message.delivery_attempt(), "at": at,
        }));
        tokio::time::sleep(Duration::from_millis(self.options.number("work", 0))).await;
        let failing = self.options.text("fail");
        failing != "*" && failing != body
    }

    fn consumed(&self, message: &MessageView) {
        let mut seen = self.seen.lock().unwrap();
        seen.insert(String::from_utf8_lossy(message.body()).into_owned());
        if seen.len() == self.count {
            self.done.notify_one();
        }
    }
}

async fn receive_and_ack(consumer: Arc<SimpleConsumer>, application: Arc<Application>) {
    let options = application.options.clone();
    let invisible = Duration::from_secs(options.number("invisible", 20));
    loop {
        let (from, topic, batch) = (
            consumer.clone(),
            options.text("topic"),
            options.number("batch", 32),
        );
        let sql = options.text("sql");
        let received = attempt(async move {
            let expression = match sql.as_str() {
                "" => FilterExpression::new(FilterType::Tag, "*"),
                _ => FilterExpression::new(FilterType::Sql, sql),
            };
            from.receive_with(topic, &expression, batch, invisible)
                .await
        });
        match received.await {
            Ok(messages) => {
                for message in messages {
                    take(&consumer, &application, message).await;
                }
            }
            Err(error) => emit_error(error).await,
        }
    }
}

async fn take(
    consumer: &Arc<SimpleConsumer>,
    application: &Arc<Application>,
    message: MessageView,
) {
    if !application.succeeds(&message).await {
        return;
    }
    let (consumer, application) = (consumer.clone(), application.clone());
    let acknowledged = attempt(async move {
        consumer.ack(&message).await?;
        application.consumed(&message);
        Ok(())
    });
    if let Err(error) = acknowledged.await {
        emit_error(error).await;
    }
}

async fn consume_simple(options: Arc<Options>) {
    let mut option = SimpleConsumerOption::default();
    option.set_consumer_group(options.text("group"));
    option.set_topics(vec![options.text("topic")]);
    let mut consumer = SimpleConsumer::new(option, options.client()).unwrap();
    consumer.start().await.unwrap();
    let consumer = Arc::new(consumer);
    let application = Arc::new(Application {
        options: options.clone(),
        count: options.number("count", 0),
        seen: Mutex::new(HashSet::new()),
        done: Notify::new(),
    });
    emit(json!({"event": "ready"}));
    let receivers: Vec<_> = (0..options.number("receivers", 4))
        .map(|_| tokio::spawn(receive_and_ack(consumer.clone(), application.clone())))
        .collect();
    if application.count > 0 {
        application.done.notified().await;
        emit(json!({"event": "done"}));
    } else {
        input_ends().await;
    }
    for receiver in receivers {
        receiver.abort();
        let _ = receiver.await;
    }
    // A receive that is under way keeps the consumer; the test has what it needs.
    if let Ok(consumer) = Arc::try_unwrap(consumer) {
        let _ = tokio::time::timeout(Duration::from_secs(3), consumer.shutdown()).await;
    }
}

async fn transact(options: Arc<Options>) {
    let answer = options.text("answer");
    let check = move |_: String, message: MessageView| {
        let body = String::from_utf8_lossy(message.body()).into_owned();
        emit(json!({"event": "check", "id": message.message_id(), "body": body}));
        match answer.as_str() {
            "commit" => TransactionResolution::COMMIT,
            "rollback" => TransactionResolution::ROLLBACK,
            _ => TransactionResolution::UNKNOWN,
        }
    };
    let mut producer =
        Producer::new_transaction_producer(options.producer(), options.client(), Box::new(check))
            .unwrap();
    producer.start().await.unwrap();
    emit(json!({"event": "ready"}));
    let body = options.text("body");
    if !body.is_empty() {
        let message = MessageBuilder::transaction_message_builder(
            options.text("topic"),
            body.clone().into_bytes(),
        )
        .set_tag("interop")
        .build()
        .unwrap();
        let transaction = producer.send_transaction_message(message).await.unwrap();
        emit(json!({"event": "sent", "id": transaction.message_id(), "body": body}));
        match options.text("ending").as_str() {
            "commit" => transaction.commit().await.unwrap(),
            "rollback" => transaction.rollback().await.unwrap(),
            _ => {}
        }
    }
    emit(json!({"event": "done"}));
    input_ends().await;
}

async fn input_ends() {
    let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options = arguments[1..]
        .chunks(2)
        .map(|pair| (pair[0].trim_start_matches("--").to_owned(), pair[1].clone()))
        .collect();
    let options = Arc::new(Options(options));
    match arguments[0].as_str() {
        "produce" => produce(options).await,
        "simple" => consume_simple(options).await,
        "transact" => transact(options).await,
        command => panic!("this SDK has no '{command}'"),
    }
    std::process::exit(0);
}
