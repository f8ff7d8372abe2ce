"""The parts of the judge that need no model: example inputs, and how two outputs are compared."""

import inspect
import types

import numpy as np
import pytest
import torch
from crossload.errors import WorkerError
from crossload.pt_to_tf import example_inputs, tf4_judge
from safetensors.torch import save_file


class Takes:
    """A model as `example_inputs` sees it."""

    def __init__(self, *names, **parts):
        self.__dict__.update(parts)
        parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]
        self.forward = lambda: None
        self.forward.__signature__ = inspect.Signature(parameters)


def inputs(folder, *names, dummy=(), parts=(), class_name="Takes", **config):
    config = types.SimpleNamespace(**config)
    model = type(class_name, (Takes,), {})(*names, **dict.fromkeys(parts))
    return example_inputs.example_inputs(folder, config, model, dummy)


TEXT = dict(vocab_size=50, pad_token_id=3, eos_token_id=7)


def test_made_up_rows_end_and_are_padded(tmp_path):
    found, notes = inputs(tmp_path, "input_ids", "attention_mask", **TEXT)
    ids, mask = found["input_ids"], found["attention_mask"]
    assert ids.dtype == np.int64 and ids.shape == mask.shape and ids.max() < 50 and notes
    lengths = mask.sum(1)
    assert lengths[0] != lengths[1] and lengths.max() == ids.shape[1]
    for row, length in zip(ids, lengths, strict=True):
        assert list(row[length:]) == [3] * (len(row) - length)
        assert list(row == 7).index(True) == length - 1 and 3 not in row[:length]


def test_sentences_with_the_eos_token_as_padding(tmp_path):
    import class_models

    class_models.tokenizer(eos_token="<end>").save_pretrained(tmp_path)
    found, notes = inputs(tmp_path, "input_ids", "attention_mask", **TEXT)
    ids, mask = found["input_ids"], found["attention_mask"]
    assert (ids[mask == 0] == ids.max()).all() and (ids[mask == 1] < ids.max()).all() and 0 in mask
    assert any("eos token" in note for note in notes)


def test_no_token_to_pad_with(tmp_path):
    import class_models

    class_models.tokenizer().save_pretrained(tmp_path)
    with pytest.raises(WorkerError, match="neither a pad nor an eos token"):
        inputs(tmp_path, "input_ids", **TEXT)


