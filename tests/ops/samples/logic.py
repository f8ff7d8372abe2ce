"""Logic: booleans and bits, choices that broadcast, infinities as fill values."""

import torch
from tensors import INF, LEFT, PROMOTED, RIGHT, SPECIAL, N, X, aten, bools, floats, ints

from samples import case

for mark, name in {"and": "and", "or": "or", "xor": "xor"}.items():
    for a, b in ((bools(6), bools(6, seed=2)), (ints(6), ints(6, seed=2))):
        case(f"aten.__{mark}__.Tensor", getattr(aten, f"__{mark}__").Tensor, a, b)
        case(f"aten.bitwise_{name}.Tensor", getattr(torch, f"bitwise_{name}"), a, b)
wide = torch.arange(-70, 70, dtype=torch.int32) * 12345677
bytes_ = torch.arange(0, 140, dtype=torch.uint8)
for mark, name in {"and": "and", "or": "or", "xor": "xor"}.items():
    for a, number in ((wide, 15), (wide.long(), -2), (bytes_, 7), (bools(70), True)):
        one = getattr(aten, f"__{mark}__").Scalar
        case(f"aten.__{mark}__.Scalar", lambda x, one=one, number=number: one(x, number), a)
        one = getattr(aten, f"bitwise_{name}")
        case(f"aten.bitwise_{name}.Scalar", lambda x, one=one, number=number: one.Scalar(x, number), a)
        case(f"aten.bitwise_{name}.Scalar_Tensor", lambda x, one=one, number=number: one.Scalar_Tensor(number, x), a)
# Amounts below 0 and past the width, negative numbers, and a byte, which has no sign to fill with.
amounts = torch.arange(140) % 37 - 2
for mark, name in {"l": "left", "r": "right"}.items():
    dunder, plain = getattr(aten, f"__{mark}shift__"), getattr(aten, f"bitwise_{name}_shift")
    for a in (wide, wide.long(), wide.to(torch.int8)):
        case(f"aten.__{mark}shift__.Tensor", dunder.Tensor, a, amounts.to(a.dtype))
        case(f"aten.bitwise_{name}_shift.Tensor", plain.Tensor, a, amounts.to(a.dtype))
    case(f"aten.bitwise_{name}_shift.Tensor", plain.Tensor, bytes_, (amounts + 2).to(torch.uint8))
    case(f"aten.bitwise_{name}_shift.Tensor", plain.Tensor, wide[:, None], torch.arange(0, 32, 4, dtype=torch.int32))
    for number in (4, 31, 40, -1):
        case(f"aten.__{mark}shift__.Scalar", lambda x, f=dunder.Scalar, n=number: f(x, n), wide)
        case(f"aten.bitwise_{name}_shift.Tensor_Scalar", lambda x, f=plain.Tensor_Scalar, n=number: f(x, n), wide)
    case(f"aten.bitwise_{name}_shift.Scalar_Tensor", lambda x, f=plain.Scalar_Tensor: f(-77, x), amounts)
case("aten.logical_not.default", torch.logical_not, SPECIAL)
for name in ("logical_and", "logical_or", "logical_xor"):
    case(f"aten.{name}.default", getattr(torch, name), LEFT, RIGHT)
for a in PROMOTED:
    case("aten.where.ScalarOther", lambda x: torch.where(x > 0, x, 0.5), a)
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
# Signs, zeros, neighbours in the Fibonacci row (the most steps), types that the loop does not run in, shapes that broadcast.
for dtype in (torch.int32, torch.int64, torch.int16, torch.uint8):
    left = torch.tensor([0, 0, 12, 18, 89, 7, 100, 60]).to(dtype)
    right = torch.tensor([0, 9, 18, 12, 55, 7, 75, 42]).to(dtype)
    case("aten.gcd.default", torch.gcd, left, right)
    case("aten.lcm.default", torch.lcm, left, right)
signed = torch.tensor([-12, 12, -7, 0, -100, 832040])
case("aten.gcd.default", torch.gcd, signed, torch.tensor([[18], [-18], [514229]]), second=[signed[:3], ints(2, 1)])
case("aten.lcm.default", torch.lcm, signed, torch.tensor([18, -18, 21, 5, -75, 8]))
