"""Causes that lie in a weight: TensorFlow's value of it in place of PyTorch's, and what that value is."""

from .search import Change

CLOSE = 1e-6  # relative to the largest element: the same numbers


def weights(stage, nodes, held):
    """All weights as TensorFlow reads them; then each alone.

    The cause is told by the values: another weight of the model, the same with its axes exchanged, rounded, …
    """
    import torch

    different = {}
    for name in stage.weights():
        ours, theirs = stage.weight(name), stage.read.get(name)
        if theirs is None or not ours.is_floating_point() or ours.shape != theirs.shape:
            continue
        if not _equal(ours.to(torch.float64), theirs.to(torch.float64)):
            different[name] = theirs
    for name, theirs in different.items():
        yield _change(stage, name, theirs)
    if len(different) > 1:
        # One change explains all of them, or they are told one after another.
        changes = [_change(stage, name, theirs) for name, theirs in different.items()]
        causes = {c.cause for c in changes}
        whole = Change("; ".join(c.evidence for c in changes))
        for change in changes:
            whole.weights |= change.weights
        whole.cause = _joint_cause(causes)
        yield whole


def _joint_cause(causes):
    order = ["layer-order", "weights-swapped", "untied", "weight-not-loaded", "precision", "kernel-transposed",
             "channel-order", "rotary-layout", "position-offset", "batchnorm-statistics", "weight-value"]  # fmt: skip
    return min(causes, key=order.index)


def _change(stage, name, theirs):
    cause, evidence = what_is(stage, name, theirs)
    return Change(f"weight `{stage.weight_of[name]}`: {evidence}", weights={name: theirs}, cause=cause)


def _equal(a, b):
    import torch

    if a.shape != b.shape:
        return False
    scale = float(a.abs().max()) if a.numel() else 0.0
    return bool(torch.equal(a, b) or float((a - b).abs().max()) <= CLOSE * scale)


def what_is(stage, name, theirs):
    """(cause, evidence) of a weight that TensorFlow reads otherwise."""
    import torch

    ours = stage.weight(name).to(torch.float64)
    theirs = theirs.to(torch.float64)
    target = stage.weight_of[name]
    if name.startswith("b_") or target.rpartition(".")[2] in ("running_mean", "running_var"):
        if target.rpartition(".")[2].startswith("running_"):
            return "batchnorm-statistics", _numbers(ours, theirs)
    for dtype in (torch.float16, torch.bfloat16):
        if _same(ours.to(dtype).to(torch.float64), theirs) or _same(theirs.to(dtype).to(torch.float64), ours):
            return "precision", f"TensorFlow has it rounded to {str(dtype).removeprefix('torch.')}, or PyTorch has"
    for text, cause, turned in _turned(ours):
        if _equal(turned, theirs):
            return cause, f"TensorFlow's is PyTorch's {text}"
    twin = _twin(stage, name, theirs)
    if twin is not None:
        return twin
    spread = float(theirs.max() - theirs.min()) if theirs.numel() else 0.0
    spread_here = float(ours.max() - ours.min()) if ours.numel() else 0.0
    if theirs.numel() > 1 and spread == 0 and spread_here > 0:
        return (
            "weight-not-loaded",
            f"all its elements are {float(theirs.flatten()[0]):g} in TensorFlow, as a new one's are",
        )
    if theirs.numel() > 1 and spread_here == 0 and spread > 0:
        return "weight-not-loaded", f"all its elements are {float(ours.flatten()[0]):g} in PyTorch, as a new one's are"
    likeness = _likeness(ours, theirs)
    if ours.numel() >= 16 and abs(likeness) < 0.5:
        return "weight-not-loaded", (
            f"TensorFlow's values have nothing to do with PyTorch's (correlation {likeness:.2f}, "
            f"deviations {float(theirs.std()):.2g} and {float(ours.std()):.2g})"
        )
    return "weight-value", _numbers(ours, theirs)


def _numbers(ours, theirs):
    difference = (ours - theirs).abs()
    count = int((difference > 0).sum())
    worst = int(difference.argmax())
    at, rest = [], worst
    for size in reversed(ours.shape):
        at.insert(0, rest % size)
        rest //= size
    return (
        f"{count} of {ours.numel()} values differ, most at {at}: {float(ours.flatten()[worst]):.6g} in PyTorch, "
        f"{float(theirs.flatten()[worst]):.6g} in TensorFlow"
    )


