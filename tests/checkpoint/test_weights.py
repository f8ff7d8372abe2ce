"""What `crossload weights` makes of good files."""

import json
import shutil
from pathlib import Path

import h5py
import keras_files
import numpy as np
import pytest
import torch
from crossload_command import run
from safetensors import safe_open
from safetensors.torch import load_file, save_file

LAYER = "tf_bert_model/bert/encoder/layer_._1"


def converted(*arguments):
    """The JSON of a run that must go well."""
    finished = run("weights", *arguments, "--json", "--quiet")
    assert finished.code == 0, finished.err
    return finished.document


def names_and_bytes(tensors):
    return {
        name: (t.dtype, tuple(t.shape), bytes(t.contiguous().view(torch.uint8).numpy())) for name, t in tensors.items()
    }


def back(source, target):
    """PyTorch's weights that TensorFlow's become."""
    document = converted(source, target, "--to", "safetensors")
    assert document["direction"] == "tf-to-pt"
    file = target / "model.safetensors"
    with safe_open(file, "pt") as opened:
        assert opened.metadata() == {"format": "pt"}
    return load_file(file)


def test_whole_file_as_keras_has_it(bert, weights, tmp_path):
    document = converted(bert, tmp_path / "out")
    assert document["files"] == ["tf_model.h5"]
    assert (document["class"], document["model_type"]) == ("TFBertModel", "bert")
    assert document["weights"]["unused"] == document["weights"]["missing"] == []
    with h5py.File(tmp_path / "out/tf_model.h5") as file:
        assert keras_files.texts(file.attrs["layer_names"]) == ["bert"]
        assert file.attrs["backend"].decode() == "tensorflow"
        assert len(file["top_level_model_weights"].attrs["weight_names"]) == 0
        names = keras_files.texts(file["bert"].attrs["weight_names"])
        assert len(names) == len(set(names)) == len(weights)
        for tf_name, pt_name, transposed in [
            (f"{LAYER}/attention/self/query/kernel:0", "encoder.layer.1.attention.self.query.weight", True),
            (f"{LAYER}/output/dense/bias:0", "encoder.layer.1.output.dense.bias", False),
            (f"{LAYER}/output/LayerNorm/gamma:0", "encoder.layer.1.output.LayerNorm.weight", False),
            ("tf_bert_model/bert/embeddings/word_embeddings/weight:0", "embeddings.word_embeddings.weight", False),
        ]:
            expected = weights[pt_name].numpy()
            np.testing.assert_array_equal(file["bert"][tf_name][()], expected.T if transposed else expected)


def test_companions_come_along(bert, tmp_path):
    (tmp_path / "source").mkdir()
    source = shutil.copytree(bert, tmp_path / "source/model")
    (source / "tokenizer.json").write_text("{}")
    (source / "1_Pooling").mkdir()
    (source / "1_Pooling/config.json").write_text("{}")
    (source / "model.safetensors.index.json.bak").write_text("")
    converted(source, tmp_path / "out")
    found = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert {"config.json", "tokenizer.json", "1_Pooling/config.json", "tf_model.h5"} <= found
    assert not any("safetensors" in name for name in found)
    assert (tmp_path / "out/config.json").read_bytes() == (bert / "config.json").read_bytes()


def test_there_and_back(tf_folder, weights, tmp_path):
    assert names_and_bytes(back(tf_folder, tmp_path / "out")) == names_and_bytes(weights)


def test_file_of_h5py(tf_model, weights, tmp_path):
    layers = keras_files.read(tf_model / "tf_model.h5")
    keras_files.write(tf_model / "tf_model.h5", layers)
    assert names_and_bytes(back(tf_model, tmp_path / "out")) == names_and_bytes(weights)


