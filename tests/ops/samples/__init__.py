"""Hand-made samples: rows that OpInfo does not know, and the corners of semantics that its samples leave out.

`case("aten.x.default", function, tensors…)` is one sample; its function must reach that row of the table. With `second`
the sample is exported with every axis dynamic, and run at the sizes of both lists of tensors. A file holds the samples
of one family, and has the name of the family's file in src/lower/ops.
"""

import collections
import functools
import importlib
from pathlib import Path

import torch
from harness import Sample

_cases = []


def case(row, function, *args, second=None, **kwargs):
    _cases.append((row, function, args, kwargs, second))


@functools.cache
def by_family():
    """{family: {row: [case]}}"""
    found = {}
    for family in sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py")):
        _cases.clear()
        importlib.import_module(f"samples.{family}")
        found[family] = collections.defaultdict(list)
        for row, *rest in _cases:
            found[family][row].append(rest)
    return found


def samples_of(row):
    cases = [c for rows in by_family().values() for c in rows.get(row, [])]
    for index, (function, args, kwargs, second) in enumerate(cases):
        kind = next((str(a.dtype).removeprefix("torch.") for a in args if isinstance(a, torch.Tensor)), "none")
        size = "-dynamic" if second else ""
        yield Sample(f"handmade-{row}-{kind}-{index}{size}", function, args, kwargs, row=row, second=second)
