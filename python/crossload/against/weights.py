"""PyTorch's weights put into the layers of a Keras model, pair by pair."""

import numpy

from ..errors import WorkerError

# Keras's name of a weight and PyTorch's. Each layer and module has at most one of a row.
NAMES = (
    ("kernel", "weight"), ("embeddings", "weight"), ("gamma", "weight"), ("scale", "weight"), ("beta", "bias"),
    ("moving_mean", "running_mean"), ("moving_variance", "running_var"), ("depthwise_kernel", "weight"),
)  # fmt: skip


def assign(nodes, module_of, pt_model):
    """Fill the variables of paired layers; returns (PyTorch's weights that no layer took, variables left as they were).

    nodes: `layer_tree`; module_of: {id of a layer: module}. A variable takes the parameter or buffer of its name in the
    paired module, or of PyTorch's name for it; kernels are transposed. kind mismatch for one of another shape.
    """
    state = dict(pt_model.named_parameters(remove_duplicate=False)) | dict(
        pt_model.named_buffers(remove_duplicate=False)
    )
    taken, missing, seen = set(), [], set()
    for node in nodes:
        for variable in own_variables(node["layer"]):
            if id(variable) in seen:
                continue
            seen.add(id(variable))
            short = short_name(variable)
            module = module_of.get(node["id"])
            key = None if module is None else found_key(state, module, short)
            if key is None:
                if "seed" not in short:
                    missing.append(f"{node['path']}.{short}".lstrip("."))
                continue
            value = in_layout(state[key].detach().cpu().numpy(), tuple(variable.shape), short)
            if value is None:
                raise WorkerError(
                    "mismatch",
                    f"{node['path'] or node['class']}: `{short}` is {list(variable.shape)}, PyTorch's `{key}` "
                    f"{list(state[key].shape)}; mend the layer, or pair it with another module in --map",
                )
            variable.assign(value)
            taken.add(key)
    pointers = {state[key].data_ptr() for key in taken}
    unused = [k for k, v in state.items() if k not in taken and v.data_ptr() not in pointers]
    return sorted(k for k in unused if k in pt_model.state_dict() and not k.endswith("num_batches_tracked")), missing


def own_variables(layer):
    """The variables of a layer itself, without those of layers in it."""
    if hasattr(layer, "_trainable_variables"):  # Keras 3
        return [*layer._trainable_variables, *layer._non_trainable_variables]
    return [*layer._trainable_weights, *layer._non_trainable_weights]


def short_name(variable):
    return variable.name.split("/")[-1].split(":")[0]


def found_key(state, module, short):
    names = [short, *(pt for tf, pt in NAMES if tf == short)]
    keys = [f"{module}.{name}" if module else name for name in names]
    return next((key for key in keys if key in state), None)


def parameter_key(state, module, variable):
    """(the parameter of a module that a variable of its layer is, or None, scope): a scope in the variable's name may
    stand for a module below it (`word_embeddings/weight`)."""
    key = found_key(state, module, short_name(variable))
    if key is not None:
        return key, []
    scope = variable.name.split(":")[0].split("/")[-2:-1]
    return found_key(state, ".".join([*filter(None, [module]), *scope]), short_name(variable)), scope


def in_layout(value, shape, short):
    """A PyTorch weight in the layout of a Keras variable: kernels [out, in, …] become […, in, out]."""
    if short.endswith("kernel") and value.ndim > 1:
        if short == "depthwise_kernel":  # [channels * multiplier, 1, …] to […, channels, multiplier]
            moved = value.transpose(*range(2, value.ndim), 0, 1)
            return moved.reshape(shape) if moved.size == numpy.prod(shape) else None
        moved = value.transpose(*range(2, value.ndim), 1, 0)
        if moved.shape == shape:
            return moved
        return moved.reshape(shape) if value.ndim == 2 and len(shape) != 2 and moved.size == numpy.prod(shape) else None
    if value.shape == shape:
        return value
    return value.reshape(shape) if value.size == numpy.prod(shape) and value.size == max(shape, default=1) else None


def in_pt_layout(value, shape, short):
    """A Keras variable in the layout of PyTorch's weight of that shape, the other way of `in_layout`; None where none is."""
    if value.size != numpy.prod(shape):
        return None
    if short.endswith("kernel") and len(shape) > 1:
        moved = (*shape[2:], shape[0], shape[1]) if short == "depthwise_kernel" else (*shape[2:], shape[1], shape[0])
        first = (len(shape) - 2, len(shape) - 1) if short == "depthwise_kernel" else (len(shape) - 1, len(shape) - 2)
        return value.reshape(moved).transpose(*first, *range(len(shape) - 2))
    return value.reshape(shape)
