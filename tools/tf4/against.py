"""Runs `crossload verify --against` on the TensorFlow classes of Transformers 4.46, each with a tiny PyTorch model.

    .venv-tf4/bin/python tools/tf4/against.py [--only CLASS|TYPE…] [--jobs N] [--resume] [--keep FOLDER] [--docs]

Each model is saved as a folder with weights at trained scale; the command makes its inputs up. Results go to
build/tf4/against.jsonl; --docs makes docs/against_classes.md of them. Without --only: the classes of SAMPLE.
"""

import json
import os
import subprocess
import sys

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import stages
import trials

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


def build(subject, folder):
    """Saves the PyTorch model as folder/model."""
    _, pt_class = stages.classes(subject, repaired=False)
    stages.pt_model(pt_class, stages.config_of(subject)).save_pretrained(folder / "model")
    return {}


def judge(subject, folder):
    """What the command answers, in short; {"verdict": kind of the error, "reason"} of one that fails."""
    made = trials.in_process(build, subject, folder)
    if "error" in made:
        return {"verdict": "not built", "reason": made["error"]}
    command = [trials.program(), "verify", folder / "model", "--against", f"transformers:{subject['class']}"]
    finished = subprocess.run(
        [*command, "--json", "--quiet", "--python", sys.executable], capture_output=True, text=True
    )
    try:
        answer = json.loads(finished.stdout)
    except json.JSONDecodeError:
        return {"verdict": "crashed", "reason": finished.stderr[-500:]}
    if "error" in answer:
        error = answer["error"]
        reason = error["message"].replace(f"{folder}/model", "model")
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


def shown(value):
    return f"{value:.1e}" if isinstance(value, float) else str(value)


def first_text(result):
    first = result["first"]
    return f"`{first['module'] or '(model)'}` ({first['class']}), {shown(first['isolated'])} by itself" if first else ""


def row(result):
    name = f"`{result['class']}` ({result['type']})"
    if "pairs" not in result:
        return f"| {name} | {result['verdict']} | | | | | {cell(result['reason'])} |"
    notes = "; ".join(result["notes"][:2])
    return (
        f"| {name} | {result['verdict']} | {shown(result['max_error'])} | {result['pairs']} of {result['stages']} | "
        f"{result['isolated']} | {cell(first_text(result))} | {cell(notes)} |"
    )


def cell(text):
    return " ".join(text.split()).replace("|", "\\|")


def summary(results):
    counts = {}
    for result in results:
        counts[result["verdict"]] = counts.get(result["verdict"], 0) + 1
    return f"{len(results)} classes: " + ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())) + "."


def write(results, path):
    path.write_text(TEXT.format(totals=summary(results), rows="\n".join(row(r) for r in results)))


def line(result):
    return row(result).strip("| ")


def settled(result):
    """A trial that did not end has a verdict as well."""
    failure = result.get("failure")
    return {**result, "verdict": "crashed", "reason": failure} if failure else result


if __name__ == "__main__":
    page = sys.modules[__name__]
    if "--only" not in sys.argv:
        sys.argv += ["--only", *SAMPLE]
    trials.main(judge, settled, page, __doc__.split("\n")[0], "against.jsonl", "docs/against_classes.md")
