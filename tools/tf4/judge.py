"""Judges `crossload weights` with the real classes of Transformers 4.46.

    .venv-tf4/bin/python tools/tf4/judge.py [--only CLASS|TYPE…] [--jobs N] [--resume] [--keep FOLDER] [--docs]

For every class: a PyTorch model with random weights is saved as a folder, `crossload weights` (build it first) makes of it
one for TensorFlow, whose class loads that and computes the same; then all its weights change, it saves, and what the
command makes of that must load whole in the PyTorch class, every tensor bit for bit what Transformers' own mapping says.
Each step runs in a process of its own, forked from one that has imported everything; a crash or a hang harms no other
class. Results are lines of build/tf4/results.jsonl, the last line on a class counts; --docs makes docs/weights.md of them.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import class_table
import repairs
import stages
import tiny_configs
import weights_doc

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "build/tf4/results.jsonl"
LIMIT = 1e-5
# What PyTorch's classes store and TensorFlow's do not.
COMPUTED = re.compile(r"(num_batches_tracked|embed_positions\.weights|pos_emb\.inv_freq)$")
SECONDS = 300  # for one class


def subjects():
    """What is judged: every class, and more configurations of some types."""
    for model_type, part, name in class_table.subjects():
        yield {"type": model_type, "part": part, "class": name}
    for model_type, changes in tiny_configs.variants():
        for name in tiny_configs.model_types()[model_type]:
            yield {"type": model_type, "class": name, "changes": changes}
    for name in tiny_configs.model_types()["gpt-sw3"]:
        yield {"type": "gpt-sw3", "class": name}


def in_process(step, subject, folder):
    """Runs a step in a forked process; what it returns, or {"error"}."""
    result = folder / f"{step.__name__}.json"
    process = os.fork()
    if process == 0:
        try:
            log = os.open(folder / f"{step.__name__}.log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            os.dup2(log, 1), os.dup2(log, 2)
            answer = step(subject, folder)
        except BaseException as error:  # noqa: BLE001 (any failure is the subject's)
            traceback.print_exc()
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = str(error).strip().splitlines() or [""]
            answer = {"error": f"{type(error).__name__}: {text[0][:200]} ({Path(place.filename).name}:{place.lineno})"}
        result.write_text(json.dumps(answer))
        sys.stdout.flush()
        os._exit(0)
    _, status = os.waitpid(process, 0)
    return json.loads(result.read_text()) if result.exists() else {"error": f"the process ended with {status}"}


def program():
    """The command; of several builds the newest."""
    if "CROSSLOAD_BUILD_DIR" in os.environ:
        return Path(os.environ["CROSSLOAD_BUILD_DIR"]) / "crossload"
    programs = sorted((ROOT / "build").glob("*/crossload"), key=lambda p: p.stat().st_mtime)
    if not programs:
        sys.exit("error: build/*/crossload: not built; run `./dev setup`")
    return programs[-1]


def convert(source, target):
    """What `crossload weights` answers, folder to folder; {"error"} when it fails."""
    finished = subprocess.run([program(), "weights", source, target, "--json", "--quiet"], capture_output=True, text=True)
    if finished.returncode != 0:
        return {"error": (finished.stderr.splitlines() or [f"exit code {finished.returncode}"])[0]}
    if (target / "config.json").read_bytes() != (source / "config.json").read_bytes():
        return {"error": "config.json is not what it was"}
    return json.loads(finished.stdout)


def unfit(written):
    return written["weights"]["unused"] + written["weights"]["missing"]


def judge(subject, folder):
    """The verdict on one class: {"to_tf", "to_pt"}, each None when all is well, else why not."""
    made = in_process(stages.make, subject, folder)
    if "error" in made:
        return {"to_tf": "not built: " + made["error"], "to_pt": "not built"}
    to_tf = convert(folder / "pt", folder / "tf")
    if "error" in to_tf:
        return {"to_tf": to_tf["error"], "to_pt": "no tf_model.h5"}
    loaded = in_process(stages.load, subject, folder)
    result = {
        "tensors": made["tensors"],
        "repair": repairs.repaired(subject),
        "to_tf": why_not_tf(to_tf, loaded),
        "to_pt": "no changed weights",
    }
    result |= {k: loaded.get(k) for k in ("max_error", "errors", "variables", "note")}
    if "error" in loaded:
        return result
    to_pt = convert(folder / "changed", folder / "back")
    if "error" in to_pt:
        return result | {"to_pt": to_pt["error"]}
    returned = in_process(stages.back, subject, folder)
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


def key(subject):
    """What tells subjects apart, and their results."""
    return json.dumps([subject["class"], subject["type"], subject.get("changes")], sort_keys=True)


def read_results(path):
    """{key: result}; a line that was cut short by an interruption is none."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            result = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[key(result)] = result
    return found


