"""Hand-made samples: rows that OpInfo does not know, and the corners of semantics that its samples leave out.

`case("aten.x.default", function, tensors…)` is one sample; its function must reach that row of the table. With `second`
the sample is exported with every axis dynamic, and run at the sizes of both lists of tensors.
"""

import collections
import itertools

import torch
import torch.nn.functional as F
from harness import Sample
from torch._higher_order_ops.map import map as map_rows
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop

aten = torch.ops.aten
INF, NAN = float("inf"), float("nan")
CASES = collections.defaultdict(list)


def case(row, function, *args, second=None, **kwargs):
    CASES[row].append((function, args, kwargs, second))


def samples_of(row):
    for index, (function, args, kwargs, second) in enumerate(CASES[row]):
        kind = next((str(a.dtype).removeprefix("torch.") for a in args if isinstance(a, torch.Tensor)), "none")
        size = "-dynamic" if second else ""
        yield Sample(f"handmade-{row}-{kind}-{index}{size}", function, args, kwargs, row=row, second=second)


def floats(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape))).to(dtype)


def ints(*shape, low=-9, high=10, seed=0, dtype=torch.int64):
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randint(low, high, shape, generator=generator, dtype=dtype)


def bools(*shape, seed=0):
    return ints(*shape, low=0, high=2, seed=seed).bool()


# TensorFlow's kernels take numbers below 1.2e-38 for 0; so none of these is.
SPECIAL = torch.tensor([NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -0.5, -1.5, 1e30, 1e-30, 7.25])
X, Y, N, M = floats(2, 3, 4), floats(2, 3, 4, seed=1), ints(2, 3, 4), ints(2, 3, 4, low=1, seed=1)
PICTURE = floats(2, 4, 7, 9)

# activation: special values through every unary row; in-place forms; the low-level softmax.
for name in ("relu", "relu6", "gelu", "silu", "mish", "sigmoid", "tanh", "selu", "elu", "leaky_relu", "softplus", "log_sigmoid",
             "hardtanh", "hardsigmoid", "hardswish"):  # fmt: skip
    finite = {"silu", "mish", "gelu", "hardswish"}  # -inf * 0 is NaN, also in PyTorch's vectorised half of a kernel
    case(f"aten.{name}.default", getattr(aten, name).default, SPECIAL[3:] if name in finite else SPECIAL)
case("aten.elu.default", lambda x: aten.elu.default(x, 1.5, 1.1, 0.7), SPECIAL)
case("aten.gelu.default", lambda x: F.gelu(x, approximate="tanh"), floats(5, 7) * 3)
case("aten.gelu.default", lambda x: F.gelu(x), floats(5, 7) * 3, second=[floats(3, 9) * 3])
UNIT = torch.tensor([0.0, 1.0, -0.5, 1.5, 1e-6, 1 - 1e-6, 0.25, NAN])
case("aten.logit.default", lambda x: torch.logit(x), UNIT)
case("aten.logit.default", lambda x: torch.logit(x, 1e-5), UNIT)
case("aten.logit.default", lambda x: torch.logit(x, 1e-3), torch.rand(5, 7), second=[torch.rand(3, 9)])
for name in ("relu_", "silu_", "hardswish_"):
    case(f"aten.{name}.default", lambda x, f=getattr(aten, name).default: f(x.clone()), X)
case("aten.hardtanh_.default", lambda x: aten.hardtanh_.default(x.clone(), -0.5, 0.7), X)
case("aten.prelu.default", torch.prelu, X, floats(3))
for half in ("_softmax", "_log_softmax"):
    case(f"aten.{half}.default", lambda x, f=getattr(aten, half).default: f(x, 1, False), X)
    case(f"aten.{half}.default", lambda x, f=getattr(aten, half).default: f(x, -1, False), X)
MASKED = torch.tensor([[0.0, -INF, 1.0], [-INF, -INF, -INF], [0.5, 0.0, 1.0]])
for name in ("softmax", "log_softmax"):
    function = getattr(torch, name)
    case(f"aten.{name}.int", lambda x, f=function: f(x, 1), MASKED)
    case(f"aten.{name}.int", lambda x, f=function: f(x, 0), torch.zeros(0, 3))
    case(f"aten.{name}.int", lambda x, f=function: f(x, -1), torch.zeros(2, 0))
    case(f"aten.{name}.int", lambda x, f=function: f(x, 0), torch.tensor(3.0))
    case(f"aten.{name}.int", lambda x, f=function: f(x, 1, dtype=torch.float32), ints(3, 4))
    case(f"aten.{name}.int", lambda x, f=function: f(x, 1), X, second=[floats(3, 5, 2)])

# arithmetic: overloads that tracing rarely makes, scalars, special values, integers and their signs.
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
EVERY_PAIR = torch.tensor([NAN, INF, -INF, 0.0, 1.0, -2.0])
LEFT, RIGHT = EVERY_PAIR.repeat(6), EVERY_PAIR.repeat_interleave(6)
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

# Type promotion: dimensions decide before categories, scalars last.
PROMOTED = [
    torch.ones(2, dtype=d)
    for d in (torch.bool, torch.uint8, torch.int32, torch.int64, torch.float16, torch.float32, torch.float64)
]
for a, b in itertools.product(PROMOTED, PROMOTED):
    case("aten.add.Tensor", torch.add, a, b)
    case("aten.mul.Tensor", torch.mul, a, b[0])
    case("aten.eq.Tensor", torch.eq, a, b[0])
    case("aten.lt.Tensor", torch.lt, a, b)
for a in PROMOTED:
    case("aten.add.Tensor", lambda x: x + 1, a)
    case("aten.mul.Tensor", lambda x: x * 2.5, a)
    case("aten.div.Tensor", lambda x: x / 2, a)
    case("aten.where.ScalarOther", lambda x: torch.where(x > 0, x, 0.5), a)

# comparison
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
    # PyTorch writes isinf and isfinite as abs() and comparisons before a program sees them.
    function = getattr(aten, name).default if name == "isnan" else getattr(torch, name)
    for x in (SPECIAL, N):
        case(f"aten.{name}.default", getattr(aten, name).default, x)

