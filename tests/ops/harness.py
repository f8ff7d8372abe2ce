"""Runs many small PyTorch functions through crossload and TensorFlow and compares the results.

A sample is one call with its tensors. Samples are packed into one module that computes them side by side, each in a
submodule of its own, so that one export, one conversion and one TensorFlow session serve hundreds of them; the path of a
node (`samples.17`) says which sample it belongs to. When a pack fails as a whole it is split in halves.
"""

import contextlib
import dataclasses
import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from crossload.trace.recurrent import any_length
from tolerances import REFUSED
from tolerances import TOLERANCES as WIDER
from torch.utils import _pytree as pytree

ROOT = Path(__file__).parent.parent.parent
PACK = 60


@dataclasses.dataclass
class Sample:
    """One call. `targets` are the ATen operations in its exported graph, `outcome` what became of it."""

    name: str
    function: object
    args: tuple
    kwargs: dict = dataclasses.field(default_factory=dict)
    row: str = ""  # the table row that a hand-made sample is meant for
    second: tuple = None  # other arguments of other sizes: the sample is exported with every axis dynamic
    targets: set = dataclasses.field(default_factory=set)
    export_error: str = ""
    outcome: str = ""  # `passed`, `skipped: why`, or `failed: why`

    def __post_init__(self):
        leaves, self.spec = pytree.tree_flatten((self.args, self.kwargs))
        self.tensors = [x for x in leaves if isinstance(x, torch.Tensor)]
        self.others = [None if isinstance(x, torch.Tensor) else x for x in leaves]
        self.is_tensor = [isinstance(x, torch.Tensor) for x in leaves]
        if self.second is not None:
            self.second = [x for x in pytree.tree_leaves((self.second, {})) if isinstance(x, torch.Tensor)]

    def run(self, tensors):
        """The tensors among the results, in order."""
        tensors = iter(tensors)
        leaves = [next(tensors) if is_tensor else other for is_tensor, other in zip(self.is_tensor, self.others)]
        args, kwargs = pytree.tree_unflatten(leaves, self.spec)
        return [x for x in pytree.tree_leaves(self.function(*args, **kwargs)) if isinstance(x, torch.Tensor)]

    def expected(self, tensors):
        with torch.no_grad():
            return [x.detach().clone() for x in self.run([t.detach().clone() for t in tensors])]

    @property
    def dtype(self):
        return str(self.tensors[0].dtype).removeprefix("torch.") if self.tensors else "no input"


class OneSample(torch.nn.Module):
    def __init__(self, sample):
        super().__init__()
        self.sample = sample

    def forward(self, tensors):
        return self.sample.run(tensors)


class Pack(torch.nn.Module):
    def __init__(self, samples):
        super().__init__()
        self.samples = torch.nn.ModuleList(OneSample(s) for s in samples)

    def forward(self, xs, anchor):
        results, at = [], 0
        for module in self.samples:
            count = len(module.sample.tensors)
            try:
                results += module(xs[at : at + count])
            except Exception as error:  # torch.export cannot trace it: the other samples go on without it
                module.sample.export_error = one_line(error)
            at += count
        # A result that is an input, or the same tensor twice, gets a value of its own; a program has a result at least.
        return [*results, anchor + 1]


def build_folder():
    if "CROSSLOAD_BUILD_DIR" in os.environ:
        return Path(os.environ["CROSSLOAD_BUILD_DIR"])
    programs = sorted((ROOT / "build").glob("*/lower_programs"), key=lambda p: p.stat().st_mtime)
    if not programs:
        raise FileNotFoundError("build/*/lower_programs: not built; run cmake with -DCROSSLOAD_TESTS=ON")
    return programs[-1].parent


def op_table():
    """{target: (family, schema)} of every operation that crossload lowers."""
    text = subprocess.run(
        [build_folder() / "lower_programs", "--table"], check=True, capture_output=True, text=True
    ).stdout
    return {target: (family, schema) for target, family, schema in (line.split("\t") for line in text.splitlines())}


