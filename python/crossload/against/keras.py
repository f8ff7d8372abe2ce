"""The requests `against_open` and `against_run`: the Keras model that PyTorch's is compared with."""

import contextlib
import inspect
from pathlib import Path

from ..errors import WorkerError, first_line, last_lines
from ..model.flags import output_flags
from ..trace.tensor_file import TensorFile
from .classes import find_class
from .environment import import_tensorflow
from .isolated import isolated
from .layers import arrays, layer_tree, recorded, without_activation
from .leaves import output_leaves
from .weights import assign


class Opened:
    """The Keras model that a worker holds: `model`, its layer tree `nodes`, and whether it has its weights."""

    def __init__(self, model, has_weights):
        self.model, self.has_weights = model, has_weights
        self.nodes = []
        self.recording = None  # LayerRecording of the first case
        self.before = []  # (configuration, flag, value) of flags that were set

    def restore(self):
        for config, name, value in reversed(self.before):
            setattr(config, name, value)
        self.before = []


def against_open(request, progress, session):
    """Make the Keras model of `target` (or take the session's own) and run it once, so that all layers are built.

    After `against_pytorch`, in the same process. Returns {"class", "layers": [{"id", "parent", "names", "path",
    "class"}], "unused", "missing", "notes", "versions"}.
    """
    subject = session.against
    import_tensorflow()
    notes, unused, missing = [], [], []
    if session.tf_model is not None:
        opened = Opened(session.tf_model, True)
    else:
        progress("open", f"importing {request['target']}", None)
        found = find_class(request["target"])
        progress("open", f"loading {found.__name__}", None)
        if hasattr(found, "from_pretrained") and request.get("model"):
            opened, unused, missing = cross_loaded(found, request, subject)
        else:
            opened = Opened(constructed(found, subject.loaded.model, request["target"]), False)
    set_flags(opened, request)
    try:
        run(opened.model, subject.cases[0].inputs)
    except WorkerError:
        raise
    except Exception as error:
        raise WorkerError(
            "mismatch",
            f"{type(opened.model).__name__}: does not run on the sample inputs ({first_line(error)})",
            last_lines(error),
        ) from error
    opened.nodes = layer_tree(opened.model)
    set_flags(opened, request)
    session.opened = opened
    return {
        "class": type(opened.model).__name__,
        "layers": [{k: v for k, v in node.items() if k != "layer"} for node in opened.nodes],
        "unused": unused,
        "missing": missing,
        "notes": notes,
        "versions": versions(opened.model),
    }


def versions(model):
    import tensorflow

    found = {"tensorflow": tensorflow.__version__}
    for kind in type(model).__mro__:
        top = kind.__module__.split(".")[0]
        if top in ("keras", "tf_keras"):
            found["keras"] = __import__(top).__version__
            break
    return found


def cross_loaded(found, request, subject):
    """(Opened, unused, missing): a class of Transformers 4 with PyTorch's weights, by its own rules."""
    try:
        model, info = found.from_pretrained(
            request["model"], from_pt=True, output_loading_info=True, local_files_only=True
        )
    except Exception as error:
        seen = f"`{found.__name__}` does not load PyTorch's weights ({first_line(error)})"
        raise WorkerError("mismatch", f"{request['model']}: {seen}; mend the class", last_lines(error)) from error
    return Opened(model, True), sorted(info["unexpected_keys"]), sorted(info["missing_keys"])


