"""What `crossload pt-to-tf` does on the Hub: the stand-in of tests/hub."""

import re
import shutil
import uuid
from pathlib import Path

import pytest
from conftest import BERT
from hub_fixtures import READ_TOKEN, TOKEN

FIGURE = r"\d\.\de-\d\d"


@pytest.fixture
def repo(hub, tiny):
    """The repository org/tiny with a model's PyTorch weights, on which everybody may open pull requests."""
    made = hub.repo("org/tiny")
    made.put({file.name: file.read_bytes() for file in tiny(BERT).iterdir()})
    return made


def rows(description):
    """The table of figures: {row: (outputs, hidden states)}."""
    found = re.findall(rf"^\| (.+?) \| ({FIGURE}) \| ({FIGURE}) \|$", description, re.MULTILINE)
    return {name: tuple(map(float, figures)) for name, *figures in found}


def test_pull_request(hub, repo, command, tmp_path):
    before = repo.head().oid
    local = tmp_path / "local"
    finished = command(
        "--model-name", "org/tiny", "--local-dir", local, "--token", TOKEN, "--json",
        "--extra-commit-description", "Tagging @owner.",
    )  # fmt: skip
    assert finished.code == 0, finished.err
    found = finished.document
    head = repo.head("refs/pr/1")
    assert found["push"]["pull_request"].endswith("/org/tiny/discussions/1") and repo.head().oid == before
    assert head.title == "Add TF weights" and set(head.files) - set(repo.files()) == {"tf_model.h5"}
    assert repo.data("tf_model.h5", "refs/pr/1") == (local / "tf_model.h5").read_bytes()
    told = list(rows(head.description).values())
    figures = found["figures"]
    for (output, hidden), when in zip(told, ("crossload", "conversion"), strict=True):
        assert output == pytest.approx(figures[f"{when}_output"], rel=0.06)
        assert hidden == pytest.approx(figures[f"{when}_hidden"], rel=0.06)
    assert head.description.endswith("Tagging @owner.") and "Caution" not in head.description
    assert "attention mask hides" in head.description
    assert TOKEN not in finished.out + finished.err


def test_push_to_main_with_a_raised_limit(hub, repo, command, tmp_path):
    repo.name = "me/tiny"
    hub.repos["me/tiny"] = hub.repos.pop("org/tiny")
    finished = command(
        "--model-name", "me/tiny", "--local-dir", tmp_path / "local", "--token", TOKEN, "--push", "--max-error", "1e-3",
        "--max-shard-size", "50KB",
    )  # fmt: skip
    assert finished.code == 0, finished.err
    assert list(repo.refs) == ["main"] and repo.head().title == "Add TF weights"
    assert "**Caution**" in repo.head().description and "5e-05 to 0.001" in repo.head().description
    sent = {path for path in repo.files() if path.startswith("tf_model")}
    assert "tf_model.h5.index.json" in sent and len(sent) > 2
    assert sent == {file.name for file in (tmp_path / "local").glob("tf_model*")}
    assert repo.head().oid in finished.out


def test_weights_of_the_repository(hub, repo, command, weights, own, tmp_path, spoil):
    """They are compared, not replaced; wrong ones are told of; --new-weights replaces them."""
    flags = ["--model-name", "org/tiny", "--token", TOKEN]
    made = own(BERT)
    weights(made)
    repo.put({"tf_model.h5": (made / "tf_model.h5").read_bytes()})
    finished = command(*flags, "--local-dir", tmp_path / "a", "--json")
    assert finished.code == 0, finished.err
    assert finished.document["kept"] and finished.document["push"] is None and not (tmp_path / "a").exists()
    assert list(repo.refs) == ["main"]

    spoil(made)
    repo.put({"tf_model.h5": (made / "tf_model.h5").read_bytes()})
    finished = command(*flags, "--local-dir", tmp_path / "b")
    assert finished.code == 1 and "--new-weights" in finished.error
    assert list(repo.refs) == ["main"] and not (tmp_path / "b").exists()

    finished = command(*flags, "--local-dir", tmp_path / "c", "--new-weights")
    assert finished.code == 0, finished.err
    assert repo.head("refs/pr/1").title == "Update TF weights"
    assert repo.data("tf_model.h5", "refs/pr/1") == (tmp_path / "c/tf_model.h5").read_bytes()


def test_a_copy_of_the_repository(hub, repo, command, tiny, tmp_path):
    """--local-dir may hold the model: nothing is fetched, and what an upload that failed left is used by the next run."""
    local = Path(shutil.copytree(tiny(BERT), tmp_path / "local"))
    flags = ["--model-name", "org/tiny", "--local-dir", local]
    finished = command(*flags, "--token", READ_TOKEN)
    assert finished.code == 4 and "403" in finished.error and list(repo.refs) == ["main"]
    assert not hub.seen("GET", "/resolve/")
    left = (local / "tf_model.h5").stat()
    shown = command(*flags, "--offline")
    assert shown.code == 0 and "would be sent" in shown.out and list(repo.refs) == ["main"], shown.err
    finished = command(*flags, environment={"HF_TOKEN": TOKEN})
    assert finished.code == 0, finished.err
    assert repo.head("refs/pr/1").title == "Add TF weights"
    assert (local / "tf_model.h5").stat().st_mtime_ns == left.st_mtime_ns


def test_mismatch_is_never_sent(hub, repo, command, tmp_path):
    finished = command(
        "--model-name", "org/tiny", "--local-dir", tmp_path / "local", "--token", TOKEN, "--dtype", "bfloat16"
    )
    assert finished.code == 1 and not (tmp_path / "local").exists()
    assert not hub.seen("POST", "/commit/|/preupload/") and list(repo.refs) == ["main"]


def test_no_such_repository(hub, command, tmp_path):
    finished = command("--model-name", "org/none", "--local-dir", tmp_path / "local", "--token", TOKEN)
    assert finished.code == 2 and "org/none" in finished.error and not (tmp_path / "local").exists()


def test_default_place_without_an_upload(hub, tiny, command):
    """The default folder is /tmp/<name>, as the old command had it."""
    owner = f"crossload-test-{uuid.uuid4().hex}"
    hub.repo(f"{owner}/tiny").put({file.name: file.read_bytes() for file in tiny(BERT).iterdir()})
    try:
        finished = command("--model-name", f"{owner}/tiny", "--no-pr")
        assert finished.code == 0, finished.err
        assert f"/tmp/{owner}/tiny/tf_model.h5" in finished.out.splitlines()
        assert Path(f"/tmp/{owner}/tiny/tf_model.h5").is_file()
        assert not hub.seen("POST", "/commit/|/preupload/") and list(hub.repos[f"{owner}/tiny"].refs) == ["main"]
    finally:
        shutil.rmtree(f"/tmp/{owner}", ignore_errors=True)
