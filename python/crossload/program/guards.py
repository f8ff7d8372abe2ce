"""What an exported program demands of its inputs' sizes, beyond the range of each.

torch.export writes its guards as Python source over the inputs, such as `(L['x'].size()[2] // 14) != 1`. They are never
evaluated as Python: a few kinds of expressions are understood, and guards with anything else are left alone.
"""

import ast
import json
import operator
import zipfile

_OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod, ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.USub: operator.neg, ast.Not: operator.not_,
}  # fmt: skip
_LONGEST = 10_000


def guards_of(program, path=None):
    """The guards of a program, as text; those of the archive at `path` where the program was read without them."""
    found = getattr(program, "_guards_code", None)
    if not found and path is not None:
        try:
            with zipfile.ZipFile(path) as archive:
                name = next(n for n in archive.namelist() if n.endswith("models/model.json"))
                found = json.loads(archive.read(name)).get("guards_code")
        except (OSError, StopIteration, ValueError, zipfile.BadZipFile):
            found = None
    return [g for g in found or [] if isinstance(g, str) and len(g) <= _LONGEST]


def broken_guard(guards, inputs):
    """The first guard that does not hold for inputs {name: tensor}, or None."""
    for guard in guards:
        try:
            holds = _value(ast.parse(guard.strip(), mode="eval").body, inputs)
        except (_Unknown, SyntaxError, ValueError, RecursionError, MemoryError, ZeroDivisionError, OverflowError):
            continue
        if holds is False:
            return guard
    return None


class _Unknown(Exception):
    pass


def _value(node, inputs):
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, bool)):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left, inputs), _value(node.right, inputs))
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.operand, inputs))
    if isinstance(node, ast.Compare) and all(type(op) in _OPERATORS for op in node.ops):
        values = [_value(n, inputs) for n in (node.left, *node.comparators)]
        return all(_OPERATORS[type(op)](a, b) for op, a, b in zip(node.ops, values, values[1:], strict=False))
    if isinstance(node, ast.BoolOp):
        values = [_value(n, inputs) for n in node.values]
        return all(values) if isinstance(node.op, ast.And) else any(values)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("max", "min"):
        return {"max": max, "min": min}[node.func.id](*[_value(n, inputs) for n in node.args])
    return _size(node, inputs)


def _size(node, inputs):
    """`L['x'].size()[2]`: the size of an axis of an input."""
    if not (isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)):
        raise _Unknown
    call, axis = node.value, node.slice.value
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "size"):
        raise _Unknown
    owner, path = call.func.value, []
    while isinstance(owner, ast.Subscript) and isinstance(owner.slice, ast.Constant):
        path.insert(0, str(owner.slice.value))
        owner = owner.value
    if not (isinstance(owner, ast.Name) and owner.id == "L") or type(axis) is not int:
        raise _Unknown
    tensor = inputs.get(".".join(path))
    if tensor is None or axis >= tensor.dim():
        raise _Unknown
    return tensor.shape[axis]
