"""Resizing: every mode by size and by factor, larger and smaller, antialiased."""

import torch.nn.functional as F
from tensors import IMAGE, floats

from samples import case

for mode, rank, row in (("nearest", 1, "nearest1d"), ("nearest", 2, "nearest2d"), ("nearest", 3, "nearest3d"), ("linear", 1, "linear1d"),
                        ("bilinear", 2, "bilinear2d"), ("trilinear", 3, "trilinear3d"), ("bicubic", 2, "bicubic2d")):  # fmt: skip
    row = f"aten.upsample_{row}.vec"
    x = floats(2, 3, *(5, 7, 4)[:rank])
    for options in (
        {"size": (8, 3, 6)[:rank]},
        {"scale_factor": 2},
        {"scale_factor": 1.7},
        {"scale_factor": 0.6},
        {"size": (1, 1, 1)[:rank]},
    ):
        case(row, lambda x, m=mode, o=options: F.interpolate(x, mode=m, **o), x)
        if mode != "nearest":
            case(row, lambda x, m=mode, o=options: F.interpolate(x, mode=m, align_corners=True, **o), x)
    if mode in ("nearest", "bilinear"):
        case(
            row, lambda x, m=mode: F.interpolate(x, scale_factor=2, mode=m), x, second=[floats(3, 4, *(6, 3, 5)[:rank])]
        )
# resize: antialiased, larger and smaller
for name in ("bilinear", "bicubic"):
    row = f"aten._upsample_{name}2d_aa.vec"
    for size, corners in (((3, 4), False), ((11, 5), False), ((3, 4), True), ((14, 18), False)):
        smaller = lambda x, m=name, s=size, c=corners: F.interpolate(x, size=s, mode=m, align_corners=c, antialias=True)  # noqa: E731
        case(row, smaller, IMAGE, second=[floats(3, 4, 6, 8)])
    case(row, lambda x, m=name: F.interpolate(x, scale_factor=0.5, mode=m, antialias=True), floats(2, 3, 8, 10))
