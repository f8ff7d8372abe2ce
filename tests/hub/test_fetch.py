"""What is fetched of a repository, from where, and what goes wrong on the way down."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import FOREIGN_TOKEN, READ_TOKEN, TOKEN, noise
from test_push_faults import BROKEN, BUSY, check_error

CONFIGS = {
    "config.json": b'{"model_type": "bert"}',
    "tokenizer.json": b"{}",
    "vocab.txt": b"[PAD]\n",
    "source.spm": b"s",
}
DOCUMENTS = {"README.md": b"# Card", "LICENSE": b"MIT", "NOTICE.txt": b"n"}
BEYOND = {
    "onnx/model.onnx": b"o", "onnx/config.json": b"{}", "flax_model.msgpack": b"f", "rust_model.ot": b"r",
    "model.fp16.safetensors": b"v", "unet/model.safetensors": b"u", "runs/events": b"e", "training_args.bin": b"t",
    "consolidated.safetensors": b"c", "image.png": b"p", "modeling_own.py": b"raise SystemExit\n", "a/b/config.json": b"{}",
}  # fmt: skip
WEIGHTS = noise("model", 300_000)


def fetch(worker, name="org/tiny", **more):
    return worker(do="resolve", model=name, **more)


def fetched(event):
    folder = Path(event["path"])
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def tiny(hub):
    repo = hub.repo("org/tiny")
    repo.put(
        {**CONFIGS, **DOCUMENTS, **BEYOND, "model.safetensors": WEIGHTS, "pytorch_model.bin": b"b", "tf_model.h5": b"h"}
    )
    return repo


ALWAYS = {*CONFIGS, *DOCUMENTS, "onnx/config.json"}


def test_only_what_is_needed(hub, worker, tiny):
    done = fetch(worker)
    assert fetched(done) == {*ALWAYS, "model.safetensors"}
    assert done["commit"] == tiny.head().oid and done["files"] == sorted(tiny.files())
    assert Path(done["path"], "model.safetensors").read_bytes() == WEIGHTS
    # The storage for large files is somebody else's and sees no token.
    assert all("authorization" not in r.headers for r in hub.requests if r.server == hub.storage.url)
    told = [e for e in done["told"] if e["fraction"] is not None]
    assert told[0]["text"] == "fetching 9 files, 0.0 of 0.3 MB" and told[-1]["fraction"] <= 1


@pytest.mark.parametrize(
    ("there", "formats", "wanted"),
    [
        (["pytorch_model.bin"], None, ["pytorch_model.bin"]),
        (["model.safetensors", "model.safetensors.index.json", "model-00001-of-00001.safetensors"], None, ["model.safetensors"]),
        (
            ["model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "x.bin"],
            None,
            ["model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
        ),
        (
            ["pytorch_model.bin.index.json", "pytorch_model-00001-of-00001.bin", "tf_model.h5"],
            None,
            ["pytorch_model.bin.index.json", "pytorch_model-00001-of-00001.bin"],
        ),
        (["model.safetensors", "tf_model.h5"], ["h5"], ["tf_model.h5"]),
        (["tf_model.h5", "pytorch_model.bin"], ["safetensors", "bin", "h5"], ["pytorch_model.bin"]),
        (["tf_model.h5.index.json", "tf_model-00001-of-00001.h5"], ["h5"], ["tf_model.h5.index.json", "tf_model-00001-of-00001.h5"]),
        (["model.safetensors"], [], []),
    ],
)  # fmt: skip
def test_choice_of_weights(hub, worker, there, formats, wanted):
    hub.repo("org/tiny").put({"config.json": b"{}", **{name: name.encode() for name in there}})
    assert fetched(fetch(worker, weights=formats)) == {"config.json", *wanted}


def test_no_weights(hub, worker):
    hub.repo("org/tiny").put({"config.json": b"{}", "tf_model.h5": b"h"})
    failed = fetch(worker)
    assert "no weights among its 3 files" in check_error(failed, "bad-input") and failed["details"] == ["tf_model.h5"]


def test_code_comes_only_when_trusted(worker, tiny):
    assert "modeling_own.py" not in fetched(fetch(worker))
    assert "modeling_own.py" in fetched(fetch(worker, trust_remote_code=True))


def test_revisions(hub, worker, tiny):
    old = tiny.head().oid
    tiny.refs["v1"] = old
    tiny.put({"config.json": b'{"new": 1}'})
    for revision, commit in ((None, tiny.head().oid), ("v1", old), (old, old)):
        assert fetch(worker, revision=revision)["commit"] == commit
    assert "no such revision" in check_error(fetch(worker, revision="v2"), "bad-input")


def test_second_time_nothing_is_fetched(hub, worker, tiny):
    first = fetch(worker)
    before = len(hub.requests)
    assert fetch(worker)["path"] == first["path"]
    assert not [r for r in hub.requests[before:] if "/resolve" in r.path or r.server == hub.storage.url]


def test_folder_is_left_alone(hub, worker, tmp_path):
    assert fetch(worker, str(tmp_path)) | {"told": 0} == {
        "event": "done", "path": str(tmp_path), "commit": None, "files": [], "told": 0,
    }  # fmt: skip
    assert hub.requests == []


XET_UPLOAD = """
import hf_xet, sys
with hf_xet.XetSession().new_upload_commit(token_refresh_url=sys.argv[1], token_refresh_headers={}, custom_headers={}) as c:
    handle = c.start_upload_file(sys.argv[2], sha256=hf_xet.COMPUTE_SHA256)
