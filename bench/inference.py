"""The SavedModel against eager PyTorch: each in a process of its own, run in turns with the same number of threads.

As a program it is such a process: it loads one side, then answers each line `{"shape": [8, 128], "calls": 10}` on
standard input with the seconds of every call.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np
from measure import Ratio

SHAPES = [(8, 128), (1, 16)]
SIDES = ["pytorch", "signature", "function"]


class Worker:
    """A process that holds one framework with the model loaded."""

    def __init__(self, side, model, out, threads):
        self.process = subprocess.Popen(
            [sys.executable, __file__, side, str(model), str(out), str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(
                f"inference: the process ended with exit code {self.process.wait()}; see its error above"
            )
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def measure(model, out, rounds, threads):
    workers = {}
    found = {"threads": threads, "rounds": rounds, "shapes": {}}
    try:
        for side in SIDES:
            workers[side] = Worker(side, model, out, threads)
        for shape in SHAPES:
            first = {side: worker.ask(shape=shape, calls=5) for side, worker in workers.items()}
            # About half a second a turn.
            calls = max(5, int(0.5 / statistics.median(first["pytorch"]["seconds"])))
            medians = {side: [] for side in SIDES}
            for _ in range(rounds):
                for side, worker in workers.items():
                    medians[side].append(statistics.median(worker.ask(shape=shape, calls=calls)["seconds"]))
            expected = np.array(first["pytorch"]["sample"])
            found["shapes"]["x".join(map(str, shape))] = {
                "calls_a_round": calls,
                "seconds": medians,
                "against_pytorch": {
                    side: vars(Ratio.of(medians[side], medians["pytorch"])) for side in SIDES if side != "pytorch"
                },
                "largest_difference": {
                    side: float(np.abs(np.array(first[side]["sample"]) - expected).max())
                    for side in SIDES
                    if side != "pytorch"
                },
            }
    finally:
        for worker in workers.values():
            worker.close()
    return found


def table(found):
    names = {"signature": "signature serving_default", "function": "called as a tf.function"}
    lines = [f"Inference against eager PyTorch, {found['threads']} threads each, median of {found['rounds']} rounds"]
    for shape, numbers in found["shapes"].items():
        in_pytorch = 1000 * statistics.median(numbers["seconds"]["pytorch"])
        lines.append(f"  {shape + ' tokens':<14}{'eager PyTorch':<28}{in_pytorch:8.2f} ms        1")
        for side, ratio in numbers["against_pytorch"].items():
            milliseconds = 1000 * statistics.median(numbers["seconds"][side])
            lines.append(f"  {'':<14}{names[side]:<28}{milliseconds:8.2f} ms   {Ratio(**ratio)}")
    return "\n".join(lines)


def inputs(names, vocabulary, shape):
    ids = np.random.default_rng(0).integers(1, vocabulary, shape, dtype=np.int64)
    values = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    return {name: values[name] for name in names}


def load_pytorch(model, threads):
    import torch
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(threads)
    network = AutoModel.from_pretrained(model).eval()

    def prepare(arrays):
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}

        @torch.inference_mode()
        def call():
            return network(**tensors).last_hidden_state

        return call

    return ["input_ids", "attention_mask", "token_type_ids"], prepare, lambda result: result.numpy()


def load_tensorflow(out, threads, through_signature):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    loaded = tf.saved_model.load(str(pathlib.Path(out, "saved_model/1")))
    signature = loaded.signatures["serving_default"]
    specs = signature.structured_input_signature[1]

    def prepare(arrays):
        tensors = {name: tf.constant(array, specs[name].dtype) for name, array in arrays.items()}
        if through_signature:
            return lambda: signature(**tensors)["last_hidden_state"]
        return lambda: loaded(**tensors)["last_hidden_state"]

    return list(specs), prepare, lambda result: result.numpy()


def serve(side, model, out, threads):
    vocabulary = json.loads(pathlib.Path(model, "config.json").read_text())["vocab_size"]
    if side == "pytorch":
        names, prepare, to_numpy = load_pytorch(model, threads)
    else:
        names, prepare, to_numpy = load_tensorflow(out, threads, side == "signature")
    for line in sys.stdin:
        request = json.loads(line)
        call = prepare(inputs(names, vocabulary, request["shape"]))
        sample = to_numpy(call())  # also the warm-up
        call()
        seconds = []
        for _ in range(request["calls"]):
            begin = time.perf_counter()
            to_numpy(call())
            seconds.append(time.perf_counter() - begin)
        print(json.dumps({"seconds": seconds, "sample": sample[0, :4, :8].tolist()}), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
