"""`port_test`: the test file of a ported model, on Transformers' TFModelTesterMixin."""

import copy
import json

from .observe import SHRUNK, main_inputs

# Widths that are small and differ from each other, for configurations that are larger than a test wants.
NARROW = {
    "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 37, "head_dim": 8,
    "n_embd": 32, "n_head": 4, "d_model": 32,
}  # fmt: skip
# What the tester reads off itself, and the configuration's names for it.
TESTER = (
    ("num_hidden_layers", ("num_hidden_layers", "n_layer", "num_layers")),
    ("num_attention_heads", ("num_attention_heads", "n_head", "num_heads")),
    ("hidden_size", ("hidden_size", "n_embd", "d_model")),
    ("vocab_size", ("vocab_size",)),
)

TEXT = '''# coding=utf-8
# Copyright 2024 The HuggingFace Team. All rights reserved.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""Testing suite for the TensorFlow {stem} model."""

from __future__ import annotations

import unittest

from transformers import {config_class}, is_tf_available, is_torch_available
from transformers.testing_utils import require_tf, require_torch, slow

from ...test_configuration_common import ConfigTester
from ...test_modeling_tf_common import TFModelTesterMixin, {inputs_of}


if is_tf_available():
    import numpy as np

    from transformers import (
{imports}    )

if is_torch_available():
    import torch

    from transformers import {base}


class TF{stem}ModelTester:
    def __init__(self, parent):
        self.parent = parent
        self.batch_size = {batch}
        self.seq_length = {length}
        self.is_training = True
        self.num_labels = 3
{sizes}
    def get_config(self):
        return {config_class}(
{config}        )

    def prepare_config_and_inputs_for_common(self):
        config = self.get_config()
{inputs}        return config, inputs_dict

    def create_and_check_model(self, config, inputs_dict):
        model = TF{base}(config=config)
        result = model(inputs_dict)
        self.parent.assertEqual(result.last_hidden_state.shape, (self.batch_size, self.seq_length, self.hidden_size))
        # a dict, keywords and a list give the same
        by_name = model(**inputs_dict)
        np.testing.assert_allclose(result[0], by_name[0], atol=1e-6)


@require_tf
class TF{stem}ModelTest(TFModelTesterMixin, unittest.TestCase):
    all_model_classes = (
        (
{classes}        )
        if is_tf_available()
        else ()
    )
    all_generative_model_classes = {generative}
{encodes}    test_head_masking = {head_masking}
    test_resize_embeddings = False
    test_pruning = False
    test_onnx = False

    def setUp(self):
        self.model_tester = TF{stem}ModelTester(self)
        self.config_tester = ConfigTester(self, config_class={config_class}, has_text_modality={has_text}{common})

    def test_config(self):
        self.config_tester.run_common_tests()

    def test_model(self):
        self.model_tester.create_and_check_model(*self.model_tester.prepare_config_and_inputs_for_common())


@require_tf
@require_torch
class TF{stem}ModelIntegrationTest(unittest.TestCase):
    @slow
    def test_outputs_are_those_of_pytorch(self):
        checkpoint = "{checkpoint}"
        model = TF{base}.from_pretrained(checkpoint{from_pt})
        reference = {base}.from_pretrained(checkpoint).eval()
        inputs = {{name: value[:2] for name, value in self.inputs(model.config).items()}}
        with torch.no_grad():
            expected = reference(**{{name: torch.tensor(value.numpy()).{torch_dtype}() for name, value in inputs.items()}})
        np.testing.assert_allclose(model(inputs)[0], expected[0].numpy(), atol=1e-4)

    def inputs(self, config):
        return {{"{main_input}": {integration}}}
'''


