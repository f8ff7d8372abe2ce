"""The requests `dump` and `reproduce`: one stage's tensors in a file, and a script that computes it in both."""

import json
from pathlib import Path

from ...errors import WorkerError
from .request import stage_of

MOST_LINES = 60  # of the script; operations that do not fit are an exported program beside it

SCRIPT = '''"""`{module}` ({class_of}) of {model} in PyTorch and in TensorFlow: {words}.

Needs PyTorch and TensorFlow, and the files beside it: values.npz, stage.pb{more}.
"""

import json
from pathlib import Path

import numpy
import tensorflow as tf
import torch

here = Path(__file__).parent
values = numpy.load(here / "values.npz")
fetches = json.loads("""{fetches}""")


def t(name):
    return torch.from_numpy(values[name])


def pytorch():
{code}


def tensorflow():
    graph = tf.compat.v1.GraphDef.FromString((here / "stage.pb").read_bytes())
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(graph, name="")
        feeds = {{name[5:]: values[name] for name in values.files if name.startswith("feed/")}}
        found = session.run({{name: fetch["tensor"] for name, fetch in fetches.items()}}, feeds)
    for name, fetch in fetches.items():
        if fetch["perm"]:
            found[name] = found[name].transpose(numpy.argsort(fetch["perm"]))
    return found


with torch.no_grad():
    ours = pytorch()
theirs = tensorflow()
for name in fetches:
    a, b = numpy.asarray(ours[name], numpy.float64), numpy.asarray(theirs[name], numpy.float64).reshape(ours[name].shape)
    print(f"{{name}} {{a.shape}}: max |pt - tf| {{numpy.abs(a - b).max():.3e}}")
'''


def dump(request, progress, session):
    """Write `out` (.npz): `input/<value>`, `weight/<name>`, `pytorch/<value>` and `tensorflow/<value>` of the stage."""
    return write_dump(request, stage_of(request, progress, session))


def write_dump(request, stage):
    import numpy

    values = values_of(stage)
    out = Path(request["out"])
    if out.suffix != ".npz":
        raise WorkerError("bad-input", f"{out}: is no name of an .npz file; give one that ends in .npz")
    out.parent.mkdir(parents=True, exist_ok=True)
    numpy.savez(out, **values)
    return {"file": str(out), "difference": stage.error}


def reproduce(request, progress, session):
    """Write into the folder `out`: reproduce.py, the files that it reads, and issue.md."""
    from safetensors import safe_open

    require_free(request)
    stage = stage_of(request, progress, session)
    with safe_open(request["values"], "pt") as file:
        feeds = {key: _array(file.get_tensor(key)) for key in file.keys() if key.startswith("feed/")}
    graph = (Path(request["values"]).parent / "stage.pb").read_bytes()
    return write_script(request, stage, graph, feeds, request["fetches"])


def require_free(request):
    out = Path(request["out"])
    if out.exists() and any(out.iterdir()):
        raise WorkerError("bad-input", f"{out}: is there and not empty; give another folder")


def write_script(request, stage, graph, feeds, fetches):
    """graph: TensorFlow's operations as a GraphDef; feeds: {`feed/<placeholder>`: array}; fetches: {value: {"tensor",
    "perm"}}."""
    import numpy

    out, values = Path(request["out"]), values_of(stage)
    out.mkdir(parents=True, exist_ok=True)
    program = stage.program.graph_module.graph
    nodes = [n for n in program.nodes if n.name in stage.inside]
    code = _inline(stage, nodes) if len(nodes) <= MOST_LINES else None
    more = ""
    if code is None or len(SCRIPT.splitlines()) - 1 + len(code.splitlines()) > MOST_LINES:
        more = ", stage.pt2"
        code = _exported(stage, nodes, out / "stage.pt2")
    words = f"max |pt - tf| {stage.error:.1e}, PyTorch's own float32 noise {stage.noise:.1e}"
    text = SCRIPT.format(
        module=request["module"] or "the model", class_of=request.get("class_of_module") or "module", words=words,
        model=Path(str(request.get("model") or "a model")).name, more=more, code=code,
        fetches=json.dumps(fetches).replace("\\", "\\\\"),
    )  # fmt: skip
    used = {k: v for k, v in values.items() if not k.startswith(("pytorch/", "tensorflow/"))}
    numpy.savez(out / "values.npz", **used, **feeds)
    (out / "stage.pb").write_bytes(graph)
    (out / "reproduce.py").write_text(text, encoding="utf-8")
    (out / "issue.md").write_text(_issue(request, stage, nodes, words), encoding="utf-8")
    return {"folder": str(out), "difference": stage.error, "lines": len(text.splitlines())}


def _array(tensor):
    import torch

    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).contiguous().numpy()


