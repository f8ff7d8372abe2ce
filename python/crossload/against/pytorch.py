"""The request `against_pytorch`: what the PyTorch model computes, outputs at several shapes and every module at one."""

import copy
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import WorkerError, first_line, last_lines
from ..inputs.samples import sample_inputs
from ..model.flags import attention, flags_set
from ..model.loading import load
from ..model.state import state_kept
from ..model.wide import double_default
from ..session import Loaded, require_transformers
from ..trace.tensor_file import TensorFile
from .environment import use_keras_of_transformers
from .leaves import output_leaves
from .noise import ways
from .record import bound, recorded

SEED = 20
SHORTER = 2  # tokens by which the rows of another case are cut


@dataclass
class Sample:
    """Inputs of one case: {name: tensor}."""

    label: str
    inputs: dict


@dataclass
class Subject:
    """The PyTorch model that a worker holds between the requests; calls and values: of its
    Recording."""

    loaded: Any
    request: dict
    cases: list
    values: dict = field(default_factory=dict)
    calls: list = field(default_factory=list)


def against_pytorch(request, progress, session):
    """Run the PyTorch model and write `case_<i>.safetensors` and `stages.safetensors` into the folder `out`.

    Fields: those of `reference`, and `target` (what it will be compared with), from which the class is taken when
    `class` is null. See ../README.md for the answer.
    """
    out = Path(request["out"])
    if session.module is None:
        use_keras_of_transformers()
    progress("reference", "loading the PyTorch model", None)
    loaded = load_eager(request, session, progress)
    model = loaded.model
    sample = named(model, sample_inputs(loaded, request, session))
    cases = [Sample("sample", sample), *other_cases(sample)]
    session.against = Subject(loaded, request, cases)
    answers, shapes = [], []
    with eager_attention(model), state_kept(model):
        wide = copy.deepcopy(model).double()
        for number, case in enumerate(cases):
            progress("reference", f"running PyTorch at {case.label}", number / len(cases))
            file = f"case_{number}.safetensors"
            try:
                found = run_case(model, wide, case, request, out / file)
            except Exception as error:
                if number == 0:
                    seen = f"`{loaded.class_name}` does not run on the sample inputs ({first_line(error)})"
                    raise WorkerError("bad-input", f"{seen}; give --inputs FILE.npz", last_lines(error)) from error
                answers.append({**described(case), "file": None, "traced": False, "skipped": first_line(error)})
                shapes.append(None)
                continue
            answers.append({**described(case), "file": file, "traced": number == 0, "skipped": None})
            shapes.append(found)
        progress("reference", "recording every module", 1)
        calls = []
        if request.get("stages"):
            calls = write_stages(model, wide, cases[0], request, out / "stages.safetensors", session.against)
            other = next((case for case, found in zip(cases[1:], shapes[1:], strict=True) if found), None)
            axes = axes_of_calls(model, request, cases[0], other, session.against)
        else:
            axes = {}
    other = next(((case, found) for case, found in zip(cases[1:], shapes[1:], strict=True) if found), None)
    return {
        "class": loaded.class_name,
        "model_type": loaded.model_type,
        "cases": answers,
        "output_names": list(shapes[0]),
        "outputs": named_axes(cases[0], shapes[0], *(other or (None, None))),
        "inputs": named_axes(cases[0], dims(sample), *((other[0], dims(other[0].inputs)) if other else (None, None))),
        "stages": "stages.safetensors" if calls else None,
        "calls": calls,
        "axes": axes,
        "weights": {"count": len(model.state_dict()), "bytes": sum(v.nbytes for v in model.state_dict().values())},
        "missing": loaded.missing,
        "unexpected": loaded.unexpected,
        "note": loaded.note,
        "versions": versions(),
    }


def versions():
    import torch

    found = {"torch": torch.__version__}
    try:
        import transformers

        found["transformers"] = transformers.__version__
    except ImportError:
        pass
    return found


def load_eager(request, session, progress):
    """The PyTorch model in float32 and evaluation mode; kind bad-input and environment as for `trace`."""
    if session.module is not None:
        loaded = load(request, session, progress)
    else:
        transformers = require_transformers()
        name = request.get("class") or twin_name(transformers, request.get("target"))
        if int(transformers.__version__.split(".")[0]) >= 5:
            loaded = load({**request, "class": name}, session, progress)
        else:
            loaded = load_with_transformers_4(transformers, request["model"], name)
    if any(p.is_floating_point() and p.dtype.itemsize < 4 for p in loaded.model.parameters()):
        loaded.model.float()
        loaded.note = "; ".join(filter(None, [loaded.note, "the weights are compared in float32"]))
    return loaded