def test_damaged_tokenizer_is_told(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(WorkerError) as failed:
        inputs(tmp_path, "input_ids", **TEXT)
    assert failed.value.kind == "bad-input" and str(tmp_path) in failed.value.message


def test_images_and_audio_are_fixed(tmp_path):
    first, _ = inputs(tmp_path, "pixel_values", image_size=24, num_channels=1)
    again, _ = inputs(tmp_path, "pixel_values", image_size=24, num_channels=1)
    assert first["pixel_values"].shape == (2, 1, 24, 24) and first["pixel_values"].dtype == np.float32
    assert (first["pixel_values"] == again["pixel_values"]).all()
    assert (first["pixel_values"][0] != first["pixel_values"][1]).any()
    waves, _ = inputs(tmp_path, "input_values")
    assert waves["input_values"].shape == (2, 16000) and not waves["input_values"][1, 11200:].any()
    assert abs(waves["input_values"][0].std() - 1) < 1e-3


def test_noise_decides_which_patches_are_seen(tmp_path):
    known = dict(image_size=24, num_channels=1, patch_size=8)
    first, _ = inputs(tmp_path, "pixel_values", "noise", **known, mask_ratio=0.75)
    again, _ = inputs(tmp_path, "pixel_values", "noise", **known, mask_ratio=0.75)
    assert first["noise"].shape == (2, 9) and first["noise"].dtype == np.float32
    assert (first["noise"] == again["noise"]).all() and len(set(first["noise"].ravel())) == 18
    others, _ = inputs(tmp_path, "pixel_values", "noise", **known)  # noise that is something else
    assert "noise" not in others


def test_a_loss_is_a_number_or_a_vector_of_one():
    found = {"loss": np.ones(1), "logits": np.ones((2, 1))}
    tf4_judge._scalars_alike(found, {"loss": np.ones(()), "logits": np.ones((2, 1))})
    assert found["loss"].shape == () and found["logits"].shape == (2, 1)


def test_decoders_start(tmp_path):
    more = dict(TEXT, is_encoder_decoder=True, decoder_start_token_id=9)
    found, _ = inputs(tmp_path, "input_ids", "decoder_input_ids", **more)
    assert found["decoder_input_ids"].tolist() == [[9], [9]]
    found, _ = inputs(tmp_path, "input_ids", dummy=["decoder_input_ids"], **TEXT)
    assert found["decoder_input_ids"].tolist() == [[0], [0]]
    found, _ = inputs(tmp_path, "input_ids", "decoder_input_ids", parts=["encoder", "decoder"], **TEXT)
    assert found["decoder_input_ids"].tolist() == [[0], [0]]
    found, _ = inputs(tmp_path, "input_ids", "decoder_input_ids", **TEXT)
    assert "decoder_input_ids" not in found


@pytest.mark.parametrize("task", ["ForSequenceClassification", "ForQuestionAnswering"])
def test_what_shifts_its_own_text_needs_no_start(tmp_path, task):
    known = dict(TEXT, class_name=task, dummy=["decoder_input_ids"])
    found, _ = inputs(tmp_path, "input_ids", "decoder_input_ids", **known, is_encoder_decoder=True)
    assert "decoder_input_ids" not in found
    # A question about an image: the answer is a text of its own.
    found, _ = inputs(tmp_path, "input_ids", "decoder_input_ids", **known)
    assert found["decoder_input_ids"].tolist() == [[0], [0]]
    known["dummy"] = []
    found, _ = inputs(tmp_path, "input_ids", "decoder_input_ids", **known, parts=["text_encoder", "text_decoder"])
    assert found["decoder_input_ids"].tolist() == [[0], [0]]


def test_nothing_to_make(tmp_path):
    with pytest.raises(WorkerError) as failed:
        inputs(tmp_path, "visual_feats")
    assert failed.value.kind == "unsupported"


def difference(a, b, where=None):
    a, b = np.array(a), np.array(b)
    return tf4_judge._difference(a, b, np.ones(a.shape, bool) if where is None else np.array(where))


def test_difference():
    nan, inf = float("nan"), float("inf")
    assert difference([1.0, 2.0], [1.5, 2.0]) == 0.5
    assert difference([1.0, 2.0], [1.5, 9.0], [True, False]) == 0.5
    assert difference([1.0, 2.0], [1.0, 2.0], [False, False]) == 0
    assert difference([nan, inf, -inf, 1.0], [nan, inf, -inf, 1.25]) == 0.25
    assert difference([nan, 1.0], [0.0, 1.0]) == inf
    assert difference([inf, 1.0], [-inf, 1.0]) == inf
    assert difference([1.0], [1.0, 2.0], [True]) == inf


def test_names_of_outputs():
    import torch

    one = torch.zeros(2)
    nested = {"logits": one, "hidden_states": (one, one), "text": {"last": one, "none": None}, "list": ((one,),)}
    names = {"logits", "hidden_states.0", "hidden_states.1", "text.last", "list.0.0"}
    assert set(tf4_judge._flat(nested)) == names


def test_stacked_caches_are_taken_apart():
    pytorch = {"past.0.0": 0, "past.0.1": 0, "logits": 0}
    found = {"past.0": np.arange(6).reshape(2, 3), "logits": np.zeros(2)}
    tf4_judge._split_stacked(found, pytorch)
    assert set(found) == set(pytorch) and found["past.0.1"].tolist() == [3, 4, 5]
    # Fewer on one side is no stack: it stays a difference.
    found = {"past.0": np.zeros((3, 1)), "logits": np.zeros(2)}
    tf4_judge._split_stacked(found, pytorch)
    assert "past.0" in found


def growing(inputs):
    """The judge of a model whose outputs grow with the number of tokens, but for one with as many labels as tokens."""
    models = tf4_judge._Models.__new__(tf4_judge._Models)
    models.inputs, models.limit = inputs, 1e-5
    labels = inputs["input_ids"].shape[1]

    def run(model, inputs):
        rows, length = inputs["input_ids"].shape
        shapes = {
            "hidden_states.0": (rows, length, labels),
            "start_logits": (rows, length),
            "logits": (rows, labels),
            "past.0": (rows, 3, length, 4),
            "products": (rows, length, length),
        }
        return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}

    models._run_pytorch = run
    return models


