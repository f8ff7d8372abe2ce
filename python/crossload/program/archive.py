"""Opening `.pt2` archives that may be hostile.

torch.export.load unpickles `data/sample_inputs/model.pt`, pickled weights, custom objects and compiled libraries,
evaluates shape expressions as Python, and resolves operator names below `torch`. Here the archive is first copied
without anything that could execute: sample inputs and guards are replaced by empty ones, and whatever else is not plain
data is refused. Source: torch 2.13 `export/pt2_archive/_package.py`, `_export/serde/serialize.py`.
"""

import ast
import errno
import io
import json
import os
import re
import tempfile
import zipfile
from pathlib import Path

from ..errors import WorkerError, first_line, last_lines
from .containers import name_namedtuple, name_recorded_dataclasses, name_return_types

_TARGET = re.compile(
    r"torch\.ops\.(?!load)[A-Za-z]\w*\.(?:(?!__)\w+|__i?(?:and|or|xor|lshift|rshift)__)(\.(?!__)\w+)?"
    r"|_operator\.(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|not_|xor|invert|"
    r"lshift|rshift|getitem|index|truth)"
    r"|torch\.sym_\w+|torch\._sym_\w+|math\.(?!__)\w+"
)
_MAX_JSON = 1 << 30
SUFFIX = ".pt2"


def open_program(path):
    """The ExportedProgram of a `.pt2` file, without example inputs; nothing of the file is executed or unpickled.

    bad-input when the file is damaged or holds anything but data; unsupported when this PyTorch cannot read it.
    """
    import torch

    path = Path(path)
    if not path.is_file():
        raise WorkerError("bad-input", f"{path}: no such file; give a file that torch.export.save wrote")
    with tempfile.TemporaryDirectory(prefix="crossload-") as folder:
        copy = Path(folder) / "program.pt2"
        try:
            _copy_harmless(path, copy)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.EMFILE):
                raise  # the disk's fault, not the file's
            raise _bad(path, f"is not a readable archive ({first_line(error)})") from error
        except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise _bad(path, f"is not a readable archive ({first_line(error)})") from error
        try:
            _register_types(copy)
            return torch.export.load(str(copy))
        except Exception as error:
            raise WorkerError(
                "unsupported",
                f"{path}: PyTorch {torch.__version__} cannot load it ({first_line(error)}); export it again with "
                "this version",
                last_lines(error),
            ) from error


def file_identity(path):
    """What tells one program file from another, also after a rename of its folder."""
    found = os.stat(path)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _register_types(copy):
    """Make the containers of the program's call form known to PyTorch: namedtuples by their fields, Transformers' output
    and cache classes by their modules."""
    import contextlib
    import importlib

    with zipfile.ZipFile(copy) as archive:
        model = json.loads(archive.read("program/models/model.json"))
    name_return_types()
    for name, kind in (model["graph_module"].get("treespec_namedtuple_fields") or {}).items():
        name_namedtuple(name, kind["field_names"])
    call = model["graph_module"]["module_call_graph"][0]["signature"] or {}
    for spec in (call.get("in_spec"), call.get("out_spec")):
        if spec:
            name_recorded_dataclasses(json.loads(spec)[1])
    text = f"{call.get('in_spec')} {call.get('out_spec')}"
    modules = set(re.findall(r"\"(transformers(?:\.[a-z]\w*)*)[.:][A-Z]\w*", text))
    if not modules:
        return
    with contextlib.suppress(ImportError):
        from transformers.cache_utils import Cache
        from transformers.exporters import exporter_dynamo

        for module in sorted(modules):
            importlib.import_module(module)
        for cache in exporter_dynamo._iter_subclasses(Cache):
            exporter_dynamo.register_pytree_node(cache)


def _bad(path, seen):
    return WorkerError(
        "bad-input", f"{path}: {seen}; give a file that torch.export.save wrote for plain tensors and operators"
    )


