"""A store directory that was damaged while the broker did not run.

Each case begins with acknowledged messages and a kill -9, so that the log alone, without a late checkpoint, must hold
everything; the ones that need a checkpoint end the broker in order instead.
"""

import shutil

from log_files import flip, frames, last_frame, overwrite, segments, set_version
from stored import offsets, refuses

MESSAGES = 600  # more than two segments of 4 MiB


def torn_tail(cluster, sent):
    """a torn tail is cut, and the broker starts"""
    cluster.broker.kill9()
    path, last = last_frame(cluster)
    end = (last.at + last.bytes + 7) & ~7
    whole = path.read_bytes()[last.at : last.at + last.bytes]
    torn = bytearray(whole[: last.bytes // 2])  # a frame of the log's end whose second half was not written
    torn[24:32] = (int(path.name) + end).to_bytes(8, "little")
    overwrite(path, end, torn)
    cluster.broker.start()
    assert "bytes of a torn tail" in cluster.broker.log() and "cut 0 bytes" not in cluster.broker.log()
    sent.send(10)


def flipped_bit(cluster, sent):
    """a bit flipped before the synced point: refused with file, offset and reach; repaired, it starts"""
    cluster.broker.kill9()
    path = segments(cluster)[1]
    frame = list(frames(path))[10]
    flip(path, frame.at + frame.bytes // 2)
    refuses(
        cluster.broker,
        "the commit log is damaged",
        str(path),
        f"at byte {frame.at} (log offset {frame.offset})",
        "good frames go on at offset",
        "durable up to offset",
        "store.salvage=true",
    )
    flip(path, frame.at + frame.bytes // 2)
    cluster.broker.start()


def flipped_header(cluster, sent):
    """a bit flipped in a frame's header: refused with file and offset"""
    cluster.broker.kill9()
    path = segments(cluster)[0]
    frame = list(frames(path))[20]
    flip(path, frame.at + 9)
    refuses(cluster.broker, "the commit log is damaged", str(path), f"(log offset {frame.offset})", "durable up to")
    flip(path, frame.at + 9)
    cluster.broker.start()


def truncated_segment(cluster, sent):
    """a segment that was cut short, whichever: refused with file and lengths"""
    cluster.broker.kill9()
    for path in (segments(cluster)[0], last_frame(cluster)[0]):
        whole = path.read_bytes()
        path.write_bytes(whole[:100_000])
        refuses(cluster.broker, str(path), "100000 bytes", "store.salvage=true")
        path.write_bytes(whole)
    cluster.broker.start()


def missing_segment(cluster, sent):
    """a segment that is gone: refused with its name and the gap"""
    cluster.broker.kill9()
    path = segments(cluster)[1]
    away = cluster.directory / "away"
    path.rename(away)
    refuses(cluster.broker, str(path), "is missing", "gap")
    away.rename(path)
    cluster.broker.start()


def newer_frame(cluster, sent):
    """a frame of a newer version: refused, and not taken for damage"""
    cluster.broker.kill9()
    path = segments(cluster)[1]
    frame = list(frames(path))[5]
    set_version(path, frame, 2)
    refuses(cluster.broker, str(path), f"log offset {frame.offset}", "newer Mansio")
    set_version(path, frame, 1)
    cluster.broker.start()


def newer_directory(cluster, sent):
    """a directory of a newer version: refused with what it says"""
    cluster.broker.terminate()
    path = cluster.directory / "broker" / "FORMAT"
    ours = path.read_bytes()
    path.write_bytes(b"mansio store 99\n")
    refuses(cluster.broker, str(path), "mansio store 99")
    path.write_bytes(ours)
    cluster.broker.start()


def missing_checkpoint(cluster, sent):
    """a missing checkpoint is rebuilt from the log, groups' positions too"""
    assert sent.read("halfway", 300) == set(range(300))
    before = offsets(cluster)
    cluster.broker.terminate()
    shutil.rmtree(cluster.directory / "broker" / "checkpoint")
    cluster.broker.start()
    assert "without a checkpoint" in cluster.broker.log(), cluster.broker.log()
    assert offsets(cluster) == before
    assert sent.read("halfway", MESSAGES - 300) == set(range(300, MESSAGES)), "the group's position is another"


def damaged_checkpoint(cluster, sent):
    """a damaged checkpoint is thrown away and rebuilt from the log, with a warning"""
    before = offsets(cluster)
    cluster.broker.terminate()
    for path in (cluster.directory / "broker" / "checkpoint").glob("*.sst"):
        path.write_bytes(b"no table" * 100)
    cluster.broker.start()
    assert offsets(cluster) == before
    warnings = [line for line in cluster.broker.log().splitlines() if line.startswith("W") and "checkpoint" in line]
    assert warnings, cluster.broker.log()


def damage_below_checkpoint(cluster, sent):
    """damage that the checkpoint covers is found by the reader: the log names it, all other messages come"""
    cluster.broker.terminate()  # with a checkpoint at the end of the log
    path = segments(cluster)[1]
    hit = next(frame for frame in frames(path) if frame.payload > 10_000)
    flip(path, hit.at + hit.bytes - 2000)
    cluster.broker.start()
    cluster.mansio("group", "create", "reader", "--start", "earliest")
    got = sent.read("reader", MESSAGES - 1)
    (lost,) = set(range(MESSAGES)) - got
    lines = [line for line in cluster.broker.log().splitlines() if f"offset {lost} cannot be delivered" in line]
    assert lines and all(line.startswith("E") for line in lines), cluster.broker.log()
    cluster.broker.terminate()
    flip(path, hit.at + hit.bytes - 2000)
    cluster.broker.start()


DAMAGES = [
    torn_tail,
    flipped_bit,
    flipped_header,
    truncated_segment,
    missing_segment,
    newer_frame,
    newer_directory,
    missing_checkpoint,
    damaged_checkpoint,
    damage_below_checkpoint,
]
