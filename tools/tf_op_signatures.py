#!/usr/bin/env python3
"""Write src/graph/tf_ops_table.inc: the signatures of TensorFlow's operations, one line each.

Reads the registry of the installed TensorFlow (written with 2.21.0), so nothing in the table is from memory:

    .venv/bin/python tools/tf_op_signatures.py            rewrite the table
    .venv/bin/python tools/tf_op_signatures.py --check    exit 1 when the table is stale

An operation is in the table when it has a kernel for the CPU, is not deprecated, its arguments are plain tensors (no
strings, resources, references or quantized types, and variants only for LISTS of tensors), and no pattern of EXCLUDED matches its name. The types that
an attribute allows are those that registration and some CPU kernel both allow.
"""

import argparse
import os
import pathlib
import re
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

TABLE = pathlib.Path(__file__).resolve().parent.parent / "src/graph/tf_ops_table.inc"

EXCLUDED = re.compile(
    r"""^(
    _.* | Xla.* | Uniform(Quantize|Requantize|Dequantize).* | Quantize.* | Dequantize | Requanti.* | FakeQuant.* |
    FakeParam | Sparse(?!SoftmaxCrossEntropy|ToDense$).* | .*Sparse(Tensor|CountOutput|From.*|To.*Set.*) |
    SerializeSparse | SerializeManySparse | DeserializeSparse | DenseTo(Sparse|Dense)Set.* | DenseCountSparseOutput |
    Ragged.* | (Ordered)?Map(Stage|Unstage|Peek|Clear|Size|IncompleteSize|Defun).* |
    (Stage|Unstage|StagePeek|StageSize|StageClear) | Collective.* | Debug.* | DumpTensor | Sdca.* |
    .*CandidateSampler | ComputeAccidentalHits | SampleDistorted.* | StatelessSampleDistorted.* |
    .*(?<!Stop)(?<!Prevent)(?<!Debug)Grad(Grad)?(V[0-9]|WithArgmax|Image|Boxes|ientArgs|ient|A)? |
    Dilation2DBackprop.* | .*BackpropFilter.* | Add(Many)?Sparse.* | (Stateless)?Case |
    Abort | Assert | Batch | BatchFunction | Unbatch | PyFunc.* | EagerPyFunc | TestAttr | Old | ConstructionFails |
    (Send|Recv|Enter|Exit|Merge|Switch|NextIteration|LoopCond|ControlTrigger) | HostConst | ImmutableConst | Copy |
    CopyHost | DeepCopy | Snapshot | SleepOp | SleepIdentityOp | SyncDevice | Timestamp | GetDeadline | DeviceIndex |
    GraphDefVersion | IsTensorFloat32Enabled | CalibrationStatisticsSaver | CustomAggregator | CheckPinned |
    CheckNumerics.* | Print | GuaranteeConst | SymbolicGradient | NearestNeighbors | KM.*Initialization |
    Kmeans.* | AudioMicrofrontend | UnicodeScript | CTC.* | EditDistance | Placeholder(V2)? | ParallelConcat |
    Conv | TensorStridedSliceUpdate | BiasAddV1 | Inv | Stochastic.* | Empty | Nearest.* | SetSize |
    CombinedNonMaxSuppression | DataFormat.* | Inplace.* | ApproximateEqual | NoOp | .*BlockCell | BlockLSTM
    )$""",
    re.VERBOSE,
)


LISTS = ("TensorListReserve", "TensorListSetItem", "TensorListStack")


def load_registry():
    """All registered operations, and for each the kernels that run on a CPU."""
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session
    from tensorflow.python.framework import kernels

    ops = op_def_pb2.OpList()
    ops.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    cpu = {}
    for kernel in kernels.get_all_registered_kernels().kernel:
        # Kernels with a label are asked for by name only, e.g. Mkl's.
        if kernel.device_type in ("CPU", "DEFAULT") and not kernel.label:
            cpu.setdefault(kernel.op, []).append(kernel)
    return ops.op, cpu


def type_names():
    """DataType number to crossload's name of the type."""
    from tensorflow.core.framework import types_pb2 as t

    return {
        t.DT_BOOL: "bool", t.DT_UINT8: "uint8", t.DT_INT8: "int8", t.DT_INT16: "int16", t.DT_INT32: "int32",
        t.DT_INT64: "int64", t.DT_UINT16: "uint16", t.DT_UINT32: "uint32", t.DT_UINT64: "uint64",
        t.DT_HALF: "float16", t.DT_BFLOAT16: "bfloat16", t.DT_FLOAT: "float32", t.DT_DOUBLE: "float64",
        t.DT_COMPLEX64: "complex64", t.DT_COMPLEX128: "complex128", t.DT_FLOAT8_E4M3FN: "float8_e4m3fn",
        t.DT_FLOAT8_E5M2: "float8_e5m2",
    }  # fmt: skip