def _same(a, b):
    import torch

    return torch.equal(a, b) and a.numel() > 1


def _likeness(a, b):
    import torch

    a, b = a.flatten() - a.mean(), b.flatten() - b.mean()
    size = float(torch.linalg.norm(a) * torch.linalg.norm(b))
    return float((a * b).sum()) / size if size > 0 else 0.0


def _turned(weight):
    """(words, cause, tensor) of the weight with its axes or elements in another order."""
    shape = weight.shape
    if weight.dim() >= 2:
        if shape[0] == shape[1]:
            yield "with its first two axes exchanged", "kernel-transposed", weight.transpose(0, 1)
        yield "transposed and read in the wrong shape", "kernel-transposed", weight.transpose(0, 1).reshape(shape)
        yield (
            "read in the wrong shape",
            "kernel-transposed",
            (weight.reshape(shape[1], shape[0], *shape[2:]).transpose(0, 1).reshape(shape)),
        )
    if weight.dim() == 4:
        if shape[2] == shape[3]:
            yield "with rows and columns exchanged", "kernel-transposed", weight.transpose(2, 3)
        yield "turned by half a turn", "kernel-transposed", weight.flip(2, 3)
    if weight.dim() >= 3:
        yield "with its input channels in reverse order", "channel-order", weight.flip(1)
    if weight.dim() == 3:
        yield "turned along its last axis", "kernel-transposed", weight.flip(2)
    if weight.dim() >= 2:
        yield "with its rows in reverse order", "channel-order", weight.flip(0)
        yield "with its columns in reverse order", "channel-order", weight.flip(1)
        for shift in (1, 2, -1, -2):
            yield f"shifted by {shift} rows", "position-offset", weight.roll(shift, 1 if shape[0] == 1 else 0)
    if weight.dim() >= 1 and shape[0] % 2 == 0:
        for size in (d for d in (8, 16, 32, 64, 96, 128, 256, 4, shape[0]) if shape[0] % d == 0):
            if size < 4:
                continue
            heads = weight.reshape(shape[0] // size, size, *shape[1:])
            halves = heads.reshape(-1, 2, size // 2, *shape[1:]).transpose(1, 2).reshape(shape)
            pairs = heads.reshape(-1, size // 2, 2, *shape[1:]).transpose(1, 2).reshape(shape)
            for turned in (halves, pairs):
                yield (
                    f"with halves for pairs in heads of {size}, as rotary positions are laid out",
                    "rotary-layout",
                    turned,
                )


def _twin(stage, name, theirs):
    """(cause, evidence) where another weight of the model has TensorFlow's value."""
    import torch

    target = stage.weight_of[name]
    ours = stage.weight(name)
    for other, value in stage.state.items():
        if other == target or value is None or value.shape != ours.shape or not value.is_floating_point():
            continue
        if value.data_ptr() == ours.data_ptr():
            continue
        begin = value.detach().reshape(-1)[:64].to(torch.float64)  # most others differ in their first elements
        if not torch.allclose(begin, theirs.reshape(-1)[:64], rtol=1e-3, atol=1e-6):
            continue
        if not _equal(value.detach().to(torch.float64), theirs):
            continue
        if float(theirs.std() if theirs.numel() > 1 else 0) == 0:
            continue  # any new weight has it
        if _without_numbers(other) == _without_numbers(target):
            return "layer-order", f"TensorFlow's is PyTorch's `{other}`"
        if _is_table(stage, other) != _is_table(stage, name):
            return "untied", f"TensorFlow's is PyTorch's `{other}`, with which it is not tied"
        return "weights-swapped", f"TensorFlow's is PyTorch's `{other}`"
    return None


def _without_numbers(name):
    return ["#" if part.isdigit() else part for part in name.split(".")]


def _is_table(stage, name):
    """Whether a weight (its FQN or placeholder) is looked up by an embedding in the program."""
    for node in stage.program.graph_module.graph.nodes:
        if node.op == "call_function" and str(node.target).startswith("aten.embedding"):
            used = node.args[0].name
            if name in (used, stage.weight_of.get(used)):
                return True
    return False
