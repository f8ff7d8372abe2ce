"""`--gradients` of TensorFlow models that somebody wrote."""

import crossload
import pytest
import tensorflow as tf


@pytest.fixture
def pair(keras):
    import small_pairs

    return small_pairs.pair


def test_right_twin(pair):
    net, twin, inputs = pair()
    report = crossload.verify(net, twin, inputs, gradients=True)
    assert report.verdict == "verified"
    compared = {one.name: one for one in report.gradients.parameters}
    assert [*compared] == [name for name, _ in net.named_parameters()]
    assert compared["conv.weight"].variable == "conv.kernel" and compared["conv.weight"].shape == [8, 3, 3, 3]
    assert all(one.verdict in ("verified", "within-noise") and one.largest > 1e-3 for one in compared.values())
    assert report.gradients.unpaired == report.gradients.without == []


def test_layer_that_stops_the_gradient(pair):
    """Its outputs are right."""
    net, twin, inputs = pair()
    block = twin.blocks[1]
    plain = block.call
    object.__setattr__(block, "call", lambda x: plain(tf.stop_gradient(x)))
    report = crossload.verify(net, twin, inputs, gradients=True)
    assert report.verdict == "mismatch" and report.max_error <= report.limit
    gradients = {one.name: one.verdict for one in report.gradients.parameters}
    assert "mismatch" not in {gradients[f"{name}.weight"] for name in ("head", "blocks.1.up", "blocks.1.down")}
    assert set(report.gradients.only_pytorch) == {
        name for name, _ in net.named_parameters() if name.startswith(("conv", "norm", "blocks.0"))
    }
    assert "have a gradient on one side only" in report.verdict_note


def test_class_of_transformers_4(verify, tiny, tf4):
    finished = verify(tiny("bert"), "transformers:TFBertModel", "--gradients")
    assert finished.code == 0, finished.err
    report = finished.document
    gradients = report["gradients"]
    assert report["verdict"] in ("verified", "within-noise")
    assert len(gradients["parameters"]) == 39 and gradients["unpaired"] == []
    words = next(one for one in gradients["parameters"] if one["name"] == "embeddings.word_embeddings.weight")
    assert words["largest"] > 1e-3 and words["verdict"] == "verified"


def test_foreign_saved_model_is_refused(tiny, verify, tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    finished = verify(tiny("bert"), tmp_path, "--gradients")
    assert finished.code == 2 and "--gradients" in finished.error
