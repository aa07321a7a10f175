"""The files of a commit log as docs/formats/commit-log.md describes them, to damage them in the right place."""

import collections
import struct

HEADER = struct.Struct("<IBBHIIQQQQIQ")  # without the checksum, which is the last 4 of 64 bytes
HEADER_BYTES = 64
MAGIC = 0x46534E4D

Frame = collections.namedtuple("Frame", "at version kind assignments payload epoch offset bytes")


def segments(cluster):
    """The segment files, oldest first."""
    return segments_in(cluster.directory / "broker" / "log")


def segments_in(directory):
    """The same of any log."""
    return sorted(path for path in directory.iterdir() if path.name.isdigit())


def frames(path):
    """The good-looking frames of a segment file, or of what was cut out of a log, from its beginning on."""
    data = path.read_bytes()
    start = int(path.name.split(".")[0])
    at = 0
    while at + HEADER_BYTES <= len(data):
        magic, version, kind, assignments, payload, _, epoch, offset, *_ = HEADER.unpack_from(data, at)
        if magic != MAGIC or offset != start + at:
            return
        size = HEADER_BYTES + 8 * assignments + payload
        yield Frame(at, version, kind, assignments, payload, epoch, offset, size)
        at += (size + 7) & ~7


def last_frame(cluster):
    """The path and the last frame of the log; later files that were made ahead of need have none."""
    for path in reversed(segments(cluster)):
        found = list(frames(path))
        if found:
            return path, found[-1]
    raise AssertionError("the log has no frame")


def overwrite(path, at, data):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


def flip(path, at):
    """Turns one bit over."""
    with open(path, "rb") as file:
        file.seek(at)
        byte = file.read(1)[0]
    overwrite(path, at, bytes([byte ^ 0x10]))


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def set_version(path, frame, version):
    """Gives a frame another format version, with the checksum that belongs to it."""
    data = bytearray(path.read_bytes()[frame.at : frame.at + HEADER_BYTES + 8 * frame.assignments])
    data[4] = version
    checked = bytes(data[:60]) + bytes(data[HEADER_BYTES:])
    overwrite(path, frame.at + 4, bytes([version]))
    overwrite(path, frame.at + 60, struct.pack("<I", crc32c(checked)))
