"""Tiny models of a sample of Transformers' model types; see tools/zoo."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "tools/zoo"))


@pytest.fixture(scope="session", autouse=True)
def surroundings():
    import torch
    from crossload.worker import silence

    silence()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
