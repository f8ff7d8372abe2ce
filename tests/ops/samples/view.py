"""Views: sizes of -1, scalars, axes of size 1."""

import torch
from tensors import X, aten, floats

from samples import case

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
case("aten.unsqueeze_.default", lambda x: (x + 1).unsqueeze_(1) * 2, X, second=[floats(3, 5, 2)])
