"""`port_register`: what a ported file needs around it in a source tree of Transformers 4, so that its classes are found.

Each change is made by an edit that leaves a file as it is when the change is there already, so registering twice is
registering once. Where statements go is read from the file's own syntax tree, never guessed by line numbers.
"""

import ast
import difflib
import os
import re

from ..errors import WorkerError

WIDTH = 119  # of a line in Transformers
TRY = """try:
    if not is_tf_available():
        raise OptionalDependencyNotAvailable()
except OptionalDependencyNotAvailable:
    pass
else:
"""
DUMMY = """class {0}(metaclass=DummyObject):
    _backends = ["tf"]

    def __init__(self, *args, **kwargs):
        requires_backends(self, ["tf"])
"""


def port_register(request, progress):
    """Register {file_text, test_text, model_type, folder, module, base, classes} in `checkout`; returns the changed files.

    Answers `files` (path, diff), `skipped` (what the tree does not hold) and `pull_request` (its text). Nothing is
    written with `dry_run`, and nothing when a change fails.
    """
    progress("register", f"registering in {request['checkout']}", None)
    tree = Tree(request["checkout"])
    folder, model = request["folder"], f"models.{request['folder']}"
    module = request["module"]
    classes = request["classes"]
    written = f"{tree.package}/models/{folder}/{module}.py"
    if not tree.has(f"{tree.package}/models/{folder}/__init__.py"):
        raise WorkerError("bad-input", f"{tree.root}: there is no models/{folder}; give a tree of this model's version")
    before = tree.read(written) if tree.has(written) else None
    text = relative_imports(request["file_text"], folder)
    if before is not None and before != text and not request.get("force"):
        raise WorkerError("bad-input", f"{tree.root}/{written}: is there already and differs; replace it with --force")
    init = f"{tree.package}/models/{folder}/__init__.py"
    if "define_import_structure" in tree.read(init):
        text = with_all(text, classes)
    tree.write(written, text)
    tree.edit(init, lambda t: model_init(t, module, classes))
    tree.edit(f"{tree.package}/__init__.py", lambda t: main_init(t, model, classes))
    names = mappings_of(tree.read(f"{tree.package}/models/auto/modeling_auto.py"), request["model_type"], classes)
    tree.edit(
        f"{tree.package}/models/auto/modeling_tf_auto.py", lambda t: auto_classes(t, request["model_type"], names)
    )
    order = exported(tree.read(f"{tree.package}/__init__.py"))
    tree.edit(f"{tree.package}/utils/dummy_tf_objects.py", lambda t: dummies(t, order, classes))
    page = f"docs/source/en/model_doc/{request['model_type'].replace('-', '_')}.md"
    if not tree.has(page):
        page = page.replace("_", "-").replace("model-doc", "model_doc")
    tree.edit(page, lambda t: documentation(t, classes))
    tree.edit("docs/source/en/index.md", lambda t: index_tick(t, names_in_the_index(tree, request["model_type"])))
    if request.get("test_text"):
        test = f"tests/models/{folder}/test_{module}.py"
        if tree.has("tests"):
            tree.write(test, request["test_text"])
        else:
            tree.skipped.append(f"{test}: the tree has no tests")
    pull_request = pull_request_text(request, tree, folder)
    tree.write("PULL_REQUEST.md", pull_request)
    return tree.finish(request.get("dry_run"))


class Tree:
    """A source tree whose files change in memory first."""

    def __init__(self, root):
        self.root = os.path.abspath(root)
        self.package = next(
            (p for p in ("src/transformers", "transformers") if os.path.isdir(f"{self.root}/{p}/models")), None
        )
        if self.package is None:
            raise WorkerError("bad-input", f"{root}: has no src/transformers/models; give a Transformers 4 checkout")
        if not os.path.isfile(f"{self.root}/{self.package}/models/auto/modeling_tf_auto.py"):
            raise WorkerError("bad-input", f"{root}: has no TensorFlow classes; give a Transformers 4 checkout")
        self.changed, self.skipped = {}, []

    def has(self, path):
        return path in self.changed or os.path.exists(f"{self.root}/{path}")

    def read(self, path):
        if path in self.changed:
            return self.changed[path]
        with open(f"{self.root}/{path}", encoding="utf-8") as file:
            return file.read()

    def write(self, path, text):
        self.changed[path] = text

    def edit(self, path, change):
        if not self.has(path):
            self.skipped.append(f"{path}: is not in this tree")
            return
        made = change(self.read(path))
        if path.endswith(".py"):
            ast.parse(made)
        self.write(path, made)

    def finish(self, dry_run):
        files = []
        for path, text in self.changed.items():
            old = ""
            if os.path.exists(f"{self.root}/{path}"):
                with open(f"{self.root}/{path}", encoding="utf-8") as file:
                    old = file.read()
            if old == text:
                continue
            lines = difflib.unified_diff(
                old.splitlines(keepends=True), text.splitlines(keepends=True), f"a/{path}", f"b/{path}"
            )
            files.append({"path": path, "diff": "".join(lines)})
        if not dry_run:
            for entry in files:
                path = f"{self.root}/{entry['path']}"
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path + ".partial", "w", encoding="utf-8") as file:
                    file.write(self.changed[entry["path"]])
                os.replace(path + ".partial", path)
        return {"files": files, "skipped": self.skipped}