# logic
for mark, name in {"and": "and", "or": "or", "xor": "xor"}.items():
    for a, b in ((bools(6), bools(6, seed=2)), (ints(6), ints(6, seed=2))):
        case(f"aten.__{mark}__.Tensor", getattr(aten, f"__{mark}__").Tensor, a, b)
        case(f"aten.bitwise_{name}.Tensor", getattr(torch, f"bitwise_{name}"), a, b)
case("aten.logical_not.default", torch.logical_not, SPECIAL)
for name in ("logical_and", "logical_or", "logical_xor"):
    case(f"aten.{name}.default", getattr(torch, name), LEFT, RIGHT)
case("aten.where.self", torch.where, bools(3, 1), floats(1, 4), floats(3, 4))
case(
    "aten.where.self",
    torch.where,
    bools(3, 1),
    floats(1, 4),
    floats(3, 4),
    second=[bools(5, 1), floats(1, 2), floats(5, 2)],
)
case("aten.where.ScalarOther", lambda c, x: aten.where.ScalarOther(c, x, 0.5), bools(3, 1), floats(4))
case("aten.where.ScalarOther", lambda c, x: aten.where.ScalarOther(c, x, -INF), bools(3, 4), N[0])
case("aten.where.ScalarSelf", lambda c, x: aten.where.ScalarSelf(c, 2, x), bools(3, 1), floats(4))
case("aten.where.Scalar", lambda c: aten.where.Scalar(c, 0.0, -INF), bools(3, 4))
case("aten.where.Scalar", lambda c: aten.where.Scalar(c, 1, 0), bools(3, 4))
case("aten.masked_fill.Scalar", lambda x, m: x.masked_fill(m, -INF), X, bools(3, 1))
case("aten.masked_fill_.Scalar", lambda x, m: x.clone().masked_fill_(m, 7), N, bools(3, 1))
case("aten.masked_fill.Tensor", lambda x, m, v: x.masked_fill(m, v), X, bools(3, 1), torch.tensor(2.5))
case("aten.masked_fill_.Tensor", lambda x, m, v: x.clone().masked_fill_(m, v), X, bools(3, 1), torch.tensor(2.5))
case("aten.nan_to_num.default", torch.nan_to_num, SPECIAL)
case("aten.nan_to_num.default", lambda x: torch.nan_to_num(x, 1.0, 2.0, -3.0), SPECIAL)
case("aten.nan_to_num.default", torch.nan_to_num, SPECIAL.half())
case("aten.nan_to_num.default", torch.nan_to_num, N)

# cast: values through every pair of types that models use; calls that keep the values.
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

# creation
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

# reduction: NaN, infinities, ties, nothing at all.
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

# linear
for x, y in ((floats(3), floats(3)), (floats(3), floats(3, 4)), (floats(2, 3), floats(3)), (X, floats(4, 5)), (X, floats(2, 4, 3)),
             (floats(3), floats(2, 3, 4)), (floats(2, 1, 3, 4), floats(5, 4, 2)), (floats(3, 0), floats(0, 2)), (N, ints(4, 2))):  # fmt: skip
    case("aten.matmul.default", torch.matmul, x, y)
case("aten.matmul.default", torch.matmul, X, floats(2, 4, 3), second=[floats(5, 2, 6), floats(5, 6, 3)])
case("aten.linear.default", F.linear, X, floats(5, 4), floats(5))
case("aten.linear.default", F.linear, X[0, 0], floats(5, 4), floats(5))
case("aten.linear.default", F.linear, X, floats(4), torch.tensor(2.0))
case("aten.linear.default", F.linear, floats(2, 0), floats(5, 0), floats(5))
case("aten.linear.default", F.linear, X, floats(5, 4), floats(5), second=[floats(3, 6, 4), floats(5, 4), floats(5)])
case(
    "aten.addmm.default",
    lambda a, b, c: torch.addmm(a, b, c, beta=0),
    torch.full((3,), NAN),
    floats(2, 4),
    floats(4, 3),
)
case(
    "aten.baddbmm.default",
    lambda a, b, c: torch.baddbmm(a, b, c, beta=0.5, alpha=2),
    floats(1, 4),
    floats(2, 3, 5),
    floats(2, 5, 4),
)
for equation, shapes in {"bij,bjk->bik": ((2, 3, 4), (2, 4, 5)), "ij,jk": ((2, 3), (3, 4)), "...ij,...jk->...ik": ((2, 3, 4), (4, 5)),
                         "ab,bc,cd->ad": ((2, 3), (3, 4), (4, 5)), "i,j->ij": ((2,), (3,)), "bhid,bhjd->bhij": ((2, 3, 4, 5), (2, 3, 6, 5)),
                         "ii->i": ((3, 3),), "b i d, b j d -> b i j": ((2, 3, 4), (2, 5, 4)), "ba": ((2, 3),)}.items():  # fmt: skip
    case("aten.einsum.default", lambda *xs, e=equation: torch.einsum(e, *xs), *(floats(*s) for s in shapes))

try:
    import transformers.integrations.moe  # noqa: F401 (registers the operation)

    grouped = torch.ops.transformers.grouped_mm_fallback.default
    case(
        "transformers.grouped_mm_fallback.default",
        grouped,
        floats(7, 4),
        floats(3, 4, 5),
        torch.tensor([2, 2, 7], dtype=torch.int32),
    )
    case("transformers.grouped_mm_fallback.default", grouped, floats(7, 4), floats(3, 4, 5), torch.tensor([1, 3, 5]))
except ImportError:
    pass

