"""Everything that an operation's row needs, and what of it is missing: `./dev op aten.x.default …`

For each operation: its row of the table, its samples, its text case (written from the first sample when there is none, a
dynamic sample before others), what the case becomes, and the numeric comparison with PyTorch through TensorFlow. Ends with
1 when something is missing or differs. The programs are built beforehand by `./dev op`.
"""

import functools
import os
import re
import string
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/ops"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


class Missing(Exception):
    """Something that the one who adds the operation has yet to write."""


def schema_of(target):
    """PyTorch's schema of `aten.x.default`, or None."""
    import torch

    try:
        return str(functools.reduce(getattr, target.split("."), torch.ops)._schema)
    except (AttributeError, RuntimeError):
        return None


def family_of(target, table):
    """The family of the row; says where the row belongs when there is none."""
    if target in table:
        return table[target][0]
    schema = schema_of(target)
    if schema is None:
        raise Missing(
            f"PyTorch has no `{target}`; the name is `aten.<operation>.<overload>`, `default` where there is one"
        )
    base = target.split(".")[1].rstrip("_")
    kin = sorted({table[t][0] for t in table if t.split(".")[1].rstrip("_") == base})
    families = sorted({family for family, _ in table.values()})
    where = f"src/lower/ops/{kin[0]}.cc, which has its other overloads" if kin else "src/lower/ops/<family>.cc"
    raise Missing(
        f'no row lowers it; add {{"{schema}", function}} to {where}.'
        + ("" if kin else f" Families: {', '.join(families)}")
    )


def samples_of(target, family):
    import opinfo
    import samples

    handmade = sorted(samples.samples_of(target), key=lambda s: s.second is None)
    from_opinfo = list(opinfo.samples_of(target, False))
    if not handmade and not from_opinfo:
        raise Missing(
            f'no sample; add case("{target}", function, tensors…) to tests/ops/samples/{family}.py, '
            "with second=(tensors…) of other sizes to have it compared at dynamic sizes"
        )
    return handmade, from_opinfo


def exported_program(sample, path):
    import torch
    from crossload.trace.recurrent import any_length

    class Module(torch.nn.Module):
        def forward(self, *tensors):
            return tuple(sample.run(tensors))

    # Parameters with names of their own: the text then reads `%a`, `%b`.
    names = string.ascii_lowercase[: len(sample.tensors)]
    source = f"lambda self, {', '.join(names)}: Module.forward(self, {', '.join(names)})" if names else None
    kind = type("Sample", (Module,), {"forward": eval(source, {"Module": Module})} if source else {})
    dims = None
    if sample.second is not None:
        dims = tuple(dict.fromkeys(range(t.dim()), torch.export.Dim.AUTO) for t in sample.tensors)
    with torch.no_grad(), any_length():
        exported = torch.export.export(kind().eval(), tuple(sample.tensors), dynamic_shapes=dims)
    torch.export.save(exported, path)


def program_text(sample):
    """The exported program of a sample in the text form that test cases start from."""
    import harness

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.pt2"
        exported_program(sample, path)
        command = [harness.build_folder() / "lower_programs", "--print", path]
        run = subprocess.run(command, capture_output=True, text=True)
    program = run.stdout.split("\n---\n")[0].strip()
    if not program:
        raise Missing(f"{sample.name}: the exported program cannot be read: {(run.stderr or run.stdout).strip()}")
    return re.sub(r"  # .*$", "", program + "\n", flags=re.M)


def case_of(text, title):
    found = re.search(rf"^== {re.escape(title)}\n(.*?)(?=^== |\Z)", text, re.M | re.S)
    return found and found.group(1).strip()


def write_text_case(target, family, handmade):
    """Appends the case when there is none; true when it was written."""
    path = ROOT / "tests/lower" / f"{family}.txt"
    text = path.read_text() if path.exists() else f"# {family}: a program each, and what it is lowered to.\n"
    if case_of(text, target) is not None:
        return False
    if not handmade:
        raise Missing(
            f"no text case, and no sample of ours to write it from; add one to tests/ops/samples/{family}.py "
            "(those of PyTorch's OpInfo are compared, but too large to read)"
        )
    program = program_text(handmade[0])
    path.write_text(text.rstrip("\n") + f"\n\n== {target}\n{program}--\n")
    return True


def bless():
    """Writes what every lowering case becomes. Returns the test's own words when it fails."""
    import harness

    run = subprocess.run(
        [harness.build_folder() / "test_lower"],
        env=os.environ | {"CROSSLOAD_BLESS": "1"},
        capture_output=True,
        text=True,
    )
    return "" if run.returncode == 0 else run.stdout + run.stderr


def compare(target, chosen):
    """The samples through TensorFlow against PyTorch: lines of what differs, and how many agree."""
    import harness
    from tolerances import XFAIL

    harness.Runner(harness.op_table()).run(chosen)
    reached = [s for s in chosen if not s.outcome.startswith("skipped") and target in s.targets | {s.row}]
    if not any(target in s.targets for s in reached):
        seen = sorted({t for s in chosen for t in s.targets})
        raise Missing(f"no sample reaches it: PyTorch exports them as {', '.join(seen) or 'nothing'}")
    failed = [f"{s.name}: {s.outcome}" for s in reached if s.outcome != "passed" and s.name not in XFAIL]
    return failed, len(reached) - len(failed)


def look_at(target):
    """One operation; prints a line a step."""
    import harness

    table = harness.op_table()
    print(f"\n{target}")
    family = family_of(target, table)
    print(f"  ✓ lowering    src/lower/ops/{family}.cc: {table[target][1]}")
    handmade, from_opinfo = samples_of(target, family)
    print(f"  ✓ samples     {len(handmade)} in tests/ops/samples/{family}.py, {len(from_opinfo)} of PyTorch's OpInfo")
    is_new = write_text_case(target, family, handmade)
    if complaint := bless():
        raise Missing(f"test_lower failed:\n{complaint[-2000:]}")
    case = case_of((ROOT / "tests/lower" / f"{family}.txt").read_text(), target)
    print(f"  ✓ text case   tests/lower/{family}.txt{', written now; read it:' if is_new else ''}")
    if is_new:
        print("\n" + "\n".join(f"      {line}" for line in case.splitlines()) + "\n")
    failed, passed = compare(target, [*from_opinfo, *handmade])
    if failed:
        raise Missing(
            f"{len(failed)} of {len(failed) + passed} samples differ from PyTorch:\n    " + "\n    ".join(failed)
        )
    print(f"  ✓ numbers     {passed} samples equal PyTorch through TensorFlow")


def main(targets):
    if not targets:
        print("error: op: name an operation, as in `./dev op aten.pixel_shuffle.default`", file=sys.stderr)
        return 2
    left = 0
    for target in targets:
        try:
            look_at(target)
        except Missing as what:
            left += 1
            print(f"  ✗ {what}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