FORMS = {
    "gzip": {"compression": "gzip"},
    "gzip and shuffle": {"compression": "gzip", "shuffle": True, "fletcher32": True},
    "lzf": {"compression": "lzf"},
    "chunks": {"chunks": True},
    "big-endian": {},
    "latest": {},
    "latest with gzip": {"compression": "gzip"},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_other_forms_of_hdf5_go_through_h5py(tf_model, weights, tmp_path, form):
    layers = keras_files.read(tf_model / "tf_model.h5")
    libver = "latest" if "latest" in form else None
    with h5py.File(tf_model / "tf_model.h5", "w", libver=libver) as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for layer, variables in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in variables]
            for name, value in variables.items():
                value = value.astype(value.dtype.newbyteorder(">")) if form == "big-endian" else value
                group.create_dataset(name, data=value, **FORMS[form])
    assert names_and_bytes(back(tf_model, tmp_path / "out")) == names_and_bytes(weights)


def test_other_forms_of_hdf5_in_shards(bert, weights, tmp_path):
    converted(bert, tmp_path / "tf", "--max-shard-size", "20KB")
    for shard in (tmp_path / "tf").glob("*.h5"):
        with h5py.File(shard) as old:
            found = {name: old[name][()] for name in keras_files.texts(old.attrs["layer_names"])}
        with h5py.File(shard, "w", libver="latest") as new:
            new.attrs["layer_names"] = [name.encode() for name in found]
            for name, value in found.items():
                new.create_dataset(name, data=value, compression="gzip")
    assert names_and_bytes(back(tmp_path / "tf", tmp_path / "out")) == names_and_bytes(weights)


def test_heads_of_a_functional_keras_model(tf_model, weights, tmp_path):
    layers = keras_files.read(tf_model / "tf_model.h5")
    heads = {"hidden": (32, 8), "out": (8, 2)}
    for name, shape in heads.items():
        layers[name] = {f"{name}/kernel:0": np.arange(np.prod(shape), dtype="f4").reshape(shape)}
    keras_files.write(tf_model / "tf_model.h5", layers)
    document = converted(tf_model, tmp_path / "out", "--to", "safetensors")
    assert document["weights"]["unused"] == ["hidden/kernel:0", "out/kernel:0"]
    found = load_file(tmp_path / "out/model.safetensors")
    for name in heads:
        np.testing.assert_array_equal(found.pop(f"{name}.weight").numpy().T, layers[name][f"{name}/kernel:0"])
    assert names_and_bytes(found) == names_and_bytes(weights)


def test_file_of_a_whole_keras_model(tf_model, weights, tmp_path):
    file = tf_model / "tf_model.h5"
    keras_files.write(tmp_path / "weights.h5", keras_files.read(file))
    with h5py.File(tmp_path / "weights.h5") as source, h5py.File(file, "w") as target:
        target.attrs["model_config"] = "{}"
        group = target.create_group("model_weights")
        group.attrs.update(source.attrs)
        for name in source:
            source.copy(name, group)
    assert names_and_bytes(back(tf_model, tmp_path / "out")) == names_and_bytes(weights)


def test_names_that_do_not_fit_one_attribute(tmp_path, model, weights):
    # 300 layers have 4800 names of up to 64 bytes: five attributes.
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 300}))
    many = {name: value for name, value in weights.items() if "layer" not in name}
    for name, value in weights.items():
        if name.startswith("encoder.layer.0."):
            many.update({name.replace("layer.0", f"layer.{i}"): value + i for i in range(300)})
    save_file(many, model / "model.safetensors")
    converted(model, tmp_path / "out")
    with h5py.File(tmp_path / "out/tf_model.h5") as file:
        chunks = [n for n in file["bert"].attrs if n.startswith("weight_names")]
        assert len(chunks) > 1 and "weight_names" not in chunks
        assert all(file["bert"].attrs[n].nbytes <= 64512 for n in chunks)
        assert len(file["bert/tf_bert_model/bert/encoder"]) == 300
    assert names_and_bytes(back(tmp_path / "out", tmp_path / "back")) == names_and_bytes(many)


