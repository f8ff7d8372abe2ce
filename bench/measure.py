"""Timing a process, watching its memory and what it starts, medians of ratios."""

import dataclasses
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import time

MIB = 1024 * 1024


@dataclasses.dataclass
class Run:
    """One finished process: wall and CPU seconds, its children's included, and the largest resident set among them.

    The kernel counts what this program had resident when it started the process, so small peaks are this program's own.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float
    output: str


@dataclasses.dataclass
class Memory:
    """Highest values seen while polling one process, in MiB; children are not in it."""

    peak_mib: float
    beyond_mapped_mib: float
    samples: int


@dataclasses.dataclass
class TreeMemory:
    """Highest values over a command and all processes that it starts, in MiB, sums of one moment; `processes`: beyond what
    is mapped of each program at that moment."""

    beyond_mapped_mib: float
    resident_mib: float
    processes: dict
    samples: int
    seconds: float
    output: str


@dataclasses.dataclass
class Ratio:
    """Median over rounds, with the extremes."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, numerators, denominators):
        ratios = [n / d for n, d in zip(numerators, denominators, strict=True)]
        return cls(statistics.median(ratios), min(ratios), max(ratios))

    def __str__(self):
        return f"{self.median:6.2f} ×   ({self.low:.2f} to {self.high:.2f})"


def run(command, env=None):
    """Runs a command to its end. Raises RuntimeError with what it wrote when it fails."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.perf_counter()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        output = out.read().decode(errors="replace")
        if child.returncode:
            text = (output + err.read().decode(errors="replace"))[-2000:]
            raise RuntimeError(f"`{' '.join(map(str, command))}` ended with {child.returncode}:\n{text}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


def in_turns(timed, kinds, rounds):
    """{kind: what `timed(kind)` returned in each round}; each round has all kinds, one after the other."""
    found = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            found[kind].append(timed(kind))
    return found


def watch_memory(command, env=None):
    """Runs a command and polls its /proc/PID/status twice a millisecond."""
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env
    )
    fields = re.compile(rb"(?:VmHWM|RssAnon|RssShmem):\s+(\d+) kB")
    peak = beyond_mapped = samples = 0
    status = os.open(f"/proc/{child.pid}/status", os.O_RDONLY)
    try:
        while child.poll() is None:
            found = fields.findall(os.pread(status, 4096, 0))
            if found:
                peak = max(peak, int(found[0]))
                beyond_mapped = max(beyond_mapped, sum(map(int, found[1:])))
                samples += 1
            time.sleep(0.0005)
    except ProcessLookupError:
        child.wait()
    finally:
        os.close(status)
    if child.returncode:
        raise RuntimeError(
            f"`{' '.join(map(str, command))}` ended with {child.returncode} while its memory was watched"
        )
    return Memory(peak / 1024, beyond_mapped / 1024, samples)


def watch_tree(command, env=None, interval=0.02):
    """Runs a command and polls its memory and that of its descendants. Raises RuntimeError when it ends with another code
    than 0 and 1, which is a mismatch."""
    with tempfile.TemporaryFile() as out:
        begin = time.perf_counter()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env)
        best, resident, samples = {}, 0, 0
        while child.poll() is None:
            now = memory_of_tree(child.pid)
            resident = max(resident, sum(map(sum, now.values())))
            if sum(own for own, _ in now.values()) > sum(best.values()):
                best = {name: own for name, (own, _) in now.items()}
            samples += 1
            time.sleep(interval)
        seconds = time.perf_counter() - begin
        out.seek(0)
        output = out.read().decode(errors="replace")
    if child.returncode not in (0, 1):
        raise RuntimeError(f"`{' '.join(map(str, command))}` ended with {child.returncode}:\n{output[-2000:]}")
    return TreeMemory(sum(best.values()), resident, best, samples, seconds, output)


def memory_of_tree(root):
    """{program: (MiB beyond what is mapped, MiB of mapped files)} of a process and its descendants."""
    children = {}
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = pathlib.Path("/proc", process, "stat").read_text()
        except OSError:
            continue  # it has ended
        children.setdefault(int(stat[stat.rindex(")") + 2 :].split()[1]), []).append(int(process))
    found, waiting = {}, [root]
    while waiting:
        process = waiting.pop()
        waiting += children.get(process, [])
        try:
            status = pathlib.Path(f"/proc/{process}/status").read_text()
        except OSError:
            continue
        fields = {name: int(kib) / 1024 for name, kib in re.findall(r"(Rss\w+):\s+(\d+) kB", status)}
        if fields:
            name = f"{re.match(r'Name:.(.*)', status)[1]} {process}"
            found[name] = (fields["RssAnon"] + fields["RssShmem"], fields["RssFile"])
    return found


def programs_started(command, env=None):
    """The programs that a command executes besides itself, by strace; None where strace is missing or not allowed."""
    if not shutil.which("strace"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        trace = pathlib.Path(folder, "trace")
        traced = ["strace", "-f", "-qq", "-e", "trace=execve,execveat", "-o", str(trace), *command]
        done = subprocess.run(traced, stdin=subprocess.DEVNULL, capture_output=True, env=env, check=False)
        lines = trace.read_text(errors="replace").splitlines() if trace.exists() else []
    if done.returncode or not lines:
        return None
    executed = [found[1] for line in lines if (found := re.search(r'execve(?:at)?\([^"]*"([^"]+)".*= 0$', line))]
    return executed[1:]
