"""Progress of a transfer, in bytes."""

import threading
import time

PAUSE = 0.1  # seconds between two reports of the same tenth


class ByteMeter:
    """Tells progress(stage, text, fraction) how many of `total` bytes of `count` files are through.

    The text changes with each tenth, so that a log has a few lines of it; the fraction goes on smoothly.
    """

    def __init__(self, progress, stage, verb, count, total):
        self.progress, self.stage, self.total = progress, stage, total
        self.verb = f"{verb} {count} file{'s' if count != 1 else ''}"
        self.lock, self.parts, self.told, self.tenths = threading.Lock(), {}, 0.0, 0
        if count:
            self._tell(0.0)

    def at(self, part, position):
        """`position` bytes of `part` are through; it may go back when a part is sent again. For any thread."""
        with self.lock:
            if self.parts.get(part) == position:
                return
            self.parts[part] = position
            fraction = min(1.0, sum(self.parts.values()) / max(1, self.total))
            if int(fraction * 10) > self.tenths or time.monotonic() - self.told >= PAUSE:
                self._tell(fraction)

    def _tell(self, fraction):
        self.told, self.tenths = time.monotonic(), int(fraction * 10)
        text = f"{self.verb}, {self.tenths / 10 * self.total / 1e6:.1f} of {self.total / 1e6:.1f} MB"
        self.progress(self.stage, text, fraction)
