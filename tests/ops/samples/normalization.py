"""Normalizations: with and without weights, statistics given and taken, norms of each order."""

import torch
import torch.nn.functional as F
from tensors import IMAGE, INF, X, aten, floats

from samples import case

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
for dtype in (torch.float32, torch.float64, torch.float16):  # squares of the size of the default eps, the dtype's step
    small = X.to(dtype) * torch.finfo(torch.float32 if dtype == torch.float16 else dtype).eps ** 0.5
    case("aten.rms_norm.default", lambda x: F.rms_norm(x, (4,)), small)
case("aten.group_norm.default", lambda x, w, b: F.group_norm(x, 2, w, b), IMAGE, floats(4), floats(4))
case("aten.group_norm.default", lambda x: F.group_norm(x, 2), floats(3, 4))
for x in (floats(5, 4), floats(2, 4, 5), IMAGE, floats(2, 4, 3, 5, 2)):
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
case(
    "aten.batch_norm.default",
    lambda x, w: F.batch_norm(x, None, None, w, None, True, 0.0, 1e-6),
    floats(2, 3, 7),
    floats(3),
)
norm = lambda x, w, m, v: aten._native_batch_norm_legit_no_training.default(x, w, None, m, v.abs() + 0.1, 0.1, 1e-5)[0]  # noqa: E731
case("aten._native_batch_norm_legit_no_training.default", norm, IMAGE, floats(4), floats(4, seed=1), floats(4, seed=2))
for weights in ((), (floats(4), floats(4, seed=1))):
    own = lambda x, *w: F.instance_norm(x, None, None, *w)  # noqa: E731
    case("aten.instance_norm.default", own, IMAGE, *weights)
kept = lambda x, w, m, v: F.instance_norm(x, m, v.abs() + 0.1, w, use_input_stats=False)  # noqa: E731
case("aten.instance_norm.default", kept, IMAGE, floats(4), floats(4, seed=1), floats(4, seed=2))
all_three = lambda x: list(aten._native_batch_norm_legit.no_stats(x, None, None, True, 0.1, 1e-5))  # noqa: E731
case("aten._native_batch_norm_legit.no_stats", all_three, IMAGE)
case(
    "aten.native_layer_norm.default",
    lambda x, w: torch.ops.aten.native_layer_norm.default(x, [4, 5], w, None, 1e-5),
    torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(1)),
    torch.randn(4, 5, generator=torch.Generator().manual_seed(2)),
)
case(
    "aten.native_group_norm.default",
    lambda x, w: torch.ops.aten.native_group_norm.default(x, w, None, 3, 4, 30, 2, 1e-5),
    torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(1)),
    torch.randn(4, generator=torch.Generator().manual_seed(2)),
)
for p, mode, rows in (
    (2.0, None, 5),
    (2.0, None, 30),
    (2.0, 2, 30),
    (1.0, None, 5),
    (0.0, None, 5),
    (float("inf"), None, 5),
    (3.0, None, 5),
):
    case(
        "aten._cdist_forward.default",
        lambda x, y, p=p, m=mode: torch.ops.aten._cdist_forward.default(x, y, p, m),
        torch.randn(2, rows, 4, generator=torch.Generator().manual_seed(1)),
        torch.randn(2, 7, 4, generator=torch.Generator().manual_seed(2)),
    )
