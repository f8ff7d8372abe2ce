"""Each cause planted in models of different kinds, half in what was converted and half in what it is compared with:
the module must be found in every case, and the cause that was planted be named.

`pytest tests/faults -m "slow or not slow"` prints the whole table.
"""

import shutil
from dataclasses import dataclass
from typing import Any

import crossload
import numpy
import plant
import pytest
import subjects
import torch

TABLE = []


@dataclass
class Fault:
    """kind: the model; where: `config`, `checkpoint`, `variables` or `graph`; do: what plant.py's function takes."""

    kind: str
    where: str
    cause: str
    module: str
    do: Any
    quick: bool = False
    missed: str = ""  # why it is not found yet

    @property
    def id(self):
        return f"{self.kind}-{self.where}-{self.cause}-{self.module or 'model'}"


def swap(a, b):
    def change(tensors):
        tensors[a], tensors[b] = tensors[b].copy() if hasattr(tensors[b], "copy") else tensors[b].clone(), tensors[a]

    return change


def edit(name, function):
    def change(tensors):
        tensors[name] = function(tensors[name])

    return change


def swap_layers(prefix, a, b):
    def change(tensors):
        for name in [n for n in tensors if n.startswith(f"{prefix}.{a}.")]:
            other = name.replace(f"{prefix}.{a}.", f"{prefix}.{b}.", 1)
            tensors[name], tensors[other] = tensors[other], tensors[name]

    return change


def one_value(value):
    value = value.clone() if isinstance(value, torch.Tensor) else value.copy()
    value.reshape(-1)[7] += 0.4
    return value


def new_values(value):
    random = numpy.random.default_rng(1).standard_normal(tuple(value.shape)).astype(numpy.float32) * 0.02
    return torch.from_numpy(random) if isinstance(value, torch.Tensor) else random


def half(value):
    return (
        value.half().float() if isinstance(value, torch.Tensor) else value.astype(numpy.float16).astype(numpy.float32)
    )


def transposed(value):
    return value.transpose(0, 1) if isinstance(value, torch.Tensor) else value.swapaxes(0, 1)


def rolled(value):
    return value.roll(1, 0) if isinstance(value, torch.Tensor) else numpy.roll(value, 1, 0)


def rotary_rows(value):
    """Rows of heads of 8 as neighbouring pairs instead of halves."""
    return value.reshape(4, 2, 4, *value.shape[1:]).transpose(1, 2).reshape(value.shape)


def both(*changes):
    def change(tensors):
        for one in changes:
            one(tensors)

    return change


# Graphs


def epsilon(module, value=1e-3, op="AddV2"):
    def change(graph):
        node = next(n for n in graph.nodes(module, op) if any(is_small(graph.value_of(i)) for i in n.input))
        graph.replace_constant(node, is_small, value)

    return change


def is_small(value):
    return value is not None and value.size == 1 and value.dtype.kind == "f" and abs(float(value.reshape(-1)[0])) < 0.01


def scale(module, value=1.0):
    def change(graph):
        softmax = graph.nodes(module, "Softmax")[0]
        node = graph.node(softmax.input[0])
        while node.op != "Mul":
            node = graph.node(node.input[0])
        graph.replace_constant(node, lambda v: v.size == 1, value)

    return change


def without_mask(module):
    def change(graph):
        softmax = graph.nodes(module, "Softmax")[0]
        add = graph.node(softmax.input[0])
        assert add.op == "AddV2"
        softmax.input[0] = add.input[0]

    return change


def other_operation(module, old, new):
    def change(graph):
        graph.nodes(module, old)[0].op = new

    return change


def softmax_over_queries(module):
    def change(graph):
        softmax = graph.nodes(module, "Softmax")[0]
        perm = graph.constant("planted/perm", numpy.array([0, 1, 3, 2], numpy.int32))
        kind = softmax.attr["T"].type
        int32 = 3
        first = graph.add("planted/before", "Transpose", [softmax.input[0], perm], "y", T=kind, Tperm=int32)
        graph.insert_behind(softmax, "softmax", lambda y: graph.add(
            "planted/after", "Transpose", [y, perm], "y", T=kind, Tperm=int32))  # fmt: skip
        graph.node(softmax.name + "/planted").input[0] = first

    return change


