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
from ..program.signature import weight_names
from .export import export_to, keep
from .locations import find_locations
from .tensor_file import TensorFile

FORMAT = 1


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
