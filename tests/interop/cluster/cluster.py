#!/usr/bin/env python3
"""Two brokers and two nameservers: one address is enough, whichever it is.

Usage: cluster.py [--sdks-only] [--skip "NAME: REASON"] NAME|CLIENT|DELAYED…     (the commands of an SDK's test client,
see sdk_client.py, and of its producer of delayed messages)

Each access point (a nameserver, the broker that has none of the topics, both nameservers): the SDKs' clients with their
default settings, then calls that only that node is sent, as Rust's consumer does it. Then what nodes know when
nameservers die, and two brokers with one name. MANSIO_LONG=1 repeats what takes long at further access points, and
with further SDKs.
"""

import argparse
import contextlib
import os
import queue
import threading
import time

from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service

from broker_groups import BrokerGroups
from delayed_producer import DelayedProducer
from report import Report
from sdk_client import TAKE_ONE_ADDRESS, SdkClient, assert_all_received, has, joined
from wire import Node, ack, change, from_now, handles, message, metadata, receive, received, resource, seconds, send

MESSAGES = 300
START_TIMEOUT = 60
WORK_TIMEOUT = 60
WAIT = 60
SILENCE = 7  # seconds after which brokers take a client for dead; longer than a receive waits
GROUP = "workers"
OK = definition.OK


class Sdk:
    """The SDK's clients at one access point."""

    def __init__(self, groups, argument, endpoint, label):
        self.name, command, delayed = argument.split("|")
        self._groups = groups
        self._command = command.split()
        self._delayed = delayed.split()
        self._endpoint = endpoint
        self._label = f"{label}-{self.name.replace('.', '')}"

    def _client(self, *arguments):
        return SdkClient(self._command, self._groups.directory, *arguments, "--endpoint", self._endpoint)

    def messages(self):
        """A consumer that waits, push where the SDK has it, and one that comes later get what a producer sends."""
        topic = f"both-{self._label}"
        self._groups.create_topic(topic, "--queues", "2")
        with contextlib.ExitStack() as running:

            def client(kind, *arguments):
                one = running.enter_context(self._client(kind, "--topic", topic, "--count", str(MESSAGES), *arguments))
                one.await_event("ready", START_TIMEOUT)
                return one

            waiting = client("push" if has(self.name, "push") else "simple", "--group", f"{topic}-waiting")
            producer = client("produce", "--prefix", topic)
            producer.await_event("done", WORK_TIMEOUT)
            simple = client("simple", "--group", f"{topic}-simple")
            for consumer in (simple, waiting):
                consumer.await_event("done", WORK_TIMEOUT)
                assert_all_received(consumer, producer.sent)
        stored = self._groups.stored(topic)
        assert set(stored) == set(self._groups.brokers) and all(stored.values()), f"not on both brokers: {stored}"

    def transaction(self):
        """One is committed by its producer, one after a check-back."""
        topic = f"tx-{self._label}"
        self._groups.create_topic(topic, "--type", "transaction", "--first-check", "1s", "--check-interval", "1s", on="b")
        for body, ending, answer in (("direct", "commit", "unknown"), ("checked", "none", "commit")):
            with self._client("transact", "--topic", topic, "--body", body, "--ending", ending, "--answer", answer) as one:
                one.await_event("ready", START_TIMEOUT)
                one.await_event("done", WAIT)
                if ending == "none":
                    assert one.next_check(WAIT)["body"] == body
                self._groups.await_true(
                    lambda: self._groups.stored(topic) == {"b": 1 if body == "direct" else 2}, f"{body} is committed"
                )

    def delay_and_recall(self):
        """By time and by level; a recall, a repeated one, and one that is too late, where the SDK has recalls."""
        exact, plain = f"exact-{self._label}", f"plain-{self._label}"
        self._groups.create_topic(exact, "--type", "delay", on="b")
        self._groups.create_topic(plain, on="b")
        recalls = 2 if has(self.name, "recall") else 0
        with DelayedProducer(self._delayed, self._groups.directory, self._endpoint, exact, plain) as producer:
            events = [event["event"] for event in producer.events(3 + recalls if recalls else 2)]
            assert events.count("recalled") == recalls and "refused" not in events, events
            for topic in (plain, exact):
                self._groups.await_true(lambda t=topic: self._groups.stored(t) == {"b": 1}, f"{topic} has its message")
            if recalls:
                producer.proceed()
                (answer,) = producer.events(1)
                assert answer["event"] == "refused", answer