def _copy_harmless(path, copy):
    import torch

    nothing = io.BytesIO()
    torch.save(((), {}), nothing)
    kept = set()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as target:
        model = [n for n in source.namelist() if n.endswith("models/model.json")]
        if len(model) != 1:
            raise _bad(path, f"holds {len(model)} files `models/model.json`, expected 1")
        root = model[0][: -len("models/model.json")]
        if root.count("/") != 1:
            raise _bad(path, f"keeps its files in `{root}`, expected one folder")
        for info in source.infolist():
            name = info.filename[len(root) :]
            if not info.filename.startswith(root) or info.is_dir() or name in kept:
                continue
            if info.compress_type != zipfile.ZIP_STORED:
                raise _bad(path, f"`{info.filename}` is compressed, which torch.export.save never does")
            new = None
            if name == "models/model.json":
                new = _checked_model(path, _read(path, source, info))
            elif re.fullmatch(r"data/(weights|constants)/model_(weights|constants)_config\.json", name):
                new = _checked_config(path, name, _read(path, source, info))
            elif re.fullmatch(r"data/weights/weight_\d+|data/constants/tensor_\d+", name):
                pass
            elif name not in ("archive_format", "archive_version", "byteorder", ".data/version"):
                if re.match(r"(?i)data/(weights|constants|aotinductor)/", name):
                    raise _bad(path, f"holds `{name}`, which is not plain tensor data")
                continue  # sample inputs, extra files: not needed
            kept.add(name)
            _store(target, f"program/{name}", new, source, info)
        target.writestr("program/data/sample_inputs/model.pt", nothing.getvalue())


def _store(target, name, data, source, info):
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    with target.open(entry, "w", force_zip64=True) as out:
        if data is not None:
            out.write(data)
            return
        with source.open(info) as stored:
            while block := stored.read(1 << 22):
                out.write(block)


def _read(path, source, info):
    if info.file_size > _MAX_JSON:
        raise _bad(path, f"`{info.filename}` has {info.file_size} bytes, limit {_MAX_JSON}")
    return source.read(info)


def _checked_config(path, name, data):
    for fqn, entry in json.loads(data)["config"].items():
        if entry.get("use_pickle"):
            raise _bad(path, f"tensor `{fqn}` is a pickle, which could execute code")
        if not re.fullmatch(r"(weight|tensor)_\d+", entry.get("path_name", "")):
            raise _bad(path, f"`{name}` names the file `{entry.get('path_name')}` for `{fqn}`")
    return data


def _checked_model(path, data):
    model = json.loads(data)
    model["guards_code"] = []
    for key, value in _pairs(model):
        if key in ("target", "as_operator") and not _TARGET.fullmatch(str(value)):
            raise _bad(path, f"operator `{str(value)[:200]}` is not one of torch.ops")
        if key in ("expr_str", "as_expr") and isinstance(value, str) and not _is_formula(value):
            raise _bad(path, f"shape expression `{value[:200]}` is not a formula")
    for entry in model["graph_module"]["module_call_graph"]:
        if entry.get("fqn") and entry.get("signature"):
            entry["signature"] = None
    return json.dumps(model).encode()


def _pairs(node):
    """Every (key, value) of nested JSON, without recursion (a hostile file may nest deeply)."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            for key, value in node.items():
                # a node's `metadata` is text for people; torch_fn in it is resolved by getattr but never called
                yield key, value
                waiting.append(value)
        elif isinstance(node, list):
            waiting.extend(node)


def _is_formula(text):
    """Whether a shape expression is only calls of plain names on numbers, names, truth values and strings."""
    if len(text) > 1 << 20:
        return False
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if not (isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS):
                return False
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, str) and not re.fullmatch(r"\w{1,64}|-?[\d.]+(e[+-]?\d+)?", node.value):
                return False
        elif isinstance(node, ast.Name):
            if node.id not in _FUNCTIONS and not re.fullmatch(r"(s|u|z|f|zuf|zf)\d+|oo|int_oo|true|false", node.id):
                return False
        elif not isinstance(node, _PLAIN):
            return False
    return True


_FUNCTIONS = {
    "Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Pow", "FloorDiv", "ModularIndexing", "Where",
    "PythonMod", "Mod", "CleanDiv", "CeilToInt", "FloorToInt", "CeilDiv", "LShift", "RShift", "PowByNatural",
    "FloatPow", "FloatTrueDiv", "IntTrueDiv", "IsNonOverlappingAndDenseIndicator", "TruncToFloat", "TruncToInt",
    "RoundToInt", "RoundDecimal", "ToFloat", "Identity", "Max", "Min", "GreaterThan", "LessThan", "StrictGreaterThan",
    "StrictLessThan", "Equality", "Unequality", "Or", "And", "Not", "BooleanTrue", "BooleanFalse", "Abs", "Piecewise",
    "ExprCondPair", "Tuple", "floor", "ceiling", "BitwiseFn_bitwise_and", "BitwiseFn_bitwise_or",
}  # fmt: skip
_PLAIN = (
    ast.Expression, ast.Load, ast.keyword, ast.UnaryOp, ast.USub, ast.UAdd, ast.BinOp, ast.Add, ast.Sub, ast.Mult,
    ast.Div, ast.FloorDiv, ast.Mod, ast.Tuple, ast.Compare, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq,
)  # fmt: skip
