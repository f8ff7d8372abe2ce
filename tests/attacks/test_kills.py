"""Runs of `convert`, `weights` and `pt-to-tf` that are killed, at every system call that gives, moves or takes away a
name, and at random moments: nothing of the user's or of an earlier run is lost, and no files of two runs pass for one.

`pytest tests/attacks/test_kills.py -m slow -s` kills $CROSSLOAD_KILLS runs (1000) at random moments.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy
import pytest
from crossload_command import BINARY, PYTHON
from safetensors.numpy import load_file, save_file

RENAMES = ["rename", "renameat", "renameat2"]
NAMES = [*RENAMES, "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir"]
KILLS = int(os.environ.get("CROSSLOAD_KILLS", "1000"))
NOTES = {"notes.txt": b"mine", ".git/HEAD": b"ref: refs/heads/main", "tf_model.h5": b"weights of mine"}


def other_weights(model, folder):
    """The same model with other numbers."""
    shutil.copytree(model, folder)
    tensors = load_file(folder / "model.safetensors")
    save_file(
        {n: t + numpy.asarray(1, t.dtype) for n, t in tensors.items()}, folder / "model.safetensors", {"format": "pt"}
    )
    return folder


def contents(folder, *patterns):
    """{path: digest} of the files that fit one of the patterns."""
    paths = {p for pattern in patterns for p in folder.glob(pattern) if p.is_file()}
    return {str(p.relative_to(folder)): hashlib.md5(p.read_bytes()).hexdigest() for p in paths}


def hidden(folder):
    return sorted(p.name for p in folder.iterdir() if p.name.startswith(".") and p.name != ".git")


class Conversion:
    """`convert` from the cached trace into a folder that holds an earlier result and files of the user's."""

    def __init__(self, place, model):
        self.place, self.models = place, [model, other_weights(model, place.root / "other")]
        self.command = ["convert", None, place.out, "--no-verify", "--quiet"]
        self.results = []
        for number in (1, 0):
            assert self.run(number).code == 0
            self.results.insert(0, self.ours())
        assert self.results[0] != self.results[1]
        for name, content in NOTES.items():
            (place.out / name).parent.mkdir(exist_ok=True)
            (place.out / name).write_bytes(content)

    def arguments(self, number):
        return [self.models[number] if a is None else a for a in self.command]

    def run(self, number):
        return self.place.run(*self.arguments(number))

    def ours(self):
        """What tells the two results apart."""
        return contents(self.place.out, "saved_model/1/variables/*", "config.json")

    def recover(self):
        """The next run, although it fails."""
        assert self.place.run("convert", self.place.root / "no-such-model", self.place.out).code == 2

    def check(self):
        assert {n: (self.place.out / n).read_bytes() for n in NOTES} == NOTES
        assert self.ours() in self.results
        assert json.loads((self.place.out / "crossload.json").read_text())["verdict"] == "unverified"
        assert hidden(self.place.results) == []

    def check_before_recovery(self):
        """OUT is absent only between two renames, where the file system cannot exchange."""
        if self.place.out.exists():
            assert self.ours() in self.results


class Shards:
    """`weights --force` into a folder that holds shards of the same names, of another run, and files of the user's."""

    def __init__(self, place, model):
        self.place, self.models = place, [model, other_weights(model, place.root / "other")]
        self.prepare()
        self.results = []
        for number in (1, 0):
            assert self.run(number).code == 0
            self.results.insert(0, self.ours())
        assert self.results[0] != self.results[1] and len(self.results[0]) > 3
        (place.out / "notes.txt").write_bytes(b"mine")

    def arguments(self, number):
        return ["weights", self.models[number], self.place.out, "--max-shard-size", "10KB", "--force", "--quiet"]

    def run(self, number):
        return self.place.run(*self.arguments(number))

    def ours(self):
        return contents(self.place.out, "*.h5")

    def prepare(self):
        """What a run needs beside the models."""

    def recover(self):
        """A run of the same kind that comes to nothing: a folder takes the place of its file."""
        (self.place.out / "tf_model.h5").mkdir()
        refused = self.place.run("weights", self.models[0], self.place.out, "--force")
        assert refused.code == 4 and "is a folder" in refused.error
        (self.place.out / "tf_model.h5").rmdir()

    def check_before_recovery(self):
        if (self.place.out / "tf_model.h5.index.json").exists():
            assert self.ours() in self.results

    def check(self):
        assert (self.place.out / "notes.txt").read_bytes() == b"mine"
        assert self.ours() in self.results
        assert (self.place.out / "tf_model.h5.index.json").exists()
        assert hidden(self.place.out) == []


ANSWER = {
    "event": "done", "class": "BertModel", "tf_class": "TFBertModel",
    "rows": [{"name": "pooler_output", "crossload": 0.0, "conversion": 0.0, "padded": 0.0, "excused": False}],
    "unused": [], "missing": [], "notes": [], "versions": {},
}  # fmt: skip


