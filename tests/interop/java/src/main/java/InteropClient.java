import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import org.apache.rocketmq.client.apis.ClientConfiguration;
import org.apache.rocketmq.client.apis.ClientServiceProvider;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.PushConsumer;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.Message;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.apis.producer.SendReceipt;
import org.apache.rocketmq.client.apis.producer.Transaction;
import org.apache.rocketmq.client.apis.producer.TransactionResolution;

/** The Java SDK's test client; arguments and output as in tests/interop/lib/sdk_client.py. */
public final class InteropClient {
  /** Sends without an answer. */
  private static final int IN_FLIGHT = 64;
  /** Parallel long polls of the simple consumer. */
  private static final int RECEIVERS = 4;
  private static final Duration INVISIBLE = Duration.ofSeconds(20);

  private final ClientServiceProvider provider = ClientServiceProvider.loadService();
  private final Map<String, String> options;
  private final ClientConfiguration configuration;
  private final String topic;
  private final int count;

  private InteropClient(Map<String, String> options) {
    this.options = options;
    // TLS stays at the SDK's default: on.
    configuration = ClientConfiguration.newBuilder().setEndpoints(options.get("endpoint")).build();
    topic = options.get("topic");
    count = Integer.parseInt(options.getOrDefault("count", "0"));
  }

