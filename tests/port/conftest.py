"""`crossload port` on tiny models of the installed Transformers 4; skipped without `.venv-tf4` (`./dev setup --tf4`)."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "python"))

SIZES = {
    "vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 37,
    "max_position_embeddings": 64,
}  # fmt: skip


@pytest.fixture(scope="session")
def tf4():
    named = os.environ.get("CROSSLOAD_TF4")
    interpreter = Path(named) if named else ROOT / ".venv-tf4/bin/python"
    if not interpreter.is_file():
        pytest.skip("no Transformers 4 with TensorFlow; `./dev setup --tf4` makes it")
    return interpreter


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """model_folder("bert", hidden_act="relu"): a folder with a small configuration and no weights."""

    def make(model_type, **changes):
        folder = tmp_path_factory.mktemp(model_type)
        (folder / "config.json").write_text(json.dumps({"model_type": model_type, **SIZES, **changes}))
        return folder

    return make


@pytest.fixture(scope="session")
def port(tf4):
    """port(model, folder, *flags): exit code, the JSON answer, standard error."""
    command = shutil.which("crossload", path=str(Path(sys.executable).parent)) or str(ROOT / "build/release/crossload")

    def run(model, folder, *flags):
        done = subprocess.run(
            [command, "port", str(model), str(folder), "--json", "-q", "--python", str(tf4), *flags],
            capture_output=True, text=True, check=False, env={**os.environ, "CROSSLOAD_TF4": str(tf4)},
        )  # fmt: skip
        return done.returncode, json.loads(done.stdout), done.stderr

    return run
