"""Appends text cases for rows of the op table to tests/lower/<family>.txt, from the hand-made samples of tests/ops.

`.venv/bin/python tests/tools/text_case.py aten.pixel_shuffle.default …` takes the first sample of each row that has no
case yet (a dynamic one before others); `./dev bless` then writes what the program becomes, to be read by eye.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/ops"))


def program_text(sample):
    """The exported program of a sample in the text form that test cases start from."""
    import string

    import harness
    import torch

    class Module(torch.nn.Module):
        def forward(self, *tensors):
            return tuple(sample.run(tensors))

    names = string.ascii_lowercase[: len(sample.tensors)]
    source = f"lambda self, {', '.join(names)}: Module.forward(self, {', '.join(names)})" if names else None
    kind = type("Sample", (Module,), {"forward": eval(source, {"Module": Module})} if source else {})
    dims = None
    if sample.second is not None:
        dims = tuple(dict.fromkeys(range(t.dim()), torch.export.Dim.AUTO) for t in sample.tensors)
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        exported = torch.export.export(kind().eval(), tuple(sample.tensors), dynamic_shapes=dims)
        path = Path(folder) / "x.pt2"
        torch.export.save(exported, path)
        command = [harness.build_folder() / "lower_programs", "--print", path]
        printed = subprocess.run(command, capture_output=True, text=True).stdout
    return re.sub(r"  # .*$", "", printed.split("\n---\n")[0].strip() + "\n", flags=re.M)


def main(rows):
    import harness
    import samples

    table = harness.op_table()
    for row in rows:
        found = sorted(samples.samples_of(row), key=lambda s: s.second is None)
        if not found:
            sys.exit(f"error: {row}: no sample in tests/ops/samples")
        path = ROOT / "tests/lower" / f"{table[row][0]}.txt"
        before = (
            path.read_text() if path.exists() else f"# {table[row][0]}: a program each, and what it is lowered to.\n"
        )
        if f"== {row}\n" in before:
            continue
        path.write_text(before.rstrip("\n") + f"\n\n== {row}\n{program_text(found[0])}--\n")
        print(f"{path.relative_to(ROOT)}: {row}")


if __name__ == "__main__":
    main(sys.argv[1:])
