#!/usr/bin/env python3
"""Embed two sentences with a converted sentence encoder and with its PyTorch original, and compare.

    .venv/bin/python tools/demo_embedding.py MODEL OUT

MODEL is the PyTorch model's folder in the layout of sentence-transformers: `modules.json` says how token vectors become
one vector a sentence. OUT is what `crossload convert MODEL OUT` made.
"""

import json
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

SENTENCES = ["A cat sleeps on the warm windowsill.", "The kitten is taking a nap in the sun."]


def token_vectors_from_pytorch(model, batch):
    with torch.no_grad():
        network = AutoModel.from_pretrained(model).eval()
        tensors = {name: torch.from_numpy(np.array(array)) for name, array in batch.items()}
        return network(**tensors).last_hidden_state.numpy()


def token_vectors_from_tensorflow(out, batch):
    serve = tf.saved_model.load(str(out / "saved_model/1")).signatures["serving_default"]
    wanted = serve.structured_input_signature[1]
    tensors = {name: tf.constant(batch[name], spec.dtype) for name, spec in wanted.items()}
    return serve(**tensors)["last_hidden_state"].numpy()


def sentence_vectors(model, token_vectors, mask):
    """What the modules after the transformer do: [batch, length, width] to [batch, width]."""
    vectors = token_vectors
    for module in json.loads((model / "modules.json").read_text())[1:]:
        kind = module["type"].rsplit(".", 1)[-1]
        if kind == "Pooling":
            modes = json.loads((model / module["path"] / "config.json").read_text())
            if not modes["pooling_mode_mean_tokens"]:
                raise SystemExit(f"error: {module['path']}/config.json: this demonstration knows mean pooling only")
            visible = mask[..., None].astype(np.float32)
            vectors = (vectors * visible).sum(1) / visible.sum(1)
        elif kind == "Normalize":
            vectors = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
        else:
            raise SystemExit(f"error: modules.json: this demonstration does not know `{kind}`")
    return vectors


def main():
    model, out = map(pathlib.Path, sys.argv[1:])
    logging.disable_progress_bar()
    batch = dict(AutoTokenizer.from_pretrained(out)(SENTENCES, padding=True, return_tensors="np"))
    mask = batch["attention_mask"]
    in_pytorch = sentence_vectors(model, token_vectors_from_pytorch(model, batch), mask)
    in_tensorflow = sentence_vectors(model, token_vectors_from_tensorflow(out, batch), mask)

    for sentence in SENTENCES:
        print(f"  {sentence}")
    print(f"similarity in PyTorch       {in_pytorch[0] @ in_pytorch[1]:.7f}")
    print(f"similarity in TensorFlow    {in_tensorflow[0] @ in_tensorflow[1]:.7f}")
    print(f"largest difference of the embeddings ({in_pytorch.shape[1]} numbers a sentence): "
          f"{np.abs(in_pytorch - in_tensorflow).max():.1e}")  # fmt: skip


if __name__ == "__main__":
    main()
