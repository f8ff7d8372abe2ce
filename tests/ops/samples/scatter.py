"""Writing by indices: masks, negative and repeated indices, values that broadcast, writes through views."""

import torch
from tensors import COLUMNS, ROWS, N, T, X, Y, aten, bools, floats, ints

from samples import case


def through_mask(x, mask):
    z = x.clone()
    z[0][mask] = 3.0
    return z


def put_rows(x, i):
    z = x.clone()
    z[:, i] = z[:, i] * 2
    return z


def copy_into(x, y):
    z = x.clone()
    z[:1].copy_(y)
    z[:, :, -1].copy_(y[:, 0])
    return z


for name in ("index_put", "index_put_"):
    row = f"aten.{name}.default"
    put = getattr(aten, name).default

    def into(x, indices, value, accumulate=False, put=put):
        return put(x.clone(), indices, value, accumulate)

    case(row, lambda x, i, v, f=into: f(x, [i], v), T, ROWS, floats(2, 2, 3, 4, 5))
    case(row, lambda x, i, v, f=into: f(x, [None, i], v), T, ROWS, torch.tensor(7.0))
    case(row, lambda x, i, j, v, f=into: f(x, [None, i, j], v), T, ROWS, COLUMNS, floats(2, 2, 2, 5))
    case(row, lambda x, i, j, v, f=into: f(x, [i, None, j], v), T, ROWS, COLUMNS, floats(5))
    case(row, lambda x, i, v, f=into: f(x, [i], v, True), T, torch.tensor([0, 1, 0, -1]), floats(4, 3, 4, 5))
    case(row, lambda x, m, v, f=into: f(x, [m], v), X, bools(2, 3, 4), torch.tensor(5.0))
    case(row, lambda x, m, v, f=into: f(x, [m], v), X, bools(2, 3), floats(1, 4))
    case(row, lambda x, m, v, f=into: f(x, [m], v), X, bools(2, 3), floats(4))
    case(
        row,
        lambda x, m, v, f=into: f(x, [m], v),
        X,
        torch.tensor([[True, False, True], [False, True, False]]),
        floats(3, 4),
    )
    case(row, lambda x, m, v, f=into: f(x, [None, m], v), X, torch.tensor([True, False, True]), floats(2, 2, 4))
    case(row, lambda x, m, v, f=into: f(x, [None, m], v), X, bools(3), torch.tensor(2.0))
    case(row, lambda x, i, v, f=into: f(x, [i], v), bools(4), torch.tensor([1, 2]), torch.tensor(True))
    case(row, lambda x, i, v, f=into: f(x, [i], v), N, torch.tensor([1]), ints(1, 3, 4))
case("aten.index_put_.default", through_mask, X, bools(3, 4))
case(
    "aten.index_put_.default",
    put_rows,
    X,
    torch.tensor([1, 0]),
    second=[floats(3, 5, 2), torch.tensor([4, 2, 0])],
)
case("aten.copy_.default", lambda x, y: x.clone().copy_(y), X, N)
case("aten.copy_.default", copy_into, X, floats(3, 1))
case("aten.copy_.default", copy_into, X, floats(3, 1), second=[floats(4, 5, 3), floats(5, 1)])
case("aten.copy.default", lambda x, y: aten.copy.default(x, y), X, ints(4))
for name in ("masked_scatter", "masked_scatter_"):
    scatter = getattr(aten, name).default
    case(f"aten.{name}.default", lambda x, m, s, f=scatter: f(x.clone(), m, s), X, bools(3, 4), floats(30))
    case(f"aten.{name}.default", lambda x, m, s, f=scatter: f(x.clone(), m, s), X, bools(2, 3, 4), floats(5, 8))
    case(
        f"aten.{name}.default", lambda x, m, s, f=scatter: f(x.clone(), m, s), X, torch.zeros(2, 3, 4).bool(), floats(0)
    )
for dim in (0, 1, -1):
    index = torch.argsort(floats(2, 3, 4), dim=dim)[:2, :2]
    for suffix in ("", "_"):
        src, value = getattr(aten, f"scatter{suffix}").src, getattr(aten, f"scatter{suffix}").value
        add = getattr(aten, f"scatter_add{suffix}").default
        case(f"aten.scatter{suffix}.src", lambda x, i, s, f=src, d=dim: f(x.clone(), d, i, s), X, index, Y)
        case(f"aten.scatter{suffix}.value", lambda x, i, f=value, d=dim: f(x.clone(), d, i, 2.5), X, index)
        case(f"aten.scatter_add{suffix}.default", lambda x, i, s, f=add, d=dim: f(x.clone(), d, i, s), X, index * 0, Y)
    for how in ("sum", "amax", "amin"):
        case(
            "aten.scatter_reduce.two",
            lambda x, i, s, d=dim, h=how: torch.scatter_reduce(x, d, i, s, h),
            X,
            index * 0,
            Y,
        )
    for suffix in ("", "_"):
        add = getattr(aten, f"index_add{suffix}").default
        case(
            f"aten.index_add{suffix}.default",
            lambda x, i, s, f=add, d=dim: f(x.clone(), d, i, s, alpha=2),
            X,
            torch.tensor([0, 1]),
            Y.narrow(dim, 0, 2),
        )
    case(
        "aten.index_copy.default",
        lambda x, i, s, d=dim: torch.index_copy(x, d, i, s),
        X,
        torch.tensor([1, 0]),
        Y.narrow(dim, 0, 2),
    )
