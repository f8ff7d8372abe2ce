"""The request `trace`: export a model and write a trace folder (see ../README.md for its files)."""

import json
import platform
import time
from pathlib import Path

from .. import __version__
from ..errors import WorkerError
from ..inputs import samples
from ..model.loading import load
from ..program.archive import file_identity
from ..program.signature import input_axes, weight_names
from .export import eager_outputs, export_to, keep
from .locations import find_locations
from .tensor_file import TensorFile

FORMAT = 2


def trace(request, progress, session):
    """Export the request's model into the folder `out`.

    Returns the content of trace.json plus `note` (how the class was guessed, or null). Fails with WorkerError of kind
    bad-input, unsupported or environment; then the folder's content is of no use.
    """
    out = Path(request["out"])
    if not out.is_dir():
        raise WorkerError("bad-input", f"{out}: no such folder; create it first")
    session.seconds = {}
    loaded = load(request, session, progress)
    start = time.time()
    if session.exported is not None:
        program, decomposed, saving = keep(session.exported, out / "program.pt2", request, progress)
        static_reason = None
    else:
        inputs = samples.sample_inputs(loaded, request, session)
        if session.sample_inputs is not None or request.get("inputs"):
            inputs = with_two_rows(loaded, inputs, request)
        progress("trace", f"exporting {loaded.class_name}", 0.3)
        start = time.time()
        program, static_reason, decomposed, saving = export_to(out / "program.pt2", loaded, inputs, request, progress)
    session.seconds["export"] = round(time.time() - start - saving, 3)
    start = time.time() - saving
    named = samples.named_tensors(program)
    _write_tensors(named, out / "sample.safetensors")
    locations = find_locations(loaded, weight_names(program))
    _write_tensors(locations.carried, out / "carried.safetensors")
    session.seconds["save"] = round(time.time() - start, 3)
    session.program, session.program_key = program, file_identity(out / "program.pt2")
    result = {
        "format": FORMAT,
        "class": loaded.class_name,
        "model_type": loaded.model_type,
        "dynamic": bool(request.get("dynamic", True)) and (static_reason is None or bool(program.range_constraints)),
        "static_reason": static_reason,
        "fixed_axes": fixed_axes(program, static_reason, request) if request.get("dynamic", True) else [],
        "decomposed": decomposed or bool(request.get("decompose")),
        "opened_modules": [],
        "weights": locations.weights,
        "checkpoint": locations.checkpoint,
        "unused": locations.unused,
        "missing": locations.missing,
        "modules": {
            name: {"class": type(m).__name__} for name, m in loaded.model.named_modules(remove_duplicate=False)
        },
        "hidden_states": hidden_state_modules(loaded.model),
        "versions": versions(),
        "seconds": {k: session.seconds.get(k, 0.0) for k in ("import", "load", "export", "save")},
    }
    (out / "trace.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return {**result, "note": loaded.note}


def with_two_rows(loaded, inputs, request):
    """Sample inputs whose first axes are 1, with two rows: torch.export fixes axes of size 1, and a single image or
    sentence is the usual sample.

    The rows are the sample and a copy that is rotated along its last axis. Inputs stay as they are where no axes are to
    vary, where the caller says which do, or where the model does not give its first row again beside the second.
    """
    import torch

    pytree = torch.utils._pytree
    leaves, spec = pytree.tree_flatten(inputs)
    single = [i for i, v in enumerate(leaves) if isinstance(v, torch.Tensor) and v.dim() and v.shape[0] == 1]
    if not single or not request.get("dynamic", True) or request.get("dynamic_shapes"):
        return inputs
    rows = list(leaves)
    for i in single:
        v = leaves[i]
        rows[i] = torch.cat([v, v.roll(1, -1) if v.is_floating_point() and v.dim() > 1 else v])
    both = pytree.tree_unflatten(rows, spec)
    try:
        one, two = (pytree.tree_leaves(eager_outputs(loaded, x, request)) for x in (inputs, both))
    except Exception:  # noqa: BLE001 (a model that takes one row only)
        return inputs
    for a, b in zip(one, two, strict=False):
        if not isinstance(a, torch.Tensor):
            continue
        if not a.dim() or a.shape[0] != 1 or b.shape != (2, *a.shape[1:]) or len(one) != len(two):
            return inputs
        if not torch.allclose(a[0].double(), b[0].double(), rtol=1e-3, atol=1e-3, equal_nan=True):
            return inputs
    return both


def fixed_axes(program, static_reason, request):
    """[{"input", "axis", "size", "reason"}] of the axes that cannot vary though they might have been asked to."""
    found = []
    for name, shape in input_axes(program).items():
        for axis, size in enumerate(shape):
            if not (isinstance(size, int) or getattr(size, "is_Integer", False)):
                continue
            size = int(size)
            reason = static_reason
            if f"{name}/{axis}" in request.get("fixed_axes", ()):
                reason = "an operation needs its size beforehand"
            elif size == 1:
                reason = "it is 1 in the sample, which PyTorch's export takes for fixed"
            elif reason is None or program.range_constraints:
                reason = "the model fixes it while it is exported"
            found.append({"input": name, "axis": axis, "size": size, "reason": reason})
    return found


def versions():
    """Versions of what a trace depends on; null where a package is not installed. Imports none of them."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("torch", "transformers"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return {**found, "python": platform.python_version(), "crossload": __version__}


def hidden_state_modules(model):
    """Paths of the modules whose outputs Transformers records as hidden_states, in the order of the module tree."""
    found = []
    for prefix, owner in model.named_modules():
        recorders = (getattr(type(owner), "_can_record_outputs", None) or {}).get("hidden_states")
        for recorder in recorders if isinstance(recorders, list) else [recorders]:
            target = getattr(recorder, "target_class", recorder)
            if not isinstance(target, type):
                continue
            layer = getattr(recorder, "layer_name", None)
            for path, module in owner.named_modules(prefix=prefix):
                if isinstance(module, target) and (not layer or layer in path) and path not in found:
                    found.append(path)
    return found


def _write_tensors(tensors, path):
    with TensorFile(path, tensors) as file:
        for name, tensor in tensors.items():
            file.write(name, tensor)