def test_shards(bert, weights, tmp_path):
    document = converted(bert, tmp_path / "out", "--max-shard-size", "20KB")
    *shards, index_name = document["files"]
    assert index_name == "tf_model.h5.index.json"
    assert shards == [f"tf_model-{i + 1:05}-of-{len(shards):05}.h5" for i in range(len(shards))]
    index = json.loads((tmp_path / "out" / index_name).read_text())
    assert index["metadata"]["total_size"] == sum(t.nbytes for t in weights.values())
    assert len(index["weight_map"]) == len(weights)
    for name, shard in index["weight_map"].items():
        with h5py.File(tmp_path / "out" / shard) as file:
            flat = name.removeprefix("tf_bert_model/")
            assert flat in keras_files.texts(file.attrs["layer_names"])
            assert isinstance(file[flat], h5py.Dataset)
    sizes = [sum(np.prod(d.shape) * 4 for d in datasets(tmp_path / "out" / shard)) for shard in shards]
    assert all(size <= 20_000 for size in sizes)
    assert names_and_bytes(back(tmp_path / "out", tmp_path / "back")) == names_and_bytes(weights)
    resharded = converted(tmp_path / "back", tmp_path / "again", "--to", "safetensors", "--max-shard-size", "20KiB")
    assert resharded["direction"] == "pt-to-pt"
    index = json.loads((tmp_path / "again/model.safetensors.index.json").read_text())
    parts = {name: load_file(tmp_path / "again" / name) for name in set(index["weight_map"].values())}
    assert len(parts) > 1
    joined = {name: parts[file][name] for name, file in index["weight_map"].items()}
    assert names_and_bytes(joined) == names_and_bytes(weights)


def datasets(path):
    with h5py.File(path) as file:
        found = []
        file.visititems(lambda _, o: found.append(o) if isinstance(o, h5py.Dataset) else None)
        yield from found


