"""What a file of `--for keras` brings along: a small model on it takes PyTorch's weights, is saved, loaded and trained."""

import os
import sys
import types

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

keras = pytest.importorskip("keras", minversion="3.0")
tf = pytest.importorskip("tensorflow")
torch = pytest.importorskip("torch")

from crossload.port import keras_support as support
from crossload.port.keras_home import configuration_source
from safetensors.torch import save_file

WIDTH, WORDS = 6, 11


class TFBlock(support.Layer):
    def __init__(self, config, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.dense = keras.layers.Dense(units=4, name="dense")
        self.norm = keras.layers.LayerNormalization(epsilon=1e-5, name="norm")
        self.conv = keras.layers.Conv1D(filters=WIDTH, kernel_size=3, padding="same", name="conv")

    def call(self, hidden_states, scale=1.0, is_doubled=False):
        if is_doubled:
            scale = 2 * scale
        # A condition on a tensor, which a graph must ask while it runs.
        if tf.shape(hidden_states)[1] > 3:
            hidden_states = hidden_states * 3.0
        return self.conv(self.dense(self.norm(hidden_states * scale)))

    def build(self, input_shape=None):
        self.dense.build([None, None, WIDTH])
        self.norm.build([None, None, WIDTH])
        self.conv.build([None, None, 4])
        self.built = True


class TFWordsMainLayer(support.Layer):
    def __init__(self, config, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.words = keras.layers.Embedding(input_dim=WORDS, output_dim=WIDTH, name="words")
        self.block = [TFBlock(config, name=f"block_._{i}") for i in range(2)]

    @support.unpack_inputs
    def call(self, input_ids=None, output_hidden_states=None, training=False):
        hidden_states = self.words(input_ids)
        states = (hidden_states,)
        for block in self.block:
            hidden_states = block(hidden_states, 0.5, True)
            states = (*states, hidden_states)
        return WordsOutput(last_hidden_state=hidden_states, hidden_states=states if output_hidden_states else None)

    def build(self, input_shape=None):
        self.words.build(None)
        for block in self.block:
            block.build(None)
        self.shift = self.add_weight(name="shift", shape=[1], initializer="zeros")
        self.built = True


@support.dataclasses.dataclass
class WordsOutput(support.ModelOutput):
    last_hidden_state: tf.Tensor = None
    hidden_states: tf.Tensor = None


class TFWordsModel(support.TFPreTrainedModel):
    base_model_prefix = "words"

    def __init__(self, config, *inputs, **kwargs):
        super().__init__(config, *inputs, **kwargs)
        self.words = TFWordsMainLayer(config, name="words")

    @support.unpack_inputs
    def call(self, input_ids=None, labels=None, output_hidden_states=None, training=False):
        outputs = self.words(input_ids, output_hidden_states=output_hidden_states)
        assert outputs[0] is outputs.last_hidden_state
        if labels is not None:
            return {"loss": tf.reduce_mean(tf.square(outputs[0])), **outputs}
        return outputs

    def build(self, input_shape=None):
        self.words.build(None)
        self.built = True


def pytorch_weights():
    random = torch.Generator().manual_seed(0)
    shapes = {"words.weight": (WORDS, WIDTH), "shift": (1,)}
    for i in range(2):
        shapes |= {
            f"block.{i}.dense.weight": (4, WIDTH), f"block.{i}.dense.bias": (4,),
            f"block.{i}.norm.weight": (WIDTH,), f"block.{i}.norm.bias": (WIDTH,),
            f"block.{i}.conv.weight": (WIDTH, 4, 3), f"block.{i}.conv.bias": (WIDTH,),
        }  # fmt: skip
    return {name: torch.randn(shape, generator=random) for name, shape in shapes.items()}


def pytorch_outputs(weights, ids):
    x = weights["words.weight"][ids]
    for i in range(2):
        w = {name.removeprefix(f"block.{i}."): value for name, value in weights.items()}
        x = x * 3.0 if x.shape[1] > 3 else x
        x = torch.nn.functional.layer_norm(x, (WIDTH,), w["norm.weight"], w["norm.bias"])
        x = torch.nn.functional.linear(x, w["dense.weight"], w["dense.bias"])
        x = torch.nn.functional.conv1d(x.transpose(1, 2), w["conv.weight"], w["conv.bias"], padding=1).transpose(1, 2)
    return x.numpy()


@pytest.fixture
def preset(tmp_path):
    """A folder as PyTorch's `save_pretrained` leaves it, and its weights; names may lack the base model's prefix."""

    def make(**changes):
        weights = {**pytorch_weights(), **changes}
        weights = {name: value for name, value in weights.items() if value is not None}
        folder = tmp_path / "preset"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text('{"model_type": "words", "num_labels": 3, "pad_token_id": 0}')
        save_file({name: value.contiguous() for name, value in weights.items()}, folder / "model.safetensors")
        return folder, weights

    return make


IDS = np.array([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]])


@pytest.mark.parametrize("length", [3, 5])
def test_computes_what_pytorch_does_with_its_weights(preset, length):
    folder, weights = preset()
    model = TFWordsModel.from_preset(folder)
    ids = IDS[:, :length]
    expected = pytorch_outputs(weights, ids)
    assert np.abs(np.asarray(model(ids)["last_hidden_state"]) - expected).max() < 1e-5
    assert np.abs(np.asarray(model({"input_ids": ids})["last_hidden_state"]) - expected).max() < 1e-5
    graph = tf.function(model, input_signature=[tf.TensorSpec([None, None], tf.int64)])
    assert np.abs(graph(tf.constant(ids))["last_hidden_state"].numpy() - expected).max() < 1e-5
    assert len(model(input_ids=ids, output_hidden_states=True)["hidden_states"]) == 3


def test_names_are_those_of_pytorch():
    model = TFWordsModel(support.PretrainedConfig())
    model.build()
    names = [name for name, _ in support.weights_by_name(model)]
    assert sorted(name.removeprefix("words.") for name in names) == sorted(pytorch_weights())


def test_a_weight_that_is_missing_or_of_other_sizes_is_an_error(preset):
    folder, _ = preset(**{"block.1.dense.bias": None})
    with pytest.raises(ValueError, match=r"no weights for words\.block\.1\.dense\.bias"):
        TFWordsModel.from_preset(folder)
    folder, _ = preset(**{"block.1.dense.bias": torch.zeros(5)})
    with pytest.raises(ValueError, match=r"block\.1\.dense\.bias has the sizes \(5,\)"):
        TFWordsModel.from_preset(folder)


def test_a_weight_without_use_is_told(preset, caplog):
    folder, _ = preset(**{"lm_head.weight": torch.zeros(2, 2)})
    model = TFWordsModel.from_preset(folder)
    assert "not used are lm_head.weight" in caplog.text
    assert model.load_safetensors(folder) == ["lm_head.weight"]


def test_shards_of_an_index_are_read(preset):
    folder, weights = preset()
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    parts = {"a.safetensors": names[:5], "b.safetensors": names[5:]}
    for file, part in parts.items():
        save_file({name: weights[name] for name in part}, folder / file)
    where = {name: file for file, part in parts.items() for name in part}
    (folder / "model.safetensors.index.json").write_text(support.json.dumps({"weight_map": where}))
    model = TFWordsModel.from_preset(folder)
    assert np.abs(np.asarray(model(IDS)["last_hidden_state"]) - pytorch_outputs(weights, IDS)).max() < 1e-5


def test_saved_and_loaded(preset, tmp_path):
    folder, _ = preset()
    model = TFWordsModel.from_preset(folder)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects={"TFWordsModel": TFWordsModel})
    assert loaded.config.num_labels == 3 and loaded.config.pad_token_id == 0
    model.save_to_preset(tmp_path / "own")
    again = TFWordsModel.from_preset(tmp_path / "own")
    for other in (loaded, again):
        assert np.array_equal(model(IDS)["last_hidden_state"], other(IDS)["last_hidden_state"])