class Trial:
    """A class that is being judged, in a process group of its own."""

    def __init__(self, subject, folder):
        self.subject, self.folder, self.start = subject, folder, time.monotonic()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.process = os.fork()
        if self.process == 0:
            os.setpgid(0, 0)
            try:
                verdict = judge(subject, folder)
            except BaseException as error:  # noqa: BLE001 (the judge's own failure is a result, too)
                traceback.print_exc()
                verdict = {"to_tf": f"judge: {error!r}", "to_pt": f"judge: {error!r}"}
            (folder / "verdict.json").write_text(json.dumps(verdict))
            sys.stdout.flush()
            os._exit(0)

    def result(self):
        """Null while it goes on."""
        seconds = time.monotonic() - self.start
        if os.waitpid(self.process, os.WNOHANG)[0] == 0:
            if seconds < SECONDS:
                return None
            os.killpg(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
        verdict = self.folder / "verdict.json"
        reason = f"no answer after {seconds:.0f} s"
        found = json.loads(verdict.read_text()) if verdict.exists() else {"to_tf": reason, "to_pt": reason}
        return {**self.subject, **found, "seconds": round(seconds, 1)}


def drive(wanted, jobs, folder, keep):
    """Yields the result of each subject as it comes."""
    waiting, running = list(reversed(wanted)), []
    while waiting or running:
        while waiting and len(running) < jobs:
            running.append(Trial(waiting[-1], folder / f"{waiting[-1]['class']}.{len(waiting)}"))
            waiting.pop()
        time.sleep(0.05)
        for trial in list(running):
            if (result := trial.result()) is None:
                continue
            running.remove(trial)
            if not keep:
                shutil.rmtree(trial.folder)
            yield result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of classes or model types")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--resume", action="store_true", help="only what has no result yet")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the files of each class here")
    parser.add_argument("--docs", action="store_true", help="write docs/weights.md")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="FILE", help="default: build/tf4/results.jsonl"
    )
    options = parser.parse_args()
    program()
    # What children find loaded. Nothing that computes as it is imported (some models' modules do): TensorFlow's threads
    # would be missing after a fork.
    import torch
    import transformers
    from transformers import modeling_tf_utils, modeling_utils  # noqa: F401

    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    wanted = [s for s in subjects() if not options.only or s["class"] in options.only or s["type"] in options.only]
    options.results.parent.mkdir(parents=True, exist_ok=True)
    if options.resume:
        known = read_results(options.results)
        wanted = [s for s in wanted if key(s) not in known]
    elif not options.only:
        options.results.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as temporary, open(options.results, "a") as file:
        for result in drive(wanted, options.jobs, options.keep or Path(temporary), options.keep is not None):
            file.write(json.dumps(result) + "\n")
            file.flush()
            print(weights_doc.line(result), flush=True)
    results = read_results(options.results)
    print(weights_doc.summary([results[key(s)] for s in subjects() if key(s) in results]))
    if options.docs:
        weights_doc.write([results[key(s)] for s in subjects()], ROOT / "docs/weights.md")


if __name__ == "__main__":
    main()