@pytest.mark.parametrize("form", ["zip", "legacy", "sharded"])
def test_pytorch_files(bert, weights, tf_folder, model, tmp_path, form):
    (model / "model.safetensors").unlink()
    if form == "sharded":
        names = sorted(weights)
        parts = {"pytorch_model-00001-of-00002.bin": names[:20], "pytorch_model-00002-of-00002.bin": names[20:]}
        for file, part in parts.items():
            torch.save({name: weights[name] for name in part}, model / file)
        weight_map = {name: file for file, part in parts.items() for name in part}
        index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
        (model / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    else:
        torch.save(weights, model / "pytorch_model.bin", _use_new_zipfile_serialization=form == "zip")
    converted(model, tmp_path / "out")
    assert (tmp_path / "out/tf_model.h5").read_bytes() == (tf_folder / "tf_model.h5").read_bytes()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickle_protocols(weights, model, tmp_path, protocol):
    (model / "model.safetensors").unlink()
    torch.save(weights, model / "pytorch_model.bin", pickle_protocol=protocol)
    converted(model, tmp_path / "out", "--to", "safetensors")
    assert names_and_bytes(load_file(tmp_path / "out/model.safetensors")) == names_and_bytes(weights)


@pytest.mark.parametrize("zipped", [True, False])
def test_views_parameters_and_state_dicts_with_metadata(weights, model, tmp_path, zipped):
    (model / "model.safetensors").unlink()
    saved = torch.nn.Module().state_dict()  # an OrderedDict with `_metadata`
    for i, (name, value) in enumerate(sorted(weights.items())):
        if value.ndim == 2 and i % 2:
            value = value.t().contiguous().t()  # the same numbers, in another order in the file
        elif value.ndim == 1:
            value = torch.cat([value, value])[len(value) :]  # the second half of a storage
        saved[name] = torch.nn.Parameter(value) if i % 3 == 0 else value
    torch.save(saved, model / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    converted(model, tmp_path / "out", "--to", "safetensors")
    assert names_and_bytes(load_file(tmp_path / "out/model.safetensors")) == names_and_bytes(weights)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes_are_kept(weights, model, tmp_path, dtype):
    narrow = {name: value.to(dtype) for name, value in weights.items()}
    save_file(narrow, model / "model.safetensors")
    converted(model, tmp_path / "out")
    with h5py.File(tmp_path / "out/tf_model.h5") as file:
        dataset = file["bert/tf_bert_model/bert/pooler/dense/kernel:0"]
        assert dataset.id.get_type().get_size() == dtype.itemsize
        # h5py shows bfloat16 as what holds it exactly
        np.testing.assert_array_equal(dataset[()].astype("f8"), narrow["pooler.dense.weight"].double().numpy().T)
    assert names_and_bytes(back(tmp_path / "out", tmp_path / "back")) == names_and_bytes(narrow)


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float64"])
def test_casts(bert, weights, tmp_path, name):
    converted(bert, tmp_path / "out", "--dtype", name)
    expected = {key: value.to(getattr(torch, name)) for key, value in weights.items()}
    assert names_and_bytes(back(tmp_path / "out", tmp_path / "back")) == names_and_bytes(expected)


@pytest.mark.parametrize("key", ["torch_dtype", "dtype"])
def test_cast_weights_have_a_configuration_that_says_so(model, tmp_path, key):
    """Transformers would cast them back to what it says."""
    config = json.loads((model / "config.json").read_text())
    config = {name: value for name, value in config.items() if "dtype" not in name} | {key: "float32"}
    (model / "config.json").write_text(json.dumps(config, indent=3))
    converted(model, tmp_path / "cast", "--to", "safetensors", "--dtype", "bfloat16")
    text = (tmp_path / "cast/config.json").read_text()
    assert text == (model / "config.json").read_text().replace("float32", "bfloat16")
    from transformers import AutoModel

    assert AutoModel.from_pretrained(tmp_path / "cast").dtype == torch.bfloat16
    converted(model, tmp_path / "tf", "--dtype", "float16")
    assert json.loads((tmp_path / "tf/config.json").read_text())[key] == "float16"
    # What says how other weights are stays.
    before = (model / "config.json").read_bytes()
    converted(model, model, "--to", "h5", "--dtype", "float16")
    assert (model / "config.json").read_bytes() == before


@pytest.fixture(scope="module")
def swin(tmp_path_factory):
    """A tiny Swin with the tables of indices that Transformers 4 saved."""
    from transformers import SwinConfig, SwinModel

    torch.manual_seed(0)
    config = SwinConfig(image_size=32, patch_size=4, embed_dim=8, depths=[2], num_heads=[2], window_size=4)
    folder = tmp_path_factory.mktemp("swin") / "model"
    SwinModel(config).save_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    for i in range(2):
        table = torch.randperm(256).reshape(16, 16) % 49
        weights[f"encoder.layers.0.blocks.{i}.attention.self.relative_position_index"] = table
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_tables_of_indices_are_32_bits_wide_in_tensorflow(swin, tmp_path):
    weights = load_file(swin / "model.safetensors")
    converted(swin, tmp_path / "out")
    found = {n: v for w in keras_files.read(tmp_path / "out/tf_model.h5").values() for n, v in w.items()}
    narrow = {name: value for name, value in found.items() if "relative_position_index" in name}
    assert len(narrow) == 2
    for name, value in narrow.items():
        assert value.dtype == np.int32
        block = 1 if "blocks.1" in name else 0
        expected = weights[f"encoder.layers.0.blocks.{block}.attention.self.relative_position_index"]
        np.testing.assert_array_equal(value, expected.numpy())
    assert names_and_bytes(back(tmp_path / "out", tmp_path / "back")) == names_and_bytes(weights)


def test_indices_past_32_bits(swin, tmp_path):
    source = shutil.copytree(swin, tmp_path / "model")
    weights = load_file(source / "model.safetensors")
    table = next(name for name, value in weights.items() if value.dtype == torch.int64)
    weights[table][0, 0] = 2**31
    save_file(weights, source / "model.safetensors", metadata={"format": "pt"})
    finished = run("weights", source, tmp_path / "out")
    assert finished.code == 2 and f"tensor `{table}` holds 2147483648" in finished.error
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_configuration_that_cannot_be_changed(model, tmp_path):
    text = '{"torch_dtype": "float32", "model_type"'
    (model / "config.json").write_text(text)
    finished = run("weights", model, tmp_path / "out", "--to", "safetensors", "--dtype", "float16")
    assert finished.code == 2 and f"{model}/config.json: {len(text)} bytes are no JSON object" in finished.error
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_no_dtype_is_added(model, tmp_path):
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({n: v for n, v in config.items() if "dtype" not in n}))
    converted(model, tmp_path / "out", "--dtype", "float16")
    assert (tmp_path / "out/config.json").read_bytes() == (model / "config.json").read_bytes()


def test_safetensors_of_tensorflow(tf_model, weights, tmp_path):
    layers = keras_files.read(tf_model / "tf_model.h5")
    (tf_model / "tf_model.h5").unlink()
    # As Transformers 4.46 names them there.
    flat = {name.split("/", 1)[1].removesuffix(":0"): torch.tensor(v) for w in layers.values() for name, v in w.items()}
    save_file(flat, tf_model / "model.safetensors", metadata={"format": "tf"})
    assert names_and_bytes(back(tf_model, tmp_path / "out")) == names_and_bytes(weights)


def test_a_class_with_a_head_tells_what_is_missing_and_unused(model, weights, tmp_path):
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "architectures": ["BertForTokenClassification"]}))
    named = {f"bert.{name}": value for name, value in weights.items()}
    save_file({**named, "other.weight": torch.zeros(2, 3)}, model / "model.safetensors")
    document = converted(model, tmp_path / "out")
    assert document["class"] == "TFBertForTokenClassification"
    assert document["weights"]["missing"] == ["classifier"]
    assert document["weights"]["unused"] == ["other.weight"]
    told = run("weights", model, tmp_path / "again")
    assert "not used when initializing the TF 2.0 model TFBertForTokenClassification: ['other.weight']" in told.out
    assert "['classifier']" in told.out