def twin_name(transformers, target):
    """`BertModel` for `….modeling_tf_bert:TFBertModel`; None where there is no such PyTorch class."""
    name = re.split(r"[:.]", target or "")[-1]
    return name[2:] if name.startswith("TF") and isinstance(getattr(transformers, name[2:], None), type) else None


def load_with_transformers_4(transformers, folder, name):
    config = None
    if name is None:
        try:
            config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        except Exception as error:
            seen = f"Transformers {transformers.__version__} cannot read it ({first_line(error)})"
            raise WorkerError("bad-input", f"{folder}/config.json: {seen}; check the file") from error
        name = (config.architectures or ["AutoModel"])[0]
    model_class = getattr(transformers, name, None)
    if not isinstance(model_class, type):
        raise WorkerError(
            "bad-input", f"--class: Transformers {transformers.__version__} has no class `{name}`; check the name"
        )
    options = {"local_files_only": True, "output_loading_info": True, "torch_dtype": "float32"}
    try:
        try:
            model, info = model_class.from_pretrained(folder, attn_implementation="eager", **options)
        except (ValueError, TypeError):
            model, info = model_class.from_pretrained(folder, **options)
    except Exception as error:
        seen = f"Transformers {transformers.__version__} cannot load it as `{name}` ({first_line(error)})"
        raise WorkerError("bad-input", f"{folder}: {seen}; check the weight files", last_lines(error)) from error
    return Loaded(
        model.eval(), type(model).__name__, str(folder), model.config.model_type, None,
        sorted(info["missing_keys"]), sorted(info["unexpected_keys"]),
    )  # fmt: skip


def eager_attention(model):
    """Attention whose weights are values that can be compared, where the model has the choice."""
    return attention(model, "eager")


def named(model, inputs):
    """Sample inputs as {parameter of forward: tensor}."""
    import torch

    if not isinstance(inputs, dict):
        inputs = bound(model.forward, inputs, {})
    found = {}
    for name, value in inputs.items():
        tensor = value if isinstance(value, torch.Tensor) else torch.as_tensor(value)
        found[name] = tensor.detach().cpu()
    return found


def text_length(inputs):
    """The size of axis 1 of the token ids, None without such."""
    ids = inputs.get("input_ids")
    return ids.shape[1] if ids is not None and ids.dim() == 2 else None


def other_cases(sample):
    """The sample with one row more and, of text, with fewer tokens; and its first row alone."""
    import torch

    rows = {value.shape[0] for value in sample.values() if value.dim()}
    if len(rows) != 1 or any(not value.dim() for value in sample.values()):
        return []
    count, length = rows.pop(), text_length(sample)
    more = {}
    for name, value in sample.items():
        value = torch.cat([value, value[:1]])
        if length is not None and length > SHORTER + 1 and value.dim() >= 2 and value.shape[1] == length:
            value = value[:, : length - SHORTER].contiguous()
        more[name] = value
    cases = [Sample("another batch" if length is None else "another batch and length", more)]
    if count > 1:
        cases.append(Sample("batch 1", {name: value[:1].contiguous() for name, value in sample.items()}))
    return cases


def described(case):
    return {"label": case.label, "inputs": dims(case.inputs)}


def dims(tensors):
    return {name: list(value.shape) for name, value in tensors.items()}


def call(model, inputs, request, double=False):
    import torch

    feed = {n: v.double() if double and v.is_floating_point() else v.clone() for n, v in inputs.items()}
    with torch.no_grad(), flags_set(model, request):
        torch.manual_seed(SEED)
        return model(**feed)


def run_case(model, wide, case, request, path):
    """Write inputs, float32 runs and the float64 run of one case; returns {output: shape}."""
    runs = [output_leaves(call(model, case.inputs, request))]
    for _, way in ways():
        with way():
            runs.append(output_leaves(call(model, case.inputs, request)))
    truth = output_leaves(in_double(wide, case, request) or {})
    names = [f"input/{n}" for n in case.inputs] + [f"truth/{n}" for n in truth]
    names += [f"run/{k}/{n}" for k, run in enumerate(runs) for n in run]
    with TensorFile(path, names) as file:
        for name, value in case.inputs.items():
            file.write(f"input/{name}", value)
        for number, run in enumerate(runs):
            for name, value in run.items():
                file.write(f"run/{number}/{name}", value)
        for name, value in truth.items():
            if value.is_floating_point() and name in runs[0] and value.shape == runs[0][name].shape:
                file.write(f"truth/{name}", value)
    return dims(runs[0])


