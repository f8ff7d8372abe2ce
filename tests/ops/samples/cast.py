"""Casts: values through every pair of types that models use, and calls that keep the values."""

import itertools

import torch
from tensors import NAN, N, X, aten, ints

from samples import case

TYPES = (torch.bool, torch.uint8, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64)
for a, b in itertools.product(TYPES, TYPES):
    case("aten.to.dtype", lambda x, d=b: aten.to.dtype(x, d), torch.tensor([0, 1, 2, 100]).to(a))
    case("aten._to_copy.default", lambda x, d=b: aten._to_copy.default(x, dtype=d), torch.tensor([0, 1, 2, 100]).to(a))
case("aten.to.dtype", lambda x: x.to(torch.int64), torch.tensor([1.9, -1.9, 0.5, -0.5, 1e6]))
case("aten.to.dtype", lambda x: x.to(torch.bool), torch.tensor([NAN, 0.0, -0.0, 1e-30, 2.0]))
case("aten.to.device", lambda x: aten.to.device(x, torch.device("cpu"), torch.float32), N)
case("aten.to.dtype_layout", lambda x: aten.to.dtype_layout(x, dtype=torch.float32, device=torch.device("cpu")), N)
case("aten.to.other", lambda x, y: aten.to.other(x, y), N, X)
case("aten.type_as.default", lambda x, y: x.type_as(y), N, X)
for name in ("alias", "detach", "contiguous", "clone", "lift_fresh_copy"):
    case(f"aten.{name}.default", lambda x, f=getattr(aten, name).default: f(x.transpose(0, 1)) * 2, X)
case("aten.detach_.default", lambda x: x.clone().detach_() * 2, X)
case("aten.item.default", lambda x: torch.full((3,), 1.0) * x[0].item(), ints(3, low=2))
for name in ("dropout", "feature_dropout"):
    case(f"aten.{name}.default", lambda x, f=getattr(aten, name).default: f(x, 0.5, False), X)