def without(tensors, *parts):
    return {name: value for name, value in tensors.items() if not any(part in name for part in parts)}


def test_missing_layers_and_matrices_and_foreign_modules_are_told(model, weights, tmp_path):
    def told(name, tensors):
        save_file(tensors, model / "model.safetensors")
        found = converted(model, tmp_path / name)["weights"]
        return found["missing"], found["unused"]

    assert told("whole", weights) == ([], [])
    last = max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))
    layer = f"encoder.layer.{last}"
    assert told("layer", without(weights, layer + ".")) == ([f"bert.{layer}"], [])
    matrix = layer + ".output.dense.weight"
    assert told("matrix", without(weights, matrix)) == ([f"bert.{matrix}"], [])
    foreign = {**weights, "adapter.down.weight": torch.ones(2, 3)}
    assert told("foreign", foreign) == ([], ["adapter.down.weight"])


def test_a_layer_missing_in_tensorflow_s_file_is_told(tf_model, tmp_path):
    with h5py.File(tf_model / "tf_model.h5", "r+") as file:
        names = [n for n in file["bert"].attrs["weight_names"] if b"layer_._1/" not in n]
        file["bert"].attrs["weight_names"] = np.array(names)
    assert converted(tf_model, tmp_path / "out")["weights"]["missing"] == ["encoder.layer.1"]


@pytest.mark.parametrize("stored", ["weight._data", "weight._scale", "qweight", "weight.SCB"])
def test_quantized_storage_is_refused(model, weights, tmp_path, stored):
    save_file({**weights, "pooler.dense." + stored: torch.ones(2, 2)}, model / "model.safetensors")
    finished = run("weights", model, tmp_path / "out")
    assert finished.code == 2 and "quantized" in finished.err and not (tmp_path / "out").exists()


