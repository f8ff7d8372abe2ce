"""What arrives on the Hub, and what is said about it."""

import json
import re

import pytest
from conftest import FOREIGN_TOKEN, READ_TOKEN, REPORT, TOKEN, noise


def push(worker, folder, repo="me/tiny", **more):
    return worker(do="push", out=folder, repo=repo, **{"token": TOKEN, **more})


def test_new_repository(hub, worker, converted):
    folder = converted()
    done = push(worker, folder)
    assert done["event"] == "done", done
    repo = hub.repos["me/tiny"]
    sent = {p for p in repo.files() if p not in (".gitattributes", "README.md")}
    here = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {".hidden"}
    assert sent == here
    for path in sent:
        assert repo.data(path) == (folder / path).read_bytes()
    head = repo.head()
    assert len(repo.commits) == 2 and head.title == "Add TensorFlow model"
    assert done["created"] and done["sent"] and done["commit"] == head.oid and done["url"].endswith(head.oid)
    assert done["pull_request"] is None and done["verdict"] == "verified"
    assert done["bytes"] == sum(item["bytes"] for item in done["uploaded"])
    assert {item["path"] for item in done["uploaded"]} == sent | {"README.md"}
    assert "6.4e-06" in head.description and "**Verified**" in head.description and "BertModel" in head.description
    assert "| `pooler_output` | 2 x 384 | 2.5e-07 | 1.7e-07 |" in head.description


def test_large_files_go_in_parts_to_a_storage_without_the_token(hub, worker, converted):
    done = push(worker, converted())
    parts = hub.seen("PUT", "/me/tiny/")
    assert done["event"] == "done" and len(parts) == 3 + 2  # 2.5 MB in parts of 1 MiB, and two files in one piece
    assert all(r.server == hub.storage.url and "authorization" not in r.headers for r in parts)
    assert all(r.headers["authorization"] == f"Bearer {TOKEN}" for r in hub.requests if "/api/models/" in r.path)
    fractions = [e["fraction"] for e in done["told"] if e["fraction"] is not None]
    texts = [e["text"] for e in done["told"]]
    assert fractions == sorted(fractions) and fractions[-1] <= 1
    assert "sending 8 files, 0.0 of 2.6 MB" in texts


def test_only_what_differs_is_sent(hub, worker, converted):
    folder = converted()
    first = push(worker, folder)
    assert len(first["uploaded"]) == 8
    before = len(hub.requests)
    again = push(worker, folder)
    assert again["event"] == "done" and not again["sent"] and again["uploaded"] == [] and len(again["unchanged"]) == 8
    assert again["commit"] == first["commit"] and len(hub.repos["me/tiny"].commits) == 2
    assert {r.method for r in hub.requests[before:]} == {"GET"}
    # The same length, another content.
    (folder / "saved_model/1/variables/variables.index").write_bytes(noise("other", 500))
    (folder / "config.json").write_bytes(b'{"model_type": "tree"}')
    third = push(worker, folder)
    paths = ["config.json", "saved_model/1/variables/variables.index"]
    assert [item["path"] for item in third["uploaded"]] == paths
    assert hub.repos["me/tiny"].head().title == "Update TensorFlow model"


def test_old_parts_of_the_saved_model_go(hub, worker, converted):
    hub.repo("me/tiny").put({
        "saved_model/1/variables/variables.data-00001-of-00002": b"old", "saved_model/2/saved_model.pb": b"mine",
        "notes.txt": b"mine",
    })  # fmt: skip
    done = push(worker, converted())
    files = hub.repos["me/tiny"].files()
    assert done["deleted"] == ["saved_model/1/variables/variables.data-00001-of-00002"]
    assert done["deleted"][0] not in files and {"saved_model/2/saved_model.pb", "notes.txt"} <= set(files)


def test_pull_request_in_a_repository_of_somebody_else(hub, worker, converted):
    repo = hub.repo("you/theirs")
    before = repo.head().oid
    done = push(worker, converted(), "you/theirs", pr=True, message="TensorFlow, please")
    assert done["event"] == "done", done
    assert done["pull_request"] == f"{hub.url}/you/theirs/discussions/1" and repo.pull_requests == ["refs/pr/1"]
    head = repo.head("refs/pr/1")
    assert head.title == "TensorFlow, please" and head.parent == before and "6.4e-06" in head.description
    assert "crossload.json" in head.files and repo.head().oid == before


def test_branch_and_pull_request_that_are_there(hub, worker, converted):
    repo = hub.repo("me/tiny")
    repo.refs["tf"] = repo.head().oid
    main = repo.head().oid
    assert push(worker, converted(), revision="tf")["event"] == "done"
    assert repo.head().oid == main and "crossload.json" in repo.files("tf")
    repo.refs["refs/pr/7"] = main
    assert push(worker, converted(), revision="refs/pr/7")["event"] == "done"
    assert repo.head().oid == main and "crossload.json" in repo.files("refs/pr/7")


