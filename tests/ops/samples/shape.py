"""Joining, splitting, repeating, reordering: empty parts, negative axes, known and unknown sizes."""

import torch
import torch.nn.functional as F
from tensors import N, X, Y, aten, bools, floats, ints

from samples import case

case("aten.pixel_shuffle.default", lambda x: F.pixel_shuffle(x, 2), floats(2, 8, 3, 4), second=[floats(3, 8, 5, 2)])
case("aten.pixel_shuffle.default", lambda x: F.pixel_shuffle(x, 3), floats(18, 3, 4))
case("aten.pixel_unshuffle.default", lambda x: F.pixel_unshuffle(x, 2), floats(2, 3, 4, 6), second=[floats(4, 3, 8, 2)])
case("aten.pixel_unshuffle.default", lambda x: F.pixel_unshuffle(x, 3), floats(2, 3, 6))
case("aten.cat.default", lambda *x: torch.cat(x, 1), X, floats(2, 5, 4), torch.zeros(0))
case("aten.cat.default", lambda *x: torch.cat(x, -1), X, N)
case("aten.cat.default", lambda *x: torch.cat(x), torch.zeros(0), torch.zeros(0))
case("aten.cat.default", lambda *x: torch.cat(x, 1), X, floats(2, 5, 4), second=[floats(3, 2, 6), floats(3, 7, 6)])
for name in ("concat", "concatenate"):
    case(f"aten.{name}.default", lambda *x, f=getattr(torch, name): f(x, 0), X, Y)
case("aten.stack.default", lambda *x: torch.stack(x, -1), X, Y)
case("aten.stack.default", lambda *x: torch.stack(x), torch.tensor(1.0), torch.tensor(2.0))
case("aten.split.Tensor", lambda x: x.split(2, 1), floats(3, 5))
case("aten.split.sizes", lambda x: aten.split.sizes(x, [1, 0, 4], 1), floats(3, 5))
case("aten.split_with_sizes.default", lambda x: aten.split_with_sizes.default(x, [1, 4], -1), floats(3, 5))
case("aten.chunk.default", lambda x: x.chunk(3, 1), floats(3, 7))
case("aten.chunk.default", lambda x: x.chunk(1), floats(3, 7))
case("aten.chunk.default", lambda x: x.chunk(2, -1), X, second=[floats(3, 5, 8)])
case("aten.tensor_split.sections", lambda x: torch.tensor_split(x, 3, 1), floats(3, 7))
case("aten.unbind.int", lambda x: x.unbind(1), X)
case("aten.numpy_T.default", lambda x: aten.numpy_T.default(x), X)
case("aten.t.default", lambda x: x.t(), X[0])
case("aten.t.default", lambda x: x.t(), X[0, 0])
case("aten.movedim.int", lambda x: aten.movedim.int(x, 0, -1), X)
case("aten.permute.default", lambda x: x.permute(2, -3, 1), X, second=[floats(3, 5, 7)])
case("aten.flip.default", lambda x: x.flip((0, -1)), X)
case("aten.roll.default", lambda x: x.roll((1, -2), (0, 2)), X)
case("aten.roll.default", lambda x: x.roll(5), X)
case("aten.expand.default", lambda x: x.expand(2, -1, 4), floats(3, 1))
case("aten.expand.default", lambda x: x[None].expand(4, -1, -1), floats(3, 2), second=[floats(5, 6)])
case("aten.broadcast_to.default", lambda x: aten.broadcast_to.default(x, [2, 3, 4]), bools(3, 1))
case("aten.expand_as.default", lambda x, y: x.expand_as(y), floats(3, 1), X)
case("aten.repeat.default", lambda x: x.repeat(2, 1, 3), X[0], second=[floats(5, 2)])
case("aten.tile.default", lambda x: torch.tile(x, (2,)), X)
case("aten.repeat_interleave.self_int", lambda x: x.repeat_interleave(3, 1), X, second=[floats(3, 5, 7)])
case("aten.repeat_interleave.self_int", lambda x: x.repeat_interleave(2), X)
for indexing in ("ij", "xy"):
    case(
        "aten.meshgrid.indexing", lambda *x, i=indexing: torch.meshgrid(*x, indexing=i), floats(3), floats(4), floats(2)
    )


def base_after_view(x):
    z = x.clone()
    parts = z.split(1, 1)
    parts[2].zero_()
    z[..., -1].fill_(5)
    a, b = z.unbind(0)
    a.add_(b)
    return z, parts[0]


case("aten.unbind.int", base_after_view, X)
case("aten.diff.default", lambda x: torch.diff(x, dim=1), N, second=[ints(3, 5, 2)])
case("aten.diff.default", lambda x: torch.diff(x, n=2), X)
case("aten.diff.default", torch.diff, bools(2, 9))
for axis in (0, 1, None):
    repeated = lambda x, r, d=axis: torch.repeat_interleave(x, r, d) * 2  # noqa: E731
    case(
        "aten.repeat_interleave.self_Tensor",
        repeated,
        floats(3, 4),
        torch.tensor([2, 0, 3, 1][: 3 + (axis == 1)] * (4 if axis is None else 1)),
    )
