"""A sample of what tools/tf4/judge.py judges: our weight names in the real classes of Transformers 4.46, both ways."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PYTHON = ROOT / ".venv-tf4/bin/python"

# One of each: ties, bare heads, numbered dropouts, names outside of scopes, sines, convolutions, parts.
CLASSES = [
    "TFBertForMaskedLM",
    "TFBertForTokenClassification",
    "TFRobertaForMaskedLM",
    "TFGPT2LMHeadModel",
    "TFMarianMTModel",
    "TFT5ForConditionalGeneration",
    "TFConvBertModel",
    "TFResNetForImageClassification",
    "TFWav2Vec2Model",
    "TFSamModel",
    "TFEncoderDecoderModel",
    "TFVisionTextDualEncoderModel",
]


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory):
    """{class: results of its configurations}"""
    if not PYTHON.exists():
        pytest.skip("the old world is not there; `./dev setup --tf4` makes .venv-tf4")
    results = tmp_path_factory.mktemp("names") / "results.jsonl"
    command = [PYTHON, ROOT / "tools/tf4/judge.py", "--results", results, "--only", *CLASSES]
    run = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert run.returncode == 0, run.stderr[-2000:]
    found = {}
    for line in results.read_text().splitlines():
        result = json.loads(line)
        found.setdefault(result["class"], []).append(result)
    return found


@pytest.mark.parametrize("name", CLASSES)
def test_real_class_takes_our_names_both_ways(verdicts, name):
    assert verdicts[name]
    for verdict in verdicts[name]:
        assert verdict["to_tf"] is None
        assert verdict["to_pt"] is None
        assert verdict["max_error"] <= 1e-5
        assert verdict["compared"] > 10
