#!/usr/bin/env python3
"""Counts the test cases of one ctest run.

Usage: count_tests.py DIRECTORY

DIRECTORY holds ctest.xml (ctest --output-junit) and, for each GoogleTest program, its XML report
(GTEST_OUTPUT=xml:DIRECTORY/). A program without a report (it crashed, ran into its time limit, or is
no GoogleTest program) counts as one test with ctest's verdict. Prints each failed and skipped case and, last,
"N passed, N failed" with ", N skipped" when there are any.
"""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def count_report(path):
    """The (passed, failed, skipped) cases of one GoogleTest report."""
    passed = failed = skipped = 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        if case.get("status") == "notrun":
            skipped += 1
            print(f"SKIP {name}: disabled")
        elif case.find("failure") is not None:
            failed += 1
            print(f"FAIL {name}")
        elif case.find("skipped") is not None:
            skipped += 1
            print(f"SKIP {name}: {case.find('skipped').get('message', '').strip()}")
        else:
            passed += 1
    return passed, failed, skipped


def count_run(directory):
    """The (passed, failed, skipped) cases of a whole ctest run."""
    total = [0, 0, 0]
    for test in ElementTree.parse(directory / "ctest.xml").getroot().iter("testcase"):
        name, ok = test.get("name"), test.get("status") == "run"
        report = directory / f"{name}.xml"
        if report.exists():
            counts = count_report(report)
            if not ok and counts[1] == 0:
                # For example a leak that AddressSanitizer found after the last case.
                print(f"FAIL {name}: its cases passed, but the program failed")
                counts = (counts[0], 1, counts[2])
        elif test.get("status") in ("notrun", "disabled"):
            print(f"FAIL {name}: not run ({test.get('status')})")
            counts = (0, 1, 0)
        else:
            print(f"{'ok  ' if ok else 'FAIL'} {name}")
            counts = (1, 0, 0) if ok else (0, 1, 0)
        total = [a + b for a, b in zip(total, counts)]
    return total


def main():
    passed, failed, skipped = count_run(pathlib.Path(sys.argv[1]))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))


main()
