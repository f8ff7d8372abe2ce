"""Architectures without TensorFlow classes in Transformers: written, loaded by name, compared with all their task classes."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PICTURES = {"image_size": 32, "patch_size": 8, "num_channels": 3}
GROUPED = {"num_key_value_heads": 2}
# What is changed in the small configuration of conftest.py. Each is verified; bert and llama are in test_port.py.
VERIFIED = {
    "stablelm": GROUPED,
    "splinter": {},
    "opt": {"ffn_dim": 37, "word_embed_proj_dim": 32},
    "yolos": {**PICTURES, "image_size": [32, 24], "num_detection_tokens": 5},
}


@pytest.mark.slow
@pytest.mark.parametrize("model_type", VERIFIED)
def test_every_class_computes_what_pytorch_does(port, model_folder, tmp_path, model_type):
    code, answer, errors = port(model_folder(model_type, **VERIFIED[model_type]), tmp_path)
    assert code == 0, errors
    assert answer["verdict"] == "verified"
    assert answer["missing"] == answer["unexpected"] == []
    assert len(answer["rows"]) > 15 and 0 < answer["max_error"] <= 1e-5
    assert {head["verdict"] for head in answer["heads"]} <= {"verified"}


def test_the_documented_architectures_are_those_that_are_tested():
    table = (ROOT / "docs/port.md").read_text().split("All task classes, verified", 1)[1].split("\n\n")[1]
    documented = set(re.findall(r"^\| `([\w-]+)` \|", table, re.M))
    assert documented == set(VERIFIED) | {"bert", "llama"}
    assert f"{len(documented)} architectures" in (ROOT / "docs/port.md").read_text()
