"""`crossload verify --against`: TensorFlow models that somebody wrote, with and without faults.

`./dev setup --tf4` makes `.venv-tf4`; tests with the fixture `tf4` are skipped without it.
"""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
ROOT = TESTS.parent
sys.path[:0] = [str(Path(__file__).parent), str(TESTS / "models"), str(TESTS / "python"), str(ROOT / "python")]

# Before anything imports TensorFlow.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture(scope="session", autouse=True)
def surroundings(native_module):
    pass


@pytest.fixture(scope="session")
def tf4():
    """The interpreter of Transformers 4."""
    python = Path(os.environ.get("CROSSLOAD_TF4") or ROOT / ".venv-tf4/bin/python")
    if not python.is_file():
        pytest.skip("no `.venv-tf4`, the Transformers that had TensorFlow; `./dev setup --tf4` makes it")
    return python


@pytest.fixture(scope="session")
def verify(tmp_path_factory):
    """verify(model, target, *flags) -> Finished: `crossload verify MODEL --against TARGET --json`."""
    from crossload_command import run

    cache = tmp_path_factory.mktemp("cache")

    def against(model, target, *flags):
        settings = {"CROSSLOAD_CACHE": str(cache)}
        return run("verify", model, "--against", target, "--json", "-q", *flags, environment=settings, timeout=600)

    return against


@pytest.fixture(scope="session")
def source_of(tf4):
    """source_of("bert"): the text of modeling_tf_bert.py of Transformers 4."""
    packages = next((tf4.parent.parent / "lib").glob("python3*/site-packages"))

    def text(model_type):
        return (packages / f"transformers/models/{model_type}/modeling_tf_{model_type}.py").read_text()

    return text


@pytest.fixture(scope="session")
def keras():
    """Keras 3 with TensorFlow."""
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("no TensorFlow")
    return pytest.importorskip("keras")
