"""What `crossload weights` says of damaged and hostile files: a clear error, and nothing is written."""

import collections
import json
import os
import pickle
import shutil
import signal
import struct
import subprocess
import time
import zipfile

import h5py
import keras_files
import numpy as np
import pytest
import torch
from crossload_command import BINARY
from safetensors.torch import save_file

QUERY = "tf_bert_model/bert/encoder/layer_._0/attention/self/query/kernel:0"


def refused(place, source, seen, code=2):
    return place.refused("weights", source, place.out, "--quiet", code=code, seen=seen)


# ------------------------------------------------------------------------------------------------ HDF5


def cyclic(file):
    file["bert/tf_bert_model"]["again"] = file["bert"]
    names = [*keras_files.texts(file["bert"].attrs["weight_names"]), f"tf_bert_model/again/{QUERY}"]
    file["bert"].attrs["weight_names"] = [n.encode() for n in names]


def soft_link(file):
    del file["bert"][QUERY]
    file["bert"][QUERY] = h5py.SoftLink("/bert/tf_bert_model/bert/pooler/dense/kernel:0")


def external_link(file):
    del file["bert"][QUERY]
    file["bert"][QUERY] = h5py.ExternalLink("other.h5", "/x")


def replace_query(file, **options):
    value = file["bert"][QUERY][()]
    del file["bert"][QUERY]
    return file["bert"].create_dataset(QUERY, **{"data": value, **options})


