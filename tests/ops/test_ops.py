"""Every row of the op table, compared with PyTorch through TensorFlow.

`pytest tests/ops -k aten.topk` runs the samples of that row only; `-m slow` all samples and dtypes that OpInfo has.
"""

import collections
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

pytest.importorskip("torch")
pytest.importorskip("tensorflow")
pytest.importorskip("expecttest", reason="PyTorch's OpInfo needs it: pip install expecttest")

import opinfo
import samples
from harness import Runner, op_table
from tolerances import WITHOUT_SAMPLES, XFAIL

TABLE = op_table()

# Of all samples of a whole run, how many must have been compared at least: their number, and their share. The others are
# skipped: complex or sparse numbers, what torch.export or the lowering refuses by intention (`REFUSED`), no tensor as result.
FEWEST_COMPARED = {"test_row": (4_800, 0.96), "test_row_in_depth": (23_000, 0.95)}


def selected_rows(session, test):
    return {item.callspec.params["row"] for item in session.items if item.originalname == test}


def run(rows, is_slow):
    """The samples that reach each row, {row: [sample]}, and the outcome of every sample."""
    chosen, runner = {}, Runner(TABLE)
    start = time.monotonic()
    for row in sorted(rows):
        for sample in [*opinfo.samples_of(row, is_slow), *samples.samples_of(row)]:
            chosen.setdefault(sample.name, sample)
    runner.seconds["samples"] = time.monotonic() - start
    runner.run(list(chosen.values()))
    found = {}
    for sample in chosen.values():
        if sample.outcome.startswith("skipped"):
            continue
        for row in sample.targets | {sample.row}:
            found.setdefault(row, []).append(sample)
    if "CROSSLOAD_OPS_LOG" in os.environ:
        print(dict(runner.seconds))
        with open(os.environ["CROSSLOAD_OPS_LOG"], "w") as log:
            for s in chosen.values():
                log.write("\t".join([s.name, s.dtype, s.row, ",".join(sorted(s.targets)), s.outcome]) + "\n")
    return found, [sample.outcome for sample in chosen.values()]


@pytest.fixture(scope="session")
def fast(request):
    return run(selected_rows(request.session, "test_row"), False)


@pytest.fixture(scope="session")
def slow(request):
    return run(selected_rows(request.session, "test_row_in_depth"), True)


def check(row, reached_by):
    failures = []
    for sample in reached_by:
        if sample.name not in XFAIL:
            if sample.outcome != "passed":
                failures.append(f"{sample.name}: {sample.outcome}")
        elif sample.outcome == "passed":
            failures.append(f"{sample.name}: expected to fail, but passes; remove it from XFAIL")
    if row in WITHOUT_SAMPLES:
        assert not reached_by, f"a sample reaches {row} now; remove it from WITHOUT_SAMPLES"
        return
    assert reached_by, f"no sample reaches {row}; add one to tests/ops/samples/{TABLE[row][0]}.py"
    assert not failures, f"{len(failures)} of {len(reached_by)} samples\n" + "\n".join(failures)


def check_counts(request, test, outcomes):
    if selected_rows(request.session, test) != set(TABLE):
        pytest.skip("only a part of the rows was selected")
    number, share = FEWEST_COMPARED[test]
    skipped = collections.Counter(o for o in outcomes if o.startswith("skipped"))
    compared = len(outcomes) - skipped.total()
    report = "\n".join(f"{count} x {why}" for why, count in skipped.most_common())
    assert compared >= max(number, share * len(outcomes)), f"{compared} of {len(outcomes)} were compared\n{report}"


@pytest.mark.parametrize("family", sorted(samples.by_family()))
def test_samples_stand_in_the_file_of_their_rows_family(family):
    lowered_by = {row: TABLE[row][0] if row in TABLE else "no family" for row in samples.by_family()[family]}
    assert {row: found for row, found in lowered_by.items() if found != family} == {}


@pytest.mark.parametrize("row", sorted(TABLE))
def test_row(row, fast):
    check(row, fast[0].get(row, []))


def test_enough_samples_were_compared(request, fast):
    check_counts(request, "test_row", fast[1])


@pytest.mark.slow
@pytest.mark.parametrize("row", sorted(TABLE))
def test_row_in_depth(row, slow):
    check(row, slow[0].get(row, []))


@pytest.mark.slow
def test_enough_samples_were_compared_in_depth(request, slow):
    check_counts(request, "test_row_in_depth", slow[1])
