"""From a PyTorch model to an exported program, stored without its weights."""

import contextlib
import functools
import math
import os
import shutil
import signal
import threading
import time

from ..errors import WorkerError, first_line, last_lines
from ..model.flags import flags_set, is_transformers_model, output_flags
from ..model.state import state_kept
from ..program.containers import (
    name_caches,
    name_containers,
    name_dataclasses,
    name_return_types,
    unknown_container,
)
from .recurrent import any_length

_UNKNOWN_CONTAINER = "which is not a known type"  # of torch.export's message
DYNAMIC_SECONDS = 300  # nested windows give expressions of sizes that SymPy never finishes simplifying


def export_to(path, loaded, inputs, request, progress=lambda *a, **k: None):
    """Export a model into the archive `path`, without its weights (see `save`).

    inputs: dict of keyword inputs, or a tuple of positional ones (plain modules only). With the request's `dynamic`,
    every axis is dynamic that PyTorch allows to be; where it cannot export or save the model so, or not in
    DYNAMIC_SECONDS, only the first axis of each input; where that fails too, none. Operations of the request's
    `decompose` are decomposed.
    Returns (ExportedProgram, static_reason, decomposed, seconds of saving); static_reason is None unless axes had to be
    fixed.
    """
    reason = None
    if request.get("dynamic", True):
        kept, reason = _keep_dynamic(path, loaded, inputs, request, "all", progress)
        if kept:
            program, decomposed, saving = kept
            return program, None, decomposed, saving
        progress("trace", "exporting again with fewer dynamic axes", None)
    try:
        static = _export(loaded, inputs, request, "none")  # a model that cannot be exported at all is found out early
    except Exception as error:
        more = [f"with dynamic axes: {reason}"] if reason else []
        raise _cannot_export(loaded, error, inputs, request, more) from error
    kept = _keep_dynamic(path, loaded, inputs, request, "first", progress)[0] if reason else None
    program, decomposed, saving = kept or keep(static, path, request, progress)
    return program, reason, decomposed, saving


def _keep_dynamic(path, loaded, inputs, request, axes, progress):
    """(what `keep` returns, None) with "all" axes dynamic or the "first", or (None, why PyTorch cannot)."""
    try:
        return keep(_export(loaded, inputs, request, axes), path, request, progress), None
    except WorkerError as error:
        if error.kind != "unsupported":  # such as a full disk, which fewer axes do not help
            raise
        return None, error.message
    except (Exception, TimeIsUp) as error:  # noqa: BLE001 (PyTorch raises anything)
        return None, f"{first_line(error)}{_where(loaded, error)}"


def _export(loaded, inputs, request, axes):
    """The program with those axes dynamic ("all", "first" or "none"), within the time that dynamic ones get."""
    with _at_most(DYNAMIC_SECONDS if axes != "none" else None):
        export = functools.partial(_export_once, loaded, inputs, request, axes)
        try:
            return export_faithfully(loaded, export, request, isinstance(inputs, dict))
        except Exception as error:
            if _UNKNOWN_CONTAINER not in str(error) or not name_dataclasses(eager_outputs(loaded, inputs, request)):
                raise
        return export_faithfully(loaded, export, request, isinstance(inputs, dict))


class TimeIsUp(BaseException):
    """Raised in the middle of an export. A BaseException, so that no handler in PyTorch or SymPy catches it."""


