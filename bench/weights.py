"""`crossload weights` on a large file, to tf_model.h5 and back, against copying that file: time and memory."""

import json
import math
import os
import shutil

from measure import MIB, Ratio, in_turns, run, watch_memory

GIB = 4.1
WIDTH, WORDS = 2048, 30522


def measure(command, folder, rounds):
    """Returns the numbers of the report's `weights` part, {"to_h5", "to_safetensors"}; needs three times GIB of disk."""
    source, h5, back, copy = (folder / name for name in ("large", "large-h5", "large-back", "copy"))
    write_model(source)
    found = {"to_h5": compare(command, source / "model.safetensors", source, h5, copy, rounds)}
    found["to_safetensors"] = compare(command, h5 / "tf_model.h5", h5, back, copy, rounds)
    return found


def compare(command, file, source, target, copy, rounds):
    """`crossload weights` of the folder `source` in turns with `cp` of its weights `file`; leaves `target`."""
    convert = [str(command), "weights", str(source), str(target), "--json", "--quiet"]

    def prepare():
        shutil.rmtree(target, ignore_errors=True)
        copy.unlink(missing_ok=True)
        os.sync()  # what the previous run left to write is not this one's time

    commands = {"cp": ["cp", str(file), str(copy)], "weights": convert}

    def timed(kind):
        prepare()
        return run(commands[kind]).seconds

    in_turns(timed, commands, 1)  # fills the page cache
    seconds = in_turns(timed, commands, rounds)
    prepare()
    memory = watch_memory(convert)
    return {
        "mib": file.stat().st_size / MIB,
        "cp_seconds": seconds["cp"],
        "weights_seconds": seconds["weights"],
        "against_cp": vars(Ratio.of(seconds["weights"], seconds["cp"])),
        "peak_mib": memory.peak_mib,
        "beyond_mapped_mib": memory.beyond_mapped_mib,
        "memory_samples": memory.samples,
    }


def write_model(folder):
    """A BERT as wide as it takes: its Dense kernels are transposed on the way, which is the slower path."""
    import numpy

    values = numpy.random.default_rng(0).standard_normal(WORDS * WIDTH, numpy.float32)  # of each tensor
    shapes = {
        "embeddings.word_embeddings.weight": (WORDS, WIDTH),
        "embeddings.position_embeddings.weight": (512, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        **norm("embeddings.LayerNorm"),
    }
    layers = 0
    while 4 * sum(map(math.prod, shapes.values())) < GIB * 2**30:
        layer = f"encoder.layer.{layers}"
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            shapes |= linear(f"{layer}.{part}", WIDTH, WIDTH)
        shapes |= linear(f"{layer}.intermediate.dense", WIDTH, 4 * WIDTH)
        shapes |= linear(f"{layer}.output.dense", 4 * WIDTH, WIDTH)
        shapes |= norm(f"{layer}.attention.output.LayerNorm") | norm(f"{layer}.output.LayerNorm")
        layers += 1
    shapes |= linear("pooler.dense", WIDTH, WIDTH)
    folder.mkdir()
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": (begin, end)}
    text = json.dumps(header).encode()
    with open(folder / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for shape in shapes.values():
            file.write(values[: math.prod(shape)])
    config = {
        "model_type": "bert", "architectures": ["BertModel"], "hidden_size": WIDTH, "num_hidden_layers": layers,
        "num_attention_heads": 16, "intermediate_size": 4 * WIDTH, "vocab_size": WORDS,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))


def linear(name, wide, high):
    return {f"{name}.weight": (high, wide), f"{name}.bias": (high,)}


def norm(name):
    return {f"{name}.weight": (WIDTH,), f"{name}.bias": (WIDTH,)}


def table(found):
    lines = []
    for key, target in (("to_h5", "tf_model.h5"), ("to_safetensors", "model.safetensors")):
        part = found[key]
        lines += [
            f"{part['mib'] / 1024:.2f} GiB to {target}, against cp   {Ratio(**part['against_cp'])}",
            f"  memory beyond what is mapped {part['beyond_mapped_mib']:.0f} MiB",
        ]
    return "\n".join(lines)
