"""Comparisons: every pair of special values, booleans, scalars of another kind than the tensor, promotion."""

import itertools

import torch
from tensors import LEFT, PROMOTED, RIGHT, SPECIAL, N, aten, bools, ints

from samples import case

for a, b in itertools.product(PROMOTED, PROMOTED):
    case("aten.eq.Tensor", torch.eq, a, b[0])
    case("aten.lt.Tensor", torch.lt, a, b)
for name in ("eq", "ne", "lt", "le", "gt", "ge"):
    function = getattr(torch, name)
    case(f"aten.{name}.Tensor", function, LEFT, RIGHT)
    case(f"aten.{name}.Tensor", function, bools(6), bools(6, seed=3))
    case(f"aten.{name}.Scalar", lambda x, f=function: f(x, 0), SPECIAL)
    case(f"aten.{name}.Scalar", lambda x, f=function: f(x, 1.5), N)
    case(f"aten.{name}.Scalar", lambda x, f=function: f(x, 1), bools(5))
    case(f"aten.{name}.Scalar", lambda x, f=function: f(x, True), N)
    case(f"aten.{name}.Scalar", lambda x, f=function: f(x, 3), ints(5, low=0, dtype=torch.uint8))
for name in ("isnan", "isinf", "isfinite"):
    for x in (SPECIAL, N):
        case(f"aten.{name}.default", getattr(aten, name).default, x)
