"""Matrix products: every pair of ranks, empty axes, equations, groups of experts."""

import torch
import torch.nn.functional as F
from tensors import NAN, N, X, floats, ints

from samples import case

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
case("aten.einsum.default", lambda a, b: torch.einsum("...ik,...j->ij", a, b), floats(3, 2, 4), floats(3))
case("aten.einsum.default", lambda a, b: torch.einsum("...ik,...j->ij", a, b), floats(3, 2, 4), floats(3, 5))
case("aten.einsum.default", lambda a: torch.einsum("...k->k", a), floats(3, 2, 4))
