"""The layers and functions that a written file brings along, beside PyTorch's modules with the same weights."""

import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

# PyTorch's module, the written layer, the shape of its input, the shape that `build` is given.
LAYERS = [
    ("nn.Conv1d(4, 6, 3, stride=2, padding=2)",
     "TFConv1d(filters=6, kernel_size=3, strides=2, padding=2)", [2, 4, 11], [None, None, 4]),
    ("nn.Conv1d(4, 4, 4, padding=3, groups=4)",
     "TFConv1d(filters=4, kernel_size=4, padding=3, groups=4)", [2, 4, 9], [None, None, 4]),
    ("nn.ConvTranspose2d(3, 5, 4, stride=2, padding=1)",
     "TFConvTranspose2d(filters=5, kernel_size=4, strides=2, padding=1)", [2, 3, 5, 6], [None, None, None, 3]),
    ("nn.BatchNorm2d(3, eps=1e-3)", "TFBatchNorm(epsilon=1e-3)", [2, 3, 5, 4], [None, 3, None, None]),
    ("nn.BatchNorm1d(3)", "TFBatchNorm()", [7, 3], [None, 3]),
    ("nn.GroupNorm(2, 6)", "keras.layers.GroupNormalization(groups=2, axis=1, epsilon=1e-5)", [2, 6, 5, 4],
     [None, 6, None, None]),
    ("nn.MaxPool2d(3, stride=2, padding=1)", "TFMaxPool2d(3, 2, 1)", [2, 3, 7, 8], None),
    ("nn.MaxPool2d((2, 3))", "TFMaxPool2d((2, 3))", [2, 3, 7, 8], None),
    ("nn.AvgPool2d(3, stride=2, padding=1)", "TFAvgPool2d(3, 2, 1)", [2, 3, 7, 8], None),
    ("nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)",
     "TFAvgPool2d(3, 1, 1, count_include_pad=False)", [2, 3, 7, 8], None),
    ("nn.AdaptiveAvgPool1d(3)", "TFAdaptiveAvgPool1d(3)", [2, 4, 7], None),
    ("nn.AdaptiveAvgPool2d((2, 5))", "TFAdaptiveAvgPool2d((2, 5))", [2, 3, 7, 8], None),
    ("nn.Upsample(scale_factor=2, mode='bilinear', align_corners=True)",
     "TFUpsample(scale_factor=2, mode='bilinear', align_corners=True)", [2, 3, 4, 5], None),
    ("nn.GELU(approximate='tanh')", "keras.layers.Activation(get_tf_activation('gelu_new'))", [2, 3, 40], None),
    ("nn.Hardswish()", "keras.layers.Activation(hardswish)", [2, 3, 40], None),
    ("nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.5), nn.Tanh(), nn.Linear(5, 3))",
     "TFSequential([keras.layers.Dense(5, name='0'), keras.layers.Dropout(0.5), keras.layers.Activation('tanh'), "
     "keras.layers.Dense(3, name='3')])", [2, 7, 4], [[None, None, 4], None, None, [None, None, 5]]),
]  # fmt: skip

# The same value in PyTorch and by a helper; `x` is (2, 3, 7), `mask` hides the end of the second of two texts.
FUNCTIONS = [
    ("nn.functional.pad(x, (1, 2))", "pad(x, (1, 2))"),
    ("nn.functional.pad(x, (-2, 1, 0, 3), value=-1.5)", "pad(x, (-2, 1, 0, 3), value=-1.5)"),
    ("nn.functional.pad(x, (1, -3))", "pad(x, (1, -3))"),
    ("torch.split(x, 3, dim=2)[2]", "split_by(x, 3, axis=2)[2]"),
    ("torch.split(x, 1, dim=1)[1]", "split_by(x, 1, axis=1)[1]"),
    ("nn.functional.layer_norm(x, (3, 7), eps=1e-3)", "layer_norm(x, (3, 7), epsilon=1e-3)"),
    ("nn.functional.layer_norm(x, [7], x[0, 0], x[1, 2])", "layer_norm(x, [7], weight=x[0, 0], bias=x[1, 2])"),
    ("x.index_fill(1, torch.tensor([2]), -3.0)", "with_value_at(x, 2, -3.0, axis=1)"),
    ("x.index_fill(2, torch.tensor([6]), 0.0)", "with_value_at(x, -1, 0, axis=2)"),
    ("torch.stack([x[:, 0], x[:, 2], x[:, 2]], dim=1)", "with_value_at(x, 1, x[:, 2], axis=1)"),
    ("utils._prepare_4d_causal_attention_mask(mask, (2, 3), x, 4)",
     "_prepare_4d_causal_attention_mask(mask, (2, 3), x, 4)"),
    ("utils._prepare_4d_causal_attention_mask(mask, (2, 7), x, 0, sliding_window=2)",
     "_prepare_4d_causal_attention_mask(mask, (2, 7), x, 0, sliding_window=2)"),
    ("utils._prepare_4d_causal_attention_mask(None, (2, 7), x, 0)",
     "_prepare_4d_causal_attention_mask(None, (2, 7), x, 0)"),
    ("utils._prepare_4d_attention_mask(mask, torch.float32, tgt_len=3)",
     "_prepare_4d_attention_mask(mask, tf.float32, tgt_len=3)"),
]  # fmt: skip

