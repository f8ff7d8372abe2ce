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
        second=[floats(11, 2, 5)] if not options.get("batch_first") else [floats(4, 9, 5)],
    )
    states = [floats(*(len(layer._all_weights), 3, 6), seed=i) for i in (1, 2)]
    case(
        "aten.lstm.input",
        lambda x, h, c, f=layer: f(x, (h, c)),
        floats(7, 3, 5) if not options.get("batch_first") else floats(3, 7, 5),
        *states,
    )

for row, kind, options in (
    ("lstm", torch.nn.LSTM, {"proj_size": 3, "num_layers": 2}),
    ("lstm", torch.nn.LSTM, {"proj_size": 3, "bidirectional": True, "bias": False}),
    ("gru", torch.nn.GRU, {}),
    ("gru", torch.nn.GRU, {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    ("gru", torch.nn.GRU, {"bias": False}),
    ("rnn_tanh", torch.nn.RNN, {"num_layers": 2}),
    ("rnn_tanh", torch.nn.RNN, {"bidirectional": True, "bias": False}),
    ("rnn_relu", torch.nn.RNN, {"nonlinearity": "relu", "batch_first": True}),
):
    torch.manual_seed(5)
    layer = kind(5, 6, **options).requires_grad_(False)
    case(f"aten.{row}.input", lambda x, f=layer: f(x), floats(7, 3, 5), second=[floats(11, 2, 5)])
    case(f"aten.{row}.input", lambda x, f=layer: f(x), floats(1, 3, 5))
for row, kind in (("lstm", torch.nn.LSTM), ("gru", torch.nn.GRU)):
    torch.manual_seed(7)
    layer = kind(5, 6).requires_grad_(False).double()
    case(f"aten.{row}.input", lambda x, f=layer: f(x), floats(7, 3, 5).double())
