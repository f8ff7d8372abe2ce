"""Runs `crossload pt-to-tf` on a tiny model of every TensorFlow class of Transformers 4.46, with that class as the judge.

    .venv-tf4/bin/python tools/tf4/pt_to_tf.py [--only CLASS|TYPE…] [--jobs N] [--resume] [--keep FOLDER] [--docs]

Each model is saved as a folder without tokenizer and processor, so the command makes its inputs up. Results go to
build/tf4/pt_to_tf.jsonl; --docs makes docs/pt_to_tf_classes.md of them.
"""

import json
import os
import subprocess
import sys

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import repairs
import stages
import trials

TEXT = """# `pt-to-tf`, class by class

<!-- Written by tools/tf4/pt_to_tf.py --docs; see there. -->

`crossload pt-to-tf --no-pr` on a tiny model of every class in Transformers' TensorFlow auto maps, and a few that no map
has, with weights at trained scale. The judge is the TensorFlow class of Transformers 4.46.3 as it is, with none of the
repairs that [weights.md](weights.md) speaks of; the inputs are made up, and the limit is the usual 5e-5.

`mismatch`, nothing written: the class computes something else, or does not cross-load. `bad-input`: refused, as the old
command did, for a class that returns hidden states alone, or that takes more than text, images and audio.

{totals}

| class | verdict | outputs | hidden states | |
|---|---|---|---|---|
{rows}
"""


def build(case, folder):
    """Saves the PyTorch model as folder/model."""
    _, pt_class = stages.classes(case, repaired=False)
    stages.pt_model(pt_class, stages.config_of(case)).save_pretrained(folder / "model")
    return {}


def judge(case, folder):
    """What the command answers: {"verdict", "figures"}, or {"verdict": kind of the error, "reason"}."""
    made = trials.in_process(build, case, folder)
    if "error" in made:
        return {"verdict": "not built", "reason": made["error"]}
    command = [trials.program(), "pt-to-tf", "--model-name", folder / "model", "--no-pr", "--json", "--quiet"]
    finished = subprocess.run([*command, "--python", sys.executable], capture_output=True, text=True)
    try:
        answer = json.loads(finished.stdout)
    except json.JSONDecodeError:
        return {"verdict": "crashed", "reason": finished.stderr[-500:]}
    if "error" in answer:
        left = sorted(p.name for p in folder.rglob("*tf_model*") if not p.name.startswith("."))
        error = answer["error"]
        reason = error["message"].replace(f"{folder}/model", "model")
        if left:
            return {"verdict": "crashed", "reason": f"{reason}; left {', '.join(left)}"}
        return {
            "verdict": error["kind"],
            "reason": reason,
            "details": error["details"][:8],
            "code": finished.returncode,
        }
    return {k: answer[k] for k in ("verdict", "figures", "padded_error", "notes", "tf_class", "judge")}


def worst(result, kind):
    """The larger of the two figures for `output` or `hidden`."""
    figures = [result["figures"][f"{when}_{kind}"] for when in ("crossload", "conversion")]
    return "infinite" if "infinity" in figures else f"{max(figures):.1e}"


def row(result):
    changes = ", ".join(f"`{k}={v}`" for k, v in (result.get("changes") or {}).items())
    name = f"`{result['class']}` ({result['type']})" + (f" {changes}" if changes else "")
    if "figures" in result:
        return f"| {name} | {result['verdict']} | {worst(result, 'output')} | {worst(result, 'hidden')} | |"
    fault = repairs.repaired(result)
    reason = f"{fault} ({result['reason']})" if fault else result["reason"]
    return f"| {name} | {result['verdict']} | | | {trials.cell(reason)} |"


def summary(results):
    tried = f"{len(results)} of {sum(1 for _ in trials.cases())} configurations were tried: "
    return tried + ", ".join(f"{n} {kind}" for kind, n in trials.counted(results).items()) + "."


def write(results, path):
    path.write_text(TEXT.format(totals=summary(results), rows="\n".join(row(r) for r in results)))


def line(result):
    return f"{result['class']} ({result['type']}): {result['verdict']} {result.get('reason', '')}"


def settled(result):
    """A trial that did not end has a verdict as well."""
    failure = result.get("failure")
    return {**result, "verdict": "crashed", "reason": failure} if failure else result


if __name__ == "__main__":
    page = sys.modules[__name__]
    trials.main(judge, settled, page, __doc__.split("\n")[0], "pt_to_tf.jsonl", "docs/pt_to_tf_classes.md")