def test_name_without_owner_is_the_users_own(hub, worker, converted):
    hub.repo("tiny/tiny")  # a name that a Hub may also hold without an owner
    assert push(worker, converted(), "tiny")["repo"] == "me/tiny"
    assert "crossload.json" in hub.repos["me/tiny"].files()


def test_long_listings(hub, worker, converted):
    hub.page_size = 3
    folder = converted()
    push(worker, folder)
    assert push(worker, folder)["uploaded"] == []
    assert [r for r in hub.seen("GET", "/tree/") if "cursor" in r.query]


def test_xet_sends_large_files(hub, worker, converted, tmp_path):
    """Where hf_xet is installed it is what sends them, here to a storage in a folder; its progress is told in bytes."""
    pytest.importorskip("hf_xet")
    hub.xet = f"local://{tmp_path / 'xet'}"
    done = push(lambda **r: worker(environment={"HF_HUB_DISABLE_XET": "0"}, **r), converted())
    assert done["event"] == "done", done
    assert not hub.seen("PUT", "") and hub.seen("GET", "xet-write-token")
    name = "saved_model/1/variables/variables.data-00000-of-00001"
    import hashlib

    assert hub.repos["me/tiny"].files()[name].sha256 == hashlib.sha256(noise("weights", 2_500_000)).hexdigest()
    assert max(e["fraction"] or 0 for e in done["told"]) > 0.9


# Verdicts


def test_mismatch_is_never_sent(hub, worker, command, converted):
    folder = converted(verdict="mismatch")
    failed = push(worker, folder)
    assert failed["kind"] == "mismatch" and hub.requests == []
    for flags in ([], ["--pr"], ["--offline"]):
        finished = command("push", folder, "me/tiny", "--token", TOKEN, *flags)
        assert finished.code == 1 and finished.out == "" and "`mismatch`" in finished.error
    document = command("push", folder, "me/tiny", "--json").document
    assert document["error"]["kind"] == "mismatch"
    assert hub.requests == []


def test_unverified_says_so(hub, worker, converted):
    done = push(worker, converted(verdict="unverified", max_error=None, shapes=[], outputs=[]))
    assert done["event"] == "done"
    said = hub.repos["me/tiny"].head().description
    assert "**Not verified**" in said and "**Verified**" not in said
    assert "**Not verified**" in hub.repos["me/tiny"].data("README.md").decode()


def test_within_noise_and_a_raised_limit_say_so(hub, worker, converted):
    push(worker, converted(verdict="within-noise", limit=1e-3))
    said = hub.repos["me/tiny"].head().description
    assert "**Within noise**" in said and "raised by hand from 1e-05 to 0.001" in said


# Model card and licence


def test_card_is_made(hub, worker, converted):
    import yaml

    folder = converted()
    (folder / "LICENSE").write_text("Apache License")
    push(worker, folder)
    card = hub.repos["me/tiny"].data("README.md").decode()
    data = yaml.safe_load(card.split("---\n")[1])
    assert data["library_name"] == "tf" and {"tf", "tensorflow"} <= set(data["tags"])
    assert data["base_model"] == "org/tiny-bert" and data["license_link"] == "LICENSE"
    for word in ("6.4e-06", "BertModel", "0123456789ab", 'snapshot_download("me/tiny")', "serve(input_ids=input_ids)"):
        assert word in card
    assert hub.repos["me/tiny"].data("LICENSE") == b"Apache License"


def test_card_of_a_local_model_names_no_path(hub, worker, converted):
    push(worker, converted(model="/home/me/secret/model", commit=None))
    card = hub.repos["me/tiny"].data("README.md").decode()
    assert "base_model" not in card and "/home/me" not in card + hub.repos["me/tiny"].head().description


def test_card_made_here_is_renewed(hub, worker, converted):
    push(worker, converted())
    push(worker, converted(max_error=7.7e-06))
    assert "7.7e-06" in hub.repos["me/tiny"].data("README.md").decode()


def test_card_of_the_folder_is_carried_along(hub, worker, converted):
    folder = converted()
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# The original\n")
    push(worker, folder)
    assert hub.repos["me/tiny"].data("README.md").decode().endswith("# The original\n")


def test_card_and_licence_of_the_repository_are_kept(hub, worker, converted):
    hub.repo("me/tiny").put({"README.md": b"# By hand\n", "LICENSE": b"MIT"})
    folder = converted()
    done = push(worker, folder)
    assert done["notes"] == []
    (folder / "README.md").write_text("# Another one\n")
    (folder / "LICENSE").write_text("GPL")
    (folder / "config.json").write_text("{}")
    done = push(worker, folder)
    assert hub.repos["me/tiny"].data("README.md") == b"# By hand\n" and hub.repos["me/tiny"].data("LICENSE") == b"MIT"
    assert [note.split(" ")[0] for note in done["notes"]] == ["LICENSE", "README.md"]


