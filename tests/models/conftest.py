"""Whole models: the real MiniLM, tiny models of every head, plain modules. See crossload_command.py for the command."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "python")]


@pytest.fixture(scope="session", autouse=True)
def surroundings(tmp_path_factory, native_module):
    """A trace cache of this session's own, and quiet libraries."""
    from crossload.worker import silence

    silence()
    before = os.environ.get("CROSSLOAD_CACHE")
    os.environ["CROSSLOAD_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        os.environ.pop("CROSSLOAD_CACHE")
    else:
        os.environ["CROSSLOAD_CACHE"] = before
