"""Random numbers: what is known of any draw."""

import torch
from tensors import aten, floats, ints

from samples import case

DRAWN = {
    "rand.default": lambda x: torch.rand(2, 500),
    "rand.generator": lambda x: torch.rand(2, 500, generator=None),
    "rand_like.default": lambda x: torch.rand_like(x),
    "uniform_.default": lambda x: x.clone().uniform_(2, 3) - 2,
    "randint.low": lambda x: (torch.randint(3, 5, (2, 500)) - 3) / 2,
    "randint.default": lambda x: torch.randint(2, (2, 500)) / 2,
    "bernoulli.default": lambda x: torch.bernoulli(torch.full_like(x, 0.5)) / 2,
    "bernoulli.p": lambda x: aten.bernoulli.p(x, 0.5) / 2,
    "bernoulli_.float": lambda x: x.clone().bernoulli_(0.5) / 2,
}
for name, draw in DRAWN.items():
    checks = lambda x, f=draw: (((y := f(x)) >= 0).all(), (y < 1).all(), (y.mean() - 0.4).abs() < 0.2, y > 2)  # noqa: E731
    case(f"aten.{name}", checks, torch.ones(2, 500))
for name, draw in {
    "randn.default": lambda x: torch.randn(2, 500),
    "randn.generator": lambda x: torch.randn(2, 500, generator=None),
    "randn_like.default": lambda x: torch.randn_like(x),
    "normal_.default": lambda x: (x.clone().normal_(3, 2) - 3) / 2,
}.items():
    checks = lambda x, f=draw: ((y := f(x)).mean().abs() < 0.3, (y.std() - 1).abs() < 0.3, y > 100)  # noqa: E731
    case(f"aten.{name}", checks, torch.ones(2, 500))
case("aten.randperm.default", lambda x: torch.randperm(20).sort().values + x, ints(20))
# Kept elements are divided by what is kept; the second result says which they are.
dropped = lambda x, p: (  # noqa: E731
    (y := aten.native_dropout(x, p, True))[0].sub(y[1] / (1 - p)).abs().max(),
    (y[1].float().mean() - (1 - p)).abs() < 0.1,
)
case("aten.native_dropout.default", lambda x: dropped(x, 0.25), torch.ones(2, 500))
case("aten.native_dropout.default", lambda x: aten.native_dropout(x, 0.25, False), floats(3, 4))
case("aten.native_dropout.default", lambda x: aten.native_dropout(x, 1.0, True), floats(3, 4))
