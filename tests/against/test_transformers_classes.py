"""The TensorFlow classes of Transformers 4, and copies of their files with a fault in them."""

import json

import pytest


@pytest.fixture(scope="session")
def faulty(source_of, tmp_path_factory):
    """faulty("bert", before, after): a copy of its file in which one place is changed."""

    def copy(model_type, before, after):
        text = source_of(model_type)
        assert before in text
        path = tmp_path_factory.mktemp("faulty") / f"modeling_tf_{model_type}.py"
        path.write_text(text.replace(before, after, 1))
        return path

    return copy


def stages_of(report):
    return {stage["module"]: stage for stage in report["stages"]}


def first_of(report):
    return [stage["module"] for stage in report["stages"] if stage["first_over_limit"]]


def test_bert_is_verified_layer_by_layer(verify, tiny, tf4, tmp_path):
    finished = verify(tiny("bert"), "transformers:TFBertModel", tmp_path / "report")
    report = finished.document
    assert finished.code == 0, finished.err
    assert report["verdict"] == "verified" and report["against"] == "transformers:TFBertModel"
    assert [s["inputs"]["input_ids"][0] for s in report["shapes"]] == [2, 3, 1]
    assert {o["name"] for o in report["outputs"]} == {"last_hidden_state", "pooler_output"}
    stages = stages_of(report)
    query = stages["encoder.layer.0.attention.self.query"]
    assert query["layer"] == "bert.encoder.layer.0.attention.self.query" and query["class"] == "Linear"
    assert 0 <= query["isolated"] <= 1e-5 and query["noise"] > 0
    assert 0 < stages["encoder.layer.0"]["isolated"] <= 1e-5 and 0 < stages["encoder"]["accumulated"] <= 1e-5
    # TensorFlow's layer has the activation in it, PyTorch's has it beside it.
    assert stages["pooler.dense"]["isolated"] <= 1e-5
    assert first_of(report) == []
    assert "embeddings.word_embeddings" in report["layers"]["without_layer"]
    assert report["layers"]["without_module"] == report["layers"]["other_structure"] == []
    assert report["layers"]["not_isolated"] == []
    assert json.loads((tmp_path / "report/crossload.json").read_text())["against"] == report["against"]
    assert (tmp_path / "report/report.html").is_file()


@pytest.mark.parametrize(
    ("before", "after", "module"),
    [
        ('epsilon=config.layer_norm_eps, name="LayerNorm")\n        self.dropout = keras.layers.Dropout(rate=config.hidden'
         '_dropout_prob)\n        self.config = config\n\n    def call(self, hidden_states: tf.Tensor, input_tensor',
         'epsilon=1e-2, name="LayerNorm")\n        self.dropout = keras.layers.Dropout(rate=config.hidden'
         '_dropout_prob)\n        self.config = config\n\n    def call(self, hidden_states: tf.Tensor, input_tensor',
         "encoder.layer.0.attention.output.LayerNorm"),
        ("dk = tf.cast(self.sqrt_att_head_size, dtype=attention_scores.dtype)",
         "dk = tf.cast(self.attention_head_size, dtype=attention_scores.dtype)",
         "encoder.layer.0.attention.self"),
        ("hidden_states = self.intermediate_act_fn(hidden_states)", "hidden_states = tf.nn.relu(hidden_states)",
         "encoder.layer.0.intermediate"),
        ("pooled_output = self.dense(inputs=first_token_tensor)", "pooled_output = self.dense(inputs=hidden_states[:, 1])",
         "pooler"),
    ],
    ids=["epsilon", "attention scale", "activation", "first token"],
)  # fmt: skip
def test_a_fault_is_found_at_its_layer(verify, tiny, faulty, before, after, module):
    finished = verify(tiny("bert"), f"{faulty('bert', before, after)}:TFBertModel")
    report = finished.document
    assert finished.code == 1, finished.err
    assert report["verdict"] == "mismatch"
    assert first_of(report) == [module]
    assert stages_of(report)[module]["isolated"] > 1e-4


def test_channels_last_is_compared_as_pytorch_has_it(verify, tiny, tf4):
    finished = verify(tiny("vit"), "transformers.models.vit.modeling_tf_vit:TFViTModel")
    report = finished.document
    assert finished.code == 0, finished.err
    assert stages_of(report)["embeddings.patch_embeddings.projection"]["accumulated"] <= 1e-5


def test_a_class_that_is_not_there(verify, tiny, tf4):
    finished = verify(tiny("bert"), "transformers:TFBertModell")
    assert finished.code == 2 and "has no class `TFBertModell`" in finished.error


def test_a_file_that_fails_is_told(verify, tiny, tmp_path, tf4):
    path = tmp_path / "modeling_tf_bert.py"
    path.write_text("from transformers.modeling_tf_utils import TFPreTrainedModel\n1 / 0\n")
    finished = verify(tiny("bert"), f"{path}:TFBertModel")
    assert finished.code == 2 and "ZeroDivisionError: division by zero" in finished.error
