"""Arithmetic: overloads that tracing rarely makes, scalars, special values, integers and their signs, complex numbers."""

import itertools

import torch
from tensors import INF, LEFT, NAN, PROMOTED, RIGHT, SPECIAL, N, X, Y, aten, floats, ints, parts

from samples import case

for name, function in {"add": aten.add, "sub": aten.sub, "rsub": aten.rsub}.items():
    for alpha in (1, 2):
        case(f"aten.{name}.Scalar", lambda x, f=function, a=alpha: f.Scalar(x, 3, a), N)
        case(f"aten.{name}.Scalar", lambda x, f=function, a=alpha: f.Scalar(x, 2.5, a), X)
case("aten.add_.Scalar", lambda x: aten.add_.Scalar(x.clone(), 2, 3), X)
case("aten.mul.Scalar", lambda x: aten.mul.Scalar(x, 3), N)
case("aten.mul.Scalar", lambda x: aten.mul.Scalar(x, 2.5), N)
case("aten.mul_.Scalar", lambda x: aten.mul_.Scalar(x.clone(), 2.5), X)
case("aten.multiply.Tensor", torch.multiply, X, Y)
case("aten.div.Scalar", lambda x: aten.div.Scalar(x, 3), N)
case("aten.divide.Tensor", torch.divide, X, Y)
case("aten.subtract.Tensor", torch.subtract, X, Y)
case("aten.lerp.Tensor", torch.lerp, X, Y, floats(2, 3, 4, seed=2))
case("aten.lerp.Scalar", lambda x, y: torch.lerp(x, y, 0.3), X, Y)
case("aten.div_.Scalar", lambda x: aten.div_.Scalar(x.clone(), 3), X)
SIGNED = torch.tensor([7, -7, 7, -7, 0, 6, -6, 1, -1])
DIVISORS = torch.tensor([2, 2, -2, -2, 5, 3, 3, -9, 9])
FRACTIONS = torch.tensor([7.5, -7.5, 7.5, -7.5, 0.0, -0.0, 5.3, INF, -INF, 3.0, NAN, 2.0, 1e-3, 0.7])
FRACTION_DIVISORS = torch.tensor([2.0, 2.0, -2.0, -2.0, 3.0, 3.0, 0.0, 2.0, 2.0, INF, 1.0, NAN, -INF, 0.1])
for mode in (None, "floor", "trunc"):
    case("aten.div.Tensor_mode", lambda a, b, m=mode: torch.div(a, b, rounding_mode=m), SIGNED, DIVISORS)
    case("aten.div.Tensor_mode", lambda a, b, m=mode: torch.div(a, b, rounding_mode=m), FRACTIONS, FRACTION_DIVISORS)
    case("aten.div.Scalar_mode", lambda a, m=mode: aten.div.Scalar_mode(a, -2, rounding_mode=m), SIGNED)
    case("aten.div.Scalar_mode", lambda a, m=mode: aten.div.Scalar_mode(a, 2.5, rounding_mode=m), FRACTIONS)
case("aten.floor_divide.default", torch.floor_divide, SIGNED, DIVISORS)
case("aten.floor_divide.default", torch.floor_divide, FRACTIONS, FRACTION_DIVISORS)
case("aten.floor_divide.Scalar", lambda x: aten.floor_divide.Scalar(x, -2), SIGNED)
for name in ("remainder", "fmod"):
    function = getattr(torch, name)
    case(f"aten.{name}.Tensor", function, SIGNED, DIVISORS)
    case(f"aten.{name}.Tensor", function, FRACTIONS, FRACTION_DIVISORS)
    case(f"aten.{name}.Scalar", lambda x, f=getattr(aten, name).Scalar: f(x, -3), SIGNED)
    case(f"aten.{name}.Scalar", lambda x, f=getattr(aten, name).Scalar: f(x, 2.5), FRACTIONS)
case("aten.remainder.Scalar_Tensor", lambda x: aten.remainder.Scalar_Tensor(7, x), torch.arange(1, 100) - 120)
case("aten.remainder.Scalar_Tensor", lambda x: aten.remainder.Scalar_Tensor(-7.5, x), FRACTION_DIVISORS)
case(
    "aten.pow.Tensor_Tensor",
    torch.pow,
    torch.tensor([2, -1, 1, -2, 3, -1, 0, 5]),
    torch.tensor([-1, -3, -2, -1, 3, -2, 0, -5]),
)
case(
    "aten.pow.Tensor_Tensor",
    torch.pow,
    torch.tensor([2.0, -1, 0, -2, INF, NAN, 1]),
    torch.tensor([0.5, 3, 0, -2, -1, 0, NAN]),
)
for exponent in (0.5, 1, 2, 3, -1, -0.5, 0, 2.5, 4):
    case(
        "aten.pow.Tensor_Scalar",
        lambda x, e=exponent: aten.pow.Tensor_Scalar(x, e),
        torch.tensor([0.3, 2.0, 7.5, 0.0, INF, NAN]),
    )
