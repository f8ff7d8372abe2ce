"""The Python API: convert a model, run what was written, compare again."""

import contextlib
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from . import native
from .errors import CrossloadError, WorkerError
from .json_numbers import with_json_numbers
from .model.state import state_kept
from .session import Session
from .worker import handle


class Conversion:
    """A converted model: the folder it lies in, the report, and a way to run it.

    out: Path of the folder, see the README for its files; report: crossload.json's content as attributes
    (`report.verdict`, `report.outputs[0].max_error`); report_dict: the same as a dict.
    """

    def __init__(self, out, report_dict):
        self.out = Path(out)
        self.report_dict = report_dict
        self.report = as_attributes(report_dict)
        self._runner = None

    @classmethod
    def load(cls, out):
        """A folder that `crossload convert` wrote earlier."""
        return cls(out, json.loads((Path(out) / "crossload.json").read_text(encoding="utf-8")))

    @property
    def saved_model(self):
        """Path of the SavedModel, for `tf.saved_model.load`."""
        return self.out / "saved_model" / "1"

    def run(self, **inputs):
        """Compute the outputs with TensorFlow: arrays or tensors by input name in, `{name: numpy array}` out.

        Takes what the sample inputs of `convert` were: of nested ones each tensor by its dotted name, and None, flags
        and numbers that are no inputs of the TensorFlow model are passed over. Integers of any width are taken; floats
        are cast to the signature's dtype. Raises CrossloadError (kind
        bad-input) when names do not fit, (environment) when TensorFlow is not installed.
        """
        import numpy

        if self._runner is None:
            self._runner = native.engine().Runner(str(self.saved_model), str(tensorflow_folder()))
        wanted = self._runner.inputs
        inputs = {
            name: value
            for name, value in _named_leaves(inputs)
            if name in wanted or not (value is None or isinstance(value, (bool, int, float, str)))
        }
        if set(inputs) != set(wanted):
            raise CrossloadError(
                "bad-input", f"run: inputs {sorted(inputs)} were given; the model takes {sorted(wanted)}"
            )
        arrays = {}
        for name, dtype in wanted.items():
            value = inputs[name]
            value = value.detach().cpu().numpy() if hasattr(value, "detach") else numpy.asarray(value)
            arrays[name] = numpy.asarray(value, dtype=dtype, order="C")
        return self._runner.run(arrays)

    def __repr__(self):
        return f"Conversion({str(self.out)!r}, verdict={self.report_dict.get('verdict')!r})"


def _named_leaves(value, name=""):
    """(dotted name, leaf) of nested dicts, lists and tuples."""
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, (list, tuple)) and any(hasattr(part, "shape") for part in value):
        parts = enumerate(value)
    else:
        yield name, value
        return
    for key, part in parts:
        yield from _named_leaves(part, f"{name}.{key}" if name else str(key))


