"""`judge_keras_port`: a file of `--for keras` against the PyTorch classes of the Transformers that is installed beside Keras 3.

`python -m crossload.port.judge_keras` reads what `judge` reads and answers in the same form. With `loaded` instead of
`classes` it loads a `.keras` file in a process that saw no model, and writes its first output.
"""

import json
import os
import subprocess
import sys
import tempfile

from .judge import (
    SHAPES,
    answer,
    distance,
    distances,
    imported,
    in_fresh_process,
    in_graph,
    inputs_for,
    is_inner,
    labels_for,
    leaves,
    output_row,
    row_of_failure,
    subjects,
)

FLAGS = {"output_hidden_states": True, "output_attentions": True}


def judge_keras(request, progress):
    """Compare in a fresh process; returns `rows`, `missing`, `unexpected`, `versions`, `notes`."""
    return in_fresh_process("crossload.port.judge_keras", request, progress, KERAS_BACKEND="tensorflow")


def compare(request):
    import keras
    import tensorflow as tf
    import torch
    import transformers

    module = imported(request["file"])
    rows, unexpected, notes = [], [], []
    for name in request["classes"]:
        if not hasattr(transformers, name):
            notes.append(f"{name}: Transformers {transformers.__version__} has no such class; it is not compared")
            continue
        try:
            found = compare_class(module, name, request, unexpected)
        except Exception as error:
            if name == request["base"]:
                raise
            if isinstance(error, ValueError) and "there are no weights for" in str(error):
                reason = str(error).partition(": ")[2]
                notes.append(f"{name}: not compared; in what Transformers {transformers.__version__} saves {reason}")
                continue
            found = [row_of_failure(error)]
        rows += [{"class": name, **row} for row in found]
    versions = {"transformers": transformers.__version__, "tensorflow": tf.__version__, "torch": torch.__version__}
    versions["keras"] = keras.__version__
    return {"rows": rows, "missing": [], "unexpected": sorted(set(unexpected)), "versions": versions, "notes": notes}


def compare_class(module, name, request, unexpected):
    """The rows of one class; weights that it has no use for are added to `unexpected`."""
    import transformers

    rows = []
    keras_class, pt_class = getattr(module, "TF" + name), getattr(transformers, name)
    with tempfile.TemporaryDirectory() as folder:
        for number, (label, pt_model) in enumerate(subjects(request, pt_class, name == request["base"])):
            path = os.path.join(folder, str(number))
            pt_model.save_pretrained(path)
            model = keras_class.from_preset(path)
            unexpected += [f"{name}: {key}" for key in model.load_safetensors(path)]
            for batch, length in SHAPES:
                inputs = inputs_for(pt_model, batch, length)
                rows += differences(label, pt_model, model, inputs, request)
                rows += losses(label, pt_model, model, module, inputs, path)
            inputs = inputs_for(pt_model, *SHAPES[0])
            rows.append(in_graph(label, pt_model, inputs, lambda feed, model=model: first_of(model(feed)), own_dtype))
            if number == 0:
                rows.append(saved_and_loaded(label, pt_model, model, inputs, request, path))
    return rows


def expected_of(pt_model, inputs, flags):
    import torch

    with torch.no_grad():
        try:
            return pt_model(**inputs, **flags)
        except TypeError:  # a class without hidden states
            return pt_model(**inputs)


def differences(label, pt_model, model, inputs, request):
    """One row an output: the largest difference where the mask is not zero."""
    expected = expected_of(pt_model, inputs, FLAGS)
    flags = {name: True for name in FLAGS if takes(model, name)}
    found = model({name: value.numpy() for name, value in inputs.items()}, **flags)
    names = [name for name in expected if name != "past_key_values" and (name in found or not is_inner(name))]
    return [
        output_row(label, name, pt_model, expected, found, inputs, FLAGS, request["max_error"])
        for name in names
        if leaves(expected[name]) or leaves(found.get(name))
    ]


def takes(model, name):
    import inspect

    return name in inspect.signature(model.call).parameters


