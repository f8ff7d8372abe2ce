"""Subjects of the zoo: for a model type (and a class) a tiny model with weights at trained scale, and inputs for it.

.venv/bin/python tools/zoo/subjects.py llama swin …     builds them, runs PyTorch, and says a line about each
.venv/bin/python tools/zoo/subjects.py --all            every model type
"""

import dataclasses
import os
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent.parent / "python"))

import classes
import tiny_configs
from exceptions import exception

LARGEST = 100_000_000  # parameters of a subject whose widths are kept
LARGEST_OUTPUT = 100
KNOWN_ROWS = 32  # as many rows with the variance of all channels count beside a channel's own


@dataclasses.dataclass
class Subject:
    """model: in evaluation mode; inputs: {name: tensor}; plan: how its configuration came about."""

    model_type: str
    model: Any
    inputs: dict
    plan: str

    @property
    def class_name(self):
        return type(self.model).__name__


class Unbuilt(Exception):
    """No subject could be made; the text says at which step and why."""


def build(model_type, model_class=None):
    """The subject of a model type; its base model unless a class is given. Raises Unbuilt with the reason."""
    known = exception(model_type)
    if "unbuilt" in known:
        raise Unbuilt(known["unbuilt"])
    model_class = model_class or known.get("class") or classes.base_class(model_type)
    if model_class is None:
        raise Unbuilt("no class: Transformers has none that takes this configuration")
    if isinstance(model_class, str):
        model_class = classes.class_named(model_type, model_class)
    plans = [bool(known["keep_widths"])] if "keep_widths" in known else [False, True]
    failure = None
    for keep_widths in plans:
        try:
            return attempt(model_type, model_class, known, keep_widths)
        except Unbuilt as error:
            failure = failure or error
    raise failure


def attempt(model_type, model_class, known, keep_widths):
    import torch
    from crossload.inputs.synthetic import Synthetic
    from crossload.session import Loaded

    step = "config"
    try:
        whole = tiny_configs.tiny_config(model_type, known.get("config"), keep_widths)
        config = classes.config_for(model_class, whole)
        if classes.is_sequence_classifier(model_class):
            tiny_configs.give_padding(config)
        for_class = known.get("for_class", {}).get(model_class.__name__, {})
        for name, value in for_class.items():
            setattr(config, name, value)
        step = "model"
        if keep_widths:
            with torch.device("meta"):
                count = sum(p.numel() for p in make(model_class, config).parameters())
            if count > LARGEST:
                raise Unbuilt(f"model: {count / 1e6:.0f} million parameters where widths are kept")
        torch.manual_seed(0)
        model = make(model_class, config)
        if not hasattr(model, "config"):
            model.config = config
        set_trained_scale(model)
        own = known if config is whole else {}  # a class of one part knows nothing of the others
        if "prepare" in own:
            own["prepare"](model)
        step = "inputs"
        make_inputs = known.get("inputs_for", {}).get(model_class.__name__) or own.get("inputs")
        if make_inputs:
            inputs = make_inputs(model.config)
        else:
            inputs = Synthetic(Loaded(model, model_class.__name__)).inputs()
            inputs |= own["extra"](model.config, inputs) if "extra" in own else {}
        step = "forward"
        set_statistics(model, inputs)
        calm(model, inputs)
    except Unbuilt:
        raise
    except Exception as error:
        raise Unbuilt(f"{step}: {model_class.__name__}: {described(error)}") from error
    return Subject(model_type, model, inputs, "widths kept" if keep_widths else "tiny")


def make(model_class, config):
    """A model of a class from its configuration, in evaluation mode."""
    make_one = getattr(model_class, "_from_config", None) or model_class
    return make_one(config).eval()


def set_trained_scale(model, seed=0):
    """Overwrites every parameter: normal with variance 1/fan-in for matrices and kernels, around 1 for scales, around 0
    for offsets, with deviation 0.1. Running variances of batch normalization become numbers around 1."""
    import torch

    random = torch.Generator().manual_seed(seed)
    output = None
    if hasattr(model, "get_output_embeddings"):
        try:
            output = model.get_output_embeddings()
        except Exception:  # noqa: BLE001 (models without one refuse in many ways)
            output = None
    tied = getattr(output, "weight", None)
    owners = dict(model.named_modules())
    with torch.no_grad():
        for name, value in model.named_parameters():
            if not value.is_floating_point():
                continue
            owner, noise = owners[name.rpartition(".")[0]], torch.randn(value.shape, generator=random)
            if value.dim() >= 2:
                is_table = isinstance(owner, torch.nn.Embedding) and value is not tied
                value.copy_(noise * (1.0 if is_table else fan_in(owner, name, value) ** -0.5))
            elif name.endswith("weight") or name.endswith("scale") or name.endswith("gamma"):
                value.copy_(1 + 0.1 * noise)
            elif value.dim() == 1 and value.numel() > 0 and is_plain(name):
                value.copy_(0.1 * noise)
            elif value.dim() <= 1 and not bool(value.any()):
                value.copy_(0.5 + 0.1 * noise)  # a gate at 0 would hide what it multiplies
        for owner in owners.values():
            for name in ("embed", "embed_sum"):  # codebooks
                table = getattr(owner, name, None)
                if isinstance(table, torch.Tensor) and table.dim() == 2 and not bool(table.any()):
                    table.copy_(torch.randn(table.shape, generator=random))
            if isinstance(getattr(owner, "running_var", None), torch.Tensor):
                owner.running_var.copy_(1 + 0.3 * torch.rand(owner.running_var.shape, generator=random))
                owner.running_mean.copy_(0.1 * torch.randn(owner.running_mean.shape, generator=random))


