"""report.html in a real browser."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("python", "faults", "models", "../tools"))]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def browser():
    from chromium import Browser, program

    if program() is None:
        pytest.skip("no chromium; `./dev setup` installs it")
    with Browser() as opened:
        yield opened
