"""The requests `gradients_pytorch` and `gradients_tensorflow`, for a SavedModel and the model that it was made from; see
../README.md for the files."""

import json
import subprocess
import sys
from pathlib import Path

from ..against.noise import more_ways, ways
from ..errors import WorkerError, first_line, last_lines
from ..model.flags import attention
from ..model.wide import double_default, to_double
from ..reference.interpret import arguments
from ..reference.request import traced_model
from ..trace.tensor_file import TensorFile
from .pytorch import attempted, gradients, identity, names_in_file, of_model, parameters_of, write_gradients
from .scalar import read_coefficients

MORE_RUNS = 6


def gradients_pytorch(request, progress, session):
    """Write PyTorch's gradients at the inputs of `case` into the file `out`.

    Fields: those of `reference`, `case`, `coefficients` (files), `thorough` (more float32 runs), `out`. Returns
    {"parameters": [{"name", "aliases", "frozen"}], "without": [name], "runs": [kind]}.
    """
    from safetensors.torch import load_file

    traced = traced_model(request, progress, session)
    inputs = {n.removeprefix("input/"): v for n, v in load_file(request["case"]).items() if n.startswith("input/")}
    coefficients = read_coefficients(request["coefficients"])
    named = traced.loaded.model.named_parameters(remove_duplicate=False) if traced.loaded else traced.state.items()
    parameters = parameters_of(named)
    progress("reference", "gradients in PyTorch", 0.0)

    def eager():
        model = traced.loaded.model
        return of_model(model, lambda m: traced.eager(inputs, m, with_gradients=True), coefficients)

    def program(in_double=False):
        return of_program(traced, parameters, inputs, coefficients, in_double)

    first = ("eager model", eager) if traced.loaded else ("exported program", program)
    kind, compute = first
    others = [
        (name, way, compute) for name, way in [*ways(), *(more_ways(MORE_RUNS) if request.get("thorough") else [])]
    ]
    if traced.loaded:
        eager_attention = lambda: attention(traced.loaded.model, "eager")  # noqa: E731
        others += [("eager attention", eager_attention, eager)]
    try:
        found = compute()
    except Exception as error:
        seen = f"PyTorch computes no gradients ({first_line(error)})"
        raise WorkerError("bad-input", f"--gradients: {seen}; verify without", last_lines(error)) from error
    truth = in_float64(traced, inputs, coefficients, program)
    with TensorFile(Path(request["out"]), names_in_file(parameters, 1 + len(others))) as file:
        runs = attempted((kind, found), others)
        kinds, without = write_gradients(file, parameters, runs, truth)
    return {
        "parameters": [{"name": n, "aliases": others, "frozen": not p.requires_grad} for n, others, p in parameters],
        "without": without,
        "runs": kinds,
    }


def of_program(traced, parameters, inputs, coefficients, in_double=False):
    """The gradients of the exported program, which is run as it is or with every float in float64."""
    import torch

    values = arguments(traced.program, traced.state, inputs)
    leaves = {
        identity(p): (p.detach().double() if in_double else p.detach()).requires_grad_() for _, _, p in parameters
    }
    given = []
    for value in values.values():
        leaf = leaves.get(identity(value)) if isinstance(value, torch.nn.Parameter) else None
        if leaf is None and isinstance(value, torch.Tensor):
            leaf = to_double(value).clone() if in_double else value.detach().clone()
        given.append(value if leaf is None else leaf)
    module = traced.double if in_double else traced.program.graph_module

    def outputs():
        return traced.named(traced.user_outputs(torch.fx.Interpreter(module).run(*given)))

    if not in_double:
        return gradients(outputs, list(leaves.values()), coefficients)
    with double_default():
        return gradients(outputs, list(leaves.values()), coefficients)


def in_float64(traced, inputs, coefficients, program):
    """Of the exported program, else of the model itself; None where neither can be computed."""
    try:
        return program(in_double=True)
    except Exception:  # noqa: BLE001 (a program that writes into its weights' views, for one; the eager model is next)
        if not traced.loaded:
            return None
    try:
        wide = {name: to_double(value) for name, value in inputs.items()}
        call = lambda model: traced.eager(wide, model, with_gradients=True)  # noqa: E731
        with double_default():
            return of_model(traced.loaded.model, call, coefficients, in_double=True)
    except Exception:  # noqa: BLE001 (then noise is unknown, and excuses nothing)
        return None


def gradients_tensorflow(request, progress, session):
    """`gradients_saved_model` in a process of its own, where TensorFlow is imported apart from PyTorch."""
    progress("verify", "gradients in TensorFlow", 0.0)
    ask = {**{name: request[name] for name in ("saved_model", "case", "coefficients", "out")}}
    ran = subprocess.run(
        [sys.executable, "-m", "crossload.worker"],
        input=json.dumps({"do": "gradients_saved_model", **ask}) + "\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    events = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    last = events[-1] if events else {}
    if last.get("event") == "error":
        raise WorkerError(last["kind"], last["message"], last["details"])
    if last.get("event") != "done":
        raise WorkerError(
            "environment",
            f"--gradients: TensorFlow's process ended with {ran.returncode}; see the details",
            ran.stderr.splitlines()[-12:],
        )
    return {name: value for name, value in last.items() if name != "event"}