def test_trains_with_a_loss_of_keras_and_with_its_own(preset):
    folder, _ = preset()
    wanted = np.zeros((2, 5, WIDTH), "float32")
    for loss, inputs in (
        ({"last_hidden_state": "mse"}, {"input_ids": IDS}),
        (None, {"input_ids": IDS, "labels": np.zeros((2, 5), "int64")}),
    ):
        model = TFWordsModel.from_preset(folder)
        model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss)
        losses = model.fit(inputs, loss and {"last_hidden_state": wanted}, epochs=5, verbose=0).history["loss"]
        assert losses[-1] < losses[0]


def test_half_precision_by_policy(preset):
    folder, weights = preset()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = TFWordsModel.from_preset(folder)
        found = np.asarray(model(IDS)["last_hidden_state"])
    finally:
        keras.config.set_dtype_policy("float32")
    expected = pytorch_outputs(weights, IDS)
    assert found.dtype == np.float16
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    assert np.abs(found.astype("float32") - expected).max() < 0.02 * np.abs(expected).max()


def test_unknown_inputs_are_named():
    model = TFWordsModel(support.PretrainedConfig())
    with pytest.raises(ValueError, match="takes no attention; it takes input_ids"):
        model({"input_ids": IDS, "attention": IDS})


def test_configurations_of_transformers_5_are_read():
    rope = {"rope_type": "linear", "rope_theta": 5e5, "factor": 2.0}
    config = support.PretrainedConfig.from_dict({"rope_parameters": rope})
    assert config.rope_theta == 5e5 and config.rope_scaling == {"rope_type": "linear", "factor": 2.0}
    plain = support.PretrainedConfig.from_dict({"rope_parameters": {"rope_type": "default", "rope_theta": 7.0}})
    assert plain.rope_theta == 7.0 and not hasattr(plain, "rope_scaling")


