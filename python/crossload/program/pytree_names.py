"""Names for the leaves of a pytree: `last_hidden_state`, `hidden_states.3`, `past_key_values.layers.0.keys`."""

import collections


def leaf_names(spec):
    """One dotted name a leaf, left to right, of a torch TreeSpec; the root itself has the empty name.

    Mappings and dataclass-like outputs (types whose context is a list of keys) give their keys, sequences their
    indices, Transformers' caches the attribute path that their context records.
    """
    return [".".join(path) for path in _paths(spec, ())]


def output_names(spec):
    """Names of the outputs: field names; `output.<i>` for a plain tuple and `output.0` for a single tensor."""
    if spec.is_leaf():
        return ["output.0"]
    names = leaf_names(spec)
    keyed = _is_recorded(spec.context) or _keys(spec) is not None
    return _distinct(names if keyed else [f"output.{name}" for name in names])


def input_names(in_spec, arg_names):
    """Names of a program's inputs in order; arg_names are torch.export's `forward_arg_names`."""
    args, kwargs = in_spec.children()
    children = list(args.children()) + list(kwargs.children())
    given = list(arg_names or [])
    own = [f"input.{i}" for i in range(len(args.children()))] + list(kwargs.context or [])
    if len(given) != len(children):
        given = own
    return _distinct(
        [".".join((name, *path)) for name, child in zip(given, children, strict=True) for path in _paths(child, ())]
    )


def _distinct(names):
    """The names, of which a later one that is there already gets `_2`, `_3`, …: the keys "1" and 1 read alike. As in
    src/program/tree_spec.cc."""
    taken, seen = set(names), set()
    found = []
    for name in names:
        other, n = name, 2
        while other in seen or (other != name and other in taken):
            other, n = f"{name}_{n}", n + 1
        seen.add(other)
        found.append(other)
    return found


def _paths(spec, prefix):
    if spec.is_leaf():
        return [prefix]
    children = list(spec.children())
    context = spec.context
    if _is_recorded(context):
        found = {}
        _recorded_paths(context, (), found)
        steps = [found.get(i, (str(i),)) for i in range(len(children))]
    else:
        steps = [(str(key),) for key in _keys(spec) or range(len(children))]
    return [path for step, child in zip(steps, children, strict=True) for path in _paths(child, prefix + step)]


def _keys(spec):
    """The children's keys or field names; None where only their positions tell them apart."""
    context, count = spec.context, len(list(spec.children()))
    if spec.type in (list, tuple):
        return None
    if context is None and issubclass(spec.type, tuple):  # what torch.topk and others return
        fields = getattr(spec.type, "__match_args__", ())
        return list(fields) if len(fields) == count else None
    if spec.type is collections.defaultdict:
        context = context[1]  # beside what makes its defaults
    fields = getattr(context, "_fields", None)  # a namedtuple's context is its type
    if fields is not None and isinstance(context, type):
        return list(fields)
    if not isinstance(context, (list, tuple)):
        return None
    if len(context) == 2 and all(isinstance(part, (list, tuple)) for part in context) and len(context[0]) == count:
        return list(context[0])  # a dataclass: its fields, then those that are None
    return list(context) if len(context) == count else None


def _is_recorded(context):
    """Whether a context is the nested description, tagged `_t`, that Transformers records of a cache."""
    return isinstance(context, dict) and "_t" in context


def _recorded_paths(node, path, found):
    if isinstance(node, list):
        for i, item in enumerate(node):
            _recorded_paths(item, (*path, str(i)), found)
    elif isinstance(node, dict):
        tag = node.get("_t")
        if tag in ("tensor", "sym"):
            found[node["i"]] = path
        elif tag == "items":
            for key, value in node["v"]:
                _recorded_paths(value, (*path, str(key)), found)
        elif tag in ("obj", "map", "seq"):
            inner = node["s"] if tag == "obj" else node["v"]
            _recorded_paths(inner, path, found)
        elif tag is None:
            for key, value in node.items():
                _recorded_paths(value, (*path, str(key)), found)