def test_a_resized_vocabulary_is_refused_with_both_sizes(model, weights, tmp_path):
    name = "embeddings.word_embeddings.weight"
    rows = len(weights[name])
    save_file({**weights, name: torch.ones(rows + 3, weights[name].shape[1])}, model / "model.safetensors")
    finished = run("weights", model, tmp_path / "out")
    assert finished.code == 2 and f"{rows + 3} rows" in finished.err and f"`vocab_size` {rows}" in finished.err


def test_to_a_file_and_into_the_model_itself(bert, model, tmp_path):
    converted(model, model, "--to", "h5")
    assert (model / "tf_model.h5").is_file() and (model / "model.safetensors").is_file()
    converted(bert / "model.safetensors", tmp_path / "there/x.h5")
    assert sorted(p.name for p in (tmp_path / "there").iterdir()) == ["x.h5"]
    assert (tmp_path / "there/x.h5").read_bytes() == (model / "tf_model.h5").read_bytes()


def test_force_replaces_weights_and_old_shards_and_nothing_else(bert, tmp_path):
    out = tmp_path / "out"
    converted(bert, out, "--max-shard-size", "20KB")
    (out / "notes.txt").write_text("mine")
    (out / "config.json").write_text((out / "config.json").read_text() + "\n")
    refused = run("weights", bert, out)
    assert refused.code == 2 and "--force" in refused.error
    before = (out / "config.json").read_bytes()
    converted(bert, out, "--force")
    assert [p.name for p in sorted(out.glob("tf_model*"))] == ["tf_model.h5"]
    assert (out / "notes.txt").read_text() == "mine" and (out / "config.json").read_bytes() == before


@pytest.mark.parametrize("change", [{"model_type": "gpt2"}, {"hidden_size": 64, "num_hidden_layers": 3}])
def test_configuration_of_another_model(bert, tmp_path, change):
    out = tmp_path / "out"
    out.mkdir()
    config = json.loads((bert / "config.json").read_text()) | change
    (out / "config.json").write_text(json.dumps(config))
    for target in (out, out / "tf_model.h5"):
        refused = run("weights", bert, target)
        key, value = next(iter(change.items()))
        seen = f"config.json: is another model's: `{key}` is {json.dumps(value)} and not"
        assert refused.code == 2 and seen in refused.error and "--force" in refused.error
        assert [p.name for p in out.iterdir()] == ["config.json"]
    document = converted(bert, out, "--force")
    assert len(document["other_config"]) == len(change)
    assert json.loads((out / "config.json").read_text()) == config and (out / "tf_model.h5").is_file()
    converted(bert, tmp_path / "out/x.h5")  # loaded with a configuration that its user names


def test_cast_weights_in_the_model_s_own_folder(model):
    config = json.loads((model / "config.json").read_text())
    config = {name: value for name, value in config.items() if "dtype" not in name} | {"torch_dtype": "float32"}
    (model / "config.json").write_text(json.dumps(config, indent=3))
    text = (model / "config.json").read_text()
    converted(model, model, "--to", "safetensors", "--dtype", "float16", "--force")
    assert (model / "config.json").read_text() == text.replace("float32", "float16")
    assert next(iter(load_file(model / "model.safetensors").values())).dtype == torch.float16


def test_a_link_to_a_folder(bert, tmp_path):
    for name in ("empty", "full"):
        (tmp_path / name).mkdir()
        (tmp_path / f"to-{name}").symlink_to(name)
    (tmp_path / "full/notes.txt").write_text("mine")
    for name in ("empty", "full"):
        converted(bert, tmp_path / f"to-{name}")
        assert (tmp_path / f"to-{name}").is_symlink() and (tmp_path / name / "tf_model.h5").is_file()
    (tmp_path / "nowhere").symlink_to("gone")
    refused = run("weights", bert, tmp_path / "nowhere")
    assert refused.code == 2 and "no folder" in refused.error


