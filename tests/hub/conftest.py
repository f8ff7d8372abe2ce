"""Pushing and fetching against a Hub on loopback; nothing here needs a network."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "models"), str(HERE.parent / "python"), str(HERE.parent.parent / "python")]

# Of the form that the Hub gives out, and of none.
TOKEN = "hf_" + "aB3" * 11 + "z"
READ_TOKEN = "hf_" + "r" * 34
FOREIGN_TOKEN = "sesame-open-up"


@pytest.fixture
def hub():
    """An empty Hub with the users `me` (one token may only read) and `you`."""
    from stand_in_hub import StandInHub, User

    users = {TOKEN: User("me"), READ_TOKEN: User("me", may_write=False), FOREIGN_TOKEN: User("you")}
    stand_in = StandInHub(users)
    yield stand_in
    stand_in.close()


@pytest.fixture
def surroundings(hub, tmp_path):
    """Environment variables: this Hub, no xet, a home and caches of the test's own, a clock that waits for nobody."""
    home = tmp_path / "home"
    home.mkdir()
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_TOKEN": "",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "CROSSLOAD_CACHE": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join([str(HERE / "fast_clock"), str(HERE.parent.parent / "python")]),
        "WAITS": str(tmp_path / "waits"),
        "NO_PROXY": "127.0.0.1,127.0.0.2",
    }


@pytest.fixture
def waits(tmp_path):
    """waits() -> the seconds that were asked for, in order."""
    return lambda: [float(line) for line in (tmp_path / "waits").read_text().split()]


class Worker:
    """A worker process; ask(**request) -> its last event, with the texts of its progress in `told`."""

    def __init__(self, environment):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "crossload.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **environment},
        )  # fmt: skip

    def ask(self, **request):
        self.process.stdin.write(
            json.dumps({k: str(v) if isinstance(v, Path) else v for k, v in request.items()}) + "\n"
        )
        self.process.stdin.flush()
        told = []
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] != "progress":
                return {**event, "told": told}
            told.append(event)
        raise AssertionError(self.process.stderr.read())

    def close(self):
        self.process.stdin.close()
        self.process.stdout.read()
        errors = self.process.stderr.read()
        assert self.process.wait(30) == 0
        return errors


@pytest.fixture
def worker(surroundings):
    """worker(**request) -> event; one process for the test, which must keep tokens to itself."""
    processes = {}

    def ask(environment=None, **request):
        key = tuple((environment or {}).items())
        if key not in processes:
            processes[key] = Worker({**surroundings, **(environment or {})})
        event = processes[key].ask(**request)
        assert not [t for t in (TOKEN, READ_TOKEN, FOREIGN_TOKEN, "topsecret") if t in json.dumps(event)], event
        return event

    yield ask
    for process in processes.values():
        errors = process.close()
        assert not [t for t in (TOKEN, READ_TOKEN, FOREIGN_TOKEN) if t in errors], errors


@pytest.fixture
def command(surroundings):
    """command(*arguments) -> Finished: the `crossload` command."""
    from crossload_command import run

    return lambda *arguments, environment=None, **options: run(
        *arguments, environment={**surroundings, **(environment or {})}, **options
    )


REPORT = {
    "model": "org/tiny-bert",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "class": "BertModel",
    "model_type": "bert",
    "verdict": "verified",
    "max_error": 6.4e-06,
    "limit": 1e-05,
    "shapes": [{"inputs": {"input_ids": [2, 17]}, "max_error": 6.4e-06, "padded_error": 0}],
    "outputs": [
        {"name": "last_hidden_state", "shape": [2, 17, 384], "max_error": 6.4e-06, "noise": 5.3e-06},
        {"name": "pooler_output", "shape": [2, 384], "max_error": 2.5e-07, "noise": 1.7e-07},
    ],
    "versions": {"crossload": "0.1.0"},
}


def noise(name, size):
    """`size` bytes that no compression shortens, the same ones for a name every time."""
    return hashlib.shake_256(name.encode()).digest(size)


@pytest.fixture
def converted(tmp_path):
    """converted(**changes of the report) -> a folder as `convert` leaves it, with a SavedModel of 2.6 MB."""

    def make(name="out", **changes):
        folder = tmp_path / name
        report = {key: value for key, value in {**REPORT, **changes}.items() if value is not None}
        files = {
            "crossload.json": json.dumps(report).encode(),
            "report.html": b"<html>",
            "config.json": b'{"model_type": "bert"}',
            "tokenizer.json": b"{}",
            "saved_model/1/saved_model.pb": noise("graph", 100_000),
            "saved_model/1/variables/variables.index": noise("index", 500),
            "saved_model/1/variables/variables.data-00000-of-00001": noise("weights", 2_500_000),
            ".hidden": b"no",
        }
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return folder

    return make
