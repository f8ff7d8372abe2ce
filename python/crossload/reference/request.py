"""The request `reference`: what PyTorch computes, for the verifier (see ../README.md for its files)."""

import contextlib
import functools
import time
from collections import Counter
from pathlib import Path

from ..errors import WorkerError, first_line
from ..inputs.cases import make_cases
from ..inputs.samples import from_metadata, read_npz
from ..model.flags import attention, flags_set
from ..model.loading import load
from ..model.state import state_kept
from ..model.wide import double_default, to_double, widened
from ..program.archive import SUFFIX, file_identity, open_program
from ..program.containers import name_caches
from ..program.guards import guards_of
from ..program.pytree_names import output_names as names_of_outputs
from ..program.signature import output_names, user_inputs
from ..session import require_torch
from ..trace.tensor_file import TensorFile
from .choices import imposed, is_choice
from .interpret import (
    Run,
    arguments,
    double_graph,
    product_in_sequence,
    shuffled_product,
)

SEED = 20
THOROUGH_ADDITIONS = 4_000_000_000  # of one product, in float32 runs that are asked for when others are not enough
SHUFFLED_RUNS = 10
MANY_WEIGHTS = 100_000_000  # from here on what only noise needs is computed where outputs are over the limit
# What PyTorch computes beside the run that decides and that of the program. "least": the float64 run of the traced case;
# "usual": that of every case, other kernels, eager attention; "more": sums in sequence; "most": sums in other orders.
EFFORTS = ("least", "usual", "more", "most")


def reference(request, progress, session):
    """Write reference values of the traced program into the folder `out`.

    `effort` (see EFFORTS) is "usual", for models of MANY_WEIGHTS "least", unless the request has one. With `earlier`,
    {label: {"file", "runs", "truth"}}, only those cases are computed, and of them only what they lack.
    Returns {"cases": [{"file","inputs","traced","label","runs","truth","skipped"}], "dropped": [{"inputs", "label",
    "reason"}], "stages", "effort", "seconds"}. A shape at which PyTorch's own eager model fails is listed with `file` null and the
    reason in `skipped`; one that breaks a guard of the program in `dropped`.
    """
    out = Path(request["out"])
    if not out.is_dir():
        raise WorkerError("bad-input", f"{out}: no such folder; create it first")
    start = time.time()
    traced = traced_model(request, progress, session)
    weights = traced.weight_count()
    effort = request.get("effort") or ("usual" if weights < MANY_WEIGHTS else "least")
    if effort not in EFFORTS:
        raise WorkerError("bad-input", f"request: `effort` is `{effort}`; one of {', '.join(EFFORTS)} is expected")
    earlier = request.get("earlier")
    cases, dropped = make_cases(traced.program, traced.sample, traced.text_limit(), traced.guards, weights)
    results = []
    for number, case in enumerate(cases):
        if earlier is not None and case.label not in earlier:
            continue
        progress("reference", f"running PyTorch at {case.label}", number / (len(cases) + 1))
        known = (earlier or {}).get(case.label)
        results.append(_write_case(traced, case, out / f"case_{number}.safetensors", effort, known))
        if request.get("choices") and results[-1]["file"]:
            results[-1]["choices"] = f"choices_{number}.safetensors"
            _write_stages(traced, case, out / results[-1]["choices"], only_choices=True)
    stages = None
    if request.get("stages"):
        progress("reference", "recording every value", len(cases) / (len(cases) + 1))
        stages = "stages.safetensors"
        _write_stages(traced, cases[0], out / stages)
    dropped = [
        {"inputs": d.inputs, "label": d.label, "reason": f"breaks the program's guard `{d.guard.strip()}`"}
        for d in dropped
    ]
    return {
        "cases": results,
        "dropped": dropped,
        "stages": stages,
        "effort": effort,
        "seconds": round(time.time() - start, 3),
    }


