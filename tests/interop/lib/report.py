"""Counts cases and prints the last line that scripts/test reads: "N passed, N failed", and ", N skipped" if any are."""

import concurrent.futures
import contextlib
import signal
import sys
import time
import traceback


class Report:
    """The cases of one suite. A case fails when its block raises."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.skipped = 0
        # Whoever ends the suite wants its processes, mounts and directories gone, too: with blocks end as they should.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

    @contextlib.contextmanager
    def case(self, name):
        started = time.monotonic()
        error = None
        try:
            yield
        except Exception as raised:  # pylint: disable=broad-except
            error = raised
        self._record(name, time.monotonic() - started, error)

    def together(self, cases, at_once=None):
        """Runs cases, (name, function) each, at the same time, or so many of them: for those that mostly wait."""

        def timed(function):
            started = time.monotonic()
            error = None
            try:
                function()
            except Exception as raised:  # pylint: disable=broad-except
                error = raised
            return time.monotonic() - started, error

        with concurrent.futures.ThreadPoolExecutor(at_once or len(cases)) as pool:
            outcomes = [(name, pool.submit(timed, function)) for name, function in cases]
            for name, outcome in outcomes:
                self._record(name, *outcome.result())

    def _record(self, name, seconds, error):
        if error is None:
            self.passed += 1
            print(f"ok   {name} ({seconds:.1f} s)")
        else:
            self.failed += 1
            print(f"FAIL {name} ({seconds:.1f} s)")
            if isinstance(error, AssertionError):
                frame = traceback.extract_tb(error.__traceback__)[-1]
                print(f"     {frame.filename}:{frame.lineno}: {str(error) or frame.line}")
            else:
                traceback.print_exception(error, file=sys.stdout)
        sys.stdout.flush()

    def skip(self, name, reason):
        """Counts a case that cannot run on this machine."""
        self.skipped += 1
        print(f"SKIP {name}: {reason}", flush=True)

    def finish(self):
        """Prints the summary and ends the program."""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        print(f"{self.passed} passed, {self.failed} failed{skipped}")
        sys.exit(1 if self.failed else 0)
