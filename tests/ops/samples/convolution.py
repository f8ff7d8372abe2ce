"""Convolutions: groups, dilation, strides, named padding, without a batch; weights that are inputs, unknown sizes."""

import torch
import torch.nn.functional as F
from tensors import IMAGE, floats

from samples import case

for groups, out, stride, padding, dilation in (
    (1, 6, 1, 0, 1),
    (2, 6, 2, 1, 1),
    (4, 4, 1, 1, 1),
    (4, 8, 2, 1, 1),
    (4, 8, 1, 2, 2),
    (1, 6, 2, 2, 2),
):
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    for rank, name in ((1, "conv1d"), (2, "conv2d"), (3, "conv3d")):
        x, w, bias = floats(2, 4, *(7, 9, 8)[:rank]), floats(out, 4 // groups, *(3, 2, 3)[:rank]), floats(out)
        case(f"aten.{name}.default", lambda x, w, b, f=getattr(F, name), o=options: f(x, w, b, **o), x, w, bias)
        case(f"aten.{name}.default", lambda x, w, f=getattr(F, name), o=options: f(x, w, **o), x[0], w)
        for named in ("same", "valid"):
            if stride == 1:
                o = {"padding": named, "dilation": dilation, "groups": groups}
                case(f"aten.{name}.padding", lambda x, w, b, f=getattr(F, name), o=o: f(x, w, b, **o), x, w, bias)
case("aten.conv2d.default", lambda x, w: F.conv2d(x, w, stride=(2, 1), groups=4), IMAGE, floats(4, 1, 3, 2))
case(
    "aten.conv2d.default",
    lambda x, w: F.conv2d(x, w, padding=1),
    IMAGE,
    floats(5, 4, 3, 3),
    second=[floats(3, 4, 6, 5), floats(5, 4, 3, 3)],
)
case(
    "aten.conv1d.default",
    lambda x, w: F.conv1d(x, w, stride=2),
    floats(2, 4, 9),
    floats(5, 4, 3),
    second=[floats(3, 4, 12), floats(5, 4, 3)],
)
for groups, out, stride, padding, extra, dilation in (
    (1, 6, 1, 0, 0, 1),
    (1, 6, 2, 1, 1, 1),
    (2, 6, 2, 1, 0, 2),
    (4, 8, 3, 0, 2, 1),
    (1, 5, 1, 2, 0, 1),
):
    o = {"stride": stride, "padding": padding, "output_padding": extra, "dilation": dilation, "groups": groups}
    for rank, row, name in ((1, "conv_transpose1d.default", "conv_transpose1d"), (2, "conv_transpose2d.input", "conv_transpose2d"),
                            (3, "conv_transpose3d.input", "conv_transpose3d")):  # fmt: skip
        x, w, bias = floats(2, 4, *(4, 5, 3)[:rank]), floats(4, out // groups, *(3, 2, 3)[:rank]), floats(out)
        case(f"aten.{row}", lambda x, w, b, f=getattr(F, name), o=o: f(x, w, b, **o), x, w, bias)
        case(f"aten.{row}", lambda x, w, f=getattr(F, name), o=o: f(x, w, **o), x[0], w)
case(
    "aten.conv_transpose2d.input",
    lambda x, w: F.conv_transpose2d(x, w, stride=2),
    IMAGE,
    floats(4, 3, 2, 2),
    second=[floats(3, 4, 5, 6), floats(4, 3, 2, 2)],
)
for transposed, extra in ((False, 0), (True, 1)):
    case(
        "aten.convolution.default",
        lambda x, w, t=transposed, e=extra: torch.ops.aten.convolution.default(
            x, w, None, [2, 2], [1, 1], [1, 1], t, [e, e], 1
        ),
        torch.randn(2, 4, 7, 9, generator=torch.Generator().manual_seed(1)),
        torch.randn(4, 4, 3, 3, generator=torch.Generator().manual_seed(2)),
    )