case(
    "aten.scatter_.value",
    lambda i: torch.zeros(i.shape[0], 4).scatter_(1, i, 1),
    torch.tensor([[0, 3], [2, 1]]),
    second=[torch.tensor([[1, 2], [0, 3], [3, 2]])],
)
last_cells = lambda x: [(y := x * 1), y[:, -min(3, x.shape[1]) :].copy_(torch.ones(2)), y + 1]  # noqa: E731
case("aten.copy_.default", last_cells, floats(3, 5, 2), second=[floats(4, 7, 2)])
# what functionalization leaves
for axis, start, end, step in ((1, 1, 3, 1), (0, None, None, 1), (2, -3, None, 1), (2, 0, 4, 2)):
    part = lambda x, y, a=axis, s=start, e=end, t=step: torch.slice_scatter(x, y, a, s, e, t)  # noqa: E731
    size = [2, 3, 4]
    size[axis] = len(range(*slice(start, end, step).indices(size[axis])))
    case("aten.slice_scatter.default", part, X, floats(*size, seed=4))
case(
    "aten.slice_scatter.default",
    lambda x, y: torch.slice_scatter(x, y, 1, 1, 2),
    X,
    floats(2, 1, 4),
    second=[floats(3, 5, 2), floats(3, 1, 2)],
)
case(
    "aten.select_scatter.default",
    lambda x, y: torch.select_scatter(x, y, 1, -1),
    X,
    floats(2, 4),
    second=[floats(3, 5, 2), floats(3, 2)],
)
case("aten.select_scatter.default", lambda x, y: torch.select_scatter(x, y, 0, 1), X, floats(3, 4))
# The older form of scatter with a reduction: places that are hit several times, and whole numbers.
PLACES = ints(3, 4, low=0, high=3)
for how in ("add", "multiply"):
    for x in (floats(3, 5), ints(3, 5)):
        source = x[:, :4] + 1
        into = lambda x, i, s, h=how: aten.scatter.reduce(x, 0, i, s, reduce=h)  # noqa: E731
        case("aten.scatter.reduce", into, x, PLACES, source)
        into = lambda x, i, h=how: aten.scatter.value_reduce(x, 0, i, 3, reduce=h)  # noqa: E731
        case("aten.scatter.value_reduce", into, x, PLACES)
    case(
        "aten.scatter_.reduce", lambda x, i, s, h=how: x.clone().scatter_(0, i, s, reduce=h), x, PLACES, source
    )  # fmt: skip
    case("aten.scatter_.value_reduce", lambda x, i, h=how: x.clone().scatter_(1, i, 2, reduce=h), x, PLACES)
rows = torch.tensor([0, 2, 2, 0])
for how in ("prod", "mean", "amax", "amin"):
    for includes in (True, False):
        reduce = lambda x, s, h=how, i=includes: torch.index_reduce(x, 0, rows, s, h, include_self=i)  # noqa: E731
        case("aten.index_reduce.default", reduce, floats(3, 5), floats(4, 5), second=[floats(3, 2), floats(4, 2)])
        reduce = lambda x, s, h=how, i=includes: torch.index_reduce(x, -1, rows, s, h, include_self=i)  # noqa: E731
        case("aten.index_reduce.default", reduce, floats(2, 3), floats(2, 4))
for adds in (False, True):
    into = lambda x, i, s, a=adds: aten.put.default(x, i, s, a)  # noqa: E731
    case("aten.put.default", into, floats(3, 4), torch.tensor([[0, -1], [5, 7]]), floats(2, 2))
    case("aten.put_.default", lambda x, i, s, a=adds: x.clone().put_(i, s, a), ints(3, 4), rows[:2], ints(2))
case("aten.put.default", lambda x, i, s: aten.put.default(x, i, s, True), floats(3, 4), rows, floats(4))
# Products in PyTorch's order, bit for bit.
for include in (True, False):
    case(
        "aten.scatter_reduce.two",
        lambda x, i, s, k=include: torch.scatter_reduce(x, 0, i, s, "prod", include_self=k),
        floats(3, 40) * 9,
        ints(20, 40, low=0, high=3),
        floats(20, 40) * 2,
    )
