"""Logic: booleans and bits, choices that broadcast, infinities as fill values."""

import torch
from tensors import INF, LEFT, PROMOTED, RIGHT, SPECIAL, N, X, aten, bools, floats, ints

from samples import case

for mark, name in {"and": "and", "or": "or", "xor": "xor"}.items():
    for a, b in ((bools(6), bools(6, seed=2)), (ints(6), ints(6, seed=2))):
        case(f"aten.__{mark}__.Tensor", getattr(aten, f"__{mark}__").Tensor, a, b)
        case(f"aten.bitwise_{name}.Tensor", getattr(torch, f"bitwise_{name}"), a, b)
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