class TracedModel:
    """The program under reference, its weights and, unless only a `.pt2` is known, the eager model."""

    def __init__(self, program, state, sample, loaded=None, request=None, guards=()):
        self.program, self.state, self.sample, self.guards = program, state, sample, guards
        self.loaded, self.request = loaded, request or {}
        self.double = double_graph(program.graph_module)
        self.names = output_names(program)
        self.makes_choices = any(is_choice(n, n.meta.get("val")) for n in program.graph_module.graph.nodes)

    def weight_count(self):
        """How many numbers the weights are, tied ones once."""
        return sum({id(v): v.numel() for v in self.state.values() if hasattr(v, "numel")}.values())

    def text_limit(self):
        config = getattr(getattr(self.loaded, "model", None), "config", None)
        limits = [getattr(config, n, None) for n in ("max_position_embeddings", "n_positions")]
        return min([v for v in limits if isinstance(v, int) and v > 0], default=None)

    def eager(self, inputs, model=None, with_gradients=False):
        """{output name: tensor} of the PyTorch model itself."""
        import torch

        model = model or self.loaded.model
        specs = [s for s in self.program.graph_signature.input_specs if s.kind.name == "USER_INPUT"]
        leaves = [
            inputs[name].clone() if node is not None else getattr(spec.arg, "value", None)
            for spec, (name, node) in zip(specs, user_inputs(self.program), strict=True)
        ]
        in_spec = self.program.module_call_graph[0].signature.in_spec
        args, kwargs = torch.utils._pytree.tree_unflatten(leaves, in_spec)
        with torch.set_grad_enabled(with_gradients), state_kept(model), flags_set(model, self.request):
            torch.manual_seed(SEED)
            result = model(*args, **kwargs)
        leaves, spec = torch.utils._pytree.tree_flatten(result)
        if len(leaves) == len(self.names):
            return self.named(leaves)
        # Sizes that a cache keeps are outputs of a program, but mere numbers in the eager model's.
        found = dict(zip(names_of_outputs(spec), leaves, strict=True))
        if not set(found) < set(self.names):
            raise ValueError(f"{len(leaves)} outputs where the exported program has {len(self.names)}")
        return self.named([found.get(name) for name in self.names])

    def named(self, leaves):
        import torch

        return {n: v for n, v in zip(self.names, leaves, strict=True) if isinstance(v, torch.Tensor)}

    def run(self, inputs, double=False, product=None):
        """{output name: tensor} of the exported program, node by node (see interpret.Run). A run in float64 or with
        products of its own takes the discrete choices of the float32 run, so that they differ in rounding only."""
        import torch

        torch.manual_seed(SEED)
        module = self.double if double else self.program.graph_module
        run = Run(module, arguments(self.program, self.state, inputs), double, product)
        if (double or product) and self.makes_choices:
            values = _outputs_with_choices(run, Run(self.program.graph_module, run.given))
        else:
            values = run.outputs()
        return self.named(self.user_outputs(values))

    def user_outputs(self, values):
        """Those of the program's output values that are the model's."""
        specs = self.program.graph_signature.output_specs
        return [value for spec, value in zip(specs, values, strict=True) if spec.kind.name == "USER_OUTPUT"]


def traced_model(request, progress, session):
    model = request.get("model")
    if request.get("trace") is None:
        if not str(model).endswith(SUFFIX):
            raise WorkerError("bad-input", "request: `trace` is missing; trace the model first, or give a `.pt2` file")
        return _archived_model(model, request)
    folder = Path(request["trace"])
    loaded = load(request, session, progress)
    require_torch()
    if not (folder / "program.pt2").is_file():
        raise WorkerError("bad-input", f"{folder}: no `program.pt2`; trace the model first")
    if session.program_key != file_identity(folder / "program.pt2"):
        progress("reference", "loading the traced program", 0.0)
        name_caches(loaded.model)
        session.program = open_program(folder / "program.pt2")
        session.program_key = file_identity(folder / "program.pt2")
    from safetensors.torch import load_file

    sample = load_file(folder / "sample.safetensors")
    guards = guards_of(session.program, folder / "program.pt2")
    return TracedModel(session.program, loaded.model.state_dict(keep_vars=True), sample, loaded, request, guards)


def _archived_model(path, request):
    require_torch()
    program = open_program(path)
    given = read_npz(request["inputs"]) if request.get("inputs") else {}
    sample = from_metadata(program)
    unknown = [name for name in given if name not in sample]
    if unknown:
        raise WorkerError("bad-input", f"{request['inputs']}: has `{unknown[0]}`; the inputs are {', '.join(sample)}")
    return TracedModel(program, program.state_dict, {**sample, **given}, None, request, guards_of(program, path))


