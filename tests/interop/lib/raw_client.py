"""The public protocol without an SDK's retries and caches, for tests that must see every answer.

Uses the message classes of the official Python package.
"""

import collections
import queue
import uuid

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service
from rocketmq.grpc_protocol import service_pb2_grpc

DEADLINE = 30  # seconds of a call, beyond its polling time, unless the client has another one

Received = collections.namedtuple("Received", "queue offset id body attempt handle stored_ms")


class Refused(Exception):
    """The server answered with a status other than OK."""

    def __init__(self, status):
        super().__init__(f"{definition.Code.Name(status.code)}: {status.message}")
        self.code = status.code


class RawClient:
    """One connection to a broker; all methods block and may be called from any thread.

    They raise grpc.RpcError when the connection breaks and Refused when the server says no.
    """

    def __init__(self, address, client_id=None, deadline=DEADLINE):
        # Its own subchannel pool: otherwise gRPC would share one connection among all clients.
        self._channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        self._stub = service_pb2_grpc.MessagingServiceStub(self._channel)
        self._metadata = [
            ("x-mq-client-id", client_id or f"raw@{uuid.uuid4()}"),
            ("x-mq-language", "PYTHON"),
            ("x-mq-client-version", "5.1.2"),
        ]
        self._address = address
        self._deadline = deadline
        self._queues = {}
        self._closed = False

    def close(self):
        self._closed = True
        self._channel.close()

    def send(self, topic, body, message_group=None, properties=None):
        """Sends one message; returns (message id, queue offset)."""
        kind = definition.FIFO if message_group else definition.NORMAL
        entry = self._send(topic, body, kind, message_group, properties=properties)
        return entry.message_id, entry.offset

    def send_half(self, topic, body):
        """Begins a transaction with one message; returns (message id, transaction id)."""
        entry = self._send(topic, body, definition.TRANSACTION)
        return entry.message_id, entry.transaction_id

    def end_transaction(self, topic, message_id, transaction_id, commit):
        request = service.EndTransactionRequest(
            topic=definition.Resource(name=topic),
            message_id=message_id,
            transaction_id=transaction_id,
            resolution=definition.COMMIT if commit else definition.ROLLBACK,
            source=definition.SOURCE_CLIENT,
        )
        response = self._stub.EndTransaction(request, metadata=self._metadata, timeout=self._deadline)
        if response.status.code != definition.OK:
            raise Refused(response.status)

    def answer_checks(self, topic, decide, with_body=False):
        """Is a producer of the topic, and calls decide(message id, transaction id) for each check-back, until the
        connection breaks (grpc.RpcError) or close() is called meanwhile by `decide`. `with_body`: it gets the body, too.
        """
        settings = definition.Settings(
            client_type=definition.PRODUCER,
            publishing=definition.Publishing(topics=[definition.Resource(name=topic)]),
        )
        commands = queue.SimpleQueue()
        commands.put(service.TelemetryCommand(settings=settings))
        stream = self._stub.Telemetry(iter(commands.get, None), metadata=self._metadata)
        try:
            for command in stream:
                if command.HasField("recover_orphaned_transaction_command"):
                    check = command.recover_orphaned_transaction_command
                    body = (check.message.body,) if with_body else ()
                    decide(check.message.system_properties.message_id, check.transaction_id, *body)
                if self._closed:
                    return
        finally:
            commands.put(None)

    def send_delayed(self, topic, body, due_ms):
        """Sends one message with a delivery time; returns (message id, recall handle)."""
        entry = self._send(topic, body, definition.DELAY, due_ms=due_ms)
        return entry.message_id, entry.recall_handle

    def recall(self, topic, handle):
        """Recalls a delayed message; returns the code of the answer."""
        request = service.RecallMessageRequest(topic=definition.Resource(name=topic), recall_handle=handle)
        return self._stub.RecallMessage(request, metadata=self._metadata, timeout=self._deadline).status.code

    def _send(self, topic, body, message_type, message_group=None, due_ms=None, properties=None):
        message_id = "01" + uuid.uuid4().hex.upper()
        now = Timestamp()
        now.GetCurrentTime()
        system = definition.SystemProperties(
            message_id=message_id,
            message_type=message_type,
            body_encoding=definition.IDENTITY,
            born_timestamp=now,
            born_host="127.0.0.1",
            message_group=message_group,
        )
        if due_ms is not None:
            system.delivery_timestamp.FromMilliseconds(due_ms)
        message = definition.Message(
            topic=definition.Resource(name=topic), body=body, system_properties=system, user_properties=properties
        )
        response = self._stub.SendMessage(
            service.SendMessageRequest(messages=[message]), metadata=self._metadata, timeout=self._deadline
        )
        if response.status.code != definition.OK:
            raise Refused(response.status)
        return response.entries[0]

    def receive(self, topic, group, batch=32, invisible_seconds=10, polling_seconds=5, filter_tag="*"):
        """Receives up to batch messages; an empty list when nothing came within the polling time."""
        request = service.ReceiveMessageRequest(
            group=definition.Resource(name=group),
            message_queue=self._queue(topic),
            filter_expression=definition.FilterExpression(type=definition.TAG, expression=filter_tag),
            batch_size=batch,
        )
        request.invisible_duration.seconds = invisible_seconds
        request.long_polling_timeout.seconds = polling_seconds
        messages = []
        for response in self._stub.ReceiveMessage(request, metadata=self._metadata, timeout=polling_seconds + self._deadline):
            if response.WhichOneof("content") == "status":
                if response.status.code not in (definition.OK, definition.MESSAGE_NOT_FOUND):
                    raise Refused(response.status)
            elif response.WhichOneof("content") == "message":
                system = response.message.system_properties
                messages.append(
                    Received(
                        system.queue_id,
                        system.queue_offset,
                        system.message_id,
                        response.message.body,
                        system.delivery_attempt,
                        system.receipt_handle,
                        system.store_timestamp.ToMilliseconds(),
                    )
                )
        return messages

    def ack(self, topic, group, messages):
        """Acknowledges messages; returns those for which the server said OK."""
        request = service.AckMessageRequest(
            group=definition.Resource(name=group),
            topic=definition.Resource(name=topic),
            entries=[
                service.AckMessageEntry(message_id=message.id, receipt_handle=message.handle) for message in messages
            ],
        )
        response = self._stub.AckMessage(request, metadata=self._metadata, timeout=self._deadline)
        good = {entry.receipt_handle for entry in response.entries if entry.status.code == definition.OK}
        return [message for message in messages if message.handle in good]

    def heartbeat(self, group):
        """Says that this client is a consumer of a group."""
        request = service.HeartbeatRequest(group=definition.Resource(name=group), client_type=definition.SIMPLE_CONSUMER)
        response = self._stub.Heartbeat(request, metadata=self._metadata, timeout=self._deadline)
        if response.status.code != definition.OK:
            raise Refused(response.status)

    def change(self, topic, group, message, invisible_seconds):
        """Gives a received message another invisible time from now on; returns it with its new handle."""
        request = service.ChangeInvisibleDurationRequest(
            group=definition.Resource(name=group),
            topic=definition.Resource(name=topic),
            receipt_handle=message.handle,
            message_id=message.id,
        )
        request.invisible_duration.seconds = invisible_seconds
        response = self._stub.ChangeInvisibleDuration(request, metadata=self._metadata, timeout=self._deadline)
        if response.status.code != definition.OK:
            raise Refused(response.status)
        return message._replace(handle=response.receipt_handle)

    def forward(self, topic, group, message):
        """Gives a received message up: it becomes a dead letter."""
        request = service.ForwardMessageToDeadLetterQueueRequest(
            group=definition.Resource(name=group),
            topic=definition.Resource(name=topic),
            receipt_handle=message.handle,
            message_id=message.id,
            delivery_attempt=message.attempt,
        )
        response = self._stub.ForwardMessageToDeadLetterQueue(request, metadata=self._metadata, timeout=self._deadline)
        if response.status.code != definition.OK:
            raise Refused(response.status)

    def _queue(self, topic):
        """Any queue of the topic: the broker serves a normal group from all of them."""
        if topic not in self._queues:
            host, port = self._address.rsplit(":", 1)
            endpoints = definition.Endpoints(
                scheme=definition.IPv4, addresses=[definition.Address(host=host, port=int(port))]
            )
            response = self._stub.QueryRoute(
                service.QueryRouteRequest(topic=definition.Resource(name=topic), endpoints=endpoints),
                metadata=self._metadata,
                timeout=self._deadline,
            )
            if response.status.code != definition.OK:
                raise Refused(response.status)
            self._queues[topic] = response.message_queues[0]
        return self._queues[topic]