def batch_statistics(module):
    def change(graph):
        node = graph.nodes(module, "FusedBatchNormV3")[0]
        node.attr["is_training"].b = True
        empty = graph.constant("planted/empty", numpy.zeros(0, numpy.float32))
        node.input[3] = node.input[4] = empty

    return change


def dropout(module, op, output):
    def change(graph):
        node = [n for n in graph.nodes(module, op) if n.experimental_debug_info.original_node_names][-1]
        kind = node.attr["T"].type

        def make(y):
            shape = graph.add("planted/shape", "Shape", [y], "output", T=kind, out_type=3)
            seed = graph.constant("planted/seed", numpy.array([3, 4], numpy.int32))
            noise = graph.add(
                "planted/noise", "StatelessRandomUniform", [shape, seed], "output", T=3, dtype=kind, Tseed=3
            )
            share = graph.constant("planted/share", numpy.float32(0.1))
            keep = graph.add("planted/keep", "GreaterEqual", [noise, share], "z", T=kind)
            factor = graph.add("planted/cast", "Cast", [keep], "y", SrcT=10, DstT=kind)
            scaled = graph.add("planted/scaled", "Mul", [y, factor], "z", T=kind)
            rest = graph.constant("planted/rest", numpy.float32(1 / 0.9))
            return graph.add("planted/result", "Mul", [scaled, rest], "z", T=kind)

        graph.insert_behind(node, output, make)

    return change


def without_bias(module):
    def change(graph):
        node = graph.nodes(module, "BiasAdd")[0]
        node.input[1] = graph.constant("planted/bias", numpy.zeros(32, numpy.float32))

    return change


def kernel_transposed(module):
    def change(graph):
        node = graph.nodes(module, "MatMul")[0]
        node.attr["transpose_b"].b = not node.attr["transpose_b"].b

    return change


def shifted_rows(module):
    """An embedding that looks up the next row."""

    def change(graph):
        node = graph.nodes(module, "GatherV2")[0]
        kind = node.attr["Tindices"].type
        one = graph.constant("planted/one", numpy.array(1, numpy.int64 if kind == 9 else numpy.int32))
        node.input[1] = graph.add("planted/ids", "AddV2", [node.input[1], one], "z", T=kind)

    return change


def rounded(module, op="MatMul"):
    """A product's weight in half precision."""

    def change(graph):
        node = graph.nodes(module, op)[0]
        kind = node.attr["T"].type
        narrow = graph.add("planted/half", "Cast", [node.input[1]], "y", SrcT=kind, DstT=19)
        node.input[1] = graph.add("planted/float", "Cast", [narrow], "y", SrcT=19, DstT=kind)

    return change


def padding_behind(module):
    def change(graph):
        node = next(n for n in graph.nodes(module) if n.op == "Conv2D")
        pads = list(node.attr["explicit_paddings"].list.i)
        assert any(pads), "the convolution has no padding"
        new = [p for before, after in zip(pads[::2], pads[1::2], strict=True) for p in (max(before - 1, 0), after + 1)]
        new = [0, 0, *new[2:6], 0, 0]
        node.attr["explicit_paddings"].list.i[:] = new

    return change


def reversed_channels(module):
    def change(graph):
        node = next(n for n in graph.nodes(module) if n.op == "Conv2D")
        axis = graph.constant("planted/axis", numpy.array([3], numpy.int32))
        kind = node.attr["T"].type
        node.input[0] = graph.add("planted/reverse", "ReverseV2", [node.input[0], axis], "output", T=kind, Tidx=3)

    return change


