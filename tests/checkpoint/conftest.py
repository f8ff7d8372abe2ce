"""`crossload weights` on files that PyTorch, safetensors and h5py wrote, and on damaged ones."""

import shutil
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(Path(__file__).parent), *(str(TESTS / name) for name in ("attacks", "models", "python"))]

from attack_place import mounted  # noqa: F401


@pytest.fixture
def place(tmp_path):
    from attack_place import Place

    return Place(tmp_path)


@pytest.fixture(scope="session")
def bert(tmp_path_factory):
    """A tiny BERT's folder, not to be changed."""
    import tiny_models

    return tiny_models.build("bert", "BertModel", tmp_path_factory.mktemp("bert"))


@pytest.fixture
def model(bert, tmp_path):
    """A tiny BERT's folder of the test's own."""
    return Path(shutil.copytree(bert, tmp_path / "model"))


@pytest.fixture(scope="session")
def weights(bert):
    """The tiny BERT's weights by name, as PyTorch reads them."""
    from safetensors.torch import load_file

    return load_file(bert / "model.safetensors")


@pytest.fixture(scope="session")
def tf_folder(bert, tmp_path_factory):
    """The tiny BERT for TensorFlow, in one file; not to be changed."""
    from crossload_command import run

    folder = tmp_path_factory.mktemp("tf") / "model"
    finished = run("weights", bert, folder, "--to", "h5")
    assert finished.code == 0, finished.err
    return folder


@pytest.fixture
def tf_model(tf_folder, tmp_path):
    """The same, of the test's own."""
    return Path(shutil.copytree(tf_folder, tmp_path / "tf-model"))
