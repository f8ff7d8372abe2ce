"""Tensors from sizes and numbers: every dtype, ends that rounding decides, nothing at all."""

import torch
from tensors import INF, N, X, aten, bools, floats, ints

from samples import case

for name in ("zeros", "ones", "empty"):
    row = "aten.empty.memory_format" if name == "empty" else f"aten.{name}.default"
    case(row, lambda x, f=getattr(torch, name): f(2, x.shape[0]).zero_() + x, X[0, 0], second=[floats(7)])
    case(
        f"aten.new_{name}.default",
        lambda x, f=name: getattr(x, f"new_{f}")((2, x.shape[0])).zero_() + x,
        X[0, 0],
        second=[floats(7)],
    )
    case(f"aten.{name}_like.default", lambda x, f=getattr(torch, f"{name}_like"): f(x).zero_() + x, X)
case("aten.full.default", lambda x: torch.full((2, x.shape[1]), -INF), X, second=[floats(3, 5, 2)])
case("aten.full.default", lambda x: torch.full((), 3), X)
case("aten.full.default", lambda x: torch.full((0, 2), True), X)
case("aten.new_full.default", lambda x: x.new_full((2, 2), 7), X)
case("aten.full_like.default", lambda x: torch.full_like(x, 2.5, dtype=torch.int64), X)
case("aten.scalar_tensor.default", lambda x: aten.scalar_tensor.default(2.5) + x, X)
case("aten.scalar_tensor.default", lambda x: aten.scalar_tensor.default(3, dtype=torch.int64), X)
case("aten.fill.Scalar", lambda x: aten.fill.Scalar(x, 2), X)
case("aten.fill.Tensor", lambda x, v: aten.fill.Tensor(x, v), X, torch.tensor(2))
case("aten.fill_.Scalar", lambda x: x.clone().fill_(2), N)
case("aten.fill_.Tensor", lambda x, v: x.clone().fill_(v), X, torch.tensor(2))
case("aten.zero_.default", lambda x: x.clone().zero_(), X)
case("aten.arange.default", lambda x: torch.arange(x.shape[0]), floats(5), second=[floats(8)])
case("aten.arange.default", lambda x: torch.arange(x.shape[0], dtype=torch.float32), floats(5), second=[floats(8)])
for dtype in (torch.int64, torch.int32, torch.float32, torch.float16, torch.uint8):
    case("aten.arange.default", lambda d=dtype: torch.arange(7, dtype=d))
    case("aten.arange.start_step", lambda d=dtype: torch.arange(3, 20, 4, dtype=d))
case("aten.arange.start", lambda x: torch.arange(x.shape[0], 2 * x.shape[0]), floats(5), second=[floats(8)])
case("aten.arange.start_step", lambda: torch.arange(0, 1, 0.1))
case("aten.arange.start_step", lambda: torch.arange(0.5, 1000.0, 0.3))
case("aten.arange.start_step", lambda: torch.arange(5, -5, -2))
case(
    "aten.arange.start_step",
    lambda x: torch.arange(0, x.shape[0], 2, dtype=torch.float32) / 3,
    floats(6),
    second=[floats(9)],
)
for args in ((0, 1, 5), (-3, 7.5, 1), (2, 2, 4), (5, -5, 11), (0, 1, 0), (0.1, 0.9, 300)):
    case("aten.linspace.default", lambda a=args: torch.linspace(*a))
case("aten.linspace.default", lambda: torch.linspace(0, 10, 4, dtype=torch.int64))
case("aten.linspace.default", lambda: torch.linspace(0, 10, 4, dtype=torch.float16))
case("aten.eye.default", lambda: torch.eye(4))
case("aten.eye.m", lambda: torch.eye(3, 5, dtype=torch.int64))
for diagonal in (0, 1, -2):
    case("aten.tril.default", lambda x, d=diagonal: torch.tril(x, d), X)
    case("aten.triu.default", lambda x, d=diagonal: torch.triu(x, d), bools(4, 4))
case("aten.triu.default", lambda x: torch.triu(x, 1), floats(4, 4), second=[floats(6, 6)])
case("aten.arange.start_step", lambda x: x + torch.arange(-0.9, 2.1, 2.0, dtype=torch.int32), ints(2))
case("aten.linspace.default", lambda x: x + torch.linspace(4.3, -3, 50, dtype=torch.int64), ints(50))
case("aten.linspace.Tensor_Tensor", lambda a, b: torch.linspace(a, b, 7), torch.tensor(-1.5), torch.tensor(4.0))
write_every_third = lambda x: [(y := x * 1), y[:, :: (x.shape[1] + 3) // 4].fill_(2.0), y + 1][0]  # noqa: E731
case("aten.fill_.Scalar", write_every_third, floats(3, 9, 2), second=[floats(4, 14, 2)])
# Windows: both forms, one element, none, even and odd lengths, a length of a size.
for name in ("hann_window", "hamming_window", "blackman_window", "bartlett_window", "kaiser_window"):
    of, periodic = getattr(aten, name).default, getattr(aten, name).periodic
    for n in (7, 0, 1, 2, 400):
        case(f"aten.{name}.default", lambda f=of, n=n: f(n))
        case(f"aten.{name}.periodic", lambda f=periodic, n=n: f(n, False))
    case(f"aten.{name}.default", lambda f=of: f(64, dtype=torch.float64))
case("aten.hamming_window.periodic_alpha", lambda: torch.hamming_window(9, False, 0.6))
case("aten.hamming_window.periodic_alpha_beta", lambda: torch.hamming_window(9, True, 0.6, 0.3))
case("aten.kaiser_window.beta", lambda: torch.kaiser_window(33, False, 14.5))
case("aten.kaiser_window.beta", lambda: torch.kaiser_window(33, True, 0.0))