  private void produce() throws Exception {
    Producer producer =
        provider.newProducerBuilder().setClientConfiguration(configuration).setTopics(topic).build();
    emit("{\"event\":\"ready\"}");
    int pauseAt = Integer.parseInt(options.getOrDefault("pause-at", "0"));
    if (pauseAt > 0) {
      sendAll(producer, 0, pauseAt);
      emit("{\"event\":\"paused\"}");
      new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)).readLine();
    }
    sendAll(producer, pauseAt, count);
  }

  private void sendAll(Producer producer, int from, int to) throws Exception {
    Semaphore free = new Semaphore(IN_FLIGHT);
    for (int number = from; number < to; ++number) {
      free.acquire();
      send(producer, options.get("prefix") + "-" + number, free);
    }
    free.acquire(IN_FLIGHT);
  }

  /** Sends one message until it is acknowledged: an application that cannot lose it does the same. */
  private void send(Producer producer, String body, Semaphore free) {
    Message message = provider.newMessageBuilder().setTopic(topic).setTag("interop").setKeys(body)
        .setBody(body.getBytes(StandardCharsets.UTF_8)).build();
    producer.sendAsync(message).whenComplete((receipt, error) -> {
      if (error == null) {
        emit("{\"event\":\"sent\",\"id\":" + quote(receipt.getMessageId().toString()) + ",\"body\":" + quote(body) + "}");
        free.release();
      } else {
        emitError(error);
        RETRIES.execute(() -> {
          pause();
          send(producer, body, free);
        });
      }
    });
  }

  private void consumeSimple() throws Exception {
    SimpleConsumer consumer = provider.newSimpleConsumerBuilder().setClientConfiguration(configuration)
        .setConsumerGroup(options.get("group")).setAwaitDuration(Duration.ofSeconds(10))
        .setSubscriptionExpressions(Map.of(topic, FilterExpression.SUB_ALL)).build();
    emit("{\"event\":\"ready\"}");
    Countdown countdown = new Countdown(count);
    for (int i = 0; i < RECEIVERS; ++i) {
      Thread receiver = new Thread(() -> receiveAndAck(consumer, countdown));
      receiver.setDaemon(true);
      receiver.start();
    }
    countdown.await();
  }

  private static void receiveAndAck(SimpleConsumer consumer, Countdown countdown) {
    while (!countdown.isDone()) {
      try {
        List<MessageView> messages = consumer.receive(32, INVISIBLE);
        for (MessageView message : messages) {
          consumer.ackAsync(message).whenComplete((nothing, error) -> {
            if (error == null) {
              countdown.saw(emitReceived(message));
            } else {
              emitError(error);
            }
          });
        }
      } catch (Exception error) {
        emitError(error);
        pause();
      }
    }
  }

  private void consumePush() throws Exception {
    Countdown countdown = new Countdown(count);
    PushConsumer consumer = provider.newPushConsumerBuilder().setClientConfiguration(configuration)
        .setConsumerGroup(options.get("group"))
        .setSubscriptionExpressions(Map.of(topic, FilterExpression.SUB_ALL))
        .setMessageListener(message -> {
          countdown.saw(emitReceived(message));
          return ConsumeResult.SUCCESS;
        }).build();
    emit("{\"event\":\"ready\"}");
    countdown.await();
    // Lets the acknowledgements of the last messages leave before the process ends.
    new Thread(() -> closeQuietly(consumer)).start();
    Thread.sleep(3000);
  }

  private void transact() throws Exception {
    TransactionResolution answer = TransactionResolution.valueOf(options.get("answer").toUpperCase(Locale.ROOT));
    Producer producer = provider.newProducerBuilder().setClientConfiguration(configuration).setTopics(topic)
        .setTransactionChecker(message -> {
          String body = StandardCharsets.UTF_8.decode(message.getBody()).toString();
          emit("{\"event\":\"check\",\"id\":" + quote(message.getMessageId().toString()) + ",\"body\":" + quote(body) + "}");
          return answer;
        }).build();
    emit("{\"event\":\"ready\"}");
    String body = options.get("body");
    if (!body.isEmpty()) {
      Transaction transaction = producer.beginTransaction();
      Message message = provider.newMessageBuilder().setTopic(topic).setTag("interop")
          .setBody(body.getBytes(StandardCharsets.UTF_8)).build();
      SendReceipt receipt = producer.send(message, transaction);
      emit("{\"event\":\"sent\",\"id\":" + quote(receipt.getMessageId().toString()) + ",\"body\":" + quote(body) + "}");
      switch (options.get("ending")) {
        case "commit" -> transaction.commit();
        case "rollback" -> transaction.rollback();
        default -> { }
      }
    }
    emit("{\"event\":\"done\"}");
    System.in.transferTo(OutputStream.nullOutputStream());
  }

  private static void closeQuietly(AutoCloseable client) {
    try {
      client.close();
    } catch (Exception error) {
      emitError(error);
    }
  }

  /** Is done when the wanted number of distinct bodies has been seen. */
  private static final class Countdown {
    private final int count;
    private final Set<String> seen = ConcurrentHashMap.newKeySet();
    private final CountDownLatch done = new CountDownLatch(1);

    Countdown(int count) {
      this.count = count;
    }

    void saw(String body) {
      seen.add(body);
      if (seen.size() >= count) {
        done.countDown();
      }
    }

    boolean isDone() {
      return done.getCount() == 0;
    }

    void await() throws InterruptedException {
      done.await();
      emit("{\"event\":\"done\"}");
    }
  }

  private static final ExecutorService RETRIES = Executors.newFixedThreadPool(8);

  private static void pause() {
    try {
      Thread.sleep(200);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private static String emitReceived(MessageView message) {
    String body = StandardCharsets.UTF_8.decode(message.getBody()).toString();
    emit("{\"event\":\"received\",\"id\":" + quote(message.getMessageId().toString()) + ",\"body\":" + quote(body)
        + ",\"attempt\":" + message.getDeliveryAttempt() + "}");
    return body;
  }

  private static void emitError(Throwable error) {
    emit("{\"event\":\"error\",\"text\":" + quote(error.toString()) + "}");
  }

  private static synchronized void emit(String json) {
    System.out.println(json);
  }

  /** A JSON string: everything but plain ASCII is escaped. */
  private static String quote(String text) {
    StringBuilder json = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c < ' ' || c > '~' || c == '"' || c == '\\') {
        json.append(String.format("\\u%04x", (int) c));
      } else {
        json.append(c);
      }
    }
    return json.append('"').toString();
  }

  public static void main(String[] arguments) throws Exception {
    Map<String, String> options = new HashMap<>();
    for (int i = 1; i + 1 < arguments.length; i += 2) {
      options.put(arguments[i].substring("--".length()), arguments[i + 1]);
    }
    InteropClient client = new InteropClient(options);
    switch (arguments[0]) {
      case "produce" -> {
        client.produce();
        emit("{\"event\":\"done\"}");
      }
      case "simple" -> client.consumeSimple();
      case "push" -> client.consumePush();
      case "transact" -> client.transact();
      default -> throw new IllegalArgumentException("unknown command " + arguments[0]);
    }
    // An orderly shutdown waits for long polls that may last half a minute; the test has what it needs.
    System.exit(0);
  }
}
