"""From a model folder or Hub id to a PyTorch model in evaluation mode."""

import json
import time
from pathlib import Path

from ..errors import WorkerError, first_line, last_lines
from ..session import Loaded, require_transformers


def model_folder(request):
    """The local folder of the request's model; a Hub id is fetched first (see fetch.resolve)."""
    name = request.get("model")
    if not name:
        raise WorkerError("bad-input", "request: `model` is missing; give a model folder, a Hub id or a `.pt2` file")
    path = Path(name)
    if path.is_dir():
        return path
    if path.exists():
        raise WorkerError("bad-input", f"{name}: is a file; give a model folder, a Hub id or a `.pt2` file")
    looks_local = path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1
    if looks_local:
        raise WorkerError("bad-input", f"{name}: no such folder; give a model folder, a Hub id or a `.pt2` file")
    from ..hub.fetch import resolve

    return Path(resolve(request)["path"])


def read_config(folder):
    """config.json of a model folder as a dict."""
    path = folder / "config.json"
    if not path.is_file():
        raise WorkerError(
            "bad-input", f"{folder}: no `config.json`; give a folder in Hugging Face layout (config.json and weights)"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise WorkerError("bad-input", f"{path}: is not JSON ({error}); repair or download it again") from error
    if not isinstance(config, dict):
        raise WorkerError("bad-input", f"{path}: holds a {type(config).__name__}; expected a JSON object")
    return config


def load(request, session, progress=lambda *a, **k: None):
    """The request's model as `Loaded`, from the session when the same request loaded it before."""
    if session.module is not None:
        if session.loaded is None or session.loaded_key != id(session.module):
            module = unwrapped(session.module).eval()
            config = getattr(module, "config", None)
            session.loaded = Loaded(module, type(module).__name__, model_type=getattr(config, "model_type", None))
            session.loaded_key = id(session.module)
        return session.loaded
    key = tuple(request.get(k) for k in ("model", "class", "revision", "trust_remote_code", "dtype"))
    if session.loaded is not None and session.loaded_key == key:
        return session.loaded
    folder = model_folder(request)
    config = read_config(folder)
    progress("trace", "importing transformers", 0.0)
    start = time.time()
    transformers = require_transformers()
    session.seconds["import"] = round(time.time() - start, 3)
    start = time.time()
    progress("trace", "loading the model", 0.1)
    model_class, note = find_class(transformers, folder, config, request)
    session.loaded = _from_pretrained(model_class, folder, config, request, note)
    session.loaded_key = key
    session.seconds["load"] = round(time.time() - start, 3)
    return session.loaded


def unwrapped(module):
    """The module inside of `torch.compile` and of DataParallel, whose `forward(*args, **kwargs)` hides its inputs."""
    import torch

    while True:
        if isinstance(module, torch._dynamo.OptimizedModule):
            module = module._orig_mod
        elif isinstance(module, (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)):
            module = module.module
        else:
            return module


def _require_finite(model, folder, dtype):
    """Casting must not make a number infinite."""
    import torch

    broken = [name for name, value in model.named_parameters() if not bool(torch.isfinite(value).all())]
    if broken:
        raise WorkerError(
            "bad-input",
            f"{folder}: {len(broken)} tensors hold infinite numbers as {dtype}, such as `{broken[0]}`; give another "
            "--dtype, bfloat16 holds as large numbers as float32",
            broken,
        )


def find_class(transformers, folder, config, request):
    """The model class to load, and a note when it had to be guessed.

    `class` of the request is looked up in Transformers, then in the folder's own code when that is trusted; without
    one, the config's first architecture; else AutoModel.
    """
    trusted = bool(request.get("trust_remote_code"))
    remote = config.get("auto_map") or {}
    model_type = config.get("model_type")
    known = transformers.models.auto.configuration_auto.CONFIG_MAPPING
    remote_config = trusted and "AutoConfig" in remote
    if not remote_config and (not isinstance(model_type, str) or model_type not in known):
        what = "has no `model_type`" if model_type is None else f"model_type is `{model_type}`"
        advice = "pass --trust-remote-code if you trust the model's own code" if remote else "check the config"
        if model_type is None and not config.get("architectures"):
            advice += (
                "; where a class of your own saved it (PyTorchModelHubMixin), load it in Python and pass the module: "
                "crossload.convert(module, out, inputs)"
            )
        raise WorkerError(
            "bad-input",
            f"{folder / 'config.json'}: {what}, which Transformers {transformers.__version__} does not know; {advice}",
        )
    asked = request.get("class")
    if asked:
        found = _class_named(transformers, asked) or (trusted and _remote_class(folder, remote, asked, request))
        if not found:
            raise WorkerError(
                "bad-input",
                f"--class: `{asked}` is not a model class of Transformers {transformers.__version__}; "
                f"the config names {config.get('architectures') or 'none'}",
            )
        return found, None
    architectures = config.get("architectures") or []
    if architectures:
        found = None
        if remote_config:
            found = _remote_class(folder, remote, architectures[0], request)
        found = found or _class_named(transformers, architectures[0])
        if found:
            return found, None
        note = f"architectures[0] is `{architectures[0]}`, which Transformers does not have; AutoModel is used"
    else:
        note = "the config names no architecture; AutoModel is used"
    return transformers.AutoModel, note


def _class_named(transformers, name):
    """A model or auto-model class of Transformers by its public name, or None."""
    from transformers.models.auto.auto_factory import _BaseAutoModelClass

    found = None if name.startswith("_") else getattr(transformers, name, None)
    bases = (transformers.PreTrainedModel, _BaseAutoModelClass)
    return found if isinstance(found, type) and issubclass(found, bases) else None


def _remote_class(folder, auto_map, name, request):
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    for entry in auto_map.values():
        for reference in entry if isinstance(entry, list) else [entry]:
            if reference and reference.split(".")[-1] == name:
                return get_class_from_dynamic_module(reference, str(folder), token=request.get("token"))
    return None


def _sizes_differ(folder, class_name, config, mismatched):
    """The error for tensors whose sizes are not those of the class: [(name, size in the file, size in the model)]."""
    name, stored, built = mismatched[0]
    seen = f"{len(mismatched)} tensors do not fit `{class_name}`, `{name}` is {list(stored)} and not {list(built)}"
    sizes = [(a, b) for a, b in zip(stored, built, strict=False) if a != b]
    keys = [key for key, value in sorted(config.items()) if sizes and type(value) is int and value == sizes[0][1]]
    keys = [key for key in keys if not key.endswith("_id")]
    hint = f" (`{keys[0]}`)" if len(keys) == 1 else ""
    return WorkerError(
        "bad-input",
        f"{folder}: {seen}; correct config.json{hint} or the weights",
        [f"{key}: file {list(a)}, model {list(b)}" for key, a, b in mismatched],
    )


def _from_pretrained(model_class, folder, config, request, note):
    import torch

    try:
        model, info = model_class.from_pretrained(
            str(folder),
            dtype=getattr(torch, request["dtype"]) if request.get("dtype") else "auto",
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are reported below, all at once
            trust_remote_code=bool(request.get("trust_remote_code")),
            local_files_only=True,
        )
    except ImportError as error:
        raise WorkerError("environment", f"{folder}: {first_line(error)}; install it", last_lines(error)) from error
    except Exception as error:
        raise WorkerError(
            "bad-input",
            f"{folder}: Transformers cannot load it as `{model_class.__name__}` ({first_line(error)}); "
            "check the config and the weight files",
            last_lines(error),
        ) from error
    mismatched = info.get("mismatched_keys") or []
    if mismatched:
        raise _sizes_differ(folder, type(model).__name__, config, sorted(mismatched))
    if request.get("dtype"):
        _require_finite(model, folder, request["dtype"])
    return Loaded(
        model.eval(),
        type(model).__name__,
        str(folder),
        getattr(model.config, "model_type", config.get("model_type")),
        note,
        sorted(info["missing_keys"]),
        sorted(info["unexpected_keys"]),
    )
