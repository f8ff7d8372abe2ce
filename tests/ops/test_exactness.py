"""What equals PyTorch bit for bit, on more elements than vectorised kernels need to take over (see exactness.py).

A half unit in the last place is much where `floor`, `bucketize` or a comparison follows. Not in the list is what differs
between PyTorch's own kernels: its vectorised square root is not correctly rounded, and a fractional `arange` is rounded by
the width of the machine's vectors.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

pytest.importorskip("torch")
pytest.importorskip("tensorflow")

import exactness


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    return exactness.distances(exactness.Exact(), tmp_path_factory.mktemp("exact") / "out")


@pytest.mark.parametrize("name", exactness.EXACT)
def test_equals_pytorch_bit_for_bit(apart, name):
    differ = apart[name]["apart"].nonzero()
    assert not len(differ[0]), f"{len(differ[0])} elements differ, the first at {[int(i[0]) for i in differ]}"