def set_statistics(model, inputs, seed=0):
    """Gives each batch normalization the mean and variance of what it gets, nearly, as training does: with others, what
    differs between inputs grows or is lost layer by layer."""
    import torch

    random = torch.Generator().manual_seed(seed)

    def measure(owner, given):
        value, count = given[0], owner.running_mean.numel()
        if value.dim() < 2 or value.shape[1] != count or not bool(torch.isfinite(value).all()):
            return
        rows = value.float().transpose(0, 1).reshape(count, -1)
        variance = rows.var(1, unbiased=False)
        mean = max(float(variance.mean()), 1e-3)
        # A few rows say little about one channel, and a variance too small by chance makes all noise larger.
        variance = (variance * rows.shape[1] + mean * KNOWN_ROWS) / (rows.shape[1] + KNOWN_ROWS)
        variance = variance.clamp(min=0.1 * mean)
        owner.running_mean.copy_(rows.mean(1) + 0.1 * variance.sqrt() * torch.randn(count, generator=random))
        owner.running_var.copy_(variance * (1 + 0.3 * torch.rand(count, generator=random)))

    hooks = [
        owner.register_forward_pre_hook(measure)
        for owner in model.modules()
        if isinstance(getattr(owner, "running_var", None), torch.Tensor)
        and isinstance(getattr(owner, "running_mean", None), torch.Tensor)
    ]
    if not hooks:
        return
    try:
        with torch.no_grad():
            outputs_of(model, inputs)
    finally:
        for hook in hooks:
            hook.remove()


def calm(model, inputs):
    """Makes matrices and kernels smaller until no output is larger than LARGEST_OUTPUT: where nothing normalizes, numbers
    grow layer by layer as they never would in a trained model. Values that the weights do not move, such as those at
    masked places, do not count. Raises what the model does."""
    import torch

    with torch.no_grad():
        before = float_outputs(model, inputs)
        if not any(is_large(v).any() for v in before):
            return
        kept = [p.clone() for p in model.parameters()]
        shrink(model)
        after = float_outputs(model, inputs)
        fixed = [
            is_large(x) & ((y - x).abs() <= 0.01 * x.abs())
            if x.shape == y.shape
            else torch.zeros_like(x, dtype=torch.bool)
            for x, y in zip(before, after, strict=False)
        ]
        for value, old in zip(model.parameters(), kept, strict=True):
            value.copy_(old)
        for _ in range(20):
            if not any(
                (is_large(v) & ~m if v.shape == m.shape else is_large(v)).any()
                for v, m in zip(before, fixed, strict=False)
            ):
                return
            shrink(model)
            before = float_outputs(model, inputs)


def is_large(value):
    return value.abs() > LARGEST_OUTPUT


def shrink(model):
    import torch

    for owner in model.modules():
        if isinstance(owner, torch.nn.Embedding):
            continue
        for value in owner.parameters(recurse=False):
            if value.dim() >= 2 and value.is_floating_point():
                value.mul_(0.8)


def outputs_of(model, inputs):
    """{path of an output: tensor}."""
    import torch
    from torch.utils import _pytree as pytree

    given = pytree.tree_map(lambda v: v.clone() if isinstance(v, torch.Tensor) else v, inputs)
    output = model(**given)
    leaves, _ = pytree.tree_flatten_with_path(output)
    return {pytree.keystr(path): v for path, v in leaves if isinstance(v, torch.Tensor)}


def float_outputs(model, inputs):
    return [v for v in outputs_of(model, inputs).values() if v.is_floating_point()]


