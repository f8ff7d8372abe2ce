#!/usr/bin/env python3
"""How often the test for float32 noise is wrong: `.venv/bin/python tools/noise/measure.py [--models N] [--docs]`

A conversion over the limit is `within-noise` while it is at most 2 times as far from the float64 truth as the worst of
PyTorch's own float32 runs, and its root mean square at most 1.5 times that of the worst (src/verify/outputs.cc). Both
errors of that rule are measured here, on PyTorch alone, on tiny models with weights at trained scale:

- false alarms: runs whose sums are taken in a random order stand for correct conversions; each is judged by the runs that
  the verifier would have: the usual ones, and where these do not settle it the thorough ones, itself left out;
- misses: to such a run an error of a multiple of the noise is added, at one position or everywhere.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests/python"), str(ROOT / "tools")]

LARGEST, RMS = 2.0, 1.5  # as src/verify/outputs.cc has them
PLANTED = (2, 4)
MODELS = [("bert", "BertModel"), ("gpt2", "GPT2LMHeadModel"), ("vit", "ViTModel"), ("bert", "BertForQuestionAnswering")]


def reference_files(folder, model_type, head, seed):
    """The thorough reference of one tiny model: the files of its shapes, and what each run was."""
    import tiny_models
    from crossload.session import Session
    from crossload.worker import handle

    model = folder / "model"
    tiny_models.create(model_type, head, seed=seed, layers=4).save_pretrained(model)
    session, quiet = Session(), lambda *a, **k: None
    for name in ("trace", "out"):
        (folder / name).mkdir()
    handle({"do": "trace", "model": str(model), "out": str(folder / "trace")}, quiet, session)
    asked = {"do": "reference", "model": str(model), "trace": str(folder / "trace"), "out": str(folder / "out")}
    answer = handle({**asked, "effort": "most"}, quiet, session)
    return [(folder / "out" / c["file"], c["runs"]) for c in answer["cases"] if c["file"]]


def distances(runs, truth):
    off = np.abs(np.stack(runs).astype(np.float64) - truth).reshape(len(runs), -1)
    return off.max(1), np.sqrt((off**2).mean(1))


def accepted(largest, rms, others):
    return largest <= LARGEST * others[0].max() and rms <= RMS * others[1].max()


def judge(value, truth, usual, thorough):
    (largest,), (rms,) = distances([value], truth)
    return accepted(largest, rms, distances(usual, truth)) or accepted(largest, rms, distances(thorough, truth))


def count(path, kinds, random, found):
    """Adds to found {what: [wrong verdicts, verdicts]}."""
    from safetensors.numpy import load_file

    tensors = load_file(path)
    for name in [n.removeprefix("truth/") for n in tensors if n.startswith("truth/")]:
        truth = tensors[f"truth/{name}"].astype(np.float64)
        if truth.size < 2:
            continue
        runs = [tensors[f"run/{k}/{name}"] for k in range(len(kinds))]
        shuffled = [k for k, kind in enumerate(kinds) if kind == "sums in another order"]
        usual = [r for r, kind in zip(runs, kinds, strict=True) if not kind.startswith("sums")]
        noise = max(d for d in distances(runs, truth)[0])
        if not noise or not shuffled:
            continue
        for k in shuffled:
            others = [r for i, r in enumerate(runs) if i != k]
            found["false alarm"] += [not judge(runs[k], truth, usual, others)]
            for times in PLANTED:
                one = runs[k].astype(np.float64)
                one.flat[random.integers(one.size)] += times * noise * random.choice([-1, 1])
                found[f"missed, {times} x at one position"] += [judge(one, truth, usual, others)]
                spread = random.standard_normal(truth.shape) * times * distances(usual, truth)[1].max()
                found[f"missed, {times} x everywhere"] += [judge(runs[k] + spread, truth, usual, others)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=12)
    parser.add_argument("--docs", action="store_true", help="renew the table in docs/verification.md")
    options = parser.parse_args()
    random = np.random.default_rng(20)
    kinds = ["false alarm", *(f"missed, {t} x {how}" for t in PLANTED for how in ("at one position", "everywhere"))]
    found = {kind: [] for kind in kinds}
    for number in range(options.models):
        model_type, head = MODELS[number % len(MODELS)]
        with tempfile.TemporaryDirectory() as folder:
            for path, runs in reference_files(Path(folder), model_type, head, number):
                count(path, runs, random, found)
        print(f"{number + 1} of {options.models}: {head}", flush=True)
    rates = {kind: [int(sum(wrong)), len(wrong)] for kind, wrong in found.items()}
    for kind, (wrong, tried) in rates.items():
        print(f"{kind:<34}{wrong:6} of {tried:6}  {100 * wrong / tried:5.2f} %")
    if options.docs:
        import figures

        figures.record("noise", {"models": options.models, "rates": rates})
        figures.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