def test_padded_positions_are_those_that_grow_with_padding():
    mask = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]])
    models = growing({"input_ids": np.ones((2, 5), int), "attention_mask": mask})
    found = models._run_pytorch(None, models.inputs)
    models.masked_axes = models._masked_axes(None, found)
    assert models.masked_axes == {"hidden_states.0": 1, "start_logits": 1, "past.0": 2}
    value = found["hidden_states.0"]
    wrong = value.copy()
    wrong[0, 3] = 1
    row = models.row("hidden_states.0", value, wrong, value)
    assert (row["crossload"], row["conversion"], row["padded"], row["over"]) == (0, 0, 1, False)
    wrong[0, 1] = 2
    row = models.row("hidden_states.0", value, wrong, value)
    assert (row["crossload"], row["padded"], row["over"]) == (2, 1, True)
    logits = found["logits"]
    assert models.row("logits", logits, logits + 1, logits)["padded"] == 0


def test_without_padding_all_counts():
    models = growing({"input_ids": np.ones((2, 5), int), "attention_mask": np.ones((2, 5), int)})
    assert models._masked_axes(None, models._run_pytorch(None, models.inputs)) == {}


def test_hidden_states_are_excused_by_noise_only():
    value = np.zeros((2, 3), np.float32)
    models = growing({"input_ids": np.ones((2, 5), int)})
    models.masked_axes = {}
    names = ("hidden_states.0", "hidden_states.1", "logits")
    tf = {"hidden_states.0": value + 3e-5, "hidden_states.1": value + 9e-5, "logits": value + 3e-5}
    rows = [models.row(name, value, tf[name], tf[name]) for name in names]
    truth = dict.fromkeys(names, value.astype("float64"))
    models._float64_and_other_runs = lambda: (truth, [dict.fromkeys(names, value + 4e-5), dict.fromkeys(names, value)])
    models.excuse(rows, tf, tf)
    assert [row["excused"] for row in rows] == [True, False, False]
    assert rows[0]["noise"] == pytest.approx(4e-5, rel=1e-3) and rows[2]["noise"] is None


class Tied(torch.nn.Module):
    """A PyTorch class that has one tensor for head and embeddings, and sets a bias to zero when it loads."""

    base_model_prefix = "model"

    def __init__(self):
        super().__init__()
        self.shared = torch.nn.Embedding(4, 3)
        self.head = torch.nn.Linear(3, 4)
        self.head.weight = self.shared.weight
        torch.nn.init.zeros_(self.head.bias)


def loaded(tmp_path, form, **weights):
    """The judge of a folder with these weights, and its PyTorch model, which took the embeddings from there alone."""
    model = Tied()
    with torch.no_grad():
        model.shared.weight.copy_(weights["shared.weight"])
    tmp_path.mkdir(exist_ok=True)
    if form == "safetensors":
        save_file(weights, tmp_path / "model.safetensors")
    else:
        torch.save(weights, tmp_path / "pytorch_model.bin")
    models = tf4_judge._Models.__new__(tf4_judge._Models)
    models.torch, models.folder = torch, tmp_path
    models.transformers = types.SimpleNamespace(__version__="4.0")
    return models, model


@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_what_loading_lost_comes_back_as_far_as_the_class_can_hold_it(tmp_path, form):
    embeddings, bias = torch.randn(4, 3), torch.tensor([1.0, float("nan"), 3.0, 4.0])
    same = {"shared.weight": embeddings, "head.weight": embeddings.clone(), "head.bias": bias}
    models, model = loaded(tmp_path / "same", form, **same)
    assert "loses head.bias" in models._keep_what_loading_lost(model)[0]
    torch.testing.assert_close(model.head.bias.detach(), bias, rtol=0, atol=0, equal_nan=True)
    assert models.folder != tmp_path / "same"
    models, model = loaded(tmp_path / "other", form, **{**same, "head.weight": embeddings + 1})
    with pytest.raises(WorkerError, match=r"differs from .* has one tensor for both") as caught:
        models._keep_what_loading_lost(model)
    assert caught.value.kind == "bad-input"
    models, model = loaded(tmp_path / "whole", form, **{"shared.weight": embeddings})
    assert models._keep_what_loading_lost(model) == [] and models.folder == tmp_path / "whole"


def test_parameters_that_no_file_holds(tmp_path):
    models, model = loaded(tmp_path / "a", "bin", **{"shared.weight": torch.zeros(4, 3)})
    models.pt_name = "Tied"
    models._require_whole(model, ["head.weight"])  # another name of one that is there
    with pytest.raises(WorkerError, match=r"1 weights of Tied .* `head\.bias` first") as caught:
        models._require_whole(model, ["head.weight", "head.bias", "position_ids"])
    assert caught.value.details == ["head.bias"]