# attention
Q, K, V = floats(2, 4, 3, 8), floats(2, 4, 5, 8, seed=1), floats(2, 4, 5, 8, seed=2)
ROWS = torch.tensor([[True, False, True, True, False], [False] * 5, [True] * 5])
attention = F.scaled_dot_product_attention
sdpa = "aten.scaled_dot_product_attention.default"
case(sdpa, attention, Q, K, V)
case(sdpa, attention, Q, K, V, second=[floats(3, 4, 2, 8), floats(3, 4, 7, 8), floats(3, 4, 7, 8)])
case(sdpa, attention, Q, K, V, ROWS)
case(sdpa, attention, Q, K, V, ROWS.expand(2, 1, 3, 5))
case(sdpa, attention, Q, K, V, torch.zeros(3, 5).masked_fill(~ROWS, -INF))
case(sdpa, attention, Q, K, V, floats(2, 1, 3, 5))
case(sdpa, lambda q, k, v: attention(q, k, v, is_causal=True), Q, K, V)
case(sdpa, lambda q, k, v: attention(q, k, v, is_causal=True), K, Q, Q)
case(sdpa, lambda q, k, v: attention(q, k, v, scale=0.3), Q, K, V)
case(sdpa, lambda q, k, v: attention(q, k, v, enable_gqa=True), Q, K[:, :2], V[:, :2])
case(sdpa, lambda q, k, v: attention(q, k, v, is_causal=True, enable_gqa=True), Q, K[:, :1], V[:, :1])
case(sdpa, attention, Q[0], K[0], V[0])
case(sdpa, attention, Q[0, 0], K[0, 0], V[0, 0], ROWS)
case(sdpa, attention, Q.half(), K.half(), V.half(), ROWS)

# control_flow: both branches, loops of no, one and many turns, sizes and weights from outside, results whose size the data
# decide, a condition inside a loop; the modes that wrap a body.
POSITIVE = floats(3, 4).abs()
for sign in (1, -1):
    two = lambda x: torch.cond(x.sum() > 0, lambda a: (a + 1, a.sum()), lambda a: (a * a.shape[0], a.amax()), (x,))  # noqa: E731
    case("higher_order.cond", two, POSITIVE * sign, second=[floats(5, 7).abs() * sign])
    longer = lambda x: torch.cond(x.sum() > 0, lambda a: torch.cat([a, a]), lambda a: a * 2, (x,))  # noqa: E731
    case("higher_order.cond", longer, POSITIVE * sign, second=[floats(5, 7).abs() * sign])
    shown = lambda x: torch.cond(x.sum() > 0, lambda a: a[a > 1], lambda a: a[a < -1] * 2, (x,))  # noqa: E731
    case("higher_order.cond", shown, POSITIVE * 2 * sign, second=[floats(5, 7).abs() * sign])
    nothing = lambda x: x + torch.cond(x.sum() > 0, lambda: torch.ones(()), lambda: torch.zeros(()), ())  # noqa: E731
    case("higher_order.cond", nothing, POSITIVE * sign)
    size_outside = lambda x, y: torch.cond(x.sum() > 0, lambda a: a * y.shape[0], lambda a: a + y.shape[1], (x,))  # noqa: E731
    case("higher_order.cond", size_outside, POSITIVE * sign, floats(6, 2), second=[POSITIVE[:2] * sign, floats(7, 3)])
case("higher_order.cond", lambda x: torch.cond(x.shape[0] > 4, torch.sin, torch.cos, (x,)), X, second=[floats(6, 3, 4)])
case("higher_order.cond", lambda p, x: torch.cond(p, torch.sin, torch.cos, (x,)), torch.tensor(True), X)
case("higher_order.cond", lambda p, x: torch.cond(p, torch.sin, torch.cos, (x,)), torch.tensor([False]), X)


def countdown(n, x, w):
    def turn(i, y):
        halved = torch.cond(y.sum() > 1, lambda a: a / 2, lambda a: a + y.shape[1], (y,))
        return i - 1, (halved @ w).tanh() * 3

    return while_loop(lambda i, y: (i > 0) & (y.abs().amax() < 1e6), turn, (n, x))


for turns in (0, 1, 40):
    second = [torch.tensor(turns), floats(5, 4), floats(4, 4, seed=1)]
    case("higher_order.while_loop", countdown, torch.tensor(turns), floats(3, 4), floats(4, 4), second=second)
    case("higher_order.while_loop", countdown, torch.tensor(turns, dtype=torch.int32), floats(3, 4), floats(4, 4))


def recurrence(x, w, reverse=False, dim=0):
    def turn(carry, row):
        carry = (carry @ w + row).tanh()
        return carry, {"doubled": carry * 2, "sizes": row.sum(1) + x.shape[dim]}

    start = x.new_zeros([n for i, n in enumerate(x.shape) if i != dim])
    return scan(turn, start, x, dim=dim, reverse=reverse)


for reverse, dim in ((False, 0), (True, 0), (True, 1)):
    run = lambda x, w, r=reverse, d=dim: recurrence(x, w, r, d)  # noqa: E731
    case("higher_order.scan", run, floats(5, 3, 4), floats(4, 4), second=[floats(2, 7, 4), floats(4, 4)])
    case("higher_order.scan", run, floats(1, 1, 4), floats(4, 4))
count = lambda c, v: (c + v, (c * v > 0).to(torch.uint8))  # noqa: E731
case("higher_order.scan", lambda x: scan(count, x[0] * 0, x), ints(6, 3))
several = lambda p, q: (p[0] + p[1] * q.shape[0], {"k": p[1].sum() > 0})  # noqa: E731
mapped = lambda x, y, q: map_rows(several, (x, y), q)  # noqa: E731
case("higher_order.map_impl", mapped, floats(5, 4), floats(5, 4), floats(7, 2), second=[X[0], Y[0], floats(3, 9)])
case("higher_order.map_impl", mapped, floats(1, 4), floats(1, 4), floats(7, 2))
case("higher_order.map_impl", lambda x: map_rows(lambda r: r.double() * 2, x), N[0].int())


def in_grad_mode(x):
    y = x + 1
    with torch.enable_grad():
        z = y * 2
        v = z.reshape(-1)
    v += 1
    return y + z, z, v


def in_bfloat16(x, w):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = F.linear(x, w)
        z = y.prod(-1, keepdim=True) + F.softmax(y @ y.transpose(-1, -2), -1).sum(-1, keepdim=True)
        with torch.autocast("cpu", enabled=False):
            plain = x @ w.T
    return y, z, plain, torch.cat([y, plain])


case("higher_order.wrap_with_set_grad_enabled", in_grad_mode, X, second=[floats(5, 2, 7)])
case("higher_order.wrap_with_autocast", in_bfloat16, floats(3, 4), floats(5, 4), second=[floats(6, 4), floats(5, 4)])

