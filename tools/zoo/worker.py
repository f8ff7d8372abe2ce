"""Converts subjects of the zoo, one a line of standard input, and answers with one line of JSON each.

A line in: {"type", "class" or null}. A line out: see `convert_subject`. What PyTorch and TensorFlow print goes to standard
error. The driver (zoo.py) kills a worker that hangs, and starts another one.
"""

import json
import os
import shutil
import sys
import tempfile
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import subjects

FIXED_AXES = ("static shapes: ", "only the first axes are dynamic: ")  # how a report's note of it begins
LEAST_MOVEMENT = 1e-4  # of an output, ten times the limit
SECONDS = ("trace", "lower", "write", "verify", "total")


def convert_subject(model_type, class_name):
    """One subject, whole; where PyTorch does not export it whole and it has several modalities, its components one by
    one. What PyTorch exports whole is judged whole.

    Returns {"type", "class", "plan", "form": "whole" | "components", "step", "verdict", "dynamic", "max_error", "noise",
    "moved", "seconds", "reason", "parts"}. step is how far it came: "unbuilt", "built" (PyTorch cannot export it),
    "exported" (crossload cannot lower it, or TensorFlow refuses it), "converted" (see the verdict). moved: how far other
    inputs and other weights move the outputs (subjects.movement).
    """
    start = time.time()
    entry = {"type": model_type, "class": class_name, "step": "unbuilt", "verdict": None, "reason": None}
    try:
        subject = subjects.build(
            model_type, subjects.classes.class_named(model_type, class_name) if class_name else None
        )
    except subjects.Unbuilt as error:
        return {**entry, "reason": str(error), "seconds": round(time.time() - start, 1)}
    entry |= {"class": subject.class_name, "plan": subject.plan, "form": "whole"}
    entry |= convert_model(subject.model, subject.inputs, has_folder=True)
    if entry["step"] == "built":
        parts = components(subject)
        if parts:
            found = [
                {"part": name, **convert_model(model, inputs, has_folder=False)} for name, (model, inputs) in parts
            ]
            whole = {key: entry[key] for key in ("step", "verdict", "reason") if key in entry}
            entry |= worst(found)
            entry |= {"form": "components", "parts": found, "whole": whole}
    return {**entry, "seconds": round(time.time() - start, 1)}


def components(subject):
    """[(name, (module, inputs))] of a model of several modalities, as Transformers' exporters take it apart."""
    import torch
    from transformers.exporters.utils import decompose_multimodal, is_multimodal

    try:
        if not is_multimodal(subject.model):
            return []
        with torch.no_grad():
            return list(decompose_multimodal(subject.model, dict(subject.inputs)).items())
    except Exception:  # noqa: BLE001 (then the whole's failure is reported)
        return []


def worst(found):
    order = ("unbuilt", "built", "exported", "converted")
    verdicts = ("mismatch", "unverified", None, "within-noise", "verified")
    key = lambda e: (order.index(e["step"]), verdicts.index(e["verdict"]))  # noqa: E731
    least = min(found, key=key)
    merged = {name: least.get(name) for name in ("step", "verdict", "reason", "moved")}
    merged["dynamic"] = all(e.get("dynamic") for e in found)
    errors = [e["max_error"] for e in found if isinstance(e.get("max_error"), float)]
    merged["max_error"] = max(errors) if errors else None
    return merged


def convert_model(model, inputs, has_folder):
    """Converts and compares one model, and says whether its outputs move; when they do not, nothing was verified."""
    try:
        moved = subjects.movement(model, inputs)
    except Exception as error:  # noqa: BLE001 (a component may refuse what it was given)
        return {"step": "built", "verdict": None, "reason": f"{type(error).__name__}: {first_line(error)}"}
    return judged(converted(model, inputs, has_folder), moved)


def judged(entry, moved):
    """An entry with the movement of its outputs; `unverified` where agreement says nothing for want of it."""
    entry = {**entry, "moved": moved}
    still = [name for name, distance in moved.items() if distance <= LEAST_MOVEMENT]
    if still and entry["verdict"] in ("verified", "within-noise"):
        far = ", ".join(f"{moved[name]:.1e}" for name in still)
        entry |= {
            "verdict": "unverified",
            "reason": f"no output moves with the {' and the '.join(still)}: by {far} at most",
        }
    return entry


