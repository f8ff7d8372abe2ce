"""Normalizations computed otherwise: epsilon, statistics, axes, place."""

from .operations import argument, is_op, of_all, with_argument
from .search import Change, fitted

EPSILONS = (1e-12, 1e-5, 1e-6, 1e-3, 1e-7, 1e-8, 1e-4, 1e-2, 0.0)


def _epsilon_argument(node):
    """The name of the argument that holds an epsilon, or None."""
    if node.op != "call_function" or not hasattr(node.target, "_schema"):
        return None
    for name in ("eps", "epsilon"):
        if any(a.name == name for a in node.target._schema.arguments):
            return name
    if is_op(node, "add") and len(node.args) > 1 and isinstance(node.args[1], float) and 0 <= node.args[1] < 0.1:
        if any(is_op(user, "rsqrt", "sqrt", "pow", "reciprocal") for user in node.users):
            return "other"
    if is_op(node, "clamp_min") and isinstance(node.args[1], float) and node.args[1] < 0.1:
        return "min"
    return None


def epsilon(stage, nodes, held):
    named = {n: _epsilon_argument(stage.node(n)) for n in nodes}
    named = {n: a for n, a in named.items() if a}

    def at(value, names):
        return {n: with_argument(stage.node(n), named[n], value) for n in names}

    def words(value, names):
        ours = sorted({argument(stage.node(n), named[n]) or 0.0 for n in names})
        return f"epsilon {value:.3g} in TensorFlow, {', '.join(f'{v:.3g}' for v in ours)} in PyTorch"

    groups = [[n] for n in named] + ([list(named)] if len(named) > 1 else [])
    for names in groups:
        for value in EPSILONS:
            yield Change(f"`{names[0]}`: {words(value, names)}", at(value, names), node=names[0])
        best = fitted(stage, lambda v, n=names: Change("", at(v, n)), 1e-13, 1.0, held)
        yield Change(f"`{names[0]}`: {words(best, names)}", at(best, names), node=names[0])


def batch_statistics(stage, nodes, held):
    def variants(node):
        change = with_argument(node, "training", True)
        if change is None:
            import torch

            def change(call, args, kwargs):  # a form of the operation that is for evaluation only
                x, weight, bias = args[0], args[1], args[2]
                y = torch.nn.functional.batch_norm(x, None, None, weight, bias, True, 0.1, args[-1])
                return (y, *call(args, kwargs)[1:])

        def on_copies(call, args, kwargs):
            args = [a.clone() if hasattr(a, "clone") else a for a in args]  # running statistics are written
            return change(call, args, kwargs)

        yield "mean and variance of the batch in TensorFlow, the stored ones in PyTorch", on_copies

    yield from of_all(stage, nodes, variants)


def normalization_axis(stage, nodes, held):
    import torch

    def variants(node):
        if is_op(node, "mean"):
            dims = argument(node, "dim")
            for other in ([1], [-2], [0], [1, 2], [-2, -1], [0, 1]):
                if other != dims:
                    yield f"mean over axes {other} in TensorFlow, {dims} in PyTorch", with_argument(node, "dim", other)
            return
        count = len(argument(node, "normalized_shape"))
        rank = stage.plain.get(node.name, torch.zeros([1] * 3)).dim()
        for axes in ([1], [-2], [0], [-2, -1], [1, 2], list(range(1, rank)), [-3, -2, -1], list(range(rank))):

            def over(call, args, kwargs, axes=axes):
                names = [a.name for a in node.target._schema.arguments]
                given = dict(zip(names, args, strict=False)) | kwargs
                x, eps = given["input"], given.get("eps") or 1e-5
                usual = list(range(x.dim() - count, x.dim()))
                if any(not -x.dim() <= a < x.dim() for a in axes) or sorted(a % x.dim() for a in axes) == usual:
                    raise ValueError("no such axes")
                if is_op(node, "layer_norm"):
                    x = x - x.mean(axes, keepdim=True)
                y = x * torch.rsqrt((x * x).mean(axes, keepdim=True) + eps)
                y = y * given["weight"] if given.get("weight") is not None else y
                return y + given["bias"] if given.get("bias") is not None else y

            yield f"normalized over axes {axes} in TensorFlow, over the last {count} in PyTorch", over

    yield from of_all(stage, nodes, variants)


def normalization_placement(stage, nodes, held):
    """The normalization behind the sum instead of before the branch, and the reverse."""

    for name in nodes:
        node = stage.node(name)
        source = node.args[0]
        behind = [n for n in stage.names if is_op(stage.node(n), "add") and source in stage.node(n).args]
        for total in behind:

            def skip(call, args, kwargs):
                return args[0]

            def normalize(call, args, kwargs, node=node):
                rest = [stage.value(a) if hasattr(a, "op") else a for a in node.args[1:]]
                return node.target(call(args, kwargs), *rest, **node.kwargs)

            yield Change(
                f"`{name}` is behind the sum `{total}` in TensorFlow, before it in PyTorch",
                {name: skip, total: normalize}, node=name,
            )  # fmt: skip
        yield Change(f"`{name}` is left out in TensorFlow", {name: lambda call, args, kwargs: args[0]}, node=name)
