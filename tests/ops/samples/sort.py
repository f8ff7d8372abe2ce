"""Orders, runs, counts: ties, both directions, unsigned and boolean values, bounds that repeat."""

import torch
from tensors import INF, NAN, N, X, aten, bools, floats, ints

from samples import case

RUNS = torch.tensor([3, 3, 1, 1, 1, 3, 2])
for runs in (
    RUNS,
    RUNS > 2,
    RUNS.float(),
    torch.zeros(0, dtype=torch.int64),
    torch.tensor([4]),
    RUNS[:6].reshape(2, 3),
):
    for what in (
        {},
        {"return_inverse": True},
        {"return_counts": True},
        {"return_inverse": True, "return_counts": True},
    ):
        case("aten.unique_consecutive.default", lambda x, w=what: torch.unique_consecutive(x, **w), runs)
case("aten.unique_consecutive.default", lambda x: torch.unique_consecutive(x, dim=0), RUNS, second=[RUNS[:4]])
for largest in (True, False):
    case("aten.topk.default", lambda x, b=largest: torch.topk(x, 3, 1, b), floats(4, 9))
    case("aten.topk.default", lambda x, b=largest: torch.topk(x, 2, 0, b), torch.tensor([[5, -3], [1, 8], [-4, 2]]))
    case(
        "aten.topk.default",
        lambda x, b=largest: torch.topk(x, 2, 0, b),
        torch.tensor([5, 200, 0, 7], dtype=torch.uint8),
    )
case("aten.topk.default", lambda x: torch.topk(x, 3), floats(4, 9), second=[floats(2, 5)])
for descending in (False, True):
    for x in (
        floats(4, 9),
        torch.tensor([[3, 1, 3, 2], [1, 1, 2, -9]]),
        bools(3, 5),
        torch.tensor([3, 250, 0, 3], dtype=torch.uint8),
    ):
        case("aten.sort.stable", lambda x, d=descending: torch.sort(x, stable=True, dim=-1, descending=d), x)
        case("aten.argsort.stable", lambda x, d=descending: torch.argsort(x, stable=True, dim=0, descending=d), x)
    case("aten.sort.default", lambda x, d=descending: torch.sort(x, 0, d), floats(6, 5), second=[floats(7, 3)])
    case("aten.argsort.default", lambda x, d=descending: torch.argsort(x, 1, d), floats(6, 5))
case("aten.sort.stable", lambda x: torch.sort(x, stable=True), torch.tensor([INF, -INF, 0.0, 1.0, INF]))
for right in (False, True):
    case(
        "aten.bucketize.Tensor",
        lambda x, b, r=right: torch.bucketize(x, b, right=r),
        floats(3, 4),
        torch.tensor([-1.0, -0.5, 0.0, 0.5]),
    )
    case(
        "aten.bucketize.Tensor",
        lambda x, b, r=right: torch.bucketize(x, b, right=r, out_int32=True),
        ints(7),
        torch.tensor([-5, 0, 0, 5]),
    )
for bounds in (floats(2, 5), floats(5), ints(2, 5), floats(2, 5).double()):
    case(
        "aten.searchsorted.Tensor",
        lambda s, x: torch.searchsorted(s, x, sorter=torch.argsort(s, dim=-1, stable=True)),
        bounds,
        bounds.flip(-1),
    )
case("aten.bucketize.Tensor", lambda x, b: torch.bucketize(x, b), floats(7).double(), floats(5).double().sort().values)
COUNTED = torch.tensor([3, 0, 3, 5, 1])
for least in (0, 4, 9):
    case("aten.bincount.default", lambda x, n=least: torch.bincount(x, minlength=n), COUNTED)
    case("aten.bincount.default", lambda x, n=least: torch.bincount(x, minlength=n), COUNTED[:0])
    case("aten.bincount.default", lambda x, w, n=least: torch.bincount(x, w, n), COUNTED, floats(5))
case("aten.bincount.default", lambda x: torch.bincount(x), COUNTED.int(), second=[COUNTED.int()[:3]])
case("aten.bincount.default", lambda x, w: torch.bincount(x, w), COUNTED, ints(5))
case("aten.histc.default", lambda x: torch.histc(x, 8, 0, 7), torch.tensor([0.0, 1, 1, 7, 3, 8, -1, 5]))
case("aten.histc.default", lambda x: torch.histc(x.float(), 8, 0, 7), ints(40, low=0, high=8))
case(
    "aten.histc.default",
    lambda x: torch.histc(x.float(), 8, 0, 7),
    ints(40, low=0, high=8),
    second=[ints(13, low=0, high=8)],
)
case("aten.histc.default", lambda x: torch.histc(x, 5, -1, 2), floats(200))
for invert in (False, True):
    case("aten.isin.Tensor_Tensor", lambda x, y, i=invert: torch.isin(x, y, invert=i), N, torch.tensor([3, -1, 5]))
