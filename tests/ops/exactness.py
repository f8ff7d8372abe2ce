#!/usr/bin/env python3
"""How many units in the last place TensorFlow's kernels, as lowered here, are from PyTorch's, in float32.

.venv/bin/python tests/ops/exactness.py           measure and print
.venv/bin/python tests/ops/exactness.py --docs    and keep it for docs/ops.md (`./dev bless` writes it there)

Inputs have 18,432 elements, so that vectorised kernels take over. Sums are of positive terms: a unit in the last place
says nothing of a result that cancels.
"""

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parent.parent.parent
ROWS, COLUMNS = 9, 2048

# What must be equal bit for bit; tests/ops/test_exactness.py checks it: {name: (function, domain)}, domains
# as `inputs` has them.
EXACT = {
    "reciprocal": (lambda x: x.reciprocal(), "positive"),
    "1 / x": (lambda x: 1.0 / x, "positive"),
    "3.7 / x": (lambda x: 3.7 / x, "positive"),
    "x ** -1": (lambda x: x**-1, "positive"),
    "x ** -0.5": (lambda x: x**-0.5, "positive"),
    "rsqrt": (lambda x: x.rsqrt(), "positive"),
    "x / 3": (lambda x: x / 3, "positive"),
    "x / 0.7": (lambda x: x / 0.7, "positive"),
    "x / constant tensor": (lambda x: x / torch.arange(1.0, COLUMNS + 1.0), "positive"),
    "floor(x * reciprocal(x))": (lambda x: torch.floor(x * x.reciprocal()), "positive"),
    "x // 0.7": (lambda x: x // 0.7, "positive"),
    "x % 0.7": (lambda x: x % 0.7, "positive"),
    "x ** 2": (lambda x: x**2, "positive"),
    "x ** 3": (lambda x: x**3, "positive"),
    "linspace of 999": (lambda x: torch.linspace(-1, 1, 999) + 0 * x[0, 0], "positive"),
    "linspace of 50": (lambda x: torch.linspace(0, 1, 50) + 0 * x[0, 0], "positive"),
    "cumsum of 2,048": (lambda x: x.cumsum(-1), "positive"),
    "cumprod of 2,048": (lambda x: x.cumprod(-1), "near_one"),
}

# What is computed by kernels of another build: the same way.
ROUNDED = {
    "sqrt": (lambda x: x.sqrt(), "positive"),
    "exp": (lambda x: x.exp(), "any"),
    "expm1": (lambda x: x.expm1(), "any"),
    "exp2": (lambda x: x.exp2(), "any"),
    "log": (lambda x: x.log(), "positive"),
    "log1p": (lambda x: x.log1p(), "positive"),
    "log2": (lambda x: x.log2(), "positive"),
    "log10": (lambda x: x.log10(), "positive"),
    "sin": (lambda x: x.sin(), "any"),
    "cos": (lambda x: x.cos(), "any"),
    "tan": (lambda x: x.tan(), "unit"),
    "asin": (lambda x: x.asin(), "unit"),
    "acos": (lambda x: x.acos(), "unit"),
    "atan": (lambda x: x.atan(), "any"),
    "sinh": (lambda x: x.sinh(), "any"),
    "cosh": (lambda x: x.cosh(), "any"),
    "tanh": (lambda x: x.tanh(), "any"),
    "erf": (lambda x: x.erf(), "any"),
    "erfc": (lambda x: x.erfc(), "unit"),
    "lgamma": (lambda x: x.lgamma(), "positive"),
    "x ** 0.3": (lambda x: x**0.3, "positive"),
    "1.7 ** x": (lambda x: 1.7**x, "any"),
    "sigmoid": (lambda x: x.sigmoid(), "any"),
    "log_sigmoid": (F.logsigmoid, "any"),
    "softplus": (F.softplus, "any"),
    "silu": (F.silu, "positive"),
    "gelu": (F.gelu, "positive"),
    "gelu (tanh)": (lambda x: F.gelu(x, approximate="tanh"), "positive"),
    "mish": (F.mish, "positive"),
    "elu": (F.elu, "any"),
    "selu": (F.selu, "any"),
    "softmax over 2,048": (lambda x: x.softmax(-1), "any"),
    "log_softmax over 2,048": (lambda x: x.log_softmax(-1), "any"),
    "sum of 2,048": (lambda x: x.sum(-1), "positive"),
    "mean of 2,048": (lambda x: x.mean(-1), "positive"),
    "var of 2,048": (lambda x: x.var(-1), "positive"),
    "prod of 64": (lambda x: x.reshape(-1, 64).prod(-1), "near_one"),
    "logsumexp of 2,048": (lambda x: x.logsumexp(-1), "positive"),
    "norm of 2,048": (lambda x: x.norm(dim=-1), "positive"),
    "avg_pool of 3": (lambda x: F.avg_pool1d(x, 3), "positive"),
    "adaptive_avg_pool to 7": (lambda x: F.adaptive_avg_pool1d(x, 7), "positive"),
    "matmul over 2,048": (lambda x: x @ x.reshape(COLUMNS, -1), "positive"),
    "interpolate (linear) by 1.5": (lambda x: F.interpolate(x[:, None], scale_factor=1.5, mode="linear"), "positive"),
    "arange by 0.1": (lambda x: torch.arange(0, 100, 0.1) + 0 * x[0, 0], "positive"),
}


def inputs():
    random = torch.Generator().manual_seed(1)
    normal = lambda: torch.randn(ROWS, COLUMNS, generator=random)  # noqa: E731
    return {
        "any": normal() * 3,
        "positive": normal().abs() * 3 + 1e-3,
        "unit": torch.tanh(normal()),
        "near_one": 1 + 0.1 * torch.tanh(normal()),
    }


class Exact(torch.nn.Module):
    def forward(self, **x):
        return {name: function(x[domain]) for name, (function, domain) in EXACT.items()}


class Every(torch.nn.Module):
    def forward(self, **x):
        return {name: function(x[domain]) for name, (function, domain) in (EXACT | ROUNDED).items()}


def units_apart(a, b):
    """Units in the last place between float32 arrays, element by element; equal infinities and NaNs are 0 apart."""

    def order(x):  # integers in the order of the floats
        bits = np.ascontiguousarray(x, np.float32).view(np.int32).astype(np.int64)
        return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)

    return np.where(np.isnan(a) & np.isnan(b), 0, np.abs(order(a) - order(b)))


