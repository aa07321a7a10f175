"""Holds the table "RPC by RPC" of docs/compatibility.md against a real nameserver and a real broker.

Every call of the public services goes to both. What the table says works must not answer NOT_IMPLEMENTED; what it says
does not must answer so, name the call, and change nothing.
"""

import pathlib

import rpc_table
from mansio_cluster import ROOT, Cluster
from public_api import PublicApi, connect
from report import Report

PAGE = pathlib.Path(ROOT / "docs" / "compatibility.md")
HEADERS = [("x-mq-client-id", "compatibility"), ("x-mq-language", "PYTHON"), ("x-mq-client-version", "5.1.2")]

TOPIC = 'topic { name: "compatible" }'
GROUP = 'group { name: "compatible-group" }'
QUEUE = f'message_queue {{ {TOPIC} id: 0 broker {{ name: "broker-a" }} }}'
MESSAGE = f'messages {{ {TOPIC} body: "x" system_properties {{ message_id: "01AB" message_type: NORMAL }} }}'
ENDPOINTS = 'endpoints { scheme: IPv4 addresses { host: "127.0.0.1" port: 8081 } }'

# Requests that ask for something; a call that is not here gets an empty one.
REQUESTS = {
    "QueryRoute": f"{TOPIC} {ENDPOINTS}",
    "Heartbeat": "client_type: PRODUCER",
    "SendMessage": MESSAGE,
    "QueryAssignment": f"{TOPIC} {GROUP} {ENDPOINTS}",
    "ReceiveMessage": f"{GROUP} {QUEUE} batch_size: 1 invisible_duration {{ seconds: 10 }} "
    'filter_expression { type: TAG expression: "*" } long_polling_timeout { seconds: 1 }',
    "AckMessage": f'{GROUP} {TOPIC} entries {{ message_id: "id" receipt_handle: "h" }}',
    "ForwardMessageToDeadLetterQueue": f'{GROUP} {TOPIC} receipt_handle: "h" message_id: "id"',
    "PullMessage": f"{GROUP} {QUEUE} batch_size: 1 long_polling_timeout {{ seconds: 1 }}",
    "UpdateOffset": f"{GROUP} {QUEUE} offset: 0",
    "GetOffset": f"{GROUP} {QUEUE}",
    "QueryOffset": QUEUE,
    "EndTransaction": f'{TOPIC} message_id: "id" transaction_id: "t" resolution: COMMIT',
    "Telemetry": 'settings { client_type: PRODUCER publishing { topics { name: "compatible" } } }',
    "ChangeInvisibleDuration": f'{GROUP} {TOPIC} receipt_handle: "h" message_id: "id" '
    "invisible_duration { seconds: 10 }",
    "RecallMessage": f'{TOPIC} recall_handle: "h"',
    "SyncLiteSubscription": f"{TOPIC} {GROUP}",
    "DescribeTopicStatus": TOPIC,
    "QueryMessage": TOPIC,
    "GetTopicRoute": TOPIC,
}


def refusal(answers):
    """The sentence of a call that is not served; None when it is."""
    for code, text in answers:
        if code == "NOT_IMPLEMENTED" or (not code and text.startswith("NOT_IMPLEMENTED")):
            return text
    return None


def check_works(answers, name):
    assert refusal(answers) is None, f"the table says that {name} works, but it answers: {refusal(answers)}"


def check_does_not(answers, name):
    text = refusal(answers)
    assert text is not None, f"the table says that {name} is not implemented, but it answers {answers}"
    assert text.startswith("NOT_IMPLEMENTED"), f"the sentence does not begin with the code: {text}"
    assert name in text, f"the sentence does not name the call: {text}"


def stored(cluster):
    return cluster.mansio("topic", "describe", "compatible"), cluster.mansio("group", "list")


def run_node(report, cluster, api, process, promises):
    """All calls of one node: first those that the table refuses, which must change nothing."""
    before = stored(cluster)
    with connect(process.address) as channel:
        for name, works in sorted(promises.items(), key=lambda item: item[1]):
            with report.case(f"{process.name} {name}: {'works' if works else 'is not implemented'}"):
                answers = api.call(channel, name, REQUESTS.get(name, ""), HEADERS)
                if works:
                    check_works(answers, name)
                else:
                    check_does_not(answers, name)
                    assert stored(cluster) == before, f"{name} is not implemented, but it has changed something"


def main():
    report = Report()
    api = PublicApi()
    promises = {}
    with report.case("docs/compatibility.md says of each call what nameserver and broker do with it"):
        promises = rpc_table.read_promises(PAGE.read_text(encoding="utf-8"), api.methods())
    if promises:
        with Cluster(nameserver=True, broker_settings=["receive.min-long-polling=0s"]) as cluster:
            cluster.create_topic("compatible")
            run_node(report, cluster, api, cluster.nameserver, promises["nameserver"])
            run_node(report, cluster, api, cluster.broker, promises["broker"])
    report.finish()


if __name__ == "__main__":
    main()
