"""Look-ups: padding rows, bags of each mode with weights and offsets."""

import torch
import torch.nn.functional as F
from tensors import floats, ints

from samples import case

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
case(
    "aten.embedding_bag.padding_idx",
    lambda w, i, o: torch.nn.functional.embedding_bag(i, w, o, mode="sum", padding_idx=-1),
    floats(5, 5),
    torch.tensor([4, 1, 1, 0, 4, 4]),
    torch.tensor([0, 3]),
)
TABLE, BAGS = floats(9, 5), torch.tensor([0, 2, 2, 5])
for mode in ("sum", "mean", "max"):
    bags = lambda i, t, o, m=mode: F.embedding_bag(i, t, o, mode=m)  # noqa: E731
    case("aten.embedding_bag.padding_idx", bags, ints(8, low=0, high=9), TABLE, BAGS)
    ended = lambda i, t, o, m=mode: F.embedding_bag(i, t, o, mode=m, include_last_offset=True)  # noqa: E731
    case("aten.embedding_bag.padding_idx", ended, ints(8, low=0, high=9), TABLE, torch.tensor([0, 2, 2, 5, 8]))
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
