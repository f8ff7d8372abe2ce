"""Losses: labels up to the first negative one, labels twice, none, all, one row without a batch."""

import torch
from tensors import floats

from samples import case

LABELS = torch.tensor([[0, 3, 3, -1, 5, 2], [1, 2, 0, 3, 4, 5], [-1, 0, 1, 2, 3, 4], [5, -1, 5, 5, 1, -1]])
SCORES = floats(4, 6)
margin = torch.nn.functional.multilabel_margin_loss
for how in ("none", "mean", "sum"):
    case(
        "aten.multilabel_margin_loss.default",
        lambda x, t, h=how: margin(x, t, reduction=h),
        SCORES,
        LABELS,
        second=[floats(2, 3), torch.tensor([[2, 0, -1], [1, -1, 0]])],
    )
    # Without a reduction PyTorch itself gives a row's loss another shape than its export says.
    if how != "none":
        case("aten.multilabel_margin_loss.default", lambda x, t, h=how: margin(x, t, reduction=h), SCORES[0], LABELS[0])
case("aten.multilabel_margin_loss.default", margin, SCORES.double(), LABELS)