def losses(label, pt_model, model, module, inputs, folder):
    """The loss for each set of labels, and the largest difference of a gradient of a weight."""
    import numpy as np
    import tensorflow as tf

    rows = []
    shape = list(inputs[pt_model.main_input_name].shape)
    trained = [variable for _, variable in module.weights_by_name(model) if variable.trainable]
    for labels in labels_for(type(pt_model).__name__, pt_model, pt_model.config, inputs):
        kind = " of float labels" if next(iter(labels.values())).is_floating_point() else ""
        pt_model.config.problem_type = model.config.problem_type = None
        pt_model.zero_grad()
        expected = pt_model(**inputs, **labels).loss
        with tf.GradientTape() as tape:
            found = model({k: v.numpy() for k, v in {**inputs, **labels}.items()})["loss"]
        rows.append({"case": label, "name": "loss" + kind, "shape": shape, "error": None})
        rows[-1]["error"] = distance(expected.detach().numpy().reshape(1), found.numpy().reshape(1), None)
        expected.backward()
        wanted = gradients_as_weights(pt_model, type(model), os.path.join(folder, "gradients"))
        gradients = tape.gradient(found, [variable.value for variable in trained])
        found_values = [
            np.zeros(variable.shape, "float32") if gradient is None else np.asarray(tf.convert_to_tensor(gradient))
            for variable, gradient in zip(trained, gradients, strict=True)
        ]
        errors = distances(wanted, found_values)
        worst = errors.index(None) if None in errors else errors.index(max(errors))
        name = f"gradient{kind}, of {trained[worst].path}"
        rows.append({"case": label, "name": name, "shape": shape, "error": errors[worst]})
    return rows


def gradients_as_weights(pt_model, keras_class, folder):
    """PyTorch's gradients in the order and layout of the Keras model's trained variables: they take the way of weights,
    as a checkpoint."""
    import copy

    import torch

    carrier = copy.deepcopy(pt_model)
    with torch.no_grad():
        for target, parameter in zip(carrier.parameters(), pt_model.parameters(), strict=True):
            target.copy_(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
    carrier.save_pretrained(folder)
    carried = keras_class.from_preset(folder)
    weights_by_name = sys.modules[keras_class.__module__].weights_by_name
    return [variable.numpy() for _, variable in weights_by_name(carried) if variable.trainable]


def own_dtype(value):
    return str(value.dtype).removeprefix("torch.")


def first_of(outputs):
    return next(iter(outputs.values())) if isinstance(outputs, dict) else outputs[0]


def saved_and_loaded(label, pt_model, model, inputs, request, folder):
    """The first output of the `.keras` file, loaded in a process that saw no model."""
    import numpy as np

    path = os.path.join(folder, "model.keras")
    model.save(path)
    np.savez(os.path.join(folder, "inputs.npz"), **{name: value.numpy() for name, value in inputs.items()})
    question = {"file": request["file"], "loaded": path, "class": type(model).__name__, "folder": folder}
    done = subprocess.run(
        [sys.executable, "-m", "crossload.port.judge_keras"], input=json.dumps(question), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    row = {"case": label + ", .keras loaded in a fresh process", "name": "0", "shape": [], "error": None}
    if done.returncode != 0:
        return {**row, "reason": (done.stderr.strip().splitlines() or ["it died"])[-1]}
    found = np.load(os.path.join(folder, "outputs.npy"))
    expected = expected_of(pt_model, inputs, {})[0].numpy()
    row["shape"] = list(expected.shape)
    if found.shape == expected.shape:
        row["error"] = distance(expected, found, inputs.get("attention_mask"))
    return row


def load(request):
    import keras
    import numpy as np

    module = imported(request["file"])
    model = keras.models.load_model(
        request["loaded"], custom_objects={request["class"]: getattr(module, request["class"])}
    )
    with np.load(os.path.join(request["folder"], "inputs.npz")) as inputs:
        outputs = model(dict(inputs))
    np.save(os.path.join(request["folder"], "outputs.npy"), first_of(outputs).numpy())


if __name__ == "__main__":
    question = json.load(sys.stdin)
    if "loaded" in question:
        load(question)
    else:
        answer(compare(question))
