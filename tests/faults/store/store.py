"""The store directory in trouble: damage, a full or read-only disk, another broker's lock, and retention.

Whatever happens, every message whose send was answered with OK is there afterwards, unless retention took it.
"""

import sys

import disk
import retention
from damage import DAMAGES, MESSAGES
from live_messages import live_messages_outlive_their_file
from mansio_cluster import Cluster
from report import Report
from stored import SEGMENT, Sent


def run_damages(report, wanted):
    for damage in DAMAGES:
        if not wanted(damage):
            continue
        with report.case(f"{damage.__name__}: {damage.__doc__}"):
            with Cluster(nameserver=False, broker_settings=[SEGMENT]) as cluster:
                sent = Sent(cluster).create_topic().send(MESSAGES)
                damage(cluster, sent)
                sent.audit("final-audit")


def run_disks(report, wanted):
    reason = disk.why_no_mount()
    for case in disk.NEED_MOUNT + disk.OTHERS:
        if not wanted(case):
            continue
        if reason and case in disk.NEED_MOUNT:
            report.skip(case.__name__, reason)
            continue
        with report.case(f"{case.__name__}: {case.__doc__}"):
            case()


def run_retention(report, what, settings):
    with report.case(f"{what}: minimum offsets move, and a group behind goes on there"):
        with Cluster(nameserver=False, durability="async", broker_settings=settings) as cluster:
            sent = retention.fill(cluster)
            minimum = retention.check(cluster, sent)
            retention.check_restarts(cluster, sent, minimum)


def main():
    names = sys.argv[1:]

    def wanted(case):
        return not names or getattr(case, "__name__", case) in names

    report = Report()
    run_damages(report, wanted)
    run_disks(report, wanted)
    if wanted("retention_by_age"):
        run_retention(report, "retention_by_age", retention.BY_AGE)
    if wanted("retention_by_size"):
        run_retention(report, "retention_by_size", retention.BY_SIZE)
    if wanted(live_messages_outlive_their_file):
        with report.case(live_messages_outlive_their_file.__doc__):
            live_messages_outlive_their_file()
    report.finish()


if __name__ == "__main__":
    main()
