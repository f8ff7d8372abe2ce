"""Causes of faults in TensorFlow models that somebody wrote, confirmed in PyTorch."""

import crossload
import pytest


@pytest.fixture
def pair(keras):
    import small_pairs

    return small_pairs.pair


def causes(report):
    return [(d.module, d.cause) for d in report.diagnosis]


def test_epsilon(pair):
    net, twin, inputs = pair(epsilon=1e-3)
    report = crossload.verify(net, twin, inputs)
    assert causes(report) == [("norm", "epsilon")]
    assert report.diagnosis[0].counterfactual_error < 1e-5
    assert "0.001" in report.diagnosis[0].evidence


def test_form_of_an_activation_between_layers(pair):
    net, twin, inputs = pair()
    twin.blocks[1].approximate = True
    report = crossload.verify(net, twin, inputs)
    assert causes(report) == [("blocks.1", "activation-form")]


def test_weights(pair):
    net, twin, inputs = pair()
    kernel, bias = twin.head.get_weights()
    twin.head.set_weights([kernel, bias + 0.5])
    kernel, bias = twin.blocks[0].down.get_weights()
    kernel[3, 4] += 1
    twin.blocks[0].down.set_weights([kernel, bias])
    report = crossload.verify(net, twin, inputs)
    assert causes(report) == [("blocks.0.down", "weight-value"), ("head", "weight-value")]
    assert "blocks.0.down.weight" in report.diagnosis[0].evidence and "[4, 3]" in report.diagnosis[0].evidence


def test_kernel_that_was_not_transposed(pair):
    net, twin, inputs = pair()
    kernel, bias = twin.conv.get_weights()
    twin.conv.set_weights([kernel.swapaxes(0, 1), bias])
    report = crossload.verify(net, twin, inputs)
    assert causes(report) == [("conv", "kernel-transposed")]


def test_what_nothing_explains(pair):
    net, twin, inputs = pair()
    block = twin.blocks[0]
    plain = block.call
    object.__setattr__(block, "call", lambda x: plain(x) + 0.25 * x * x)
    report = crossload.verify(net, twin, inputs)
    assert causes(report) == [("blocks.0", "other")]
    assert (
        report.diagnosis[0].counterfactual_error is None and "no change that was tried" in report.diagnosis[0].evidence
    )


def test_right_twin_has_no_cause(pair):
    net, twin, inputs = pair()
    assert crossload.verify(net, twin, inputs).diagnosis == []


@pytest.mark.parametrize(
    ("before", "after", "module", "cause"),
    [
        ('epsilon=config.layer_norm_eps, name="LayerNorm")\n        self.dropout = keras.layers.Dropout(rate=config.hidden'
         '_dropout_prob)\n        self.config = config\n\n    def call(self, hidden_states: tf.Tensor, input_tensor',
         'epsilon=1e-2, name="LayerNorm")\n        self.dropout = keras.layers.Dropout(rate=config.hidden'
         '_dropout_prob)\n        self.config = config\n\n    def call(self, hidden_states: tf.Tensor, input_tensor',
         "encoder.layer.0.attention.output.LayerNorm", "epsilon"),
        ("dk = tf.cast(self.sqrt_att_head_size, dtype=attention_scores.dtype)",
         "dk = tf.cast(self.attention_head_size, dtype=attention_scores.dtype)",
         "encoder.layer.0.attention.self", "attention-scale"),
        ("hidden_states = self.intermediate_act_fn(hidden_states)", "hidden_states = tf.nn.relu(hidden_states)",
         "encoder.layer.0.intermediate", "activation-form"),
    ],
    ids=["epsilon", "attention scale", "activation"],
)  # fmt: skip
def test_file_of_transformers_4(verify, tiny, source_of, tmp_path, before, after, module, cause):
    text = source_of("bert")
    assert before in text
    path = tmp_path / "modeling_tf_bert.py"
    path.write_text(text.replace(before, after, 1))
    report = verify(tiny("bert"), f"{path}:TFBertModel").document
    assert (module, cause) in [(d["module"], d["cause"]) for d in report["diagnosis"]]
    assert {d["cause"] for d in report["diagnosis"]} == {cause}