def external_data(file):
    del file["bert"][QUERY]
    file["bert"].create_dataset(QUERY, (32, 32), "f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def attribute(name, value, group="/"):
    def change(file):
        file[group].attrs[name] = value

    return change


def without(path):
    def change(file):
        del file[path]

    return change


def no_attribute(group, name):
    def change(file):
        del file[group].attrs[name]

    return change


def listed_twice(file):
    names = keras_files.texts(file["bert"].attrs["weight_names"])
    file["bert"].attrs["weight_names"] = [n.encode() for n in [*names, names[0]]]


def two_values_of_one_name(file):
    file.attrs["layer_names"] = [b"bert", b"other"]
    other = file.create_group("other")
    other.attrs["weight_names"] = [QUERY.encode()]
    other.create_dataset(QUERY, data=np.zeros((32, 32), "f4"))


HDF5 = {
    "cyclic groups": (cyclic, "is `/bert` again: groups link in a circle or twice"),
    "soft link": (soft_link, "is a soft link, which is not followed"),
    # h5py changes the form of the whole group for it
    "external link": (external_link, "keeps its links in the newer form"),
    "data in another file": (external_data, "keeps its data in another file, which is never opened"),
    "texts": (lambda f: replace_query(f, data=np.array([b"a", b"bc"])), "which is not read; save it as floats"),
    "records": (lambda f: replace_query(f, data=np.zeros(2, [("a", "f4"), ("b", "i4")])), "which is not read"),
    "a group for a weight": (lambda f: (f["bert"].pop(QUERY), f["bert"].create_group(QUERY)), "is no dataset"),
    "layer_names as numbers": (attribute("layer_names", [1, 2, 3]), "has items of class 0 where texts are expected"),
    "layer_names as a table": (attribute("layer_names", np.array([[b"bert"]])), "has shape [1, 1], a list is expected"),
    "weight_names as numbers": (attribute("weight_names", 1.5, "bert"), "where texts are expected"),
    "weight_names that are not UTF-8": (attribute("weight_names", [b"\xff\xfe"], "bert"), "not UTF-8"),
    "no layer_names": (no_attribute("/", "layer_names"), "has no attribute `layer_names`"),
    "no weight_names": (no_attribute("bert", "weight_names"), "layer `/bert` has no attribute `weight_names`"),
    "a layer that is not there": (attribute("layer_names", [b"bert", b"lost"]), "`lost` is listed in `/` but not there"),
    "a weight that is not there": (without("bert/" + QUERY), "is listed in `/bert` but not there"),
    "a path upwards": (attribute("layer_names", [b"bert/../bert"]), "but not there"),
    "an empty path": (attribute("layer_names", [b"bert//x"]), "is no path below it"),
    "a weight listed twice": (listed_twice, "is listed twice"),
    "two weights of one name": (two_values_of_one_name, "stands twice with different values"),
}  # fmt: skip


@pytest.mark.parametrize("case", HDF5)
def test_hdf5(place, tf_model, case):
    change, seen = HDF5[case]
    file = tf_model / "tf_model.h5"
    keras_files.write(file, keras_files.read(file))
    with h5py.File(file, "r+") as opened:
        change(opened)
    refused(place, tf_model, seen)


def never_written(file):
    del file["bert"][QUERY]
    file["bert"].create_dataset(QUERY, (1 << 20, 1 << 20), "f4", chunks=(1 << 10, 1 << 10))


def virtual(file):
    del file["bert"][QUERY]
    layout = h5py.VirtualLayout((32, 32), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (32, 32))
    file["bert"].create_virtual_dataset(QUERY, layout)


def unknown_filter(file):
    """As of a plugin that is not there: h5py lets a chunk be stored as if it had gone through it."""
    del file["bert"][QUERY]
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk((32, 32))
    settings.set_filter(305, h5py.h5z.FLAG_OPTIONAL, (1, 2))
    name = h5py.h5s.create_simple((32, 32))
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    h5py.h5d.create(file["bert"].id, QUERY.encode(), h5py.h5t.IEEE_F32LE, name, settings, links)
    file["bert"][QUERY].id.write_direct_chunk((0, 0), bytes(4096))


HDF5_OF_NEWER_VERSIONS = {
    "soft link": (soft_link, "is a link to another place, which is not followed"),
    "external link": (external_link, "is a link to another place, which is not followed"),
    "data in another file": (external_data, "keeps its data in another file, which is never opened"),
    "data in other files": (virtual, "keeps its data in another file, which is never opened"),
    "a plugin's filter": (unknown_filter, "is packed with filter 305, which is not run"),
    "nothing stored": (never_written, "has 0 bytes; shape [1048576, 1048576] float32 needs 4398046511104"),
    "texts": (lambda f: replace_query(f, data=np.array([b"a", b"bc"])), "which is not read; save it as floats"),
    "a group for a weight": (lambda f: (f["bert"].pop(QUERY), f["bert"].create_group(QUERY)), "is no dataset"),
    "no layer_names": (no_attribute("/", "layer_names"), "has no attribute `layer_names`"),
    "a weight that is not there": (without("bert/" + QUERY), "is listed in `/bert` but not there"),
    "a path upwards": (attribute("layer_names", [b"bert/../bert"]), "but not there"),
    "a weight listed twice": (listed_twice, "is listed twice"),
}  # fmt: skip


@pytest.mark.parametrize("case", HDF5_OF_NEWER_VERSIONS)
def test_hdf5_of_newer_versions(place, tf_model, case):
    """h5py reads these forms in a process of its own, and follows nothing out of the file."""
    change, seen = HDF5_OF_NEWER_VERSIONS[case]
    file = tf_model / "tf_model.h5"
    keras_files.write(file, keras_files.read(file), libver="latest")
    with h5py.File(file, "r+", libver="latest") as opened:
        change(opened)
    finished = place.refused(
        "weights", tf_model, place.out, "--quiet", code=2, seen="version 3 of the superblock, 0 is read"
    )
    assert seen in "\n".join(finished.details)


def test_damaged_hdf5_of_newer_versions(place, tf_model):
    file = tf_model / "tf_model.h5"
    keras_files.write(file, keras_files.read(file), libver="latest")
    whole = file.read_bytes()
    for size in (len(whole) // 3, len(whole) - 1):
        file.write_bytes(whole[:size])
        refused(place, tf_model, "tf_model.h5")
    generator = np.random.default_rng(3)
    for _ in range(4):
        broken = bytearray(whole)
        for at in generator.integers(48, len(whole), 200):
            broken[at] = generator.integers(256)
        file.write_bytes(broken)
        finished = place.run("weights", tf_model, place.out, "--quiet")
        assert finished.code in (0, 2, 4), finished.err
        shutil.rmtree(place.out, ignore_errors=True)


def test_hdf5_of_newer_versions_without_h5py(place, tf_model):
    file = tf_model / "tf_model.h5"
    keras_files.write(file, keras_files.read(file), libver="latest")
    finished = place.refused(
        "weights", tf_model, place.out, "--quiet", "--python", "/nowhere/python", code=2,
        seen="version 3 of the superblock, 0 is read; save it again with h5py's default `libver`",
    )  # fmt: skip
    assert "/nowhere/python" in "\n".join(finished.details)


@pytest.mark.parametrize("by", ["h5py", "crossload"])
def test_truncated_hdf5(place, tf_model, by):
    file = tf_model / "tf_model.h5"
    if by == "h5py":
        keras_files.write(file, keras_files.read(file))
    whole = file.read_bytes()
    for size in [0, 1, 7, 8, 50, 95, 96, 500, len(whole) // 3, len(whole) // 2, len(whole) - 4096, len(whole) - 1]:
        file.write_bytes(whole[:size])
        refused(place, tf_model, "tf_model.h5")


def test_no_hdf5_at_all(place, tf_model):
    (tf_model / "tf_model.h5").write_bytes(b"<html>Not Found</html>")
    refused(place, tf_model, "does not begin as an HDF5 file does")
    (tf_model / "tf_model.h5").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    refused(place, tf_model, "is a Git LFS pointer")


# ------------------------------------------------------------------------------------------------ PyTorch


class Call:
    """Pickled, it is a call of `function`."""

    def __init__(self, function, *arguments):
        self.made_by = (function, arguments)

    def __reduce__(self):
        return self.made_by


class Plain:
    pass


def zipped_pickle(path, data):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", "3\n")


def pickled(path, value, form):
    if form == "zip":
        zipped_pickle(path, pickle.dumps(value, 2))
    elif form == "legacy":
        torch.save({"x": value}, path, _use_new_zipfile_serialization=False)
    else:
        path.write_bytes(pickle.dumps(value))


@pytest.fixture
def bin_model(model):
    """A BERT's folder with `pytorch_model.bin` in place of its weights, which is yet to be written."""
    (model / "model.safetensors").unlink()
    return model


@pytest.mark.parametrize("form", ["zip", "legacy", "bare"])
@pytest.mark.parametrize("function", [os.system, eval, pickle.loads, shutil.rmtree, torch.load])
def test_pickles_that_call(place, bin_model, function, form, tmp_path):
    command = f"touch {tmp_path}/touched" if function is os.system else f"open({str(tmp_path)!r} + '/touched', 'w')"
    pickled(bin_model / "pytorch_model.bin", {"pooler.dense.bias": Call(function, command)}, form)
    refused(place, bin_model, ["asks for `", "nothing of it was run"])
    assert not (tmp_path / "touched").exists()


OPCODES = {
    "instance": b"(c__builtin__\nlist\no.",  # OBJ, a call in the oldest form
    "inst": b"(ios\nsystem\n.",
    "new object": b"ccollections\nOrderedDict\n)\x81.",
    "extension": b"\x82\x01.",
    "persistent text": b"Pabc\n.",
    "out-of-band buffer": b"\x97.",
    "unknown": b"\xff.",
    "no mark": b"t.",
    "empty stack": b".",
    "memo that is empty": b"h\x05.",
    "text beyond the end": b"X\xff\xff\xff\x7fabc.",
    "no end": b"}",
    "cycle": b"]q\x00h\x00a.",
    "text": b"X\x03\x00\x00\x00abc.",
    "call of what was called": b"ccollections\nOrderedDict\n)R)R.",
    "attributes of a call": b"ctorch\nSize\n)R}b.",
}  # fmt: skip


@pytest.mark.parametrize("case", OPCODES)
def test_opcodes(place, bin_model, case):
    zipped_pickle(bin_model / "pytorch_model.bin", b"\x80\x02" + OPCODES[case])
    refused(place, bin_model, "pytorch_model.bin")


def test_deep_and_wide_pickles(place, bin_model):
    file = bin_model / "pytorch_model.bin"
    zipped_pickle(file, b"\x80\x02" + b"]" * 1_000_000 + b"a" * 999_999 + b".")
    refused(place, bin_model, "holds a list, a state dict is a dict of tensors")
    # every step doubles a list
    zipped_pickle(file, b"\x80\x02]q\x00K\x01a" + b"h\x00(h\x00h\x00e" * 40 + b"}" * 1000 + b".")
    refused(place, bin_model, "pytorch_model.bin")
    zipped_pickle(file, b"\x80\x02" + b"}" * 9_000_000 + b".")
    refused(place, bin_model, "more than 8388608 values")


def test_state_dicts_that_are_none(place, bin_model, weights):
    file = bin_model / "pytorch_model.bin"
    torch.save({"state_dict": weights}, file)
    refused(place, bin_model, "`state_dict` is a dict of 39 entries")
    torch.save([1, 2], file)
    refused(place, bin_model, "holds a list, a state dict is a dict of tensors")
    torch.save({**weights, "pooler.dense.bias": Plain()}, file)
    refused(place, bin_model, "Plain`, which weights do not need")
    torch.save({1: torch.zeros(2)}, file)
    refused(place, bin_model, "an integer is a key of the state dict")
    torch.save({"a": torch.zeros(2).to_sparse()}, file)
    refused(place, bin_model, "torch._utils._rebuild_sparse_tensor`")


def test_two_tensors_of_one_name(place, bin_model):
    pairs = collections.OrderedDict(a=torch.zeros(2), b=torch.ones(2))
    torch.save(pairs, bin_model / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    whole = (bin_model / "pytorch_model.bin").read_bytes()
    assert whole.count(b"X\x01\x00\x00\x00b") == 1
    (bin_model / "pytorch_model.bin").write_bytes(whole.replace(b"X\x01\x00\x00\x00b", b"X\x01\x00\x00\x00a"))
    refused(place, bin_model, "tensor `a` stands twice; names must be unique")


@pytest.mark.parametrize("zipped", [True, False])
def test_truncated_pytorch_files(place, bin_model, weights, zipped):
    file = bin_model / "pytorch_model.bin"
    torch.save(weights, file, _use_new_zipfile_serialization=zipped)
    whole = file.read_bytes()
    for size in [0, 1, 2, 10, 20, 200, len(whole) // 3, len(whole) // 2, len(whole) - 100, len(whole) - 1]:
        file.write_bytes(whole[:size])
        refused(place, bin_model, "pytorch_model.bin")


def test_tensors_beyond_their_storage(place, bin_model):
    torch.save({"a": torch.zeros(7, 3)}, bin_model / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    whole = (bin_model / "pytorch_model.bin").read_bytes()
    assert whole.count(b"K\x07K\x03\x86") == 1
    (bin_model / "pytorch_model.bin").write_bytes(whole.replace(b"K\x07K\x03\x86", b"K\x09K\x03\x86"))
    refused(place, bin_model, ["tensor `a`: float32 [9, 3] with strides [3, 1]", "does not fit the 84 bytes"])


# ------------------------------------------------------------------------------------------------ folders


@pytest.mark.parametrize("name", ["../model/model.safetensors", "/etc/passwd", "a/b", "..", ""])
@pytest.mark.parametrize(
    "index", ["model.safetensors.index.json", "pytorch_model.bin.index.json", "tf_model.h5.index.json"]
)
def test_index_that_leaves_its_folder(place, bin_model, name, index):
    (bin_model / index).write_text(json.dumps({"weight_map": {"a": name}}))
    refused(place, bin_model, "a shard must be a file beside the index")


def test_quantized_and_adapters(place, bin_model):
    file = bin_model / "model.safetensors"
    save_file({"layer.0.qweight": torch.zeros(4, 4, dtype=torch.int32)}, file)
    refused(place, bin_model, "the weights are quantized (GPTQ or AWQ), tensor `layer.0.qweight` shows")
    save_file({"a.weight": torch.zeros(4, dtype=torch.int8), "a.SCB": torch.zeros(4)}, file)
    refused(place, bin_model, "the weights are quantized (bitsandbytes, 8 bits), tensor `a.SCB` shows")
    config = json.loads((bin_model / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "hqq"}
    (bin_model / "config.json").write_text(json.dumps(config))
    save_file({"a.W_q": torch.zeros(4, dtype=torch.uint8)}, file)
    refused(place, bin_model, "the weights are quantized (hqq)")
    file.unlink()
    adapter = {"peft_type": "LORA", "base_model_name_or_path": "some/base"}
    (bin_model / "adapter_config.json").write_text(json.dumps(adapter))
    save_file({"base_model.model.a.lora_A.weight": torch.zeros(2, 2)}, bin_model / "adapter_model.safetensors")
    refused(place, bin_model, "holds only an adapter (LORA) of the model `some/base`")


def test_names_of_another_architecture(place, tf_model):
    names = {"tfgpt2_model/transformer/h_._0/attn/c_attn/weight:0": np.zeros((3, 9), "f4")}
    keras_files.write(tf_model / "tf_model.h5", {"transformer": names, "top_level_model_weights": {}})
    refused(place, tf_model, ["tf_model.h5: none of 1 weights", "belongs to TFBertModel"])


def test_configurations(place, model):
    config = model / "config.json"
    whole = json.loads(config.read_text())
    config.write_text(json.dumps({**whole, "model_type": "zamba2", "architectures": ["Zamba2Model"]}))
    refused(place, model, "zamba2", code=3)
    config.write_text("[1]")
    refused(place, model, "has no `model_type`")
    config.write_text("{" * 5000)
    refused(place, model, "not JSON")
    config.write_text('{"a":' + "[" * 5000)
    refused(place, model, "nests deeper than 200")
    config.unlink()
    refused(place, model, "put the model's config.json beside its weights")


@pytest.mark.parametrize(
    "name", ["model.gguf", "flax_model.msgpack", "bert_model.ckpt.index", "model.fp16.safetensors", "model.pth"]
)
def test_weights_in_another_form(place, model, name):
    (model / "model.safetensors").rename(model / name)
    refused(place, model, f"but `{name}`, ")


def test_pointer_that_git_left(place, model):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 440449768\n"
    for name in ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json"):
        for file in model.glob("*model*"):
            file.unlink()
        (model / name).write_text(pointer)
        refused(place, model, ["is a Git LFS pointer of ", "run `git lfs pull`"])
        refused(place, model / name, "is a Git LFS pointer of ")


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "net."])
def test_prefix_before_all_names(place, model, weights, prefix):
    save_file({prefix + name: value for name, value in weights.items()}, model / "model.safetensors")
    refused(place, model, [f"none of {len(weights)} weights", f"all have the prefix `{prefix}`"])
    # Not where the names are another class's anyway.
    save_file({f"{prefix}transformer.h.0.x": torch.zeros(2)}, model / "model.safetensors")
    refused(place, model, "none of 1 weights")


def test_keras_3(place, tf_model):
    with h5py.File(tf_model / "tf_model.h5", "w") as file:
        file.create_group("layers/dense/vars").create_dataset("0", data=np.ones((3, 2), "f4"))
    refused(place, tf_model, "was saved by Keras 3")


def test_checkpoint_of_a_training_run(place, model, weights):
    (model / "model.safetensors").unlink()
    torch.save({"epoch": 3, "state_dict": weights}, model / "pytorch_model.bin")
    refused(place, model, [f"`state_dict` is a dict of {len(weights)} entries", 'torch.load(file)["state_dict"]'])


def test_answer_that_cannot_be_written(place, model):
    with open("/dev/full", "w") as full:
        command = [BINARY, "weights", model, place.out, "--json"]
        finished = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert finished.returncode == 4 and "standard output: cannot be written" in finished.stderr
    assert (place.out / "tf_model.h5").is_file()


def test_requests_that_cannot_be(place, model, tf_folder, tmp_path):
    refused(place, tmp_path / "nothing", "no such file or folder")
    (tmp_path / "empty").mkdir()
    refused(place, tmp_path / "empty", "holds no weights")
    shutil.copy(tf_folder / "tf_model.h5", model)
    refused(place, model, "holds weights of both frameworks, `model.safetensors` and `tf_model.h5`")
    for arguments, seen in [
        (["--to", "h5", "--max-shard-size", "10 giga"], "--max-shard-size 10 giga: no size"),
        (["--to", "h5", "--max-shard-size", "99999999999999GB"], "no size"),
        (["--to", "h5", "--dtype", "int8"], "floats are cast to float16"),
        (["--to", "keras"], "--to"),
    ]:
        place.refused("weights", model, place.out, *arguments, code=2, seen=seen)
    place.refused("weights", tf_folder, place.out, "--to", "h5", code=2, seen="holds weights for TensorFlow only")
    file = tf_folder / "tf_model.h5"
    place.refused("weights", file, place.out, "--to", "h5", code=2, seen="h5 is TensorFlow's form")
    place.refused(
        "weights", model, place.results / "x.safetensors", "--to", "h5", code=2, seen="the weights become `.h5`"
    )
    small = ["--to", "h5", "--max-shard-size", "1KB"]
    place.refused("weights", model, place.results / "x.h5", *small, code=2, seen="more than the shard size 1000")


def test_numbers_that_hdf5_lacks(place, model, weights):
    save_file(
        {**weights, "pooler.dense.bias": weights["pooler.dense.bias"].to(torch.float8_e4m3fn)},
        model / "model.safetensors",
    )
    refused(place, model, "HDF5 has no common form for")


def test_no_room(place, model, mounted):
    full = mounted("size=64k")
    finished = place.run("weights", model, full / "out", "--quiet")
    assert finished.code == 4 and "bytes free" in finished.error
    assert list(full.iterdir()) == []


def test_little_room(place, model, mounted):
    """Headers take what they need, no more: the files have 0.3 MB."""
    assert place.run("weights", model, mounted("size=4m") / "out", "--quiet").code == 0


def test_header_of_safetensors(place, model):
    (model / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 40) + b"{}")
    refused(place, model, "the header is said to have 1099511627776 bytes")


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_interrupt(place, model, sign):
    # 1 GiB of zeros that take no room on the disk
    name, shape = "embeddings.word_embeddings.weight", [1 << 18, 1 << 10]
    header = json.dumps({name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 1 << 30]}}).encode()
    file = model / "model.safetensors"
    file.write_bytes(struct.pack("<Q", len(header)) + header)
    os.truncate(file, 8 + len(header) + (1 << 30))
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "vocab_size": shape[0]}))
    process = place.start("weights", model, place.out)
    deadline = time.monotonic() + 60
    while not list(place.results.glob(".out.*.partial/tf_model.h5")):
        assert time.monotonic() < deadline and process.poll() is None
    process.send_signal(sign)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    place.check_nothing_left()
