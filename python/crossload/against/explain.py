"""The request `against_explain`: which cause makes a layer that somebody wrote compute otherwise than its PyTorch module."""

import contextlib
import itertools

import numpy

from ..errors import WorkerError, first_line, last_lines
from ..model.flags import flags_set
from ..program.signature import user_inputs
from ..reference.counterfactuals.files import require_free, write_dump, write_script
from ..reference.counterfactuals.request import MAKERS, evidence_of
from ..reference.counterfactuals.search import explain as search
from ..reference.counterfactuals.stage import Stage
from ..reference.interpret import Run, arguments, double_graph
from .isolated import call_with, new_inputs
from .keras import set_flags
from .layers import without_activation
from .layout import MOST_AXES
from .leaves import leaves
from .pytorch import SEED, eager_attention
from .weights import in_pt_layout, own_variables, parameter_key, short_name


def against_explain(request, progress, session):
    """As `explain`, for a layer of `against_run`; after that in the same process.

    Fields: `module`, `call`, `layer` (id), `values` (`tf/<value>`, `visible/<value>`, named as the recorded values),
    `tries` [{"cause", "counterfactual", "operations"}], `pairs`.
    """
    progress("verify", f"looking for the cause in {request['module'] or 'the model'}", None)
    try:
        stage = stage_of(request, session)
    except Exception as error:  # noqa: BLE001 (torch.export refuses many modules; then nothing is tried)
        return {"confirmed": [], "evidence": f"PyTorch cannot export the module by itself ({first_line(error)})"}
    tries = []
    for one in request["tries"]:
        nodes = [name for name in stage.names if concerns(one["operations"], str(stage.node(name).target))]
        if nodes or not one["operations"]:
            tries.append({**one, "nodes": nodes})
    confirmed = search(stage, tries, MAKERS) if stage.error > stage.floor else []
    return {
        "confirmed": [{"cause": c, "evidence": e, "error": error, "node": node} for c, e, error, node in confirmed],
        "evidence": evidence_of(stage), "difference": stage.error, "noise": stage.noise,
    }  # fmt: skip


def against_dump(request, progress, session):
    """As `dump`, for a layer; fields of `against_explain`, and `out`."""
    return write_dump(request, stage_or_refusal(request, session))


def against_reproduce(request, progress, session):
    """As `reproduce`, for a layer; fields of `against_explain`, `leaves` {value: place in the layer's result}, `out`."""
    require_free(request)
    progress("verify", f"writing a script of {request['module'] or 'the model'}", None)
    stage = stage_or_refusal(request, session)
    opened, subject = session.opened, session.against
    call = opened.recording.calls[request["layer"]][request["call"]]
    twin = next(
        c for c in subject.calls if c["module"] == request["module"] and c["call"] == request["call"] and c["end"] >= 0
    )
    is_plain = twin["is_basic"] and call.plain is not None
    inputs = {path: subject.values[name].numpy() for path, name in twin["inputs"].items()}
    set_flags(opened, request)
    try:
        with without_activation(call.layer) if is_plain else contextlib.nullcontext():
            graph, feeds, found = layer_graph(call, inputs)
    finally:
        opened.restore()
    fetches = {}
    for recorded, node in stage.node_of_recorded.items():
        tensor, array = found[request["leaves"][recorded]]
        fetches[node] = {"tensor": tensor, "perm": order_of(array, stage.tf[node].numpy())}
    return write_script(request, stage, graph, feeds, fetches)


def stage_or_refusal(request, session):
    try:
        return stage_of(request, session)
    except Exception as error:
        raise WorkerError(
            "unsupported",
            f"{request['module'] or 'the model'}: PyTorch cannot export the module by itself ({first_line(error)}); "
            "name a module in it",
            last_lines(error),
        ) from error


