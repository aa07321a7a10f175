import java.nio.charset.StandardCharsets;
import org.apache.rocketmq.client.apis.ClientConfiguration;
import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.ClientServiceProvider;
import org.apache.rocketmq.client.apis.message.MessageBuilder;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.apis.producer.SendReceipt;

/** A producer of delayed messages with the Java SDK; arguments and output as in tests/interop/delay/delay.py. */
public final class DelayedProducer {
  private final ClientServiceProvider provider = ClientServiceProvider.loadService();
  private final String exactTopic;
  private final String plainTopic;
  private final Producer producer;

  private DelayedProducer(String endpoint, String exactTopic, String plainTopic) throws ClientException {
    this.exactTopic = exactTopic;
    this.plainTopic = plainTopic;
    producer = provider.newProducerBuilder()
        .setClientConfiguration(ClientConfiguration.newBuilder().setEndpoints(endpoint).build())
        .setTopics(exactTopic, plainTopic).build();
  }

  private void run() throws Exception {
    long due = System.currentTimeMillis() + 10000;
    String exact = send(message(exactTopic, "exact").setDeliveryTimestamp(due), "exact", due);
    String recalled = send(message(exactTopic, "recalled").setDeliveryTimestamp(due), "recalled", due);
    long levelDue = System.currentTimeMillis() + 1000;
    send(message(plainTopic, "level").addProperty("DELAY", "1"), "level", levelDue);
    recall(recalled);
    recall(recalled);
    System.in.read();
    recall(exact);
  }

  private MessageBuilder message(String topic, String body) {
    return provider.newMessageBuilder().setTopic(topic).setTag("interop").setBody(body.getBytes(StandardCharsets.UTF_8));
  }

  private String send(MessageBuilder message, String body, long due) throws ClientException {
    SendReceipt receipt = producer.send(message.build());
    System.out.printf("{\"event\":\"sent\",\"body\":\"%s\",\"id\":\"%s\",\"due\":%d}%n", body, receipt.getMessageId(), due);
    return receipt.getRecallHandle();
  }

  private void recall(String handle) {
    try {
      System.out.printf("{\"event\":\"recalled\",\"id\":\"%s\"}%n", producer.recallMessage(exactTopic, handle).getMessageId());
    } catch (ClientException error) {
      String text = error.toString().replaceAll("[^ -~]|[\"\\\\]", " ");
      System.out.printf("{\"event\":\"refused\",\"text\":\"%s\"}%n", text);
    }
  }

  public static void main(String[] arguments) throws Exception {
    new DelayedProducer(arguments[0], arguments[1], arguments[2]).run();
    System.exit(0);
  }
}
