"""Types of containers that PyTorch takes apart but cannot write into an archive without a name: namedtuples, and what
`torch.topk` and others return. Dataclasses, which it does not take apart before they are registered."""

import collections
import dataclasses
import json

from ..model.flags import is_transformers_model


def name_containers(*specs):
    """Register the types in the TreeSpecs under the names by which PyTorch's archive writer and reader look them up.

    Types that have a name keep it. How instances are flattened does not change.
    """
    from torch.utils import _pytree

    for spec in specs:
        if spec.is_leaf():
            continue
        if spec.type is _pytree.namedtuple:
            _name(spec.context, _pytree._namedtuple_serialize, _pytree._namedtuple_deserialize)
        name_containers(*spec.children())


def name_return_types():
    """Name PyTorch's own structured results, such as `torch.return_types.topk`; their context becomes the fields."""
    import torch

    for kind in torch.return_types.all_return_types:
        if isinstance(kind, type) and issubclass(kind, tuple):
            fields = json.dumps(list(kind.__match_args__))
            _name(kind, lambda context, fields=fields: fields, lambda dumped: None)


def name_namedtuple(name, fields):
    """Register a namedtuple with these fields under a name found in an archive, unless the class itself is known."""
    from torch.utils import _pytree

    if name not in _pytree.SERIALIZED_TYPE_TO_PYTHON_TYPE:
        kind = collections.namedtuple(name.rpartition(".")[2], fields, rename=True)
        _name(kind, _pytree._namedtuple_serialize, _pytree._namedtuple_deserialize, name)


def name_dataclasses(value):
    """Register the dataclasses in a model's inputs or outputs; returns whether there was one that PyTorch did not know."""
    from torch.utils import _pytree

    found = False
    for leaf in _pytree.tree_leaves(value):
        if dataclasses.is_dataclass(leaf) and not isinstance(leaf, type):
            name_dataclass(type(leaf))
            name_dataclasses(leaf)
            found = True
    return found


def name_dataclass(kind, name=None):
    """Register a dataclass under a name, by default its own."""
    from torch.utils import _pytree

    _pytree.register_dataclass(kind, serialized_type_name=name or f"{kind.__module__}.{kind.__qualname__}")


def name_recorded_dataclasses(spec):
    """Register a stand-in for each unknown dataclass of a TreeSpec as an archive has it (JSON)."""
    from torch.utils import _pytree

    if not isinstance(spec, dict):
        return
    name, context = spec.get("type"), spec.get("context")
    known = name is None or name in _pytree.SERIALIZED_TYPE_TO_PYTHON_TYPE
    fields = None if known else _dataclass_fields(context, len(spec.get("children_spec") or ()))
    if fields:
        name_dataclass(
            dataclasses.make_dataclass(name.rpartition(".")[2], [(field, object, None) for field in fields]), name
        )
    for child in spec.get("children_spec") or ():
        name_recorded_dataclasses(child)


def _dataclass_fields(context, count):
    """The fields of a dataclass's context, which is the list of those with values and that of the others, or None."""
    try:
        parts = json.loads(context)
    except (TypeError, ValueError):
        return None
    if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, list) for part in parts):
        return None
    fields = [*parts[0], *parts[1]]
    usable = len(parts[0]) == count and all(isinstance(f, str) and f.isidentifier() for f in fields)
    return fields if usable and len(set(fields)) == len(fields) else None


def unknown_container(value):
    """The type of what PyTorch takes for one value though it is none, in a model's outputs; None where all is known."""
    import torch
    from torch.utils import _pytree

    constants = (torch.Tensor, int, float, bool, complex, str, bytes, type(None), torch.dtype, torch.device)
    return next((type(leaf) for leaf in _pytree.tree_leaves(value) if not isinstance(leaf, constants)), None)


def name_caches(model):
    """Register as pytrees the caches that Transformers models in a module return."""
    if not any(is_transformers_model(module) for module in model.modules()):
        return
    from transformers.exporters.exporter_dynamo import register_cache_pytrees_for_model

    for module in model.modules():
        if is_transformers_model(module):
            register_cache_pytrees_for_model(module)


def _name(kind, serialize, deserialize, name=None):
    from torch.utils import _pytree

    known = _pytree.SUPPORTED_SERIALIZED_TYPES.get(kind)
    if known is not None and known.serialized_type_name != _pytree.NO_SERIALIZED_TYPE_NAME_FOUND:
        return
    name = name or f"{kind.__module__}.{kind.__qualname__}"
    # Not by PyTorch's own function: it would change how namedtuples of this type are flattened.
    _pytree.SUPPORTED_SERIALIZED_TYPES[kind] = _pytree._SerializeNodeDef(kind, name, serialize, deserialize)
    _pytree.SERIALIZED_TYPE_TO_PYTHON_TYPE[name] = kind
