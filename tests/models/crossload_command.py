"""Runs the `crossload` command as a user would.

The command is `$CROSSLOAD`, else the one beside this interpreter. `worker_environment()` is what it needs to find the
package and a cache of its own.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

BESIDE = Path(sys.executable).with_name("crossload")
BINARY = os.environ.get("CROSSLOAD") or str(BESIDE)
# A binary of a build folder has no interpreter beside it.
PYTHON = [] if BINARY == str(BESIDE) else ["--python", sys.executable]

# `<where>: <what was seen>`, lower case apart from names; no full stop at its end
ERROR_LINE = re.compile(r"error: .+?: .*[^.]\Z")


@dataclass
class Finished:
    """code: exit code; out, err: what was printed."""

    code: int
    out: str
    err: str

    @property
    def document(self):
        """The one JSON document of `--json`; fails when standard output holds anything else."""
        return json.loads(self.out)

    @property
    def error(self):
        """The line that starts with `error:`, checked for its form; its details are the lines below."""
        lines = self.err.split("\n")
        at = [i for i, line in enumerate(lines) if line.startswith("error: ")]
        assert len(at) == 1, self.err
        line = lines[at[0]]
        assert ERROR_LINE.match(line), line
        # lower case: a sentence never starts with a capital (names and formulas may)
        assert not re.match(r"(The|A|An|No|Cannot|This|It)\b", line.split(": ", 2)[2]), line
        assert all(c.isprintable() for c in line), ascii(line)
        return line

    @property
    def details(self):
        lines = self.err.splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("error: "))
        return [line.strip() for line in lines[at + 1 :]]


def start(*arguments, environment=None, **options):
    """The command as a process; keyword `environment` is added to ours."""
    return subprocess.Popen(
        [BINARY, *map(str, arguments), *(PYTHON if "--python" not in arguments else [])],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **(environment or {})}, **options,
    )  # fmt: skip


def run(*arguments, environment=None, timeout=300, **options):
    """Run the command to its end."""
    process = start(*arguments, environment=environment, **options)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        told = f"`crossload {' '.join(map(str, arguments))}` took over {timeout} s\n{decoded(out)}\n{decoded(err)}"
        raise AssertionError(told) from None
    return Finished(process.returncode, decoded(out), decoded(err))


def trace_cache(model, folder):
    """A trace cache below `folder` that holds a model's trace."""
    cache = folder / "cache"
    finished = run("convert", model, folder / "out", "--no-verify", environment={"CROSSLOAD_CACHE": str(cache)})
    assert finished.code == 0, finished.err
    return cache


def decoded(printed):
    """What was printed, line ends as they are."""
    return printed.decode("utf-8", "surrogateescape")


def children_of(pid):
    """Process ids of the processes that `pid` started and that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended meanwhile
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