class Converter:
    """lower_programs, kept running."""

    def __init__(self):
        self.process = None

    def convert(self, program, folder):
        """None, or the lines of the error."""
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                [build_folder() / "lower_programs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        self.process.stdin.write(f"{program}\t{folder}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip("\n").split("\t")
        if answer == ["ok"]:
            return None
        return answer[1:] or [f"lower_programs died with {self.process.wait()}"]

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()


def targets_by_sample(exported, count):
    found = [set() for _ in range(count)]
    for node in exported.graph.nodes:
        if node.op != "call_function":
            continue
        for path, _ in (node.meta.get("nn_module_stack") or {}).values():
            match = re.search(r"samples\.(\d+)$", path)
            if match:
                is_higher = isinstance(node.target, torch._ops.HigherOrderOperator)
                found[int(match[1])].add(f"higher_order.{node.target}" if is_higher else str(node.target))
    return found


def to_numpy(tensor):
    tensor = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:
        import ml_dtypes

        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


TOLERANCES = {"float64": (1e-7, 1e-7), "float32": (1.3e-6, 1e-5), "float16": (1e-3, 1e-3), "bfloat16": (1.6e-2, 1e-2)}


def difference(want, got, sample):
    """None when they agree, else what differs."""
    want = to_numpy(want)
    if want.dtype != got.dtype:
        return f"dtype {got.dtype}, PyTorch has {want.dtype}"
    if want.shape != got.shape:
        return f"shape {list(got.shape)}, PyTorch has {list(want.shape)}"
    if want.dtype.kind == "c":  # their parts as numbers
        want, got = (x.reshape(*x.shape, 1).view(x.real.dtype) for x in (want, got))
    if want.dtype.name not in TOLERANCES:
        wrong = np.argwhere(want != got)
        limit = "equal"
    else:
        rtol, atol = TOLERANCES[want.dtype.name]
        for target in sample.targets:
            wider = WIDER.get((target, want.dtype.name), (rtol, atol))
            rtol, atol = max(rtol, wider[0]), max(atol, wider[1])
        limit = f"rtol {rtol} atol {atol}"
        want, got = want.astype(np.float64), got.astype(np.float64)
        with np.errstate(invalid="ignore"):
            close = np.abs(want - got) <= atol + rtol * np.abs(want)
        same = (want == got) | (np.isnan(want) & np.isnan(got))
        wrong = np.argwhere(~(same | (close & np.isfinite(want) & np.isfinite(got))))
    if not len(wrong):
        return None
    at = tuple(wrong[0])
    return f"{len(wrong)} of {want.size} elements differ ({limit}); at {[int(i) for i in at]}: {got[at]}, PyTorch has {want[at]}"


class TensorFlowSession:
    def __init__(self, folder):
        import tensorflow as tf

        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            meta = tf.compat.v1.saved_model.load(self.session, ["serve"], str(folder))
        signature = meta.signature_def["int64_serving"]
        self.inputs = {name: info.name for name, info in signature.inputs.items()}
        self.outputs = {name: info.name for name, info in signature.outputs.items()}

    def run(self, feeds, names):
        feeds = {self.inputs[name]: value for name, value in feeds.items() if name in self.inputs}
        return self.session.run([self.outputs[name] for name in names], feeds)

    def close(self):
        self.session.close()


def one_line(error):
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if lines[0].startswith("Graph execution error") and len(lines) > 1:  # TensorFlow says what below a stack
        lines = [line for line in lines if "{{node" in line or ("[[" not in line and "defined at" not in line)][
            1:
        ] or lines
    return f"{type(error).__name__}: {lines[-1 if len(lines) == 1 else 0][:300]}"


class Runner:
    """Decides the outcome of every sample that it is given."""

    def __init__(self, table):
        self.table = table
        self.converter = Converter()
        self.seconds = Counter()

    def run(self, samples):
        # A pack with a loop of any length among others is not exported: its samples have packs of their own.
        kinds = {}
        for s in samples:
            has_loop = s.second is not None and self.table.get(s.row, ("",))[0] == "rnn"
            kinds.setdefault((s.second is not None, has_loop), []).append(s)
        for group in kinds.values():
            for start in range(0, len(group), PACK):
                self.run_pack(group[start : start + PACK])
        self.converter.close()

    @contextlib.contextmanager
    def timed(self, step):
        start = time.monotonic()
        yield
        self.seconds[step] += time.monotonic() - start
        self.seconds[step + " calls"] += 1

    def run_pack(self, samples):
        ready = []
        with self.timed("PyTorch"):
            self.reference(samples, ready)
        self.export(ready)

    def reference(self, samples, ready):
        for sample in samples:
            if any(t.layout != torch.strided or t.is_complex() or t.is_quantized for t in sample.tensors):
                sample.outcome = "skipped: not a dense tensor of real numbers"
                continue
            try:
                sample.want = [sample.expected(t) for t in (sample.tensors, sample.second) if t is not None]
            except Exception as error:
                sample.outcome = f"{'failed' if sample.row else 'skipped'}: PyTorch: {one_line(error)}"
                continue
            if sample.want[0]:
                ready.append(sample)
            else:
                sample.outcome = "skipped: no tensor as result"

    def halves(self, samples, step, why):
        if len(samples) == 1:
            refused = any(part in why for part in REFUSED)
            samples[0].outcome = why.replace("failed", "skipped", 1) if refused else why
            return
        half = len(samples) // 2
        step(samples[:half])
        step(samples[half:])

    def export(self, samples):
        if not samples:
            return
        tensors = [t.detach().clone() if t.is_contiguous() else t.detach() for s in samples for t in s.tensors]
        anchor = torch.zeros(2)
        dims = None
        if samples[0].second is not None:
            auto = torch.export.Dim.AUTO
            dims = {"xs": [dict.fromkeys(range(t.dim()), auto) for t in tensors], "anchor": None}
        try:
            with torch.no_grad(), self.timed("export"), any_length():
                exported = torch.export.export(Pack(samples).eval(), (tensors, anchor), dynamic_shapes=dims)
        except Exception as error:
            why = "failed" if samples[0].row else "skipped"
            self.halves(samples, self.export, f"{why}: torch.export: {one_line(error)}")
            return
        known = []
        for sample, targets in zip(samples, targets_by_sample(exported, len(samples))):
            if sample.export_error:
                sample.outcome = f"{'failed' if sample.row else 'skipped'}: torch.export: {sample.export_error}"
                continue
            sample.targets = targets
            missing = [t for t in targets if t not in self.table and t.startswith("aten.") and not has_no_lowering(t)]
            if missing and not sample.row:
                sample.outcome = f"skipped: no lowering for {', '.join(sorted(missing))}"
            elif sample.row and sample.row not in targets:
                sample.outcome = f"failed: the exported graph has {sorted(targets)} instead of {sample.row}"
            else:
                known.append(sample)
        if len(known) < len(samples):
            self.export(known)
        else:
            self.convert(samples, exported)

    def convert(self, samples, exported):
        with tempfile.TemporaryDirectory(prefix="crossload-ops-") as folder:
            program, saved_model = Path(folder) / "x.pt2", Path(folder) / "saved_model"
            try:
                with self.timed("save"):
                    torch.export.save(exported, program)
            except Exception as error:
                self.halves(samples, self.export, f"failed: torch.export.save: {one_line(error)}")
                return
            with self.timed("convert"):
                error = self.converter.convert(program, saved_model)
            if error is not None:
                self.after_failed_conversion(samples, error)
                return
            try:
                with self.timed("load"):
                    session = TensorFlowSession(saved_model)
            except Exception as problem:
                self.halves(samples, self.export, f"failed: TensorFlow does not load it: {one_line(problem)}")
                return
            try:
                with self.timed("run"):
                    for case in range(len(samples[0].want)):
                        self.compare(samples, session, case)
            except Exception as problem:  # a kernel refused; the node's name says whose
                self.after_failed_run(samples, problem)
            finally:
                session.close()

    def after_failed_conversion(self, samples, error):
        blamed = set()
        for line in error:
            match = re.match(r"samples\.(\d+)\b", line)
            if match:
                index = int(match[1])
                refused = any(part in line for part in REFUSED)
                samples[index].outcome = f"{'skipped' if refused else 'failed'}: {line}"
                blamed.add(index)
        if blamed:
            self.export([s for i, s in enumerate(samples) if i not in blamed])
        else:
            self.halves(samples, self.export, f"failed: {error[0]}")

    def after_failed_run(self, samples, error):
        why = f"failed: TensorFlow: {one_line(error)}"
        match = re.search(r"samples/(\d+)/", str(error))
        if match is None:
            self.halves(samples, self.export, why)
            return
        samples[int(match[1])].outcome = why
        self.export([s for i, s in enumerate(samples) if i != int(match[1])])

    def compare(self, samples, session, case):
        feeds, at = {"anchor": np.zeros(2, np.float32)}, 0
        names, position = [], 0
        for sample in samples:
            tensors = sample.tensors if case == 0 else sample.second
            for tensor in tensors:
                feeds[f"xs.{at}"] = to_numpy(tensor)
                at += 1
            names.append([f"output.{position + i}" for i in range(len(sample.want[case]))])
            position += len(sample.want[case])
        flat = iter(session.run(feeds, [n for group in names for n in group]))
        for sample, group in zip(samples, names):
            result = [next(flat) for _ in group]
            if sample.outcome.startswith("failed"):
                continue
            problems = [difference(want, got, sample) for want, got in zip(sample.want[case], result)]
            problems = [f"output {i}: {p}" for i, p in enumerate(problems) if p]
            size = " at the second size" if case else ""
            sample.outcome = f"failed{size}: {'; '.join(problems)}" if problems else "passed"


# As src/lower/lower.cc: sizes are expressions of the program's symbols, and checks are dropped.
def has_no_lowering(target):
    return target.startswith(("_operator.", "torch.sym_", "math.", "aten.sym_", "aten._assert_"))
