"""Trace folders: the program, the checkpoint locations of its weights, the sample inputs."""

import json
import time
import zipfile

import numpy
import pytest
import torch
from crossload.errors import WorkerError
from crossload.session import Session
from safetensors.torch import load_file, save_file


def carried(result):
    return [name for name, location in result["weights"].items() if "carried" in location]


def archive_json(path, suffix):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(next(n for n in archive.namelist() if n.endswith(suffix))))


def check_places(folder, out, result):
    """Every location read from the checkpoint or carried.safetensors gives the value that Transformers loads."""
    import transformers

    model = getattr(transformers, result["class"]).from_pretrained(folder, dtype="auto")
    files = load_file(folder / "model.safetensors")
    extra = load_file(out / "carried.safetensors")
    state = model.state_dict()
    for name, location in result["weights"].items():
        owner = location.get("tied_to", name)
        source = result["weights"][owner]
        value = files[source["key"]] if "key" in source else extra[owner]
        assert torch.equal(value, state[name]), name


def test_minilm(minilm, tmp_path, ask):
    out = tmp_path / "trace"
    result = ask(do="trace", model=minilm, out=out)
    assert result["class"] == "BertModel" and result["model_type"] == "bert"
    assert result["dynamic"] and result["static_reason"] is None and not result["decomposed"]
    assert len(result["weights"]) == 103 and not carried(result)
    assert result["checkpoint"]["embeddings.LayerNorm.weight"] == {
        "dtype": "F32", "shape": [384], "file": "model.safetensors",
    }  # fmt: skip
    assert result["unused"] == [] and result["missing"] == []
    assert result["hidden_states"] == [f"encoder.layer.{i}" for i in range(6)]
    assert result["modules"]["encoder.layer.3.output.LayerNorm"] == {"class": "LayerNorm"}
    assert (out / "program.pt2").stat().st_size < 2_000_000
    assert {**result, "note": None} == {**json.loads((out / "trace.json").read_text()), "note": None}
    check_places(minilm, out, result)
    sample = load_file(out / "sample.safetensors")
    assert set(sample) == {"input_ids", "token_type_ids", "attention_mask"}
    batch, length = sample["input_ids"].shape
    assert batch == 2 and length not in (2, 384, 12, 6, 512) and (sample["attention_mask"] == 0).any()


def test_gpt2_is_tied(tiny, tmp_path, ask):
    folder = tiny("gpt2", "GPT2LMHeadModel")
    result = ask(do="trace", model=folder, out=tmp_path / "t")
    assert result["weights"]["lm_head.weight"] == {"tied_to": "transformer.wte.weight"}
    assert result["weights"]["transformer.wte.weight"] == {"key": "transformer.wte.weight"}
    assert not carried(result)
    check_places(folder, tmp_path / "t", result)


def test_vit_keys_are_renamed(tiny, tmp_path, ask):
    folder = tiny("vit", "ViTForImageClassification")
    result = ask(do="trace", model=folder, out=tmp_path / "t")
    assert not carried(result) and len(result["weights"]) == 40
    assert result["weights"]["vit.layers.0.attention.q_proj.weight"] == {
        "key": "vit.encoder.layer.0.attention.attention.query.weight"
    }
    check_places(folder, tmp_path / "t", result)


def test_prefix_is_added_and_head_is_missing(tiny, tmp_path, ask):
    result = ask(do="trace", model=tiny("bert", "BertModel"), out=tmp_path / "t", **{"class": "BertForMaskedLM"})
    assert result["weights"]["bert.embeddings.word_embeddings.weight"] == {"key": "embeddings.word_embeddings.weight"}
    assert "cls.predictions.transform.dense.weight" in result["missing"]
    assert "pooler.dense.weight" in result["unused"]
    assert "cls.predictions.transform.dense.weight" in carried(result)


