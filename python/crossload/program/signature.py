"""What an exported program takes and returns: names, axes and ranges of sizes."""

import math

from . import pytree_names


def weight_names(program):
    """FQNs of parameters and persistent buffers, in the order of the graph's inputs."""
    signature = program.graph_signature
    fixed = set(signature.non_persistent_buffers)
    found = []
    for spec in signature.input_specs:
        if spec.kind.name == "PARAMETER" or (spec.kind.name == "BUFFER" and spec.target not in fixed):
            found.append(spec.target)
    return found


def user_inputs(program):
    """[(name, placeholder node or None)] of the tensor inputs in order; None for a constant (None, bool, int, str).

    Names are torch.export's forward_arg_names, and below a nested input the path of its leaf.
    """
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    specs = [s for s in program.graph_signature.input_specs if s.kind.name == "USER_INPUT"]
    call = program.module_call_graph[0].signature
    names = pytree_names.input_names(call.in_spec, call.forward_arg_names)
    if len(names) != len(specs):
        names = [getattr(s.arg, "name", f"input_{i}") for i, s in enumerate(specs)]
    return [
        (name, nodes.get(spec.arg.name) if type(spec.arg).__name__ == "TensorArgument" else None)
        for name, spec in zip(names, specs, strict=True)
    ]


def output_names(program):
    """Names of the user outputs, in order (also of those that are not tensors)."""
    return pytree_names.output_names(program.module_call_graph[0].signature.out_spec)


def input_axes(program):
    """{input name: [size or sympy expression of each axis]} of the tensor inputs."""
    found = {}
    for name, node in user_inputs(program):
        if node is not None and node.meta.get("val") is not None:
            shape = node.meta["val"].shape
            found[name] = [s.node.expr if hasattr(s, "node") and not isinstance(s, int) else int(s) for s in shape]
    return found


def ranges(program):
    """{symbol name: (least, greatest size)} of the program's symbols; greatest is math.inf when open."""
    found = {}
    for symbol, bounds in program.range_constraints.items():
        least, greatest = (
            int(bound) if getattr(bound, "is_Integer", isinstance(bound, int)) else None
            for bound in (bounds.lower, bounds.upper)
        )
        found[str(symbol)] = (least or 0, math.inf if greatest is None or greatest >= 2**62 else greatest)
    return found
