"""Hostile and broken input: a clear error, the right exit code, nothing left behind."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "models"), str(HERE.parent / "python")]

KINDS = {2: "bad-input", 3: "unsupported", 4: "environment", 130: "interrupted"}


def listing(folder):
    """Every path below a folder, with size and time of change of the files."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        stat = path.lstat()
        found[str(path.relative_to(folder))] = (stat.st_size, stat.st_mtime_ns) if path.is_file() else None
    return found


class Place:
    """A folder for one test: model folders, OUT, TMPDIR and the trace cache lie apart, and what a run leaves is seen."""

    def __init__(self, root):
        self.root = root
        self.results, self.temporary, self.cache = root / "results", root / "tmp", root / "cache"
        for folder in (self.results, self.temporary, self.cache):
            folder.mkdir()
        self.out = self.results / "out"
        self.environment = {"TMPDIR": str(self.temporary), "CROSSLOAD_CACHE": str(self.cache)}

    def run(self, *arguments, environment=None, **options):
        from crossload_command import run

        return run(*arguments, environment={**self.environment, **(environment or {})}, **options)

    def start(self, *arguments, environment=None):
        from crossload_command import start

        return start(*arguments, environment={**self.environment, **(environment or {})})

    def refused(self, *arguments, code, seen, environment=None):
        """Run a command that must fail: exit code, form of the error, a word of it, nothing left, the same as JSON."""
        before = listing(self.results)
        finished = self.run(*arguments, environment=environment)
        assert finished.code == code, finished.out + finished.err
        for word in [seen] if isinstance(seen, str) else seen:
            assert word in finished.error, finished.error
        assert finished.out == ""
        self.check_nothing_left(before)
        return finished

    def refused_convert(self, model, *arguments, **options):
        return self.refused("convert", model, self.out, *arguments, **options)

    def check_nothing_left(self, before=None):
        """Results as before, no file of ours in TMPDIR, no half-made trace."""
        assert listing(self.results) == (before or {})
        assert listing(self.temporary) == {}
        assert not [p for p in (self.cache / "traces").glob("*") if p.name.startswith(".")]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


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


@pytest.fixture
def model(tiny, tmp_path):
    """A tiny BERT folder of the test's own."""
    return shutil.copytree(tiny("bert", "BertModel"), tmp_path / "model")


@pytest.fixture(scope="session")
def cached(tiny, tmp_path_factory):
    """A trace cache that holds the tiny BERT; copied where a test needs one."""
    from crossload_command import run

    folder = tmp_path_factory.mktemp("cached")
    environment = {"CROSSLOAD_CACHE": str(folder / "cache")}
    finished = run("convert", tiny("bert", "BertModel"), folder / "out", "--no-verify", environment=environment)
    assert finished.code == 0, finished.err
    return folder / "cache"


@pytest.fixture
def with_cache(place, cached):
    """The place, with the tiny BERT in its cache: conversions need no tracing."""
    shutil.copytree(cached, place.cache, dirs_exist_ok=True)
    return place


@pytest.fixture
def mounted(tmp_path):
    """mounted(options) -> a folder on a file system of its own; skips where that is not allowed."""
    folders = []

    def mount(options):
        folder = tmp_path / f"mounted-{len(folders)}"
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True, check=False
        )
        if done.returncode != 0:
            pytest.skip("mounting is not allowed here")
        folders.append(folder)
        return folder

    yield mount
    for folder in folders:
        subprocess.run(["umount", "-l", str(folder)], check=False)


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
