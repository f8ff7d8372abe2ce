"""PyTorch in float64: its default dtype, tensors, and a model with few of its weights in float64 at a time."""

import contextlib
import threading

_default_dtype = threading.RLock()


@contextlib.contextmanager
def double_default():
    """float64 as PyTorch's default dtype."""
    import torch

    with _default_dtype:
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(before)


def to_double(value):
    """A tensor with float dtypes widened to float64, complex64 to complex128; others as they are."""
    import torch

    if value.is_complex():
        return value.to(torch.complex128)
    return value.to(torch.float64) if value.is_floating_point() else value


@contextlib.contextmanager
def widened(model):
    """The model while each of its modules has its own floating-point parameters and buffers in float64 as long as it runs.

    Memory follows the module with the most weights. What reads the weights of a module that it does not call, or keeps
    them elsewhere as recurrent layers do, meets them in their own dtype: PyTorch widens them where it adds or multiplies,
    and refuses in most other operations.
    """
    import torch

    narrow, handles = [], []

    def widen(module, *_):
        before = []
        for values in (module._parameters, module._buffers):
            for name, value in values.items():
                if value is not None and value.is_floating_point() and value.dtype != torch.float64:
                    before.append((values, name, value))
                    values[name] = value.detach().to(torch.float64)
        narrow.append(before)

    def put_back(*_):
        for values, name, value in narrow.pop():
            values[name] = value

    for module in model.modules():
        handles.append(module.register_forward_pre_hook(widen))
        handles.append(module.register_forward_hook(put_back, always_call=True))
    try:
        yield model
    finally:
        while narrow:
            put_back()
        for handle in handles:
            handle.remove()