case("aten.pow.Tensor_Scalar", lambda x: aten.pow.Tensor_Scalar(x, 3), SIGNED)
case("aten.pow.Scalar", lambda x: torch.pow(2, x), ints(6, low=0))
case("aten.pow.Scalar", lambda x: torch.pow(10000.0, x), floats(6))
case("aten.round.default", torch.round, torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999997, INF, NAN]))
case("aten.round.default", torch.round, N)
for decimals in (0, 2, -1):
    case("aten.round.decimals", lambda x, d=decimals: torch.round(x, decimals=d), floats(20) * 100)
for name in ("floor", "ceil", "trunc", "sign", "abs", "neg", "sqrt", "rsqrt", "reciprocal", "exp", "log", "log1p", "expm1", "erf",
             "sin", "cos", "square", "exp2", "log2", "log10", "erfc", "atan", "asinh"):  # fmt: skip
    case(f"aten.{name}.default", getattr(torch, name), SPECIAL)
case("aten.rsqrt.default", torch.rsqrt, floats(1000).abs() * 100)
case("aten.erf.default", torch.erf, floats(1000) * 3)
case("aten.abs.default", torch.abs, torch.tensor([1, 200], dtype=torch.uint8))
for name in ("maximum", "minimum", "atan2", "add", "mul", "div", "sub"):
    row = f"aten.{name}.default" if name in ("maximum", "minimum", "atan2") else f"aten.{name}.Tensor"
    case(row, getattr(torch, name), LEFT, RIGHT)
case("aten.max.other", torch.max, LEFT, RIGHT)
case("aten.min.other", torch.min, LEFT, RIGHT)
case("aten.clamp.default", lambda x: torch.clamp(x, -1, 2), SPECIAL)
case("aten.clamp.default", lambda x: torch.clamp(x, 2, -1), SPECIAL)
case("aten.clamp.default", lambda x: torch.clamp(x, min=0.5), N)
case("aten.clamp.default", lambda x: torch.clamp(x, max=3), N)
case("aten.clip.default", lambda x: torch.clip(x, -1, 2), SPECIAL)
case("aten.clamp_.default", lambda x: x.clone().clamp_(-1, 0.5), SPECIAL)
case("aten.clamp_min.default", lambda x: torch.clamp_min(x, 0.5), SPECIAL)
case("aten.clamp_max.default", lambda x: torch.clamp_max(x, 0.5), SPECIAL)
case("aten.clamp.Tensor", torch.clamp, LEFT, RIGHT, torch.ones(36))
case("aten.add.Tensor", torch.add, X, Y, second=[floats(3, 2, 5), floats(3, 2, 5)])
case("aten.mul.Tensor", torch.mul, X, floats(3, 1), second=[floats(5, 4, 2), floats(4, 1)])
for a, b in itertools.product(PROMOTED, PROMOTED):
    case("aten.add.Tensor", torch.add, a, b)
    case("aten.mul.Tensor", torch.mul, a, b[0])
for a in PROMOTED:
    case("aten.add.Tensor", lambda x: x + 1, a)
    case("aten.mul.Tensor", lambda x: x * 2.5, a)
    case("aten.div.Tensor", lambda x: x / 2, a)
for alpha in (False, True):
    case("aten.add.Tensor", lambda x, y, a=alpha: torch.add(x, y, alpha=a), ints(9) > 0, ints(9).flip(0) > 1)


def view_after_base(x):
    z = x.clone()
    view = z[0]
    z.mul_(2)
    return view + 1, z


case("aten.mul_.Tensor", view_after_base, X)
case("aten.add_.Tensor", lambda x, y: x.clone().add_(y, alpha=2), X, Y)
case("aten.sub_.Tensor", lambda x, y: x.clone().sub_(y), X, Y)
case("aten.div_.Tensor", lambda x, y: x.clone().div_(y), X, Y)
case("aten.floor_divide_.Tensor", lambda x, y: x.clone().floor_divide_(y), X, Y)
case("aten.abs.default", lambda x, y: torch.complex(x, y).abs(), X, Y)
case("aten.mul.Tensor", lambda x, y: parts(torch.complex(x, y) * torch.complex(y, x)), X, Y)
case("aten.mul.Tensor", lambda x, y: parts(torch.complex(x, y) * x), X, Y)
case("aten.div.Tensor", lambda x, y: parts(torch.complex(x, y) / torch.complex(y, x)), X, Y)
case("aten.add.Tensor", lambda x, y: parts(torch.complex(x, y) + torch.complex(y, x)), X, Y)
for name in ("erfc", "erfinv", "special_erfinv", "lgamma"):
    unit = torch.linspace(-0.95, 0.95, 13) if "inv" in name else torch.linspace(0.3, 4, 13)
    case(f"aten.{name}.default", getattr(aten, name).default, unit)
case("aten.mul.Tensor", lambda x: parts(x * (2 - 3j)), X, second=[floats(5, 4, 2)])
case("aten.mul.Tensor", lambda x: parts(torch.exp(x * 1j)), X.double())
case("aten.add.Tensor", lambda x: parts(x + 1j), X)
