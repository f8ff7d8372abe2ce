"""The layers of a Keras model, Keras 2 and 3 alike: their tree, and what passes through their calls."""

import contextlib
import inspect
import re
import sys
from collections.abc import Mapping

import numpy

from .leaves import leaves
from .record import bound


def layer_class():
    """The base classes of layers of all Keras versions that are loaded."""
    found = []
    for name in ("keras", "tf_keras"):
        layers = getattr(sys.modules.get(name), "layers", None)
        if layers is not None:
            found.append(layers.Layer)
    return tuple(found)


def layer_tree(model):
    """[{"id", "layer", "parent", "names", "path", "class"}] in pre-order; the model itself comes first.

    names: by which a child may be called: its own name, the attribute that holds it. path: the first names, joined. A
    layer that several hold is listed under each; `id` is the same then.
    """
    kinds, nodes, ids = layer_class(), [], {}

    def visit(layer, parent, names, path, above):
        number = ids.setdefault(id(layer), len(ids))
        index = len(nodes)
        nodes.append(
            {"id": number, "layer": layer, "parent": parent, "names": names, "path": path,
             "class": type(layer).__name__}
        )  # fmt: skip
        if id(layer) in above:
            return
        for child, child_names in children(layer, kinds):
            below = f"{path}.{child_names[0]}" if path else child_names[0]
            visit(child, index, child_names, below, above | {id(layer)})

    visit(model, -1, [], "", frozenset())
    return nodes


def children(layer, kinds):
    """[(child, names)] of a layer, in the order in which it holds them."""
    attributes, order = {}, []

    def add(value, name, depth=0):
        if isinstance(value, kinds):
            if value is not layer:
                if id(value) not in attributes:
                    attributes[id(value)] = []
                    order.append(value)
                attributes[id(value)].append(name)
        elif depth < 3 and isinstance(value, (list, tuple)):
            for i, item in enumerate(value):
                add(item, f"{name}.{i}", depth + 1)
        elif depth < 3 and isinstance(value, Mapping):
            for key, item in value.items():
                add(item, f"{name}.{key}", depth + 1)

    for name, value in list(vars(layer).items()):
        if not name.startswith("_"):
            add(value, name)
    for child in tracked(layer):
        if child is not layer and id(child) not in attributes:
            attributes[id(child)] = []
            order.append(child)
    return [(child, names_of(child, attributes[id(child)])) for child in order]


def names_of(layer, attributes):
    """Its own name, then those of the attributes that hold it; a name that Keras made up comes last."""
    kind = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)
    kind = re.sub(r"([a-z])([A-Z])", r"\1_\2", kind).lower()
    is_made_up = re.fullmatch(rf"{kind}(_\d+)?", layer.name) is not None
    names = [*attributes, plain(layer.name)] if is_made_up else [plain(layer.name), *attributes]
    return list(dict.fromkeys(names))


def tracked(layer):
    """Direct children as Keras itself knows them."""
    if hasattr(layer, "_flatten_layers"):
        with contextlib.suppress(Exception):  # Keras 3 has the same name with another signature
            return list(layer._flatten_layers(recursive=False, include_self=False))
    return list(getattr(layer, "_layers", []))


def plain(name):
    """A layer's name in PyTorch's form: `layer_._0` is `layer.0`."""
    return re.sub(r"_?\._", ".", name).replace("/", ".")


class LayerRecording:
    """calls: {id of a layer: [Call]}, in the order in which they ended."""

    def __init__(self):
        self.calls, self.on = {}, True


class Call:
    """One call of a layer: its own `function`, `args`, `kwargs` and `result`; `plain`: what its activation was given,
    None for a layer without one."""

    def __init__(self, layer, function, args, kwargs):
        self.layer, self.function, self.args, self.kwargs = layer, function, args, kwargs
        self.result = self.plain = None

    def arguments(self):
        return bound(self.function, self.args, self.kwargs)


@contextlib.contextmanager
def recorded(nodes):
    """Yields the LayerRecording of the calls of all layers within the block."""
    recording, wrapped = LayerRecording(), []

    def put(layer, name, value):
        had = name in vars(layer)
        wrapped.append((layer, name, vars(layer).get(name), had))
        object.__setattr__(layer, name, value)

    def wrap(number, layer):
        original, open_calls = layer.call, []

        def call(*args, **kwargs):
            if not recording.on:
                return original(*args, **kwargs)
            one = Call(layer, original, args, kwargs)
            recording.calls.setdefault(number, []).append(one)
            open_calls.append(one)
            try:
                one.result = original(*args, **kwargs)
            finally:
                open_calls.pop()
            return one.result

        with contextlib.suppress(TypeError, ValueError):
            call.__signature__ = inspect.signature(original)
        put(layer, "call", call)
        activation = fused_activation(layer)
        if activation is not None:

            def activate(value, *args, **kwargs):
                if open_calls and recording.on:
                    open_calls[-1].plain = value
                return activation(value, *args, **kwargs)

            put(layer, "activation", activate)

    seen = set()
    for node in nodes:
        if node["id"] not in seen:
            seen.add(node["id"])
            wrap(node["id"], node["layer"])
    try:
        yield recording
    finally:
        for layer, name, before, had in reversed(wrapped):
            if had:
                object.__setattr__(layer, name, before)
            else:
                vars(layer).pop(name, None)


def fused_activation(layer):
    """The function that one of Keras's own layers applies to its result; None for one that applies none."""
    if type(layer).__module__.split(".")[0] not in ("keras", "tf_keras"):
        return None
    activation = vars(layer).get("activation")
    if not callable(activation) or getattr(activation, "__name__", "") in ("linear", ""):
        return None
    return None if isinstance(activation, layer_class()) or not hasattr(layer, "kernel") else activation


@contextlib.contextmanager
def without_activation(layer):
    before = vars(layer)["activation"]
    object.__setattr__(layer, "activation", lambda value: value)
    try:
        yield
    finally:
        object.__setattr__(layer, "activation", before)


def arrays(value):
    """{path: NumPy array} of a result."""
    found = {}
    for path, tensor in leaves(value).items():
        with contextlib.suppress(Exception):  # ragged and string tensors
            array = numpy.asarray(tensor.numpy()) if hasattr(tensor, "numpy") else None
            if array is not None and array.dtype.kind in "fiub":
                found[path] = array
    return found