class Telemetry:
    """A telemetry stream that stays open, with what came on it."""

    def __init__(self, node, settings, client_id):
        self._commands = queue.Queue()
        self._commands.put(service.TelemetryCommand(settings=settings))
        self._call = node.telemetry(iter(self._commands.get, None), metadata(client_id), timeout=600)

    def __enter__(self):
        first = next(self._call)
        assert first.status.code == OK and first.HasField("settings"), first
        return self

    def __exit__(self, kind, error, trace):
        self._commands.put(None)
        self._call.cancel()

    def next(self):
        return next(self._call)


class Heart:
    """A consumer's heartbeats, until the block is left."""

    def __init__(self, node, group, client_id):
        beat = service.HeartbeatRequest(group=resource(group), client_type=definition.PUSH_CONSUMER)
        self._stopped = threading.Event()
        self._failure = None
        self._thread = threading.Thread(target=self._run, args=(node, beat, metadata(client_id)))

    def _run(self, node, beat, headers):
        try:
            while not self._stopped.wait(0.3):
                must(node.call("Heartbeat", beat, headers))
        except Exception as failure:  # pylint: disable=broad-except
            self._failure = failure

    def __enter__(self):
        self._thread.start()

    def __exit__(self, kind, error, trace):
        self._stopped.set()
        self._thread.join()
        if kind is None:
            assert self._failure is None, self._failure


def producer_of(topic):
    publishing = definition.Publishing(topics=[resource(topic)])
    return definition.Settings(client_type=definition.PRODUCER, publishing=publishing)


def consumer_of(topic, group):
    entry = definition.SubscriptionEntry(
        topic=resource(topic), expression=definition.FilterExpression(type=definition.TAG, expression="*")
    )
    subscription = definition.Subscription(group=resource(group), subscriptions=[entry])
    return definition.Settings(client_type=definition.PUSH_CONSUMER, subscription=subscription)


def must(answer, code=OK):
    assert answer.code == code, f"{definition.Code.Name(answer.code)}: {answer.text}"
    return answer.response


def calls_about_messages(groups, node, label):
    """Send, receive, change, acknowledge, forward to the dead letters; a batch acknowledges at both brokers at once."""
    topic = f"calls-{label}"
    groups.create_topic(topic, on="b")
    sent = must(node.call("SendMessage", send(message(topic), message(topic), message(topic))))
    assert len(sent.entries) == 3 and all(entry.status.code == OK for entry in sent.entries), sent
    begun = {"invisible_duration": seconds(60), "batch_size": 3}
    groups.mansio("group", "create", f"{GROUP}-{label}", "--start", "earliest", endpoint=groups.brokers["b"].address)
    group = f"{GROUP}-{label}"
    got = node.call("ReceiveMessage", receive(topic, group, broker="b", **begun))
    assert len(received(got)) == 3, got
    first, second, third = handles(got)
    must(node.call("AckMessage", ack(first, topic=topic, group=group)))
    must(node.call("AckMessage", ack(first, topic=topic, group=group)), definition.INVALID_RECEIPT_HANDLE)
    second = must(node.call("ChangeInvisibleDuration", change(second, 60, topic=topic, group=group))).receipt_handle
    dead = service.ForwardMessageToDeadLetterQueueRequest(
        group=resource(group), topic=resource(topic), receipt_handle=third, message_id="id", delivery_attempt=1,
        max_delivery_attempts=2,
    )
    must(node.call("ForwardMessageToDeadLetterQueue", dead))
    both = f"joined-{label}"
    groups.create_topic(both)
    of_both = []
    for broker in groups.brokers.values():
        groups.mansio("group", "create", f"{group}-2", "--start", "earliest", endpoint=broker.address)
        with Node(broker.address) as direct:
            must(direct.call("SendMessage", send(message(both))))
    for name in groups.brokers:
        of_both += handles(node.call("ReceiveMessage", receive(both, f"{group}-2", broker=name, **begun)))
    joined = must(node.call("AckMessage", ack(of_both[1], of_both[0], "garbage", topic=both, group=f"{group}-2")),
                  definition.MULTIPLE_RESULTS)
    codes = [entry.status.code for entry in joined.entries]
    assert codes == [OK, OK, definition.INVALID_RECEIPT_HANDLE], joined
    must(node.call("AckMessage", ack(second, topic=topic, group=group)))
    left = groups.mansio("group", "describe", group, endpoint=groups.brokers["b"].address)
    assert (left["ready"], left["in_flight"]) == (0, 0), left


