"""From one repository to another: `convert HUB_ID`, `push`, and what is known about a repository before."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import FOREIGN_TOKEN, READ_TOKEN, TOKEN


@pytest.fixture(scope="session")
def tiny_bert(tiny):
    return tiny("bert", "BertModel")


@pytest.fixture(scope="session")
def traces(tiny_bert, tmp_path_factory):
    """A trace cache that knows the tiny BERT."""
    from crossload_command import trace_cache

    return trace_cache(tiny_bert, tmp_path_factory.mktemp("traces"))


@pytest.fixture
def model(hub, tiny_bert, traces, surroundings):
    """The repository org/tiny, which holds the tiny BERT in both worlds."""
    shutil.copytree(traces, surroundings["CROSSLOAD_CACHE"])
    repo = hub.repo("org/tiny")
    files = {file.name: file.read_bytes() for file in Path(tiny_bert).iterdir()}
    repo.put({**files, "LICENSE.md": b"MIT", "README.md": b"---\nlicense: mit\n---\n# Tiny\n", "tf_model.h5": b"old"})
    return repo


def test_weights_of_a_repository(hub, command, model, tmp_path):
    """Only those weights come that are asked for, and the result is that of a folder."""
    done = command("weights", "org/tiny", tmp_path / "out", "--to", "h5", "--json")
    assert done.code == 0, done.err
    assert "fetching" in done.err and not any("tf_model.h5" in r.path for r in hub.requests)
    assert done.document["files"] == ["tf_model.h5"] and (tmp_path / "out/README.md").is_file()
    other = hub.repo("org/tf-only")
    other.put({"config.json": model.data("config.json"), "tf_model.h5": (tmp_path / "out/tf_model.h5").read_bytes()})
    back = command("weights", "org/tf-only", tmp_path / "back", "--json")
    assert back.code == 0, back.err
    assert back.document["direction"] == "tf-to-pt"
    gone = command("weights", "org/nothing", tmp_path / "none")
    assert gone.code == 2 and not (tmp_path / "none").exists()


def test_there_and_back(hub, command, model, tmp_path):
    model.readers = {"me"}
    out = tmp_path / "out"
    finished = command("convert", "org/tiny", out, "--no-verify", "--token", READ_TOKEN)
    assert finished.code == 0, finished.err
    assert "fetching" in finished.err and not (out / "tf_model.h5").exists()
    report = json.loads((out / "crossload.json").read_text())
    assert report["model"] == "org/tiny" and report["commit"] == model.head().oid and report["trace_cache"] == "hit"
    pushed = command("push", out, "tiny-tf", "--json", "--token", TOKEN)
    assert pushed.code == 0, pushed.err
    files = hub.repos["me/tiny-tf"].files()
    assert {"saved_model/1/saved_model.pb", "LICENSE.md", "README.md", "crossload.json", "report.html"} <= set(files)
    assert hub.repos["me/tiny-tf"].data("README.md").endswith(b"# Tiny\n")
    said = hub.repos["me/tiny-tf"].head().description
    assert "org/tiny" in said and model.head().oid[:12] in said and "**Not verified**" in said
    # As a pull request beside the PyTorch weights, what is there already is not sent again.
    beside = command("push", out, "org/tiny", "--pr", "--json", "--token", TOKEN)
    assert beside.code == 0, beside.err
    assert {"config.json", "README.md", "LICENSE.md"} <= set(beside.document["unchanged"])
    # No token anywhere: neither in what was written nor in what was said.
    for text in (finished.err, finished.out, pushed.out, pushed.err):
        assert TOKEN not in text and READ_TOKEN not in text
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert not any(t.encode() in file.read_bytes() for t in (TOKEN, READ_TOKEN)), file


def test_offline_and_revision(hub, command, model, tmp_path):
    old = model.head().oid
    model.put({"config.json": b"{"})
    finished = command("convert", "org/tiny", tmp_path / "out", "--no-verify", "--revision", old, "--json")
    assert finished.code == 0 and finished.document["commit"] == old, finished.err
    before = len(hub.requests)
    again = command("convert", "org/tiny", tmp_path / "out", "--no-verify", "--revision", old, "--offline", "--json")
    assert again.code == 0 and again.document["commit"] == old and len(hub.requests) == before
    assert again.document["trace_cache"] == "hit"


def test_local_model_has_no_commit(command, model, tiny_bert, tmp_path):
    finished = command("convert", tiny_bert, tmp_path / "out", "--no-verify", "--json")
    assert finished.code == 0 and finished.document["commit"] is None


def test_check_knows_of_weights_that_it_does_not_fetch(hub, command, model):
    finished = command("check", "org/tiny", "--json")
    assert finished.code == 0 and finished.document["tf_weights"] == ["tf_model.h5"], finished.err
    assert not [r for r in hub.requests if "tf_model" in r.path]


@pytest.mark.parametrize(
    ("name", "flags", "code", "seen"),
    [
        ("org/nothing", [], 2, "neither a folder here nor a model"),
        ("org/gated", ["--token", FOREIGN_TOKEN], 4, "gated"),
        ("org/tiny", ["--revision", "nowhere"], 2, "no such revision"),
        ("org/tiny", ["--offline"], 4, "run once without --offline"),
        ("org/tiny", ["--token", "hf_" + "u" * 34], 4, "does not accept the token"),
    ],
)
def test_what_cannot_be_fetched(hub, command, model, tmp_path, name, flags, code, seen):
    hub.repo("org/gated", gated=True).put({"config.json": b"{}", "model.safetensors": b"x"})
    finished = command("convert", name, tmp_path / "out", "--no-verify", *flags)
    assert finished.code == code and seen in finished.error and finished.out == ""
    assert not (tmp_path / "out").exists() and "sesame" not in finished.err


def test_damaged_download_leaves_nothing(hub, command, model, tmp_path):
    hub.faults.add("GET", "/[0-9a-f]{64}$", corrupt=True)
    finished = command("convert", "org/tiny", tmp_path / "out", "--no-verify")
    assert finished.code == 4 and "org/tiny/model.safetensors: arrived damaged" in finished.error
    assert not (tmp_path / "out").exists()
    assert command("convert", "org/tiny", tmp_path / "out", "--no-verify").code == 0