L0 = "encoder.layer.0"
BERT = [
    Fault("bert", "config", "epsilon", "embeddings.LayerNorm", {"layer_norm_eps": 1e-3}, True),
    Fault("bert", "config", "activation-form", f"{L0}.intermediate.intermediate_act_fn", {"hidden_act": "gelu_new"}, True),
    Fault("bert", "config", "activation-form", f"{L0}.intermediate.intermediate_act_fn", {"hidden_act": "relu"}),
    Fault("bert", "config", "activation-form", f"{L0}.intermediate.intermediate_act_fn", {"hidden_act": "silu"}),
    Fault("bert", "config", "mask", "", {"is_decoder": True}),
    Fault("bert", "checkpoint", "weights-swapped", f"{L0}.attention.self.query",
          swap(f"{L0}.attention.self.query.weight", f"{L0}.attention.self.key.weight"), True),
    Fault("bert", "checkpoint", "kernel-transposed", f"{L0}.attention.self.value",
          edit(f"{L0}.attention.self.value.weight", transposed), True),
    Fault("bert", "checkpoint", "weight-value", "encoder.layer.1.output.dense",
          edit("encoder.layer.1.output.dense.weight", one_value), True),
    Fault("bert", "checkpoint", "weight-not-loaded", "encoder.layer.1.attention.output.dense",
          edit("encoder.layer.1.attention.output.dense.weight", new_values), True),
    Fault("bert", "checkpoint", "layer-order", f"{L0}.attention.self.query", swap_layers("encoder.layer", 0, 1)),
    Fault("bert", "checkpoint", "precision", f"{L0}.intermediate.dense", edit(f"{L0}.intermediate.dense.weight", half)),
    Fault("bert", "checkpoint", "position-offset", "embeddings.position_embeddings",
          edit("embeddings.position_embeddings.weight", rolled)),
    Fault("bert", "variables", "weight-value", "pooler.dense", edit("pooler.dense.weight", one_value)),
    Fault("bert", "variables", "kernel-transposed", f"{L0}.attention.self.key",
          edit(f"{L0}.attention.self.key.weight", transposed)),
    Fault("bert", "variables", "weight-not-loaded", f"{L0}.output.dense",
          edit(f"{L0}.output.dense.bias", numpy.zeros_like)),
    Fault("bert", "variables", "layer-order", f"{L0}.attention.self.query", swap_layers("encoder.layer", 0, 1)),
    Fault("bert", "graph", "epsilon", f"{L0}.attention.output.LayerNorm", epsilon(f"{L0}.attention.output.LayerNorm"), True),
    Fault("bert", "graph", "attention-scale", f"{L0}.attention.self", scale(f"{L0}.attention.self"), True),
    Fault("bert", "graph", "mask", f"{L0}.attention.self", without_mask(f"{L0}.attention.self"), True),
    Fault("bert", "graph", "softmax-axis", f"{L0}.attention.self", softmax_over_queries(f"{L0}.attention.self")),
    Fault("bert", "graph", "activation-form", "pooler.activation", other_operation("pooler.activation", "Tanh", "Sigmoid")),
    Fault("bert", "graph", "kernel-transposed", f"{L0}.attention.self.query", kernel_transposed(f"{L0}.attention.self.query")),
    Fault("bert", "graph", "weight-not-loaded", f"{L0}.attention.output.dense", without_bias(f"{L0}.attention.output.dense")),
    Fault("bert", "graph", "position-offset", "embeddings.position_embeddings", shifted_rows("embeddings.position_embeddings")),
    Fault("bert", "graph", "precision", f"{L0}.output.dense", rounded(f"{L0}.output.dense")),
    Fault("bert", "graph", "dropout-on", f"{L0}.output.LayerNorm", dropout(f"{L0}.output.LayerNorm", "AddV2", "z")),
]  # fmt: skip
OTHERS = [
    Fault("resnet", "checkpoint", "batchnorm-statistics", "embedder.embedder.normalization",
          edit("embedder.embedder.normalization.running_var", lambda v: torch.ones_like(v))),
    Fault("resnet", "checkpoint", "channel-order", "embedder.embedder.convolution",
          edit("embedder.embedder.convolution.weight", lambda v: v.flip(1)), True),
    Fault("resnet", "checkpoint", "kernel-transposed", "embedder.embedder.convolution",
          edit("embedder.embedder.convolution.weight", lambda v: v.transpose(2, 3))),
    Fault("resnet", "checkpoint", "weight-value", "encoder.stages.1.layers.0.shortcut.convolution",
          edit("encoder.stages.1.layers.0.shortcut.convolution.weight", one_value)),
    Fault("resnet", "config", "activation-form", "embedder.embedder.activation", {"hidden_act": "gelu"}),
    Fault("resnet", "graph", "batchnorm-statistics", "embedder.embedder.normalization",
          batch_statistics("embedder.embedder.normalization")),
    Fault("resnet", "graph", "padding", "embedder.embedder.convolution", padding_behind("embedder.embedder.convolution")),
    Fault("resnet", "graph", "channel-order", "embedder.embedder.convolution",
          reversed_channels("embedder.embedder.convolution")),
    Fault("resnet", "graph", "activation-form", "embedder.embedder.activation",
          other_operation("embedder.embedder.activation", "Relu", "Elu")),
    Fault("resnet", "variables", "weight-not-loaded", "embedder.embedder.convolution",
          edit("embedder.embedder.convolution.weight", new_values)),
    Fault("llama", "config", "epsilon", "layers.0.input_layernorm", {"rms_norm_eps": 1e-2}),
    Fault("llama", "config", "activation-form", "layers.0.mlp.act_fn", {"hidden_act": "gelu"}),
    Fault("llama", "checkpoint", "rotary-layout", "layers.0.self_attn.q_proj",
          both(edit("layers.0.self_attn.q_proj.weight", rotary_rows), edit("layers.0.self_attn.k_proj.weight", rotary_rows))),
    Fault("llama", "checkpoint", "layer-order", "layers.0.input_layernorm", swap_layers("layers", 0, 1)),
    Fault("llama", "graph", "attention-scale", "layers.0.self_attn", scale("layers.0.self_attn", 0.5)),
    Fault("llama", "graph", "mask", "layers.0.self_attn", without_mask("layers.0.self_attn")),
    Fault("llama", "variables", "weights-swapped", "layers.0.mlp.gate_proj",
          swap("layers.0.mlp.gate_proj.weight", "layers.0.mlp.up_proj.weight")),
    Fault("wav2vec2", "config", "activation-form", "encoder.layers.0.feed_forward.intermediate_act_fn",
          {"hidden_act": "gelu_new"}),
    Fault("wav2vec2", "config", "epsilon", "feature_projection.layer_norm", {"layer_norm_eps": 1e-2}),
    Fault("wav2vec2", "checkpoint", "kernel-transposed", "encoder.layers.0.attention.q_proj",
          edit("encoder.layers.0.attention.q_proj.weight", transposed)),
    Fault("wav2vec2", "checkpoint", "weight-value", "feature_extractor.conv_layers.0.conv",
          edit("feature_extractor.conv_layers.0.conv.weight", one_value),
          missed="the SavedModel keeps no tag of a convolution whose normalization runs over its axes as they lie"),
    Fault("wav2vec2", "graph", "epsilon", "encoder.layer_norm", epsilon("encoder.layer_norm", 1e-2)),
    Fault("wav2vec2", "variables", "weights-swapped", "encoder.layers.0.attention.k_proj",
          swap("encoder.layers.0.attention.k_proj.weight", "encoder.layers.0.attention.v_proj.weight")),
]  # fmt: skip
TEXT, PICTURE = "text_model.encoder.layers.0", "vision_model.encoder.layers.0"
MORE = [
    Fault("vit", "config", "epsilon", "layers.0.layernorm_before", {"layer_norm_eps": 1e-2}),
    Fault("vit", "config", "activation-form", "layers.0.mlp.activation_fn", {"hidden_act": "relu"}),
    Fault("vit", "config", "activation-form", "layers.0.mlp.activation_fn", {"hidden_act": "quick_gelu"}),
    Fault("vit", "variables", "channel-order", "embeddings.patch_embeddings.projection",
          edit("embeddings.patch_embeddings.projection.weight", lambda v: v[:, :, ::-1])),
    Fault("vit", "variables", "weights-swapped", "layers.0.attention.q_proj",
          swap("layers.0.attention.q_proj.weight", "layers.0.attention.k_proj.weight")),
    Fault("vit", "variables", "weight-not-loaded", "layers.0.attention.o_proj",
          edit("layers.0.attention.o_proj.weight", new_values)),
    Fault("vit", "variables", "layer-order", "layers.0.layernorm_before", swap_layers("layers", 0, 1)),
    Fault("vit", "variables", "position-offset", "embeddings",
          edit("embeddings.position_embeddings", lambda v: numpy.roll(v, 1, 1))),
    Fault("vit", "graph", "attention-scale", "layers.0.attention", scale("layers.0.attention", 0.125)),
    Fault("vit", "graph", "softmax-axis", "layers.0.attention", softmax_over_queries("layers.0.attention")),
    Fault("vit", "graph", "epsilon", "layernorm", epsilon("layernorm", 1e-2)),
    Fault("vit", "graph", "dropout-on", "layernorm", dropout("layernorm", "AddV2", "z")),
    Fault("vit", "graph", "precision", "layers.0.mlp.fc2", rounded("layers.0.mlp.fc2")),
    Fault("clip", "config", "activation-form", f"{TEXT}.mlp.activation_fn", {"text_config__hidden_act": "gelu"}),
    Fault("clip", "config", "epsilon", "vision_model.pre_layrnorm", {"vision_config__layer_norm_eps": 1e-2}),
    Fault("clip", "checkpoint", "kernel-transposed", f"{PICTURE}.self_attn.q_proj",
          edit(f"{PICTURE}.self_attn.q_proj.weight", transposed)),
    Fault("clip", "checkpoint", "weights-swapped", f"{TEXT}.self_attn.k_proj",
          swap(f"{TEXT}.self_attn.k_proj.weight", f"{TEXT}.self_attn.v_proj.weight")),
    Fault("clip", "checkpoint", "position-offset", "text_model.embeddings.position_embedding",
          edit("text_model.embeddings.position_embedding.weight", rolled)),
    Fault("clip", "checkpoint", "weight-value", "", edit("logit_scale", lambda v: v + 0.3)),
    Fault("clip", "variables", "weight-not-loaded", "text_projection", edit("text_projection.weight", new_values)),
    Fault("clip", "graph", "mask", f"{TEXT}.self_attn", without_mask(f"{TEXT}.self_attn")),
    Fault("clip", "graph", "attention-scale", f"{PICTURE}.self_attn", scale(f"{PICTURE}.self_attn")),
    Fault("clip", "graph", "position-offset", "text_model.embeddings.position_embedding",
          shifted_rows("text_model.embeddings.position_embedding")),
    Fault("gpt2", "config", "epsilon", "h.0.ln_1", {"layer_norm_epsilon": 1e-2}),
    Fault("gpt2", "config", "activation-form", "h.0.mlp.act", {"activation_function": "gelu"}),
    Fault("gpt2", "config", "attention-scale", "h.0.attn", {"scale_attn_weights": False}),
    Fault("gpt2", "config", "attention-scale", "h.1.attn", {"scale_attn_by_inverse_layer_idx": True}),
    Fault("gpt2", "checkpoint", "kernel-transposed", "h.0.attn.c_proj", edit("h.0.attn.c_proj.weight", transposed)),
    Fault("gpt2", "checkpoint", "layer-order", "h.0.ln_1", swap_layers("h", 0, 1)),
    Fault("gpt2", "variables", "weight-value", "h.1.mlp.c_fc", edit("h.1.mlp.c_fc.weight", one_value)),
    Fault("gpt2", "graph", "mask", "h.0.attn", without_mask("h.0.attn")),
    Fault("gpt2", "graph", "attention-scale", "h.0.attn", scale("h.0.attn")),
]  # fmt: skip
FAULTS = BERT + OTHERS + MORE


