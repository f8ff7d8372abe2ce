"""`crossload verify` of a large model: memory of all its processes, and time against the passes that it cannot do without.

The model is a BERT-large with random weights at 2 x 128, or with `--only verification --giant` a Llama of 1.1 billion
parameters at 2 x 13. Time counts from the first run of PyTorch (start-up, the trace and loading are not in it) and is given
as a multiple of one float32 and one float64 pass of PyTorch and one pass of TensorFlow at that shape, each the second of
its kind. As a program this file writes the model, or times the passes of one side.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import time

from measure import watch_tree

SHAPES = {"large": (2, 128), "giant": (2, 13)}


def measure(command, folder, kind="large"):
    """The numbers of the report's `verification` part."""
    model, out, inputs = folder / kind, folder / f"{kind}-out", folder / "inputs.npz"
    environment = os.environ | {"CROSSLOAD_CACHE": str(folder / "verification-cache")}
    side(folder, "write", kind, model, inputs)
    arguments = [str(model), str(out), "--inputs", str(inputs)]
    converted = watch_tree([str(command), "convert", *arguments, "--no-verify"], environment)
    verified = watch_tree([str(command), "verify", *arguments], environment)
    passes = {**side(folder, "pytorch", kind, model, inputs), **side(folder, "tensorflow", kind, out, inputs)}
    report = json.loads((out / "crossload.json").read_text())
    starts = re.search(r"\[ *([\d.]+) s\] reference running PyTorch", verified.output)
    if not starts:
        raise RuntimeError(f"verification: the progress does not say when PyTorch runs:\n{verified.output[-2000:]}")
    seconds = verified.seconds - float(starts[1])
    return {
        "kind": kind,
        "shape": SHAPES[kind],
        "weights_mib": report["weights"]["bytes"] / 2**20,
        "verdict": report["verdict"],
        "shapes": len({s["label"] for s in report["shapes"] if "label" in s}) or len(report["shapes"]),
        "convert_beyond_mapped_mib": converted.beyond_mapped_mib,
        "beyond_mapped_mib": verified.beyond_mapped_mib,
        "resident_mib": verified.resident_mib,
        "processes_mib": verified.processes,
        "seconds": seconds,
        "passes": passes,
        "against_passes": seconds / sum(passes.values()),
    }


def table(found):
    shape = " x ".join(map(str, found["shape"]))
    each = ", ".join(f"{name} {mib:.0f}" for name, mib in found["processes_mib"].items())
    passes = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in found["passes"].items())
    return "\n".join(
        (
            f"Verification of {found['kind']}, weights of {found['weights_mib']:.0f} MiB, sample {shape}: {found['verdict']}",
            f"  memory beyond what is mapped   {found['beyond_mapped_mib']:8.0f} MiB in all processes at once ({each})",
            f"  all that is resident           {found['resident_mib']:8.0f} MiB, mapped files counted once a process",
            f"  time of {found['shapes']:2} shapes and stages  {found['seconds']:8.1f} s, {found['against_passes']:.1f} x one pass of each ({passes})",
        )
    )


def side(folder, what, kind, path, inputs):
    """Runs this file as a program; what it prints last, read as JSON."""
    done = subprocess.run(
        [sys.executable, __file__, what, kind, str(path), str(inputs)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"verification: {what} of {kind} in {folder} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def write(kind, model, inputs):
    import numpy
    import torch
    import transformers

    torch.manual_seed(0)
    if kind == "large":
        config = transformers.BertConfig(
            hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096,
            initializer_range=1024**-0.5,
        )  # fmt: skip
        made = transformers.BertModel(config)
    else:
        config = transformers.LlamaConfig(
            hidden_size=2048, num_hidden_layers=22, num_attention_heads=32, num_key_value_heads=4, intermediate_size=5632,
            vocab_size=32000, initializer_range=2048**-0.5,
        )  # fmt: skip
        made = transformers.LlamaForCausalLM(config)
    made.save_pretrained(model, max_shard_size="100GB")
    shape = SHAPES[kind]
    ids = numpy.random.default_rng(0).integers(5, config.vocab_size, shape, dtype=numpy.int64)
    numpy.savez(inputs, input_ids=ids, attention_mask=numpy.ones(shape, numpy.int64))
    return {}


def second(run):
    """Seconds of a call, which was called once before."""
    run()
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def pytorch(kind, model, inputs):
    import numpy
    import torch
    import transformers

    values = {name: torch.from_numpy(value) for name, value in numpy.load(inputs).items()}
    made = (transformers.BertModel if kind == "large" else transformers.LlamaForCausalLM).from_pretrained(model).eval()
    with torch.no_grad():
        found = {"PyTorch float32": second(lambda: made(**values))}
        made = made.double()
        found["PyTorch float64"] = second(lambda: made(**values))
    return found


def tensorflow(kind, out, inputs):
    import numpy
    import tensorflow as tf

    loaded = tf.saved_model.load(str(pathlib.Path(out, "saved_model/1")))
    run = loaded.signatures["int64_serving"]
    taken = run.structured_input_signature[1]
    values = {name: tf.constant(value) for name, value in numpy.load(inputs).items() if name in taken}
    return {"TensorFlow": second(lambda: run(**values))}


if __name__ == "__main__":
    print(json.dumps({"write": write, "pytorch": pytorch, "tensorflow": tensorflow}[sys.argv[1]](*sys.argv[2:])))