@contextlib.contextmanager
def _at_most(seconds):
    """Raises TimeIsUp in the block once it has run for so many seconds. Without effect outside the main thread, the
    only one that signals reach."""
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_):
        raise TimeIsUp(f"not done in {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def keep(program, path, request, progress=lambda *a, **k: None):
    """Decompose the operations of the request's `decompose` and save the program (see `save`).

    Returns (program as saved, decomposed, seconds of saving).
    """
    if request.get("decompose"):
        progress("trace", f"decomposing {len(request['decompose'])} operations", 0.7)
        try:
            program = decompose(program, request["decompose"])
        except Exception as error:
            raise WorkerError(
                "unsupported",
                f"{', '.join(request['decompose'])}: PyTorch cannot take the operations apart ({first_line(error)}); see "
                "the details, and report it to PyTorch with them",
                last_lines(error),
            ) from error
    progress("trace", "saving the program", 0.8)
    start = time.time()
    program, decomposed = save(program, path)
    return program, decomposed, time.time() - start


def export_faithfully(loaded, export, request, by_transformers=True):
    """The program that `export()` returns; where Transformers' exporter replaces parts of the model's own code, make
    sure that the program computes what the model does, and export without those replacements where it does not or where
    that fails."""
    replaced = _replaced_code(loaded.model) if by_transformers else []
    program = failure = None
    try:
        program = export()
    except Exception as error:
        if not replaced:
            raise
        failure = error
    if not replaced or (program is not None and _computes_the_same(loaded, program, request)):
        return program
    try:
        with _without_replacements(replaced):
            other = export()
        if program is None or _computes_the_same(loaded, other, request):
            return other
    except Exception:  # noqa: BLE001 (the first attempt's failure is reported, or its program compared later)
        pass
    if failure is not None:
        raise failure
    return program


def _replaced_code(model):
    """Entries of the exporter's registry that replace methods of classes of this model."""
    if not is_transformers_model(model):
        return []
    from transformers.exporters import (
        exporter_dynamo,  # noqa: F401 (fills the registry)
        utils,
    )

    classes = {f"{type(m).__module__}.{type(m).__qualname__}" for m in model.modules()}
    return [entry for entry in utils._PATCHES.get("dynamo", []) if entry[0] in classes]


@contextlib.contextmanager
def _without_replacements(entries):
    from transformers.exporters import utils

    before = utils._PATCHES["dynamo"]
    utils._PATCHES["dynamo"] = [entry for entry in before if entry not in entries]
    try:
        yield
    finally:
        utils._PATCHES["dynamo"] = before


def _computes_the_same(loaded, program, request):
    """Whether a program gives the model's outputs at its own sample inputs, but for rounding."""
    import torch

    args, kwargs = program.example_inputs
    copied = torch.utils._pytree.tree_map(lambda v: v.clone() if isinstance(v, torch.Tensor) else v, (args, kwargs))
    try:
        with torch.no_grad(), state_kept(loaded.model), flags_set(loaded.model, request):
            torch.manual_seed(0)
            expected = torch.utils._pytree.tree_leaves(loaded.model(*copied[0], **copied[1]))
            torch.manual_seed(0)
            found = torch.utils._pytree.tree_leaves(program.module()(*args, **kwargs))
    except Exception:  # noqa: BLE001 (what cannot be compared is compared later, by the verifier)
        return True
    for a, b in zip(expected, found, strict=False):
        if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) and a.is_floating_point() and a.shape == b.shape:
            if a.numel() and bool((a - b).abs().max() > 1e-2 * (1 + a.abs().max())):
                return False
    return True


def _export_once(loaded, inputs, request, axes):
    """One attempt. axes: "all", "first" or "none" are dynamic; "all" means the request's `dynamic_shapes` if given."""
    import torch

    model, shapes = loaded.model, None
    by_transformers = is_transformers_model(model) and isinstance(inputs, dict)
    args, kwargs = (inputs, {}) if isinstance(inputs, tuple) else ((), dict(inputs))
    if axes == "all":
        shapes = request.get("dynamic_shapes")
    if by_transformers:
        from transformers.exporters.exporter_dynamo import DynamoConfig, DynamoExporter, get_auto_dynamic_shapes

        fixed = request.get("fixed_axes")
        if axes == "first" or (axes == "all" and shapes is None and fixed):
            shapes = _without(get_auto_dynamic_shapes(kwargs), fixed)
        shapes = _first_axes(shapes) if axes == "first" else shapes
        with state_kept(model), flags_set(model, request), any_length():
            result = DynamoExporter().export_program(
                model,
                {**inputs, **output_flags(request)},
                DynamoConfig(dynamic=axes != "none", dynamic_shapes=shapes),
            )
        return result[0] if isinstance(result, tuple) else result
    name_caches(model)
    if axes != "none" and shapes is None:
        shapes = torch.utils._pytree.tree_map(_auto_axes, kwargs or _by_parameter(model, args))
        shapes = _without(shapes, request.get("fixed_axes"))
        shapes = _first_axes(shapes) if axes == "first" else shapes
    with torch.no_grad(), state_kept(model), any_length():
        _spell_out_keywords(model, kwargs)
        return torch.export.export(model, args, kwargs, dynamic_shapes=shapes, strict=False)