def calls_about_offsets(groups, node, label):
    """Pull with long polling, and the three offset calls."""
    topic = f"offsets-{label}"
    groups.create_topic(topic, "--queues", "1", on="b")
    place = definition.MessageQueue(topic=resource(topic), id=0, broker=definition.Broker(name="b"))
    must(node.call("SendMessage", send(message(topic, b"first"))))
    end = must(node.call("QueryOffset", service.QueryOffsetRequest(message_queue=place, query_offset_policy=definition.END)))
    assert end.offset == 1, end
    group = resource(f"readers-{label}")
    must(node.call("UpdateOffset", service.UpdateOffsetRequest(group=group, message_queue=place, offset=1)))
    kept = must(node.call("GetOffset", service.GetOffsetRequest(group=group, message_queue=place)))
    assert kept.offset == 1, kept
    pull = service.PullMessageRequest(
        group=group, message_queue=place, offset=0, batch_size=1, long_polling_timeout=seconds(5),
        filter_expression=definition.FilterExpression(type=definition.TAG, expression="*"),
    )
    assert [one.body for one in received(node.call("PullMessage", pull))] == [b"first"]


def calls_about_transactions(groups, node, label):
    """A half, its check-back on a stream that only this node holds, and its end."""
    topic = f"halves-{label}"
    groups.create_topic(topic, "--type", "transaction", "--first-check", "1s", "--check-interval", "1s", on="b")
    client = f"only-at-{label}"
    with Telemetry(node, producer_of(topic), client) as stream:
        half = message(topic, b"half", message_type=definition.TRANSACTION)
        sent = must(node.call("SendMessage", send(half), metadata(client))).entries[0]
        check = stream.next().recover_orphaned_transaction_command
        assert (check.message.body, check.transaction_id) == (b"half", sent.transaction_id), check
        end = service.EndTransactionRequest(
            topic=resource(topic), message_id=sent.message_id, transaction_id=check.transaction_id,
            resolution=definition.COMMIT, source=definition.SOURCE_SERVER_CHECK,
        )
        must(node.call("EndTransaction", end, metadata(client)))
    groups.await_true(lambda: groups.stored(topic) == {"b": 1}, "the half is committed")


def calls_about_delay(groups, node, label):
    topic = f"later-{label}"
    groups.create_topic(topic, "--type", "delay", on="b")
    later = message(topic, message_type=definition.DELAY, delivery_timestamp=from_now(hours=1))
    sent = must(node.call("SendMessage", send(later))).entries[0]
    recall = service.RecallMessageRequest(topic=resource(topic), recall_handle=sent.recall_handle)
    assert must(node.call("RecallMessage", recall)).message_id == sent.message_id


def life_of_a_client(groups, node, label):
    """What a client holds is its own as long as it lives here, and comes again when it says goodbye here."""
    topic, group = f"life-{label}", f"living-{label}"
    groups.create_topic(topic, on="b")
    groups.mansio("group", "create", group, "--start", "earliest", endpoint=groups.brokers["b"].address)
    must(node.call("SendMessage", send(message(topic))))
    first, second = f"first-{label}", f"second-{label}"
    with Telemetry(node, consumer_of(topic, group), first):
        held = receive(topic, group, broker="b", auto_renew=True, invisible_duration=None)
        assert len(received(node.call("ReceiveMessage", held, metadata(first)))) == 1
        waiting = receive(topic, group, broker="b")
        with Heart(node, group, first):
            time.sleep(SILENCE)  # with the receive, longer than a client may be silent
            listed = groups.mansio("group", "describe", group, endpoint=groups.brokers["b"].address)
            assert first in listed["clients"], f"broker b does not know {first}: {listed}"
            must(node.call("ReceiveMessage", waiting, metadata(second)), definition.MESSAGE_NOT_FOUND)
        goodbye = service.NotifyClientTerminationRequest(group=resource(group))
        must(node.call("NotifyClientTermination", goodbye, metadata(first)))
        again = received(node.call("ReceiveMessage", waiting, metadata(second)))
        assert len(again) == 1, "the message did not come again when its holder had said goodbye"


def a_client_of_two_brokers_that_dies(groups):
    """What it held comes again: the brokers do not keep it alive between them."""
    topic, group = "of-both", "dying"
    groups.create_topic(topic)
    for broker in groups.brokers.values():
        groups.mansio("group", "create", group, "--start", "earliest", endpoint=broker.address)
    with Node(groups.brokers["a"].address) as first, Node(groups.brokers["b"].address) as second:
        must(second.call("SendMessage", send(message(topic))))
        settings = consumer_of(topic, group)
        with Telemetry(first, settings, "dying"), Telemetry(second, settings, "dying"):
            held = receive(topic, group, broker="b", auto_renew=True, invisible_duration=None)
            assert len(received(second.call("ReceiveMessage", held, metadata("dying")))) == 1
        groups.await_true(
            lambda: received(second.call("ReceiveMessage", receive(topic, group, broker="b"), metadata("heir"))),
            "the message comes again when its holder is dead",
        )


