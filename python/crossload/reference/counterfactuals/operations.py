"""Causes that lie in how an operation is computed: each function yields changes of the stage's nodes."""

from .search import Change, fitted

EPSILONS = (1e-12, 1e-5, 1e-6, 1e-3, 1e-7, 1e-8, 1e-4, 1e-2, 0.0)


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


# Normalization


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


# Activations


def _activations():
    import torch
    import torch.nn.functional as f

    return {
        "gelu by the error function": lambda x: f.gelu(x),
        "gelu by tanh": lambda x: f.gelu(x, approximate="tanh"),
        "gelu by sigmoid(1.702 x)": lambda x: x * torch.sigmoid(1.702 * x),
        "relu": f.relu,
        "silu": f.silu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "no activation": lambda x: x,
        "relu6": f.relu6,
        "relu squared": lambda x: f.relu(x) ** 2,
        "leaky relu, slope 0.01": lambda x: f.leaky_relu(x, 0.01),
        "leaky relu, slope 0.2": lambda x: f.leaky_relu(x, 0.2),
        "leaky relu, slope 0.1": lambda x: f.leaky_relu(x, 0.1),
        "leaky relu, slope 0.3": lambda x: f.leaky_relu(x, 0.3),
        "elu": f.elu,
        "selu": f.selu,
        "hard swish": f.hardswish,
        "hard sigmoid, slope 1/6": f.hardsigmoid,
        "hard sigmoid, slope 0.2": lambda x: (0.2 * x + 0.5).clamp(0, 1),
        "mish": f.mish,
        "softplus": f.softplus,
        "gelu by tanh, clipped at 10": lambda x: f.gelu(x, approximate="tanh").clamp(-10, 10),
        "exponential": torch.exp,
        "linear up to 1": lambda x: x.clamp(-1, 1),
        "softmax": lambda x: x.softmax(-1),
    }


def activation(stage, nodes, held):
    def variants(node):
        for words, function in _activations().items():

            def change(call, args, kwargs, function=function):
                return function(args[0])

            yield f"{words} in TensorFlow, {_short(node)} in PyTorch", change

    yield from of_all(stage, nodes, variants)


def _short(node):
    name = str(node.target).removeprefix("aten.").partition(".")[0]
    approximate = argument(node, "approximate") if hasattr(node.target, "_schema") else None
    return f"{name} by {approximate}" if approximate and approximate != "none" else name


def unary_stage(stage, nodes, held):
    """A stage without weights that makes one tensor of one tensor, element by element."""
    import torch

    inputs, outputs = stage.tensor_inputs(), list(stage.tf)
    if len(inputs) != 1 or len(outputs) != 1 or len(stage.names) < 2 or outputs[0] not in stage.inside:
        return
    if [w for w in stage.weights() if stage.weight(w).is_floating_point() and stage.weight(w).numel() > 1]:
        return
    x = next(stage.value(n) for name in stage.names for n in stage.node(name).all_input_nodes if n.name == inputs[0])
    if not isinstance(x, torch.Tensor) or not x.is_floating_point() or x.shape != stage.tf[outputs[0]].shape:
        return
    for words, function in _activations().items():

        def change(call, args, kwargs, function=function):
            return function(x)

        yield Change(f"{words} in TensorFlow, {len(stage.names)} operations in PyTorch", {outputs[0]: change})


# Attention


def _is_sdpa(node):
    return is_op(node, "scaled_dot_product_attention")


