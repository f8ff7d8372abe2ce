"""Padding: every mode, on one axis and two, amounts of zero and below."""

import itertools

import torch.nn.functional as F
from tensors import INF, N, X, aten, bools, floats

from samples import case

for mode, pads in itertools.product(
    ("constant", "reflect", "replicate", "circular"), ((1, 2), (0, 3, 2, 1), (2, 0), (-1, 2), (1, -2, 0, 1))
):
    case(
        "aten.pad.default",
        lambda x, m=mode, p=pads: F.pad(x, p, m),
        floats(2, 4, 5) if len(pads) == 2 else floats(2, 3, 4, 5),
    )
case("aten.pad.default", lambda x: F.pad(x, (1, 1), value=-INF), X)
case("aten.pad.default", lambda x: F.pad(x, (-1, -1)), X)
case("aten.pad.default", lambda x: F.pad(x, (1, 0), value=True), bools(3, 4))
case("aten.pad.default", lambda x: F.pad(x, (0, x.shape[0])), floats(3, 4), second=[floats(5, 2)])
case("aten.constant_pad_nd.default", lambda x: aten.constant_pad_nd.default(x, [1, 2, 0, 1], 7), N)
