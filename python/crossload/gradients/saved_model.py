"""TensorFlow's gradients of a SavedModel, by tf.GradientTape. Needs no PyTorch."""

from ..errors import WorkerError, first_line, last_lines
from .scalar import read_coefficients, scalar_in_tensorflow


def gradients_saved_model(request, progress):
    """Write `gradient/<variable>` and `variable/<variable>` of the trainable variables into the file `out`.

    Fields: `saved_model`, `case` (inputs), `coefficients`, `out`. Returns {"variables": [name with a gradient],
    "without": [name], "failure": why there is none or null}. kind bad-input for a SavedModel without variables.
    """
    from ..against.environment import import_tensorflow

    import_tensorflow()
    import tensorflow as tf
    from safetensors.numpy import load_file

    inputs = {n.removeprefix("input/"): v for n, v in load_file(request["case"]).items() if n.startswith("input/")}
    loaded = tf.saved_model.load(request["saved_model"])
    variables = list(getattr(loaded, "trainable_variables", []))
    if not variables:
        raise WorkerError(
            "bad-input",
            f"{request['saved_model']}: has no variables that train; convert without --frozen to compare gradients",
        )
    function = loaded.signatures["int64_serving" if "int64_serving" in loaded.signatures else "serving_default"]
    specs = function.structured_input_signature[1]
    feed = {name: tf.cast(tf.constant(inputs[name]), spec.dtype) for name, spec in specs.items()}
    names = [variable.name.split(":")[0] for variable in variables]
    return write_tape(variables, names, lambda: function(**feed), request)


def write_tape(variables, names, outputs_of, request):
    """Differentiate by variables of these names, and write the file; see `gradients_saved_model`."""
    import tensorflow as tf
    from safetensors.numpy import save_file

    coefficients = read_coefficients(request["coefficients"])
    try:
        with tf.GradientTape() as tape:
            scalar = scalar_in_tensorflow(outputs_of(), coefficients)
        found = tape.gradient(scalar, variables)
    except Exception as error:  # noqa: BLE001 (whatever TensorFlow raises is a result: it has no gradients)
        lines = [first_line(error), *last_lines(error)[-2:]]
        return {"variables": [], "without": [], "failure": "; ".join(dict.fromkeys(lines))[:400]}
    tensors, there, without = {}, [], []
    for name, variable, gradient in zip(names, variables, found, strict=True):
        if gradient is None:
            without.append(name)
            continue
        there.append(name)
        tensors[f"gradient/{name}"] = tf.cast(tf.convert_to_tensor(gradient), tf.float32).numpy()
        tensors[f"variable/{name}"] = tf.cast(tf.convert_to_tensor(variable), tf.float32).numpy()
    save_file(tensors, request["out"])
    return {"variables": there, "without": without, "failure": None}
