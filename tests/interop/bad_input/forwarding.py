"""ForwardMessageToDeadLetterQueue (RocketMQ 5 API): giving a message up, once, and what is not to be given up."""

from names import group_cases, topic_cases
from receiving import forgeries
from table import Case, check, run
from wire import ack, change, forward, handles, message, metadata, receive, received, send

TOPIC = "forwarding"
GROUP = "forwarders"


def forwarded(handle, topic=TOPIC, group=GROUP, **fields):
    return forward(handle, topic, group, **fields)


def run_forwarding(report, cluster, broker):
    """Six messages under leases: three are given up, each once, whatever else is tried."""
    cluster.create_topic(TOPIC, "--queues", "1")
    check(broker.call("SendMessage", send(*[message(TOPIC) for _ in range(6)])), "OK")
    lease = broker.call("ReceiveMessage", receive(TOPIC, GROUP, batch_size=6))
    ids = [one.system_properties.message_id for one in received(lease)]
    given_up, renewed, acked, forged, *others = handles(lease)
    check(broker.call("ReceiveMessage", receive(TOPIC, "another")), "OK")

    run(report, broker, "broker", "ForwardMessageToDeadLetterQueue", [
        Case("no client id", "CLIENT_ID_REQUIRED", forwarded("h"), headers=metadata(None)),
        *topic_cases(lambda name: forwarded("h", topic=name), "INVALID_RECEIPT_HANDLE"),
        *group_cases(lambda name: forwarded("h", group=name)),
        Case("a lite topic", "NOT_IMPLEMENTED", forwarded(forged, lite_topic="lite"), "lite"),
        *[Case(what, "INVALID_RECEIPT_HANDLE", forwarded(text)) for what, text in forgeries(forged)],
        Case("another topic", "INVALID_RECEIPT_HANDLE", forwarded(forged, topic="normal")),
        Case("another group", "INVALID_RECEIPT_HANDLE", forwarded(forged, group="another")),
        Case("a group that does not exist", "INVALID_RECEIPT_HANDLE", forwarded(forged, group="nobody")),
        Case("a message", "OK", forwarded(given_up)),
        Case("the same once more", "OK", forwarded(given_up)),
        Case("with attempts that are lies", "OK", forwarded(
            others[0], delivery_attempt=-7, max_delivery_attempts=2**31 - 1)),
    ])
    with report.case("broker: an acknowledged message is forwarded -> OK, and it is no dead letter"):
        check(broker.call("AckMessage", ack(acked, topic=TOPIC, group=GROUP)), "OK")
        check(broker.call("ForwardMessageToDeadLetterQueue", forwarded(acked)), "OK")
    with report.case("broker: the handle from before a change is forwarded -> OK, and nothing is done"):
        newer = broker.call("ChangeInvisibleDuration", change(renewed, 600, TOPIC, GROUP)).response.receipt_handle
        check(broker.call("ForwardMessageToDeadLetterQueue", forwarded(renewed)), "OK")
        check(broker.call("ForwardMessageToDeadLetterQueue", forwarded(newer)), "OK")
    with report.case("broker: a message that was given up cannot be acknowledged -> INVALID_RECEIPT_HANDLE"):
        for handle in (given_up, newer):
            check(broker.call("AckMessage", ack(handle, topic=TOPIC, group=GROUP)), "INVALID_RECEIPT_HANDLE")
    with report.case("broker: what was forwarded became one dead letter each, and the others are untouched"):
        letters = cluster.mansio("dlq", "list", GROUP)
        assert sorted(letter["message_id"] for letter in letters) == sorted([ids[0], ids[1], ids[4]]), letters
        assert {(letter["attempts"], letter["reason"]) for letter in letters} == {(1, "forwarded")}, letters
        check(broker.call("AckMessage", ack(forged, others[1], topic=TOPIC, group=GROUP)), "OK")
        names = [group["name"] for group in cluster.mansio("group", "list")]
        assert "nobody" not in names, names
