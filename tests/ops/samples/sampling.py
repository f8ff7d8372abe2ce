"""Sampling: both forms of corners, all paddings, points outside, cells themselves, another size."""

import itertools

import torch
import torch.nn.functional as F
from tensors import IMAGE, VOLUME, aten, floats

from samples import case

GRID = floats(2, 3, 5, 2) * 0.9
for mode, padding, corners in itertools.product(
    ("bilinear", "nearest"), ("zeros", "border", "reflection"), (True, False)
):
    function = lambda x, g, m=mode, p=padding, c=corners: F.grid_sample(x, g, m, p, c)  # noqa: E731
    case("aten.grid_sampler.default", function, IMAGE, GRID, second=[floats(3, 4, 5, 6), floats(3, 2, 4, 2)])
case("aten.grid_sampler.default", lambda x, g: F.grid_sample(x, g, align_corners=False), IMAGE, GRID * 3)
case("aten.grid_sampler.default", lambda x, g: F.grid_sample(x, g, align_corners=True), IMAGE, torch.ones(2, 2, 2, 2))
case("aten.grid_sampler.default", lambda x, g: F.grid_sample(x, g, align_corners=False), VOLUME, floats(2, 2, 3, 4, 3))
for name in ("grid_sampler_2d", "grid_sampler_3d"):
    x, g = (IMAGE, GRID) if name.endswith("2d") else (VOLUME, floats(2, 2, 3, 4, 3))
    case(f"aten.{name}.default", lambda x, g, f=getattr(aten, name).default: f(x, g, 0, 0, False), x, g)