def _write_case(traced, case, path, effort, earlier=None):
    """The file of one case. earlier: {"file", "runs", "truth"} of the same case; what it has is left out.

    Outputs may be large, so each is written and let go before the next is computed.
    """
    entry = {
        "file": path.name, "inputs": {n: list(v.shape) for n, v in case.inputs.items()}, "traced": case.traced,
        "label": case.label, "runs": [], "truth": None, "skipped": None,
    }  # fmt: skip
    names = [f"input/{n}" for n in case.inputs] + [f"truth/{n}" for n in traced.names]
    names += [f"run/{k}/{n}" for k in range(6 + SHUFFLED_RUNS) for n in traced.names]
    try:
        with TensorFile(path, names) as file:
            if earlier is None:
                for name, value in case.inputs.items():
                    file.write(f"input/{name}", value)
                shapes = _write_first(traced, case, file, entry)
            else:
                shapes = _shapes_of_first(earlier["file"])
            done = Counter(earlier["runs"] if earlier else entry["runs"])
            for kind, attempt in _further_runs(traced, effort):
                if done[kind]:
                    done[kind] -= 1
                    continue
                with contextlib.suppress(Exception):
                    values = attempt(traced, case)
                    if values is not None and _shapes(values) == shapes:
                        _write_run(file, entry, kind, values)
                values = None
            if not (earlier or {}).get("truth") and (effort != "least" or case.traced):
                entry["truth"], values = _truth(traced, case)
                for name, value in values.items():
                    file.write(f"truth/{name}", value)
    except _FailsHere as failure:
        return {**entry, "file": None, "runs": [], "skipped": str(failure)}
    return entry


class _FailsHere(Exception):
    """A shape at which PyTorch gives nothing to compare with."""


def _write_first(traced, case, file, entry):
    """The run that decides, and that of the exported program, without which there is no conversion to compare; returns
    the shapes of the outputs."""
    import torch

    kinds = entry["runs"]
    of_program = None
    if traced.loaded:
        try:
            values = traced.run(case.inputs)
            of_program = _shapes(values)
            for name, value in values.items():
                file.write(f"run/1/{name}", value)
        except Exception as error:
            if not case.traced:
                raise _FailsHere(f"the exported program fails here: {first_line(error)}") from error
        values = None
    try:
        values = traced.eager(case.inputs) if traced.loaded else traced.run(case.inputs)
    except Exception as error:
        if case.traced:
            raise WorkerError(
                "bad-input",
                f"PyTorch: the model fails on its own sample ({first_line(error)}); give other --inputs",
            ) from error
        raise _FailsHere(f"PyTorch itself fails here: {first_line(error)}") from error
    shapes = _shapes(values)
    _write_run(file, entry, "eager model" if traced.loaded else "exported program", values)
    if of_program == shapes:
        kinds.append("exported program")
    else:
        for name in of_program or ():
            file.drop(f"run/1/{name}")
    torch.manual_seed(SEED)
    return shapes


def _write_run(file, entry, kind, values):
    for name, value in values.items():
        file.write(f"run/{len(entry['runs'])}/{name}", value)
    entry["runs"].append(kind)


def _shapes(values):
    return {name: list(value.shape) for name, value in values.items()}


def _shapes_of_first(path):
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith("run/0/")]
        return {name.removeprefix("run/0/"): list(file.get_slice(name).get_shape()) for name in names}


def _further_runs(traced, effort):
    """(kind, function of the model and a case) of the float32 runs beside the first; those that fail or differ in shape
    are left out. See EFFORTS."""
    found = []
    if traced.loaded and effort != "least":
        found.append(("eager attention", _eager_attention))
    if traced.loaded:
        found.append(("exported program", lambda s, c: s.run(c.inputs)))
    if effort != "least":
        found.append(("other kernels", _on_other_kernels))
    if effort in ("more", "most"):
        one_by_one = functools.partial(product_in_sequence, most_additions=THOROUGH_ADDITIONS)
        found.append(("sums in sequence", lambda s, c: s.run(c.inputs, product=one_by_one)))
    if effort == "most":
        for seed in range(SHUFFLED_RUNS):
            shuffled = functools.partial(shuffled_product, seed=seed)
            found.append(("sums in another order", lambda s, c, p=shuffled: s.run(c.inputs, product=p)))
    return found


def _eager_attention(traced, case):
    with attention(traced.loaded.model, "eager") as changed:
        return traced.eager(case.inputs) if changed else None


def _on_other_kernels(traced, case):
    with _other_kernels():
        return traced.eager(case.inputs) if traced.loaded else traced.run(case.inputs)


@contextlib.contextmanager
def _other_kernels():
    """PyTorch with another number of threads and without oneDNN, whose convolutions and products it then computes by
    other kernels."""
    import torch

    count = torch.get_num_threads()
    torch.set_num_threads(1 if count > 1 else 2)
    try:
        with torch.backends.mkldnn.flags(enabled=False):
            yield
    finally:
        torch.set_num_threads(count)


def _truth(traced, case):
    """("exported program" | "eager model" | None, outputs): the float64 run; None when neither can be computed."""
    import copy

    with contextlib.suppress(Exception):  # a program may not hold at every shape; the eager model is next
        return "exported program", traced.run(case.inputs, double=True)
    if not traced.loaded:
        return None, {}
    wide_inputs = {n: to_double(v) for n, v in case.inputs.items()}
    with contextlib.suppress(Exception), widened(traced.loaded.model) as model, double_default():
        return "eager model", traced.eager(wide_inputs, model)
    with contextlib.suppress(Exception), double_default():
        return "eager model", traced.eager(wide_inputs, copy.deepcopy(traced.loaded.model).double())
    return None, {}  # there is no truth here, which the result says


