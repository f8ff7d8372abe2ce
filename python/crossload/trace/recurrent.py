"""Recurrent layers in an export: their sizes without their steps.

PyTorch finds the sizes of what `nn.LSTM`, `nn.GRU` and `nn.RNN` give by running them step by step, which fixes the
length. Their sizes follow from those of their inputs.
"""

import contextlib


@contextlib.contextmanager
def any_length():
    """While PyTorch exports in the block, recurrent layers keep a dynamic length."""
    import torch

    aten = torch.ops.aten
    operations = {
        aten.lstm.input: _lstm_sizes,
        aten.gru.input: _sizes,
        aten.rnn_tanh.input: _sizes,
        aten.rnn_relu.input: _sizes,
    }
    before = {operation: dict(operation.py_kernels) for operation in operations}
    for operation, sizes in operations.items():
        _set_kernels(operation, {key: _for_fakes(sizes, kernel) for key, kernel in before[operation].items()})
    try:
        yield
    finally:
        for operation, kernels in before.items():
            _set_kernels(operation, kernels)


def _set_kernels(operation, kernels):
    operation.py_kernels.clear()
    operation.py_kernels.update(kernels)
    operation._dispatch_cache.clear()


def _for_fakes(sizes, kernel):
    """A kernel that gives empty tensors of the right sizes for fake inputs, and computes on others."""
    from torch._subclasses.fake_tensor import FakeTensor

    return lambda x, *args: sizes(x, *args) if isinstance(x, FakeTensor) else kernel(x, *args)


def _lstm_sizes(x, states, params, has_biases, layers, dropout, train, bidirectional, batch_first):
    hidden, cell = states
    return _output(x, hidden, bidirectional), x.new_empty(hidden.shape), x.new_empty(cell.shape)


def _sizes(x, hidden, params, has_biases, layers, dropout, train, bidirectional, batch_first):
    return _output(x, hidden, bidirectional), x.new_empty(hidden.shape)


def _output(x, hidden, bidirectional):
    return x.new_empty((x.shape[0], x.shape[1], hidden.shape[-1] * (2 if bidirectional else 1)))
