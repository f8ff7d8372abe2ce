"""The tensors of nested inputs and outputs, by name. Works for PyTorch, TensorFlow and NumPy alike."""


def leaves(value, name=""):
    """{path: tensor}: keys and positions joined by dots, None and what is no array left out; `` for a bare tensor."""
    if value is None or isinstance(value, (str, bytes, bool, int, float)):
        return {}
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return {name: value}
    if hasattr(value, "to_legacy_cache"):
        value = value.to_legacy_cache()
    if hasattr(value, "items"):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    else:
        return {}
    found = {}
    for key, item in items:
        found |= leaves(item, f"{name}.{key}" if name else str(key))
    return found


def replaced(value, new, name=""):
    """The same nesting with the tensors at paths of `new` (see `leaves`) replaced."""
    if name in new and hasattr(value, "shape"):
        return new[name]
    below = lambda key: f"{name}.{key}" if name else str(key)  # noqa: E731
    if isinstance(value, dict):
        return type(value)((key, replaced(item, new, below(key))) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        items = [replaced(item, new, below(i)) for i, item in enumerate(value)]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def output_leaves(value):
    """`leaves` of a model's result under the names of outputs: those of fields, `output.<i>` where it has none."""
    if hasattr(value, "items"):
        return leaves(value)
    return leaves(value if isinstance(value, (list, tuple)) else [value], "output")