def converted(model, inputs, has_folder):
    """Converts and compares one model; from a folder as users have it where it saves and loads, else from memory."""
    import crossload
    import torch

    folder = tempfile.mkdtemp(prefix="zoo-")
    tensors = flat_inputs(inputs)
    attempts = [(model, {})]
    if has_folder and saved(model, f"{folder}/model"):
        attempts.insert(0, (f"{folder}/model", {"model_class": type(model).__name__}))
    entry = None
    try:
        for source, flags in attempts:
            torch.manual_seed(0)
            options = {"stages": False, "force": True, "progress": lambda *_: None, **flags}
            try:
                conversion = crossload.convert(source, f"{folder}/out", tensors, **options)
                entry = {**outcome(conversion.report_dict), "from_folder": source is not model}
            except crossload.CrossloadError as error:
                entry = failure(error)
            except Exception as error:  # noqa: BLE001 (one failure harms no other subject)
                entry = {"step": "built", "verdict": None, "reason": f"{type(error).__name__}: {first_line(error)}"}
            # A folder may fail because Transformers cannot load what it saved, or for want of a package that loading asks
            # for; the model itself is another matter. What PyTorch does not export it does not export from memory either.
            kind = entry.get("kind")
            if kind == "unsupported" or (entry["step"] != "built" and kind != "environment"):
                break
        return entry
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def flat_inputs(inputs):
    """Inputs without those that are None: what a caller leaves out."""
    return {name: value for name, value in inputs.items() if value is not None}


def saved(model, folder):
    """Whether the model is written as a folder whose class Transformers knows by name."""
    import transformers

    if getattr(transformers, type(model).__name__, None) is not type(model):
        return False
    try:
        model.save_pretrained(folder)
    except Exception:  # noqa: BLE001 (then it is converted from memory)
        return False
    return True


def outcome(report):
    outputs = report["outputs"]
    noise = [o["noise"] for o in outputs if isinstance(o.get("noise"), float)]
    reason = None
    if report["verdict"] not in ("verified",):
        wrong = [o for o in outputs if number(o["max_error"]) > report["limit"] and not is_within_noise(o)]
        over = max(wrong or outputs, key=lambda o: number(o["max_error"]), default=None)
        notes = report.get("notes") or []
        if over is not None:
            reason = (
                f"`{over['name']}`: max |pt - tf| {over['max_error']}, to the truth: TensorFlow {over.get('tf_truth')}, "
                f"PyTorch's worst {over.get('noise')}"
            )
        if notes:
            reason = f"{reason}; {notes[0]}" if reason else notes[0]
    if report.get("verdict_note"):
        reason = f"{report['verdict_note']}; {reason}" if reason else report["verdict_note"]
    ties = report["verdict"] == "within-noise" and len(report.get("choices") or [])
    static = next((n for n in report.get("notes") or [] if n.startswith(FIXED_AXES)), None)
    return {
        "step": "converted", "verdict": report["verdict"], "dynamic": report["dynamic"], "max_error": report["max_error"],
        "noise": max(noise, default=None), "shapes": len([s for s in report["shapes"] if s.get("max_error") is not None]),
        "reason": reason, "choices": ties or 0, "static_reason": static, "timings": {k: report["timings_s"].get(k) for k in SECONDS},
    }  # fmt: skip


def is_within_noise(output):
    truth, noise = output.get("tf_truth"), output.get("noise")
    return isinstance(truth, float) and isinstance(noise, float) and truth <= noise


def number(value):
    return float(value) if isinstance(value, (int, float)) else float("inf")


def failure(error):
    text = f"{error.message}" + (f": {'; '.join(error.details[:3])}" if error.details else "")
    exported = error.message.startswith(("lower:", "graph:")) or error.kind not in ("unsupported", "bad-input")
    return {"step": "exported" if exported else "built", "verdict": None, "reason": text[:600], "kind": error.kind}


def first_line(error):
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")[:300]


def main():
    import torch
    import transformers
    from crossload.trace import export

    export.DYNAMIC_SECONDS *= float(sys.argv[1]) if len(sys.argv) > 1 else 1
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever prints to standard output
    for line in sys.stdin:
        job = json.loads(line)
        answers.write(json.dumps(convert_subject(job["type"], job.get("class"))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
