"""The members' logs on the disk, as docs/formats/commit-log.md describes them."""

import bisect

from checker import LogFacts
from history import KEY
from log_files import frames

EPOCH_FRAME = 3


class MemberLog:
    """The log of a member that has stopped, and what it has cut out of it."""

    def __init__(self, directory):
        self.directory = directory
        self._segments = sorted(path for path in directory.iterdir() if path.name.isdigit())
        self.frames = [frame for path in self._segments for frame in frames(path)]
        self.start = int(self._segments[0].name)
        self.end = max((frame.offset + frame.bytes + 7 & ~7 for frame in self.frames), default=self.start)

    def cut_out(self):
        """The files in which it has kept what a newer master did not have."""
        return sorted(path for path in self.directory.iterdir() if path.name.endswith(".salvaged"))

    def bytes(self):
        """From the beginning of the oldest segment to the end of the last frame."""
        data = bytearray()
        for path in self._segments:
            # A segment that ends early is filled up, so that places in the data are offsets in the log.
            data += bytes(int(path.name) - self.start - len(data)) + path.read_bytes()
        return bytes(data[: self.end - self.start])

    def reigns(self):
        return [(frame.epoch, frame.offset) for frame in self.frames if frame.kind == EPOCH_FRAME]


def facts(logs):
    """LogFacts of a group whose members have stopped: of its longest log, and of what all have cut out of theirs."""
    log = longest(logs)
    epochs = keys_in(log.bytes(), log.start, log.frames)
    for member in logs:
        for path in member.cut_out():
            for key, epoch in keys_in(path.read_bytes(), int(path.name.split(".")[0]), list(frames(path))).items():
                epochs.setdefault(key, epoch)
    return LogFacts(epochs, log.reigns(), log.end)


def longest(logs):
    """The log of the last master: no other one is longer when all have stopped."""
    return max(logs, key=lambda log: (log.frames[-1].epoch, log.end))


def keys_in(data, start, found):
    """key -> epoch of the first frame that has it."""
    offsets = [frame.offset for frame in found]
    epochs = {}
    for match in KEY.finditer(data):
        at = bisect.bisect_right(offsets, start + match.start()) - 1
        if at >= 0 and start + match.start() < found[at].offset + found[at].bytes:
            epochs.setdefault(match[0].decode(), found[at].epoch)
    return epochs


def differences(logs):
    """Sentences about logs that are not the beginning of the longest one, byte by byte."""
    master = longest(logs)
    whole = master.bytes()
    for log in logs:
        # Each member removes its oldest files in its own time.
        start = max(log.start, master.start)
        copy, original = log.bytes()[start - log.start :], whole[start - master.start :]
        if original[: len(copy)] != copy:
            at = next((i for i, (a, b) in enumerate(zip(original, copy)) if a != b), len(original))
            yield f"{log.directory} differs from {master.directory} from offset {start + at} on"


def falling_epochs(log):
    """Sentences about frames whose epoch is less than that of the one before."""
    for earlier, later in zip(log.frames, log.frames[1:]):
        if later.epoch < earlier.epoch:
            yield f"epoch {later.epoch} at offset {later.offset} follows epoch {earlier.epoch}"
        if later.epoch > earlier.epoch and later.kind != EPOCH_FRAME:
            yield f"epoch {later.epoch} at offset {later.offset} begins without an EPOCH frame"
