"""Reading by indices: None, masks, negative indices, places side by side and apart."""

import torch
from tensors import COLUMNS, NAN, ROWS, N, T, X, bools, floats, ints

from samples import case

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
case("aten.nonzero.default", torch.nonzero, torch.tensor([[0.0, 2.0], [NAN, 0.0]]))
case("aten.nonzero.default", lambda x: torch.nonzero(x) + 1, torch.zeros(3))
case("aten.nonzero.default", torch.nonzero, torch.tensor(3.0))
case("aten.unfold.default", lambda x: x.unfold(1, 2, 1), X)
case("aten.unfold.default", lambda x: x.unfold(-1, 3, 2), floats(2, 3, 9), second=[floats(5, 2, 12)])
case("aten.where.default", lambda x: [i + 1 for i in torch.where(x > 0)], N)
case("aten.masked_select.default", lambda x, m: torch.masked_select(x, m) + 1, X, bools(2, 3, 4))
case("aten.masked_select.default", lambda x, m: torch.masked_select(x, m) + 1, X, bools(3, 1))
