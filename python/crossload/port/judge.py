"""`judge_port`: a written TensorFlow file against its PyTorch classes, in a process that knows nothing else.

`python -m crossload.port.judge` reads {file, model, base, classes, generating, max_error} from standard input and answers
with one JSON line: rows of differences, and the names of weights that were missing or unexpected.
"""

import copy
import json
import os
import subprocess
import sys
import tempfile

from ..errors import WorkerError
from ..json_numbers import with_json_numbers
from ..model.wide import double_default, to_double
from .heads import configuration_changes, head_inputs, labels_for, task_of
from .observe import SHRUNK, main_inputs

# Batch and length of the compared calls.
SHAPES = ((2, 7), (3, 11))


def judge(request, progress):
    """Compare in a fresh process; returns `rows`, `missing`, `unexpected`, `versions`."""
    return in_fresh_process("crossload.port.judge", request, progress, TF_USE_LEGACY_KERAS="1")


def in_fresh_process(module, request, progress, **variables):
    progress("verify", "comparing with PyTorch in a fresh process", None)
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", TRANSFORMERS_VERBOSITY="error", **variables)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package, environment.get("PYTHONPATH")]))
    for library in ("USE_TF", "USE_JAX", "USE_FLAX"):
        environment.pop(library, None)
    done = subprocess.run(
        [sys.executable, "-m", module], input=json.dumps(request), capture_output=True, text=True, env=environment,
        check=False,
    )  # fmt: skip
    answer = next((line for line in reversed(done.stdout.splitlines()) if line.startswith('{"rows"')), None)
    if answer is None:
        tail = done.stderr.strip().splitlines()[-12:]
        reason = last_error(done.stderr) or f"exit code {done.returncode}"
        raise WorkerError("mismatch", f"{request['file']}: the written file does not run: {reason}", tail)
    return json.loads(answer)


def last_error(text):
    """The last error of a traceback; Keras says what went wrong two lines below `Exception encountered`."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = next((at for at in reversed(range(len(lines))) if "Error: " in lines[at]), None)
    if found is None:
        return None
    if "Exception encountered" in lines[found] and found + 1 < len(lines):
        return f"{lines[found]} {lines[found + 1]}"
    return lines[found]


def compare(request):
    import tensorflow as tf
    import torch
    import transformers

    module = imported(request["file"])
    limit = request.get("max_error") or 1e-5
    rows, missing, unexpected = [], [], []
    for name in request["classes"]:
        try:
            found = compare_class(module, name, request, limit, missing, unexpected)
        except Exception as error:
            if name == request["base"]:
                raise
            found = [row_of_failure(error)]
        rows += [{"class": name, **row} for row in found]
    versions = {"transformers": transformers.__version__, "tensorflow": tf.__version__, "torch": torch.__version__}
    return {"rows": rows, "missing": sorted(set(missing)), "unexpected": sorted(set(unexpected)), "versions": versions}


def row_of_failure(error):
    return {"case": "", "name": "a call", "shape": [], "error": None, "reason": f"does not run: {reason_of(error)}"}


def imported(path):
    import importlib.util

    spec = importlib.util.spec_from_file_location("modeling_tf_ported", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def compare_class(module, name, request, limit, missing, unexpected):
    """The rows of one class; weights without a counterpart are added to `missing` and `unexpected`."""
    import transformers

    rows = []
    tf_class, pt_class = getattr(module, "TF" + name), getattr(transformers, name)
    with tempfile.TemporaryDirectory() as folder:
        for label, pt_model in subjects(request, pt_class, name == request["base"]):
            path = os.path.join(folder, label.replace(" ", "-"))
            pt_model.save_pretrained(path)
            tf_model, info = tf_class.from_pretrained(path, from_pt=True, output_loading_info=True)
            missing += [f"{name}: {key}" for key in info["missing_keys"]]
            unexpected += [f"{name}: {key}" for key in info["unexpected_keys"]]
            for batch, length in SHAPES:
                inputs = inputs_for(pt_model, batch, length)
                rows += differences(label, pt_model, tf_model, inputs, limit)
                rows += losses(label, pt_model, tf_model, inputs, limit)
            saved = os.path.join(path, "tf")
            tf_model.save_pretrained(saved)
            again = tf_class.from_pretrained(saved)
            inputs = inputs_for(pt_model, *SHAPES[0])
            rows += differences(label + ", saved and loaded", pt_model, again, inputs, limit)
            rows.append(in_graph(label, pt_model, inputs, lambda feed, model=tf_model: model(feed)[0], served_dtype))
            if name in request.get("generating", []):
                rows += generated(label, pt_model, tf_model)
    return rows


def reason_of(error):
    """What went wrong without Keras's list of arguments: the line after `Exception encountered`, if there is one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("Exception encountered", "•", "Call arguments received"))]
    while lines and lines[0] in ("in user code:", "Traceback (most recent call last):"):
        lines.pop(0)
    said = next((line for line in lines if "Error: " in line), lines[0] if lines else "")
    return said if "Error: " in said else f"{type(error).__name__}: {said}"