def in_double(wide, case, request):
    """The result in float64; None where the model fails in it (masks made of float32's lowest number, for one)."""
    try:
        with double_default():
            return call(wide, case.inputs, request, double=True)
    except Exception:  # noqa: BLE001 (then noise is unknown, and excuses nothing)
        return None


def write_stages(model, wide, case, request, path, subject):
    """Write what passed through the modules; returns the calls, and leaves their values in `subject`."""
    with recorded(model) as plain:
        call(model, case.inputs, request)
    others = []
    for _, way in ways():
        with recorded(model) as run, way():
            call(model, case.inputs, request)
        others.append(run)
    with recorded(wide) as double:
        if in_double(wide, case, request) is None:
            double = None
    names = [f"{kind}/{name}" for name in plain.values for kind in ("value", "offset", "noise")]
    written = set()
    with TensorFile(path, names) as file:
        for name, value in plain.values.items():
            file.write(f"value/{name}", value)
        for number, one in enumerate(plain.calls):
            for leaf, name in one["outputs"].items():
                value = plain.values[name]
                truth = same_leaf(double, number, one, leaf, value)
                if truth is None or not value.is_floating_point() or name in written:
                    continue
                written.add(name)
                noise = 0 * value
                for run in (plain, *others):
                    found = same_leaf(run, number, one, leaf, value)
                    if found is not None:
                        noise = noise.maximum((found.double() - truth).abs().float())
                file.write(f"offset/{name}", (truth - value.double()).float())
                file.write(f"noise/{name}", noise.nan_to_num(nan=0.0, posinf=0.0))
    subject.values = plain.values
    subject.calls = plain.calls
    return [
        {**{k: one[k] for k in ("module", "class", "call", "depth", "end")}, "outputs": list(one["outputs"].items())}
        for one in plain.calls
        if one["end"] >= 0
    ]


def same_leaf(run, number, one, leaf, value):
    """The tensor that another run of the same model has at the place of a leaf."""
    if run is None or number >= len(run.calls) or run.calls[number]["module"] != one["module"]:
        return None
    name = run.calls[number]["outputs"].get(leaf)
    found = run.values[name] if name is not None else None
    return found if found is not None and found.shape == value.shape else None


def axes_of_calls(model, request, case, other, subject):
    """{value: axes} of all outputs of calls, see `named_axes`."""
    found, shapes, calls, values = {}, {}, subject.calls, subject.values
    if other is not None:
        with recorded(model) as run:
            call(model, other.inputs, request)
        by_key = {(one["module"], one["call"]): one for one in run.calls}
        for one in calls:
            twin = by_key.get((one["module"], one["call"]), {"outputs": {}})
            for leaf, name in one["outputs"].items():
                if leaf in twin["outputs"]:
                    shapes[name] = list(run.values[twin["outputs"][leaf]].shape)
    for one in calls:
        for name in one["outputs"].values():
            here = {name: list(values[name].shape)}
            found |= named_axes(case, here, other, {name: shapes[name]} if name in shapes else None)
    return found


def named_axes(case, shapes, other, other_shapes):
    """{name: [size or what it is]}: `batch`, `length` and `batch*length` for axes that change as those do between two
    cases; where there is no other case, the first axis and those of the text's length are taken for them."""

    def sizes(one):
        rows = {v.shape[0] for v in one.inputs.values() if v.dim()}
        return (rows.pop() if len(rows) == 1 else None), text_length(one.inputs)

    batch, length = sizes(case)
    batch2, length2 = sizes(other) if other else (None, None)
    result = {}
    for name, shape in shapes.items():
        second = (other_shapes or {}).get(name)
        second = second if second and len(second) == len(shape) else shape
        axes = []
        for axis, (a, b) in enumerate(zip(shape, second, strict=True)):
            if other is None or not other_shapes:
                b = a
                kind = "batch" if axis == 0 and a == batch else "length" if a == length and axis else a
            elif a == b:
                kind = a
            elif length and (a, b) == (batch * length, batch2 * length2):
                kind = "batch*length"
            elif (a, b) == (batch, batch2) and axis == 0:
                kind = "batch"
            elif (a, b) == (length, length2):
                kind = "length"
            else:
                kind = f"s{axis}"
            axes.append(kind)
        result[name] = axes
    return result
