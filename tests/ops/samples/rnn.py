"""Recurrent layers: several of them, both directions, without bias, with given states."""

import torch
from tensors import floats

from samples import case

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