# The edits -------------------------------------------------------------------------------------------------------------


def relative_imports(text, folder):
    """The file's imports of Transformers as they stand inside it, in isort's order: far before near."""
    lines = text.split("\n")
    tree = ast.parse(text)
    found = [s for s in tree.body if isinstance(s, ast.ImportFrom) and (s.module or "").split(".")[0] == "transformers"]
    if not found:
        return text
    moved = []
    for statement in found:
        module = statement.module
        for prefix, dots in (
            (f"transformers.models.{folder}", "."),
            ("transformers.models", ".."),
            ("transformers", "..."),
        ):
            if module == prefix or module.startswith(prefix + "."):
                source = "\n".join(lines[statement.lineno - 1 : statement.end_lineno])
                rest = module[len(prefix) :].lstrip(".")
                moved.append((-len(dots), rest, source.replace(f"from {module} ", f"from {dots}{rest} ", 1)))
                break
    first = found[0].lineno - 1
    gone = {line for s in found for line in range(s.lineno - 1, s.end_lineno)}
    head = [line for n, line in enumerate(lines[:first]) if n not in gone]
    tail = [line for n, line in enumerate(lines[first:], first) if n not in gone]
    while head and not head[-1]:
        head.pop()
    return "\n".join([*head, "", *(source for _, _, source in sorted(moved)), *tail])


def with_all(text, classes):
    line = "__all__ = [" + ", ".join(f'"{name}"' for name in classes) + "]\n"
    if len(line) > WIDTH + 1:
        line = "__all__ = [\n" + "".join(f'    "{name}",\n' for name in classes) + "]\n"
    return text.rstrip("\n") + "\n\n\n" + line


def asks(statement, function):
    """Whether a `try` statement is the guard of a backend."""
    return isinstance(statement, ast.Try) and any(
        isinstance(n, ast.Name) and n.id == function for n in ast.walk(statement.body[0])
    )


def type_checking(tree):
    for statement in tree.body:
        if isinstance(statement, ast.If) and getattr(statement.test, "id", "") == "TYPE_CHECKING":
            return statement
    raise WorkerError("bad-input", "an __init__.py has no `if TYPE_CHECKING:`; give a Transformers 4 checkout")


def insert(text, line, new):
    """`new` after line number `line`."""
    lines = text.splitlines(keepends=True)
    return "".join(lines[:line]) + new + "".join(lines[line:])


def replace_lines(text, first, last, new):
    lines = text.splitlines(keepends=True)
    return "".join(lines[: first - 1]) + new + "".join(lines[last:])


def indented(text, depth):
    return "".join(" " * depth + line if line.strip() else line for line in text.splitlines(keepends=True))


def name_list(names, depth):
    return "".join(" " * depth + f'"{name}",\n' for name in names)


def model_init(text, module, classes):
    """The `__init__.py` of the model's folder."""
    classes = sorted(classes)
    if "define_import_structure" in text:
        if f"from .{module} import *" in text:
            return text
        imports = [s for s in type_checking(ast.parse(text)).body if isinstance(s, ast.ImportFrom)]
        before = [s.end_lineno for s in imports if (s.module or "") < module]
        line = before[-1] if before else imports[0].lineno - 1
        return insert(text, line, f"    from .{module} import *\n")
    if f'"{module}"' in text:
        text = without_block(text, module)
    structure = f'_import_structure["{module}"] = [\n{name_list(classes, 4)}]\n'
    tree = ast.parse(text)
    torch_block = [s for s in tree.body if asks(s, "is_torch_available")]
    inner = [s for s in type_checking(tree).body if asks(s, "is_torch_available")]
    if not torch_block or not inner:
        raise WorkerError("bad-input", "the model's __init__.py has no block for PyTorch; register by hand")
    imported = f"from .{module} import (\n" + "".join(f"    {name},\n" for name in classes) + ")\n"
    text = insert(text, inner[-1].end_lineno, "\n" + indented(TRY + indented(imported, 4), 4))
    text = insert(text, torch_block[-1].end_lineno, "\n" + TRY + indented(structure, 4))
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "utils":
            names = [a.name for a in statement.names]
            if "is_tf_available" not in names:
                key = lambda name: (0 if name.isupper() else 1 if name.strip("_")[0].isupper() else 2, name)  # noqa: E731
                names = sorted([*names, "is_tf_available"], key=key)
                new = "from ...utils import (\n" + "".join(f"    {name},\n" for name in names) + ")\n"
                text = replace_lines(text, statement.lineno, statement.end_lineno, new)
            break
    return text