def _by_parameter(model, args):
    """{parameter of forward: value}, with what `*args` takes as a tuple: how torch.export wants dynamic shapes."""
    import inspect

    try:
        return dict(inspect.signature(model.forward).bind(*args).arguments)
    except (TypeError, ValueError):
        return args


def _spell_out_keywords(model, kwargs):
    """Give `forward(x, **options)` a signature that names the keywords, since torch.export takes no dynamic shapes for
    `**` arguments. The caller restores the module's own `forward`."""
    import functools
    import inspect

    try:
        signature = inspect.signature(model.forward)
    except (TypeError, ValueError):
        return
    kinds = inspect.Parameter
    named = [p for p in signature.parameters.values() if p.kind != kinds.VAR_KEYWORD]
    if len(named) == len(signature.parameters):
        return
    named += [kinds(name, kinds.KEYWORD_ONLY) for name in kwargs if name not in signature.parameters]
    own = model.forward

    @functools.wraps(own)
    def forward(*args, **kwargs):
        return own(*args, **kwargs)

    forward.__signature__ = signature.replace(parameters=named)
    model.forward = forward


def _auto_axes(value):
    import torch

    return dict.fromkeys(range(value.dim()), torch.export.Dim.AUTO) if isinstance(value, torch.Tensor) else None


def _without(shapes, fixed, name=""):
    """Of dynamic shapes as torch.export takes them, nested like the inputs, all axes but those of `fixed`, each as
    `input/axis`."""
    if not fixed:
        return shapes
    if isinstance(shapes, dict) and all(isinstance(key, int) for key in shapes):
        return {axis: dim for axis, dim in shapes.items() if f"{name}/{axis}" not in fixed}
    named = shapes.items() if isinstance(shapes, dict) else enumerate(shapes) if shapes is not None else ()
    inner = {key: _without(value, fixed, f"{name}.{key}" if name else str(key)) for key, value in named}
    if isinstance(shapes, dict):
        return inner
    return type(shapes)(inner.values()) if isinstance(shapes, (list, tuple)) else shapes


def _first_axes(shapes):
    """Dynamic shapes in torch.export's form (nested like the inputs), reduced to the first axis of each tensor."""
    if isinstance(shapes, dict) and all(isinstance(key, int) for key in shapes):
        return {axis: dim for axis, dim in shapes.items() if axis == 0}
    if isinstance(shapes, dict):
        return {name: _first_axes(value) for name, value in shapes.items()}
    return type(shapes)(_first_axes(v) for v in shapes) if isinstance(shapes, (list, tuple)) else shapes


def _cannot_export(loaded, error, inputs, request, more=()):
    outputs, failure = None, None
    try:
        outputs = eager_outputs(loaded, inputs, request)
    except Exception as raised:  # noqa: BLE001 (any exception of a model is what is asked for)
        failure = raised
    if failure is not None:
        return WorkerError(
            "bad-input",
            f"{loaded.class_name}{_where(loaded, failure)}: the model itself fails on the sample inputs "
            f"({first_line(failure)}); give others with --inputs FILE.npz",
            [*(f"{name}: {_shape(v)}" for name, v in _named(inputs)), *last_lines(failure)],
        )
    where = f"{loaded.class_name}{_where(loaded, error)}"
    kind = unknown_container(outputs) if _UNKNOWN_CONTAINER in str(error) else None
    if kind is not None:
        return WorkerError(
            "unsupported",
            f"{where}: the model returns a `{kind.__module__}.{kind.__qualname__}`, which PyTorch's export does not take apart; "
            "return tensors in a tuple, list, dict, namedtuple or dataclass, or register the class with "
            "torch.utils._pytree.register_pytree_node",
            last_lines(error),
        )
    return WorkerError(
        "unsupported",
        f"{where}: PyTorch cannot export the model ({first_line(error)}); see the details, and report it to PyTorch "
        "or Transformers with them",
        [*more, *last_lines(error)],
    )