def attention_scale(stage, nodes, held):
    for name in nodes:
        node = stage.node(name)
        if _is_sdpa(node):
            size = _last_size(stage, node.args[0])
            ours = argument(node, "scale") or size**-0.5
            choices = {1.0, size**-0.5, 1 / size, size**0.5, size**-0.25, 1 / ours}

            def make(v, n=node, name=name):
                return {name: with_argument(n, "scale", float(v))}

            known = sorted(choices - {ours})
        else:
            ours = node.args[1] if len(node.args) > 1 else None
            if not isinstance(ours, (int, float)) or not ours or not _leads_to_softmax(node):
                continue
            known = [1.0, ours**2, 1 / ours, abs(ours) ** 0.5]

            def make(v, n=node, name=name):
                return {name: with_argument(n, "other", v)}

        for value in known:
            yield Change(f"`{name}`: scores times {value:.6g} in TensorFlow, {ours:.6g} in PyTorch"
                         if _is_sdpa(node) else f"`{name}`: {value:.6g} in TensorFlow, {ours:.6g} in PyTorch",
                         make(value), node=name)  # fmt: skip
        best = fitted(stage, lambda v, m=make: Change("", m(v)), abs(ours) / 300, abs(ours) * 300, held)
        yield Change(
            f"`{name}`: scores are scaled by {best:.6g} in TensorFlow, by {ours:.6g} in PyTorch", make(best), node=name
        )


def _last_size(stage, node):
    value = node.meta.get("val")
    return int(value.shape[-1])


def _leads_to_softmax(node, depth=8):
    if depth == 0:
        return False
    return any(is_op(u, "softmax", "_softmax") or _leads_to_softmax(u, depth - 1) for u in node.users)


def mask(stage, nodes, held):
    import torch

    def variants(node):
        if _is_sdpa(node):
            has_mask = argument(node, "attn_mask") is not None
            causal = argument(node, "is_causal")

            def both(mask, is_causal):
                def change(call, args, kwargs):
                    names = [a.name for a in node.target._schema.arguments]
                    given = dict(zip(names, args, strict=False)) | kwargs
                    given["attn_mask"] = mask(given.get("attn_mask"))
                    given["is_causal"] = is_causal
                    head = [given.pop(n) for n in ("query", "key", "value")]
                    return call(head, given)

                return change

            if has_mask:
                yield "the mask is not applied in TensorFlow", both(lambda m: None, False)
                yield "a causal mask instead of the given one in TensorFlow", both(lambda m: None, True)
                yield "the mask is applied the wrong way round in TensorFlow", both(_inverse_mask, False)
                yield "the mask is added as zeros and ones in TensorFlow", both(
                    lambda m: m.to(torch.float64) if m.dtype == torch.bool else m, False)  # fmt: skip
                yield "the given mask and a causal one in TensorFlow", both(_and_causal, False)
                for fill in (-1e4, -1e9, -100.0):
                    yield f"hidden scores are lowered by {-fill:g} in TensorFlow", both(
                        lambda m, fill=fill: torch.where(m, 0.0, fill).double() if m.dtype == torch.bool
                        else m.clamp_min(fill), False)  # fmt: skip
            if causal:
                yield "attention is not causal in TensorFlow, it is in PyTorch", both(lambda m: m, False)
            elif not has_mask:
                yield "attention is causal in TensorFlow, it is not in PyTorch", both(lambda m: m, True)
        elif is_op(node, "masked_fill"):
            yield "the mask is not applied in TensorFlow", lambda call, args, kwargs: args[0].clone()
            yield "the mask is applied the wrong way round in TensorFlow", with_argument(node, "mask", lambda m: ~m)
        elif is_op(node, "where") and len(node.args) == 3:
            yield "the mask is not applied in TensorFlow", lambda call, args, kwargs: _filled(args, 1)
            yield "all is hidden in TensorFlow", lambda call, args, kwargs: _filled(args, 2)
            yield "the mask is applied the wrong way round in TensorFlow", lambda call, args, kwargs: call(
                [~args[0], *args[1:]], kwargs)  # fmt: skip
        elif is_op(node, "add"):
            if _leads_to_softmax(node) and all(hasattr(a, "op") for a in node.args[:2]):
                yield (
                    "the mask is not applied in TensorFlow",
                    lambda call, args, kwargs: args[0] + 0 * args[1].clamp(-1, 1),
                )
        elif is_op(node, "le", "lt", "ge", "gt"):
            if _makes_mask(node):
                yield (
                    "a mask of all positions in TensorFlow",
                    lambda call, args, kwargs: torch.ones_like(call(args, kwargs)),
                )
                yield "a mask the wrong way round in TensorFlow", lambda call, args, kwargs: ~call(args, kwargs)
        elif is_op(node, "tril", "triu"):
            yield "no triangle is cut from the mask in TensorFlow", lambda call, args, kwargs: args[0].clone()
        elif _makes_mask(node) or node.name in stage.tf:
            yield f"without `{node.args[1]}`", lambda call, args, kwargs: _like(call, args, kwargs, 0)
            yield f"without `{node.args[0]}`", lambda call, args, kwargs: _like(call, args, kwargs, 1)

    yield from of_all(stage, nodes, variants)


