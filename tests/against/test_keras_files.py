"""Keras 3 files and SavedModels of others, by the command."""

from pathlib import Path

import pytest

FILE = Path(__file__).with_name("keras_resnet.py")


@pytest.fixture(scope="session")
def resnet(tmp_path_factory):
    """A model folder."""
    import tiny_models
    import torch
    import transformers

    folder = tmp_path_factory.mktemp("resnet")
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[2], layer_type="basic")
    torch.manual_seed(0)
    model = transformers.ResNetModel(config).eval()
    tiny_models.set_trained_scale(model)
    model.save_pretrained(folder)
    return folder


def stages_of(report):
    return {stage["module"]: stage for stage in report["stages"]}


def test_a_class_is_made_from_the_configuration_and_takes_the_weights(verify, resnet, keras):
    finished = verify(resnet, f"{FILE}:KerasResNet")
    report = finished.document
    assert finished.code == 0, finished.err
    assert report["verdict"] == "verified" and report["versions"]["keras"].startswith("3.")
    assert report["weights"]["missing"] == report["weights"]["unused"] == []
    normalization = stages_of(report)["encoder.stages.0.layers.1.layer.1.normalization"]
    assert normalization["layer"] == "encoder.stages.0.layers.1.layer.1.normalization"
    assert normalization["isolated"] <= 1e-5
    # The Keras layer is given a padded picture.
    assert "encoder.stages.0.layers.0.layer.0.convolution" in {
        note["module"] for note in report["layers"]["not_isolated"]
    }


def test_a_wrong_epsilon_is_found_at_its_layer(verify, resnet, keras, tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text(FILE.read_text().replace("epsilon=1e-5", "epsilon=1e-3"))
    report = verify(resnet, f"{path}:KerasResNet").document
    assert report["verdict"] == "mismatch"
    assert [s["module"] for s in report["stages"] if s["first_over_limit"]] == ["embedder.embedder.normalization"]


def test_of_a_savedmodel_the_outputs_are_compared(verify, resnet, tmp_path):
    from crossload_command import run

    made = run("convert", resnet, tmp_path / "out", "--no-verify")
    assert made.code == 0, made.err
    finished = verify(resnet, tmp_path / "out/saved_model/1")
    report = finished.document
    assert finished.code == 0, finished.err
    assert report["verdict"] == "verified" and report["stages"] == [] and report["layers"] is None
    assert {o["name"] for o in report["outputs"]} == {"last_hidden_state", "pooler_output"}


def test_a_folder_without_a_savedmodel(verify, resnet, tmp_path):
    finished = verify(resnet, tmp_path)
    assert finished.code == 2 and "no `saved_model.pb` in it" in finished.error
