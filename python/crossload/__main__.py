"""`python -m crossload …`: the command of this interpreter's environment."""

import os
import shutil
import sys


def command():
    """Path of the native command: beside the interpreter, else on the PATH; None where it is not installed."""
    beside = os.path.join(os.path.dirname(sys.executable), "crossload")
    return beside if os.access(beside, os.X_OK) else shutil.which("crossload")


if __name__ == "__main__":
    found = command()
    if found is None:
        print(
            "error: crossload: the command is not beside the interpreter or on the PATH; pip install .", file=sys.stderr
        )
        sys.exit(4)
    os.execv(found, [found, *sys.argv[1:]])
