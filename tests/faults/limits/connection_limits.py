"""Limits of connections and clients, at brokers and nameservers: what the client sees, and the line in the server's log.

Each function gets the cluster and the process whose limit is lowered.
"""

import collections
import concurrent.futures
import contextlib
import socket
import threading
import time

import grpc
from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service

from request_limits import accepted, refused
from wire import Node, message, metadata, resource

PATIENCE = 20  # seconds until something must have happened
LARGE = 16  # requests of 30 MiB at once


def route():
    return service.QueryRouteRequest(topic=resource("limited"))


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


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
    """False when the server has closed it already."""
    connection.settimeout(0.01)
    try:
        return connection.recv(4096) != b""
    except TimeoutError:
        return True
    except ConnectionResetError:
        return False


def logged(server, *words):
    """Waits for a warning that has all the words."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        lines = [line for line in server.log().splitlines() if line.startswith("W")]
        if any(all(word in line for word in words) for line in lines):
            return
        time.sleep(0.05)
    raise AssertionError(f"no warning with {words} in the log:\n{server.log()[-2000:]}")


def connections(cluster, server, serves):
    """a further one is closed at once, and others go on"""
    cluster.create_topic("limited")
    with contextlib.ExitStack() as stack, Node(server.address) as node:
        accepted(node.call("QueryRoute", route()))
        held = [stack.enter_context(connect(server)) for _ in range(10)]
        deadline = time.monotonic() + PATIENCE
        while len(held) > 7:
            assert time.monotonic() < deadline, f"{len(held)} connections are open beside one"
            held = [connection for connection in held if still_open(connection)]
        assert held, "all connections were closed"
        logged(server, "refused a connection", "8 connections are open", "the limit")
        accepted(node.call("QueryRoute", route()))
        for connection in held:
            connection.close()
        with Node(server.address) as further:
            accepted(once_connected(further))


def streams(cluster, server, serves):
    """the client holds a further one back until there is room"""
    cluster.create_topic("limited")
    with Node(server.address) as node:
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


def request_headers(cluster, server, _):
    """larger ones -> gRPC RESOURCE_EXHAUSTED; gRPC then closes the connection, and the client makes another"""
    cluster.create_topic("limited")
    with Node(server.address) as node:
        accepted(node.call("QueryRoute", route(), metadata(x_mq_note="n" * 1000)))
        try:
            node.call("QueryRoute", route(), metadata(x_mq_note="n" * 4000))
            raise AssertionError("a request with 4,000 bytes of headers was answered")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
            assert "metadata" in error.details(), error.details()
        accepted(once_connected(node))


def once_connected(node):
    """The answer to a call; calls made on a connection that is just being closed end with UNAVAILABLE."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return node.call("QueryRoute", route())
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE, error
            assert time.monotonic() < deadline, "the client has not made a connection"
            time.sleep(0.01)


def silent_connection(_, server, __):
    """one that says nothing, or stops in its first words, is closed"""
    deadline = time.monotonic() + PATIENCE
    while not http1_answer(server).startswith(b"HTTP/1.1 400 "):
        assert time.monotonic() < deadline, "an HTTP/1 client is not told what is wrong"
    with connect(server) as silent, connect(server) as hesitant, connect(server) as tls:
        hesitant.sendall(b"PRI * HT")
        tls.sendall(b"\x16\x03\x01\x02\x00\x01")
        for what, connection in (("silent", silent), ("hesitant", hesitant), ("half a TLS hello", tls)):
            assert closed(connection), f"{what}: still open after {PATIENCE} s"
    logged(server, "closed a connection", "said nothing for 500ms")
    logged(server, "HTTP/1")


def http1_answer(server):
    """What an HTTP/1 client is told; nothing when it was too slow for the limit."""
    try:
        with connect(server) as http1:
            http1.sendall(b"GET / HTTP/1.1\r\nHost: mansio\r\n\r\n")
            return http1.recv(4096)
    except (BrokenPipeError, ConnectionResetError):
        return b""


def clients(cluster, server, _):
    """a further one -> TOO_MANY_REQUESTS, until another one ends"""
    cluster.create_topic("limited")
    heartbeat = service.HeartbeatRequest(client_type=definition.PRODUCER)
    with Node(server.address) as node:
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


def unsent_bytes(cluster, server, serves):
    """answers to a client that does not read are dropped beyond it; the stream goes on when it reads"""
    cluster.create_topic("limited")
    settings = definition.Settings(client_type=definition.PRODUCER)
    settings.publishing.topics.extend(resource(f"t{number}-{'x' * 100}") for number in range(400))
    command = service.TelemetryCommand(settings=settings)  # 45 KiB, and so is its answer
    sent, read, done = threading.Event(), threading.Event(), threading.Event()

    def commands():
        for _ in range(200):
            yield command
        yield service.TelemetryCommand(settings=definition.Settings(client_type=definition.PRODUCER, publishing={}))
        sent.set()
        read.wait(3 * PATIENCE)
        yield service.TelemetryCommand(
            settings=definition.Settings(client_type=definition.PRODUCER, publishing={"max_body_size": 77})
        )
        done.wait(3 * PATIENCE)

    # A small window: what the client has not read must wait at the server.
    options = [("grpc.http2.lookahead_bytes", 65_536), ("grpc.http2.bdp_probe", 0)]
    with Node(server.address, options) as node:
        stream = node.telemetry(commands(), metadata("does-not-read"), timeout=4 * PATIENCE)
        assert sent.wait(PATIENCE), "the server does not read what the client says"
        serves(cluster)
        read.set()
        answers = 0
        for answer in stream:
            answers += 1
            if len(answer.settings.publishing.topics) == 0:
                break
        done.set()
    assert answers < 100, f"{answers} of 200 answers waited for a client that did not read"


def rpc_memory(cluster, server, serves):
    """large requests at once are slowed down or refused by the transport, and others are served"""
    cluster.create_topic("limited")
    request = service.SendMessageRequest(messages=[message("limited", b"b" * (10 << 20)) for _ in range(3)])
    # gRPC lets each connection finish the request that it has begun, and one that is looked at is there twice.
    bound = 2 * LARGE * request.ByteSize()

    def one(number):
        with Node(server.address) as node:
            try:
                node.call("SendMessage", request, metadata(f"large-{number}"), timeout=60)
            except grpc.RpcError as error:
                return error.code()
            return grpc.StatusCode.OK

    before = peak_memory(server)
    with concurrent.futures.ThreadPoolExecutor(LARGE) as pool:
        codes = collections.Counter(pool.map(one, range(LARGE)))
    grown = peak_memory(server) - before
    allowed = {
        grpc.StatusCode.OK,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
    assert set(codes) <= allowed, codes
    print(f"     {dict(codes)}, {grown >> 20} MiB more memory")
    assert grown < bound, f"the process took {grown >> 20} MiB more; answers: {codes}"
    serves(cluster)


def peak_memory(server):
    """The most resident memory that the process has had, in bytes."""
    with open(f"/proc/{server.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:"))


CONNECTION_LIMITS = {
    "limits.connections=8": connections,
    "limits.streams-per-connection=2": streams,
    "limits.request-headers=2KiB": request_headers,
    "limits.silent-connection=500ms": silent_connection,
    "limits.unsent-bytes-per-stream=64KiB": unsent_bytes,
    "limits.rpc-memory-bytes=64MiB": rpc_memory,
    "limits.clients=3": clients,
}