@pytest.fixture(scope="session")
def converted(tmp_path_factory):
    """converted(kind) -> (model folder, OUT) of a right conversion, made once."""
    made = {}

    def of(kind):
        if kind not in made:
            base = tmp_path_factory.mktemp(kind)
            folder = subjects.build(kind, base / "model")
            conversion = crossload.convert(folder, base / "out", verify=False)
            made[kind] = (folder, conversion.out)
        return made[kind]

    return of


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            f,
            id=f.id,
            marks=([] if f.quick else [pytest.mark.slow])
            + ([pytest.mark.xfail(reason=f.missed, strict=True)] if f.missed else []),
        )
        for f in FAULTS
    ],
)
def test_fault(converted, tmp_path, fault):
    model, out = converted(fault.kind)
    if fault.where in ("config", "checkpoint"):
        model = shutil.copytree(model, tmp_path / "model")
        if fault.where == "config":
            plant.change_config(model, **fault.do)
        else:
            plant.change_checkpoint(model, fault.do)
    out = shutil.copytree(out, tmp_path / "out")
    if fault.where == "variables":
        plant.change_variables(out, fault.do)
    if fault.where == "graph":
        with plant.Graph(out) as graph:
            fault.do(graph)
    report = crossload.verify(model, out)
    first = next((s.module for s in report.stages if s.first_over_limit), None)
    named = [d.cause for d in report.diagnosis if d.module == first]
    TABLE.append(
        (fault.kind, fault.where, fault.cause, fault.module or "(model)", first or "(model)", ", ".join(named))
    )
    assert report.verdict == "mismatch"
    assert first == fault.module, [(d.module, d.cause, d.evidence) for d in report.diagnosis]
    assert fault.cause in named, [(d.module, d.cause, d.evidence) for d in report.diagnosis]
    assert all(d.counterfactual_error is not None for d in report.diagnosis if d.cause != "other")