KERAS_TEXT = '''"""{stem} on Keras 3: saved and loaded, as a graph, trained, and against PyTorch where that is installed."""

import os
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import {module} as ported

CLASSES = {classes}
CONFIG = {config}


def inputs_of(config):
    generator = np.random.default_rng(0)
{inputs}

def model_of(name):
    model_class = getattr(ported, name)
    model = model_class(model_class.config_class(**CONFIG))
    model.build()
    return model


def largest_difference(one, other):
    return max(float(np.abs(np.asarray(one[name]) - np.asarray(other[name])).max()) for name in one)


@pytest.mark.parametrize("name", CLASSES)
def test_saved_and_loaded(name, tmp_path):
    model = model_of(name)
    inputs = inputs_of(model.config)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects={{name: type(model)}})
    assert largest_difference(model(inputs), loaded(inputs)) == 0
    model.save_to_preset(tmp_path / "preset")
    assert largest_difference(model(inputs), type(model).from_preset(tmp_path / "preset")(inputs)) == 0


@pytest.mark.parametrize("name", CLASSES)
def test_as_a_graph(name):
    model = model_of(name)
    inputs = inputs_of(model.config)
    assert largest_difference(model(inputs), tf.function(model)(inputs)) < 1e-5


def test_training_makes_the_loss_smaller():
    model = model_of(CLASSES[0])
    inputs = inputs_of(model.config)
    first = next(iter(model(inputs)))
    wanted = np.zeros(model(inputs)[first].shape, "float32")
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss={{first: "mse"}})
    losses = model.fit(inputs, {{first: wanted}}, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", CLASSES)
def test_weights_of_pytorch(name, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    pt_class = getattr(transformers, name.removeprefix("TF"))
    pt_config = pt_class.config_class(**CONFIG)
    pt_config._attn_implementation = "eager"
    torch.manual_seed(0)
    pt_model = pt_class(pt_config).eval()
    pt_model.save_pretrained(tmp_path)
    model = getattr(ported, name).from_preset(tmp_path)
    inputs = inputs_of(model.config)
    with torch.no_grad():
        expected = pt_model(**{{key: torch.tensor(value) for key, value in inputs.items()}})
    found = model(inputs)
    first = next(iter(found))
    assert np.abs(expected[first].numpy() - np.asarray(found[first])).max() < 1e-5
'''


