"""Hostile and broken input: a clear error, the right exit code, nothing left behind."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "models"), str(HERE.parent / "python")]

from attack_place import mounted  # noqa: F401


@pytest.fixture
def place(tmp_path):
    from attack_place import Place

    return Place(tmp_path)


@pytest.fixture
def model(tiny, tmp_path):
    """A tiny BERT folder of the test's own."""
    return shutil.copytree(tiny("bert", "BertModel"), tmp_path / "model")


@pytest.fixture(scope="session")
def cached(tiny, tmp_path_factory):
    """A trace cache that holds the tiny BERT; copied where a test needs one."""
    from crossload_command import trace_cache

    return trace_cache(tiny("bert", "BertModel"), tmp_path_factory.mktemp("cached"))


@pytest.fixture
def with_cache(place, cached):
    """The place, with the tiny BERT in its cache: conversions need no tracing."""
    shutil.copytree(cached, place.cache, dirs_exist_ok=True)
    return place


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory):
    """An interpreter that has neither PyTorch nor TensorFlow nor this package."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def sources():
    """The folder that holds the Python package."""
    return HERE.parent.parent / "python"


@pytest.fixture(scope="session")
def tensorflow_folder():
    import importlib.util

    given = os.environ.get("CROSSLOAD_TENSORFLOW")
    return Path(given) if given else Path(importlib.util.find_spec("tensorflow").origin).parent