CONFIGURATION = '''
from elsewhere import Mixin, validated

class PretrainedConfig:
    pass

class Other:
    pass

class WordsConfig(Mixin, PretrainedConfig):
    """A text."""

    model_type = "words"
    keys_to_ignore = ["x"]
    attribute_map = {"width": "hidden_size"}

    def __init__(self, hidden_size: int = 8, heads=2, head_dim=None, kind='plain', **kwargs):
        self.hidden_size = hidden_size
        # why
        self.head_dim = head_dim if head_dim is not None else hidden_size // heads
        if kind == "checked":
            validated(self)
        self._aligned = validated(kind)
        super().__init__(**kwargs)

    @property
    def doubled(self) -> int:
        return 2 * self.hidden_size

    def other(self):
        return validated(self)
'''


def test_a_configuration_class_stands_without_transformers(tmp_path, monkeypatch):
    (tmp_path / "configuration_words.py").write_text(CONFIGURATION)
    (tmp_path / "elsewhere.py").write_text("class Mixin:\n    pass\n\n\ndef validated(x):\n    return x\n")
    package = types.ModuleType("models_of_test")
    package.__path__ = [str(tmp_path)]
    monkeypatch.setitem(sys.modules, "models_of_test", package)
    monkeypatch.syspath_prepend(str(tmp_path))
    import importlib

    module = importlib.import_module("models_of_test.configuration_words")
    source = configuration_source(module.WordsConfig)
    assert "validated" not in source and "keys_to_ignore" not in source and "Mixin" not in source
    scope = {"PretrainedConfig": support.PretrainedConfig}
    exec(source, scope)
    config = scope["WordsConfig"].from_dict({"hidden_size": 12, "pad_token_id": 1})
    assert (config.hidden_size, config.head_dim, config.doubled, config.width, config.pad_token_id) == (
        12,
        6,
        24,
        12,
        1,
    )
    assert scope["WordsConfig"].from_dict(config.to_dict()).head_dim == 6