def subjects(request, pt_class, is_base):
    """Small models at trained scale: of two configurations for the base class, of each kind of labels for a task class;
    and the model itself where its folder has weights for the class."""
    import torch
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(request["model"], local_files_only=True)
    if is_base:
        deeper = dict.fromkeys(("num_hidden_layers", "n_layer", "num_layers", "encoder_layers", "decoder_layers"), 3)
        kinds = [("small", {}), ("other layers", deeper)]
    else:
        changes = list(configuration_changes(pt_class.__name__, config))
        kinds = [("small" if n == 0 else "one label", change) for n, change in enumerate(changes)]
    for label, changes in kinds:
        tiny = copy.deepcopy(config)
        for name, value in {**SHRUNK, **changes}.items():
            if getattr(tiny, name, None) is not None or (name in changes and hasattr(tiny, name)):
                setattr(tiny, name, value)
        fit_lists(tiny, config)
        tiny._attn_implementation = "eager"
        torch.manual_seed(0)
        model = pt_class(tiny).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.normal_(0, max(1, parameter[0].numel()) ** -0.5)
                else:
                    # Around where it begins: gains at 1, or at 0 where the class adds 1 itself.
                    parameter.add_(torch.randn_like(parameter), alpha=0.2)
        yield label, model
    is_its_class = is_base or pt_class.__name__ in (config.architectures or [])
    if is_its_class and any(name.endswith((".safetensors", ".bin")) for name in os.listdir(request["model"])):
        yield (
            "the model",
            pt_class.from_pretrained(request["model"], attn_implementation="eager", local_files_only=True).eval(),
        )


def fit_lists(config, before):
    """Give lists with an entry a layer, such as `layer_types`, as many entries as the configuration has layers now."""
    was, now = getattr(before, "num_hidden_layers", None), getattr(config, "num_hidden_layers", None)
    if was == now or not was or not now:
        return
    for name, value in before.to_dict().items():
        if "layer" in name and isinstance(value, list) and len(value) == was:
            setattr(config, name, [value[i % was] for i in range(now)])


