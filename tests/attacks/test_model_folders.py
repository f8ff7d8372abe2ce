"""Model folders that are incomplete, damaged or made to do harm."""

import json
import shutil
import struct

import pytest


def read_header(file):
    data = file.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def write_header(file, header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write_bytes(struct.pack("<Q", len(text)) + text + data)


def edited(change):
    """The weights' header changed; change(header, names sorted by place, data) -> data."""

    def apply(folder):
        file = folder / "model.safetensors"
        header, data = read_header(file)
        names = sorted((n for n in header if n != "__metadata__"), key=lambda n: header[n]["data_offsets"])
        new = change(header, names, data)
        write_header(file, header, data if new is None else new)

    return apply


def truncated(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def cut_in_header(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:500])


def header_beyond_file(length):
    def change(folder):
        file = folder / "model.safetensors"
        file.write_bytes(struct.pack("<Q", length) + file.read_bytes()[8:])

    return change


@edited
def overlapping(header, names, data):
    first, second = (header[n]["data_offsets"] for n in names[3:5])
    size = second[1] - second[0]
    header[names[4]]["data_offsets"] = [first[0], first[0] + size]


@edited
def gapped(header, names, data):
    for name in names[5:]:
        header[name]["data_offsets"] = [at + 64 for at in header[name]["data_offsets"]]
    at = header[names[5]]["data_offsets"][0] - 64
    return data[:at] + bytes(64) + data[at:]


@edited
def wrong_shape(header, names, data):
    header["encoder.layer.0.output.dense.weight"]["shape"] = [32, 38]


@edited
def wrong_dtype(header, names, data):
    header["encoder.layer.0.output.dense.weight"]["dtype"] = "F16"


@edited
def unknown_dtype(header, names, data):
    header["encoder.layer.0.output.dense.weight"]["dtype"] = "F77"


@edited
def huge_shape(header, names, data):
    header["encoder.layer.0.output.dense.weight"]["shape"] = [1 << 40, 1 << 40]


@edited
def negative_shape(header, names, data):
    header["encoder.layer.0.output.dense.weight"]["shape"] = [-32, -37]


@edited
def backward_offsets(header, names, data):
    header[names[2]]["data_offsets"] = header[names[2]]["data_offsets"][::-1]


def not_json(folder):
    _, data = read_header(folder / "model.safetensors")
    write_header(folder / "model.safetensors", b"{" * 64, data)


def nested(folder):
    _, data = read_header(folder / "model.safetensors")
    write_header(folder / "model.safetensors", b'{"a":' + b"[" * 200_000, data)


def name_twice(folder):
    file = folder / "model.safetensors"
    header, data = read_header(file)
    name = "pooler.dense.bias"
    text = json.dumps(header)[:-1] + f', "{name}": {json.dumps(header[name])}}}'
    write_header(file, text.encode(), data)


def empty_file(folder):
    (folder / "model.safetensors").write_bytes(b"")


def a_folder(folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").mkdir()


@pytest.mark.parametrize(
    ("damage", "seen"),
    [
        (truncated, "model.safetensors"),
        (cut_in_header, "model.safetensors @ 0x0000"),
        (header_beyond_file(1 << 40), str(1 << 40)),
        (header_beyond_file((1 << 64) - 1), "model.safetensors @ 0x0000"),
        (header_beyond_file(0), "model.safetensors @ 0x0008"),
        (overlapping, "overlap"),
        (gapped, "64"),
        (wrong_shape, ["`encoder.layer.0.output.dense.weight`", "4736", "4864", "[32, 38]"]),
        (wrong_dtype, ["`encoder.layer.0.output.dense.weight`", "4736", "2368"]),
        (unknown_dtype, "F77"),
        (huge_shape, "`encoder.layer.0.output.dense.weight`"),
        (negative_shape, "`encoder.layer.0.output.dense.weight`"),
        (backward_offsets, "model.safetensors"),
        (not_json, "model.safetensors"),
        (nested, "model.safetensors"),
        (name_twice, ["`pooler.dense.bias`", "twice"]),
        (empty_file, "model.safetensors"),
        (a_folder, "model.safetensors"),
    ],
)
def test_damaged_weights(place, model, damage, seen):
    damage(model)
    place.refused_convert(model, code=2, seen=seen)


def test_missing_folder(place, tmp_path):
    place.refused_convert(tmp_path / "nowhere", code=2, seen=["nowhere", "no such folder"])
    place.refused_convert("./nowhere", code=2, seen="no such folder")
    place.refused_convert(tmp_path / "nowhere.pt2", code=2, seen="no such file")


def test_file_instead_of_folder(place, tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"x")
    place.refused_convert(tmp_path / "weights.bin", code=2, seen="weights.bin")


def test_no_config(place, model):
    (model / "config.json").unlink()
    place.refused_convert(model, code=2, seen="no `config.json`")


@pytest.mark.parametrize(
    "text",
    ["{", "", "[]", "null", "\x00\x01", '{"a": ' + "[" * 100_000, '{"a": ' + "[" * 200_000 + "]" * 200_000 + "}"],
    ids=["cut", "empty", "list", "null", "binary", "open-lists", "deep-lists"],
)
def test_config_is_no_json_object(place, model, text):
    (model / "config.json").write_text(text)
    place.refused_convert(model, code=2, seen="config.json")


def edit_config(folder, **values):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({k: v for k, v in {**config, **values}.items() if v is not None}))


def test_unknown_model_type(place, model):
    edit_config(model, model_type="unheard-of")
    place.refused_convert(model, code=2, seen="`unheard-of`")
    edit_config(model, model_type=None)
    place.refused_convert(model, code=2, seen="`model_type`")


@pytest.mark.parametrize("value", [7, ["bert"], {"a": 1}])
def test_model_type_of_another_kind(place, model, value):
    edit_config(model, model_type=value)
    place.refused_convert(model, code=2, seen="config.json")


def test_config_that_does_not_fit_the_weights(place, model):
    edit_config(model, hidden_size=16, num_attention_heads=2)
    finished = place.refused_convert(model, code=2, seen="do not fit")
    assert any("pooler.dense.weight" in line for line in finished.details)


def test_vocabulary_of_another_size(place, model):
    rows = json.loads((model / "config.json").read_text())["vocab_size"]
    edit_config(model, vocab_size=rows - 3)
    name = "embeddings.word_embeddings.weight"
    seen = [f"`{name}` is [{rows}, ", f"and not [{rows - 3}, ", "correct config.json (`vocab_size`)"]
    place.refused_convert(model, code=2, seen=seen)
    seen = [f"{name}` has {rows} rows", f"`vocab_size` {rows - 3}"]
    place.refused("weights", model, place.out, "--quiet", code=2, seen=seen)


def test_the_way_is_told_where_tracing_fails(place, model):
    """Transformers 4.x has RAG in TensorFlow, as two models of other types beside a retriever."""
    edit_config(model, model_type="rag", architectures=["RagModel"])
    finished = place.run("check", model)
    assert finished.code in (2, 3)
    why = "Transformers 4.x has this architecture in TensorFlow, but the names of its weights are not known here"
    assert finished.details[-1] == f"route: convert: {why}"
    seen = "`rag` has TensorFlow classes in Transformers 4.46 whose weights' names are not known here"
    place.refused("weights", model, place.out, "--quiet", code=3, seen=seen)


def test_code_in_the_folder_does_not_run(place, model):
    """Without --trust-remote-code."""
    marker = model / "executed"
    (model / "evil.py").write_text(f"open({str(marker)!r}, 'w')\n")
    edit_config(model, model_type="own", auto_map={"AutoConfig": "evil.Config", "AutoModel": "evil.Model"})
    place.refused_convert(model, code=2, seen="--trust-remote-code")
    assert not marker.exists()


def test_pickled_checkpoint_executes_nothing(place, model):
    import pickle

    marker = model / "executed"

    class Touch:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(pickle.dumps({"pooler.dense.bias": Touch()}))
    place.refused_convert(model, code=2, seen="asks for `io.open`, which weights do not need")
    assert not marker.exists()


# Shards


@pytest.fixture
def sharded(tiny, tmp_path):
    return shutil.copytree(tiny("bert", "BertModel", max_shard_size="20KB"), tmp_path / "sharded")


def edit_index(folder, change):
    file = folder / "model.safetensors.index.json"
    index = json.loads(file.read_text())
    change(index["weight_map"])
    file.write_text(json.dumps(index))


def test_missing_shard(place, sharded):
    shards = sorted(sharded.glob("model-*.safetensors"))
    shards[1].unlink()
    place.refused_convert(sharded, code=2, seen=[f"`{shards[1].name}`", f"1 of {len(shards)} shards"])


@pytest.mark.parametrize(
    "outside", ["../model/model.safetensors", "/etc/passwd", "..", "", "sub/model.safetensors", "a\\b", "a\0b"]
)
def test_index_names_a_file_outside(place, sharded, model, outside):
    edit_index(sharded, lambda weights: weights.update({"pooler.dense.bias": outside}))
    place.refused_convert(sharded, code=2, seen=["`pooler.dense.bias`", "a shard must be a file beside the index"])


def test_index_names_a_tensor_that_is_not_there(place, sharded):
    edit_index(sharded, lambda weights: weights.update({"pooler.dense.gain": weights["pooler.dense.bias"]}))
    place.refused_convert(sharded, code=2, seen="`pooler.dense.gain`")


@pytest.mark.parametrize("text", ["{", "[]", '{"weight_map": []}', '{"weight_map": {"a": 1}}'])
def test_damaged_index(place, sharded, text):
    (sharded / "model.safetensors.index.json").write_text(text)
    place.refused_convert(sharded, code=2, seen="model.safetensors.index.json")


def test_damaged_shard(place, sharded):
    shard = sorted(sharded.glob("model-*.safetensors"))[1]
    shard.write_bytes(shard.read_bytes()[:-8])
    place.refused_convert(sharded, code=2, seen=shard.name)


# Keys


def without(folder, *missing):
    file = folder / "model.safetensors"
    from safetensors.torch import load_file, save_file

    weights = {k: v for k, v in load_file(file).items() if k not in missing}
    save_file(weights, file, {"format": "pt"})


def test_key_missing_from_the_checkpoint(place, model):
    """Transformers would fill it with random numbers."""
    missing = ["encoder.layer.0.output.dense.weight", "pooler.dense.bias"]
    without(model, *missing)
    finished = place.refused_convert(model, code=2, seen="2 weights")
    assert [line for line in finished.details if line in missing] == missing


def test_key_missing_although_a_trace_is_cached(with_cache, model):
    without(model, "encoder.layer.0.output.dense.weight")
    with_cache.refused_convert(model, code=2, seen="`encoder.layer.0.output.dense.weight`")


def test_no_weights_at_all(place, model):
    (model / "model.safetensors").unlink()
    place.refused_convert(model, code=2, seen="no weights")


def test_weights_that_became_damaged_after_the_trace(with_cache, model):
    """A cached trace does not make anybody trust the file."""
    truncated(model)
    with_cache.refused_convert(model, "--no-verify", code=2, seen="model.safetensors")


def test_damaged_cache_is_made_anew(with_cache, model):
    for file in with_cache.cache.glob("traces/*/trace.json"):
        file.write_text("{")
    finished = with_cache.run("convert", model, with_cache.out, "--no-verify", "--json")
    assert finished.code == 0 and finished.document["trace_cache"] == "miss"


@pytest.mark.parametrize("size", [0, 1000, 30000])
def test_damaged_program_in_the_cache(with_cache, model, size):
    """A truncated program: an error or a new trace, never a wrong result."""
    for file in with_cache.cache.glob("traces/*/program.pt2"):
        file.write_bytes(file.read_bytes()[:size])
    finished = with_cache.run("convert", model, with_cache.out, "--no-verify", "--json")
    if finished.code == 0:
        assert finished.document["trace_cache"] == "miss"
    else:
        assert finished.code == 2 and "program.pt2" in finished.error and "--no-cache" in finished.error


# Names that steer a terminal


@pytest.mark.parametrize("nasty", ["\x1b[31mred\x1b[0m", "two\nlines", "bell\x07", "\x9b31m", "over\rwritten"])
def test_control_characters(place, model, tmp_path, nasty):
    place.refused_convert(tmp_path / f"no-{nasty}", code=2, seen="no such folder")
    if not nasty.startswith(("\x1b", "two")):
        return  # the same code, and each of these starts Python
    place.refused_convert(model, "--class", f"Bert{nasty}", code=2, seen="--class")
    edit_config(model, model_type=f"own-{nasty}")
    place.refused_convert(model, code=2, seen="model_type")


def test_control_characters_in_tensor_names(place, model):
    @edited
    def rename(header, names, data):
        header["\x1b[2Jgone\nerror: forged"] = {**header.pop("pooler.dense.bias"), "dtype": "F77"}

    rename(model)
    place.refused_convert(model, code=2, seen="gone")
