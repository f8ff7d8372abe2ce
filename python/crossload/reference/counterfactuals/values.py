"""Values moved, rounded or dropped: positions, precision, dropout."""

from .operations import argument, is_op, of_all
from .search import Change


def position(stage, nodes, held):
    def variants(node):
        if is_op(node, "embedding"):
            for k in (1, -1, 2, -2, 3):

                def change(call, args, kwargs, k=k):
                    args[1] = (args[1] + k).clamp(0, args[0].shape[0] - 1)
                    return call(args, kwargs)

                yield f"rows {abs(k)} {'further on' if k > 0 else 'further back'} are looked up in TensorFlow", change
            return
        value = node.meta.get("val")
        if is_op(node, "slice") and argument(node, "dim") in (0, 1) and getattr(value, "dtype", None) is not None:
            for k in (1, 2, -1, -2):

                def shifted(call, args, kwargs, k=k):
                    return call([args[0].roll(-k, argument(node, "dim")), *args[1:]], kwargs)

                yield f"positions start {k} later in TensorFlow", shifted
        if value is None or getattr(value, "dtype", None) is None or getattr(value.dtype, "is_floating_point", True):
            return
        if str(value.dtype) == "torch.bool":
            return
        for k in (1, -1, 2, -2, 3):
            yield f"positions are {k:+d} in TensorFlow", lambda call, args, kwargs, k=k: call(args, kwargs) + k

    yield from of_all(stage, nodes, variants)


def precision(stage, nodes, held):
    import torch

    for dtype in (torch.float16, torch.bfloat16):

        def rounded(x, dtype=dtype):
            return x.to(dtype).to(x.dtype)

        name = str(dtype).removeprefix("torch.")
        weights = {w: rounded(stage.weight(w)) for w in stage.weights() if stage.weight(w).is_floating_point()}
        inputs = {n: (lambda v, r=rounded: r(v) if v.is_floating_point() else v) for n in stage.tensor_inputs()}

        def after(call, args, kwargs, r=rounded):
            value = call(args, kwargs)
            return r(value) if hasattr(value, "is_floating_point") and value.is_floating_point() else value

        ends = {n: after for n in stage.tf if n in stage.inside}
        unit = 2.0**-11 if dtype == torch.float16 else 2.0**-8
        yield Change(f"weights rounded to {name} in TensorFlow", weights=weights)
        for one, value in weights.items() if len(weights) > 1 else ():
            yield Change(f"weight `{stage.weight_of[one]}` rounded to {name} in TensorFlow", weights={one: value})
        yield Change(f"inputs and weights rounded to {name} in TensorFlow", weights=weights, inputs=inputs)
        # A result that is rounded may be rounded the other way.
        yield Change(
            f"computed in {name} in TensorFlow",
            nodes=ends,
            weights=weights,
            inputs=inputs,
            noise=2 * unit * stage.scale,
        )
        yield Change(f"results rounded to {name} in TensorFlow", nodes=ends, noise=unit * stage.scale / 64)


def dropout(stage, nodes, held):
    """A part of an output's elements is zero and the rest larger by as much as dropout makes it."""
    import torch

    changes, words = {}, []
    for name, tf in stage.tf.items():
        ours = stage.plain.get(name)
        if name not in stage.inside or not tf.is_floating_point() or ours.shape != tf.shape or tf.numel() < 16:
            continue
        theirs = tf.to(torch.float64)
        alive = ours.abs() > 1e-3 * max(stage.scale, 1e-30)
        gone = (theirs == 0) & alive
        share = float(gone.sum()) / max(int(alive.sum()), 1)
        kept = alive & ~gone
        if not 0.01 < share < 0.95 or not kept.any():
            continue
        factor = float((theirs[kept] / ours[kept]).median())
        deviation = 4 * (share * (1 - share) / int(alive.sum())) ** 0.5
        if abs((1 - 1 / factor) - share) > deviation + 0.01:
            continue
        gone = theirs == 0

        def change(call, args, kwargs, gone=gone, factor=factor):
            return torch.where(gone, 0.0, call(args, kwargs) * factor)

        changes[name] = change
        words.append(
            f"`{name}`: {share:.0%} of the elements are zero in TensorFlow, the rest {factor:.4g} times PyTorch's"
        )
    if changes:
        yield Change("; ".join(words), changes)
