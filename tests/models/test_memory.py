"""The memory of a conversion and its verification follows the largest stage of a model, not the model."""

import json
import os
import sys
from pathlib import Path

import torch
import transformers
from crossload_command import BINARY, PYTHON

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
from measure import watch_tree

WIDTH = 1024


def convert(folder, layers):
    """(MiB beyond mapped files of all processes at once, MiB of weights) of converting equal layers."""
    torch.manual_seed(0)
    config = transformers.BertConfig(
        hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=layers, num_attention_heads=16, vocab_size=99,
        max_position_embeddings=40, initializer_range=WIDTH**-0.5, architectures=["BertModel"],
    )  # fmt: skip
    transformers.BertModel(config).eval().save_pretrained(folder / "model")
    environment = os.environ | {"CROSSLOAD_CACHE": str(folder / "cache")}
    command = [BINARY, "convert", str(folder / "model"), str(folder / "out"), *PYTHON]
    memory = watch_tree(command, environment)
    report = json.loads((folder / "out" / "crossload.json").read_text())
    assert report["verdict"] in ("verified", "within-noise"), memory.output
    assert len(report["stages"]) > 10 * layers and memory.samples > 20
    return memory.beyond_mapped_mib, report["weights"]["bytes"] / 2**20


def test_memory_does_not_grow_with_the_number_of_layers(tmp_path):
    few, many = tmp_path / "few", tmp_path / "many"
    for folder in (few, many):
        folder.mkdir()
    memory_of_few, weights_of_few = convert(few, 2)
    memory_of_many, weights_of_many = convert(many, 6)
    weights = weights_of_many - weights_of_few
    assert weights > 190
    # Graphs, programs and recorded values grow with the layers, too, by far less than weights do.
    assert memory_of_many - memory_of_few < 0.5 * weights, f"{memory_of_few:.0f} and {memory_of_many:.0f} MiB"