def eager_outputs(loaded, inputs, request):
    """What the model itself gives for the inputs, always with the same random numbers; its state stays as it is."""
    import torch

    args, kwargs = (inputs, {}) if isinstance(inputs, tuple) else ((), dict(inputs))
    with torch.no_grad(), state_kept(loaded.model), flags_set(loaded.model, request):
        torch.manual_seed(0)
        return loaded.model(*args, **kwargs)


def _named(inputs):
    return enumerate(inputs) if isinstance(inputs, tuple) else inputs.items()


def _shape(value):
    return f"{list(value.shape)} {value.dtype}" if hasattr(value, "shape") else type(value).__name__


def _where(loaded, error):
    """` (modeling_x.py:123)`: the innermost line of the model's own source in the exception's traceback, or ''."""
    import sys
    import traceback

    files = {getattr(sys.modules.get(type(module).__module__), "__file__", None) for module in loaded.model.modules()}
    own = [f for f in files if f and "/torch/" not in f]
    found = None
    while error is not None:
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename in own:
                found = f" ({os.path.basename(frame.filename)}:{frame.lineno})"
        error = error.__cause__
    return found or ""


def decompose(program, targets):
    """The program with the named operations (`aten.mse_loss.default`) decomposed as PyTorch defines them, and without
    in-place operations and what `vmap` leaves behind. Other operations stay, as do those that cannot be decomposed."""
    import torch

    known = torch.export.default_decompositions()
    table = {}
    for target in targets:
        owner = torch.ops
        for part in target.split("."):
            owner = getattr(owner, part, None)
        if owner in known:
            table[owner] = known[owner]
    with any_length():
        return program.run_decompositions(table)


def save(program, path):
    """Write the program as a `.pt2` archive without its weights; returns (program as saved, decomposed).

    Parameters are stored as zeros of the true shape that share one element a dtype, so the archive holds their
    shapes and dtypes but not their values. Persistent buffers, other buffers and constants keep their values.
    A program that torch cannot serialise is decomposed into core operations first.
    """
    try:
        _save_light(program, path)
        return program, False
    except Exception as error:
        if "inline_container" in str(error):  # PyTorch's archive writer, when a write came up short
            raise WorkerError(
                "environment",
                f"{path.parent}: the program cannot be written there, {shutil.disk_usage(path.parent).free} bytes are free; "
                "make space, or set CROSSLOAD_CACHE",
                [first_line(error)],
            ) from error
        first = error
    try:
        decomposed = program.run_decompositions({})
        _save_light(decomposed, path)
    except Exception as error:
        raise WorkerError(
            "unsupported",
            f"{path}: PyTorch cannot save the exported program ({first_line(first)}); report it to PyTorch",
            [*last_lines(first), *last_lines(error)],
        ) from error
    return decomposed, True


def _save_light(program, path):
    import torch

    signature = program.module_call_graph[0].signature
    if signature is not None:
        name_containers(signature.in_spec, signature.out_spec)
    name_return_types()
    state = program._state_dict
    real = dict(state)
    one = {}
    symbolic = _symbolic_operations()
    # PyTorch reads them as well as the others; only its writer does not list them.
    left_out = {math.ceil, math.floor} - symbolic
    symbolic |= left_out
    try:
        for name, value in program.constants.items():
            if isinstance(value, torch.Tensor) and (
                not value.numel() or value.untyped_storage().nbytes() > value.nbytes
            ):
                # A view of a larger tensor would be written with all of it; an empty one may read beyond its memory.
                program.constants[name] = torch.empty(value.shape, dtype=value.dtype).copy_(value)
        for name in program.graph_signature.inputs_to_parameters.values():
            value = real[name]
            if not value.numel():  # PyTorch mistakes an empty tensor that shares memory for the end of the other one
                state[name] = torch.nn.Parameter(torch.empty_like(value), requires_grad=False)
                continue
            zero = one.setdefault(value.dtype, torch.zeros((), dtype=value.dtype))
            state[name] = torch.nn.Parameter(zero.expand(value.shape), requires_grad=False)
        torch.export.save(program, str(path))
    finally:
        state.update(real)
        symbolic -= left_out


def _symbolic_operations():
    """The set of operations on sizes that PyTorch's writer of archives accepts; an empty one where it is not found."""
    try:
        from torch._export.serde import serialize

        return serialize._SYM_OPS
    except (ImportError, AttributeError):
        return set()