def movement(model, inputs, seed=0):
    """How far the outputs move when the inputs are others, and when the weights are: {"inputs": x, "weights": x}, each of
    the output that moves furthest (for whole numbers 1 where any differs), beyond what two equal runs differ by. Only
    values that float32 resolves to the limit of a comparison count: no fillings of masked places. Comparing outputs that
    do not move says nothing."""
    import torch

    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        before = outputs_of(model, inputs)
        again = furthest(before, outputs_of(model, inputs))
        found = {"inputs": 0.0, "weights": 0.0}
        for change in (other_floats, other_rows):
            other = change(inputs, random)
            if other is None:
                continue
            try:
                found["inputs"] = max(found["inputs"], furthest(before, outputs_of(model, other)) - again)
            except Exception:  # noqa: BLE001 (a model may refuse inputs that do not belong together)
                continue
        kept = [p.clone() for p in model.parameters()]
        for value in model.parameters():
            if value.is_floating_point() and value.numel() > 0:
                size = value.float().pow(2).mean().sqrt().to(value.dtype)
                value.add_(0.1 * size * torch.randn(value.shape, generator=random, dtype=torch.float32).to(value.dtype))
        try:
            found["weights"] = furthest(before, outputs_of(model, inputs)) - again
        finally:
            for value, old in zip(model.parameters(), kept, strict=True):
                value.copy_(old)
    return found


def other_floats(inputs, random):
    """The inputs with noise as large as they are on all numbers, None when there are no numbers."""
    import torch
    from torch.utils import _pytree as pytree

    leaves, spec = pytree.tree_flatten(inputs)
    is_float = [isinstance(v, torch.Tensor) and v.is_floating_point() and v.numel() > 0 for v in leaves]
    if not any(is_float):
        return None
    return pytree.tree_unflatten(
        [
            v + v.square().mean().sqrt() * torch.randn(v.shape, generator=random, dtype=torch.float32).to(v.dtype)
            if f
            else v
            for v, f in zip(leaves, is_float, strict=True)
        ],
        spec,
    )


def other_rows(inputs, random):
    """The inputs with the batch in reverse order: what each row holds belongs together."""
    import torch
    from torch.utils import _pytree as pytree

    return pytree.tree_map(lambda v: v.flip(0) if isinstance(v, torch.Tensor) and v.dim() > 0 else v, inputs)


def furthest(before, after):
    """The largest change of a value between two runs."""
    largest = 0.0
    for name, x in before.items():
        y = after.get(name)
        if y is None or x.shape != y.shape or x.numel() == 0:
            continue
        if not x.is_floating_point():
            largest = max(largest, float(bool((x != y).any())))
            continue
        counts = (x.abs() <= LARGEST_OUTPUT) & (y.abs() <= LARGEST_OUTPUT)  # false for NaN
        if counts.any():
            largest = max(largest, float((x - y).abs()[counts].max()))
    return largest


def is_plain(name):
    """Whether a vector is an offset; state-space and gating parameters keep the values that their model gives them."""
    last = name.rpartition(".")[2]
    return last in ("bias", "beta", "b") or last.endswith("_bias")


def fan_in(owner, name, value):
    """How many terms each result is the sum of."""
    import torch

    kind = type(owner).__name__
    if kind == "Conv1D":
        return value.shape[0]
    if isinstance(owner, torch.nn.modules.conv._ConvTransposeNd):
        return max(1, value.shape[0] * value[0, 0].numel() // owner.groups)
    if value.dim() == 3 and not isinstance(owner, torch.nn.modules.conv._ConvNd):
        return value.shape[-1]  # one matrix an expert
    return max(1, value[0].numel())


def described(error):
    """An exception in one line, with the line of the model's own source that raised it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "/models/" in f.filename]
    frame = (own or frames)[-1]
    return f"{type(error).__name__}: {' '.join(lines)[:300]} ({os.path.basename(frame.filename)}:{frame.lineno})"


def main(names):
    import torch
    import transformers

    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)

    def stop(*_):
        raise TimeoutError("over 60 s")

    signal.signal(signal.SIGALRM, stop)
    built = 0
    for name in names:
        start = time.time()
        signal.alarm(60)
        try:
            subject = build(name)
            signal.alarm(0)
            built += 1
            count = sum(p.numel() for p in subject.model.parameters())
            shapes = {n: list(v.shape) if hasattr(v, "shape") else v for n, v in subject.inputs.items()}
            print(
                f"ok   {name}: {subject.class_name}, {subject.plan}, {count} parameters, {shapes}, {time.time() - start:.1f} s",
                flush=True,
            )
        except (Unbuilt, TimeoutError) as error:
            signal.alarm(0)
            print(f"FAIL {name}: {error}", flush=True)
    print(f"{built} of {len(names)} built")


if __name__ == "__main__":
    main(classes.model_types() if sys.argv[1:] == ["--all"] else sys.argv[1:])
