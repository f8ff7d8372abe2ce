#!/usr/bin/env python3
"""Change the sources wrongly, one change at a time, and see that a test turns red.

.venv/bin/python tools/mutate/mutate.py                 all changes of tools/mutate/mutations/*.toml
.venv/bin/python tools/mutate/mutate.py eps lower/ops   those whose name or file has one of these texts
.venv/bin/python tools/mutate/mutate.py --check         only: does every change still fit the sources?

A change is a table `[[mutation]]`: `file`, `what` (what is wrong then), `old` and `new` (text that stands in the file
once), and `tests`, the commands that must notice, quickest first: `cpp FOLDER` for the unit tests of src/FOLDER, else
pytest's arguments. The changes are made to a copy of the checkout in build/mutate, never to the checkout itself. Ends
with 1 when a change survives all of its tests.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import nanobind

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "build" / "mutate"
COPY = FOLDER / "checkout"
BUILD = COPY / "build" / "release"
TIMEOUT = 1200
PROGRAMS = ["crossload", "_engine", "lower_programs"]  # what pytest's tests run


def read_mutations():
    found = []
    for file in sorted((ROOT / "tools/mutate/mutations").glob("*.toml")):
        found += tomllib.loads(file.read_text())["mutation"]
    return found


def misfits(mutations):
    """A line for each change that no longer fits the sources."""
    lines = []
    for mutation in mutations:
        path = ROOT / mutation["file"]
        if not path.is_file():
            lines.append(f"{mutation['file']}: no such file; it is to be changed so: {mutation['what']}")
        elif (count := path.read_text().count(mutation["old"])) != 1:
            lines.append(f"{mutation['file']}: has `{mutation['old'].strip()}` {count} times; it must be there once")
        elif mutation["old"] == mutation["new"]:
            lines.append(f"{mutation['file']}: `{mutation['what']}` changes nothing")
    return lines


def environment():
    return os.environ | {
        "CROSSLOAD": str(BUILD / "crossload"),
        "CROSSLOAD_BUILD_DIR": str(BUILD),
        "CROSSLOAD_CACHE": str(FOLDER / "cache"),
        "CROSSLOAD_TENSORFLOW": str(tensorflow()),
        "CCACHE_BASEDIR": str(COPY),
        "CCACHE_NOHASHDIR": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def tensorflow():
    import importlib.util

    return Path(importlib.util.find_spec("tensorflow").origin).parent


def run(command, log):
    log.write(f"$ {shlex.join(map(str, command))}\n")
    log.flush()
    try:
        return subprocess.run(
            command, cwd=COPY, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=TIMEOUT
        ).returncode
    except subprocess.TimeoutExpired:
        return "timeout"


def prepare():
    """A built copy of the tracked and new files, with an interpreter that finds its package and our other packages."""
    listed = ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split("\0")
    wanted = {name for name in names if name and (ROOT / name).is_file()}
    for old in [p for p in COPY.rglob("*") if p.is_file() and not p.is_symlink()] if COPY.exists() else []:
        relative = old.relative_to(COPY)
        if relative.parts[0] not in ("build", ".venv") and str(relative) not in wanted:
            old.unlink()
    for name in wanted:
        source, target = ROOT / name, COPY / name
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    python = COPY / ".venv/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", COPY / ".venv"], check=True)
        ours = Path(next(p for p in sys.path if p.endswith("site-packages")))
        theirs = next((COPY / ".venv/lib").glob("python*/site-packages"))
        for package in ours.iterdir():
            if "crossload" not in package.name and package.name != "__pycache__":
                (theirs / package.name).symlink_to(package)
        (theirs / "crossload.pth").write_text(f"{COPY / 'python'}\n")
    with (FOLDER / "build.log").open("w") as log:
        configure = ["cmake", "-S", ".", "-B", BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release"]
        options = ["-DCROSSLOAD_TESTS=ON", "-DCROSSLOAD_PYTHON=ON", f"-DPython_EXECUTABLE={python}"]
        options.append(f"-Dnanobind_DIR={nanobind.cmake_dir()}")
        if run([*configure, *options], log) or run(["cmake", "--build", BUILD], log):
            sys.exit(f"error: the checkout does not build; see {FOLDER / 'build.log'}")
    engine = next(BUILD.glob("_engine*.so"))
    link = COPY / "python/crossload" / engine.name
    link.unlink(missing_ok=True)
    link.symlink_to(engine)
    return python


def test_command(test, python):
    kind, _, rest = test.partition(" ")
    if kind == "cpp":
        return ["ctest", "--test-dir", BUILD, "--no-tests=error", "-R", f"^{rest}$"], [f"test_{rest}"]
    return [python, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *shlex.split(test)], PROGRAMS


def outcome(mutation, python, log):
    """`killed by …`, `survived`, or why nothing could be said."""
    for test in mutation["tests"]:
        command, targets = test_command(test, python)
        if not mutation["file"].endswith(".py") and run(["cmake", "--build", BUILD, "--target", *targets], log):
            return "does not build"
        code = run(command, log)
        if "pytest" in command and code in (4, 5):
            return f"`{test}` selects no test"
        if code:
            return f"killed by {test}"
    return "survived"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("only", nargs="*", metavar="TEXT")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    mutations = read_mutations()
    lines = misfits(mutations)
    for line in lines:
        print(f"error: {line}")
    if lines or arguments.check:
        return 1 if lines else 0
    chosen = [
        m for m in mutations if not arguments.only or any(t in f"{m['file']} {m['what']}" for t in arguments.only)
    ]
    FOLDER.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    python = prepare()
    print(f"built in {time.monotonic() - begin:.0f} s; {len(chosen)} changes", flush=True)
    left = []
    with (FOLDER / "log.txt").open("w") as log:
        for mutation in chosen:
            begin, path = time.monotonic(), COPY / mutation["file"]
            right = path.read_text()
            path.write_text(right.replace(mutation["old"], mutation["new"]))
            try:
                log.write(f"\n=== {mutation['file']}: {mutation['what']}\n")
                seen = outcome(mutation, python, log)
            finally:
                path.write_text(right)
            mark = "✓" if seen.startswith("killed") else "✗"
            if mark == "✗":
                left.append(mutation)
            print(
                f"{mark} {mutation['file']}: {mutation['what']}: {seen} ({time.monotonic() - begin:.0f} s)", flush=True
            )
    print(f"{len(chosen) - len(left)} of {len(chosen)} wrong changes were noticed, {len(left)} survived")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
