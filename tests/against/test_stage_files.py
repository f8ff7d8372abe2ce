"""`--dump` and `--reproduce` with `--against`: one layer's tensors, and a script that needs neither model's code."""

import subprocess

import numpy
import pytest

SCALE = ("dk = tf.cast(self.sqrt_att_head_size, dtype=attention_scores.dtype)",
         "dk = tf.cast(self.attention_head_size, dtype=attention_scores.dtype)")  # fmt: skip
STAGE = "encoder.layer.0.attention.self"


def test_of_a_faulty_layer(verify, tiny, source_of, tf4, tmp_path):
    path = tmp_path / "modeling_tf_bert.py"
    text = source_of("bert")
    assert SCALE[0] in text
    path.write_text(text.replace(*SCALE))
    finished = verify(tiny("bert"), f"{path}:TFBertModel", "--dump", STAGE, tmp_path / "stage.npz", "--reproduce", STAGE,
                      tmp_path / "made")  # fmt: skip
    assert finished.code == 1, finished.err
    isolated = next(s["isolated"] for s in finished.document["stages"] if s["module"] == STAGE)
    values = numpy.load(tmp_path / "stage.npz")
    outputs = [n.removeprefix("pytorch/") for n in values.files if n.startswith("pytorch/")]
    errors = [numpy.abs(values[f"pytorch/{n}"] - values[f"tensorflow/{n}"]).max() for n in outputs]
    assert max(errors) > 1e-3
    assert any(n.startswith("input/") for n in values.files)
    assert f"weight/{STAGE}.query.weight" in values.files
    pictured = [(p["module"], p["max_error"]) for p in finished.document["pictures"] if p["module"]]
    assert pictured == [(STAGE, pytest.approx(isolated))]

    script = tmp_path / "made" / "reproduce.py"
    assert len(script.read_text().splitlines()) <= 60
    assert "transformers" not in script.read_text() and "crossload" not in script.read_text()
    ran = subprocess.run([tf4, "-I", str(script)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    told = [float(line.rsplit(" ", 1)[1]) for line in ran.stdout.splitlines()]
    assert max(told) == pytest.approx(max(errors), rel=0.01)
    assert "aten.softmax" in (tmp_path / "made" / "issue.md").read_text()


def test_a_convolution_whose_channels_stand_last(verify, tiny, tf4, tmp_path):
    """Nothing is wrong with it: the script finds both equal, in PyTorch's order of axes."""
    stage = "embeddings.patch_embeddings.projection"
    finished = verify(tiny("vit"), "transformers:TFViTModel", "--reproduce", stage, tmp_path / "made")
    assert finished.code == 0, finished.err
    script = tmp_path / "made" / "reproduce.py"
    ran = subprocess.run([tf4, "-I", str(script)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert float(ran.stdout.rsplit(" ", 1)[1]) < 1e-5


def test_a_stage_without_a_layer(verify, tiny, tf4, tmp_path):
    refused = verify(tiny("bert"), "transformers:TFBertModel", "--dump", "encoder.layer.7", tmp_path / "no.npz")
    assert refused.code == 2 and "encoder.layer.1" in refused.error
