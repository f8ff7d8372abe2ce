"""Products, convolutions and resampling computed otherwise: kernels, channels, padding, bias, corners."""

from .operations import argument, is_op, of_all, with_argument


def _weight_argument(node):
    for name in ("weight", "mat2"):
        schema = getattr(node.target, "_schema", None)
        if schema and any(a.name == name for a in schema.arguments):
            return name
    return "other" if is_op(node, "matmul") else None


def kernel(stage, nodes, held):
    from .weights import _turned

    def variants(node):
        name = _weight_argument(node)
        used = argument(node, name) if name else None
        if not hasattr(used, "op"):
            return
        value = used.meta.get("val")
        if value is None or len(value.shape) < 2:
            return
        import torch

        shape = [int(s) for s in value.shape]
        for at, (words, cause, _) in enumerate(_turned(torch.empty(shape))):
            if cause == "kernel-transposed":

                def turn(weight, at=at):
                    return list(_turned(weight))[at][2]

                yield f"its kernel is PyTorch's {words}", with_argument(node, name, turn)

    yield from of_all(stage, nodes, variants)


def channel_order(stage, nodes, held):
    def variants(node):
        axis = 1 if not is_op(node, "linear") else -1
        yield (
            "its input channels are in reverse order in TensorFlow",
            with_argument(node, "input", lambda x: x.flip(axis)),
        )
        if axis == 1:
            yield (
                "its output channels are in reverse order in TensorFlow",
                lambda call, args, kwargs: call(args, kwargs).flip(1),
            )
        else:
            yield (
                "its outputs are in reverse order in TensorFlow",
                lambda call, args, kwargs: call(args, kwargs).flip(-1),
            )
            for inner in (2, 3, 4, 8, 12, 16):

                def mixed(x, inner=inner):
                    shape = x.shape
                    return x.reshape(*shape[:-1], inner, shape[-1] // inner).transpose(-1, -2).reshape(shape)

                yield f"its inputs lie in the order of channels last ({inner} groups) in TensorFlow", with_argument(
                    node, "input", mixed)  # fmt: skip

    yield from of_all(stage, nodes, variants)


def padding(stage, nodes, held):
    import torch.nn.functional as f

    def variants(node):
        if is_op(node, "pad", "constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "replication_pad2d"):
            for mode in ("constant", "reflect", "replicate", "circular"):
                yield (
                    f"padding {mode} in TensorFlow",
                    lambda call, args, kwargs, mode=mode: f.pad(args[0], list(args[1]), mode),
                )
            yield "padding on the other side in TensorFlow", lambda call, args, kwargs: f.pad(
                args[0], [args[1][i ^ 1] for i in range(len(args[1]))])  # fmt: skip
            return
        pad = argument(node, "padding")
        if not isinstance(pad, (list, tuple)):
            return
        if is_op(node, "avg_pool2d"):
            yield "padded places count in TensorFlow's mean or not, otherwise than in PyTorch", with_argument(
                node, "count_include_pad", lambda v: not v)  # fmt: skip
        fill = float("-inf") if is_op(node, "max_pool2d", "max_pool1d") else 0.0

        def padded(call, args, kwargs, before, after, mode="constant"):
            x = args[0]
            axes = len(before)
            amounts = []
            for i in reversed(range(axes)):
                amounts += [before[i], after[i]]
            x = f.pad(x, amounts, mode, fill) if mode == "constant" else f.pad(x, amounts, mode)
            return with_argument(node, "padding", [0] * axes)(call, [x, *args[1:]], kwargs)

        pad = [int(p) for p in pad]
        total = [2 * p for p in pad]
        options = {
            "all of it behind": ([0] * len(pad), total),
            "all of it before": (total, [0] * len(pad)),
            "one less before": ([max(p - 1, 0) for p in pad], pad),
            "one less behind": (pad, [max(p - 1, 0) for p in pad]),
            "one more before": ([p + 1 for p in pad], pad),
            "one more behind": (pad, [p + 1 for p in pad]),
            "shifted by one": ([max(p - 1, 0) for p in pad], [p + 1 for p in pad]),
            "shifted back by one": ([p + 1 for p in pad], [max(p - 1, 0) for p in pad]),
        }
        for words, (before, after) in options.items():
            yield (
                f"padding {words} in TensorFlow, {pad} on both sides in PyTorch",
                (lambda call, args, kwargs, before=before, after=after: padded(call, args, kwargs, before, after)),
            )
        for mode in ("reflect", "replicate", "circular"):
            yield (
                f"padding by {mode} in TensorFlow, zeros in PyTorch",
                (lambda call, args, kwargs, mode=mode: padded(call, args, kwargs, pad, pad, mode)),
            )

    yield from of_all(stage, nodes, variants)


def bias_missing(stage, nodes, held):
    def variants(node):
        if is_op(node, "addmm"):
            yield "no bias is added in TensorFlow", lambda call, args, kwargs: call([0 * args[0], *args[1:]], kwargs)
        elif hasattr(argument(node, "bias"), "op"):
            yield "no bias is added in TensorFlow", with_argument(node, "bias", lambda b: 0 * b)

    yield from of_all(stage, nodes, variants)


def resize(stage, nodes, held):
    import torch.nn.functional as f

    def variants(node):
        if is_op(node, "grid_sampler", "grid_sampler_2d"):
            yield "corners are aligned otherwise in TensorFlow", with_argument(node, "align_corners", lambda v: not v)
            return
        ours = argument(node, "align_corners")
        if ours is not None:
            yield f"align_corners is {not ours} in TensorFlow, {ours} in PyTorch", with_argument(
                node, "align_corners", not ours)  # fmt: skip
        for mode in ("bilinear", "nearest", "nearest-exact", "bicubic"):
            for corners in (False, True) if mode in ("bilinear", "bicubic") else (None,):

                def change(call, args, kwargs, mode=mode, corners=corners):
                    size = call(list(args), dict(kwargs)).shape[2:]
                    return f.interpolate(args[0], size=size, mode=mode, align_corners=corners)

                yield f"resized by {mode}, align_corners {corners} in TensorFlow", change

        def top_left(call, args, kwargs):
            return _resized_from_the_corner(args[0], call(list(args), dict(kwargs)).shape[2:])

        yield "pixels are taken at their corners instead of centers in TensorFlow", top_left

    yield from of_all(stage, nodes, variants)


def _resized_from_the_corner(x, size):
    """Bilinear with source position i * scale, TensorFlow's old default."""
    import torch

    for axis, new in zip((2, 3), size, strict=True):
        old = x.shape[axis]
        at = torch.arange(new, dtype=x.dtype) * (old / new)
        low = at.floor().long().clamp(0, old - 1)
        high = (low + 1).clamp(max=old - 1)
        part = (at - low).reshape([-1 if i == axis else 1 for i in range(4)])
        x = x.index_select(axis, low) * (1 - part) + x.index_select(axis, high) * part
    return x
