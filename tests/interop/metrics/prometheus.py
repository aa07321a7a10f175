"""A Prometheus server of the test's own, on a free port, with its data in a temporary directory."""

import json
import pathlib
import subprocess
import time
import urllib.parse

from mansio_cluster import ROOT, reserve_port
from page import fetch

START_TIMEOUT = 60


class Prometheus:
    """Scrapes the targets each second and evaluates conf/prometheus-alerts.yml."""

    def __init__(self, directory, targets):
        self._directory = pathlib.Path(directory) / "prometheus"
        self._directory.mkdir()
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ROOT / "conf" / "prometheus-alerts.yml")],
            "scrape_configs": [{"job_name": "mansio", "static_configs": [{"targets": targets}]}],
        }
        # JSON is YAML.
        (self._directory / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
        self._reservation = reserve_port()
        self._address = f"127.0.0.1:{self._reservation.getsockname()[1]}"
        self._process = None

    def __enter__(self):
        with open(self._directory / "log", "wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self._directory / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._directory / 'data'}",
                    f"--web.listen-address={self._address}",
                ],
                stdout=log,
                stderr=log,
            )
        try:
            self.await_true(self._is_ready, "Prometheus is ready", START_TIMEOUT)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind, error, trace):
        self._process.kill()  # its data are thrown away
        self._process.wait()

    def _is_ready(self):
        assert self._process.poll() is None, (self._directory / "log").read_text()[-2000:]
        try:
            return fetch(self._address, "/-/ready")[0] == 200
        except OSError:
            return False

    def query(self, expression):
        """The series of an instant query as a list of (labels, value)."""
        status, body = fetch(self._address, "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        answer = json.loads(body)
        assert status == 200 and answer["status"] == "success", f"{expression}: {body}"
        return [(series["metric"], float(series["value"][1])) for series in answer["data"]["result"]]

    def alerts(self):
        """Names of the alerts that are firing. Others are pending while a busy machine is slow for a moment."""
        _, body = fetch(self._address, "/api/v1/alerts")
        alerts = json.loads(body)["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    @staticmethod
    def await_true(condition, what, timeout=60):
        """Returns what the condition has returned."""
        deadline = time.monotonic() + timeout
        while not (result := condition()):
            assert time.monotonic() < deadline, f"waited {timeout} s in vain until {what}"
            time.sleep(0.2)
        return result