# convolution: groups, dilation, strides, named padding, without a batch; weights that are inputs and sizes that are not known.
for groups, out, stride, padding, dilation in (
    (1, 6, 1, 0, 1),
    (2, 6, 2, 1, 1),
    (4, 4, 1, 1, 1),
    (4, 8, 2, 1, 1),
    (4, 8, 1, 2, 2),
    (1, 6, 2, 2, 2),
):
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    for rank, name in ((1, "conv1d"), (2, "conv2d"), (3, "conv3d")):
        x, w, bias = floats(2, 4, *(7, 9, 8)[:rank]), floats(out, 4 // groups, *(3, 2, 3)[:rank]), floats(out)
        case(f"aten.{name}.default", lambda x, w, b, f=getattr(F, name), o=options: f(x, w, b, **o), x, w, bias)
        case(f"aten.{name}.default", lambda x, w, f=getattr(F, name), o=options: f(x, w, **o), x[0], w)
        for named in ("same", "valid"):
            if stride == 1:
                o = {"padding": named, "dilation": dilation, "groups": groups}
                case(f"aten.{name}.padding", lambda x, w, b, f=getattr(F, name), o=o: f(x, w, b, **o), x, w, bias)
case("aten.conv2d.default", lambda x, w: F.conv2d(x, w, stride=(2, 1), groups=4), PICTURE, floats(4, 1, 3, 2))
case(
    "aten.conv2d.default",
    lambda x, w: F.conv2d(x, w, padding=1),
    PICTURE,
    floats(5, 4, 3, 3),
    second=[floats(3, 4, 6, 5), floats(5, 4, 3, 3)],
)
case(
    "aten.conv1d.default",
    lambda x, w: F.conv1d(x, w, stride=2),
    floats(2, 4, 9),
    floats(5, 4, 3),
    second=[floats(3, 4, 12), floats(5, 4, 3)],
)

for groups, out, stride, padding, extra, dilation in (
    (1, 6, 1, 0, 0, 1),
    (1, 6, 2, 1, 1, 1),
    (2, 6, 2, 1, 0, 2),
    (4, 8, 3, 0, 2, 1),
    (1, 5, 1, 2, 0, 1),
):
    o = {"stride": stride, "padding": padding, "output_padding": extra, "dilation": dilation, "groups": groups}
    for rank, row, name in ((1, "conv_transpose1d.default", "conv_transpose1d"), (2, "conv_transpose2d.input", "conv_transpose2d"),
                            (3, "conv_transpose3d.input", "conv_transpose3d")):  # fmt: skip
        x, w, bias = floats(2, 4, *(4, 5, 3)[:rank]), floats(4, out // groups, *(3, 2, 3)[:rank]), floats(out)
        case(f"aten.{row}", lambda x, w, b, f=getattr(F, name), o=o: f(x, w, b, **o), x, w, bias)
        case(f"aten.{row}", lambda x, w, f=getattr(F, name), o=o: f(x, w, **o), x[0], w)
case(
    "aten.conv_transpose2d.input",
    lambda x, w: F.conv_transpose2d(x, w, stride=2),
    PICTURE,
    floats(4, 3, 2, 2),
    second=[floats(3, 4, 5, 6), floats(4, 3, 2, 2)],
)

# pooling
for name, rank in (("max_pool1d", 1), ("max_pool2d", 2), ("avg_pool1d", 1), ("avg_pool2d", 2)):
    x = floats(2, 3, *(7, 10)[:rank])
    for kernel, stride, padding, ceil in (
        (2, 2, 0, False),
        (3, 2, 1, False),
        (3, 2, 1, True),
        (2, 3, 0, True),
        (3, 1, 1, False),
    ):
        options = {"stride": stride, "padding": padding, "ceil_mode": ceil}
        case(
            f"aten.{name}.default",
            lambda x, f=getattr(aten, name).default, k=kernel, o=options: f(
                x, [k], [o["stride"]], [o["padding"]], **({"ceil_mode": o["ceil_mode"]})
            ),
            x,
        )
        case(
            f"aten.{name}.default", lambda x, f=getattr(F, name), k=kernel, o=options: f(x, k, **o), x[0]
        ) if not name.startswith("max") else None
        if name.startswith("avg"):
            case(
                f"aten.{name}.default",
                lambda x, f=getattr(F, name), k=kernel, o=options: f(x, k, **o, count_include_pad=False),
                x,
            )
case(
    "aten.max_pool2d.default", lambda x: aten.max_pool2d.default(x, [3, 2], [2, 1], [1, 0], [2, 3]), floats(2, 3, 9, 8)
)
case("aten.max_pool1d.default", lambda x: aten.max_pool1d.default(x, [3], [2], [1], [2]), floats(2, 3, 9))
case("aten.max_pool2d.default", lambda x: aten.max_pool2d.default(x, [2, 2]), ints(1, 2, 4, 6))
case(
    "aten.max_pool2d.default",
    lambda x: aten.max_pool2d.default(x, [2, 2]),
    floats(2, 3, 4, 6),
    second=[floats(5, 3, 8, 4)],
)
case("aten.avg_pool2d.default", lambda x: F.avg_pool2d(x, (2, 3), divisor_override=5), PICTURE)
for name, rank, sizes in (
    ("adaptive_avg_pool1d", 1, (1, 3, 5, 12)),
    ("adaptive_avg_pool2d", 2, (1, (3, 5), (7, 3), (1, 12), (None, 2))),
):
    for size in sizes:
        case(f"aten.{name}.default", lambda x, f=getattr(F, name), s=size: f(x, s), floats(2, 3, *(7, 10)[:rank]))
        case(f"aten.{name}.default", lambda x, f=getattr(F, name), s=size: f(x, s), floats(3, *(7, 10)[:rank]))

# normalization
case(
    "aten.layer_norm.default",
    lambda x, w, b: F.layer_norm(x, (4,), w, b, 1e-12),
    X,
    floats(4),
    floats(4),
    second=[floats(5, 6, 4), floats(4), floats(4)],
)
case("aten.layer_norm.default", lambda x: F.layer_norm(x, (3, 4)), X * 100 + 1000)
case("aten.rms_norm.default", lambda x, w: F.rms_norm(x, (4,), w), X, floats(4))
case("aten.rms_norm.default", lambda x: F.rms_norm(x, (3, 4), eps=1e-3), X)
case("aten.group_norm.default", lambda x, w, b: F.group_norm(x, 2, w, b), PICTURE, floats(4), floats(4))
case("aten.group_norm.default", lambda x: F.group_norm(x, 2), floats(3, 4))
for x in (floats(5, 4), floats(2, 4, 5), PICTURE, floats(2, 4, 3, 5, 2)):
    case(
        "aten.batch_norm.default",
        lambda x, m, v, w, b: F.batch_norm(x, m, v, w, b),
        x,
        floats(4),
        floats(4).abs() + 0.1,
        floats(4),
        floats(4),
    )
    case(
        "aten.batch_norm.default", lambda x, m, v: F.batch_norm(x, m, v, eps=1e-3), x, floats(4), floats(4).abs() + 0.1
    )
for order in (2, 1, INF, -INF, 0, 3, 0.5):
    case("aten.linalg_vector_norm.default", lambda x, o=order: torch.linalg.vector_norm(x, o, dim=1, keepdim=True), X)
    case("aten.linalg_vector_norm.default", lambda x, o=order: torch.linalg.vector_norm(x, o), X)

for dim in (0, 2, -1):
    case(
        "aten._weight_norm.default",
        lambda v, g, d=dim: aten._weight_norm.default(v, g, d),
        X,
        floats(2, 1, 1) if dim == 0 else floats(1, 1, 4) if dim == 2 else floats(1, 1, 1),
    )

# padding
for mode, pads in itertools.product(
    ("constant", "reflect", "replicate", "circular"), ((1, 2), (0, 3, 2, 1), (2, 0), (-1, 2), (1, -2, 0, 1))
):
    case(
        "aten.pad.default",
        lambda x, m=mode, p=pads: F.pad(x, p, m),
        floats(2, 4, 5) if len(pads) == 2 else floats(2, 3, 4, 5),
    )
case("aten.pad.default", lambda x: F.pad(x, (1, 1), value=-INF), X)
case("aten.pad.default", lambda x: F.pad(x, (-1, -1)), X)
case("aten.pad.default", lambda x: F.pad(x, (1, 0), value=True), bools(3, 4))
case("aten.pad.default", lambda x: F.pad(x, (0, x.shape[0])), floats(3, 4), second=[floats(5, 2)])
case("aten.constant_pad_nd.default", lambda x: aten.constant_pad_nd.default(x, [1, 2, 0, 1], 7), N)

# gather: None, masks, negative indices, places side by side and apart.
ROWS, COLUMNS = torch.tensor([[0, -1], [1, 0]]), torch.tensor([2, -3])
T = floats(2, 3, 4, 5)
index = "aten.index.Tensor"
case(index, lambda x, i: x[i], T, ROWS)
case(index, lambda x, i: x[:, i], T, ROWS)
case(index, lambda x, i: x[..., i], T, ROWS)
case(index, lambda x, i, j: x[i, j], T, ROWS, torch.tensor([1, 2]))
case(index, lambda x, i, j: x[:, i, j], T, ROWS, COLUMNS)
case(index, lambda x, i, j: x[i, :, j], T, ROWS, COLUMNS)
case(index, lambda x, i, j: x[:, i, :, j], T, ROWS, COLUMNS)
case(index, lambda x, i: x[i.int()], T, ROWS)
case(index, lambda x, m: x[m], T, torch.tensor([True, False]))
case(index, lambda x, m: x[:, m], T, torch.tensor([True, False, True]))
case(index, lambda x, m: x[m], T, bools(2, 3))
case(index, lambda x, m: x[:, m], T, bools(3, 4))
case(index, lambda x, m: x[m], X, bools(2, 3, 4))
case(index, lambda x, i: x[i], T, torch.zeros(0, dtype=torch.int64))
case(index, lambda x, i: x[:, i], X, torch.tensor([1, 0]), second=[floats(3, 5, 2), torch.tensor([4, 2, 0])])
for dim in (0, 1, -1):
    case("aten.gather.default", lambda x, i, d=dim: torch.gather(x, d, i), X, ints(2, 2, 3, low=0, high=2))
    case("aten.index_select.default", lambda x, i, d=dim: torch.index_select(x, d, i), X, torch.tensor([1, 0, 1]))
case(
    "aten.gather.default",
    lambda x, i: torch.gather(x, -1, i),
    X,
    ints(2, 3, 2, low=0, high=4),
    second=[floats(5, 2, 7), ints(5, 2, 3, low=0, high=7)],
)
case("aten.take.default", torch.take, X, torch.tensor([[0, 5], [-1, 23]]))
case(
    "aten.embedding.default",
    lambda i, w: F.embedding(i, w),
    ints(2, 3, low=0),
    floats(10, 4),
    second=[ints(4, 5, low=0), floats(10, 4)],
)
case(
    "aten.embedding.default",
    lambda i, w: F.embedding(i, w, padding_idx=0),
    ints(2, 3, low=0, dtype=torch.int32),
    floats(10, 4),
)

case("aten.nonzero.default", torch.nonzero, torch.tensor([[0.0, 2.0], [NAN, 0.0]]))
case("aten.nonzero.default", lambda x: torch.nonzero(x) + 1, torch.zeros(3))
case("aten.nonzero.default", torch.nonzero, torch.tensor(3.0))
case("aten.unfold.default", lambda x: x.unfold(1, 2, 1), X)
case("aten.unfold.default", lambda x: x.unfold(-1, 3, 2), floats(2, 3, 9), second=[floats(5, 2, 12)])

# scatter
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
case("aten.index_put_.default", lambda x, m: through_mask(x, m), X, bools(3, 4))
case(
    "aten.index_put_.default",
    lambda x, i: put_rows(x, i),
    X,
    torch.tensor([1, 0]),
    second=[floats(3, 5, 2), torch.tensor([4, 2, 0])],
)
case("aten.copy_.default", lambda x, y: x.clone().copy_(y), X, N)
case("aten.copy_.default", lambda x, y: copy_into(x, y), X, floats(3, 1))
case("aten.copy_.default", lambda x, y: copy_into(x, y), X, floats(3, 1), second=[floats(4, 5, 3), floats(5, 1)])
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

# sort
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
case("aten.arange.start_step", lambda x: x + torch.arange(-0.9, 2.1, 2.0, dtype=torch.int32), ints(2))
case("aten.linspace.default", lambda x: x + torch.linspace(4.3, -3, 50, dtype=torch.int64), ints(50))
for alpha in (False, True):
    case("aten.add.Tensor", lambda x, y, a=alpha: torch.add(x, y, alpha=a), ints(9) > 0, ints(9).flip(0) > 1)
case("aten.einsum.default", lambda a, b: torch.einsum("...ik,...j->ij", a, b), floats(3, 2, 4), floats(3))
case("aten.einsum.default", lambda a, b: torch.einsum("...ik,...j->ij", a, b), floats(3, 2, 4), floats(3, 5))
case("aten.einsum.default", lambda a: torch.einsum("...k->k", a), floats(3, 2, 4))
case(
    "aten.embedding_bag.padding_idx",
    lambda w, i, o: torch.nn.functional.embedding_bag(i, w, o, mode="sum", padding_idx=-1),
    floats(5, 5),
    torch.tensor([4, 1, 1, 0, 4, 4]),
    torch.tensor([0, 3]),
)
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

# resize
for mode, rank, row in (("nearest", 1, "nearest1d"), ("nearest", 2, "nearest2d"), ("nearest", 3, "nearest3d"), ("linear", 1, "linear1d"),
                        ("bilinear", 2, "bilinear2d"), ("trilinear", 3, "trilinear3d"), ("bicubic", 2, "bicubic2d")):  # fmt: skip
    row = f"aten.upsample_{row}.vec"
    x = floats(2, 3, *(5, 7, 4)[:rank])
    for options in (
        {"size": (8, 3, 6)[:rank]},
        {"scale_factor": 2},
        {"scale_factor": 1.7},
        {"scale_factor": 0.6},
        {"size": (1, 1, 1)[:rank]},
    ):
        case(row, lambda x, m=mode, o=options: F.interpolate(x, mode=m, **o), x)
        if mode != "nearest":
            case(row, lambda x, m=mode, o=options: F.interpolate(x, mode=m, align_corners=True, **o), x)
    if mode in ("nearest", "bilinear"):
        case(
            row, lambda x, m=mode: F.interpolate(x, scale_factor=2, mode=m), x, second=[floats(3, 4, *(6, 3, 5)[:rank])]
        )

# slice: negative and open ends, ends beyond the size, steps.
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

# shape and view
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
case("aten.view.default", lambda x: x.view(-1, 4), X, second=[floats(5, 3, 4)])
case("aten.view.default", lambda x: x.view(x.shape[0], -1), X, second=[floats(5, 3, 7)])
case("aten._unsafe_view.default", lambda x: aten._unsafe_view.default(x, [6, 4]), X)
case("aten.view_as.default", lambda x, y: x.view_as(y), X, floats(6, 4))
case("aten.reshape_as.default", lambda x, y: x.reshape_as(y), X, floats(6, 4))
case("aten.flatten.using_ints", lambda x: x.flatten(1), X, second=[floats(5, 3, 7)])
case("aten.flatten.using_ints", lambda x: x.flatten(), torch.tensor(2.0))
case("aten.unflatten.int", lambda x: x.unflatten(-1, (2, 2)), X)
case("aten.squeeze.dims", lambda x: aten.squeeze.dims(x, [0, 2]), floats(1, 3, 1, 2))
case("aten.squeeze.default", lambda x: x.squeeze(), floats(1, 3, 1))
case("aten.squeeze.dim", lambda x: x.squeeze(1), X)

# Writes: in place, through views, views read after their base was written.


def through_slice(x, y):
    z = x.clone()
    z[:, 1:3] = y
    return z


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


def through_chain(x):
    z = x.clone()
    z.transpose(0, 1)[1].add_(10)
    z.view(-1)[::5].mul_(2)
    return z


def view_after_base(x):
    z = x.clone()
    view = z[0]
    z.mul_(2)
    return view + 1, z


def base_after_view(x):
    z = x.clone()
    parts = z.split(1, 1)
    parts[2].zero_()
    z[..., -1].fill_(5)
    a, b = z.unbind(0)
    a.add_(b)
    return z, parts[0]


case("aten.slice.Tensor", lambda x: through_chain(x), X)
case("aten.mul_.Tensor", view_after_base, X)
case("aten.unbind.int", base_after_view, X)
case("aten.add_.Tensor", lambda x, y: x.clone().add_(y, alpha=2), X, Y)
case("aten.sub_.Tensor", lambda x, y: x.clone().sub_(y), X, Y)
case("aten.div_.Tensor", lambda x, y: x.clone().div_(y), X, Y)
case("aten.floor_divide_.Tensor", lambda x, y: x.clone().floor_divide_(y), X, Y)

# sampling: both forms of corners, all paddings, points outside, cells themselves, another size
GRID = floats(2, 3, 5, 2) * 0.9
for mode, padding, corners in itertools.product(
    ("bilinear", "nearest"), ("zeros", "border", "reflection"), (True, False)
):
    function = lambda x, g, m=mode, p=padding, c=corners: F.grid_sample(x, g, m, p, c)  # noqa: E731
    case("aten.grid_sampler.default", function, PICTURE, GRID, second=[floats(3, 4, 5, 6), floats(3, 2, 4, 2)])
case("aten.grid_sampler.default", lambda x, g: F.grid_sample(x, g, align_corners=False), PICTURE, GRID * 3)
case("aten.grid_sampler.default", lambda x, g: F.grid_sample(x, g, align_corners=True), PICTURE, torch.ones(2, 2, 2, 2))
VOLUME = floats(2, 3, 4, 5, 6)
case("aten.grid_sampler.default", lambda x, g: F.grid_sample(x, g, align_corners=False), VOLUME, floats(2, 2, 3, 4, 3))
for name in ("grid_sampler_2d", "grid_sampler_3d"):
    x, g = (PICTURE, GRID) if name.endswith("2d") else (VOLUME, floats(2, 2, 3, 4, 3))
    case(f"aten.{name}.default", lambda x, g, f=getattr(aten, name).default: f(x, g, 0, 0, False), x, g)

# patches
for options in ({}, {"padding": 1, "stride": 2}, {"dilation": 2, "padding": (1, 2)}, {"stride": (2, 1)}):
    cut = lambda x, o=options: F.unfold(x, (2, 3), **o)  # noqa: E731
    case("aten.im2col.default", cut, PICTURE, second=[floats(3, 4, 8, 6)])
    whole = lambda x, o=options: F.fold(F.unfold(x, (2, 3), **o), x.shape[2:], (2, 3), **o)  # noqa: E731
    case("aten.col2im.default", whole, PICTURE, second=[floats(3, 4, 8, 6)])
case("aten.im2col.default", lambda x: F.unfold(x, 2), floats(4, 7, 9))
case("aten.col2im.default", lambda x: F.fold(x, (5, 6), (2, 2)), floats(3 * 4, 20))

# resize: antialiased, larger and smaller
for name in ("bilinear", "bicubic"):
    row = f"aten._upsample_{name}2d_aa.vec"
    for size, corners in (((3, 4), False), ((11, 5), False), ((3, 4), True), ((14, 18), False)):
        smaller = lambda x, m=name, s=size, c=corners: F.interpolate(x, size=s, mode=m, align_corners=c, antialias=True)  # noqa: E731
        case(row, smaller, PICTURE, second=[floats(3, 4, 6, 8)])
    case(row, lambda x, m=name: F.interpolate(x, scale_factor=0.5, mode=m, antialias=True), floats(2, 3, 8, 10))

# pooling over sizes that windows do not divide
for ceil, pad in itertools.product((True, False), (0, 1)):
    case(
        "aten.avg_pool2d.default",
        lambda x, c=ceil, p=pad: F.avg_pool2d(x, 3, 2, p, c),
        PICTURE,
        second=[floats(3, 4, 8, 6)],
    )
    part = lambda x, c=ceil, p=pad: F.avg_pool2d(x, 3, 2, p, c, count_include_pad=False)  # noqa: E731
    case("aten.avg_pool2d.default", part, PICTURE, second=[floats(3, 4, 8, 6)])
    case(
        "aten.max_pool2d.default",
        lambda x, c=ceil, p=pad: F.max_pool2d(x, 3, 2, p, 1, c),
        PICTURE,
        second=[floats(3, 4, 8, 6)],
    )
case(
    "aten.adaptive_avg_pool2d.default", lambda x: F.adaptive_avg_pool2d(x, (3, 4)), PICTURE, second=[floats(3, 4, 8, 6)]
)
case(
    "aten.adaptive_avg_pool1d.default", lambda x: F.adaptive_avg_pool1d(x, 3), floats(2, 3, 7), second=[floats(2, 3, 8)]
)
case(
    "aten.adaptive_avg_pool3d.default",
    lambda x: F.adaptive_avg_pool3d(x, (2, 3, 4)),
    VOLUME,
    second=[floats(3, 3, 5, 4, 7)],
)

# recurrent layers
for options in ({}, {"num_layers": 2, "bidirectional": True}, {"bias": False}, {"batch_first": True}):
    torch.manual_seed(3)
    layer = torch.nn.LSTM(5, 6, **options).requires_grad_(False)
    case(
        "aten.lstm.input",
        lambda x, f=layer: f(x),
        floats(7, 3, 5),
        second=[floats(7, 2, 5)] if not options.get("batch_first") else [floats(4, 3, 5)],
    )
    states = [floats(*(len(layer._all_weights), 3, 6), seed=i) for i in (1, 2)]
    case(
        "aten.lstm.input",
        lambda x, h, c, f=layer: f(x, (h, c)),
        floats(7, 3, 5) if not options.get("batch_first") else floats(3, 7, 5),
        *states,
    )


# spectral: real numbers in and out, complex ones between
def parts(value):
    return torch.view_as_real(value.resolve_conj())


PAIRS, SIGNAL = floats(3, 4, 2), floats(3, 12)
case("aten.view_as_complex.default", lambda x: parts(torch.view_as_complex(x) * 2), PAIRS, second=[floats(5, 2, 2)])
case("aten.view_as_real.default", lambda x: parts(torch.view_as_complex(x)), PAIRS)
case("aten.complex.default", lambda x, y: parts(torch.complex(x, y)), X, Y)
case("aten.polar.default", lambda x, y: parts(torch.polar(x.abs(), y)), X, Y)
case("aten.real.default", lambda x, y: torch.complex(x, y).real, X, Y)
case("aten.real.default", torch.real, X)
case("aten.imag.default", lambda x, y: torch.complex(x, y).imag, X, Y)
case("aten.angle.default", lambda x, y: torch.angle(torch.complex(x, y)), X, Y)
case("aten.angle.default", torch.angle, torch.tensor([1.0, -2.0, NAN, 0.0]))
for name in ("conj", "_conj", "resolve_conj"):
    case(f"aten.{name}.default", lambda x, f=getattr(aten, name).default: parts(f(torch.view_as_complex(x)) * 1), PAIRS)
case("aten.abs.default", lambda x, y: torch.complex(x, y).abs(), X, Y)
case("aten.mul.Tensor", lambda x, y: parts(torch.complex(x, y) * torch.complex(y, x)), X, Y)
case("aten.mul.Tensor", lambda x, y: parts(torch.complex(x, y) * x), X, Y)
case("aten.div.Tensor", lambda x, y: parts(torch.complex(x, y) / torch.complex(y, x)), X, Y)
case("aten.add.Tensor", lambda x, y: parts(torch.complex(x, y) + torch.complex(y, x)), X, Y)
for norm, n in itertools.product((None, "ortho", "forward"), (None, 8, 15)):
    for name in ("fft_fft", "fft_ifft"):
        case(
            f"aten.{name}.default",
            lambda x, f=getattr(aten, name).default, m=norm, k=n: parts(f(x, k, 0, m)),
            floats(12, 3),
        )
    case(
        "aten.fft_rfft.default",
        lambda x, m=norm, k=n: parts(torch.fft.rfft(x, k, -1, m)),
        SIGNAL,
        second=[floats(2, 9)] if n is None else None,
    )
    case(
        "aten.fft_irfft.default",
        lambda x, m=norm, k=n: torch.fft.irfft(torch.view_as_complex(x), k, -1, m),
        floats(3, 7, 2),
    )
for name in ("fft_fftn", "fft_ifftn", "fft_fft2", "fft_ifft2"):
    case(f"aten.{name}.default", lambda x, f=getattr(aten, name).default: parts(f(x)), X)
    case(f"aten.{name}.default", lambda x, f=getattr(aten, name).default: parts(f(x, [4, 3], [0, 2], "ortho")), X)

# random: what is known of any draw
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

# reductions along an axis, positions
for name in ("cummax", "cummin"):
    case(f"aten.{name}.default", lambda x, f=getattr(torch, name): f(x, 1), N, second=[ints(3, 5, 2)])
    case(f"aten.{name}.default", lambda x, f=getattr(torch, name): f(x, -1), X)
case("aten.var_mean.correction", lambda x: torch.var_mean(x, dim=1, correction=0), X, second=[floats(3, 5, 2)])
case("aten.var_mean.correction", lambda x: torch.var_mean(x, dim=(0, 2), correction=2, keepdim=True), X)
case("aten.count_nonzero.dim_IntList", lambda x: torch.count_nonzero(x, (0, 2)), N)
case("aten.diff.default", lambda x: torch.diff(x, dim=1), N, second=[ints(3, 5, 2)])
case("aten.diff.default", lambda x: torch.diff(x, n=2), X)
case("aten.diff.default", torch.diff, bools(2, 9))
case("aten.where.default", lambda x: [i + 1 for i in torch.where(x > 0)], N)
case("aten.masked_select.default", lambda x, m: torch.masked_select(x, m) + 1, X, bools(2, 3, 4))
case("aten.masked_select.default", lambda x, m: torch.masked_select(x, m) + 1, X, bools(3, 1))
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
case("aten.linspace.Tensor_Tensor", lambda a, b: torch.linspace(a, b, 7), torch.tensor(-1.5), torch.tensor(4.0))
case("aten.unsqueeze_.default", lambda x: (x + 1).unsqueeze_(1) * 2, X, second=[floats(3, 5, 2)])

# further rows
for name in ("erfc", "erfinv", "special_erfinv", "lgamma"):
    unit = torch.linspace(-0.95, 0.95, 13) if "inv" in name else torch.linspace(0.3, 4, 13)
    case(f"aten.{name}.default", getattr(aten, name).default, unit)
for axis in (0, 1, None):
    repeated = lambda x, r, d=axis: torch.repeat_interleave(x, r, d) * 2  # noqa: E731
    case(
        "aten.repeat_interleave.self_Tensor",
        repeated,
        floats(3, 4),
        torch.tensor([2, 0, 3, 1][: 3 + (axis == 1)] * (4 if axis is None else 1)),
    )
case("aten.histc.default", lambda x: torch.histc(x, 5), X)
case("aten.histc.default", lambda x: torch.histc(x, 4), torch.ones(6))
case(
    "aten.batch_norm.default",
    lambda x, w: F.batch_norm(x, None, None, w, None, True, 0.0, 1e-6),
    floats(2, 3, 7),
    floats(3),
)
TABLE, BAGS = floats(9, 5), torch.tensor([0, 2, 2, 5])
for mode in ("sum", "mean", "max"):
    bags = lambda i, t, o, m=mode: F.embedding_bag(i, t, o, mode=m)  # noqa: E731
    case("aten.embedding_bag.padding_idx", bags, ints(8, low=0, high=9), TABLE, BAGS)
    padded = lambda i, t, m=mode: F.embedding_bag(i, t, mode=m, padding_idx=2)  # noqa: E731
    case("aten.embedding_bag.padding_idx", padded, torch.tensor([[1, 2, 3], [2, 2, 2]]), TABLE)
weighted = lambda i, t, w: F.embedding_bag(i, t, mode="sum", per_sample_weights=w)  # noqa: E731
case(
    "aten.embedding_bag.padding_idx",
    weighted,
    ints(4, 3, low=0, high=9),
    TABLE,
    floats(4, 3),
    second=[ints(3, 5, low=0, high=9), TABLE, floats(3, 5)],
)
for pad, counted in itertools.product((0, 40), (True, False)):
    wide = lambda x, p=pad, c=counted: F.avg_pool2d(x, (90, 100), padding=p, ceil_mode=True, count_include_pad=c)  # noqa: E731
    case("aten.avg_pool2d.default", wide, PICTURE, second=[floats(3, 4, 8, 6)])
case("aten.avg_pool1d.default", lambda x: F.avg_pool1d(x, 70, 33, ceil_mode=True), floats(2, 3, 150))
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
norm = lambda x, w, m, v: aten._native_batch_norm_legit_no_training.default(x, w, None, m, v.abs() + 0.1, 0.1, 1e-5)[0]  # noqa: E731
case(
    "aten._native_batch_norm_legit_no_training.default", norm, PICTURE, floats(4), floats(4, seed=1), floats(4, seed=2)
)
for weights in ((), (floats(4), floats(4, seed=1))):
    own = lambda x, *w: F.instance_norm(x, None, None, *w)  # noqa: E731
    case("aten.instance_norm.default", own, PICTURE, *weights)
kept = lambda x, w, m, v: F.instance_norm(x, m, v.abs() + 0.1, w, use_input_stats=False)  # noqa: E731
case("aten.instance_norm.default", kept, PICTURE, floats(4), floats(4, seed=1), floats(4, seed=2))
all_three = lambda x: list(aten._native_batch_norm_legit.no_stats(x, None, None, True, 0.1, 1e-5))  # noqa: E731
case("aten._native_batch_norm_legit.no_stats", all_three, PICTURE)
every_third = lambda x: x[:, :: (x.shape[1] + 3) // 4]  # noqa: E731
case("aten.slice.Tensor", every_third, floats(3, 9, 2), second=[floats(4, 14, 2)])
write_every_third = lambda x: [(y := x * 1), y[:, :: (x.shape[1] + 3) // 4].fill_(2.0), y + 1][0]  # noqa: E731
case("aten.fill_.Scalar", write_every_third, floats(3, 9, 2), second=[floats(4, 14, 2)])