class Unusable(Exception):
    """The operation takes or gives something that is no plain tensor."""


class Printer:
    def __init__(self):
        from tensorflow.core.framework import types_pb2

        self.types = type_names()
        self.variant = types_pb2.DT_VARIANT

    def argument(self, arg, op):
        if arg.is_ref:
            raise Unusable
        if arg.type_list_attr:
            return f"{arg.name}:[{arg.type_list_attr}]"
        if arg.type_attr:
            of = arg.type_attr
        elif arg.type in self.types:
            of = self.types[arg.type]
        elif op.name in LISTS and arg.type == self.variant:
            of = "variant"
        else:
            raise Unusable
        return f"{arg.name}:{arg.number_attr}*{of}" if arg.number_attr else f"{arg.name}:{of}"

    def scalar(self, kind, value):
        if kind == "s":
            return '"' + value.decode() + '"'
        if kind == "b":
            return "true" if value else "false"
        if kind == "f":
            return repr(value) if abs(value) < 1e-30 else f"{value:.7g}"
        if kind == "type":
            if value not in self.types:
                raise Unusable
            return self.types[value]
        if kind == "shape":
            return "?" if value.unknown_rank else "<" + ", ".join(str(d.size) for d in value.dim) + ">"
        return str(value)

    def default(self, attr):
        value = attr.default_value
        kind = value.WhichOneof("value")
        if kind == "list":
            for field, items in value.list.ListFields():
                name = {"type": "type", "shape": "shape"}.get(field.name, field.name)
                return "[" + ", ".join(self.scalar(name, item) for item in items) + "]"
            return "[]"
        if kind in ("func", "tensor"):
            return "none"
        return self.scalar(kind, getattr(value, kind))

    def allowed_types(self, attr, kernels):
        """Type names, or None when every type will do."""
        registered = set(attr.allowed_values.list.type) if attr.HasField("allowed_values") else None
        runnable = set()
        for kernel in kernels:
            constraint = [c for c in kernel.constraint if c.name == attr.name]
            if not constraint:
                runnable = None
                break
            runnable |= set(constraint[0].allowed_values.list.type)
        if registered is None and runnable is None:
            return None
        both = registered if runnable is None else runnable if registered is None else registered & runnable
        return [name for number, name in self.types.items() if number in both]

    def attribute(self, attr, kernels):
        text = f"{attr.name}:{attr.type}"
        if attr.type in ("type", "list(type)"):
            allowed = self.allowed_types(attr, kernels)
            if allowed is not None:
                if not allowed:
                    raise Unusable
                if len(allowed) < len(self.types) - 2:  # the two float8 are rarely registered and rarely missed
                    text += "(" + "|".join(allowed) + ")"
        elif attr.HasField("allowed_values"):
            text += "(" + "|".join(s.decode() for s in attr.allowed_values.list.s) + ")"
        if attr.has_minimum and attr.type != "shape":
            text += f">={attr.minimum}"
        if attr.HasField("default_value"):
            text += "=" + self.default(attr)
        return text

    def op(self, op, kernels):
        inputs = ", ".join(self.argument(a, op) for a in op.input_arg)
        outputs = ", ".join(self.argument(a, op) for a in op.output_arg)
        attrs = ", ".join(self.attribute(a, kernels) for a in op.attr)
        return f"{op.name}({inputs}) -> ({outputs}) {{{attrs}}}" + (" stateful" if op.is_stateful else "")


def table():
    import tensorflow

    ops, cpu = load_registry()
    printer = Printer()
    lines = []
    for op in sorted(ops, key=lambda o: o.name.encode()):
        if op.name not in cpu or op.deprecation.version or EXCLUDED.match(op.name):
            continue
        try:
            lines.append(printer.op(op, cpu[op.name]))
        except Unusable:
            continue
    head = (
        f"// TensorFlow {tensorflow.__version__}: {len(lines)} operations in the order of their names.\n"
        "// Written by tools/tf_op_signatures.py; see tf_ops.cc for the grammar.\n"
    )
    return head + "".join(f'R"({line})",\n' for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 when the table is stale")
    args = parser.parse_args()
    text = table()
    if args.check:
        if TABLE.read_text() != text:
            sys.exit(f"error: {TABLE}: stale; run tools/tf_op_signatures.py")
        return
    TABLE.write_text(text)
    print(f"{TABLE}: {text.count(chr(10)) - 2} operations, {len(text)} bytes")


if __name__ == "__main__":
    main()
