"""A transactional producer of the Python SDK.

Usage: producer.py ENDPOINT TOPIC BODY ENDING ANSWER

Sends one half message unless BODY is empty, ends it as ENDING says (commit, rollback or none), and then
answers check-backs with ANSWER (commit, rollback or unknown) until its input is closed. Prints one JSON
object for the message that it sent, and one for each check-back.
"""

import json
import sys

from rocketmq import (
    ClientConfiguration,
    Credentials,
    Message,
    Producer,
    TransactionChecker,
    TransactionResolution,
)

endpoint, topic, body, ending, answer = sys.argv[1:]


def emit(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class Checker(TransactionChecker):
    def check(self, message):
        emit("check", id=message.message_id, body=message.body.decode())
        return {
            "commit": TransactionResolution.COMMIT,
            "rollback": TransactionResolution.ROLLBACK,
            "unknown": TransactionResolution.TRANSACTION_RESOLUTION_UNSPECIFIED,
        }[answer]


producer = Producer(ClientConfiguration(endpoint, Credentials()), (topic,), checker=Checker())
producer.startup()
if body:
    transaction = producer.begin_transaction()
    half = Message()
    half.topic, half.tag, half.body = topic, "interop", body.encode()
    receipt = producer.send(half, transaction)
    if ending == "commit":
        transaction.commit()
    elif ending == "rollback":
        transaction.rollback()
    emit("sent", id=receipt.message_id, transaction_id=receipt.transaction_id)
else:
    emit("ready")
sys.stdin.read()
producer.shutdown()
