"""Each row of the table of calls, computed by PyTorch and by TensorFlow as the row writes it."""

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent
SOURCE = (ROOT / "src/port/rules.cc").read_text()
TABLE = SOURCE[SOURCE.index("kCallRules[] = {") : SOURCE.index("kModuleRules[] = {")]
ROWS = [
    tuple(text.replace('\\"', '"') for text in row)
    for row in re.findall(r'\{"((?:[^"\\]|\\.)*)",\s*"((?:[^"\\]|\\.)*)"\}', TABLE)
]
HELPERS = re.findall(r'\{"(\w+)",\s*R"\((.*?)\)"\}', SOURCE, re.S)
# Arguments by the parameter's name; `row` entries replace them. Sizes differ, so that no axis is taken for another.
A = np.linspace(-2.3, 2.1, 24, dtype=np.float32).reshape(2, 3, 4)
B = np.cos(np.arange(24, dtype=np.float32)).reshape(2, 3, 4)
POSITIVE = np.abs(A) + 0.1
TRUE = A > 0.3
USUAL = {
    "input": A, "self": A, "other": B, "tensors": [A, B], "dim": 1, "dims": [0, 2], "size": [5, 3], "shape": [4, 6],
    "sizes": [2, 3, 4], "repeats": 2, "shifts": 1, "chunks": 3, "exponent": 2.0, "min": -0.5, "max": 0.7, "mask": TRUE,
    "value": -7.0, "condition": TRUE, "steps": 5, "start": 0.0, "end": 2.0, "fill_value": 3.0, "data": [[1.0, 2.0], [3.0, 4.0]],
    "n": 4, "diagonal": 1, "keepdim": True, "beta": 0.5, "alpha": 2.0, "approximate": "tanh",
}  # fmt: skip
SPECIAL = {
    "torch.gather": {"dim": 2, "index": np.array([[[0, 3], [1, 1], [2, 0]]] * 2)},
    "Tensor.gather": {"dim": 2, "index": np.array([[[0, 3], [1, 1], [2, 0]]] * 2)},
    "torch.index_select": {"index": np.array([2, 0])},
    "Tensor.index_select": {"index": np.array([2, 0])},
    "torch.bmm": {"mat2": B.reshape(2, 4, 3)},
    "torch.einsum": {"equation": "bij,bkj->bik", "operands": [A, B]},
    "torch.baddbmm": {"input": np.ones((2, 3, 3), "float32"), "batch1": A, "batch2": B.reshape(2, 4, 3)},
    "Tensor.baddbmm": {"self": np.ones((2, 3, 3), "float32"), "batch1": A, "batch2": B.reshape(2, 4, 3)},
    "Tensor.bmm": {"mat2": B.reshape(2, 4, 3)},
    "Tensor.matmul": {"other": B.reshape(2, 4, 3)},
    "Tensor.t": {"self": A[0]},
    "torch.squeeze": {"input": A[:, :1]},
    "Tensor.expand_as": {"self": A[:, :1]},
    "Tensor.view_as": {"other": B.reshape(4, 6)},
    "torch.from_numpy": {"ndarray": A},
    "torch.masked_fill": {"mask": TRUE},
    "torch.isfinite": {"input": np.array([1.0, np.nan, -np.inf], "float32")},
    "torch.nn.functional.one_hot": {"tensor": np.array([[0, 2], [1, 3]]), "num_classes": 5},
    "torch.nn.functional.leaky_relu": {"negative_slope": 0.2},
    "torch.outer": {"input": A[0, 0], "vec2": B[0, 1]},
    "torch.roll": {"shifts": 1, "dims": 2},
    "torch.flip": {"dims": [1]},
    "Tensor.flip": {"dims": [1]},
    "Tensor.permute": {"dims": [2, 0, 1]},
    "torch.permute": {"dims": [2, 0, 1]},
    "Tensor.repeat": {"repeats": [2, 1, 3]},
    "torch.unsqueeze": {"dim": -1},
    "Tensor.squeeze": {"self": A[:, :1]},
    "torch.broadcast_to": {"input": A[0, :1], "size": [3, 4]},
    "torch.nn.functional.linear": {"weight": B[0], "bias": B[1, :, 0]},
    "torch.where": {"input": A},
    "torch.log": {"input": POSITIVE}, "Tensor.log": {"self": POSITIVE},
    "torch.sqrt": {"input": POSITIVE}, "Tensor.sqrt": {"self": POSITIVE},
    "torch.rsqrt": {"input": POSITIVE}, "Tensor.rsqrt": {"self": POSITIVE},
    "torch.isnan": {"input": np.array([1.0, np.nan, np.inf], "float32")},
    "torch.isinf": {"input": np.array([1.0, np.nan, -np.inf], "float32")},
    "torch.round": {"input": np.array([0.5, 1.5, 2.5, -0.5, -1.5], "float32")},
    "Tensor.round": {"self": np.array([0.5, 1.5, 2.5, -0.5, -1.5], "float32")},
    "torch.nn.functional.interpolate": {"size": [3, 7], "scale_factor": None, "mode": "bicubic", "align_corners": False,
                                        "input": np.sin(np.arange(40, dtype=np.float32)).reshape(1, 2, 4, 5)},
    **{f"{kind}.{name}": {own: TRUE, "other": B > 0} for kind, own in (("Tensor", "self"), ("torch", "input"))
       for name in ("bitwise_or", "bitwise_and", "logical_or", "logical_and", "logical_not", "any", "all")},
}  # fmt: skip
# Rows whose PyTorch side draws random numbers, or leaves values open.
SHAPE_ONLY = {"torch.rand", "torch.empty", "torch.randn", "torch.empty_like"}