def _write_stages(traced, case, path, only_choices=False):
    """`value/<node>` of every tensor node and input; of the floating ones also `offset/<node>` and `noise/<node>`.
    only_choices: of operations that make discrete choices, of their operands, and of the program's outputs.

    offset: what is added to the value to make it that of the float64 run. noise: element by element the largest
    distance from the float64 run among float32 runs that differ in nothing but rounding (as PyTorch computes by
    default, with another number of threads and without oneDNN, and with the terms of matrix products added one after
    another), all of which take the first one's discrete choices. All runs advance together, so only live values are in
    memory.
    """
    import torch

    program = traced.program
    inputs = {spec.arg.name for spec in program.graph_signature.input_specs if spec.kind.name == "USER_INPUT"}
    torch.manual_seed(SEED)
    values = arguments(program, traced.state, case.inputs)
    # The time of all products together stays within bounds, too.
    share = min(1.0, MANY_WEIGHTS / max(1, traced.weight_count()))
    in_sequence = functools.partial(product_in_sequence, most_additions=int(200_000_000 * share))
    single, wide = Run(program.graph_module, values), Run(traced.double, values, double=True)
    others = [
        (Run(program.graph_module, values), True),
        (Run(program.graph_module, values, product=in_sequence), False),
    ]
    wanted = set(single.nodes) if not only_choices else _around_choices(program)
    names = [f"{kind}/{name}" for kind in ("value", "offset", "noise") for name in single.nodes if name in wanted]
    truth_holds = True
    with TensorFile(path, names) as file:
        for name, node in single.nodes.items():
            if node.op == "placeholder" and name not in inputs:
                continue
            state = torch.get_rng_state()
            value = single.step(node)
            exact = None
            if truth_holds and name in wide.nodes:
                torch.set_rng_state(state)
                try:
                    exact = _step_with_choices(wide, wide.nodes[name], value)
                except Exception:  # noqa: BLE001 (values without noise are still of use)
                    truth_holds = False
            runs = [value]
            for other, has_other_kernels in others if truth_holds else ():
                torch.set_rng_state(state)
                with _other_kernels() if has_other_kernels else contextlib.nullcontext():
                    runs.append(_step_with_choices(other, other.nodes[name], value))
            if (
                name not in wanted
                or node.op == "output"
                or not isinstance(value, torch.Tensor)
                or value.dtype == torch.complex128
            ):
                continue
            file.write(f"value/{name}", value)
            if isinstance(exact, torch.Tensor) and value.is_floating_point() and exact.shape == value.shape:
                distances = torch.stack([_distance(run, exact) for run in runs if run.shape == exact.shape])
                file.write(f"offset/{name}", (exact - value.to(torch.float64)).to(torch.float32))
                file.write(f"noise/{name}", distances.amax(0).to(torch.float32))


def _step_with_choices(run, node, chosen):
    """One step of a run; where the node chooses, the choice is that of `chosen`, the value of the first run."""
    scores = run.value_of(node.all_input_nodes[0]) if node.all_input_nodes else None
    value = run.step(node)
    if scores is None or not is_choice(node, chosen):
        return value
    value = imposed(node, chosen, scores)
    run.replace(node, value)
    return value


def _outputs_with_choices(run, first):
    """The output values of a run that takes the choices of the first."""
    import torch

    values = None
    for name, node in first.nodes.items():
        if node.op == "placeholder":
            continue
        state = torch.get_rng_state()
        chosen = first.step(node)
        if name in run.nodes:
            torch.set_rng_state(state)
            values = _step_with_choices(run, run.nodes[name], chosen)
    return list(values)


def _around_choices(program):
    """Names of nodes that may choose, of what they read, of the parts of their results, and of the program's outputs."""
    import torch

    found = set()
    for node in program.graph_module.graph.nodes:
        value = node.meta.get("val")
        if node.op == "output":
            found |= {n.name for n in node.all_input_nodes}
        elif is_choice(node, value):
            found |= {node.name, *(n.name for n in node.all_input_nodes if isinstance(n.meta.get("val"), torch.Tensor))}
            found |= {user.name for user in node.users if "getitem" in str(user.target)}
    return found


def _distance(value, exact):
    """|value - exact| in float64; 0 where both are NaN or the same infinity."""
    import torch

    same = (value == exact) | (value.isnan() & exact.isnan())
    return torch.where(same, 0.0, (value.to(torch.float64) - exact).abs())
