"""Runs an SDK's producer of delayed messages (tests/interop/delay/delay.py says what it does)."""

import json
import os
import subprocess


class DelayedProducer:
    """A running producer; the SDKs log into the home directory. Leaving the block ends it."""

    def __init__(self, command, home, endpoint, *topics):
        self._log = open(os.path.join(home, "producer.stderr"), "wb")
        self._process = subprocess.Popen(
            [*command, endpoint, *topics],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "HOME": str(home), "JAVA_TOOL_OPTIONS": f"-Duser.home={home}"},
        )

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._log.close()

    def events(self, count):
        """Its next events."""
        events = []
        while len(events) < count:
            line = self._process.stdout.readline()
            assert line, f"the producer ended after {events}; see {self._log.name}"
            if line.startswith("{"):
                events.append(json.loads(line))
        return events

    def proceed(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()
