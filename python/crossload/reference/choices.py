"""Discrete choices of a program: operations that make whole numbers or truth values of floats, and those that round.

Two candidates whose scores are closer than rounding errors may be taken in another order by another run, and everything
after differs. So runs that are compared with one another take the choices of one of them.
"""

_ALONG_AN_AXIS = ("topk.default", "sort.default", "sort.stable", "max.dim", "min.dim")  # (values, indices)
_ROUNDING = ("floor.default", "ceil.default", "trunc.default", "round.default", "round.decimals")


def is_rounding(node):
    return _name(node) in _ROUNDING


def is_choice(node, value):
    """Whether a node makes a choice; value: what it makes."""
    import torch

    if node.op != "call_function":
        return False
    if _name(node) in _ALONG_AN_AXIS:
        return isinstance(value, (tuple, list)) and len(value) == 2
    if not isinstance(value, torch.Tensor) or not any(_is_float(n) for n in node.all_input_nodes):
        return False
    return is_rounding(node) or not (value.is_floating_point() or value.is_complex())


def imposed(node, chosen, scores):
    """What a run makes of another run's choice: chosen is the other's value, scores the run's own first operand."""
    import torch

    if isinstance(chosen, torch.Tensor):
        return chosen.to(scores.dtype) if chosen.is_floating_point() and scores is not None else chosen.clone()
    indices = chosen[1]
    if _name(node) in ("max.dim", "min.dim"):
        axis, keeps = node.args[1], (len(node.args) > 2 and node.args[2]) or node.kwargs.get("keepdim", False)
        if scores.dim() == 0:
            return type(chosen)((scores.clone(), indices.clone()))
        wide = indices if keeps else indices.unsqueeze(axis)
        values = scores.gather(axis, wide)
        return torch.return_types.max((values if keeps else values.squeeze(axis), indices.clone()))
    place = {"topk.default": 2, "sort.default": 1, "sort.stable": 2}[_name(node)]
    axis = node.args[place] if len(node.args) > place else node.kwargs.get("dim", -1)
    values = scores.clone() if scores.dim() == 0 else scores.gather(axis, indices)
    return torch.return_types.topk((values, indices.clone()))


def _name(node):
    return str(node.target).removeprefix("aten.")


def _is_float(node):
    import torch

    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.is_floating_point()
