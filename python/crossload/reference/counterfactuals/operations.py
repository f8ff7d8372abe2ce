"""Changes of how operations are computed: their arguments, of one node or of all alike.

The functions of normalization, activation, attention, convolution and values each yield changes of a stage's nodes.
"""

from .search import Change


def of_all(stage, nodes, variants):
    """Changes of each node, then of all of them alike. variants: function(node) -> [(words, function of a call)]."""
    by_node = {}
    for name in nodes:
        found = [(words, change) for words, change in variants(stage.node(name)) if change is not None]
        if found:
            by_node[name] = found
            for words, change in found:
                yield Change(f"`{name}`: {words}", {name: change}, node=name)
    if len(by_node) > 1:
        for at in range(min(map(len, by_node.values()))):
            words = next(iter(by_node.values()))[at][0]
            yield Change(f"{len(by_node)} operations: {words}", {n: found[at][1] for n, found in by_node.items()})


def with_argument(node, name, value):
    """A function of a call that sets one argument of the operation's schema; None where it has none of that name."""
    schema = getattr(node.target, "_schema", None)
    names = [a.name for a in schema.arguments] if schema else []
    if name not in names:
        return None
    at = names.index(name)

    def change(call, args, kwargs):
        if at < len(args):
            args[at] = value(args[at]) if callable(value) else value
        elif callable(value):
            kwargs[name] = value(kwargs.get(name, schema.arguments[at].default_value))
        else:
            kwargs[name] = value
        return call(args, kwargs)

    return change


def argument(node, name):
    """The value of an argument of the operation's schema, its default where it is not given."""
    schema = node.target._schema
    names = [a.name for a in schema.arguments]
    at = names.index(name) if name in names else None
    if at is None:
        return None
    if at < len(node.args):
        return node.args[at]
    return node.kwargs.get(name, schema.arguments[at].default_value)


def is_op(node, *names):
    return node.op == "call_function" and any(str(node.target).startswith(f"aten.{n}.") for n in names)