def layer_graph(call, inputs):
    """(GraphDef as bytes, {`feed/<placeholder>`: array}, {path of the result: (tensor, array)}) of a layer's call with
    PyTorch's inputs; its weights are constants."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    new, reason = new_inputs(call, inputs)
    if new is None:
        raise WorkerError("bad-input", f"the layer cannot be called with PyTorch's inputs: {reason}")
    paths, places = list(new), []

    def function(*tensors):
        result = leaves(call_with(call, dict(zip(paths, tensors, strict=True))))
        places[:] = list(result)
        return list(result.values())

    specs = [tf.TensorSpec(value.shape, value.dtype, name=f"input_{i}") for i, value in enumerate(new.values())]
    traced = tf.function(function, autograph=False).get_concrete_function(*specs)
    frozen = convert_variables_to_constants_v2(traced)
    arrays = [numpy.asarray(value) for value in frozen(*(tf.constant(value) for value in new.values()))]
    feeds = {
        f"feed/{tensor.name}": numpy.asarray(value) for tensor, value in zip(frozen.inputs, new.values(), strict=True)
    }
    found = {path: (tensor.name, array) for path, tensor, array in zip(places, frozen.outputs, arrays, strict=True)}
    return frozen.graph.as_graph_def().SerializeToString(), feeds, found


def order_of(array, like):
    """The axes of PyTorch's value that those of TensorFlow's are; [] where row-major order is the same."""
    best = ([], numpy.abs(array.reshape(like.shape) - like).max(initial=0.0))
    if array.ndim == like.ndim and 2 <= array.ndim <= MOST_AXES:
        for perm in itertools.permutations(range(array.ndim)):
            back = array.transpose(numpy.argsort(perm))
            if back.shape != like.shape:
                continue
            distance = numpy.abs(back - like).max(initial=0.0)
            if distance < best[1]:
                best = (list(perm), distance)
    return best[0]


def concerns(operations, target):
    """Whether one of the beginnings of ATen names is that of a target: `aten.add` is no `aten.addmm`."""
    return not operations or any(
        target.startswith(name) and (target[len(name) :][:1] in ("", ".", "_") or target[len(name)].isdigit())
        for name in operations.split()
    )


def stage_of(request, session):
    """The module as a Stage: its own program, at the inputs that it had in the model."""
    from safetensors import safe_open

    subject, opened = session.against, session.opened
    model = subject.loaded.model
    args, kwargs = call_of(model, subject.cases[0].inputs, request)
    program = exported(model, request["module"], args, kwargs)
    found = {"tf": {}, "visible": {}}
    with safe_open(request["values"], "pt") as file:
        for key in file.keys():
            kind, _, name = key.partition("/")
            found[kind][name] = file.get_tensor(key)
    state = full_state(model)
    inputs = inputs_by_name(program, args, kwargs)
    values = values_of(program, state, inputs)
    tf, visible, node_of_recorded = {}, {}, {}
    for name, value in found["tf"].items():
        node = output_node(program, values, subject.values[name])
        if node is not None:
            tf[node] = value
            node_of_recorded[name] = node
            if name in found["visible"]:
                visible[node] = found["visible"][name]
    names = [n.name for n in program.graph.nodes if n.op not in ("placeholder", "output")]
    read = read_weights(request, opened, program, state)
    stage = Stage(program, double_graph(program.graph_module), state, inputs, names, values.get, tf, visible, read)
    stage.node_of_recorded = node_of_recorded
    return stage


def full_state(model):
    return dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers(remove_duplicate=False))


def call_of(model, inputs, request):
    """(args, kwargs) of one call of a module within the model."""
    import torch

    module, calls = model.get_submodule(request["module"]), []
    copied = lambda value: torch.utils._pytree.tree_map(  # noqa: E731
        lambda x: x.detach().clone() if isinstance(x, torch.Tensor) else x, value
    )
    handle = module.register_forward_pre_hook(
        lambda m, args, kwargs: calls.append((copied(args), copied(kwargs))), with_kwargs=True
    )
    try:
        with torch.no_grad(), eager_attention(model), flags_set(model, request):
            torch.manual_seed(SEED)
            model(**{name: value.clone() for name, value in inputs.items()})
    finally:
        handle.remove()
    return calls[request["call"]]


def exported(model, path, args, kwargs):
    """The module's program, whose weights have their names in the whole model."""
    import torch

    class Holder(torch.nn.Module):
        def forward(self, *args, **kwargs):
            return self.get_submodule(path)(*args, **kwargs) if path else self.whole(*args, **kwargs)

    holder = place = Holder()
    *above, last = path.split(".") if path else ["whole"]
    for part in above:
        place.add_module(part, torch.nn.Module())
        place = place.get_submodule(part)
    place.add_module(last, model.get_submodule(path))
    with torch.no_grad(), eager_attention(model):
        program = torch.export.export(holder.eval(), args, kwargs, strict=False)
    if not path:
        for spec in program.graph_signature.input_specs:
            if spec.target:
                spec.target = spec.target.removeprefix("whole.")
    return program


def inputs_by_name(program, args, kwargs):
    """{input name: tensor} of a call."""
    import torch

    leaves = torch.utils._pytree.tree_leaves((args, kwargs))
    return {name: leaf for (name, node), leaf in zip(user_inputs(program), leaves, strict=True) if node is not None}


def values_of(program, state, inputs):
    """{node: value} of the program, run in float32."""
    import torch

    run, values = Run(program.graph_module, arguments(program, state, inputs)), {}
    torch.manual_seed(SEED)
    for name, node in run.nodes.items():
        if node.op not in ("placeholder", "output"):
            value = run.step(node)
            values[name] = value.clone() if isinstance(value, torch.Tensor) else value
    return values


def output_node(program, values, recorded):
    """The node of the program's outputs whose value is the one that was recorded of the module; None where none is."""
    import torch

    names = [spec.arg.name for spec in program.graph_signature.output_specs if spec.kind.name == "USER_OUTPUT"
             and type(spec.arg).__name__ == "TensorArgument"]  # fmt: skip
    found = [
        (float((values[name].double() - recorded.double()).abs().nan_to_num(nan=0.0).max()), name)
        for name in names
        if isinstance(values.get(name), torch.Tensor) and values[name].shape == recorded.shape and recorded.numel()
    ]
    return min(found)[1] if found else None


def read_weights(request, opened, program, state):
    """{placeholder: tensor} of the program's weights as the Keras layers read them: in PyTorch's layout by the rule that
    kernels are transposed, whatever their values say."""
    import torch

    placeholders = {spec.target: spec.arg.name for spec in program.graph_signature.input_specs if spec.target}
    module_of = {pair["layer"]: pair["module"] for pair in request["pairs"]}
    found = {}
    for node in opened.nodes:
        module = module_of.get(node["id"])
        for variable in own_variables(node["layer"]) if module is not None else []:
            key, _ = parameter_key(state, module, variable)
            if key not in placeholders:
                continue
            array = in_pt_layout(numpy.asarray(variable), tuple(state[key].shape), short_name(variable))
            if array is not None:
                found[placeholders[key]] = torch.from_numpy(numpy.array(array))
    return found
