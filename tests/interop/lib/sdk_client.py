"""Runs the test client of one official SDK as a process and collects what it reports.

Every SDK's test client takes the same arguments

    produce --endpoint E --topic T --prefix P --count N [--pause-at K]
    simple  --endpoint E --topic T --group G --count N [--sql EXPRESSION]
    push    --endpoint E --topic T --group G --count N [--sql EXPRESSION]
    transact --endpoint E --topic T --body B --ending commit|rollback|none --answer commit|rollback|unknown

and prints one JSON object a line: {"event": "ready"} when the SDK's client has started, {"event": "sent", "id", "body"}
and {"event": "received", "id", "body", "attempt"} for each message, {"event": "paused"} after K sends (it goes on when a
line arrives on its standard input), {"event": "error", "text"} for an SDK call that failed (the client tries again) and
{"event": "done"} after N distinct messages. "transact" sends one half message (none if B is empty), ends it, is done, and
answers check-backs, {"event": "check", "id", "body"} for each, until its input is closed.
"""

import collections
import json
import os
import queue
import subprocess
import threading
import time


class SdkClient:
    """One running test client. Use it in a with block: leaving it ends the process."""

    def __init__(self, command, home, *arguments):
        self.name = arguments[0]
        self.sent = {}  # body -> message id
        self.received = collections.Counter()  # body -> how often
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
                event = json.loads(line)
            except ValueError:
                self.errors.append(f"not JSON: {line.strip()}")
                continue
            kind = event["event"]
            if kind == "sent":
                self.sent[event["body"]] = event["id"]
            elif kind == "received":
                self.received[event["body"]] += 1
            elif kind == "check":
                self._checks.put(event)
            elif kind == "error":
                self.errors.append(event["text"])
            else:
                self._events.put(kind)
        self._events.put("end of output")

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

    def proceed(self):
        """Lets a paused producer go on."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()


def assert_all_received(consumer, sent):
    """Every sent body was received, and nothing that nobody sent."""
    missing = sorted(set(sent) - set(consumer.received))
    strange = sorted(set(consumer.received) - set(sent))
    assert not missing, f"{consumer.name}: {len(missing)} of {len(sent)} messages are missing, for example {missing[:3]}"
    assert not strange, f"{consumer.name}: received what was never sent: {strange[:3]}"
