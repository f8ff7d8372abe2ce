"""Other float32 runs of an eager PyTorch model, which say how far rounding alone takes its values."""

import contextlib

from ..reference.interpret import convolution_by, product_in_sequence, shuffled_product


@contextlib.contextmanager
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def without_mkldnn():
    import torch

    return torch.backends.mkldnn.flags(enabled=False)


def sums_by(product):
    """Matrix products and convolutions computed by `product`, see `reference.interpret.Run`."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    aten = torch.ops.aten

    class ByProduct(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            tensors = [a for a in args if isinstance(a, torch.Tensor)]
            if not kwargs and tensors and all(a.dtype == torch.float32 for a in tensors):
                if function in (aten.mm.default, aten.bmm.default):
                    return product(args[0], args[1])
                if function == aten.addmm.default:
                    return args[0] + product(args[1], args[2])
                if function == aten.convolution.default and not args[6] and args[0].dim() in (3, 4):
                    x, weight, bias, stride, padding, dilation, _, _, groups = args
                    return convolution_by(product, x, weight, bias, stride, padding, dilation, groups)
            return function(*args, **kwargs)

    return ByProduct()


def ways():
    """(what is other, context manager that makes it so) of each run."""
    return [("one thread", one_thread), ("other kernels", without_mkldnn), ("sums in sequence", sums_in_sequence)]


def sums_in_sequence():
    return sums_by(product_in_sequence)


def more_ways(count):
    """Runs that are asked for when others are not enough: sums in random orders."""
    import functools

    return [
        ("sums in another order", functools.partial(sums_by, functools.partial(shuffled_product, seed=seed)))
        for seed in range(count)
    ]