def without_block(text, module):
    """The text without the two blocks that an earlier registration of the module made."""
    for inside in (True, False):
        tree = ast.parse(text)
        body = type_checking(tree).body if inside else tree.body
        for statement in body:
            if not asks(statement, "is_tf_available"):
                continue
            source = "\n".join(text.splitlines()[statement.lineno - 1 : statement.end_lineno])
            if re.search(rf"\b{module}\b", source):
                text = replace_lines(text, statement.lineno - 1, statement.end_lineno, "")
                break
    return text


def tf_blocks(tree):
    """The statements of the TensorFlow models in the main `__init__.py`: of the table, and of the type checker."""
    outer = [s for s in tree.body if asks(s, "is_tf_available")]
    inner = [s for s in type_checking(tree).body if asks(s, "is_tf_available")]
    largest = lambda blocks: max(blocks, key=lambda s: len(s.orelse))  # noqa: E731
    return largest(outer).orelse, largest(inner).orelse


def main_init(text, model, classes):
    """The main `__init__.py`: an entry in each of both lists, in the order of the models."""
    classes = sorted(classes)
    for inside in (True, False):
        body = tf_blocks(ast.parse(text))[1 if inside else 0]
        entries = [(key, s) for s in body if (key := entry_key(s))]
        if inside:
            new = f"from .{model} import (\n" + "".join(f"    {name},\n" for name in classes) + ")\n"
            new = indented(new, 8)
        else:
            new = f'_import_structure["{model}"].extend(\n    [\n{name_list(classes, 8)}    ]\n)\n'
            new = indented(new, 4)
        same = [s for key, s in entries if key == model]
        if same:
            if set(classes) != set(names_in(same[0])):
                text = replace_lines(text, same[0].lineno, same[0].end_lineno, new)
            continue
        before = [s for key, s in entries if key < model and key.startswith("models.")]
        place = before[-1].end_lineno if before else entries[0][1].lineno - 1
        text = insert(text, place, new)
    return text


def entry_key(statement):
    """`models.bert` of `_import_structure["models.bert"].extend(…)`, and of `from .models.bert import …`."""
    if isinstance(statement, ast.ImportFrom) and statement.level == 1:
        return statement.module
    call = getattr(statement, "value", None)
    target = call.func.value if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) else None
    if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
        return target.slice.value
    return None


