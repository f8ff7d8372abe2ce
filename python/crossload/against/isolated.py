"""A layer called with PyTorch's values for its inputs."""

import numpy

from .layers import arrays
from .layout import as_in_tensorflow
from .leaves import leaves, replaced

STATE = ("training", "cast_inputs")


def isolated(call, inputs):
    """({path: array} of the layer's results, None), or (None, why it cannot be); see `new_inputs`."""
    new, reason = new_inputs(call, inputs)
    if new is None:
        return None, reason
    try:
        return arrays(call_with(call, new)), None
    except Exception as error:  # noqa: BLE001 (whatever a layer raises)
        return None, f"it fails with PyTorch's inputs: {str(error).strip().splitlines()[0][:200]}"


def new_inputs(call, inputs):
    """({path: tensor} of what a layer is given in place of its own inputs, None), or (None, why it cannot be).

    call: of the layer within the whole model; inputs: {path: NumPy array}, what the PyTorch module was given. An
    argument takes the value of the PyTorch argument of its name, the first one that of the first; others keep their own
    where PyTorch has none (masks, for one, may be made in another way). An argument without a value of its shape makes
    the layer impossible to call.
    """
    arguments = {name: value for name, value in call.arguments().items() if name not in STATE}
    wanted = {}  # TensorFlow's path -> tensor
    for name, value in arguments.items():
        wanted |= {path: tensor for path, tensor in leaves(value, str(name)).items()}
    if not wanted:
        return None, "it takes no tensor"
    pairs = paired(list(wanted), list(inputs))
    new = {}
    for path, source in pairs.items():
        like = wanted[path].numpy() if hasattr(wanted[path], "numpy") else numpy.asarray(wanted[path])
        value = as_in_tensorflow(inputs[source], like)
        if value is None:
            if path == next(iter(wanted)):
                seen = f"its input `{path}` is {list(like.shape)}, PyTorch's `{source}` {list(inputs[source].shape)}"
                return None, seen
            continue
        new[path] = like_tensor(value, like.dtype, wanted[path])
    if not new:
        return None, "no input of it is one of PyTorch's"
    return new, None


def call_with(call, new):
    """The layer's result with some of its inputs replaced."""
    names = list(call.arguments())
    args = [replaced(value, new, str(names[i])) if i < len(names) else value for i, value in enumerate(call.args)]
    kwargs = {name: replaced(value, new, str(name)) for name, value in call.kwargs.items()}
    return call.function(*args, **kwargs)


def paired(tf_paths, pt_paths):
    """{TensorFlow's path: PyTorch's path} of inputs: of one name; then the first of each, where both are free."""
    found = {path: path for path in tf_paths if path in pt_paths}
    if tf_paths and pt_paths and tf_paths[0] not in found and pt_paths[0] not in found.values():
        found[tf_paths[0]] = pt_paths[0]
        # What is below a nested first argument.
        head, first = tf_paths[0].split(".")[0], pt_paths[0].split(".")[0]
        for path in tf_paths[1:]:
            twin = first + path.removeprefix(head)
            if path.startswith(head + ".") and twin in pt_paths and path not in found:
                found[path] = twin
    return {path: found[path] for path in tf_paths if path in found}


def like_tensor(value, dtype, sample):
    """`value` as a tensor of the library of `sample`."""
    value = numpy.ascontiguousarray(value, dtype=dtype)
    if isinstance(sample, numpy.ndarray):
        return value
    import tensorflow

    return tensorflow.constant(value)
