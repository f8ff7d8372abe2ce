"""The import graph of the package: which part may use which, and that no two modules need each other."""

import ast
import graphlib
from pathlib import Path

PACKAGE = Path(__file__).parent.parent.parent / "python" / "crossload"

# Every part of the package and the parts that it uses: folders, and the modules at the top.
LAYERS = {
    "errors": set(),
    "json_numbers": set(),
    "session": {"errors"},
    "native": set(),
    "hub": {"errors"},
    "model": {"errors", "session", "hub"},
    "program": {"errors", "model"},
    "inputs": {"errors", "program"},
    "trace": {"errors", "model", "program", "inputs"},
    "reference": {"errors", "session", "model", "program", "inputs", "trace"},
    "pt_to_tf": {"errors", "model"},
    "port": {"errors", "json_numbers", "model"},
    "against": {"errors", "session", "model", "program", "inputs", "trace", "reference"},
    "gradients": {"errors", "model", "trace", "reference", "against"},
    "plain_hdf5": {"errors"},
    "worker": {
        "errors",
        "json_numbers",
        "session",
        "hub",
        "trace",
        "reference",
        "pt_to_tf",
        "plain_hdf5",
        "port",
        "against",
        "gradients",
    },
    "api": {"errors", "json_numbers", "session", "native", "model", "worker"},
    "exporter": {"errors", "session", "native", "program", "trace", "api"},
    "registration": {"exporter"},
    "__main__": set(),
    "crossload": {"registration"},
}


def name_of(file):
    """The dotted name below `crossload`, which is itself called `crossload`."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "crossload"


MODULES = {name_of(file): file for file in PACKAGE.rglob("*.py")}


def imports(name):
    """The modules of the package that a module imports, within its functions too; `crossload` is its `__init__`."""
    file = MODULES[name]
    package = [] if name == "crossload" else name.split(".")[: None if file.name == "__init__.py" else -1]
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not any(alias.name.split(".")[0] == "crossload" for alias in node.names), (
                f"{name}: import relatively"
            )
        if not isinstance(node, ast.ImportFrom):
            continue
        assert node.level or node.module.split(".")[0] != "crossload", f"{name}: import relatively"
        if not node.level:
            continue
        owner = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
        for alias in node.names:
            submodule = ".".join([*owner, alias.name])
            if alias.name == "_engine":  # native code
                continue
            if not owner and alias.name == "__version__":
                continue  # a constant, set before anything is imported
            found.add(submodule if submodule in MODULES else ".".join(owner) or "crossload")
    return found


GRAPH = {name: imports(name) for name in MODULES}


def part(name):
    return name.split(".")[0]


def test_every_part_is_listed():
    assert {part(name) for name in MODULES} == set(LAYERS)


def test_no_circle():
    graphlib.TopologicalSorter(GRAPH).prepare()
    graphlib.TopologicalSorter(LAYERS).prepare()


def test_directions():
    used = {name: set() for name in LAYERS}
    for name, targets in GRAPH.items():
        used[part(name)] |= {part(target) for target in targets} - {part(name)}
    assert used == LAYERS


def test_judge_runs_beside_another_transformers():
    """Where the judge runs there is Transformers 4 and nothing that converts."""
    assert GRAPH["pt_to_tf.tf4_judge"] == {"errors", "pt_to_tf.example_inputs"}
    assert GRAPH["pt_to_tf.example_inputs"] == {"errors"}


def test_what_is_imported_lazily_is_seen():
    """Of the graph itself: a relative import within a function, across folders, and of a module by its name."""
    assert "trace.request" in GRAPH["worker"]
    assert "hub.fetch" in GRAPH["model.loading"]
    assert "hub.client" in GRAPH["worker"] and "inputs.media" in GRAPH["inputs.synthetic"]
    assert "registration" in GRAPH["crossload"]