def distances(module, folder):
    """{name: {"apart", "pytorch", "tensorflow"}}, arrays of units in the last place: between the two, and of each to
    float64 rounded to float32."""
    import crossload

    x = inputs()
    sample = {name: value[:2] for name, value in x.items()}
    got = crossload.convert(module.eval(), folder, sample, verify=False).run(**x)
    torch.set_default_dtype(torch.float64)  # for the constants that the functions make
    try:
        truth = module(**{name: value.double() for name, value in x.items()})
    finally:
        torch.set_default_dtype(torch.float32)
    found = {}
    for name, want in module(**x).items():
        want, exact = want.numpy(), truth[name].numpy().astype(np.float32)
        found[name] = {
            "apart": units_apart(want, got[name]),
            "pytorch": units_apart(want, exact),
            "tensorflow": units_apart(got[name], exact),
        }
    return found


def measure():
    """[{name, equal (share of elements), apart, pytorch, tensorflow}], the worst distances of each function."""
    with tempfile.TemporaryDirectory() as folder:
        found = distances(Every(), Path(folder) / "out")
    return [
        {"name": name, "equal": float((of["apart"] == 0).mean())} | {what: int(d.max()) for what, d in of.items()}
        for name, of in found.items()
    ]


def cpu():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    widest = next((f for f in ("avx512f", "avx2", "avx") if f in flags), "no AVX")
    return f"{platform.machine()} with {widest}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", action="store_true")
    arguments = parser.parse_args()
    rows = measure()
    for row in sorted(rows, key=lambda r: r["apart"]):
        print("{name:32} {equal:7.1%} {apart:12} {pytorch:12} {tensorflow:12}".format(**row))
    if arguments.docs:
        import tensorflow as tf

        sys.path.insert(0, str(ROOT / "tools"))
        import figures

        where = f"{cpu()}, PyTorch {torch.__version__.split('+')[0]}, TensorFlow {tf.__version__}"
        figures.record("exactness", {"where": where, "rows": rows})


if __name__ == "__main__":
    main()