def _makes_mask(node):
    value = node.meta.get("val")
    return value is not None and str(getattr(value, "dtype", "")) == "torch.bool"


def _like(call, args, kwargs, which):
    whole = call(args, kwargs)
    return args[which].expand(whole.shape).to(whole.dtype).clone()


def _filled(args, which):
    import torch

    shape = torch.broadcast_shapes(*[a.shape for a in args if isinstance(a, torch.Tensor)])
    value = args[which]
    return value.expand(shape).clone() if isinstance(value, torch.Tensor) else torch.full(shape, value)


def _inverse_mask(mask):
    import torch

    return ~mask if mask.dtype == torch.bool else torch.where(mask == 0, mask.min(), 0.0)


def _and_causal(mask):
    import torch

    corner = torch.ones(mask.shape[-2:], dtype=torch.bool).tril(mask.shape[-1] - mask.shape[-2])
    return mask & corner if mask.dtype == torch.bool else mask.masked_fill(~corner, float("-inf"))


def softmax_axis(stage, nodes, held):
    def variants(node):
        if not _is_sdpa(node):
            ours = argument(node, "dim")
            for axis in (-2, -3, 1, 0, -1, -4):
                if axis != ours:
                    yield f"softmax over axis {axis} in TensorFlow, {ours} in PyTorch", with_argument(node, "dim", axis)
            return
        for axis in (-2, -3, 0):

            def change(call, args, kwargs, axis=axis):
                return _attention(node, args, kwargs, axis)

            yield f"softmax over axis {axis} of the scores in TensorFlow, -1 in PyTorch", change

    yield from of_all(stage, nodes, variants)


def _attention(node, args, kwargs, axis):
    import torch

    names = [a.name for a in node.target._schema.arguments]
    given = dict(zip(names, args, strict=False)) | kwargs
    q, k, v = given["query"], given["key"], given["value"]
    if k.shape[1] != q.shape[1]:
        k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], 1) for t in (k, v))
    scores = q @ k.transpose(-2, -1) * (given.get("scale") or q.shape[-1] ** -0.5)
    mask = given.get("attn_mask")
    if given.get("is_causal"):
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if mask is not None:
        scores = (
            scores.masked_fill(~mask, torch.finfo(torch.float32).min) if mask.dtype == torch.bool else scores + mask
        )
    return scores.softmax(axis) @ v


def rotary(stage, nodes, held):
    """cat(-second half, first half) as rotation of neighbours: the halves of each head become pairs."""
    import torch

    def pairs(x):
        return torch.cat([x[..., ::2], x[..., 1::2]], -1)

    def back(x):
        return torch.stack([x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]], -1).flatten(-2)

    turned = []
    for name in nodes:
        parts = stage.node(name).args[0]
        if len(parts) == 2 and is_op(parts[0], "neg"):
            source = parts[1].args[0] if is_op(parts[1], "slice") else None
            if source is not None and source.name in stage.inside:
                turned.append(source.name)
    turned = list(dict.fromkeys(turned))
    if not turned:
        return
    for words, function in (("neighbours", pairs), ("halves", back)):

        def change(call, args, kwargs, function=function):
            return function(call(args, kwargs))

        yield Change(
            f"rotary positions turn {words} of each head in TensorFlow, otherwise than in PyTorch",
            {name: change for name in turned},
        )


# Products and convolutions


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


# Positions, precision, dropout


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
