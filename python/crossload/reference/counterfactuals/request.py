"""The requests `explain`, `dump` and `reproduce`: one stage of the model (see ../../README.md)."""

from ...errors import WorkerError
from ..request import traced_model
from . import activation, attention, convolution, normalization, values, weights
from .search import explain as search
from .stage import Stage

MAKERS = {
    "weights": weights.weights,
    "epsilon": normalization.epsilon,
    "batch-statistics": normalization.batch_statistics,
    "activation": activation.activation,
    "unary-stage": activation.unary_stage,
    "attention-scale": attention.attention_scale,
    "mask": attention.mask,
    "softmax-axis": attention.softmax_axis,
    "normalization-axis": normalization.normalization_axis,
    "kernel": convolution.kernel,
    "padding": convolution.padding,
    "channel-order": convolution.channel_order,
    "position": values.position,
    "resize": convolution.resize,
    "rotary": attention.rotary,
    "normalization-placement": normalization.normalization_placement,
    "bias-missing": convolution.bias_missing,
    "precision": values.precision,
    "dropout": values.dropout,
}


def explain(request, progress, session):
    """{"confirmed": [{"cause", "node", "evidence", "error"}], "evidence", "difference", "noise"}; see search.explain."""
    stage = stage_of(request, progress, session)
    unknown = [t["counterfactual"] for t in request["tries"] if t["counterfactual"] not in MAKERS]
    if unknown:
        raise WorkerError("bad-input", f"explain: no counterfactual `{unknown[0]}`; there are {', '.join(MAKERS)}")
    progress("verify", f"looking for the cause in {request['module'] or 'the model'}", None)
    confirmed = search(stage, request["tries"], MAKERS) if stage.error > stage.floor else []
    return {
        "confirmed": [{"cause": c, "evidence": e, "error": error, "node": node} for c, e, error, node in confirmed],
        "evidence": evidence_of(stage), "difference": stage.error, "noise": stage.noise,
    }  # fmt: skip


def stage_of(request, progress, session):
    """The Stage that a request names."""
    from safetensors import safe_open

    traced = traced_model(request, progress, session)
    recorded = safe_open(request["stages"], "pt")
    known = set(recorded.keys())
    found = {"tf": {}, "visible": {}, "weight": {}, "feed": {}}
    with safe_open(request["values"], "pt") as file:
        for key in file.keys():
            kind, _, name = key.partition("/")
            found[kind][name] = file.get_tensor(key)

    def value(name):
        return recorded.get_tensor(f"value/{name}") if f"value/{name}" in known else None

    inputs = {name: value(name) for name in traced.sample if value(name) is not None}
    sample = {**traced.sample, **inputs}
    return Stage(
        traced.program, traced.double, traced.state, sample, request["nodes"], value,
        found["tf"], found["visible"], found["weight"],
    )  # fmt: skip


def evidence_of(stage):
    """What is seen of a stage that nothing explains: sizes, and how TensorFlow's values relate to PyTorch's."""
    import torch

    parts = []
    for name, tf in stage.tf.items():
        ours = stage.plain.get(name)
        if ours is None or ours.shape != tf.shape:
            parts.append(f"`{name}`: shapes differ")
            continue
        if not tf.is_floating_point():
            wrong = int((ours.to(torch.int64) != tf.to(torch.int64)).sum())
            parts.append(f"`{name}`: {wrong} of {tf.numel()} elements differ")
            continue
        a, b = ours.double().flatten(), tf.double().flatten()
        good = (a - b).abs() <= stage.floor
        size = float(torch.linalg.norm(a) * torch.linalg.norm(b))
        cosine = float((a * b).sum()) / size if size else float("nan")
        parts.append(
            f"`{name}`: {int((~good).sum())} of {tf.numel()} elements are over the noise {stage.noise:.1e}, "
            f"cosine {cosine:.6f}, mean {float(b.mean()):.4g} in TensorFlow and {float(a.mean()):.4g} in PyTorch"
        )
    return f"no change that was tried explains it; {'; '.join(parts[:3])}" if parts else "no value of it is known"