print(handle.result().xet_info.hash)
"""


def test_xet_brings_large_files(hub, worker, tiny, tmp_path, surroundings):
    """Where hf_xet is installed and the repository keeps its files there, here in a folder."""
    pytest.importorskip("hf_xet")
    hub.xet = f"local://{tmp_path / 'xet'}"
    (tmp_path / "weights").write_bytes(WEIGHTS)
    address = f"{hub.url}/api/models/org/tiny/xet-read-token/main"
    name = subprocess.run(
        [sys.executable, "-c", XET_UPLOAD, address, str(tmp_path / "weights")],
        env={**os.environ, **surroundings}, check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    hub.xet_names[hashlib.sha256(WEIGHTS).hexdigest()] = name
    before = len(hub.requests)
    done = fetch(lambda **r: worker(environment={"HF_HUB_DISABLE_XET": "0"}, **r))
    assert done["event"] == "done", done
    assert Path(done["path"], "model.safetensors").read_bytes() == WEIGHTS
    assert not [r for r in hub.requests[before:] if r.server == hub.storage.url]
    assert max(e["fraction"] or 0 for e in done["told"]) > 0.9


# Offline


@pytest.mark.parametrize("environment", [{}, {"HF_HUB_OFFLINE": "1"}], ids=["flag", "environment"])
def test_offline_takes_what_is_there(hub, worker, tiny, environment):
    done = fetch(worker)
    before = len(hub.requests)
    again = fetch(worker, environment=environment, **({} if environment else {"offline": True}))
    assert (again["path"], again["commit"], again["files"]) == (done["path"], done["commit"], done["files"])
    assert len(hub.requests) == before


def test_offline_with_a_cache_that_others_filled(hub, worker, tiny, surroundings):
    """Transformers fetches file by file, and no card."""
    code = (
        "import huggingface_hub as h; [h.hf_hub_download('org/tiny', f) for f in ('config.json', 'model.safetensors')]"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **surroundings}, check=True)
    assert fetched(fetch(worker, offline=True)) == {"config.json", "model.safetensors"}


def test_offline_without_it(hub, worker, tiny):
    assert "run once without --offline" in check_error(fetch(worker, offline=True))
    hub.faults.add("GET", "/tiny/[0-9a-f]{64}$", status=404, times=9)
    assert fetch(worker)["event"] == "error"  # the weights did not come, the rest did
    assert "only in part" in check_error(fetch(worker, offline=True))


# Who may read


def test_no_such_model(hub, worker):
    assert "hf auth login" in check_error(fetch(worker, "org/nothing"), "bad-input")
    message = check_error(fetch(worker, "org/nothing", token=TOKEN), "bad-input")
    assert "neither a folder here nor a model that this token may read" in message and "(404)" in message
    assert "owner/name" in check_error(fetch(worker, "a b"), "bad-input")


def test_private(hub, worker, tiny):
    tiny.readers = {"me"}
    assert "if it is private, run `hf auth login`" in check_error(fetch(worker), "bad-input")
    assert "this token may read" in check_error(fetch(worker, token=FOREIGN_TOKEN), "bad-input")
    assert fetch(worker, token=READ_TOKEN)["event"] == "done"


def test_gated(hub, worker, tiny):
    tiny.gated, tiny.granted = True, {"me"}
    message = check_error(fetch(worker))
    assert "gated, and no token is known here (401)" in message and f"{hub.url}/org/tiny, then run `hf auth" in message
    assert "gated, and this token has no access (403)" in check_error(fetch(worker, token=FOREIGN_TOKEN))
    assert fetch(worker, token=READ_TOKEN)["event"] == "done"


def test_token_that_nobody_knows(worker, tiny):
    assert "does not accept the token (401" in check_error(fetch(worker, token="hf_" + "x" * 34))


# What goes wrong on the way


def leftovers(surroundings):
    return [p for p in Path(surroundings["HF_HOME"]).rglob("*") if p.name.endswith(".incomplete")]


def test_broken_download_is_resumed(hub, worker, tiny):
    """The library keeps what came in pieces of 10 MiB."""
    weights = noise("large", 25 << 20)
    tiny.put({"model.safetensors": weights})
    hub.faults.add("GET", "/tiny/[0-9a-f]{64}$", cut=11 << 20, times=2)
    done = fetch(worker)
    assert Path(done["path"], "model.safetensors").read_bytes() == weights
    ranges = [r.headers.get("range") for r in hub.requests if r.server == hub.storage.url]
    assert ranges == [None, f"bytes={10 << 20}-", f"bytes={20 << 20}-"]


ENDPOINTS = [
    ("GET", "/api/models/org/tiny$"), ("GET", "/tree/"), ("HEAD", "/resolve/"), ("GET", "/resolve"), ("GET", "/tiny/[0-9a-f]{64}$"),
]  # fmt: skip


@pytest.mark.parametrize(
    "fault", [BUSY, BROKEN, {"cut": 50_000, "reset": True}, {"lost": True}], ids=["429", "500", "reset", "lost"]
)
def test_failures_that_pass(hub, worker, tiny, surroundings, fault):
    for method, pattern in ENDPOINTS:
        hub.faults.add(method, pattern, **fault)
    done = fetch(worker)
    assert done["event"] == "done", done
    assert fetched(done) == {*ALWAYS, "model.safetensors"} and not leftovers(surroundings)
    for path in fetched(done):
        assert Path(done["path"], path).read_bytes() == tiny.data(path)


@pytest.mark.parametrize("fault", [BUSY, BROKEN, {"cut": 0, "reset": True}], ids=["429", "500", "reset"])
@pytest.mark.parametrize("pattern", ["/api/models/org/tiny$", "/tiny/[0-9a-f]{64}$"], ids=["info", "large"])
def test_failures_that_stay(hub, worker, tiny, surroundings, waits, pattern, fault):
    hub.faults.add("GET", pattern, times=1000, **fault)
    check_error(fetch(worker))
    assert not leftovers(surroundings) and len(hub.seen("GET", pattern)) <= 18 and sum(waits()) < 120


@pytest.mark.parametrize("pattern", ["/tiny/[0-9a-f]{64}$", "/[0-9a-f]{40}/config.json"], ids=["large", "small"])
def test_damaged_download(hub, worker, tiny, surroundings, pattern):
    """Of the right length, with another byte in it."""
    hub.faults.add("GET", pattern, corrupt=True)
    message = check_error(fetch(worker))
    name = "config.json" if "config" in pattern else "model.safetensors"
    assert re.match(rf"org/tiny/{name}: arrived damaged, its hash is [0-9a-f]{{16}}…, the Hub says ", message)
    assert not list(Path(surroundings["HF_HOME"]).rglob(f"snapshots/*/{name}")) and not leftovers(surroundings)
    for blob in Path(surroundings["HF_HOME"]).rglob("blobs/*"):
        if len(blob.name) == 64:
            assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    assert fetch(worker)["event"] == "done"


def test_nobody_listens(worker, waits):
    message = check_error(fetch(lambda **r: worker(environment={"HF_ENDPOINT": "http://127.0.0.1:9"}, **r)))
    assert "the connection to http://127.0.0.1:9 failed" in message and sum(waits()) < 60


def test_nobody_listens_for_a_name_without_owner(worker):
    """More often a folder that was mistyped: told at once, the folder first."""
    ask = fetch(lambda **r: worker(environment={"HF_ENDPOINT": "http://127.0.0.1:9"}, **r), name="my-model")
    message = check_error(ask)
    assert message.startswith(
        "my-model: no such folder, and the Hub cannot be asked for a model of that name: the connection"
    )
    assert message.endswith("; check the path")
    assert "asking again" not in str(ask)


def test_silent_server(hub, worker, tiny):
    """Its silence ends after a second where that is the limit; after enough of it the fetch gives up."""
    environment = {"HF_HUB_DOWNLOAD_TIMEOUT": "1"}
    hub.faults.add("GET", "/tiny/[0-9a-f]{64}$", silent=30, times=2)
    done = fetch(lambda **r: worker(environment=environment, **r))
    assert done["event"] == "done" and "cannot be reached (ReadTimeout" in " ".join(e["text"] for e in done["told"])
