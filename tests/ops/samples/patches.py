"""Patches: cut and put together with padding, strides and dilation."""

import torch.nn.functional as F
from tensors import IMAGE, floats

from samples import case

for options in ({}, {"padding": 1, "stride": 2}, {"dilation": 2, "padding": (1, 2)}, {"stride": (2, 1)}):
    cut = lambda x, o=options: F.unfold(x, (2, 3), **o)  # noqa: E731
    case("aten.im2col.default", cut, IMAGE, second=[floats(3, 4, 8, 6)])
    whole = lambda x, o=options: F.fold(F.unfold(x, (2, 3), **o), x.shape[2:], (2, 3), **o)  # noqa: E731
    case("aten.col2im.default", whole, IMAGE, second=[floats(3, 4, 8, 6)])
case("aten.im2col.default", lambda x: F.unfold(x, 2), floats(4, 7, 9))
case("aten.col2im.default", lambda x: F.fold(x, (5, 6), (2, 2)), floats(3 * 4, 20))