def test_dump_and_reproduce(converted, tmp_path):
    """The files of one stage: both sides' values, and a script that finds the same difference by itself."""
    import subprocess
    import sys

    from crossload_command import run

    model, out = converted("bert")
    out = shutil.copytree(out, tmp_path / "out")
    stage = "encoder.layer.0.attention.self"
    with plant.Graph(out) as graph:
        scale(stage)(graph)
    finished = run("verify", model, out, "--json", "--dump", stage, tmp_path / "stage.npz", "--reproduce", stage,
                   tmp_path / "made")  # fmt: skip
    assert finished.code == 1, finished.err
    isolated = next(s["isolated"] for s in finished.document["stages"] if s["module"] == stage)
    values = numpy.load(tmp_path / "stage.npz")
    [output] = [n.removeprefix("pytorch/") for n in values.files if n.startswith("pytorch/")]
    error = numpy.abs(values[f"pytorch/{output}"] - values[f"tensorflow/{output}"]).max()
    assert error == pytest.approx(isolated, rel=0.5) and error > 1e-3
    assert any(n.startswith("input/") for n in values.files)

    script = tmp_path / "made" / "reproduce.py"
    assert len(script.read_text().splitlines()) <= 60
    ran = subprocess.run([sys.executable, "-I", str(script)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    told = float(ran.stdout.rsplit(" ", 1)[1])
    assert told == pytest.approx(error, rel=0.01)
    assert "crossload" not in script.read_text()
    issue = (tmp_path / "made" / "issue.md").read_text()
    assert "aten.scaled_dot_product_attention" in issue and "reproduce.py" in issue

    refused = run("verify", model, out, "--json", "--dump", "encoder.layer.7", tmp_path / "no.npz")
    assert refused.code == 2 and "encoder.layer.1" in refused.document["error"]["message"]