def convert(
    model,
    out: str | os.PathLike,
    inputs: dict | tuple | list | str | os.PathLike | None = None,
    *,
    dynamic: bool = True,
    dynamic_shapes: dict | tuple | list | None = None,
    verify: bool = True,
    max_error: float = 1e-5,
    force: bool = False,
    model_class: str | None = None,
    dtype: str | None = None,
    text: str | None = None,
    hidden_states: bool | None = None,
    attentions: bool | None = None,
    cache: bool | None = None,
    strict: bool | None = None,
    stages: bool | None = None,
    frozen: bool | None = None,
    jit: bool | None = None,
    revision: str | None = None,
    token: str | None = None,
    trust_remote_code: bool | None = None,
    offline: bool | None = None,
    no_cache: bool = False,
    progress: Callable[[str, str, float], None] | None = None,
):
    """Convert a PyTorch model to a TensorFlow SavedModel in the folder `out`, and compare the two.

    model: torch.nn.Module, model folder, Hub id, or `.pt2` file.
    out: the folder to make. The files of an earlier conversion in it are replaced, all other files are kept.
    inputs: sample inputs, a dict (keyword inputs) or tuple (positional ones) of tensors, or the path of an `.npz`; needed
        for a plain module, else made from the model's own tokenizer or configuration.
    dynamic: make every axis dynamic that PyTorch's export allows; False: no dynamic axes.
    dynamic_shapes: which axes vary, as torch.export takes it; then no cached trace is used.
    verify: compare with PyTorch; False: only convert.
    max_error: largest difference that an output may show, absolute.
    force: replace an `out` that holds something else.
    model_class: name of the model class; default: the configuration's first architecture.
    dtype: dtype of a folder's weights, float32, float16 or bfloat16; default: the checkpoint's.
    text: text for the sample inputs, through the model's own tokenizer.
    hidden_states, attentions: return these as outputs, too.
    cache: take the key and value cache as inputs and return it as outputs.
    strict: `within-noise` counts as a mismatch.
    stages: compare every module as well, not only the outputs; default True.
    frozen: weights as constants of the graph.
    jit: compile the functions with XLA.
    revision: branch, tag or commit on the Hub.
    token: Hub token; default: HF_TOKEN, else the stored one.
    trust_remote_code: run model code that lies in the repository.
    offline: use only what is already on this machine.
    no_cache: trace anew, and keep no trace.
    progress: called with (stage, text, fraction or -1).

    None stands for the command's default. Returns a Conversion, whatever the verdict. Raises CrossloadError; then `out`
    is as it was.
    """
    fields = {
        "class": model_class,
        "dtype": dtype,
        "text": text,
        "hidden_states": hidden_states,
        "attentions": attentions,
        "cache": cache,
        "strict": strict,
        "stages": stages,
        "frozen": frozen,
        "jit": jit,
        "revision": revision,
        "token": token,
        "trust_remote_code": trust_remote_code,
        "offline": offline,
        "dynamic": bool(dynamic),
        "verify": bool(verify),
        "max_error": float(max_error),
        "force": bool(force),
    }
    session, request = _request(model, out, inputs, dynamic_shapes, no_cache, fields)
    return Conversion(out, _run("convert", request, session, {"dynamic_shapes": dynamic_shapes}, progress))


def convert_exported(module, program, out, *, output_flags, progress=None, **request):
    """Convert `program`, exported from `module` with keyword arguments only, into the folder `out`.

    output_flags: the flags of the module's config that it was exported with; request: `verify`, `max_error`, `stages`,
    `frozen` and `jit` as for `convert`. Returns a Conversion and raises CrossloadError as `convert` does.
    """
    session = Session(module=module, exported=program)
    request |= {"out": str(out), "use_cache": False}
    return Conversion(out, _run("convert", request, session, {"output_flags": output_flags}, progress))


def verify(
    pt_model,
    tf_model,
    inputs: dict | tuple | list | str | os.PathLike | None = None,
    *,
    names: dict | None = None,
    max_error: float = 1e-5,
    dynamic_shapes: dict | tuple | list | None = None,
    model_class: str | None = None,
    dtype: str | None = None,
    text: str | None = None,
    hidden_states: bool | None = None,
    attentions: bool | None = None,
    cache: bool | None = None,
    strict: bool | None = None,
    stages: bool | None = None,
    gradients: bool | None = None,
    revision: str | None = None,
    token: str | None = None,
    trust_remote_code: bool | None = None,
    offline: bool | None = None,
    no_cache: bool = False,
    progress: Callable[[str, str, float], None] | None = None,
):
    """Compare a TensorFlow model with its PyTorch model; returns the report as attributes, asserts nothing.

    pt_model: as `model` of `convert`.
    tf_model: the folder that `convert` wrote, or its Conversion: then dtype, hidden_states, attentions and cache must be
        what it was converted with. Or a Keras model (Keras 2 or 3) that somebody wrote, with its weights: its outputs are compared
        at several shapes, and each layer with the PyTorch module of its name (`report.stages`, `report.layers`).
    names: of a Keras model: {path of a layer: path of a module} for layers of other names.
    gradients: compare the gradient by each parameter as well (`report.gradients`).
    The others are those of `convert`. Nothing of the two models is changed.
    """
    if not isinstance(tf_model, (str, os.PathLike, Conversion)):
        return _verify_against(
            pt_model, tf_model, inputs, names, progress,
            {"max_error": float(max_error), "class": model_class, "text": text, "hidden_states": hidden_states,
             "attentions": attentions, "strict": strict, "stages": stages, "gradients": gradients, "revision": revision, "token": token,
             "trust_remote_code": trust_remote_code, "offline": offline},
        )  # fmt: skip
    fields = {
        "class": model_class,
        "dtype": dtype,
        "text": text,
        "hidden_states": hidden_states,
        "attentions": attentions,
        "cache": cache,
        "strict": strict,
        "stages": stages,
        "gradients": gradients,
        "revision": revision,
        "token": token,
        "trust_remote_code": trust_remote_code,
        "offline": offline,
        "max_error": float(max_error),
    }
    out = tf_model.out if isinstance(tf_model, Conversion) else tf_model
    session, request = _request(pt_model, out, inputs, dynamic_shapes, no_cache, fields)
    return as_attributes(_run("verify", request, session, {"dynamic_shapes": dynamic_shapes}, progress))


