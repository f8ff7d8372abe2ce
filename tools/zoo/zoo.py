"""`./dev zoo`: converts a tiny model of every model type that Transformers has, compares it, and writes docs/coverage.*.

    --only NAME…   these model types
    --heads        task classes as well (one for every auto class that a type is in)
    --heads-only   task classes alone; the documents keep what they say of base models, and the other way round
    --jobs N       workers at a time (default: the number of processors)
    --resume       keep what an earlier run that was cut short has found
    --patience X   multiplies all time limits, for a machine that is busy with other things
    --no-docs      do not write docs/coverage.md and docs/coverage.json

A worker that crashes or hangs (over --timeout seconds) costs its own subject only. Results come to
build/zoo/results.jsonl one by one.
"""

import argparse
import json
import os
import queue
import select
import subprocess
import sys
import threading
import time
from pathlib import Path

import coverage

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

import figures  # noqa: E402

SUBJECTS_A_WORKER = 40  # then it starts anew: Transformers' modules and TensorFlow's sessions pile up


class Worker:
    """A process that converts one subject at a time."""

    def __init__(self, log, patience=1):
        self.log, self.patience, self.process, self.done = log, patience, None, 0

    def convert(self, job, timeout):
        if self.process is None or self.process.poll() is not None or self.done >= SUBJECTS_A_WORKER:
            self.stop()
            self.process = subprocess.Popen(
                [sys.executable, HERE / "worker.py", str(self.patience)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", "CROSSLOAD_CACHE": str(ROOT / "build/zoo/cache")},
            )  # fmt: skip
            self.done = 0
        self.done += 1
        start = time.time()
        try:
            self.process.stdin.write(json.dumps(job).encode() + b"\n")
            self.process.stdin.flush()
            line = self.answer(start + timeout)
        except BrokenPipeError:
            line = b""
        entry = {"type": job["type"], "class": job.get("class"), "step": "unfinished", "verdict": None}
        seconds = round(time.time() - start, 1)
        if line is None:
            self.stop()
            return {**entry, "reason": f"no answer in {timeout} s", "seconds": seconds}
        if not line:
            code = self.process.wait()
            self.stop()
            return {**entry, "reason": f"the process died with {code}", "seconds": seconds}
        return json.loads(line)

    def answer(self, until):
        """A line, b"" at the end of the process, None when it takes too long."""
        pipe, line = self.process.stdout.fileno(), b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([pipe], [], [], max(0, until - time.time()))
            if not ready:
                return None
            part = os.read(pipe, 1 << 16)
            if not part:
                return b""
            line += part
        return line

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def run(jobs, options, results):
    """Converts all jobs; each entry goes to `results` (a file) as soon as it is there."""
    waiting, lock, entries = queue.SimpleQueue(), threading.Lock(), []
    for job in jobs:
        waiting.put(job)
    start = time.time()

    def work(number):
        with open(ROOT / f"build/zoo/worker-{number}.log", "w") as log:
            worker = Worker(log, options.patience)
            while True:
                try:
                    job = waiting.get_nowait()
                except queue.Empty:
                    break
                entry = worker.convert(job, options.timeout * options.patience)
                entry["key"] = key_of(job)
                with lock:
                    entries.append(entry)
                    results.write(json.dumps(entry) + "\n")
                    results.flush()
                    tell(entry, len(entries), len(jobs), time.time() - start)
            worker.stop()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(options.jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return entries


def key_of(job):
    return f"{job['type']}/{job.get('class') or ''}"


def tell(entry, done, count, seconds):
    state = (
        entry["verdict"]
        or {"unbuilt": "unbuilt", "unfinished": "not finished", "built": "not exported", "exported": "not converted"}[
            entry["step"]
        ]
    )
    error = f" {entry['max_error']:.1e}" if isinstance(entry.get("max_error"), float) else ""
    why = "" if entry["verdict"] == "verified" else f"  {(entry.get('reason') or '')[:150]}"
    name = entry["type"] + (f" {entry['class']}" if entry.get("class") else "")
    print(f"[{done}/{count} {seconds:5.0f} s] {state:13}{error:9} {name} {entry.get('seconds')} s{why}", flush=True)


def results_in(path):
    """The entries of a results file; a last line that a killed run left unfinished is cut off the file."""
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        os.truncate(path, len(whole.encode()))
    return [json.loads(line) for line in whole.splitlines()]


def jobs_for(options):
    import classes

    types = options.only or classes.model_types()
    unknown = sorted(set(types) - set(classes.model_types()))
    if unknown:
        sys.exit(f"error: zoo: `{unknown[0]}` is no model type of this Transformers")
    jobs = [] if options.heads_only else [{"type": t, "class": None} for t in types]
    if options.heads or options.heads_only:
        seen = set()
        for model_type in types:
            for model_class in classes.head_classes(model_type):
                if model_class not in seen:
                    seen.add(model_class)
                    jobs.append({"type": model_type, "class": model_class.__name__})
    return jobs


def main():
    parser = argparse.ArgumentParser(prog="./dev zoo", description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--heads", action="store_true")
    parser.add_argument("--heads-only", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("--patience", type=float, default=1)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--no-docs", action="store_true")
    options = parser.parse_args()
    folder = ROOT / "build/zoo"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.jsonl"
    kept = []
    if options.resume and path.exists():
        kept = results_in(path)
    jobs = jobs_for(options)
    wanted = {key_of(job) for job in jobs}
    kept = list({e["key"]: e for e in kept if e["key"] in wanted}.values())
    have = {e["key"] for e in kept}
    with open(path, "a" if options.resume else "w") as results:
        entries = kept + run([j for j in jobs if key_of(j) not in have], options, results)
    print(coverage.summary(entries))
    if not options.no_docs and not options.only:
        coverage.write(entries, ROOT / "docs")
        figures.write()


if __name__ == "__main__":
    main()
