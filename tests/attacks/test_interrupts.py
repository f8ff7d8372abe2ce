"""SIGINT, SIGTERM and SIGKILL in the middle of each step: no OUT or the old one whole, no process left behind."""

import json
import os
import shutil
import signal
import time

import pytest
from attack_place import listing
from crossload_command import children_of, decoded, is_running

STEPS = ["trace", "write", "verify"]


def wait_for(condition, seconds=60, pause=0.001):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(pause)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A BERT with 80 MB of weights: writing it takes a moment."""
    import torch
    import transformers

    folder = tmp_path_factory.mktemp("large") / "model"
    config = transformers.BertConfig(
        vocab_size=24_000, hidden_size=768, num_hidden_layers=1, num_attention_heads=4, intermediate_size=1000,
        max_position_embeddings=40,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def large_cache(large, tmp_path_factory):
    from crossload_command import trace_cache

    cache = trace_cache(large, tmp_path_factory.mktemp("large-cache"))
    shutil.rmtree(cache.with_name("out"))
    return cache


class Interrupted:
    """A conversion that is stopped at the start of one step."""

    def __init__(self, place, model, step, number):
        arguments = ["convert", model, place.out]
        arguments += {"trace": [], "write": ["--no-verify"], "verify": []}[step]
        self.process = place.start(*arguments)
        self.workers = []
        if step == "write":
            wait_for(lambda: self.process.poll() is not None or self.is_writing(place))
        else:
            self.wait_for_line({"trace": "exporting", "verify": "recording every value"}[step])
        self.workers = children_of(self.process.pid)
        self.was_running = self.process.poll() is None
        self.process.send_signal(number)
        self.out, self.err = map(decoded, self.process.communicate(timeout=60))
        self.code = self.process.returncode

    @staticmethod
    def is_writing(place):
        return any(place.results.glob(".out.*.partial/saved_model/1/variables/*"))

    def wait_for_line(self, text):
        for line in self.process.stderr:
            if text.encode() in line:
                return
        raise AssertionError(f"ended before `{text}`")


def interrupted(place, model, step, number):
    """Tries again when the step was over too soon."""
    for _ in range(5):
        run = Interrupted(place, model, step, number)
        if run.was_running and run.code != 0:
            return run
        shutil.rmtree(place.out, ignore_errors=True)
    pytest.skip(f"the step `{step}` is too quick here")


@pytest.fixture
def model_for(place, large, large_cache, tiny):
    """model_for(step) -> model folder: tracing needs no cache; writing needs a cache and many bytes."""

    def prepare(step):
        if step == "trace":
            return tiny("bert", "BertModel")
        shutil.copytree(large_cache, place.cache, dirs_exist_ok=True)
        return large

    return prepare


SLOW = pytest.mark.slow


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=SLOW)], ids=lambda n: n.name)
@pytest.mark.parametrize("step", STEPS)
def test_signal_that_can_be_caught(place, model_for, step, number):
    run = interrupted(place, model_for(step), step, number)
    assert run.code == 130, run.err
    last = run.err.strip().splitlines()[-1]
    assert last.startswith("error: ") and "interrupted" in last
    place.check_nothing_left()
    assert not [pid for pid in run.workers if is_running(pid)]


@pytest.mark.parametrize("step", STEPS)
def test_kill(place, model_for, step):
    """No OUT; the worker ends by itself; the next run removes what was left and succeeds."""
    model = model_for(step)
    run = interrupted(place, model, step, signal.SIGKILL)
    assert run.code == -signal.SIGKILL
    assert not place.out.exists()
    wait_for(lambda: not [pid for pid in run.workers if is_running(pid)], 20, 0.1)
    assert any(place.results.glob(".out.*.partial"))
    finished = place.run("convert", model, place.out, "--no-verify", "--json")
    assert finished.code == 0, finished.err
    assert [p.name for p in place.results.iterdir()] == ["out"]
    assert listing(place.temporary) == {}
    assert not [p for p in (place.cache / "traces").iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda n: n.name)
@pytest.mark.parametrize("step", ["write", pytest.param("verify", marks=SLOW)])
def test_old_output_stays_whole(place, model_for, step, number):
    model = model_for(step)
    assert place.run("convert", model, place.out, "--no-verify").code == 0
    before = listing(place.out)
    run = Interrupted(place, model, step, number)
    after = listing(place.out)
    if run.code == 0:
        assert set(after) == set(before)  # it was quicker than the signal: the new one is whole
    else:
        assert after == before
    assert json.loads((place.out / "crossload.json").read_text())["verdict"] == "unverified"


def test_kill_during_verify_again(place, model_for):
    """`crossload verify` renews the report in OUT: it is never half there."""
    model = model_for("verify")
    assert place.run("convert", model, place.out, "--no-verify").code == 0
    before = listing(place.out)
    process = place.start("verify", model, place.out)
    for line in process.stderr:
        if b"recording every value" in line:
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130 and listing(place.out) == before
    assert listing(place.temporary) == {}


def test_terminal_interrupt_reaches_everybody(place, model_for):
    """Ctrl-C goes to the whole process group; the worker has one of its own and is ended by its parent."""
    import subprocess

    from crossload_command import BINARY, PYTHON

    process = subprocess.Popen(
        [BINARY, "convert", str(model_for("trace")), str(place.out), *PYTHON], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, **place.environment}, start_new_session=True,
    )  # fmt: skip
    for line in process.stderr:
        if "exporting" in line:
            break
    workers = children_of(process.pid)
    assert workers
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    assert not [pid for pid in workers if is_running(pid)]
    place.check_nothing_left()
