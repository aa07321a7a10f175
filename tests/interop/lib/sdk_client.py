"""Runs the test client of one official SDK as a process and collects what it reports.

Every SDK's test client takes the same arguments

    produce --endpoint E --topic T --prefix P --count N [--pause-at K] [--work MS] [--groups G]
    simple  --endpoint E --topic T --group G [--count N] [--sql EXPRESSION] [--fail BODY] [--work MS] [--invisible S]
            [--change S] [--batch N] [--receivers N]
    push    --endpoint E --topic T --group G [--count N] [--sql EXPRESSION] [--fail BODY] [--work MS]
    transact --endpoint E --topic T --body B --ending commit|rollback|none --answer commit|rollback|unknown

and prints one JSON object a line: {"event": "ready"} when the SDK's client has started, {"event": "sent", "id", "body"}
for each message, {"event": "paused"} after K sends (it goes on when a line arrives on its standard input), {"event":
"error", "text"} for an SDK call that failed (the client tries again) and {"event": "done"} after N distinct messages.

A consumer reports {"event": "received", "id", "body", "attempt", "at"} for each delivery ("at" in seconds), works on it
for MS, and acknowledges it, except the messages with the body that it fails ("*": all). A simple consumer gives each
message another invisible time first if there is --change. It ends after N distinct messages that it did not fail, or,
without --count, when its input is closed; it says goodbye to the server.

A producer has some sends under way at a time; after each of them it waits for MS. With --groups it sends in G message
groups, P-0 to P-(G-1), number n in group n modulo G, one message of a group at a time. Java's waits --timeout S for an
answer, 15 if there is none; the others as long as their SDKs do.

"transact" sends one half message (none if B is empty), ends it, is done, and answers check-backs, {"event": "check",
"id", "body"} for each, until its input is closed.
"""

import collections
import contextlib
import json
import os
import queue
import subprocess
import threading
import time

TAKE_ONE_ADDRESS = {"Node.js"}  # its gRPC library takes several addresses for the name of one host
SEPARATORS = {"Rust": ","}  # between addresses
# What the newest release of an SDK does not have.
WITHOUT = {"Rust": {"push", "recall"}}
START_TIMEOUT = 60  # seconds until a client must have started
LEAVE_TIMEOUT = 60  # seconds until it must have ended
# More processes that start at the same time would take all of a small machine.
_starting = threading.Semaphore(2)

Delivery = collections.namedtuple("Delivery", "at body attempt consumer")


class SdkClient:
    """One running test client. Use it in a with block: leaving it ends the process."""

    def __init__(self, command, home, *arguments):
        self.name = arguments[0]
        self.sent = {}  # body -> message id
        self.received = collections.Counter()  # body -> how often
        self._deliveries = []
        self._checks = queue.Queue()
        self.errors = []
        self._events = queue.Queue()
        # The SDKs log into the home directory.
        self._stderr = open(os.path.join(home, f"{self.name}-{time.monotonic_ns()}.stderr"), "wb")
        self._process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            env={**os.environ, "HOME": str(home), "JAVA_TOOL_OPTIONS": f"-Duser.home={home}"},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        self._process.stdin.close()
        self._stderr.close()

    def _read(self):
        for line in self._process.stdout:
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError):
                self.errors.append(f"not an event: {line.strip()}")
        self._events.put("end of output")

    def _take(self, event):
        kind = event["event"]
        if kind == "sent":
            self.sent[event["body"]] = event["id"]
        elif kind == "received":
            self._deliveries.append(Delivery(event["at"], event["body"], event["attempt"], self._process.pid))
            self.received[event["body"]] += 1
        elif kind == "check":
            self._checks.put(event)
        elif kind == "error":
            self.errors.append(event["text"])
        else:
            self._events.put(kind)

    def await_event(self, wanted, timeout):
        """Waits for "ready", "paused" or "done"."""
        try:
            event = self._events.get(timeout=timeout)
        except queue.Empty:
            event = f"nothing within {timeout} s"
        assert event == wanted, (
            f"{self.name}: expected '{wanted}', got '{event}' (sent {len(self.sent)}, received {len(self.received)}"
            f" distinct); last errors: {self.errors[-3:]}; see {self._stderr.name}"
        )

    def next_check(self, timeout):
        """The next check-back that the producer has answered."""
        try:
            return self._checks.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"{self.name}: no check-back within {timeout} s; last errors: {self.errors[-3:]}") from None

    def deliveries(self):
        """What was handed to the consumer so far, in that order."""
        return self._deliveries.copy()

    def kill9(self):
        """Ends the client as a crash would."""
        self._process.kill()
        self._process.wait()

    def leave(self):
        """Lets a consumer without a count say goodbye and end."""
        self._process.stdin.close()
        self._process.wait(LEAVE_TIMEOUT)

    def proceed(self):
        """Lets a paused producer go on."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()


class Sdk:
    """An official SDK whose test client can be started."""

    def __init__(self, name, command):
        self.name = name
        self.key = name.lower().replace(".", "-")  # for names of topics and groups
        self._command = command

    @contextlib.contextmanager
    def client(self, cluster, command, topic, endpoint=None, **options):
        """A started test client; `options` are its arguments by name."""
        arguments = [command, "--endpoint", endpoint or cluster.broker.address, "--topic", topic]
        for name, value in options.items():
            arguments += [f"--{name}", str(value)]
        with contextlib.ExitStack() as running:
            with _starting:
                client = running.enter_context(SdkClient(self._command, cluster.directory, *arguments))
                client.await_event("ready", START_TIMEOUT)
            yield client

    def consumer(self, cluster, kind, topic, group, endpoint=None, **options):
        """A started consumer; `kind` is "push" or "simple"."""
        return self.client(cluster, kind, topic, endpoint, group=group, **options)


def joined(name, addresses):
    """Several addresses as the SDK of that name wants them; the first one where it takes only one."""
    return addresses[0] if name in TAKE_ONE_ADDRESS else SEPARATORS.get(name, ";").join(addresses)


def has(name, feature):
    """Whether the SDK of that name has a feature: "push" or "recall"."""
    return feature not in WITHOUT.get(name, ())


def sdks_of(arguments):
    """The SDKs that a suite is to run with: "NAME|COMMAND" each, words separated by blanks."""
    return [Sdk(name, command.split()) for name, command in (text.split("|", 1) for text in arguments)]


def all_deliveries(*consumers):
    """What all of them were handed, in the order of time."""
    # Those of one consumer at the same time stay in their order.
    return sorted((one for consumer in consumers for one in consumer.deliveries()), key=lambda one: one.at)


def await_bodies(bodies, *consumers, timeout):
    """Waits until each of the bodies has come to one of the consumers."""
    deadline = time.monotonic() + timeout
    while missing := set(bodies) - {delivery.body for delivery in all_deliveries(*consumers)}:
        assert time.monotonic() < deadline, f"{len(missing)} messages did not come, for example {sorted(missing)[:5]}"
        time.sleep(0.2)


def assert_all_received(consumer, sent):
    """Every sent body was received, and nothing that nobody sent."""
    missing = sorted(set(sent) - set(consumer.received))
    strange = sorted(set(consumer.received) - set(sent))
    assert not missing, f"{consumer.name}: {len(missing)} of {len(sent)} messages are missing, for example {missing[:3]}"
    assert not strange, f"{consumer.name}: received what was never sent: {strange[:3]}"
