"""Judges `crossload weights` with the real classes of Transformers 4.46.

    .venv-tf4/bin/python tools/tf4/judge.py [--only CLASS|TYPE…] [--jobs N] [--resume] [--keep FOLDER] [--docs]

For every class, a PyTorch model with random weights is saved as a folder and converted by `crossload weights` (build it
first); the TensorFlow class must load the result and compute the same. Then all weights of the TensorFlow model are
changed and saved, and converted back; the result must load whole in the PyTorch class, every tensor bit for bit what
Transformers' own mapping says. Results go to build/tf4/results.jsonl; --docs writes docs/weights.md from them.
"""

import json
import os
import re
import subprocess

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import repairs
import stages
import trials
import weights_doc

LIMIT = 1e-5
# What PyTorch's classes store and TensorFlow's do not.
COMPUTED = re.compile(r"(num_batches_tracked|embed_positions\.weights|pos_emb\.inv_freq)$")


def convert(source, target):
    """What `crossload weights` answers, folder to folder; {"error"} when it fails."""
    finished = subprocess.run(
        [trials.program(), "weights", source, target, "--json", "--quiet"], capture_output=True, text=True
    )
    if finished.returncode != 0:
        return {"error": (finished.stderr.splitlines() or [f"exit code {finished.returncode}"])[0]}
    if (target / "config.json").read_bytes() != (source / "config.json").read_bytes():
        return {"error": "config.json is not what it was"}
    return json.loads(finished.stdout)


def unfit(written):
    return written["weights"]["unused"] + written["weights"]["missing"]


def judge(case, folder):
    """The verdict on one class: {"to_tf", "to_pt"}, each None when all is well, else why not."""
    made = trials.in_process(stages.make, case, folder)
    if "error" in made:
        return {"to_tf": "not built: " + made["error"], "to_pt": "not built"}
    to_tf = convert(folder / "pt", folder / "tf")
    if "error" in to_tf:
        return {"to_tf": to_tf["error"], "to_pt": "no tf_model.h5"}
    loaded = trials.in_process(stages.load, case, folder)
    result = {
        "tensors": made["tensors"],
        "repair": repairs.repaired(case),
        "to_tf": why_not_tf(to_tf, loaded),
        "to_pt": "no changed weights",
    }
    result |= {k: loaded.get(k) for k in ("max_error", "errors", "variables", "note")}
    if "error" in loaded:
        return result
    to_pt = convert(folder / "changed", folder / "back")
    if "error" in to_pt:
        return result | {"to_pt": to_pt["error"]}
    returned = trials.in_process(stages.back, case, folder)
    return result | {
        "to_pt": why_not_pt(to_pt, returned, (loaded["max_error"] or 0) <= LIMIT), "back_error": returned.get("max_error"),
        **{k: returned.get(k) for k in ("compared", "computed")},
    }  # fmt: skip


def why_not_tf(written, loaded):
    if "error" in loaded:
        return "TensorFlow: " + loaded["error"]
    for key in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if loaded[key]:
            return f"{key.split('_')[0]}: {', '.join(loaded[key][:3])} ({len(loaded[key])})"
    if names := unfit(written):
        return f"unused or missing: {', '.join(names[:3])} ({len(names)})"
    if loaded["max_error"] is None:
        return "no output to compare"
    if not loaded["max_error"] <= LIMIT:
        return f"outputs differ by {loaded['max_error']:.1e}"
    return None


def why_not_pt(written, returned, is_computing_alike):
    """Outputs are judged where both classes compute the same from the same weights, see why_not_tf."""
    if "error" in returned:
        return "PyTorch: " + returned["error"]
    for key in ("missing_keys", "unexpected_keys", "mismatched_keys", "different"):
        if returned[key]:
            return f"{key.split('_')[0]}: {', '.join(returned[key][:3])} ({len(returned[key])})"
    if names := unfit(written):
        return f"unused or missing: {', '.join(names[:3])} ({len(names)})"
    if names := [n for n in returned["computed"] if not COMPUTED.search(n)]:
        return f"not compared: {', '.join(names[:3])} ({len(names)})"
    if is_computing_alike and not (returned["max_error"] or 0) <= LIMIT:
        return f"outputs differ by {returned['max_error']:.1e}"
    return None


def settled(result):
    """A trial that did not end failed both ways."""
    failure = result.get("failure")
    return {"to_tf": failure, "to_pt": failure, **result} if failure else result


if __name__ == "__main__":
    trials.main(judge, settled, weights_doc, __doc__.split("\n")[0], "results.jsonl", "docs/weights.md")
