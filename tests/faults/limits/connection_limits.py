"""Limits below the RPC level: what the client sees, and the line in the broker's log."""

import contextlib
import socket
import time

import grpc
from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service

from request_limits import accepted, refused
from wire import Node, metadata, resource

PATIENCE = 20  # seconds until something must have happened


def route():
    return service.QueryRouteRequest(topic=resource("limited"))


def connect(cluster):
    return socket.create_connection(("127.0.0.1", cluster.broker.port), timeout=PATIENCE)


def closed(connection):
    """True when the server closes the connection; what it still says is dropped."""
    try:
        while connection.recv(4096):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


def still_open(connection):
    connection.settimeout(0.3)
    try:
        return connection.recv(4096) != b""
    except TimeoutError:
        return True
    except ConnectionResetError:
        return False


def logged(cluster, *words):
    """Waits for a warning that has all the words."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        lines = [line for line in cluster.broker.log().splitlines() if line.startswith("W")]
        if any(all(word in line for word in words) for line in lines):
            return
        time.sleep(0.05)
    raise AssertionError(f"no warning with {words} in the log:\n{cluster.broker.log()[-2000:]}")


def connections(cluster, serves):
    """a further one is closed at once, and others go on"""
    cluster.create_topic("limited")
    with contextlib.ExitStack() as stack, Node(cluster.broker.address) as node:
        accepted(node.call("QueryRoute", route()))
        held = []
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:  # connections of the commands above may not have been noticed as closed yet
            extra = stack.enter_context(connect(cluster))
            if not still_open(extra):
                break
            held.append(extra)
        assert 1 <= len(held) <= 7, f"{len(held)} connections were open beside one"
        logged(cluster, "refused a connection", "8 connections are open", "the limit")
        accepted(node.call("QueryRoute", route()))
        held.pop().close()
        deadline = time.monotonic() + PATIENCE
        while not still_open(stack.enter_context(connect(cluster))):
            assert time.monotonic() < deadline, "no connection is accepted although one was closed"


def streams(cluster, serves):
    """the client holds a further one back until there is room"""
    cluster.create_topic("limited")
    with Node(cluster.broker.address) as node:
        held = [node.telemetry(iter_forever(), metadata(f"holder-{number}"), timeout=60) for number in range(2)]
        for stream in held:
            stream.initial_metadata()  # it is open
        try:
            node.call("QueryRoute", route(), timeout=1)
            raise AssertionError("a third call was answered")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
        serves(cluster)
        held[0].cancel()
        accepted(node.call("QueryRoute", route()))
        held[1].cancel()


def iter_forever():
    """A stream's commands: none, until the call ends."""
    done = time.monotonic() + 60
    while time.monotonic() < done:
        time.sleep(0.1)
        yield service.TelemetryCommand()


def request_headers(cluster, _):
    """larger ones -> gRPC RESOURCE_EXHAUSTED; gRPC then closes the connection, and the client makes another"""
    cluster.create_topic("limited")
    with Node(cluster.broker.address) as node:
        accepted(node.call("QueryRoute", route(), metadata(x_mq_note="n" * 1000)))
        try:
            node.call("QueryRoute", route(), metadata(x_mq_note="n" * 4000))
            raise AssertionError("a request with 4,000 bytes of headers was answered")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
            assert "metadata" in error.details(), error.details()
        with contextlib.suppress(grpc.RpcError):  # UNAVAILABLE when it meets the end of the old connection
            node.call("QueryRoute", route())
        accepted(node.call("QueryRoute", route()))


def silent_connection(cluster, _):
    """one that says nothing, or stops in its first words, is closed"""
    with connect(cluster) as silent, connect(cluster) as hesitant, connect(cluster) as tls, connect(cluster) as http1:
        hesitant.sendall(b"PRI * HT")
        tls.sendall(b"\x16\x03\x01\x02\x00\x01")
        http1.sendall(b"GET / HTTP/1.1\r\nHost: mansio\r\n\r\n")
        assert http1.recv(4096).startswith(b"HTTP/1.1 400 "), "an HTTP/1 client is not told what is wrong"
        for what, connection in (("silent", silent), ("hesitant", hesitant), ("half a TLS hello", tls)):
            assert closed(connection), f"{what}: still open after {PATIENCE} s"
    logged(cluster, "closed a connection", "said nothing for 500ms")
    logged(cluster, "HTTP/1")


def clients(cluster, _):
    """a further one -> TOO_MANY_REQUESTS, until another one ends"""
    cluster.create_topic("limited")
    heartbeat = service.HeartbeatRequest(client_type=definition.PRODUCER)
    with Node(cluster.broker.address) as node:
        for number in range(3):
            accepted(node.call("Heartbeat", heartbeat, metadata(f"client-{number}")))
        for rpc, request in (("Heartbeat", heartbeat), ("QueryRoute", route())):
            refused(node.call(rpc, request, metadata("one-too-many")), "TOO_MANY_REQUESTS", "limits.clients")
        commands = list(node.telemetry(iter([]), metadata("one-too-many")))
        assert [command.status.code for command in commands] == [definition.TOO_MANY_REQUESTS], commands
        accepted(node.call("QueryRoute", route(), metadata("client-0")))
        accepted(node.call("NotifyClientTermination", service.NotifyClientTerminationRequest(), metadata("client-1")))
        accepted(node.call("Heartbeat", heartbeat, metadata("no-longer-too-many")))
        accepted(node.call("NotifyClientTermination", service.NotifyClientTerminationRequest(), metadata("client-2")))


CONNECTION_LIMITS = {
    "limits.connections=8": connections,
    "limits.streams-per-connection=2": streams,
    "limits.request-headers=2KiB": request_headers,
    "limits.silent-connection=500ms": silent_connection,
    "limits.clients=3": clients,
}