BOUNDS = floats(3, 6).sort(-1).values
for right in (False, True):
    case(
        "aten.searchsorted.Tensor",
        lambda s, x, r=right: torch.searchsorted(s, x, right=r),
        BOUNDS,
        floats(3, 5),
        second=[floats(2, 4).sort(-1).values, floats(2, 7)],
    )
    case(
        "aten.searchsorted.Tensor",
        lambda s, x, r=right: torch.searchsorted(s, x, right=r),
        BOUNDS[0].contiguous(),
        BOUNDS,
    )
case("aten.histc.default", lambda x: torch.histc(x, 5), X)
case("aten.histc.default", lambda x: torch.histc(x, 4), torch.ones(6))
# Medians: the lower of two, NaN first or passed over, infinities beside NaN, one element, whole numbers.
HOLES = torch.tensor(
    [[NAN, INF, 2.0, 1.0, -3.0], [NAN, INF, NAN, NAN, NAN], [NAN] * 5, [4.0, -INF, 0.5, 7.0, 6.0]]
)  # fmt: skip
for name in ("median", "nanmedian"):
    whole, along = getattr(aten, name).default, getattr(aten, name).dim
    for x in (floats(3, 4), floats(3, 5), ints(70), floats(2, 3, 4).half(), floats(1)):
        case(f"aten.{name}.default", whole, x)
        case(f"aten.{name}.dim", lambda x, f=along: f(x, 0), x)
    case(f"aten.{name}.default", whole, HOLES[0])
    case(f"aten.{name}.dim", lambda x, f=along: f(x, -1, True)[0], HOLES)
    case(f"aten.{name}.dim", lambda x, f=along: f(x, 1), floats(3, 6), second=[floats(5, 9)])
    case(f"aten.{name}.dim", lambda x, f=along: f(x, 0), torch.tensor(2.5))
# Unique numbers, sorted.
for what in ({}, {"return_inverse": True}, {"return_counts": True}, {"return_inverse": True, "return_counts": True}):
    numbers = ints(4, 30, low=-5, high=6)
    case("aten._unique2.default", lambda x, w=what: torch.unique(x, **w), numbers, second=[numbers[:2, :7]])
    case("aten._unique2.default", lambda x, w=what: torch.unique(x, **w), numbers.float() / 2)
case("aten._unique2.default", lambda x: torch.unique(x, return_inverse=True), torch.tensor([7]))
# The k-th in order, NaN last; the most frequent number, the smallest of several; slices once.
REPEATED = ints(4, 30, low=-5, high=6)
for x in (floats(3, 70), REPEATED, HOLES, floats(5).half(), ints(3, 4, low=0, high=200, dtype=torch.uint8)):
    case("aten.kthvalue.default", lambda x: torch.kthvalue(x, 3, -1)[0], x)
    case("aten.kthvalue.default", lambda x: torch.kthvalue(x, 1, 0, keepdim=True)[0], x)
case("aten.kthvalue.default", lambda x: torch.kthvalue(x, 2, 1), floats(3, 6, 4), second=[floats(5, 9, 2)])
case("aten.kthvalue.default", lambda x: torch.kthvalue(x, x.shape[1] // 2, 1), floats(3, 6), second=[floats(5, 9)])
case("aten.kthvalue.default", lambda x: torch.kthvalue(x, 1), torch.tensor(2.5))
for x in (REPEATED, REPEATED.float() / 2, REPEATED > 0, REPEATED.double()):
    case("aten.mode.default", lambda x: torch.mode(x, 1)[0], x)
    case("aten.mode.default", lambda x: torch.mode(x, 0, keepdim=True), x)
case("aten.mode.default", lambda x: torch.mode(x)[0], floats(3, 4, 5), second=[floats(2, 5, 7)])
case("aten.mode.default", torch.mode, torch.tensor(3.5))
ROWS_OF_FEW = ints(40, 3, low=0, high=3)
for what in ({}, {"return_inverse": True}, {"return_counts": True}, {"return_inverse": True, "return_counts": True}):
    case("aten.unique_dim.default", lambda x, w=what: torch.unique(x, dim=0, **w), ROWS_OF_FEW)
    case("aten.unique_dim.default", lambda x, w=what: torch.unique(x, dim=1, **w), ROWS_OF_FEW.T.float())
both = lambda x, d: torch.unique(x, dim=d, return_inverse=True, return_counts=True)  # noqa: E731
case("aten.unique_dim.default", lambda x: both(x, 1), ints(2, 9, 3, low=0, high=2))
case("aten.unique_dim.default", lambda x: both(x, 0), ints(7))
