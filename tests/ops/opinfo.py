"""Samples from PyTorch's own OpInfo database, for the rows of the table that it knows."""

import functools
import warnings

import torch
from harness import Sample

# Rows whose name differs from the OpInfo's; by default the ATen base name is looked for in its names and aliases.
OTHER_NAMES = {
    "__and__": "bitwise_and",
    "__or__": "bitwise_or",
    "__xor__": "bitwise_xor",
    "index": "__getitem__",
    "index_put_": "index_put",
    "to": "to",
    "_weight_norm": "",
}

# An OpInfo whose samples need something else than the call itself, or that says nothing here.
LEFT_OUT = {
    "empty", "empty_like", "new_empty", "empty_permuted", "empty_strided",  # what they hold is undefined
    "nn.functional.dropout", "nn.functional.feature_alpha_dropout", "nn.functional.alpha_dropout",
    "nn.functional.dropout2d", "nn.functional.dropout3d", "bernoulli", "multinomial", "normal", "rand_like", "randn_like",
    "randint_like", "randn", "randint", "uniform", "cauchy", "exponential", "geometric", "log_normal", "item",
    "nn.functional.rrelu", "nn.functional.fractional_max_pool2d", "nn.functional.fractional_max_pool3d",
}  # fmt: skip

# Which of equal elements comes first is not defined: the elements that the indices show are compared instead.
UNORDERED_TIES = {"topk", "sort", "argsort", "msort", "kthvalue"}

FAST = {torch.float32: 6, torch.int64: 3, torch.bool: 2, torch.float16: 1, torch.int32: 1}
SLOW = {
    d: 60 for d in (torch.float32, torch.int64, torch.bool, torch.float16, torch.bfloat16, torch.int32, torch.float64)
}
SLOW |= {torch.uint8: 8, torch.int8: 8, torch.int16: 8}


@functools.cache
def by_name():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    found = {}
    for info in op_db:
        short = info.name.rsplit(".", 1)[-1]
        for name in {info.name, short, info.aten_name, info.name.replace(".", "_"), *(a.name for a in info.aliases)}:
            found.setdefault(name, []).append(info)
    return found


def infos_of(target):
    base = target.split(".")[1]
    return by_name().get(OTHER_NAMES.get(base, base), []) or by_name().get(base.rstrip("_"), [])


def is_small(item):
    """A few samples have a million elements to test PyTorch's parallel kernels; they say nothing more here."""
    leaves = torch.utils._pytree.tree_leaves((item.input, item.args, item.kwargs))
    return sum(x.numel() for x in leaves if isinstance(x, torch.Tensor)) < 20_000


def spread(items, count):
    """`count` of the items, evenly spaced: the last samples of an OpInfo tell as much as the first."""
    if len(items) <= count:
        return list(enumerate(items))
    return [(i * len(items) // count, items[i * len(items) // count]) for i in range(count)]


def inputs_of(info, dtype):
    """The samples of an OpInfo, without its largest."""
    torch.manual_seed(0)
    found = [item for item in info.sample_inputs("cpu", dtype, requires_grad=False) if is_small(item)]
    assert found, f"OpInfo {info.name} has no small sample of {dtype}"
    return found


def samples_of(target, is_slow):
    """The samples for a row. In-place rows call the in-place variant on a copy."""
    is_in_place = target.split(".")[1].endswith("_") and not target.split(".")[1].startswith("__")
    for info in infos_of(target):
        if info.name in LEFT_OUT:
            continue
        function = info.inplace_variant if is_in_place else info.op
        if function is None:
            continue
        if is_in_place:
            function = functools.partial(on_copy, function)
        elif info.name in UNORDERED_TIES:
            function = functools.partial(with_values_for_indices, function)
        for dtype, count in (SLOW if is_slow else FAST).items():
            if not info.supports_dtype(dtype, "cpu"):
                continue
            kind = str(dtype).removeprefix("torch.")
            variant = f"-{info.variant_test_name}" if info.variant_test_name else ""
            for index, item in spread(inputs_of(info, dtype), count):
                yield Sample(
                    f"{info.name}{variant}{'_' if is_in_place else ''}-{kind}-{index}",
                    function,
                    (item.input, *item.args),
                    dict(item.kwargs),
                )


def with_values_for_indices(function, first, *args, **kwargs):
    results = function(first, *args, **kwargs)
    if first.dim() == 0:
        return results
    dims = [a for a in args if type(a) is int]
    dim = kwargs.get("dim", dims[-1] if len(dims) > (function.__name__ in ("topk", "kthvalue")) else -1)
    values, indices = (results, results) if isinstance(results, torch.Tensor) else results
    if indices.dim() < first.dim():
        return values, torch.gather(first, dim, indices.unsqueeze(dim)).squeeze(dim)
    return values if values is not indices else None, torch.gather(first, dim, indices)


def on_copy(function, first, *args, **kwargs):
    return function(first.clone(), *args, **kwargs)
