"""Starts real Mansio processes on free loopback ports, for the interop and fault suites.

    with Cluster(nameserver=True) as cluster:
        cluster.create_topic("orders")
        cluster.broker.kill9()
        cluster.broker.start()

Data and logs are in a temporary directory that is removed when the block ends without an exception, and
kept, with its path printed, when it does not. Leaving the block ends every process with SIGTERM and fails
unless each exits with 0.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BIN_DIR = pathlib.Path(os.environ.get("MANSIO_BIN_DIR", ROOT / "build" / "bin"))

READY_TIMEOUT = 60  # seconds until a started process must log that it is ready
STOP_TIMEOUT = 60  # seconds until a process must have ended after SIGTERM
NO_BROKER = 5  # exit code of a command at a nameserver that knows no broker
COMMAND_TIMEOUT = 60  # seconds until a mansio command must have ended


def reserve_port():
    """A socket whose port nobody else is given while it is open, and nobody but who asks for that port can listen on."""
    holder = socket.socket()
    # A socket that does not listen stands in nobody's way who has set this, too, as Mansio does.
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder


class Process:
    """One Mansio process; it keeps its address, data and log over restarts."""

    ready = re.compile(r"\bready\b")  # what it logs when it serves

    def __init__(self, program, directory, config, settings, name=None, address=None, prefix=()):
        """`address`: where it listens, otherwise on a free port; `prefix`: the command that starts its command."""
        self.name = name or program
        if address is None:
            self._reservation = reserve_port()  # other suites run at the same time, also while this process does not
            address = f"127.0.0.1:{self._reservation.getsockname()[1]}"
        self.address = address
        self.port = int(address.rsplit(":", 1)[1])
        self.log_path = directory / f"{self.name}.log"
        self._command = [*prefix, str(BIN_DIR / f"mansio-{program}"), "--config", str(config)]
        self.configure(f"listen={self.address}", *settings)
        self._directory = directory
        self._process = None
        self._log_start = 0

    @property
    def pid(self):
        return self._process.pid

    def configure(self, *settings):
        """Adds settings, over earlier ones, for the next start."""
        for setting in settings:
            self._command += ["--set", setting]

    def start(self):
        """Starts the process and returns when it says that it is ready."""
        assert self._process is None, f"{self.name} already runs"
        self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + READY_TIMEOUT
        while not self.ready.search(self.log()):
            if self._process.poll() is not None:
                code, self._process = self._process.returncode, None
                raise AssertionError(f"{self.name} exited with {code} instead of serving:\n{self.log()[-2000:]}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} is not ready after {READY_TIMEOUT} s:\n{self.log()[-2000:]}")
            time.sleep(0.01)

    def log(self):
        """What the process has logged since its last start."""
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            log.seek(self._log_start)
            return log.read()

    def kill9(self):
        """Ends the process as a crash would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def terminate(self):
        """Ends the process with SIGTERM; it must exit with 0."""
        process, self._process = self._process, None
        assert process.poll() is None, f"{self.name} ended by itself with {process.returncode}:\n{self.log()[-2000:]}"
        process.terminate()
        try:
            code = process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.name} did not end within {STOP_TIMEOUT} s of SIGTERM") from None
        assert code == 0, f"{self.name} exited with {code} on SIGTERM:\n{self.log()[-2000:]}"

    def restart(self):
        """An orderly restart on the same address and data."""
        self.terminate()
        self.start()

    @property
    def running(self):
        return self._process is not None


class Cluster:
    """A broker, and a nameserver if wanted."""

    def __init__(self, nameserver=True, durability="sync", broker_settings=(), nameserver_settings=()):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="mansio-test-"))
        self.nameserver = None
        settings = [f"store.path={self.directory / 'broker'}", f"durability={durability}", *broker_settings]
        if nameserver:
            self.nameserver = Process("nameserver", self.directory, ROOT / "conf" / "nameserver.yaml", nameserver_settings)
            settings.append(f"nameservers={self.nameserver.address}")
        self.broker = Process("broker", self.directory, ROOT / "conf" / "broker.yaml", settings)

    def _processes(self):
        return [process for process in (self.broker, self.nameserver) if process is not None]

    def __enter__(self):
        try:
            for process in reversed(self._processes()):
                process.start()
            if self.nameserver:
                self._await_registration()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind, error, trace):
        failures = []
        for process in self._processes():
            if process.running:
                try:
                    process.terminate()
                except AssertionError as failure:
                    failures.append(str(failure))
        if kind is not None or failures:
            print(f"data and logs of the failed test are in {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)
        if failures and kind is None:
            raise AssertionError("\n".join(failures))

    def refuses_to_start(self):
        """Starts the broker, which must end by itself instead; returns what it said."""
        try:
            self.broker.start()
        except AssertionError as refusal:
            return str(refusal)
        finally:
            if self.broker.running:
                self.broker.kill9()
            shutil.rmtree(self.directory, ignore_errors=True)
        raise AssertionError("the broker started")

    def mansio(self, *arguments, endpoint=None, timeout=COMMAND_TIMEOUT, codes=(0,), patience="30s"):
        """Runs the mansio command with JSON output; returns what it printed, decoded. `codes`: how it may exit.

        `patience`: how long the command itself waits for an answer.
        """
        command = [str(BIN_DIR / "mansio"), "--endpoint", endpoint or self.broker.address, "--timeout", patience]
        command += ["-o", "json", *arguments]
        result = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        if result.returncode not in codes:
            raise AssertionError(f"'mansio {' '.join(arguments)}' exited with {result.returncode}: {result.stderr}")
        return json.loads(result.stdout) if result.stdout.strip() else None

    def create_topic(self, name, *options):
        """Creates a topic and waits until every access point has it."""
        self.mansio("topic", "create", name, *options)
        for process in self._processes():
            self.await_true(lambda p=process: self._lists_topic(p, name), f"{process.name} knows the topic {name}")

    def _lists_topic(self, process, name):
        return f'"{name}"' in json.dumps(self.mansio("topic", "list", endpoint=process.address, codes=(0, NO_BROKER)))

    def online_addresses(self, nameserver):
        """The addresses of the brokers that are registered with a nameserver, as one text."""
        return json.dumps([broker["addresses"] for broker in self.online_brokers(nameserver)])

    def online_brokers(self, process):
        """What a node says of the brokers that it knows and that are there."""
        brokers = self.mansio("cluster", "list", endpoint=process.address, codes=(0, NO_BROKER)) or []
        return [broker for broker in brokers if broker["online"]]

    def _await_registration(self):
        self.await_true(
            lambda: self.broker.address in self.online_addresses(self.nameserver),
            "the broker has registered with the nameserver",
        )

    @staticmethod
    def await_true(condition, what, timeout=60):
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {timeout} s in vain until {what}")
            time.sleep(0.05)
