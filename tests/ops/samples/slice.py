"""Slices: negative and open ends, ends beyond the size, steps, writes through a chain of views."""

from tensors import X, aten, floats

from samples import case

for start, end, step in (
    (None, None, 1),
    (1, None, 1),
    (None, -1, 1),
    (-3, None, 1),
    (-100, 100, 1),
    (2, 2, 1),
    (3, 1, 1),
    (0, 5, 2),
    (1, None, 3),
    (-4, -1, 2),
):
    case("aten.slice.Tensor", lambda x, s=start, e=end, t=step: aten.slice.Tensor(x, 1, s, e, t), floats(2, 5, 3))
case("aten.slice.Tensor", lambda x: x[:, 1:-1], floats(2, 5), second=[floats(3, 9)])
case("aten.slice.Tensor", lambda x: x[: x.shape[1] // 2], floats(6, 5), second=[floats(8, 9)])
for at in (0, 1, -1, -3):
    case("aten.select.int", lambda x, i=at: x.select(1, i), X)
case("aten.select.int", lambda x: x[:, -1], X, second=[floats(3, 5, 7)])
case("aten.select.int", lambda x: x[:, x.shape[1] - 2], X, second=[floats(3, 5, 7)])
case("aten.narrow.default", lambda x: aten.narrow.default(x, 1, -2, 2), X)
case("aten.narrow.default", lambda x: aten.narrow.default(x, 0, 1, 1), X)


def through_chain(x):
    z = x.clone()
    z.transpose(0, 1)[1].add_(10)
    z.view(-1)[::5].mul_(2)
    return z


case("aten.slice.Tensor", through_chain, X)
every_third = lambda x: x[:, :: (x.shape[1] + 3) // 4]  # noqa: E731
case("aten.slice.Tensor", every_third, floats(3, 9, 2), second=[floats(4, 14, 2)])
