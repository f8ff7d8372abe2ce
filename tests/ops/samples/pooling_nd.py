"""Pooling of volumes, maxima with their places, adaptive maxima, unpooling: paddings, dilations, both roundings, ties."""

import itertools

import torch
import torch.nn.functional as F
from tensors import IMAGE, VOLUME, aten, floats, ints

from samples import case

TIED = ints(2, 3, 9, 8, low=0, high=3).float()
OTHER_VOLUME = floats(3, 3, 5, 4, 7)

for options in (
    ([2, 2],),
    ([3, 2], [2, 1], [1, 0]),
    ([3, 3], [2, 2], [1, 1], [1, 1], True),
    ([2, 2], [1, 1], [0, 0], [2, 3]),
):
    case(
        "aten.max_pool2d_with_indices.default",
        lambda x, o=options: aten.max_pool2d_with_indices.default(x, *o),
        floats(2, 3, 9, 8),
        second=[floats(4, 3, 7, 10)],
    )
    case("aten.max_pool2d_with_indices.default", lambda x, o=options: aten.max_pool2d_with_indices.default(x, *o), TIED)
for options in (
    ([2, 2, 2],),
    ([3, 2, 1], [2, 1, 1], [1, 0, 0]),
    ([3, 3, 3], [2, 2, 2], [1, 1, 1], [1, 1, 1], True),
    ([2, 2, 2], [1, 1, 1], [0, 0, 0], [1, 2, 3]),
):
    case("aten.max_pool3d.default", lambda x, o=options: aten.max_pool3d.default(x, *o), VOLUME, second=[OTHER_VOLUME])
    with_indices = lambda x, o=options: aten.max_pool3d_with_indices.default(x, *o)  # noqa: E731
    case("aten.max_pool3d_with_indices.default", with_indices, VOLUME, second=[OTHER_VOLUME])
    case("aten.max_pool3d_with_indices.default", with_indices, ints(1, 2, 4, 5, 6, low=0, high=3).float())
case("aten.max_pool3d.default", lambda x: aten.max_pool3d.default(x, [2, 2, 2]), VOLUME[0])
case("aten.max_pool3d.default", lambda x: aten.max_pool3d.default(x, [2, 2, 2]), VOLUME.double())
case("aten.max_pool3d.default", lambda x: aten.max_pool3d.default(x, [2, 2, 2]), VOLUME.half())

SIZES = {1: ([1], [4], [7], [10]), 2: ([1, 1], [3, 5], [7, 4], [10, 12]), 3: ([1, 1, 1], [2, 3, 4], [4, 5, 6])}
for axes, wanted in SIZES.items():
    name = f"aten.adaptive_max_pool{axes}d.default"
    for size in wanted:
        pool = lambda x, f=getattr(aten, f"adaptive_max_pool{axes}d").default, s=size: f(x, s)  # noqa: E731
        x = {1: floats(2, 3, 10), 2: floats(2, 3, 7, 9), 3: VOLUME}[axes]
        other = {1: floats(4, 3, 13), 2: floats(3, 3, 8, 12), 3: OTHER_VOLUME}[axes]
        case(name, pool, x, second=[other])
        case(name, pool, x[0])
        case(name, pool, x.round())

case(
    "aten.max_unpool2d.default",
    lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2),
    floats(2, 3, 6, 8),
    second=[floats(4, 3, 8, 4)],
)
case(
    "aten.max_unpool2d.default",
    lambda x, i: aten.max_unpool2d.default(x, i, [4, 5]),
    floats(3, 2, 2),
    torch.tensor([[0, 3], [13, 19]]).expand(3, 2, 2).contiguous(),
)
case(
    "aten.max_unpool3d.default",
    lambda x: F.max_unpool3d(*F.max_pool3d(x, 2, return_indices=True), 2),
    floats(2, 3, 4, 6, 8),
)

for ceil, pad, counted in itertools.product((True, False), (0, 1), (True, False)):
    case(
        "aten.avg_pool3d.default",
        lambda x, c=ceil, p=pad, n=counted: F.avg_pool3d(x, (3, 2, 3), 2, p, c, n),
        VOLUME,
        second=[floats(3, 3, 6, 7, 8)],  # where PyTorch's export assumes nothing else of the last windows
    )
case("aten.avg_pool3d.default", lambda x: F.avg_pool3d(x, (2, 3, 1), divisor_override=5), VOLUME)
case("aten.avg_pool3d.default", lambda x: F.avg_pool3d(x, 2), VOLUME[0])
case("aten.avg_pool3d.default", lambda x: F.avg_pool3d(x, 2), VOLUME.double())
case("aten.avg_pool3d.default", lambda x: F.local_response_norm(x, 3), IMAGE, second=[floats(3, 4, 8, 6)])
