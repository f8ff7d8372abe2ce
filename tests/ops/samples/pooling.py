"""Pooling: strides, padding, both roundings of the size, sizes that windows do not divide."""

import itertools

import torch.nn.functional as F
from tensors import IMAGE, VOLUME, aten, floats, ints

from samples import case

for name, rank in (("max_pool1d", 1), ("max_pool2d", 2), ("avg_pool1d", 1), ("avg_pool2d", 2)):
    x = floats(2, 3, *(7, 10)[:rank])
    for kernel, stride, padding, ceil in (
        (2, 2, 0, False),
        (3, 2, 1, False),
        (3, 2, 1, True),
        (2, 3, 0, True),
        (3, 1, 1, False),
    ):
        options = {"stride": stride, "padding": padding, "ceil_mode": ceil}
        case(
            f"aten.{name}.default",
            lambda x, f=getattr(aten, name).default, k=kernel, o=options: f(
                x, [k], [o["stride"]], [o["padding"]], **({"ceil_mode": o["ceil_mode"]})
            ),
            x,
        )
        if name.startswith("avg"):
            case(f"aten.{name}.default", lambda x, f=getattr(F, name), k=kernel, o=options: f(x, k, **o), x[0])
            case(
                f"aten.{name}.default",
                lambda x, f=getattr(F, name), k=kernel, o=options: f(x, k, **o, count_include_pad=False),
                x,
            )
case(
    "aten.max_pool2d.default", lambda x: aten.max_pool2d.default(x, [3, 2], [2, 1], [1, 0], [2, 3]), floats(2, 3, 9, 8)
)
case("aten.max_pool1d.default", lambda x: aten.max_pool1d.default(x, [3], [2], [1], [2]), floats(2, 3, 9))
case("aten.max_pool2d.default", lambda x: aten.max_pool2d.default(x, [2, 2]), ints(1, 2, 4, 6))
case(
    "aten.max_pool2d.default",
    lambda x: aten.max_pool2d.default(x, [2, 2]),
    floats(2, 3, 4, 6),
    second=[floats(5, 3, 8, 4)],
)
case("aten.avg_pool2d.default", lambda x: F.avg_pool2d(x, (2, 3), divisor_override=5), IMAGE)
for name, rank, sizes in (
    ("adaptive_avg_pool1d", 1, (1, 3, 5, 12)),
    ("adaptive_avg_pool2d", 2, (1, (3, 5), (7, 3), (1, 12), (None, 2))),
):
    for size in sizes:
        case(f"aten.{name}.default", lambda x, f=getattr(F, name), s=size: f(x, s), floats(2, 3, *(7, 10)[:rank]))
        case(f"aten.{name}.default", lambda x, f=getattr(F, name), s=size: f(x, s), floats(3, *(7, 10)[:rank]))
# pooling over sizes that windows do not divide
for ceil, pad in itertools.product((True, False), (0, 1)):
    case(
        "aten.avg_pool2d.default",
        lambda x, c=ceil, p=pad: F.avg_pool2d(x, 3, 2, p, c),
        IMAGE,
        second=[floats(3, 4, 8, 6)],
    )
    part = lambda x, c=ceil, p=pad: F.avg_pool2d(x, 3, 2, p, c, count_include_pad=False)  # noqa: E731
    case("aten.avg_pool2d.default", part, IMAGE, second=[floats(3, 4, 8, 6)])
    case(
        "aten.max_pool2d.default",
        lambda x, c=ceil, p=pad: F.max_pool2d(x, 3, 2, p, 1, c),
        IMAGE,
        second=[floats(3, 4, 8, 6)],
    )
case("aten.adaptive_avg_pool2d.default", lambda x: F.adaptive_avg_pool2d(x, (3, 4)), IMAGE, second=[floats(3, 4, 8, 6)])
case(
    "aten.adaptive_avg_pool1d.default", lambda x: F.adaptive_avg_pool1d(x, 3), floats(2, 3, 7), second=[floats(2, 3, 8)]
)
case(
    "aten.adaptive_avg_pool3d.default",
    lambda x: F.adaptive_avg_pool3d(x, (2, 3, 4)),
    VOLUME,
    second=[floats(3, 3, 5, 4, 7)],
)
for pad, counted in itertools.product((0, 40), (True, False)):
    wide = lambda x, p=pad, c=counted: F.avg_pool2d(x, (90, 100), padding=p, ceil_mode=True, count_include_pad=c)  # noqa: E731
    case("aten.avg_pool2d.default", wide, IMAGE, second=[floats(3, 4, 8, 6)])
case("aten.avg_pool1d.default", lambda x: F.avg_pool1d(x, 70, 33, ceil_mode=True), floats(2, 3, 150))
