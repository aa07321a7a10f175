"""Reads pages in the Prometheus text format, enough for what Mansio writes."""

import re
import urllib.error
import urllib.request

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')


def fetch(address, path):
    """(status, body) of a GET."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Page:
    """One scrape: types by metric name, and samples as (name, labels, value)."""

    def __init__(self, address):
        status, self.text = fetch(address, "/metrics")
        assert status == 200, f"/metrics answered {status}: {self.text}"
        self.types = {}
        self.samples = []
        for line in self.text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                assert name not in self.types, f"{name} has two TYPE lines"
                self.types[name] = kind
            elif not line.startswith("#"):
                match = _SAMPLE.match(line)
                assert match, f"no sample: {line}"
                self.samples.append((match[1], dict(_LABEL.findall(match[2] or "")), float(match[3])))

    def value(self, name, **labels):
        """The one sample with these labels; None when there is none."""
        found = [v for n, have, v in self.samples if n == name and labels.items() <= have.items()]
        assert len(found) <= 1, f"{name} {labels} is not one series but {len(found)}"
        return found[0] if found else None

    def labels_of(self, metric):
        """The label names of a metric's series, which must be the same for all of them."""
        suffixes = ("", "_bucket", "_sum", "_count") if self.types[metric] == "histogram" else ("",)
        names = {metric + suffix for suffix in suffixes}
        sets = {frozenset(have) - {"le"} for name, have, _ in self.samples if name in names}
        assert len(sets) == 1, f"{metric} has series with the labels {sets}"
        return sets.pop()
