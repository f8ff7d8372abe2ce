"""PyTorch's gradients: of the model itself, under other ways to round, and in float64."""

import contextlib
import copy

from ..model.state import state_kept
from .scalar import scalar_in_torch


def parameters_of(named):
    """[(name, other names, tensor)] of the floating parameters among (name, tensor) pairs, each once."""
    import torch

    found = {}
    for name, value in named:
        if isinstance(value, torch.nn.Parameter) and value.is_floating_point():
            entry = found.setdefault(identity(value), [name, [], value])
            if entry[0] != name:
                entry[1].append(name)
    return [tuple(entry) for entry in found.values()]


def identity(tensor):
    """The same for two tensors of the same memory: a program that was read from a file has tied parameters as two."""
    return (tensor.data_ptr(), tensor.shape, tensor.stride()) if tensor.data_ptr() else id(tensor)


def gradients(outputs_of, parameters, coefficients):
    """[gradient or None] by each parameter; outputs_of() computes {output: tensor}."""
    import torch

    before = [p.requires_grad for p in parameters]
    try:
        for parameter in parameters:
            parameter.requires_grad_(True)
        with torch.enable_grad():
            scalar = scalar_in_torch(outputs_of(), coefficients)
            if not (isinstance(scalar, torch.Tensor) and scalar.requires_grad):
                return [None] * len(parameters)
            return list(torch.autograd.grad(scalar, parameters, allow_unused=True))
    finally:
        for parameter, value in zip(parameters, before, strict=True):
            parameter.requires_grad_(value)


def write_gradients(file, parameters, runs, truth):
    """Write what `../README.md` says of `pt_gradients.safetensors`; returns the names of parameters without gradient.

    runs: yields (kind, [gradient or None]), the first of which decides; truth: the same in float64, or None. Returns
    (kinds of the runs, names without).
    """
    kinds, without = [], []
    for name, _, value in parameters:
        file.write(f"parameter/{name}", value.detach())
    for kind, found in runs:
        for (name, *_), gradient in zip(parameters, found, strict=True):
            if gradient is not None:
                file.write(f"run/{len(kinds)}/{name}", gradient)
            elif not kinds:
                without.append(name)
        kinds.append(kind)
    for (name, *_), gradient in zip(parameters, truth or [None] * len(parameters), strict=True):
        if gradient is not None and name not in without:
            file.write(f"truth/{name}", gradient)
    return kinds, without


def names_in_file(parameters, most_runs):
    names = [name for name, *_ in parameters]
    kinds = ["parameter", *(f"run/{k}" for k in range(most_runs)), "truth"]
    return [f"{kind}/{name}" for kind in kinds for name in names]


def attempted(first, attempts):
    """(kind, gradients) of `first`, and of those attempts [(kind, context manager, function)] that do not fail and give
    gradients by the same parameters."""
    kind, found = first
    yield kind, found
    there = [gradient is not None for gradient in found]
    for kind, way, compute in attempts:
        with contextlib.suppress(Exception), way():
            other = compute()
            if other is not None and [gradient is not None for gradient in other] == there:
                yield kind, other


def of_model(model, call, coefficients, in_double=False):
    """The gradients of an eager model: {name: …} is `parameters_of(model.named_parameters(…))`; call(model) gives its
    outputs. in_double: of a copy in float64."""
    if in_double:
        model = copy.deepcopy(model).double()
    parameters = [p for _, _, p in parameters_of(model.named_parameters(remove_duplicate=False))]
    with state_kept(model):
        return gradients(lambda: call(model), parameters, coefficients)