def test_needs_no_python(bert, tmp_path):
    finished = run("weights", bert, tmp_path / "out", "--python", "/nowhere/python", environment={"PATH": "/nowhere"})
    assert finished.code == 0, finished.err


def test_progress_counts_bytes(bert, weights, tmp_path):
    finished = run("weights", bert, tmp_path / "out")
    size = sum(t.nbytes for t in weights.values()) / 1e6
    assert f"{size:.1f} of {size:.1f} MB" in finished.err
    assert run("weights", bert, tmp_path / "quiet", "--quiet").err == ""


def test_a_head_is_tied_by_its_values_not_by_its_name(tmp_path):
    """GPT-2's class in TensorFlow has one matrix for both; a head of other values is reported, not dropped silently."""
    words = torch.arange(24.0).reshape(6, 4)
    for name, head, reported in [("equal", words.clone(), []), ("other", words + 1, ["lm_head.weight"])]:
        folder = tmp_path / name
        folder.mkdir()
        config = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}
        (folder / "config.json").write_text(json.dumps(config))
        save_file({"transformer.wte.weight": words, "lm_head.weight": head}, folder / "model.safetensors")
        assert converted(folder, folder)["weights"]["unused"] == reported


def test_numbers_too_large_for_the_dtype_are_told_and_kept(bert, weights, tmp_path):
    source = tmp_path / "large"
    shutil.copytree(bert, source)
    changed = {name: tensor.clone() for name, tensor in weights.items()}
    changed["pooler.dense.weight"][0, 1] = -1e6
    save_file(changed, source / "model.safetensors", {"format": "pt"})
    finished = run("weights", source, tmp_path / "kept", "--dtype", "float16", "--json", "--quiet")
    assert finished.code == 1
    assert "`pooler.dense.weight` (largest 1e+06)" in finished.err
    assert finished.document["weights"]["overflows"] == [{"name": "pooler.dense.weight", "largest": 1e6}]
    kernel = "bert/tf_bert_model/bert/pooler/dense/kernel:0"
    with h5py.File(tmp_path / "kept/tf_model.h5") as file:
        assert file[kernel].dtype == "float32"
        assert file[kernel][1, 0] == -1e6
    converted(source, tmp_path / "infinite", "--dtype", "float16", "--allow-overflow")
    with h5py.File(tmp_path / "infinite/tf_model.h5") as file:
        assert file[kernel].dtype == "float16"
        assert file[kernel][1, 0] == -np.inf
    before = (source / "model.safetensors").read_bytes()
    refused = run("weights", source, source, "--to", "safetensors", "--dtype", "float16", "--force")
    assert refused.code == 2
    assert (source / "model.safetensors").read_bytes() == before


def keys_of(value, path=""):
    """Every key of a document with those above it, `weights.count`."""
    for item in value if isinstance(value, list) else [value] if isinstance(value, dict) else []:
        for key, inner in item.items() if isinstance(item, dict) else ():
            yield path + key
            yield from keys_of(inner, f"{path}{key}.")


def test_the_report_page_describes_every_key(bert, weights, tmp_path):
    page = (Path(__file__).parents[2] / "docs/report.md").read_text()
    section = page[page.index("## What `crossload weights --json` prints") :]
    source = tmp_path / "old"
    shutil.copytree(bert, source)
    save_file(
        weights | {"embeddings.position_ids": torch.arange(16)[None]}, source / "model.safetensors", {"format": "pt"}
    )
    keys = set(keys_of(converted(source, tmp_path / "out")))
    assert "weights.expected.reason" in keys
    told = {key: (f"`{key}`", f"`{key}.", f"`{key.split('.')[-1]}`") for key in keys}
    assert [key for key, forms in sorted(told.items()) if not any(form in section for form in forms)] == []


