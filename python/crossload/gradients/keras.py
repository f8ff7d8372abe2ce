"""The requests `gradients_against_pytorch` and `gradients_against_keras`: of a Keras model that somebody wrote and its
PyTorch model, which the worker holds already."""

from pathlib import Path

from ..against.keras import run, set_flags
from ..against.leaves import output_leaves
from ..against.noise import more_ways, ways
from ..against.pytorch import SEED, eager_attention
from ..against.weights import own_variables, parameter_key, short_name
from ..errors import WorkerError, first_line, last_lines
from ..model.flags import flags_set
from ..model.wide import double_default
from ..trace.tensor_file import TensorFile
from .pytorch import attempted, names_in_file, of_model, parameters_of, write_gradients
from .request import MORE_RUNS
from .saved_model import write_tape
from .scalar import read_coefficients


def gradients_against_pytorch(request, progress, session):
    """As `gradients_pytorch`, for the model of `against_pytorch`."""
    subject = session.against
    model, inputs = subject.loaded.model, subject.cases[0].inputs
    coefficients = read_coefficients(request["coefficients"])
    parameters = parameters_of(model.named_parameters(remove_duplicate=False))
    progress("reference", "gradients in PyTorch", 0.0)

    def compute(in_double=False):
        import torch

        def call(called):
            feed = {n: v.double() if in_double and v.is_floating_point() else v.clone() for n, v in inputs.items()}
            with flags_set(called, request):
                torch.manual_seed(SEED)
                return output_leaves(called(**feed))

        return of_model(model, call, coefficients, in_double)

    with eager_attention(model):
        try:
            found = compute()
        except Exception as error:
            seen = f"PyTorch computes no gradients ({first_line(error)})"
            raise WorkerError("bad-input", f"--gradients: {seen}; verify without", last_lines(error)) from error
        truth = None
        try:
            with double_default():
                truth = compute(in_double=True)
        except Exception:  # noqa: BLE001 (then noise is unknown, and excuses nothing)
            pass
        others = [*ways(), *(more_ways(MORE_RUNS) if request.get("thorough") else [])]
        attempts = [(kind, way, compute) for kind, way in others]
        with TensorFile(Path(request["out"]), names_in_file(parameters, 1 + len(others))) as file:
            kinds, without = write_gradients(file, parameters, attempted(("eager model", found), attempts), truth)
    return {
        "parameters": [{"name": n, "aliases": others, "frozen": not p.requires_grad} for n, others, p in parameters],
        "without": without,
        "runs": kinds,
    }


def gradients_against_keras(request, progress, session):
    """As `gradients_saved_model`, for the Keras model of `against_run`; after that in the same process.

    Field `pairs` as there. Returns `parameter_of` {variable: parameter} as well, of variables in paired layers.
    """
    opened, subject = session.opened, session.against
    progress("verify", "gradients in TensorFlow", 0.0)
    module_of = {pair["layer"]: pair["module"] for pair in request["pairs"]}
    state = dict(subject.loaded.model.named_parameters(remove_duplicate=False))
    variables, names, parameter_of = [], [], {}
    for node in opened.nodes:
        module = module_of.get(node["id"])
        for variable in own_variables(node["layer"]) if module is not None else []:
            key, scope = parameter_key(state, module, variable)
            if key is None or not variable.trainable or any(variable is other for other in variables):
                continue
            variables.append(variable)
            names.append(".".join([*filter(None, [node["path"]]), *scope, short_name(variable)]))
            parameter_of[names[-1]] = key
    # Keras 3 wraps TensorFlow's variables.
    of_tensorflow = [getattr(v, "_value", None) if hasattr(v, "_value") else v for v in variables]
    set_flags(opened, request)
    try:
        found = write_tape(
            of_tensorflow, names, lambda: output_leaves(run(opened.model, subject.cases[0].inputs)), request
        )
    finally:
        opened.restore()
    return {**found, "parameter_of": parameter_of}
