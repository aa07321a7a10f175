"""What an operator does about dead letters, and what `mansio group why` says, against real processes.

A consumer with a bug turns 10,000 messages into dead letters. The operator finds the group, reads the reason, sees a body
and its properties, has the consumer fixed and resends at a limited rate; the command is killed on its way and given again.
Every message is consumed, none twice. MANSIO_OPERATOR_MESSAGES changes the 10,000.
"""

import concurrent.futures
import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time

from mansio_cluster import BIN_DIR, ROOT, Cluster
from raw_client import RawClient
from report import Report
from sdk_client import SdkClient, assert_all_received
from why import WhyCases
from wire import Node, code_name, message, send

MESSAGES = int(os.environ.get("MANSIO_OPERATOR_MESSAGES", "10000"))
BATCH = 100  # messages of a send
RATE = max(MESSAGES // 4, 10)  # a second: the resend takes four
PATIENCE = 120
GROUP = "billing"
TOPIC = "orders"

HERE = os.path.dirname(os.path.abspath(__file__))
SDK = [sys.executable, str(ROOT / "tests" / "interop" / "python" / "client.py")]
BUGGY = [sys.executable, os.path.join(HERE, "buggy_consumer.py")]


def awaits(condition, what, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience} s in vain until {what}"
        time.sleep(0.1)


class Terminal:
    """A `mansio` command on a terminal of its own."""

    def __init__(self, cluster, *arguments):
        command = [str(BIN_DIR / "mansio"), "--endpoint", cluster.nameserver.address, *arguments]
        self._screen, tty = pty.openpty()
        fcntl.ioctl(tty, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        self._process = subprocess.Popen(command, stdin=tty, stdout=tty, stderr=tty)
        os.close(tty)
        self._text = b""
        os.set_blocking(self._screen, False)

    def read(self):
        """All that was shown so far."""
        try:
            while piece := os.read(self._screen, 65536):
                self._text += piece
        except (BlockingIOError, OSError):
            pass
        return self._text.decode(errors="replace")

    def resent(self):
        """How many the progress of a resend shows."""
        return max((int(number) for number in re.findall(r"\] (\d+) of \d+", self.read())), default=0)

    def kill9(self):
        """Ends the command as a crash would; returns the screen."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        return self._close()

    def finish(self, patience=PATIENCE):
        """Waits for the end; returns (exit code, screen)."""
        deadline = time.monotonic() + patience
        while self._process.poll() is None:
            self.read()
            assert time.monotonic() < deadline, f"the command has not ended: {self.read()[-300:]}"
            time.sleep(0.05)
        return self._process.returncode, self._close()

    def _close(self):
        text = self.read()
        os.close(self._screen)
        return text


class Day:
    def __init__(self, cluster, report):
        self.cluster = cluster
        self.report = report
        self.endpoint = cluster.nameserver.address
        self.sent = {}

    def mansio(self, *arguments):
        return self.cluster.mansio(*arguments, endpoint=self.endpoint, timeout=PATIENCE)

    def dead(self, group=GROUP):
        """How many dead letters the group has."""
        return sum(row["dead_letters"] for row in self.mansio("dlq", "stats", group))

    @contextlib.contextmanager
    def consumer(self, command, kind, *options):
        """A started consumer of the group, until it has consumed all messages."""
        arguments = ["--endpoint", self.endpoint, "--topic", TOPIC, "--group", GROUP, "--count", str(MESSAGES)]
        with SdkClient(command, self.cluster.directory, kind, *arguments, *options) as client:
            client.await_event("ready", PATIENCE)
            yield client

    def run(self):
        for case in (self.bug, self.find, self.look, self.dry_run, self.resend, self.save):
            with self.report.case(case.__doc__):
                case()

    def bug(self):
        """a consumer bug fills the dead letters"""
        self.cluster.create_topic(TOPIC)
        self.mansio("group", "create", GROUP, "--max-attempts", "1", "--start", "earliest")
        self.send()
        with self.consumer(BUGGY, "buggy") as buggy:
            buggy.await_event("done", PATIENCE)
        awaits(lambda: self.dead() == MESSAGES, f"{MESSAGES} dead letters are there")

    def send(self):
        """Each message once: an SDK sends again what a busy broker answers late, and then there are more."""
        with Node(self.cluster.broker.address) as node:
            for first in range(0, MESSAGES, BATCH):
                bodies = [f"order-{number}" for number in range(first, min(first + BATCH, MESSAGES))]
                batch = [
                    message(TOPIC, body.encode(), {"number": body.split("-")[1]}, tag="interop", keys=[body])
                    for body in bodies
                ]
                answer = node.call("SendMessage", send(*batch))
                assert code_name(answer.code) == "OK", answer.text
                self.sent.update(zip(bodies, (entry.message_id for entry in answer.response.entries)))

    def find(self):
        """`dlq stats` names the group, how many and since when"""
        rows = self.mansio("dlq", "stats")
        assert [(row["group"], row["dead_letters"]) for row in rows] == [(GROUP, MESSAGES)], rows
        row = rows[0]
        assert row["newest_reason"] == "attempts" and row["oldest"] <= row["newest"], row
        assert re.match(r"\d", row["oldest_age"]), row
        lag = self.mansio("group", "lag", GROUP)
        assert lag["dead_letters"] == MESSAGES and lag["lag"] == 0, lag

    def look(self):
        """a letter shows its reason, body and properties"""
        listed = self.mansio("dlq", "list", GROUP, "--limit", "3")
        assert len(listed) == 3, listed
        letter = self.mansio("dlq", "show", GROUP, listed[0]["message_id"])
        assert letter["reason"] == "attempts" and letter["attempts"] == 1 and letter["resends"] == 0, letter
        assert letter["body"] in self.sent and letter["keys"] == [letter["body"]], letter
        assert letter["properties"]["number"] == letter["body"].split("-")[1], letter
        assert letter["origin"].startswith(f"{TOPIC}/"), letter

    def dry_run(self):
        """a dry run says what would happen, and nothing does"""
        for selection, expected in (
            (["--all"], MESSAGES),
            (["--tag", "interop"], MESSAGES),
            (["--tag", "other"], 0),
            (["--sql", "number = '7' OR number = '8'"], 2),
            (["--id", next(iter(self.sent.values()))], 1),
            (["--since", "1h"], MESSAGES),
            (["--until", "2020-01-01"], 0),
        ):
            result = self.mansio("dlq", "resend", GROUP, *selection, "--dry-run")
            assert result["resent"] == expected, f"{selection}: {result}"
        assert self.dead() == MESSAGES

    def resend(self):
        """the resend is killed on its way, goes on, and nothing is lost or doubled"""
        with self.consumer(SDK, "simple", "--invisible", str(5 * PATIENCE)) as fixed:
            command = ("dlq", "resend", GROUP, "--all", "--yes", "--rate", str(RATE))
            first = Terminal(self.cluster, *command)
            # As the command itself shows it: to ask for it might take longer than the other half.
            awaits(lambda: first.resent() >= MESSAGES // 4, "a quarter of them is resent")
            shown = first.kill9()
            left = self.dead()
            assert 0 < left < MESSAGES, f"{left} are left: the command was not killed on its way"
            assert re.search(rf"resending \[=+ *\] \d+ of {MESSAGES}  \d+%", shown), shown[-300:]
            started = time.monotonic()
            code, shown = Terminal(self.cluster, *command).finish()
            took = time.monotonic() - started
            assert code == 0 and f"resent {left} dead letters of group {GROUP}" in shown, shown[-300:]
            assert took >= (left - RATE // 5) / RATE * 0.9, f"{left} at {RATE} a second took {took:.1f} s"
            fixed.await_event("done", PATIENCE)
        assert_all_received(fixed, self.sent)
        twice = [body for body, times in fixed.received.items() if times > 1]
        assert not twice, f"{len(twice)} messages came twice, for example {twice[:3]}"
        assert self.dead() == 0 and self.mansio("dlq", "stats") == []
        assert self.mansio("dlq", "list", GROUP) == []

    def save(self):
        """letters are exported, purged and imported, and resent to another topic with their history"""
        self.cluster.create_topic("repaired", "--queues", "1")
        self.mansio("group", "create", "audit", "--max-attempts", "1", "--start", "earliest")
        self.cluster.create_topic("entries", "--queues", "1")
        raw = RawClient(self.cluster.broker.address)
        for number in range(10):
            raw.send("entries", f"entry {number}".encode())
        received = []
        while len(received) < 10:
            received += raw.receive("entries", "audit")
        awaits(lambda: self.dead("audit") == 10, "10 dead letters are there")
        path = self.cluster.directory / "letters.jsonl"
        assert self.mansio("dlq", "export", "audit", "--file", str(path))["exported"] == 10
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert len(lines) == 10 and lines[0]["dead_letter"]["reason"] == "attempts", lines[:1]
        assert self.mansio("dlq", "purge", "audit", "--all", "--yes")["purged"] == 10
        assert self.dead("audit") == 0
        for imported, skipped in ((10, 0), (0, 10)):
            result = self.mansio("dlq", "import", "audit", "--file", str(path))
            assert (result["imported"], result["skipped"]) == (imported, skipped), result
        assert self.mansio("dlq", "resend", "audit", "--all", "--to-topic", "repaired")["resent"] == 10
        printed = subprocess.run(
            [str(BIN_DIR / "mansio"), "--endpoint", self.cluster.broker.address, "-o", "json", "message", "print", "repaired"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        ).stdout.splitlines()
        properties = json.loads(printed[0])["properties"]
        assert len(printed) == 10 and properties["mansio-dlq-origin"] == "entries/0/0", properties
        assert properties["mansio-dlq-group"] == "audit" and properties["mansio-dlq-resends"] == "1", properties
        raw.close()


def main():
    report = Report()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        why = pool.submit(WhyCases(report, BUGGY).run)  # on brokers of its own; both mostly wait
        with Cluster() as cluster:
            Day(cluster, report).run()
        why.result()
    report.finish()


if __name__ == "__main__":
    main()