def constructed(found, pt_model, target):
    """`Class(config)`, or `Class()` for one that takes none."""
    config = getattr(pt_model, "config", None)
    parameters = [
        p
        for p in inspect.signature(found.__init__).parameters.values()
        if p.name != "self" and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    needs = any(p.default is p.empty for p in parameters) or (parameters and parameters[0].name == "config")
    try:
        return found(config) if needs else found()
    except Exception as error:
        seen = f"`{found.__name__}({'config' if needs else ''})` fails ({first_line(error)})"
        raise WorkerError(
            "bad-input", f"{target}: {seen}; its constructor must take the configuration alone", last_lines(error)
        ) from error


def set_flags(opened, request):
    """The output flags that the PyTorch model had, in all configurations of the model that know them."""
    flags = {**output_flags(request), "return_dict": True}
    configs = {}
    for layer in [opened.model, *(node["layer"] for node in opened.nodes)]:
        config = getattr(layer, "config", None)
        if config is not None and not isinstance(config, dict):
            configs[id(config)] = config
    for config in configs.values():
        for name, value in flags.items():
            if hasattr(config, name) and not (value and name == "use_cache"):
                opened.before.append((config, name, getattr(config, name)))
                setattr(config, name, value)


def run(model, inputs):
    """The result of a Keras model for PyTorch's inputs; whole numbers go as int32."""
    import tensorflow

    feed = {}
    for name, value in inputs.items():
        array = value.numpy()
        feed[name] = tensorflow.constant(array.astype("int32") if array.dtype.kind in "iu" else array)
    parameters = {
        name: p
        for name, p in inspect.signature(model.call).parameters.items()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }
    training = {"training": False} if "training" in parameters else {}
    names = list(parameters)
    if names and names[0] in feed and set(feed) <= set(names):
        first = feed.pop(names[0])
        return model(first, **feed, **training)
    if len(feed) == 1 and not hasattr(model, "input_signature"):
        return model(next(iter(feed.values())), **training)
    unknown = sorted(set(feed) - set(names)) if hasattr(model, "input_signature") else []
    if unknown:
        raise WorkerError(
            "bad-input", f"{type(model).__name__}: does not take `{unknown[0]}`; give --inputs with inputs of both"
        )
    return model(feed, **training)


def against_run(request, progress, session):
    """Run the Keras model on all cases, and each paired layer alone with PyTorch's values.

    Fields: `pairs` [{"layer": id, "module"}], `stages`, `out`. Writes `tf_case_<i>.safetensors` (`output/<name>`) and
    `tf_stages.safetensors` (`accumulated/<n>/<path>`, `isolated/<n>/<path>`). Returns {"calls": [{"layer", "module",
    "call", "accumulated": [path], "isolated": [path] or null, "reason"}], "counts": [{"layer", "calls"}], "stages",
    "cases": [file or null], "errors", "unused", "missing"}.
    """
    opened = session.opened
    try:
        return compute(request, progress, session.against, opened)
    finally:
        opened.restore()


def compute(request, progress, subject, opened):
    import torch

    out = Path(request["out"])
    module_of = {pair["layer"]: pair["module"] for pair in request["pairs"]}
    unused, missing = [], []
    if not opened.has_weights:
        progress("open", "loading PyTorch's weights", None)
        unused, missing = assign(opened.nodes, module_of, subject.loaded.model)
        opened.has_weights = True
    files, errors, recording = [], [], None
    for number, case in enumerate(subject.cases):
        progress("verify", f"running {type(opened.model).__name__} at {case.label}", number / len(subject.cases))
        try:
            if number == 0 and request.get("stages"):
                with recorded(opened.nodes) as recording:
                    result = run(opened.model, case.inputs)
            else:
                result = run(opened.model, case.inputs)
        except WorkerError:
            raise
        except Exception as error:  # noqa: BLE001 (TensorFlow failing where PyTorch does not is a result)
            files.append(None)
            errors.append(first_line(error))
            continue
        outputs = arrays(output_leaves(result))
        files.append(f"tf_case_{number}.safetensors")
        errors.append(None)
        with TensorFile(out / files[-1], [f"output/{name}" for name in outputs]) as file:
            for name, value in outputs.items():
                file.write(f"output/{name}", torch.from_numpy(value.copy()))
    calls, counts, stages = [], [], None
    if recording is not None:
        opened.recording = recording
        counts = [{"layer": number, "calls": len(found)} for number, found in recording.calls.items()]
        stages = "tf_stages.safetensors"
        calls = write_layers(recording, module_of, subject, out / stages, progress)
    return {
        "cases": files, "errors": errors, "stages": stages, "calls": calls, "counts": counts, "unused": unused,
        "missing": missing,
    }  # fmt: skip


def write_layers(recording, module_of, subject, path, progress):
    import torch

    pt_calls = {(one["module"], one["call"]): one for one in subject.calls}
    found, names = [], []
    for layer, calls in recording.calls.items():
        for k, one in enumerate(calls):
            twin = pt_calls.get((module_of.get(layer), k))
            if twin is None:
                continue
            # PyTorch's own layers have no activation in them.
            is_plain = twin["is_basic"] and one.plain is not None
            found.append((layer, k, one, twin, arrays(one.plain if is_plain else one.result), is_plain))
    values = []
    recording.on = False
    for number, (_, _, one, twin, accumulated, is_plain) in enumerate(found):
        progress("verify", f"layer by layer: {twin['module']}", number / len(found))
        inputs = {path: subject.values[name].numpy() for path, name in twin["inputs"].items()}
        with without_activation(one.layer) if is_plain else contextlib.nullcontext():
            alone, reason = isolated(one, inputs)
        values.append((accumulated, alone, reason))
        names += [f"accumulated/{number}/{path}" for path in accumulated]
        names += [f"isolated/{number}/{path}" for path in alone or {}]
    result = []
    with TensorFile(path, names) as file:
        for number, ((layer, k, _, twin, *_), (accumulated, alone, reason)) in enumerate(
            zip(found, values, strict=True)
        ):
            for kind, tensors in (("accumulated", accumulated), ("isolated", alone or {})):
                for leaf, value in tensors.items():
                    file.write(f"{kind}/{number}/{leaf}", torch.from_numpy(value.copy()))
            result.append({
                "layer": layer, "module": twin["module"], "call": k, "accumulated": list(accumulated),
                "isolated": None if alone is None else list(alone), "reason": reason,
            })  # fmt: skip
    return result
