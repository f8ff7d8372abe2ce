"""Another activation in the place of an operation or of a whole module."""

from .operations import argument, of_all
from .search import Change


def _activations():
    import torch
    import torch.nn.functional as f

    return {
        "gelu by the error function": lambda x: f.gelu(x),
        "gelu by tanh": lambda x: f.gelu(x, approximate="tanh"),
        "gelu by sigmoid(1.702 x)": lambda x: x * torch.sigmoid(1.702 * x),
        "relu": f.relu,
        "silu": f.silu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "no activation": lambda x: x,
        "relu6": f.relu6,
        "relu squared": lambda x: f.relu(x) ** 2,
        "leaky relu, slope 0.01": lambda x: f.leaky_relu(x, 0.01),
        "leaky relu, slope 0.2": lambda x: f.leaky_relu(x, 0.2),
        "leaky relu, slope 0.1": lambda x: f.leaky_relu(x, 0.1),
        "leaky relu, slope 0.3": lambda x: f.leaky_relu(x, 0.3),
        "elu": f.elu,
        "selu": f.selu,
        "hard swish": f.hardswish,
        "hard sigmoid, slope 1/6": f.hardsigmoid,
        "hard sigmoid, slope 0.2": lambda x: (0.2 * x + 0.5).clamp(0, 1),
        "mish": f.mish,
        "softplus": f.softplus,
        "gelu by tanh, clipped at 10": lambda x: f.gelu(x, approximate="tanh").clamp(-10, 10),
        "exponential": torch.exp,
        "linear up to 1": lambda x: x.clamp(-1, 1),
        "softmax": lambda x: x.softmax(-1),
    }


def activation(stage, nodes, held):
    def variants(node):
        for words, function in _activations().items():

            def change(call, args, kwargs, function=function):
                return function(args[0])

            yield f"{words} in TensorFlow, {_short(node)} in PyTorch", change

    yield from of_all(stage, nodes, variants)


def _short(node):
    name = str(node.target).removeprefix("aten.").partition(".")[0]
    approximate = argument(node, "approximate") if hasattr(node.target, "_schema") else None
    return f"{name} by {approximate}" if approximate and approximate != "none" else name


def unary_stage(stage, nodes, held):
    """A stage without weights that makes one tensor of one tensor, element by element."""
    import torch

    inputs, outputs = stage.tensor_inputs(), list(stage.tf)
    if len(inputs) != 1 or len(outputs) != 1 or len(stage.names) < 2 or outputs[0] not in stage.inside:
        return
    if [w for w in stage.weights() if stage.weight(w).is_floating_point() and stage.weight(w).numel() > 1]:
        return
    x = next(stage.value(n) for name in stage.names for n in stage.node(name).all_input_nodes if n.name == inputs[0])
    if not isinstance(x, torch.Tensor) or not x.is_floating_point() or x.shape != stage.tf[outputs[0]].shape:
        return
    for words, function in _activations().items():

        def change(call, args, kwargs, function=function):
            return function(x)

        yield Change(f"{words} in TensorFlow, {len(stage.names)} operations in PyTorch", {outputs[0]: change})