def test_one_shard_of_several_is_refused(bert, tmp_path):
    source = tmp_path / "shard"
    shutil.copytree(bert, source)
    (source / "model.safetensors").rename(source / "model-00001-of-00002.safetensors")
    refused = run("weights", source / "model-00001-of-00002.safetensors", tmp_path / "out")
    assert refused.code == 2
    assert "is shard 00001 of 00002" in refused.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["lora_magnitude_vector", "ia3_l.default", "modules_to_save.default.weight"])
def test_other_adapters_are_refused(model, weights, tmp_path, name):
    name = f"encoder.layer.0.attention.self.query.{name}"
    save_file({**weights, name: torch.ones(32)}, model / "model.safetensors")
    finished = run("weights", model, tmp_path / "out")
    assert finished.code == 2 and f"`{name}` is of an adapter that is not merged" in finished.error


def test_whole_numbers_in_the_place_of_a_matrix(model, weights, tmp_path):
    narrow = {**weights, "pooler.dense.weight": (weights["pooler.dense.weight"] * 100).to(torch.int8)}
    save_file(narrow, model / "model.safetensors")
    finished = run("weights", model, tmp_path / "out")
    assert finished.code == 2 and "`pooler.dense.weight` holds int8, as quantized weights do" in finished.error
    converted(model, tmp_path / "same", "--to", "safetensors")  # nothing is taken for anything there


def test_metadata_of_the_other_framework(tf_model, model, weights, tmp_path):
    save_file(weights, model / "model.safetensors", metadata={"format": "tf"})
    finished = run("weights", model, tmp_path / "out")
    assert finished.code == 2 and "is said to be TensorFlow's, but" in finished.error
    assert "is a name of PyTorch's; save it with `format: pt`" in finished.error
    flat = {
        name.removeprefix("tf_bert_model/").removesuffix(":0"): torch.from_numpy(value)
        for layer in keras_files.read(tf_model / "tf_model.h5").values()
        for name, value in layer.items()
    }
    (tf_model / "tf_model.h5").unlink()
    save_file(flat, tf_model / "model.safetensors", metadata={"format": "pt"})
    finished = run("weights", tf_model, tmp_path / "out")
    assert finished.code == 2 and "is said to be PyTorch's, but" in finished.error


def test_a_tensor_in_two_shards(model, weights, tmp_path):
    (model / "model.safetensors").unlink()
    names = sorted(weights)
    files = {"model-00001-of-00002.safetensors": names[:20], "model-00002-of-00002.safetensors": names[19:]}
    weight_map = {name: file for file, part in files.items() for name in part}
    (model / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    for file, part in files.items():
        save_file({name: weights[name] for name in part}, model / file)
    converted(model, tmp_path / "out", "--to", "safetensors")
    assert names_and_bytes(load_file(tmp_path / "out/model.safetensors")) == names_and_bytes(weights)
    other = {name: weights[name] + (name == names[19]) for name in names[19:]}
    save_file(other, model / "model-00002-of-00002.safetensors")
    finished = run("weights", model, tmp_path / "again")
    assert finished.code == 2 and f"holds `{names[19]}` with other values than `model-00001" in finished.error


def test_an_adapter_that_is_not_merged_is_refused(bert, weights, tmp_path):
    source = tmp_path / "adapter"
    shutil.copytree(bert, source)
    query = "encoder.layer.0.attention.self.query"
    changed = dict(weights)
    changed[f"{query}.base_layer.weight"] = changed.pop(f"{query}.weight")
    changed[f"{query}.lora_A.default.weight"] = torch.ones(2, 8)
    save_file(changed, source / "model.safetensors", {"format": "pt"})
    refused = run("weights", source, tmp_path / "out")
    assert refused.code == 2
    assert "adapter that is not merged" in refused.err
    assert not (tmp_path / "out").exists()
