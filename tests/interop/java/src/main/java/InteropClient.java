import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.apis.ClientConfiguration;
import org.apache.rocketmq.client.apis.ClientServiceProvider;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.FilterExpressionType;
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

  private final ClientServiceProvider provider = ClientServiceProvider.loadService();
  private final Map<String, String> options;
  private final ClientConfiguration configuration;
  private final String topic;
  private final int count;

  private InteropClient(Map<String, String> options) {
    this.options = options;
    // TLS stays at the SDK's default: on. Its 3 s for a request do not last on a busy machine.
    configuration = ClientConfiguration.newBuilder().setEndpoints(options.get("endpoint"))
        .setRequestTimeout(Duration.ofSeconds(number("timeout", 15))).build();
    topic = options.get("topic");
    count = number("count", 0);
  }

  private int number(String option, int usual) {
    return Integer.parseInt(options.getOrDefault(option, String.valueOf(usual)));
  }

  private void produce() throws Exception {
    Producer producer =
        provider.newProducerBuilder().setClientConfiguration(configuration).setTopics(topic).build();
    emit("{\"event\":\"ready\"}");
    if (options.containsKey("groups")) {
      sendGroups(producer, number("groups", 0));
      return;
    }
    int pauseAt = number("pause-at", 0);
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
      send(producer, number, free);
    }
    free.acquire(IN_FLIGHT);
  }

  /** Sends in message groups, one message of a group at a time. */
  private void sendGroups(Producer producer, int groups) throws Exception {
    ExecutorService senders = Executors.newFixedThreadPool(groups);
    for (int group = 0; group < groups; ++group) {
      int first = group;
      senders.submit(() -> {
        for (int number = first; number < count; number += groups) sendOne(producer, number, first);
      });
    }
    senders.shutdown();
    senders.awaitTermination(Long.MAX_VALUE, TimeUnit.NANOSECONDS);
  }

  private void sendOne(Producer producer, int number, int group) {
    String prefix = options.get("prefix");
    String body = prefix + "-" + number;
    Message message = provider.newMessageBuilder().setTopic(topic).setTag("interop").setKeys(body)
        .setMessageGroup(prefix + "-" + group).setBody(body.getBytes(StandardCharsets.UTF_8)).build();
    for (;;) {
      try {
        SendReceipt receipt = producer.send(message);
        emit("{\"event\":\"sent\",\"id\":" + quote(receipt.getMessageId().toString()) + ",\"body\":" + quote(body) + "}");
        pause(number("work", 0));
        return;
      } catch (Exception error) {
        emitError(error);
        pause(200);
      }
    }
  }

  /** Sends one message until it is acknowledged: an application that cannot lose it does the same. */
  private void send(Producer producer, int number, Semaphore free) {
    int work = number("work", 0);
    String body = options.get("prefix") + "-" + number;
    Message message = provider.newMessageBuilder().setTopic(topic).setTag("interop").setKeys(body)
        .addProperty("number", String.valueOf(number)).setBody(body.getBytes(StandardCharsets.UTF_8)).build();
    producer.sendAsync(message).whenComplete((receipt, error) -> {
      if (error == null) {
        emit("{\"event\":\"sent\",\"id\":" + quote(receipt.getMessageId().toString()) + ",\"body\":" + quote(body) + "}");
        if (work > 0) {
          CompletableFuture.delayedExecutor(work, TimeUnit.MILLISECONDS).execute(free::release);
        } else {
          free.release();
        }
      } else {
        emitError(error);
        RETRIES.execute(() -> {
          pause(200);
          send(producer, number, free);
        });
      }
    });
  }

  private Map<String, FilterExpression> subscription() {
    String sql = options.get("sql");
    return Map.of(topic,
        sql == null ? FilterExpression.SUB_ALL : new FilterExpression(sql, FilterExpressionType.SQL92));
  }

  private void consumeSimple() throws Exception {
    SimpleConsumer consumer = provider.newSimpleConsumerBuilder().setClientConfiguration(configuration)
        .setConsumerGroup(options.get("group")).setAwaitDuration(Duration.ofSeconds(10))
        .setSubscriptionExpressions(subscription()).build();
    Application application = new Application();
    for (int i = 0; i < number("receivers", 4); ++i) {
      Thread receiver = new Thread(() -> receiveAndAck(consumer, application));
      receiver.setDaemon(true);
      receiver.start();
    }
    application.run(consumer);
  }

  private void receiveAndAck(SimpleConsumer consumer, Application application) {
    int batch = number("batch", 32);
    Duration invisible = Duration.ofSeconds(number("invisible", 20));
    while (application.goesOn()) {
      try {
        for (MessageView message : consumer.receive(batch, invisible)) {
          if (options.containsKey("change")) {
            consumer.changeInvisibleDuration(message, Duration.ofSeconds(number("change", 0)));
          }
          if (application.succeeds(message)) {
            consumer.ackAsync(message).whenComplete((nothing, error) -> {
              if (error == null) {
                application.consumed(message);
              } else {
                emitError(error);
              }
            });
          }
        }
      } catch (Exception error) {
        emitError(error);
        pause(200);
      }
    }
  }

  private void consumePush() throws Exception {
    Application application = new Application();
    PushConsumer consumer = provider.newPushConsumerBuilder().setClientConfiguration(configuration)
        .setConsumerGroup(options.get("group")).setSubscriptionExpressions(subscription())
        .setMessageListener(message -> {
          if (!application.succeeds(message)) {
            return ConsumeResult.FAILURE;
          }
          application.consumed(message);
          return ConsumeResult.SUCCESS;
        }).build();
    application.run(consumer);
  }

  /** What a consumer does with its messages: works on them, and fails some. */
  private final class Application {
    private final String failing = options.get("fail");
    private final int work = number("work", 0);
    private final Set<String> seen = ConcurrentHashMap.newKeySet();
    private final CountDownLatch done = new CountDownLatch(1);

    boolean succeeds(MessageView message) {
      String body = textOf(message);
      emitReceived(message, body);
      pause(work);
      return !"*".equals(failing) && !body.equals(failing);
    }

    void consumed(MessageView message) {
      seen.add(textOf(message));
      if (count > 0 && seen.size() >= count) {
        done.countDown();
      }
    }

    boolean goesOn() {
      return done.getCount() > 0;
    }

    /** Until the wanted number of distinct bodies has been consumed, or the input ends if there is none. */
    void run(AutoCloseable consumer) throws Exception {
      emit("{\"event\":\"ready\"}");
      if (count > 0) {
        done.await();
        emit("{\"event\":\"done\"}");
      } else {
        System.in.transferTo(OutputStream.nullOutputStream());
      }
      // Lets the acknowledgements of the last messages leave before the process ends.
      new Thread(() -> closeQuietly(consumer)).start();
      Thread.sleep(3000);
    }
  }

  private void transact() throws Exception {
    TransactionResolution answer = TransactionResolution.valueOf(options.get("answer").toUpperCase(Locale.ROOT));
    Producer producer = provider.newProducerBuilder().setClientConfiguration(configuration).setTopics(topic)
        .setTransactionChecker(message -> {
          String body = textOf(message);
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

  private static final ExecutorService RETRIES = Executors.newFixedThreadPool(8);

  private static void pause(int milliseconds) {
    try {
      Thread.sleep(milliseconds);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private static String textOf(MessageView message) {
    return StandardCharsets.UTF_8.decode(message.getBody()).toString();
  }

  private static synchronized void emitReceived(MessageView message, String body) {
    Instant now = Instant.now();
    String at = String.format("%d.%09d", now.getEpochSecond(), now.getNano());
    emit("{\"event\":\"received\",\"id\":" + quote(message.getMessageId().toString()) + ",\"body\":" + quote(body)
        + ",\"attempt\":" + message.getDeliveryAttempt() + ",\"at\":" + at + "}");
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