SCRIPT = r"""
import inspect, json, math, re, sys
import numpy as np, tensorflow as tf, torch
from torch import nn
from transformers.activations_tf import get_tf_activation
from transformers.modeling_tf_utils import keras
from transformers.tf_utils import shape_list

root, layers, functions = json.load(sys.stdin)
text = open(root + "/src/port/rules.cc").read()
for name, source in re.findall(r'\{"(\w+)",\s*R"\((.*?)\)"\}', text, re.S):
    if source.startswith("def ") and "config" not in source or re.match(r"class TF\w+\(keras", source):
        exec(source, globals())


def kernel(weight):
    return weight.permute(*range(2, weight.dim()), 1, 0).numpy()


answers = []
for torch_text, keras_text, shape, built in layers:
    torch.manual_seed(0)
    module, layer = eval(torch_text).eval(), eval(keras_text)
    for tensor in [*module.parameters(), *[b for b in module.buffers() if b.is_floating_point()]]:
        tensor.data.normal_(0, 0.5).abs_()
    layer.build(built)
    order = list(module.state_dict().values())
    values = [kernel(v) if v.dim() > 1 else v.numpy() for v in order if v.is_floating_point()]
    layer.set_weights(values)
    x = torch.randn(*shape) * 3
    with torch.no_grad():
        expected = module(x).numpy()
    found = layer(x.numpy()).numpy()
    free = tf.function(layer.call if "Seq" in keras_text else layer).get_concrete_function(
        tf.TensorSpec([None if n in (0, len(shape) - 1) and len(shape) > 2 else size for n, size in enumerate(shape)]))
    in_graph = free(tf.constant(x.numpy())).numpy()
    same = expected.shape == found.shape == in_graph.shape
    answers.append([torch_text, same, float(np.abs(expected - found).max()) if same else None,
                    float(np.abs(expected - in_graph).max()) if same else None, float(np.abs(expected).max())])
import transformers.modeling_attn_mask_utils as utils

theirs = {name: globals()[name] for name in ("nn", "torch", "utils")}
theirs.update(x=torch.randn(2, 3, 7), mask=torch.tensor([[1] * 7, [1] * 4 + [0] * 3]))
ours = {**globals(), "x": tf.constant(theirs["x"].numpy()), "mask": tf.constant(theirs["mask"].numpy())}
for torch_text, tf_text in functions:
    expected, found = eval(torch_text, theirs).numpy(), eval(tf_text, ours).numpy()
    same = expected.shape == found.shape
    error = float(np.abs(expected - found).max()) if same else None
    answers.append([torch_text, same, error, error, float(np.abs(expected).max())])
print(json.dumps(answers))
"""


def test_layers_and_functions_compute_what_pytorch_does(tf4):
    done = subprocess.run(
        [str(tf4), "-c", SCRIPT], input=json.dumps([str(ROOT), LAYERS, FUNCTIONS]), capture_output=True, text=True, check=False,
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-1500:]
    answers = json.loads(done.stdout.splitlines()[-1])
    assert len(answers) == len(LAYERS) + len(FUNCTIONS)
    for name, same, eager, graph, largest in answers:
        assert same, name
        assert largest > 0.1 and eager < 5e-6 and graph < 5e-6, (name, eager, graph)
