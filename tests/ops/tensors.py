"""Tensors that samples of several families are made of; the same in every run."""

import torch

aten = torch.ops.aten
INF, NAN = float("inf"), float("nan")


def floats(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape))).to(dtype)


def ints(*shape, low=-9, high=10, seed=0, dtype=torch.int64):
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randint(low, high, shape, generator=generator, dtype=dtype)


def bools(*shape, seed=0):
    return ints(*shape, low=0, high=2, seed=seed).bool()


def parts(value):
    """A complex tensor as real numbers, which is what results are compared as."""
    return torch.view_as_real(value.resolve_conj())


X, Y, N = floats(2, 3, 4), floats(2, 3, 4, seed=1), ints(2, 3, 4)
IMAGE, VOLUME = floats(2, 4, 7, 9), floats(2, 3, 4, 5, 6)

# TensorFlow's kernels take numbers below 1.2e-38 for 0; so none of these is.
SPECIAL = torch.tensor([NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -0.5, -1.5, 1e30, 1e-30, 7.25])
EVERY_PAIR = torch.tensor([NAN, INF, -INF, 0.0, 1.0, -2.0])
LEFT, RIGHT = EVERY_PAIR.repeat(6), EVERY_PAIR.repeat_interleave(6)
MASKED = torch.tensor([[0.0, -INF, 1.0], [-INF, -INF, -INF], [0.5, 0.0, 1.0]])

# Type promotion: dimensions decide before categories, scalars last.
PROMOTED = [
    torch.ones(2, dtype=d)
    for d in (torch.bool, torch.uint8, torch.int32, torch.int64, torch.float16, torch.float32, torch.float64)
]

# Indices: negative ones count from the end.
T = floats(2, 3, 4, 5)
ROWS, COLUMNS = torch.tensor([[0, -1], [1, 0]]), torch.tensor([2, -3])
