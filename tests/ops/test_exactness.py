"""Operations that equal PyTorch's bit for bit, on more elements than vectorised kernels need to take over.

A half unit in the last place is much where `floor`, `bucketize` or a comparison follows. Not in the list is what differs
between PyTorch's own kernels: its vectorised square root is not correctly rounded, and `linspace` and a fractional `arange`
are rounded by the width of the machine's vectors.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tensorflow")

import crossload

EXACT = {
    "reciprocal": lambda x: x.reciprocal(),
    "one over x": lambda x: 1.0 / x,
    "a constant over x": lambda x: 3.7 / x,
    "power of -1": lambda x: x**-1,
    "power of -0.5": lambda x: x**-0.5,
    "rsqrt": lambda x: x.rsqrt(),
    "by 3": lambda x: x / 3,
    "by 0.7": lambda x: x / 0.7,
    "by a constant tensor": lambda x: x / torch.arange(1.0, 2049.0),
    "floor of a product with the reciprocal": lambda x: torch.floor(x * x.reciprocal()),
    "floor division": lambda x: x // 0.7,
    "remainder": lambda x: x % 0.7,
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
}


class All(torch.nn.Module):
    def forward(self, x):
        return {name: function(x) for name, function in EXACT.items()}


@pytest.fixture(scope="module")
def conversion(tmp_path_factory):
    sample = torch.cat([torch.arange(1.0, 2049.0), torch.rand(2048) * 9 + 1e-3]).reshape(2, 2048)
    return crossload.convert(All().eval(), tmp_path_factory.mktemp("exact") / "out", (sample,))


@pytest.fixture(scope="module")
def both(conversion):
    torch.manual_seed(1)
    x = torch.cat([torch.arange(2048.0, 4096.0), torch.randn(2048 * 8).abs() + 1e-4]).reshape(9, 2048)
    return conversion.run(x=x), All()(x)


@pytest.mark.parametrize("name", EXACT)
def test_equals_pytorch_bit_for_bit(both, name):
    tensorflow, pytorch = both[0][name], both[1][name].numpy()
    differ = np.flatnonzero(tensorflow.view(np.int32) != pytorch.view(np.int32))
    assert differ.size == 0, f"{differ.size} of {pytorch.size} elements differ, the first at {differ[0]}"
