"""Progress of a transfer, in bytes."""

import threading
import time

PAUSE = 0.1  # seconds between two reports of the same tenth


class ByteMeter:
    """Reports by progress(stage, text, fraction) how many of the `total` bytes of `count` files have been transferred.

    The text changes with each tenth, so that a log has a few lines of it; the fraction goes on smoothly.
    """

    def __init__(self, progress, stage, verb, count, total):
        self.progress, self.stage, self.total = progress, stage, total
        self.verb = f"{verb} {count} file{'s' if count != 1 else ''}"
        self.lock, self.parts, self.reported, self.tenths = threading.Lock(), {}, 0.0, 0
        if count:
            self._report(0.0)

    def at(self, part, position):
        """`position` bytes of `part` have been transferred; fewer than before when it is sent again. For any thread."""
        with self.lock:
            if self.parts.get(part) == position:
                return
            self.parts[part] = position
            fraction = min(1.0, sum(self.parts.values()) / max(1, self.total))
            if int(fraction * 10) > self.tenths or time.monotonic() - self.reported >= PAUSE:
                self._report(fraction)

    def _report(self, fraction):
        self.reported, self.tenths = time.monotonic(), int(fraction * 10)
        text = f"{self.verb}, {self.tenths / 10 * self.total / 1e6:.1f} of {self.total / 1e6:.1f} MB"
        self.progress(self.stage, text, fraction)