def port_test(request, progress):
    """The text for {model, base, classes, generating, weights_merged}."""
    import inspect

    import transformers
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(request["model"], local_files_only=True)
    cls = getattr(transformers, request["base"])
    tiny, model = small(config, cls)
    main = main_inputs(model, tiny, 2, 7)
    name = model.main_input_name
    length = model(**main)[0].shape[1] if name != "input_ids" else 7
    is_text = name == "input_ids"
    sizes = "".join(
        f"        self.{own} = {value}\n"
        for own, names in TESTER
        if (value := next((getattr(tiny, n) for n in names if getattr(tiny, n, None) is not None), None)) is not None
    )
    parameters = inspect.signature(cls.forward).parameters
    shape = list(main[name].shape[1:])
    if is_text:
        inputs = "        input_ids = ids_tensor([self.batch_size, self.seq_length], config.vocab_size)\n"
        inputs += '        inputs_dict = {"input_ids": input_ids}\n'
        ids = "ids_tensor([2, 9], config.vocab_size)"
        integration = ids if "decoder_input_ids" not in main else ids + f', "decoder_input_ids": {ids}'
        inputs_of = "ids_tensor"
        if "attention_mask" in parameters:
            inputs_of = "ids_tensor, random_attention_mask"
            inputs += (
                '        inputs_dict["attention_mask"] = random_attention_mask([self.batch_size, self.seq_length])\n'
            )
        if "decoder_input_ids" in main:
            ids = "ids_tensor([self.batch_size, self.seq_length], config.vocab_size)"
            inputs += f'        inputs_dict["decoder_input_ids"] = {ids}\n'
    else:
        inputs = f"        pixel_values = floats_tensor([self.batch_size, {', '.join(map(str, shape))}])\n"
        inputs += f'        inputs_dict = {{"{name}": pixel_values}}\n'
        sides = "config.image_size, config.image_size"
        size = getattr(config, "image_size", None)
        if isinstance(size, (list, tuple)):
            sides = "*config.image_size"
        elif size is None:
            sides = ", ".join(map(str, shape[1:]))
        integration = f"floats_tensor([2, config.num_channels, {sides}])"
        inputs_of = "floats_tensor"
    classes = [name for name in request["classes"] if not name.endswith("PreTrainedModel")]
    generating = ["TF" + name for name in request["generating"]]
    generative = f"({', '.join(generating)},) if is_tf_available() else ()" if generating else "()"
    module = inspect.getmodule(cls)
    if request.get("home") == "keras":
        if is_text:
            made = 'generator.integers(3, config.vocab_size, (2, 7)).astype("int64")'
        else:
            made = f'generator.normal(size=(2, {", ".join(map(str, shape))})).astype("float32")'
        # Task classes with other inputs than the base class's are compared by `port` itself.
        plain = [one for one in classes if not one.endswith(("MultipleChoice", "MaskedImageModeling"))]
        return {
            "text": KERAS_TEXT.format(
                stem=request["base"].removesuffix("Model"),
                module=request["module"],
                classes=on_lines(plain),
                config=on_lines(changed(tiny)),
                inputs=f"    return {{{literal(name)}: {made}}}\n",
            )
        }
    text = TEXT.format(
        stem=request["base"].removesuffix("Model"),
        base=request["base"],
        config_class=type(config).__name__,
        inputs_of=inputs_of,
        imports="".join(f"        {one},\n" for one in sorted(classes)),
        batch=2,
        length=length,
        sizes=sizes,
        config="".join(f"            {key}={literal(value)},\n" for key, value in changed(tiny).items()),
        inputs=inputs,
        classes="".join(f"            {one},\n" for one in classes),
        generative=generative,
        encodes="    is_encoder_decoder = True\n" if "decoder_input_ids" in main else "",
        head_masking="head_mask" in parameters,
        has_text=is_text,
        common="" if is_text else ", hidden_size=37",
        checkpoint=getattr(module, "_CHECKPOINT_FOR_DOC", None) or "YOUR/CHECKPOINT",
        from_pt="" if request.get("weights_merged") else ", from_pt=True",
        torch_dtype="long" if is_text else "float",
        main_input=name,
        integration=integration,
    )
    return {"text": text}


def small(config, cls):
    """A small configuration with a model of it; widths stay where the class does not take narrow ones."""
    for changes in ({**SHRUNK, **NARROW}, SHRUNK, {}):
        tiny = copy.deepcopy(config)
        for name, value in changes.items():
            now = getattr(tiny, name, None)
            if isinstance(now, int) and not isinstance(now, bool) and now > value:
                setattr(tiny, name, value)
        tiny._attn_implementation = "eager"
        try:
            model = cls(tiny).eval()
            model(**main_inputs(model, tiny, 2, 7))
            return tiny, model
        except Exception as error:  # noqa: BLE001 (sizes that do not fit together)
            last = error
    raise last


def changed(config):
    """What differs from the defaults of the configuration's class, without what only describes a file."""
    default = type(config)().to_dict()
    skipped = {"transformers_version", "model_type", "architectures", "torch_dtype"}
    found = {
        key: value
        for key, value in config.to_dict().items()
        if key not in skipped and not key.startswith("_") and value != default.get(key)
    }
    # A batch of several texts asks for it.
    if "vocab_size" in found and config.pad_token_id is None:
        found["pad_token_id"] = 0
    return found


def literal(value):
    """Python source of a number, text, list or dict, with double quotes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {literal(one)}" for key, one in value.items()) + "}"
    return repr(value)


def on_lines(value):
    """A list or a dict of the same, one entry a line."""
    if isinstance(value, dict):
        return "{\n" + "".join(f"    {literal(key)}: {literal(one)},\n" for key, one in value.items()) + "}"
    return "[\n" + "".join(f"    {literal(one)},\n" for one in value) + "]"
