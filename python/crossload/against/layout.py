"""Axes: PyTorch's channels stand second, TensorFlow's last."""

import itertools

import numpy

MOST_AXES = 4  # of which every order is tried


def channels_last(rank):
    """The order in which TensorFlow has the axes of a PyTorch value."""
    return (0, *range(2, rank), 1)


def same_groups(a, b):
    """Whether one shape is the other with neighbouring axes joined, ones left out: row-major order is the same."""

    def ends(shape):
        total, found = 1, set()
        for size in shape:
            total *= size
            found.add(total)
        return found

    x, y = ends(a), ends(b)
    return 0 not in a and 0 not in b and max(x | {1}) == max(y | {1}) and (x - {1} <= y or y - {1} <= x)


def as_in_tensorflow(value, like):
    """A PyTorch array in the layout that TensorFlow's `like` has; None where none fits.

    In this order: as it is, channels last, neighbouring axes joined or split, any other order of the axes.
    """
    found = [value] if value.shape == like.shape else []
    last = value.transpose(channels_last(value.ndim)) if value.ndim > 2 else value
    if value.ndim > 2 and last.shape == like.shape:
        found.append(last)
    for other in (value, last):
        if not found and same_groups(other.shape, like.shape):
            found.append(other.reshape(like.shape))
    if not found and value.ndim == like.ndim and 2 < value.ndim <= MOST_AXES:
        orders = itertools.permutations(range(value.ndim))
        found = [moved for order in orders if (moved := value.transpose(order)).shape == like.shape]
    if len(found) > 1:  # axes of one size: the order that is meant is that of the nearer values
        found.sort(key=lambda array: float(numpy.abs(array.astype("float64") - like).max(initial=0.0)))
    return found[0] if found else None