def inputs_for(model, batch, length):
    import inspect

    import torch

    inputs = main_inputs(model, model.config, batch, length)
    if "attention_mask" in inspect.signature(model.forward).parameters and "input_ids" in inputs:
        mask = torch.ones(batch, length, dtype=torch.long)
        mask[1, length // 2 :] = 0
        inputs["attention_mask"] = mask
        if task_of(type(model).__name__) == "sequence-classification" and model.config.pad_token_id is not None:
            inputs["input_ids"][mask == 0] = model.config.pad_token_id
    return head_inputs(type(model).__name__, model, model.config, inputs)


def differences(label, pt_model, tf_model, inputs, max_error):
    """One row an output: the largest difference where the mask is not zero."""
    import inspect

    import torch

    flags = {}
    for flag in ("output_hidden_states", "output_attentions"):
        if flag in inspect.signature(pt_model.forward).parameters:
            flags[flag] = True
    with torch.no_grad():
        expected = pt_model(**inputs, **flags)
    found = tf_model({name: value.numpy() for name, value in inputs.items()}, **flags)
    return [output_row(label, name, pt_model, expected, found, inputs, flags, max_error) for name in expected]


def output_row(label, name, pt_model, expected, found, inputs, flags, max_error):
    """The row of one output; with the noise floor where it may excuse the difference."""
    a, b = leaves(expected[name]), leaves(found.get(name))
    row = {"case": label, "name": name, "shape": list(inputs[pt_model.main_input_name].shape), "error": None}
    if len(a) == len(b) and a and all(tuple(x.shape) == tuple(y.shape) for x, y in zip(a, b, strict=True)):
        errors = [distance(x, y, inputs.get("attention_mask")) for x, y in zip(a, b, strict=True)]
        row["error"] = None if None in errors else max(errors)
        if is_inner(name) and row["error"] is not None and row["error"] > max_error:
            row["noise"], row["tf_truth"] = noise(pt_model, inputs, flags, name, a, b)
    return row


def losses(label, pt_model, tf_model, inputs, max_error):
    """The loss for each set of labels, and the gradient of each weight."""
    import numpy as np
    import tensorflow as tf

    rows = []
    shape = list(inputs[pt_model.main_input_name].shape)
    for labels in labels_for(type(pt_model).__name__, pt_model, pt_model.config, inputs):
        kind = "" if next(iter(labels.values())).is_floating_point() is False else " of float labels"
        pt_model.config.problem_type = tf_model.config.problem_type = None
        feed = {**inputs, **labels}
        if task_of(type(pt_model).__name__) == "seq2seq-lm":
            feed.pop("decoder_input_ids", None)  # made from the labels
        pt_model.zero_grad()
        expected = pt_model(**feed).loss
        with tf.GradientTape() as tape:
            found = tf_model({k: v.numpy() for k, v in feed.items()}).loss
        rows.append({"case": label, "name": "loss" + kind, "shape": shape, "error": None})
        # A loss has the shape (1,) in Transformers' TensorFlow classes.
        if expected is None or found is None or expected.dim() != 0 or tuple(found.shape) != (1,):
            continue
        rows[-1]["error"] = distance(expected.detach().numpy()[None], found.numpy(), None)
        expected.backward()
        variables = tf_model.trainable_weights
        names, wanted = zip(*(pytorch_gradient(pt_model, variable) for variable in variables), strict=True)
        gradients = [
            np.zeros(variable.shape, "float32") if gradient is None else np.asarray(tf.convert_to_tensor(gradient))
            for variable, gradient in zip(variables, tape.gradient(found, variables), strict=True)
        ]
        errors = distances(wanted, gradients)
        unlike = next((name for name, error in zip(names, errors, strict=True) if error is None), None)
        row = {"case": label, "name": f"gradient{kind}", "shape": shape, "error": None}
        if unlike:
            row["name"] += f" of {unlike}"
        else:
            row["error"] = max(errors)
            if row["error"] > max_error:
                truth = true_gradients(pt_model, variables, feed)
                row["noise"], row["tf_truth"] = max(distances(truth, wanted)), max(distances(truth, gradients))
        rows.append(row)
    return rows


def distances(expected, found):
    return [distance(a, b, None) if a.shape == b.shape else None for a, b in zip(expected, found, strict=True)]


def true_gradients(pt_model, variables, feed):
    """The same gradients as PyTorch computes them in float64."""
    wide = copy.deepcopy(pt_model).double()
    wide.zero_grad()
    with double_default():
        wide(**all_to_double(feed)).loss.backward()
    return [pytorch_gradient(wide, variable)[1] for variable in variables]


def pytorch_gradient(pt_model, variable):
    """The name and the gradient of PyTorch's parameter for a variable, laid out as the variable is; zeros where the loss
    does not depend on it."""
    import numpy as np
    from transformers.modeling_tf_pytorch_utils import convert_tf_weight_name_to_pt_weight_name

    name, transposed = convert_tf_weight_name_to_pt_weight_name(
        variable.name, start_prefix_to_remove="", name_scope=None, tf_weight_shape=variable.shape
    )
    parameter = dict(pt_model.named_parameters()).get(name)
    if parameter is None or parameter.grad is None:
        return name, np.zeros(variable.shape, "float32")
    value = parameter.grad.numpy()
    kind = transposed.value
    if kind == "simple":
        value = value.T
    elif kind == "conv2d":
        value = value.transpose(2, 3, 1, 0)
    elif kind == "conv1d":
        value = value.transpose(2, 1, 0)
    return name, value.reshape(variable.shape) if value.size == int(variable.shape.num_elements()) else value


def generated(label, pt_model, tf_model):
    """The number of tokens in which greedy generation differs, with and without padding on the left."""
    import torch

    rows = []
    ids = main_inputs(pt_model, pt_model.config, 2, 6)["input_ids"]
    mask = torch.ones_like(ids)
    mask[1, :2] = 0
    for case, given in (("", torch.ones_like(ids)), (", padded on the left", mask)):
        flags = {"max_new_tokens": 8, "do_sample": False, "num_beams": 1, "eos_token_id": None, "pad_token_id": 0}
        expected = pt_model.generate(input_ids=ids, attention_mask=given, **flags).numpy()
        found = tf_model.generate(input_ids=ids.numpy(), attention_mask=given.numpy(), **flags).numpy()
        error = float((expected != found).sum()) if expected.shape == found.shape else None
        rows.append({"case": label + case, "name": "generate", "shape": list(expected.shape), "error": error})
    return rows


def is_inner(name):
    """Whether an output is a hidden state, whose error its noise floor may excuse; a model's final outputs never are."""
    return name in ("hidden_states", "attentions", "past_key_values")


def noise(pt_model, inputs, flags, name, found_pt, found_tf):
    """PyTorch's and TensorFlow's distance from PyTorch's own run in float64."""
    import torch

    wide = copy.deepcopy(pt_model).double()
    # Masks that a model makes of its own are float64 as well; their lowest number fits into nothing else.
    with torch.no_grad(), double_default():
        truth = leaves(wide(**all_to_double(inputs), **flags)[name])
    mask = inputs.get("attention_mask")
    return tuple(max(distance(t, x, mask) for t, x in zip(truth, found, strict=True)) for found in (found_pt, found_tf))


def all_to_double(inputs):
    return {name: to_double(value) for name, value in inputs.items()}


def in_graph(label, pt_model, inputs, first, dtype_of):
    """The first output, computed by a function whose batch and length are not known beforehand. first: the model's first
    output for a dictionary of inputs; dtype_of: TensorFlow's dtype for a PyTorch tensor."""
    import tensorflow as tf
    import torch

    specs = {}
    for name, value in inputs.items():
        free = [None, *value.shape[1:]] if value.dim() == 4 else [None] * value.dim()
        specs[name] = tf.TensorSpec(free, dtype_of(value), name=name)
    function = tf.function(lambda feed: first(feed)).get_concrete_function(specs)
    found = function({name: tf.cast(value.numpy(), specs[name].dtype) for name, value in inputs.items()})
    with torch.no_grad():
        expected = pt_model(**inputs)[0].numpy()
    error = distance(expected, found.numpy(), inputs.get("attention_mask")) if expected.shape == found.shape else None
    return {"case": label + ", as a graph of any size", "name": "0", "shape": list(expected.shape), "error": error}


def served_dtype(value):
    """Ids and masks are int32, as the classes of Transformers 4 are served."""
    return "float32" if value.is_floating_point() else "int32"


def leaves(value):
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in leaves(item)]
    if hasattr(value, "to_legacy_cache"):
        return leaves(value.to_legacy_cache())
    return [value.numpy()]


def distance(a, b, mask):
    import numpy as np

    if mask is not None and a.ndim == 3 and a.shape[:2] == tuple(mask.shape):
        a, b = a[mask.numpy() != 0], b[mask.numpy() != 0]
    if mask is not None and a.ndim == 4 and a.shape[-2] == mask.shape[1] == a.shape[-1]:
        visible = np.broadcast_to(mask.numpy()[:, None, :, None] != 0, a.shape)
        a, b = a[visible], b[visible]
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return None
    return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0.0))


def answer(result):
    print(json.dumps(with_json_numbers(result)), flush=True)


if __name__ == "__main__":
    answer(compare(json.load(sys.stdin)))
