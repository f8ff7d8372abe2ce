"""Finding the class that `--against` names, in a file or an importable module."""

import importlib
import importlib.util
import os
import re
import sys
from pathlib import Path

from ..errors import WorkerError, first_line, last_lines

_RELATIVE = re.compile(r"^\s*from\s+\.", re.MULTILINE)


def find_class(target):
    """The class of `path/to/file.py:Class`, `package.module:Class` or `package:Class`.

    A file inside of a package is imported as its part, from where it lies. A loose one that imports relatively, as a copy
    of `modeling_tf_x.py` does, is read as if it stood in `transformers.models.x`. kind bad-input for what is not there
    or fails while it is imported, environment when a package that it imports is missing.
    """
    place, _, name = target.rpartition(":")
    if not place or not name.isidentifier():
        raise WorkerError(
            "bad-input", f"--against: `{target}` names no class; write FILE.py:Class or package.module:Class"
        )
    try:
        module = _from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except WorkerError:
        raise
    except ModuleNotFoundError as error:
        raise WorkerError(
            "environment",
            f"{place}: cannot be imported with {sys.executable} ({error}); name another interpreter with --python",
        ) from error
    except Exception as error:
        raise WorkerError(
            "bad-input", f"{place}: fails while it is imported ({first_line(error)}); mend the file", last_lines(error)
        ) from error
    try:
        found = getattr(module, name)
    except Exception as error:
        classes = sorted(n for n, v in vars(module).items() if isinstance(v, type) and v.__module__ == module.__name__)
        raise WorkerError(
            "bad-input", f"{place}: has no class `{name}` ({first_line(error)}); check the name", classes[:40]
        ) from error
    if getattr(found, "is_dummy", False) or type(found).__name__ == "DummyObject":
        raise WorkerError("environment", f"{target}: its library finds no TensorFlow here; check the environment")
    return found


def _from_file(path):
    path = path.absolute()
    if not path.is_file():
        raise WorkerError("bad-input", f"--against: {path}: no such file; write FILE.py:Class")
    root = path.parent
    while (root / "__init__.py").is_file():
        root = root.parent
    if root != path.parent:
        sys.path.insert(0, str(root))
        return importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))
    name = "crossload_against_" + re.sub(r"\W", "_", path.stem)
    if _RELATIVE.search(path.read_text(encoding="utf-8")):
        name = f"{_package_of(path)}.{name}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.append(str(root))
    spec.loader.exec_module(module)
    return module


def _package_of(path):
    """The package of Transformers whose part the name of a modeling file says it is."""
    import transformers

    found = re.match(r"modeling_(?:tf_)?([a-z0-9]+(?:_[a-z0-9]+)*)", path.stem)
    parts = found[1].split("_") if found else []
    models = os.path.join(os.path.dirname(transformers.__file__), "models")
    for count in range(len(parts), 0, -1):
        folder = "_".join(parts[:count])
        if os.path.isdir(os.path.join(models, folder)):
            package = f"transformers.models.{folder}"
            importlib.import_module(package)
            return package
    raise WorkerError(
        "bad-input",
        f"{path}: imports relatively, and its name tells no model of Transformers {transformers.__version__}; name it "
        "modeling_tf_<model>.py, or put it into its package",
    )