def _verify_against(pt_model, tf_model, inputs, names, progress, fields):
    session, request = _request(pt_model, "", inputs, None, True, fields)
    for name in ("out", "use_cache"):
        del request[name]
    session.tf_model = tf_model
    with tempfile.TemporaryDirectory(prefix="crossload-") as folder:
        if names:
            request["map"] = os.path.join(folder, "names.json")
            Path(request["map"]).write_text(json.dumps(names), encoding="utf-8")
        return as_attributes(_run("verify_against", request, session, {}, progress))


def tensorflow_folder():
    """Folder of the installed tensorflow package, found without importing it; CrossloadError (environment) if none."""
    given = os.environ.get("CROSSLOAD_TENSORFLOW")
    if given:
        return Path(given)
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise CrossloadError(
            "environment", "tensorflow: not installed; run `pip install tensorflow-cpu==2.21.0` to run and compare"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _request(model, out, inputs, dynamic_shapes, no_cache, fields):
    """(session, request): the Session holds modules and tensors, the engine's request what JSON can express
    (app/convert.h lists its fields)."""
    request = {name: value for name, value in fields.items() if value is not None} | {"out": str(out)}
    request["use_cache"] = not no_cache and dynamic_shapes is None
    session = Session()
    if isinstance(model, (str, os.PathLike)):
        request["model"] = str(model)
    else:
        session.module = model
    if isinstance(inputs, (str, os.PathLike)):
        request["inputs"] = str(inputs)
    elif inputs is not None:
        session.sample_inputs = inputs if isinstance(inputs, dict) else tuple(inputs)
        # The trace cache recognises a sample by its file, so tensors are never cached.
        request["use_cache"] = False
    return session, request


def _run(job, request, session, in_python, progress):
    """Have the engine do a job. `in_python`: fields that JSON cannot hold, added to each request of the engine to Python."""
    engine = native.engine()

    report_progress = progress or (lambda stage, text, fraction: None)

    def answer(text):
        asked = json.loads(text) | {name: value for name, value in in_python.items() if value is not None}
        try:
            result = handle(asked, lambda s, t, f: report_progress(s, t, -1 if f is None else f), session)
            if asked["do"] == "trace":
                _save_configs(session.module, Path(asked["out"]) / "companions")
            return json.dumps(with_json_numbers(result), allow_nan=False)
        except WorkerError as error:
            return json.dumps({"error": {"kind": error.kind, "message": error.message, "details": error.details}})

    tensorflow = os.environ.get("CROSSLOAD_TENSORFLOW")
    if tensorflow is None and importlib.util.find_spec("tensorflow") is not None:
        os.environ["CROSSLOAD_TENSORFLOW"] = str(tensorflow_folder())
    try:
        with state_kept(session.module):
            result = json.loads(getattr(engine, job)(json.dumps(request), answer, report_progress, sys.executable))
    finally:
        if tensorflow is None:
            os.environ.pop("CROSSLOAD_TENSORFLOW", None)
    if "error" in result:
        error = result["error"]
        raise CrossloadError(error["kind"], error["message"], error["details"])
    return result


def _save_configs(module, folder):
    """Write the configuration files that a model folder would hold, for a module that has no folder."""
    for config in (getattr(module, "config", None), getattr(module, "generation_config", None)):
        if config is not None and hasattr(config, "save_pretrained"):
            with contextlib.suppress(Exception):  # some models' own values are refused; the SavedModel needs no config
                config.save_pretrained(folder)


def as_attributes(value):
    if isinstance(value, dict):
        return SimpleNamespace(**{key: as_attributes(item) for key, item in value.items()})
    if isinstance(value, list):
        return [as_attributes(item) for item in value]
    return value
