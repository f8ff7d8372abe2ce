"""Imported by every Python process of these tests: waits are written to the file $WAITS instead of taking time."""

import os
import time

_sleep = time.sleep


def sleep(seconds):
    # The worker's watch on its parent sleeps in half seconds.
    if seconds >= 1:
        with open(os.environ["WAITS"], "a") as file:
            file.write(f"{seconds}\n")
    _sleep(min(seconds, 0.01) if seconds >= 1 else seconds)


if "WAITS" in os.environ:
    time.sleep = sleep