def test_equal_tensors_are_not_mixed_up(tiny, tmp_path, ask):
    """All-zero biases are equal byte for byte; each still gets its own key."""
    source = tiny("bert", "BertModel")
    folder = tmp_path / "model"
    folder.mkdir()
    tensors = load_file(source / "model.safetensors")
    save_file({k: v * 0 if k.endswith("bias") else v for k, v in tensors.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text((source / "config.json").read_text())
    result = ask(do="trace", model=folder, out=tmp_path / "t")
    assert {n: p["key"] for n, p in result["weights"].items()} == {n: n for n in result["weights"]}


def test_shards(tmp_path, ask):
    import tiny_models

    folder = tiny_models.build("bert", "BertModel", tmp_path / "model", max_shard_size="40KB")
    result = ask(do="trace", model=folder, out=tmp_path / "t")
    assert len({entry["file"] for entry in result["checkpoint"].values()}) > 1 and not carried(result)


def test_bin_holds_the_weights(tiny, tmp_path, ask):
    source = tiny("gpt2", "GPT2Model")
    folder = tmp_path / "model"
    folder.mkdir()
    torch.save(load_file(source / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "config.json").write_text((source / "config.json").read_text())
    result = ask(do="trace", model=folder, out=tmp_path / "t")
    assert not carried(result) and len(result["weights"]) == 28
    assert {entry["file"] for entry in result["checkpoint"].values()} == {"pytorch_model.bin"}


def test_program_holds_no_weights_but_true_shapes_and_constants(tiny, tmp_path, ask):
    ask(do="trace", model=tiny("bert", "BertModel"), out=tmp_path / "t")
    path = tmp_path / "t" / "program.pt2"
    config = archive_json(path, "model_weights_config.json")["config"]
    sizes = config["embeddings.word_embeddings.weight"]["tensor_meta"]["sizes"]
    assert [s["as_int"] for s in sizes] == [99, 32]
    with zipfile.ZipFile(path) as archive:
        stored = sum(i.file_size for i in archive.infolist() if "/weights/weight_" in i.filename)
        assert stored == 4
        constant = next(i for i in archive.infolist() if "/constants/tensor_" in i.filename)
        assert any(archive.read(constant))


def test_static(tiny, tmp_path, ask):
    result = ask(do="trace", model=tiny("bert"), out=tmp_path / "t", dynamic=False)
    assert not result["dynamic"] and result["static_reason"] is None
    assert archive_json(tmp_path / "t" / "program.pt2", "models/model.json")["range_constraints"] == {}


class Data(torch.nn.Module):
    def forward(self, x):
        return x + 1 if float(x.sum()) > 0 else x - 1


@pytest.mark.parametrize("failing", [("all",), ("all", "first")])
def test_fewer_axes_where_dynamic_ones_fail(tiny, tmp_path, ask, monkeypatch, failing):
    from crossload.trace import export

    real = export._export_once

    def no_symbols(loaded, inputs, request, axes):
        if axes in failing:
            raise RuntimeError("guards were violated.\nmore")
        return real(loaded, inputs, request, axes)

    monkeypatch.setattr(export, "_export_once", no_symbols)
    result = ask(do="trace", model=tiny("bert"), out=tmp_path / "t")
    assert result["dynamic"] == ("first" not in failing)
    assert result["static_reason"] == "RuntimeError: guards were violated"
    ranges = archive_json(tmp_path / "t" / "program.pt2", "models/model.json")["range_constraints"]
    assert bool(ranges) == ("first" not in failing)


def test_an_export_that_takes_too_long_is_given_up(tiny, tmp_path, ask, monkeypatch):
    from crossload.trace import export

    real = export._export_once

    def endless(loaded, inputs, request, axes):
        while axes == "all":
            try:
                time.sleep(0.01)
            except Exception:
                continue
        return real(loaded, inputs, request, axes)

    monkeypatch.setattr(export, "_export_once", endless)
    monkeypatch.setattr(export, "DYNAMIC_SECONDS", 5)
    result = ask(do="trace", model=tiny("bert"), out=tmp_path / "t")
    assert result["dynamic"] and result["static_reason"] == "TimeIsUp: not done in 5 s"


def test_not_exportable_names_the_line(tmp_path, ask):
    session = Session(module=Data(), sample_inputs=(torch.ones(3, 5),))
    with pytest.raises(WorkerError) as caught:
        ask(session, do="trace", out=tmp_path / "t")
    assert caught.value.kind == "unsupported"
    assert caught.value.message.startswith("Data (test_trace.py:") and caught.value.details


class Plain(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(6, 4), torch.nn.Linear(4, 4)
        self.again = self.second
        self.register_buffer("scale", torch.arange(4.0))
        self.register_buffer("offset", torch.ones(4), persistent=False)

    def forward(self, x, y):
        hidden = self.again(self.second(self.first(x))) * self.scale + self.offset
        return hidden.relu(), (hidden, y + 1)


@pytest.mark.parametrize("form", ["tuple", "dict"])
def test_plain_module(form, tmp_path, ask):
    x, y = torch.randn(3, 6), torch.randn(5, 2)
    session = Session(module=Plain(), sample_inputs=(x, y) if form == "tuple" else {"x": x, "y": y})
    result = ask(session, do="trace", out=tmp_path / "t")
    assert result["class"] == "Plain" and result["model_type"] is None and result["dynamic"]
    assert result["weights"]["again.weight"] == {"tied_to": "second.weight"}
    assert set(load_file(tmp_path / "t" / "carried.safetensors")) == {
        "first.weight", "first.bias", "second.weight", "second.bias", "scale",
    }  # fmt: skip
    assert set(load_file(tmp_path / "t" / "sample.safetensors")) == {"x", "y"}
    done = ask(session, do="reference", trace=tmp_path / "t", out=tmp_path / "r", stages=True)
    with_names = load_file(tmp_path / "r" / done["cases"][0]["file"])
    assert {n for n in with_names if n.startswith("truth/")} == {
        "truth/output.0", "truth/output.1.0", "truth/output.1.1",
    }  # fmt: skip


def test_npz_and_text(minilm, tiny, tmp_path, ask):
    numpy.savez(tmp_path / "in.npz", input_ids=numpy.full((4, 7), 9))
    ask(do="trace", model=tiny("bert"), out=tmp_path / "a", inputs=tmp_path / "in.npz")
    assert load_file(tmp_path / "a" / "sample.safetensors")["input_ids"].shape == (4, 7)
    ask(do="trace", model=minilm, out=tmp_path / "b", text="good morning", dynamic=False)
    assert load_file(tmp_path / "b" / "sample.safetensors")["input_ids"][0, :4].tolist() == [101, 2204, 2851, 102]


def test_flags_add_outputs(tiny, tmp_path, ask):
    from crossload.program.archive import open_program
    from crossload.program.signature import output_names

    flags = {"hidden_states": True, "attentions": True, "cache": True}
    ask(do="trace", model=tiny("gpt2", "GPT2LMHeadModel"), out=tmp_path / "t", **flags)
    names = output_names(open_program(tmp_path / "t" / "program.pt2"))
    assert names[0] == "logits" and {"hidden_states.2", "attentions.1"} <= set(names)
    assert "past_key_values.layers.1.values" in names


def test_remote_code_needs_trust(tmp_path, ask):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "code_here.py").write_text(
        "import torch\nfrom transformers import PretrainedConfig, PreTrainedModel\n"
        "class OwnConfig(PretrainedConfig):\n    model_type = 'own'\n    vocab_size = 50\n"
        "class OwnModel(PreTrainedModel):\n    config_class = OwnConfig\n"
        "    def __init__(self, config):\n        super().__init__(config)\n"
        "        self.table = torch.nn.Embedding(50, 4)\n        self.post_init()\n"
        "    def forward(self, input_ids):\n        return self.table(input_ids)\n"
    )
    own = {"AutoConfig": "code_here.OwnConfig", "AutoModel": "code_here.OwnModel"}
    config = {"model_type": "own", "architectures": ["OwnModel"], "auto_map": own}
    (folder / "config.json").write_text(json.dumps(config))
    save_file({"table.weight": torch.randn(50, 4)}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(WorkerError, match="trust-remote-code"):
        ask(do="trace", model=folder, out=tmp_path / "t")
    result = ask(do="trace", model=folder, out=tmp_path / "t", trust_remote_code=True)
    assert result["class"] == "OwnModel" and result["weights"] == {"table.weight": {"key": "table.weight"}}
