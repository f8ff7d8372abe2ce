"""Tensors for entries of the tables: seeded, so that a subject is the same every time."""

import torch


def _random(shape):
    return torch.Generator().manual_seed(20 + sum(shape))


def floats(*shape):
    """Normal numbers, float32."""
    return torch.randn(shape, generator=_random(shape))


def ints(high, *shape, low=0):
    """Whole numbers of [low, high), int64."""
    return torch.randint(low, high, shape, generator=_random(shape))


def ones(*shape, dtype=torch.int64):
    return torch.ones(shape, dtype=dtype)


def zeros(*shape, dtype=torch.int64):
    return torch.zeros(shape, dtype=dtype)


def padded_mask(batch, length):
    """A padding mask whose first row is full and whose others lose their last third, int64."""
    mask = torch.ones(batch, length, dtype=torch.int64)
    mask[1:, length - length // 3 :] = 0
    return mask
