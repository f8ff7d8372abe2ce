"""Attention computed otherwise: scale, mask, axis of the softmax, layout of rotary positions."""

from .operations import argument, is_op, of_all, with_argument
from .search import Change, fitted


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