class Pull(Shards):
    """`pt-to-tf --new-weights` into such a folder. A program that finds every output equal stands in for Transformers 4,
    since files are moved to their final names only then.
    """

    def prepare(self):
        self.place.environment["CROSSLOAD_TF4"] = str(self.judge("agrees", 0.0))
        self.refuses = {"CROSSLOAD_TF4": str(self.judge("refuses", 1.0))}

    def judge(self, name, difference):
        program = self.place.root / name / "bin/python"
        (self.place.root / name / f"lib/python3.{sys.version_info.minor}/site-packages").mkdir(parents=True)
        program.parent.mkdir()
        rows = [{**ANSWER["rows"][0], "conversion": difference}]
        answer = json.dumps({**ANSWER, "rows": rows})
        program.write_text(f"#!/bin/sh\nwhile read -r line; do echo '{answer}'; done\n")
        program.chmod(0o755)
        return program

    def recover(self):
        """The next run finds a difference, and the one after it comes to nothing."""
        refused = self.place.run(*self.arguments(0), environment=self.refuses)
        assert refused.code == 1 and "outputs differ" in refused.error
        super().recover()

    def arguments(self, number):
        return ["pt-to-tf", "--model-name", self.models[number], "--local-dir", self.place.out, "--no-pr",
                "--new-weights", "--max-shard-size", "10KB", "--quiet"]  # fmt: skip

    def check(self):
        super().check()
        assert hidden(self.place.results) == []


@pytest.fixture(params=[Conversion, Shards, Pull])
def job(request, with_cache, model):
    return request.param(with_cache, model)


def run_until_call(job, call, number, missing=()):
    """The exit code of a run that is killed as it enters the number-th system call of this name. Calls that are `missing`
    fail as on a file system without them. (strace counts each name apart, so that one is watched at a time.)"""
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={','.join({call, *missing})}"]
    for absent in missing:
        trace += ["-e", f"inject={absent}:error=EINVAL"]
    trace += ["-e", f"inject={call}:signal=SIGKILL:when={number}"]
    return subprocess.run(
        [*trace, BINARY, *map(str, job.arguments(number % 2)), *PYTHON],
        env={**os.environ, **job.place.environment}, capture_output=True, check=False,
    ).returncode  # fmt: skip


def kill_at_every_call(job, calls, missing=()):
    """{name of a call: how many runs were killed at one of its kind before one came to its end}"""
    if shutil.which("strace") is None:
        pytest.skip("needs strace, which `./dev test` installs")
    killed = {}
    for call in calls:
        if call in missing:
            continue
        for number in range(1, 1000):
            code = run_until_call(job, call, number, missing)
            job.check_before_recovery()
            job.recover()
            job.check()
            if code == 0:
                break
            killed[call] = number
        else:
            raise AssertionError("no run came to its end")
    return killed


@pytest.mark.parametrize("missing", [(), ("renameat2",)], ids=["exchange", "no-exchange"])
def test_kill_at_every_rename(job, missing):
    killed = kill_at_every_call(job, RENAMES, missing)
    assert sum(killed.values()) > 2, killed


@pytest.mark.slow
@pytest.mark.parametrize("missing", [(), ("renameat2",), ("link", "linkat")], ids=["all", "no-exchange", "no-links"])
def test_kill_at_every_name(job, missing):
    """Every call that makes, links, moves or removes a file or folder, not the moving ones alone."""
    killed = kill_at_every_call(job, NAMES, missing)
    print(f"{type(job).__name__}: {sum(killed.values())} runs were killed, one at each of these calls: {killed}")
    assert sum(killed.values()) > 10 and {"rename", "mkdir"} <= set(killed)


def kill_at_random(job, count, generator):
    """The number of runs that were killed before they ended."""
    begin = time.monotonic()
    assert job.run(0).code == 0
    usual, killed = time.monotonic() - begin, 0
    for number in range(count):
        process = subprocess.Popen(
            [BINARY, *map(str, job.arguments(number % 2)), *PYTHON],
            env={**os.environ, **job.place.environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(generator.uniform(0, 1.2 * usual))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        job.check_before_recovery()
        if generator.random() < 0.2:
            job.recover()
            job.check()
    job.recover()
    job.check()
    return killed


def test_kill_at_random_moments(job):
    assert kill_at_random(job, 12, random.Random(1)) > 3


@pytest.mark.slow
def test_kill_many_at_random_moments(job):
    seed = random.randrange(10**9)
    killed = kill_at_random(job, KILLS // 3, random.Random(seed))
    print(f"{type(job).__name__}: {killed} of {KILLS // 3} runs were killed at random moments (seed {seed})")
    assert killed > KILLS // 12
