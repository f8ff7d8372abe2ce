"""Runs `crossload verify --against` on TensorFlow classes of Transformers 4.46, each with a tiny PyTorch model.

    .venv-tf4/bin/python tools/tf4/against.py [--only CLASS…] [--resume] [--docs]

Each model is saved as a folder with weights at trained scale; its inputs are made up. All run in this one process, by the
engine's Python module, one after another. Results go to build/tf4/against.jsonl; --docs makes docs/against_classes.md of
them. Without --only: the classes of SAMPLE.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "python"))

import stages  # noqa: E402
import trials  # noqa: E402

SAMPLE = """
TFAlbertModel TFBartModel TFBertModel TFBertForSequenceClassification TFBlenderbotModel TFBlipModel TFCamembertModel
TFCLIPModel TFConvNextModel TFConvNextV2Model TFConvBertModel TFCTRLModel TFCvtModel TFData2VecVisionModel
TFData2VecVisionForSemanticSegmentation TFDebertaModel TFDebertaV2Model TFDeiTModel TFDistilBertModel TFElectraModel
TFEsmModel TFFlaubertModel TFFunnelModel TFGPT2Model TFGPTJModel TFGroupViTModel TFHubertModel TFLayoutLMModel
TFLayoutLMv3Model TFLEDModel TFMarianModel TFMBartModel TFMobileBertModel TFMobileViTModel TFMPNetModel
TFOpenAIGPTModel TFOPTModel TFPegasusModel TFRegNetModel TFRemBertModel TFResNetModel TFRobertaModel TFRoFormerModel
TFSegformerModel TFSpeech2TextModel TFSwinModel TFT5Model TFViTModel TFViTMAEModel TFWav2Vec2Model TFWhisperModel
TFXLMModel TFXLNetModel
""".split()

TEXT = """# `verify --against`, class by class

<!-- Written by tools/tf4/against.py --docs; see there. -->

`crossload verify MODEL --against transformers:CLASS` on tiny models with weights at trained scale: TensorFlow classes of
Transformers 4.46.3 against their PyTorch classes. Pairs: PyTorch modules that have a layer of their name, of all that run;
isolated: those that could be called with PyTorch's inputs. First over: the stage that is named.

{totals}

| class | verdict | max error | pairs | isolated | first over the limit | |
|---|---|---|---|---|---|---|
{rows}
"""


def engine():
    """The engine's Python module, of the newest build."""
    import crossload
    from crossload import native

    built = sorted((ROOT / "build").glob("*/_engine*.so"), key=lambda file: file.stat().st_mtime)
    crossload.__path__.append(str(built[-1].parent))
    return native.engine()


def judge(case):
    """What the command answers, in short; {"verdict": kind of the error, "reason"} of one that fails."""
    _, pt_class = stages.classes(case, repaired=False)
    with tempfile.TemporaryDirectory() as folder:
        stages.pt_model(pt_class, stages.config_of(case)).save_pretrained(folder)
        answer = verified(folder, f"transformers:{case['class']}")
        if "error" in answer:
            error = answer["error"]
            reason = error["message"].replace(folder, "model")
            return {"verdict": error["kind"], "reason": reason, "details": error["details"][-8:]}
    measured = [s for s in answer["stages"] if s["accumulated"] is not None]
    return {
        "verdict": answer["verdict"],
        "max_error": answer["max_error"],
        "stages": len(answer["stages"]),
        "pairs": len(measured),
        "isolated": sum(s["isolated"] is not None for s in measured),
        "first": next((s for s in answer["stages"] if s["first_over_limit"]), None),
        "layers": answer["layers"],
        "missing": answer["weights"]["missing"],
        "notes": answer["notes"],
    }


def verified(folder, target):
    """The report of `crossload verify FOLDER --against TARGET`, or {"error"}."""
    from crossload.errors import WorkerError
    from crossload.session import Session
    from crossload.worker import handle

    session = Session()

    def ask(text):
        try:
            return json.dumps(handle(json.loads(text), lambda *told: None, session))
        except WorkerError as error:
            return json.dumps({"error": {"kind": error.kind, "message": error.message, "details": error.details}})

    request = json.dumps({"model": folder, "target": target})
    return json.loads(engine().verify_against(request, ask, lambda *told: None, sys.executable))


def shown(value):
    return f"{value:.1e}" if isinstance(value, float) else str(value)


def first_text(result):
    first = result["first"]
    return f"`{first['module'] or '(model)'}` ({first['class']}), {shown(first['isolated'])} by itself" if first else ""


def row(result):
    name = f"`{result['class']}` ({result['type']})"
    if "pairs" not in result:
        return f"| {name} | {result['verdict']} | | | | | {trials.cell(result['reason'])} |"
    notes = "; ".join(result["notes"][:2])
    return (
        f"| {name} | {result['verdict']} | {shown(result['max_error'])} | {result['pairs']} of {result['stages']} | "
        f"{result['isolated']} | {trials.cell(first_text(result))} | {trials.cell(notes)} |"
    )


def summary(results):
    return (
        f"{len(results)} classes: "
        + ", ".join(f"{n} {kind}" for kind, n in sorted(trials.counted(results).items()))
        + "."
    )


def write(results, path):
    path.write_text(TEXT.format(totals=summary(results), rows="\n".join(row(r) for r in results)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="CLASS", default=SAMPLE)
    parser.add_argument("--resume", action="store_true", help="only what has no result yet")
    parser.add_argument("--docs", action="store_true", help="write docs/against_classes.md")
    options = parser.parse_args()
    path = ROOT / "build/tf4/against.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    known = {result["class"]: result for result in trials.read_results(path).values()}
    cases = {s["class"]: s for s in reversed(list(trials.cases())) if not s.get("changes")}
    for name in options.only:
        if options.resume and name in known:
            continue
        start = time.monotonic()
        try:
            found = judge(cases[name])
        except Exception as error:  # noqa: BLE001 (a class that cannot be built is a result, too)
            found = {"verdict": "not built", "reason": f"{type(error).__name__}: {error}"}
        known[name] = {**cases[name], **found, "seconds": round(time.monotonic() - start, 1)}
        with open(path, "a") as file:
            file.write(json.dumps(known[name]) + "\n")
        print(row(known[name]).strip("| "), f"{known[name]['seconds']} s", flush=True)
    results = [known[name] for name in sorted(known)]
    print(summary(results))
    if options.docs:
        write(results, ROOT / "docs/against_classes.md")


if __name__ == "__main__":
    main()
