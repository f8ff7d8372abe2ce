"""The shapes and types that the text cases expect are those that TensorFlow itself computes, node by node."""

import ast
import os
import pathlib
import re

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
tf = pytest.importorskip("tensorflow")

from tensorflow.python.framework import op_def_library, op_def_registry

FOLDER = pathlib.Path(__file__).parent
CASES = sorted(p for p in FOLDER.glob("*.txt") if not p.name.startswith("bad-"))
SIZES = {"s0": 3, "s1": 7, "s2": 4, "Max": max, "Min": min}
NODE = re.compile(r"%(?P<name>\S+) = (?P<op>\w+)\((?P<inputs>[^)]*)\)(?: \{(?P<attrs>.*)\})?(?: : (?P<values>[^#]*))?")
VALUE = re.compile(r"(\w+)\[([^\]]*)\]((?: @\w+(?:\[[^\]]*\])?)*)(?:, |\s*$)")
TENSOR = re.compile(r"(\w+)\[([\d, ]*)\]\((.*)\)")


def dims_of(text):
    return [eval(size, {}, SIZES) for size in re.split(r", ", text)] if text else []


def element_of(text, dtype):
    if dtype == "bool":
        return text == "true"
    if dtype.startswith("complex"):
        return complex(text.replace("+-", "-").replace("i", "j"))
    return float(text) if "float" in dtype else int(text)


def tensor_of(text):
    dtype, dims, elements = TENSOR.fullmatch(text).groups()
    items = [element_of(e, dtype) for e in elements.split(", ") if e]
    return tf.constant(items, dtype, dims_of(dims))


def attribute_of(text):
    if text in ("true", "false"):
        return text == "true"
    if text.startswith("shape"):
        return [None if d == -1 else d for d in ast.literal_eval(text[5:])]
    if text[0] in '"[-0123456789':
        return ast.literal_eval(text)
    return tf.as_dtype(text)


def split_attributes(text):
    return re.findall(r"(\w+)=((?:\[[^\]]*\]|shape\[[^\]]*\]|\"[^\"]*\"|[^,\[\]])+)", text or "")


def input_arguments(op, values):
    """Flat values to keyword arguments."""
    args = op_def_registry.get(op).input_arg
    lists = [a for a in args if a.number_attr or a.type_list_attr]
    length = (len(values) - (len(args) - len(lists))) // max(len(lists), 1)
    arguments, rest = {}, list(values)
    for arg in args:
        n = length if arg in lists else 1
        taken, rest = rest[:n], rest[n:]
        arguments[arg.name] = taken if arg in lists else taken[0]
    return arguments


def defaults_of(op):
    """None for every attribute that has a default and that no input gives: apply_op wants to be told."""
    op = op_def_registry.get(op)
    given = {name for a in op.input_arg for name in (a.type_attr, a.number_attr, a.type_list_attr)}
    return {a.name: None for a in op.attr if a.HasField("default_value") and a.name not in given}


def build(path):
    """Each node as a TensorFlow node: (line, result, declared type, declared dimensions), and how many nodes there are."""
    values, checks = {}, []
    for line in path.read_text().split("\n---\n")[1].splitlines():
        if not line.startswith("%"):
            continue
        node = NODE.match(line)
        declared = [(dtype, dims) for dtype, dims, _ in VALUE.findall(node["values"])]
        if node["op"] in ("Input", "Variable"):
            dtype, dims = declared[0]
            values[node["name"]] = [tf.zeros([] if dims == "?" else dims_of(dims), dtype)]
            continue
        if node["op"] in ("StatelessIf", "StatelessWhile"):  # functions: their nodes are not compared
            continue
        if node["op"] == "Const":
            results = [tensor_of(re.fullmatch(r"value=(.*)", node["attrs"])[1])]
        else:
            refs = [r.lstrip("%").split(":") for r in node["inputs"].split(", ") if r]
            inputs = [values[r[0]][int(r[1]) if len(r) > 1 else 0] for r in refs]
            attrs = defaults_of(node["op"])
            attrs |= {name: attribute_of(value) for name, value in split_attributes(node["attrs"])}
            found = op_def_library.apply_op(node["op"], **input_arguments(node["op"], inputs), **attrs)
            results = list(found) if isinstance(found, (list, tuple)) else [found]
        values[node["name"]] = results
        assert len(results) == len(declared), line
        checks += [(line, result, dtype, dims) for result, (dtype, dims) in zip(results, declared)]
    return checks


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_case(path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        checks = build(path)
        shapes = session.run([tf.shape(result) for _, result, _, _ in checks])
    for (line, result, dtype, dims), shape in zip(checks, shapes):
        assert result.dtype.name == dtype, line
        if dims != "?":
            assert shape.tolist() == dims_of(dims), line
    assert checks
