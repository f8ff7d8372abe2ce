"""`crossload pt-to-tf` on tiny models: with our SavedModel as the judge, and with `.venv-tf4` where that is there.

`./dev setup --tf4` makes `.venv-tf4`; tests with the fixture `tf4` are skipped without it.
"""

import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(Path(__file__).parent), *(str(TESTS / name) for name in ("hub", "models", "python"))]
sys.path.insert(0, str(TESTS.parent / "python"))

_spec = importlib.util.spec_from_file_location("hub_fixtures", TESTS / "hub/conftest.py")
hub_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hub_fixtures)
sys.modules["hub_fixtures"] = hub_fixtures
hub = hub_fixtures.hub
surroundings_of_hub = hub_fixtures.surroundings

BERT = "BertForSequenceClassification"


@pytest.fixture(scope="session")
def traces(tmp_path_factory):
    """The trace cache of the session."""
    return tmp_path_factory.mktemp("traces")


@pytest.fixture
def surroundings(surroundings_of_hub, traces):
    return {**surroundings_of_hub, "CROSSLOAD_CACHE": str(traces)}


@pytest.fixture
def command(surroundings):
    """command(*arguments) -> Finished: `crossload pt-to-tf` with our SavedModel as the judge, whatever lies around."""
    from crossload_command import run

    def pt_to_tf(*arguments, environment=None, **options):
        settings = {**surroundings, "CROSSLOAD_TF4": "", **(environment or {})}
        return run("pt-to-tf", *arguments, environment=settings, **options)

    return pt_to_tf


@pytest.fixture(scope="session")
def tf4():
    """The interpreter of Transformers 4."""
    python = Path(os.environ.get("CROSSLOAD_TF4") or TESTS.parent / ".venv-tf4/bin/python")
    if not python.is_file():
        pytest.skip("no `.venv-tf4`, the Transformers that had TensorFlow; `./dev setup --tf4` makes it")
    return python


@pytest.fixture
def judged(command, tf4):
    """The same as `command` with the TensorFlow class of Transformers 4 as the judge."""
    return lambda *arguments, **options: command(*arguments, environment={"CROSSLOAD_TF4": str(tf4)}, **options)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """tiny(class name) -> model folder, built once a session; not to be changed."""
    import class_models

    built = {}

    def folder(name):
        if name not in built:
            built[name] = class_models.build(name, tmp_path_factory.mktemp(name) / "model")
        return built[name]

    return folder


@pytest.fixture
def own(tiny, tmp_path):
    """own(class name, **changes of the configuration) -> model folder of the test's own; None removes a key."""

    def folder(name, **changes):
        copy = Path(shutil.copytree(tiny(name), tmp_path / "model"))
        config = json.loads((copy / "config.json").read_text()) | changes
        config = {key: value for key, value in config.items() if value is not None}
        (copy / "config.json").write_text(json.dumps(config))
        return copy

    return folder


@pytest.fixture
def weights():
    """weights(folder): a tf_model.h5 beside its PyTorch weights, by `crossload weights`."""
    from crossload_command import run

    def make(folder):
        finished = run("weights", folder, folder / "tf_model.h5", "--to", "h5")
        assert finished.code == 0, finished.err

    return make


@pytest.fixture
def spoil():
    """spoil(folder): one weight of its tf_model.h5 becomes another one."""
    import h5py

    def change(folder):
        with h5py.File(folder / "tf_model.h5", "r+") as file:
            found = []
            file.visititems(lambda name, item: found.append(name) if name.endswith("query/kernel:0") else None)
            file[found[0]][0, 0] += 1

    return change
