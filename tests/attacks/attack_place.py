"""Where a run that must fail is started, and what it may not leave there."""

import subprocess
from pathlib import Path

import pytest

KINDS = {2: "bad-input", 3: "unsupported", 4: "environment", 130: "interrupted"}


def listing(folder):
    """Every path below a folder, with size and time of change of the files."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        stat = path.lstat()
        found[str(path.relative_to(folder))] = (stat.st_size, stat.st_mtime_ns) if path.is_file() else None
    return found


class Place:
    """A folder for one test, with OUT, TMPDIR and the trace cache in folders of their own, so that leftovers are found."""

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