def without_nameservers(groups):
    """Nodes go on with what they knew; restarted nameservers know everything again at once."""
    groups.create_topic("steady", on="b")
    for nameserver in groups.nameservers:
        nameserver.kill9()
    with Node(groups.brokers["a"].address) as other:
        must(other.call("SendMessage", send(message("steady"))))
    for nameserver in groups.nameservers:
        nameserver.start()
    for nameserver in groups.nameservers:
        groups.await_true(lambda n=nameserver: groups.knows_all_brokers(n), f"{nameserver.name} knows every broker")
        with Node(nameserver.address) as node:
            must(node.call("SendMessage", send(message("steady"))))
    # One dies: what changes meanwhile reaches the brokers through the other.
    groups.nameservers[0].kill9()
    groups.mansio("topic", "create", "meanwhile", endpoint=groups.brokers["b"].address)
    with Node(groups.brokers["a"].address) as other:
        groups.await_true(
            lambda: other.call("SendMessage", send(message("meanwhile"))).code == OK, "broker a knows of the new topic"
        )
    groups.nameservers[0].start()


def an_owner_that_is_gone(groups):
    """The codes on which SDKs try again, until the owner is back."""
    groups.create_topic("absent", on="b")
    with Node(groups.nameserver.address) as node:
        must(node.call("SendMessage", send(message("absent"))))
        handle = service.RecallMessageRequest(topic=resource("absent"), recall_handle="AQFibm9uZQ")
        groups.brokers["b"].kill9()
        groups.await_true(
            lambda: node.call("SendMessage", send(message("absent"))).code
            in (definition.TOPIC_NOT_FOUND, definition.INTERNAL_SERVER_ERROR),
            "sends are refused",
        )
        must(node.call("RecallMessage", handle), definition.INTERNAL_SERVER_ERROR)
        groups.brokers["b"].start()
        groups.await_true(lambda: node.call("SendMessage", send(message("absent"))).code == OK, "broker b is back")


def two_of_one_name(groups):
    """The second is refused, and its log names both."""
    second = groups.new_broker("b", "second-b")
    second.start()
    try:
        groups.await_true(lambda: "has registered with the name" in second.log(), "the second broker is refused")
        log = second.log()
        assert groups.brokers["b"].address in log and second.address in log, log[-2000:]
        listed = groups.online_addresses(groups.nameserver)
        assert second.address not in listed and groups.brokers["b"].address in listed, listed
    finally:
        second.terminate()


def sdk_cases(groups, report, argument, is_long):
    nameservers = [process.address for process in groups.nameservers]
    name = argument.split("|")[0]
    access_points = [("nameserver", nameservers[0]), ("broker", groups.brokers["a"].address)]
    if name not in TAKE_ONE_ADDRESS:
        access_points.append(("two", joined(name, nameservers)))
    for label, endpoint in access_points:
        sdk = Sdk(groups, argument, endpoint, label)
        for case in (sdk.messages, sdk.transaction, sdk.delay_and_recall):
            if label == "two" and case != sdk.messages and not is_long:
                continue
            with report.case(f"{name}, {label}: {case.__name__.replace('_', ' ')}"):
                case()


def cases_of_calls(groups, report, is_long):
    addresses = {"nameserver": groups.nameservers[1].address, "broker": groups.brokers["a"].address}
    for label, address in addresses.items():
        for case in (calls_about_messages, calls_about_offsets, calls_about_transactions, calls_about_delay,
                     life_of_a_client):
            if label == "broker" and case is life_of_a_client and not is_long:
                continue
            with report.case(f"{label} alone: {case.__name__.replace('_', ' ')}"), Node(address) as node:
                case(groups, node, label)
    for case in (a_client_of_two_brokers_that_dies, without_nameservers, an_owner_that_is_gone, two_of_one_name):
        with report.case(case.__name__.replace("_", " ")):
            case(groups)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sdks-only", action="store_true")
    parser.add_argument("--skip", action="append", default=[])
    parser.add_argument("sdks", nargs="*")
    arguments = parser.parse_args()
    report = Report()
    for reason in arguments.skip:
        report.skip(*reason.split(": ", 1))
    is_long = os.environ.get("MANSIO_LONG") == "1"
    with BrokerGroups(["a", "b"], 2, (f"clients.silence={SILENCE}s",)) as groups:
        for argument in arguments.sdks:
            sdk_cases(groups, report, argument, is_long or arguments.sdks_only)
        if not arguments.sdks_only:
            cases_of_calls(groups, report, is_long)
    report.finish()


if __name__ == "__main__":
    main()
