"""What a file of `--for keras` brings along: its base classes, its output classes and its configuration class, as trees."""

import ast
import builtins
import importlib
import inspect
import itertools
from pathlib import Path

from .source import Reader

# What a configuration says of itself that a file without Transformers can use.
KEPT_IN_CONFIGURATIONS = ("model_type", "attribute_map")


def support_of(config, outputs):
    """[{name, tree}] in the order in which they may use each other. `outputs` is what `tf_outputs` found."""
    text = Path(__file__).with_name("keras_support.py").read_text(encoding="utf-8")
    found = definitions(text)
    for name, facts in outputs.items():
        if facts["exists"]:
            fields = "\n".join(f"    {field}: tf.Tensor = None" for field in facts["fields"])
            found += definitions(f"@dataclasses.dataclass\nclass TF{name}(ModelOutput):\n{fields}\n")
    return found + definitions(configuration_source(type(config)))


def definitions(text):
    """The classes, functions and constants of a source text."""
    found = []
    for statement in with_double_quotes(Reader(text).read())["c"]:
        if statement["k"] in ("Class", "Def"):
            found.append({"name": statement["t"], "tree": statement})
        elif statement["k"] == "Assign":
            found.append({"name": statement["c"][0]["t"], "tree": statement})
    return found


def with_double_quotes(made):
    """The tree with texts as `ruff format` writes them."""
    if made["k"] == "Str" and made["t"].startswith("'") and '"' not in made["t"] and "\\" not in made["t"]:
        made["t"] = f'"{made["t"][1:-1]}"'
    for child in made["c"]:
        with_double_quotes(child)
    return made


def configuration_source(cls):
    """The configuration class, and those that it is derived from, with what needs nothing of Transformers."""
    parts = list(itertools.takewhile(lambda part: part.__name__ != "PretrainedConfig", cls.__mro__))
    parts = [part for part in reversed(parts) if ".configuration_" in part.__module__]
    names = {part.__name__ for part in parts} | {"PretrainedConfig", "math"}
    return "\n\n\n".join(ast.unparse(without_transformers(part, names)) for part in parts) + "\n"


def without_transformers(cls, known):
    """The class's tree without texts, annotations, and statements that need names of other modules."""
    module = importlib.import_module(cls.__module__)
    tree = ast.parse(inspect.getsource(module))
    made = next(s for s in tree.body if isinstance(s, ast.ClassDef) and s.name == cls.__name__)
    made.bases = [base for base in made.bases if ast.unparse(base) in known]
    made.decorator_list = []
    members = []
    for member in made.body:
        if isinstance(member, ast.Assign) and ast.unparse(member.targets[0]) in KEPT_IN_CONFIGURATIONS:
            members.append(member)
        elif isinstance(member, ast.FunctionDef) and (member.name == "__init__" or is_property(member)):
            for argument in arguments_of(member):
                argument.annotation = None
            member.returns = None
            if statements := resolved(member.body, known | names_stored(member)):
                members.append(member)
                member.body = statements
    made.body = members or [ast.Pass()]
    return made


def is_property(function):
    return any(ast.unparse(d) == "property" or ast.unparse(d).endswith(".setter") for d in function.decorator_list)


def arguments_of(function):
    given = function.args
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]


def names_stored(function):
    return {argument.arg for argument in arguments_of(function)} | {
        n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }


def resolved(statements, known):
    """The statements that use nothing but `known` names and those of Python."""

    def is_known(node):
        used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        return used <= known | set(dir(builtins))

    kept = []
    for statement in statements:
        if isinstance(statement, ast.If) and is_known(statement.test):
            statement.body = resolved(statement.body, known)
            statement.orelse = resolved(statement.orelse, known)
            if statement.body or statement.orelse:
                statement.body = statement.body or [ast.Pass()]
                kept.append(statement)
        elif is_known(statement) and not (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        ):
            kept.append(statement)
    return kept
