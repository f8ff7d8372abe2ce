"""Reductions: NaN, infinities, ties, nothing at all."""

import torch
from tensors import INF, MASKED, NAN, N, X, aten, bools, floats, ints

from samples import case

NANS = torch.tensor([[1.0, NAN, 3.0, NAN], [-INF, -INF, -INF, -INF], [2.0, 2.0, 1.0, 2.0], [INF, 0.0, INF, -INF]])
for name in ("max", "min", "amax", "amin", "sum", "mean", "prod", "argmax", "argmin"):
    function = getattr(torch, name)
    case(f"aten.{name}.default", function, NANS)
    case(f"aten.{name}.default", function, NANS[2])
for name in ("amax", "amin", "argmax", "argmin"):
    case(f"aten.{name}.default", lambda x, f=getattr(torch, name): f(x, 1), NANS)
    case(f"aten.{name}.default", lambda x, f=getattr(torch, name): f(x, 0, True), NANS)
    case(f"aten.{name}.default", lambda x, f=getattr(torch, name): f(x, 1), torch.tensor([[3, 1, 3], [1, 1, 2]]))
    case(f"aten.{name}.default", lambda x, f=getattr(torch, name): f(x, -1), X, second=[floats(4, 2, 5)])
for name in ("max", "min"):
    case(f"aten.{name}.dim", lambda x, f=getattr(torch, name): f(x, 1), NANS)
    case(f"aten.{name}.dim", lambda x, f=getattr(torch, name): f(x, 1, True), torch.tensor([[3, 1, 3], [1, 1, 2]]))
    case(f"aten.{name}.dim", lambda x, f=getattr(torch, name): f(x, 0), bools(3, 4))
    case(f"aten.{name}.dim", lambda x, f=getattr(torch, name): f(x, 0), torch.tensor(2.0))
case("aten.sum.default", torch.sum, bools(3, 4))
case("aten.sum.dim_IntList", lambda x: x.sum((0, 2), True), N.int())
case("aten.sum.dim_IntList", lambda x: x.sum(1), torch.zeros(3, 0))
case("aten.mean.dim", lambda x: x.mean(1), torch.zeros(3, 0))
case("aten.mean.default", torch.mean, torch.zeros(0))
case("aten.mean.dim", lambda x: x.mean((-1, 0), True), X, second=[floats(3, 5, 7)])
case("aten.prod.dim_int", lambda x: x.prod(1), torch.zeros(3, 0))
for name in ("all", "any"):
    case(f"aten.{name}.default", getattr(torch, name), torch.zeros(0))
    case(f"aten.{name}.dim", lambda x, f=getattr(torch, name): f(x, 1), torch.zeros(3, 0))
    case(f"aten.{name}.dim", lambda x, f=getattr(torch, name): f(x, 1, True), NANS)
    case(f"aten.{name}.default", getattr(torch, name), ints(4, low=0, dtype=torch.uint8))
case("aten.any.dims", lambda x: aten.any.dims(x, [0, 2]), bools(2, 3, 4))
case("aten._is_all_true.default", aten._is_all_true.default, bools(3))
case("aten._is_all_true.default", aten._is_all_true.default, torch.ones(3).bool())
for name in ("var", "std"):
    case(f"aten.{name}.dim", lambda x, f=getattr(aten, name).dim: f(x, [1], False), X)
    case(
        f"aten.{name}.correction", lambda x, f=getattr(torch, name): f(x, 1, correction=0), X, second=[floats(3, 5, 7)]
    )
    case(f"aten.{name}.correction", lambda x, f=getattr(torch, name): f(x, 1, correction=2), floats(3, 1))
case("aten.logsumexp.default", lambda x: torch.logsumexp(x, 1), MASKED)
case("aten.cumsum.default", lambda x: torch.cumsum(x, -1), bools(3, 4))
case("aten.cumsum.default", lambda x: torch.cumsum(x, 1), X, second=[floats(3, 5, 7)])
case("aten.cumsum.default", lambda x: torch.cumsum(x, 0, dtype=torch.float32), N)
case("aten.cumprod.default", lambda x: torch.cumprod(x, -1), X)
# reductions along an axis, positions
for name in ("cummax", "cummin"):
    case(f"aten.{name}.default", lambda x, f=getattr(torch, name): f(x, 1), N, second=[ints(3, 5, 2)])
    case(f"aten.{name}.default", lambda x, f=getattr(torch, name): f(x, -1), X)
case("aten.var_mean.correction", lambda x: torch.var_mean(x, dim=1, correction=0), X, second=[floats(3, 5, 2)])
case("aten.var_mean.correction", lambda x: torch.var_mean(x, dim=(0, 2), correction=2, keepdim=True), X)
case("aten.count_nonzero.dim_IntList", lambda x: torch.count_nonzero(x, (0, 2)), N)