def test_names_from_the_report_are_no_markup(hub, worker, converted):
    nasty = "x` [a](http://b)\n\n# <script>"
    push(worker, converted(**{"class": nasty, "model": nasty, "outputs": [{"name": nasty, "shape": [nasty]}]}))
    repo = hub.repos["me/tiny"]
    for text in (repo.head().description, repo.data("README.md").decode()):
        assert "<script>" not in text and "\n# xa" not in text and "](http://b" not in text


# Weights of pt-to-tf


FIGURES = dict(crossload_output=1.1e-6, crossload_hidden=2.2e-6, conversion_output=3.3e-6, conversion_hidden=4.4e-6)


def push_weights(worker, folder, files, **more):
    request = {
        "do": "push_weights", "repo": "you/theirs", "folder": folder, "files": files, "verdict": "verified",
        "figures": FIGURES, "max_error": 5e-5, "usual_max_error": 5e-5, "pr": True, "token": TOKEN,
    }  # fmt: skip
    return worker(**{**request, **more})


@pytest.fixture
def weights(tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in ("tf_model.h5", "tf_model-00001-of-00001.h5"):
        (folder / name).write_bytes(noise(name, 30_000))
    (folder / "tf_model.h5.index.json").write_text("{}")
    (folder / "config.json").write_text("not this one")
    return folder


def test_weights_as_a_pull_request(hub, worker, weights):
    repo = hub.repo("you/theirs")
    done = push_weights(worker, weights, ["tf_model.h5"], extra_description="Tagging @me", notes=["A sentence."])
    head = repo.head("refs/pr/1")
    assert done["pull_request"].endswith("/discussions/1") and done["title"] == head.title == "Add TF weights"
    assert set(head.files) - set(repo.files()) == {"tf_model.h5"}
    for figure in ("1.1e-06", "2.2e-06", "3.3e-06", "4.4e-06", "Tagging @me", "A sentence."):
        assert figure in head.description
    assert "Caution" not in head.description


def test_new_weights_take_the_place_of_older_ones(hub, worker, weights):
    repo = hub.repo("me/own")
    repo.put({"tf_model.h5": b"old", "tf_model.h5.index.json": b"no", "model.safetensors": b"other"})
    sharded = ["tf_model.h5.index.json", "tf_model-00001-of-00001.h5"]
    done = push_weights(worker, weights, sharded, repo="me/own", pr=False, max_error=1e-3)
    assert done["title"] == repo.head().title == "Update TF weights" and done["pull_request"] is None
    assert set(repo.files()) == {".gitattributes", "model.safetensors", *sharded} and done["deleted"] == ["tf_model.h5"]
    assert "**Caution**" in repo.head().description and "5e-05 to 0.001" in repo.head().description


def test_weights_are_not_sent(hub, worker, weights):
    assert push_weights(worker, weights, ["tf_model.h5"], verdict="mismatch")["kind"] == "mismatch"
    assert hub.requests == []
    failed = push_weights(worker, weights, ["tf_model.h5"])
    assert failed["kind"] == "bad-input" and "you/theirs: no such repository" in failed["message"]
    assert "you/theirs" not in hub.repos


# The command


def test_command(hub, command, converted):
    folder = converted()
    shown = command("push", folder, "me/tiny", "--offline")
    assert shown.code == 0 and "would be sent" in shown.out and "8 files" in shown.out and "**Verified**" in shown.out
    assert hub.requests == []
    finished = command("push", folder, "me/tiny", environment={"HF_TOKEN": TOKEN})
    assert finished.code == 0 and f"{hub.url}/me/tiny/commit/{hub.repos['me/tiny'].head().oid}" in finished.out
    assert re.search(r"^\[.* s\] push +sending 8 files, 0.0 of 2.6 MB$", finished.err, re.MULTILINE)
    again = command("push", folder, "me/tiny", "--json", "--quiet", "--token", TOKEN)
    assert again.err == "" and again.document["uploaded"] == [] and again.document["repo"] == "me/tiny"
    assert "event" not in again.document


def test_token_of_a_login(hub, command, converted, surroundings):
    """As `hf auth login` stores it."""
    from pathlib import Path

    Path(surroundings["HF_HOME"], "token").write_text(TOKEN)
    assert command("push", converted(), "me/tiny").code == 0 and "me/tiny" in hub.repos


@pytest.mark.parametrize("token", [READ_TOKEN, FOREIGN_TOKEN])
def test_token_that_may_not_write(hub, command, converted, token):
    hub.repo("me/tiny")
    finished = command("push", converted(), "me/tiny", "--token", token)
    assert finished.code == 4 and "403" in finished.error and "may write" in finished.error
    assert len(hub.repos["me/tiny"].commits) == 1


def test_report_is_as_convert_writes_it(converted):
    """The fields that a card needs, against the engine's own list."""
    from pathlib import Path

    source = Path(__file__).parents[2].joinpath("src/report/report_json.cc").read_text()
    assert not [key for key in REPORT if f'"{key}"' not in source]
    json.loads((converted() / "crossload.json").read_text())