def values_of(stage):
    """A whole stage's arrays by name."""
    import torch

    values = {}
    for name in stage.names:
        for used in stage.node(name).all_input_nodes:
            if used.name in stage.inside:
                continue
            kind = "weight" if used.name in stage.weight_of else "input"
            value = stage.weight(used.name) if kind == "weight" else stage.value(used, wide=False)
            label = stage.weight_of.get(used.name, used.name)
            if isinstance(value, torch.Tensor):
                values[f"{kind}/{label}"] = _array(value)
    with torch.no_grad():
        for name, value in stage.run(wide=False).items():
            values[f"pytorch/{name}"] = _array(value)
    for name, value in stage.tf.items():
        values[f"tensorflow/{name}"] = _array(value)
    return values


def _inline(stage, nodes):
    """The stage's operations as Python, or None where one has an argument that cannot be written down."""
    import torch

    lines = []

    def text(value):
        if isinstance(value, torch.fx.Node):
            if value.name in stage.inside:
                return value.name
            if value.name in stage.weight_of:
                return f't("weight/{stage.weight_of[value.name]}")'
            known = stage.value(value, wide=False)
            return f't("input/{value.name}")' if isinstance(known, torch.Tensor) else repr(known)
        if isinstance(value, (list, tuple)):
            return "[" + ", ".join(text(v) for v in value) + "]"
        return f"torch.device('{value}')" if isinstance(value, torch.device) else repr(value)

    for node in nodes:
        if node.op != "call_function" or "_assert_" in str(node.target):
            if node.op == "get_attr":
                return None
            continue
        name = str(node.target)
        call = f"torch.ops.{name}" if name.startswith("aten.") else None
        if call is None:
            if node.target.__module__ != "_operator":
                return None
            call = f"torch._operator.{node.target.__name__}" if hasattr(torch, "_operator") else None
            call = f"__import__('operator').{node.target.__name__}"
        arguments = [text(a) for a in node.args] + [f"{k}={text(v)}" for k, v in node.kwargs.items()]
        lines.append(f"    {node.name} = {call}({', '.join(arguments)})")
    lines.append("    return {" + ", ".join(f'"{n}": {n}' for n in stage.tf) + "}")
    return "\n".join(lines)


def _exported(stage, nodes, path):
    """The stage's operations as an exported program at `path`; the code that runs it."""
    import torch

    inputs = {}

    class Part(torch.nn.Module):
        def forward(self, *given):
            found = dict(zip(inputs, given, strict=True))
            env = {}

            def look_up(node):
                if node.name in env:
                    return env[node.name]
                return found[node.name] if node.name in found else stage.value(node, wide=False)

            for node in nodes:
                if "_assert_" in str(node.target):
                    continue
                args, kwargs = (torch.fx.node.map_arg(part, look_up) for part in (node.args, node.kwargs))
                env[node.name] = stage._call(node, args, kwargs)
            return [env[name] for name in stage.tf]

    for node in nodes:
        for used in node.all_input_nodes:
            if used.name not in stage.inside and isinstance(stage.value(used, wide=False), torch.Tensor):
                label = stage.weight_of.get(used.name)
                inputs[used.name] = f"weight/{label}" if label else f"input/{used.name}"
    given = tuple(stage.value(_node(nodes, name), wide=False) for name in inputs)
    with torch.no_grad():
        torch.export.save(torch.export.export(Part(), given), path)
    names = ", ".join(f'"{label}"' for label in inputs.values())
    outputs = ", ".join(f'"{name}"' for name in stage.tf)
    return (
        f'    program = torch.export.load(here / "stage.pt2").module()\n'
        f"    found = program(*[t(name) for name in [{names}]])\n"
        f"    return dict(zip([{outputs}], found))"
    )


def _node(nodes, name):
    return next(used for node in nodes for used in node.all_input_nodes if used.name == name)


def _issue(request, stage, nodes, words):
    """A text for whoever maintains what computes otherwise."""
    versions = ", ".join(f"{k} {v}" for k, v in sorted((request.get("versions") or {}).items()) if isinstance(v, str))
    operations = list(
        dict.fromkeys(str(n.target) for n in nodes if n.op == "call_function" and "_assert_" not in str(n.target))
    )
    module = request["module"] or "the model"
    return f"""# `{request.get("class_of_module") or module}` gives other numbers in TensorFlow than in PyTorch

`{module}` of `{Path(str(request.get("model") or "a model")).name}`: {words}, with the same inputs and weights on both sides.

Operations: {", ".join(f"`{o}`" for o in operations)}.

To reproduce: unpack the folder and run `python reproduce.py`; it needs PyTorch and TensorFlow alone and prints the largest
difference of each output. Inputs and weights are in `values.npz`, TensorFlow's operations in `stage.pb`.

What is seen: {evidence(stage)}

Versions: {versions or "see the report"}.
"""


def evidence(stage):
    from .request import evidence_of

    return evidence_of(stage).removeprefix("no change that was tried explains it; ")
