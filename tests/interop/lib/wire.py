"""Requests with every field under control, and one node to send them to.

For tests that must send what no SDK sends. Message classes are those of the official Python package.
"""

import collections
import datetime
import itertools

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service
from rocketmq.grpc_protocol import service_pb2_grpc

DEADLINE = 30  # seconds of a call that does not set its own

_numbers = itertools.count(1)

Answer = collections.namedtuple("Answer", "code text response")


def metadata(client_id="bad-input", **headers):
    """The headers of a call: without the client id when it is None; x_mq_language="C" adds x-mq-language."""
    pairs = [] if client_id is None else [("x-mq-client-id", client_id)]
    return pairs + [(key.replace("_", "-"), value) for key, value in headers.items()]


def code_name(code):
    """The name of a public code; the number as text when the Python package does not have it."""
    return definition.Code.Name(code) if code in definition.Code.values() else str(code)


class Node:
    """One connection to a nameserver or broker, without an SDK's retries."""

    def __init__(self, address, options=()):
        self.address = address
        self.channel = grpc.insecure_channel(
            address,
            options=[
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
                ("grpc.enable_retries", 0),
                *options,
            ],
        )
        self.stub = service_pb2_grpc.MessagingServiceStub(self.channel)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.channel.close()

    def call(self, rpc, request, headers=None, timeout=DEADLINE):
        """Makes a unary call, or a ReceiveMessage or PullMessage read to its end; returns an Answer.

        The response of a stream is the list of its elements. A stream must say its status once, first.
        """
        response = getattr(self.stub, rpc)(
            request, metadata=metadata() if headers is None else headers, timeout=timeout
        )
        if not hasattr(response, "__next__"):
            return Answer(response.status.code, response.status.message, response)
        elements = list(response)
        kinds = [element.WhichOneof("content") for element in elements]
        assert kinds and kinds[0] == "status" and kinds.count("status") == 1, f"the stream's elements are {kinds}"
        return Answer(elements[0].status.code, elements[0].status.message, elements)

    def telemetry(self, commands, headers=None, timeout=DEADLINE):
        """Opens a telemetry stream that sends what the iterator `commands` gives."""
        return self.stub.Telemetry(commands, metadata=metadata() if headers is None else headers, timeout=timeout)


def resource(name, namespace=""):
    return definition.Resource(name=name, resource_namespace=namespace)


def seconds(value):
    """A protobuf Duration; exact for whole seconds and decimal fractions given as text."""
    whole, _, fraction = str(value).partition(".")
    sign = -1 if whole.startswith("-") else 1
    return Duration(seconds=int(whole), nanos=sign * int((fraction + "0" * 9)[:9]))


def from_now(**delta):
    """A Timestamp at a distance from now, given as for datetime.timedelta."""
    stamp = Timestamp()
    stamp.FromDatetime(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**delta))
    return stamp


def message(topic="normal", body=b"x", user=None, **system):
    """A message that is good unless the arguments say otherwise; system properties by name."""
    born = from_now()
    fields = {
        "message_id": f"01BADINPUT{next(_numbers):024X}",
        "message_type": definition.NORMAL,
        "body_encoding": definition.IDENTITY,
        "born_timestamp": born,
        "born_host": "127.0.0.1",
    }
    fields.update(system)
    return definition.Message(
        topic=resource(topic),
        body=body,
        user_properties=user or {},
        system_properties=definition.SystemProperties(**fields),
    )


def send(*messages):
    return service.SendMessageRequest(messages=messages)


def receive(topic="normal", group="group", queue=-1, broker="", **fields):
    """A receive with a minute of invisible time and the shortest polling, unless the arguments say otherwise.

    A field given as None is left out.
    """
    settings = {
        "filter_expression": definition.FilterExpression(type=definition.TAG, expression="*"),
        "batch_size": 1,
        "invisible_duration": seconds(60),
        "long_polling_timeout": seconds(5),
    }
    settings.update(fields)
    return service.ReceiveMessageRequest(
        group=resource(group),
        message_queue=definition.MessageQueue(
            topic=resource(topic), id=queue, broker=definition.Broker(name=broker)
        ),
        **{key: value for key, value in settings.items() if value is not None},
    )


def expression(text, kind=definition.TAG):
    return definition.FilterExpression(type=kind, expression=text)


def ack(*handles, topic="normal", group="group", **fields):
    entries = [
        service.AckMessageEntry(message_id=f"id-{number}", receipt_handle=handle, **fields)
        for number, handle in enumerate(handles)
    ]
    return service.AckMessageRequest(group=resource(group), topic=resource(topic), entries=entries)


def change(handle, invisible, topic="normal", group="group", **fields):
    return service.ChangeInvisibleDurationRequest(
        group=resource(group),
        topic=resource(topic),
        receipt_handle=handle,
        invisible_duration=seconds(invisible),
        message_id="id",
        **fields,
    )


def forward(handle, topic="normal", group="group", **fields):
    return service.ForwardMessageToDeadLetterQueueRequest(
        group=resource(group), topic=resource(topic), receipt_handle=handle, message_id="id", **fields
    )


def received(answer):
    """The messages in the answer of a receive."""
    return [element.message for element in answer.response if element.WhichOneof("content") == "message"]


def handles(answer):
    return [one.system_properties.receipt_handle for one in received(answer)]