def parameters_of(signature):
    """The name of the call and its parameters with their defaults; a `*` stays before the name."""
    name, inside = re.fullmatch(r"([\w.]+)\((.*)\)", signature).groups()
    parts = [part.strip().partition("=") for part in inside.split(",")] if inside else []
    return name, [(part[0], part[2] or None) for part in parts]


def values_of(name, parameters):
    special = SPECIAL.get(name, {})
    found = {}
    for parameter, default in parameters:
        key = parameter.lstrip("*")
        if key in special or (key in USUAL and key != "dtype"):
            found[key] = special.get(key, USUAL.get(key))
        else:
            assert default is not None, f"{name}: no value for `{key}`; add one to SPECIAL"
            found[key] = None if default == "None" else eval(default)
    return found


def of_torch(name, parameters, values):
    import torch

    def tensor(value):
        if isinstance(value, np.ndarray):
            return torch.tensor(value)
        if isinstance(value, list) and value and isinstance(value[0], np.ndarray):
            return [torch.tensor(one) for one in value]
        return value

    arguments, named = [], {}
    for parameter, _ in parameters:
        value = tensor(values[parameter.lstrip("*")])
        if parameter.startswith("*"):
            arguments += value
        elif name.startswith("Tensor.") or not arguments or parameter in ("input", "tensors"):
            if value is not None:
                arguments.append(value)
        elif value is not None:
            named[parameter] = value
    if name.startswith("Tensor."):
        by_name = {p: tensor(values[p]) for p, d in parameters[1:] if not p.startswith("*") and values[p] is not None}
        rest = arguments[1:] if any(p.startswith("*") for p, _ in parameters) else []
        return getattr(arguments[0], name.removeprefix("Tensor."))(*rest, **({} if rest else by_name))
    if name == "torch.from_numpy":
        return torch.from_numpy(values["ndarray"])
    function = torch
    for part in name.split(".")[1:]:
        function = getattr(function, part)
    return function(*arguments, **named)


def of_tensorflow(pattern, values):
    import math

    import tensorflow as tf

    def shape_list(tensor):
        static, dynamic = tensor.shape.as_list(), tf.shape(tensor)
        return [dynamic[n] if size is None else size for n, size in enumerate(static)]

    space = {"tf": tf, "math": math, "shape_list": shape_list}
    for _, source in HELPERS:
        if source.startswith("def ") and "config" not in source:
            exec(source, space)
    for key, value in values.items():
        is_list = isinstance(value, list) and value and isinstance(value[0], np.ndarray)
        space[key] = [tf.constant(one) for one in value] if is_list else value
        if isinstance(value, np.ndarray):
            space[key] = tf.constant(value)
        if value is None:  # the translator leaves such an argument out
            pattern = re.sub(rf",? ?\w+=\${key}\b(?! ==)", "", pattern)
    return eval(re.sub(r"\$(\w+)", r"\1", pattern), space)


def arrays(value):
    if isinstance(value, (list, tuple)):
        return [np.asarray(one) for one in value]
    return [np.asarray(value)]


@pytest.mark.parametrize(("signature", "pattern"), ROWS, ids=[row[0] for row in ROWS])
def test_row(signature, pattern):
    if signature.startswith("self."):
        pytest.skip("a method of Transformers' models; whole files show it")
    pytest.importorskip("tensorflow")
    name, parameters = parameters_of(signature)
    values = values_of(name, parameters)
    expected, found = arrays(of_torch(name, parameters, values)), arrays(of_tensorflow(pattern, values))
    assert [one.shape for one in expected] == [one.shape for one in found]
    if name in SHAPE_ONLY:
        return
    for a, b in zip(expected, found, strict=True):
        assert (a.dtype.kind == "b") == (b.dtype.kind == "b")
        np.testing.assert_allclose(b.astype("float64"), a.astype("float64"), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(3, 7), (8, 10), (4, 5)])
def test_interpolation(mode, size):
    """Smaller, larger and equal, in each mode, by size and by factor."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    pictures = SPECIAL["torch.nn.functional.interpolate"]["input"]
    given = {"input": pictures, "size": list(size), "scale_factor": None, "mode": mode, "align_corners": None}
    pattern = next(row[1] for row in ROWS if row[0].startswith("torch.nn.functional.interpolate"))
    for change in ({}, {"size": None, "scale_factor": [size[0] / 4, size[1] / 5]}):
        values = {**given, **change}
        expected = torch.nn.functional.interpolate(
            torch.tensor(pictures), size=values["size"], scale_factor=values["scale_factor"], mode=mode
        )
        found = of_tensorflow(pattern, values)
        assert tuple(found.shape) == tuple(expected.shape)
        np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=2e-6)


def test_every_row_of_the_table_was_read():
    assert len(ROWS) > 100 and len({row[0] for row in ROWS}) == len(ROWS)
    assert TABLE.count('{"') == len(ROWS)
