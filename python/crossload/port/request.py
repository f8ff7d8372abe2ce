"""`port_source`: a PyTorch modeling file of the installed Transformers as a tree, with the types of its expressions."""

import ast
import importlib
import inspect
import os

from ..errors import WorkerError, first_line
from .heads import head_facts, head_names
from .keras_home import support_of
from .observe import Observation, run_head, run_probes
from .source import Reader


def port_source(request, progress):
    """The file of the model's base class; see python/crossload/README.md."""
    progress("read", "reading the source of the PyTorch classes", None)
    for library in ("USE_TF", "USE_JAX", "USE_FLAX"):
        os.environ.setdefault(library, "0")
    import transformers
    from transformers import AutoConfig
    from transformers.models.auto import modeling_auto

    try:
        config = AutoConfig.from_pretrained(request["model"], local_files_only=True)
    except Exception as error:
        raise WorkerError(
            "bad-input", f"{request['model']}: {first_line(error)}; give a folder with config.json"
        ) from error
    model_type = config.model_type
    base = modeling_auto.MODEL_MAPPING_NAMES.get(model_type)
    if base is None:
        raise WorkerError(
            "unsupported", f"{model_type}: AutoModel of Transformers {transformers.__version__} has no class for it"
        )
    base = base[0] if isinstance(base, (list, tuple)) else base
    cls = getattr(transformers, base)
    module = importlib.import_module(cls.__module__)
    with open(module.__file__, encoding="utf-8") as file:
        text = file.read()
    reader = Reader(text)
    tree = reader.read()
    try:
        observed = Observation(reader, module)
        ran, failures = run_probes(observed, base, config, progress)
    except Exception as error:
        raise WorkerError(
            "unsupported", f"{module.__file__}: cannot be run under probes: {first_line(error)}"
        ) from error
    if ran == 0:
        raise WorkerError(
            "unsupported",
            f"{base}: no probe ran; the first one failed with {failures[0]}",
            list(dict.fromkeys(failures)),
        )
    heads, left_out = [], []
    for name in head_names(module, base, transformers):
        head_ran, head_failures, model = run_head(observed, name, config, progress)
        if head_ran:
            heads.append(head_facts(name, model))
        else:
            left_out.append(f"{name}: no probe ran: {first_line(Exception(head_failures[0]))}")
    outputs = tf_outputs(module)
    wanted = wanted_class(request, config, [base] + [head["name"] for head in heads], module)
    fill(tree, observed)
    return {
        "tree": tree,
        "file": os.path.basename(module.__file__),
        "path": module.__file__,
        "package": module.__package__,
        "model_type": model_type,
        "base": base,
        "wanted": wanted,
        "required": request.get("class") or "",
        "heads": heads,
        "left_out": left_out,
        "prefix": cls.base_model_prefix,
        "config_class": type(config).__name__,
        "main_input": cls.main_input_name,
        "has_two_sizes": has_two_sizes(config),
        "has_any_size": hasattr(config, "num_channels") and not hasattr(config, "image_size"),
        "probes": ran,
        "failed_probes": failures,
        "tied": list(getattr(cls, "_tied_weights_keys", None) or []),
        "tf_outputs": outputs,
        "home": request.get("home") or "transformers",
        "support": support_of(config, outputs) if request.get("home") == "keras" else [],
        "lines": len(text.splitlines()),
        "version": transformers.__version__,
    }


def wanted_class(request, config, known, module):
    """The class that the caller means: the named one, else the first of the configuration that the file has."""
    named = request.get("class")
    if named and named not in known:
        is_there = hasattr(module, named)
        reason = "is no task class that can be ported yet" if is_there else "is not in the file"
        raise WorkerError(
            "unsupported" if is_there else "bad-input", f"{named}: {reason}; there are {', '.join(known)}"
        )
    return named or next((name for name in config.architectures or [] if name in known), known[0])


def has_two_sizes(config):
    """Whether pictures have a height and a width of their own, which Transformers' own signature does not know."""
    parameter = inspect.signature(type(config).__init__).parameters.get("image_size")
    sizes = getattr(config, "image_size", None), getattr(parameter, "default", None)
    return hasattr(config, "num_channels") and any(isinstance(size, (list, tuple)) for size in sizes)


def tf_outputs(module):
    """Output classes that the file imports: whether TensorFlow has a twin, else the tree of its own definition."""
    import transformers
    from transformers import modeling_outputs

    # Read, not imported: TensorFlow is of no use here.
    with open(os.path.join(os.path.dirname(transformers.__file__), "modeling_tf_outputs.py"), encoding="utf-8") as file:
        twins = {c.name: c for c in ast.parse(file.read()).body if isinstance(c, ast.ClassDef)}
    found = {}
    for name, value in vars(module).items():
        if getattr(value, "__module__", "") != modeling_outputs.__name__:
            continue
        if twin := twins.get("TF" + name):
            fields = [f.target.id for f in twin.body if isinstance(f, ast.AnnAssign)]
            found[name] = {"exists": True, "fields": fields}
        else:
            found[name] = {"exists": False, "tree": Reader(inspect.getsource(value)).read()}
    return found


def fill(tree, observed):
    """Write the observed types and the blocks that were reached into the tree."""
    types = observed.types

    def walk(made):
        if made["k"] == "Block":
            made["reached"] = id(made) in observed.reached
        number = made.pop("id", None)
        if number in types:
            made["types"] = sorted(types[number])
        for child in made["c"]:
            walk(child)

    walk(tree)
