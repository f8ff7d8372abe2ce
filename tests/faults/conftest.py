"""Wrong conversions, made on purpose: whether verification names the module and the cause."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "python"), str(HERE.parent / "models")]


@pytest.fixture(scope="session", autouse=True)
def surroundings(tmp_path_factory, native_module):
    from crossload.worker import silence

    silence()
    before = os.environ.get("CROSSLOAD_CACHE")
    os.environ.setdefault("CROSSLOAD_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    if before is None:
        os.environ.pop("CROSSLOAD_CACHE")


def pytest_terminal_summary(terminalreporter):
    from test_faults import TABLE

    if TABLE:
        terminalreporter.section("planted faults")
        for line in table_lines(TABLE):
            terminalreporter.write_line(line)


def table_lines(rows):
    heads = ("model", "planted in", "cause", "at", "found at", "diagnosed as")
    rows = [heads, *rows]
    widths = [max(len(row[c]) for row in rows) for c in range(len(heads))]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
