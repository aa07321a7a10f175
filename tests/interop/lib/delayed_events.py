"""Runs an SDK's producer of delayed messages (tests/interop/delay) to its end."""

import json
import os
import subprocess


def events_of(command, home, endpoint, *topics):
    """What the producer reports, as a list of dictionaries. The SDKs log into the home directory."""
    with open(os.path.join(home, "producer.stderr"), "wb") as log:
        result = subprocess.run(
            [*command, endpoint, *topics],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "HOME": str(home), "JAVA_TOOL_OPTIONS": f"-Duser.home={home}"},
        )
    events = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    assert result.returncode == 0, f"the producer failed: {events}; see {log.name}"
    return events
