"""The protocol, through a real process, and the errors of bad requests and models."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from crossload.errors import WorkerError

ROOT = Path(__file__).parent.parent.parent


def start(**environment):
    return subprocess.Popen(
        [sys.executable, "-m", "crossload.worker"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "python"), **environment},
    )  # fmt: skip


def converse(*requests, **environment):
    """Events of a worker that gets these requests, and its exit code and standard error."""
    process = start(**environment)
    lines = "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in requests)
    output, errors = process.communicate(lines, timeout=120)
    return [json.loads(line) for line in output.splitlines()], process.returncode, errors


def finals(events):
    return [e for e in events if e["event"] != "progress"]


def test_versions_and_bad_lines():
    events, code, errors = converse({"do": "versions"}, "{", {"do": "dance"}, "[1]", {"do": "trace"}, "", "x" * 10)
    assert code == 0 and errors == ""
    done, *bad = events
    assert done["event"] == "done" and done["torch"].startswith("2.13.0") and done["crossload"] == "0.1.0"
    assert [e["kind"] for e in bad] == ["bad-input"] * 5
    assert all(e["message"] == e["message"].rstrip(".") for e in bad)


def test_trace_then_reference_in_one_worker(tiny, tmp_path):
    for name in ("t", "r"):
        (tmp_path / name).mkdir()
    model = str(tiny("bert", "BertModel"))
    events, code, errors = converse(
        {"do": "trace", "model": model, "out": str(tmp_path / "t")},
        {"do": "reference", "model": model, "trace": str(tmp_path / "t"), "out": str(tmp_path / "r"), "stages": True},
    )
    assert code == 0 and errors == ""
    assert [e["event"] for e in finals(events)] == ["done", "done"]
    assert any(e["event"] == "progress" and e["stage"] == "trace" and e["text"] for e in events)
    assert finals(events)[1]["stages"] == "stages.safetensors"


def test_what_pytorch_throws_is_told_with_its_place(monkeypatch):
    import torch
    from crossload import errors, worker

    class Odd(torch.nn.Module):
        def forward(self, x):
            return x.view(7)

    def answers(what):
        monkeypatch.setitem(worker.HANDLERS, "versions", lambda *_: what())
        worker.handle({"do": "versions"}, lambda *_: None, None)

    with pytest.raises(errors.WorkerError) as caught:
        answers(lambda: Odd()(torch.zeros(3)))
    assert caught.value.kind == "unsupported"
    assert re.match(
        r"versions in Odd \(test_worker.py:\d+\): PyTorch fails on the model \(RuntimeError: shape", str(caught.value)
    )
    with pytest.raises(errors.WorkerError, match=r"^versions: PyTorch fails on the model"):
        answers(lambda: torch.zeros(3) @ torch.zeros(4))
    with pytest.raises(KeyError):  # no model ran: a defect
        answers(lambda: {}["x"])


def test_infinity_has_one_spelling(monkeypatch):
    import io

    from crossload import worker

    monkeypatch.setitem(worker.HANDLERS, "versions", lambda *_: {"a": [float("inf"), -float("inf"), float("nan"), 0.5]})
    told = io.StringIO()
    worker._answer('{"do": "versions"}', told, None)
    assert told.getvalue() == '{"event": "done", "a": ["inf", "-inf", null, 0.5]}\n'


def test_signal_ends_it():
    process = start()
    process.stdin.write('{"do": "versions"}\n')
    process.stdin.flush()
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM and errors == ""


def test_missing_torch_is_the_environment(tiny, tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('No module named torch')\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT / "python")])
    (tmp_path / "t").mkdir()
    request = {"do": "trace", "model": str(tiny("bert", "BertModel")), "out": str(tmp_path / "t")}
    events, code, _ = converse(request, PYTHONPATH=path)
    assert code == 0 and finals(events)[0]["kind"] == "environment"
    assert "pip install torch==2.13.0" in finals(events)[0]["message"]


def broken(tiny, tmp_path, change):
    folder = tmp_path / "model"
    shutil.copytree(tiny("bert", "BertModel"), folder)
    change(folder)
    return folder


def edit_config(**values):
    def change(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **values}))

    return change


def truncate(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (shutil.rmtree, "no such folder"),
        (lambda f: (f / "config.json").unlink(), "no `config.json`"),
        (lambda f: (f / "config.json").write_text("{"), "is not JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "expected a JSON object"),
        (edit_config(model_type="unheard-of"), "model_type is `unheard-of`"),
        (edit_config(hidden_size=16), "do not fit"),
        (truncate, "cannot load it as `BertModel`"),
        (lambda f: (f / "model.safetensors").unlink(), "cannot load it as `BertModel`"),
    ],
)
def test_bad_models(tiny, tmp_path, ask, change, seen):
    with pytest.raises(WorkerError) as caught:
        ask(do="trace", model=broken(tiny, tmp_path, change), out=tmp_path / "t")
    assert caught.value.kind == "bad-input" and seen in caught.value.message
    assert not caught.value.message.endswith(".")


@pytest.mark.parametrize("name", ["BertUnheardOf", "BertTokenizer", "BertConfig"])
def test_bad_class(tiny, tmp_path, ask, name):
    with pytest.raises(WorkerError, match=f"`{name}` is not a model class") as caught:
        ask(do="trace", model=tiny("bert"), out=tmp_path / "t", **{"class": name})
    assert caught.value.kind == "bad-input"


def test_unknown_architecture_falls_back_with_a_note(tiny, tmp_path, ask):
    folder = broken(tiny, tmp_path, edit_config(architectures=["BertOfTomorrow"]))
    result = ask(do="trace", model=folder, out=tmp_path / "t", dynamic=False)
    assert result["class"] == "BertModel" and "BertOfTomorrow" in result["note"]


def test_bad_inputs_file(tiny, tmp_path, ask):
    (tmp_path / "in.npz").write_bytes(b"nothing")
    with pytest.raises(WorkerError, match="cannot be read as npz"):
        ask(do="trace", model=tiny("bert"), out=tmp_path / "t", inputs=tmp_path / "in.npz")


def test_bad_sample_is_told_from_a_bad_export(tiny, tmp_path, ask):
    import numpy

    numpy.savez(tmp_path / "in.npz", input_ids=numpy.full((2, 200), 3))
    with pytest.raises(WorkerError, match="fails on the sample inputs") as caught:
        ask(do="trace", model=tiny("bert"), out=tmp_path / "t", inputs=tmp_path / "in.npz")
    assert caught.value.kind == "bad-input" and "input_ids: [2, 200] torch.int64" in caught.value.details


def test_text_needs_a_tokenizer(tiny, tmp_path, ask):
    with pytest.raises(WorkerError, match="has no tokenizer"):
        ask(do="trace", model=tiny("bert"), out=tmp_path / "t", text="hello")


def test_hub_offline(tmp_path, ask, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WorkerError) as caught:
        ask(do="resolve", model="nobody/nothing-here", offline=True)
    assert caught.value.kind == "environment" and "--offline" in caught.value.message