def names_in(statement):
    if isinstance(statement, ast.ImportFrom):
        return [alias.name for alias in statement.names]
    value = statement.value
    arguments = value.args if isinstance(value, ast.Call) else [value]
    return [n.value for a in arguments for n in ast.walk(a) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def exported(text):
    """TensorFlow's public names in the order of the main `__init__.py`, which is that of the dummy objects."""
    return [name for statement in tf_blocks(ast.parse(text))[1] for name in names_in(statement)]


def mappings_of(text, model_type, classes):
    """TF_MODEL_…: (key, TFClass) for each mapping of PyTorch's that names a class whose twin was written."""
    found = {}
    for statement in ast.parse(text).body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if not (isinstance(target, ast.Name) and target.id.endswith("_MAPPING_NAMES")):
            continue
        for pair in ast.walk(statement.value):
            if not (
                isinstance(pair, ast.Tuple) and len(pair.elts) == 2 and getattr(pair.elts[0], "value", "") == model_type
            ):
                continue
            for value in ast.walk(pair.elts[1]):
                if isinstance(value, ast.Constant) and "TF" + str(value.value) in classes:
                    found.setdefault("TF_" + target.id, "TF" + value.value)
    return found


def auto_classes(text, model_type, names):
    for mapping, tf_class in names.items():
        statement = next(
            (
                s
                for s in ast.parse(text).body
                if isinstance(s, ast.Assign) and getattr(s.targets[0], "id", "") == mapping
            ),
            None,
        )
        if statement is None or not statement.value.args or not isinstance(statement.value.args[0], ast.List):
            continue
        pairs = statement.value.args[0].elts
        new = f'        ("{model_type}", "{tf_class}"),\n'
        same = [p for p in pairs if p.elts[0].value == model_type]
        if same:
            if getattr(same[0].elts[1], "value", None) != tf_class:
                text = replace_lines(text, same[0].lineno, same[0].end_lineno, new)
            continue
        before = [p for p in pairs if p.elts[0].value < model_type]
        if statement.lineno == pairs[0].lineno:  # all on one line
            old = [(p.elts[0].value, ast.unparse(p.elts[1])) for p in pairs]
            old = sorted([*old, (model_type, repr(tf_class))])
            body = "".join(f'        ("{key}", {value.replace(chr(39), chr(34))}),\n' for key, value in old)
            whole = f"{mapping} = OrderedDict(\n    [\n{body}    ]\n)\n"
            text = replace_lines(text, statement.lineno, statement.end_lineno, whole)
            continue
        place = before[-1].end_lineno if before else pairs[0].lineno - 1
        text = insert(text, place, new)
    return text


def dummies(text, order, classes):
    """A dummy for each class, after that of the class which precedes it in `order`."""
    for name in [n for n in order if n in classes]:
        body = ast.parse(text).body
        there = {s.name: s for s in body if isinstance(s, (ast.ClassDef, ast.FunctionDef))}
        if name in there:
            continue
        before = [n for n in order[: order.index(name)] if n in there]
        place = there[before[-1]].end_lineno if before else min(s.lineno for s in there.values()) - 3
        text = insert(text, place, "\n\n" + DUMMY.format(name))
    return text


def documentation(text, classes):
    """An `[[autodoc]]` of each class after its PyTorch twin, and a line for the contributor."""
    for name in classes:
        if f"[[autodoc]] {name}\n" in text:
            continue
        twin = re.search(rf"\[\[autodoc\]\] {name[2:]}\n(?:    - .*\n)*", text)
        if not twin:
            continue
        text = text[: twin.end()] + f"\n## {name}\n\n[[autodoc]] {name}\n    - call\n" + text[twin.end() :]
    line = "The TensorFlow version of this model was contributed by [YOUR NAME](https://huggingface.co/YOUR-NAME).\n"
    contributed = re.search(r"^This model was contributed by .*\n", text, re.M)
    if contributed and "TensorFlow version" not in text:
        text = text[: contributed.end()] + line + text[contributed.end() :]
    return text


def names_in_the_index(tree, model_type):
    """The names under which the index lists the classes of a model: its own, those of model types with the same
    configuration class, and those that `utils/check_table.py` of the tree says have the same."""
    auto, script = f"{tree.package}/models/auto/configuration_auto.py", "utils/check_table.py"
    known = {}
    for path in (auto, script):
        for node in ast.parse(tree.read(path)).body if tree.has(path) else ():
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                known[node.targets[0].id] = node.value
    configs, titles = (pairs_of(known.get(name)) for name in ("CONFIG_MAPPING_NAMES", "MODEL_NAMES_MAPPING"))
    names = {titles[t] for t, c in configs.items() if c == configs.get(model_type) and t in titles}
    same = ast.literal_eval(known.get("MODEL_NAMES_WITH_SAME_CONFIG") or ast.Dict([], []))
    return names | {name for name, other in same.items() if other in names}


def pairs_of(value):
    """The entries of `OrderedDict([("key", "value"), …])`."""
    pairs = [p.elts for p in ast.walk(value) if isinstance(p, ast.Tuple) and len(p.elts) == 2] if value else []
    return {k.value: v.value for k, v in pairs if isinstance(k, ast.Constant) and isinstance(v, ast.Constant)}


def index_tick(text, names):
    """The tick in the column of TensorFlow, in the rows of these names."""
    row = re.compile(r"^(\| +\[([^\]]+)\]\(model_doc/[^)]+\) +\| +\S+ +\| +)(\S+)( +\|)", re.M)
    return row.sub(lambda m: m.group(1) + ("✅" if m.group(2) in names else m.group(3)) + m.group(4), text)


def pull_request_text(request, tree, folder):
    test = f"tests/models/{folder}/test_{request['module']}.py"
    verdict = request.get("verdict") or "unverified"
    error = request.get("max_error")
    compared = f"{verdict}, max error {error:.1e}" if isinstance(error, float) else "not compared here"
    lines = [
        f"# Add TF {request['base'].removesuffix('Model')}",
        "",
        f"TensorFlow classes of `{request['model_type']}`: {', '.join(request['classes'])}.",
        "",
        f"- [{'x' if verdict in ('verified', 'within-noise') else ' '}] outputs, hidden states and weights equal to PyTorch's:"
        f" `crossload port MODEL DIR`: {compared}",
        f"- [x] registered: `crossload port MODEL DIR --into CHECKOUT`: {len(tree.changed)} files",
        f"- [ ] tests: `NVIDIA_TF32_OVERRIDE=0 RUN_SLOW=1 RUN_PT_TF_CROSS_TESTS=1 py.test -vv {test}`: not run here",
        "- [ ] consistency: `make fixup`: not run here",
        "- [ ] the contributor's name in the documentation page",
        "- [ ] TF weights on the Hub: `crossload pt-to-tf`; then `--weights-merged` drops `from_pt=True`",
    ]
    lines += [f"- not in this tree: {entry}" for entry in tree.skipped]
    return "\n".join(lines) + "\n"
