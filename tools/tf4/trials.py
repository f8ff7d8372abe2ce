"""What the judges of this folder share: the classes that they judge, and trials of one class each in processes of its own.

Each step of a trial runs in a process forked from one that has imported everything; a crash or a hang harms no other
class. Results are lines of a file, the last line on a class counts.
"""

import argparse
import collections
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import class_table
import tiny_configs

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import figures  # noqa: E402

SECONDS = 300  # for one class


def cases():
    """The cases that are judged: every class, and more configurations of some types."""
    for model_type, part, name in class_table.cases():
        yield {"type": model_type, "part": part, "class": name}
    for model_type, changes in tiny_configs.variants():
        for name in tiny_configs.model_types()[model_type]:
            yield {"type": model_type, "class": name, "changes": changes}
    for name in tiny_configs.model_types()["gpt-sw3"]:
        yield {"type": "gpt-sw3", "class": name}


def in_process(step, case, folder):
    """Runs a step in a forked process; what it returns, or {"error"}."""
    result = folder / f"{step.__name__}.json"
    process = os.fork()
    if process == 0:
        try:
            log = os.open(folder / f"{step.__name__}.log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            os.dup2(log, 1), os.dup2(log, 2)
            answer = step(case, folder)
        except BaseException as error:  # noqa: BLE001 (any failure is the case's)
            traceback.print_exc()
            frame = traceback.extract_tb(error.__traceback__)[-1]
            text = str(error).strip().splitlines() or [""]
            answer = {"error": f"{type(error).__name__}: {text[0][:200]} ({Path(frame.filename).name}:{frame.lineno})"}
        result.write_text(json.dumps(answer))
        sys.stdout.flush()
        os._exit(0)
    _, status = os.waitpid(process, 0)
    return json.loads(result.read_text()) if result.exists() else {"error": f"the process ended with {status}"}


def program():
    """The command; of several builds the newest."""
    if "CROSSLOAD_BUILD_DIR" in os.environ:
        return Path(os.environ["CROSSLOAD_BUILD_DIR"]) / "crossload"
    programs = sorted((ROOT / "build").glob("*/crossload"), key=lambda p: p.stat().st_mtime)
    if not programs:
        sys.exit("error: build/*/crossload: not built; run `./dev setup`")
    return programs[-1]


def key(case):
    """What tells cases apart, and their results."""
    return json.dumps([case["class"], case["type"], case.get("changes")], sort_keys=True)


def read_results(path):
    """{key: result}; a line that was cut short by an interruption is none."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            result = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[key(result)] = result
    return found


def cell(text):
    """A text as a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def counted(results):
    """{verdict: how many of the results have it}."""
    return collections.Counter(result["verdict"] for result in results)


class Trial:
    """A class that is being judged, in a process group of its own."""

    def __init__(self, judge, case, folder):
        self.case, self.folder, self.start = case, folder, time.monotonic()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.process = os.fork()
        if self.process == 0:
            os.setpgid(0, 0)
            try:
                verdict = judge(case, folder)
            except BaseException as error:  # noqa: BLE001 (the judge's own failure is a result, too)
                traceback.print_exc()
                verdict = {"failure": f"judge: {error!r}"}
            (folder / "verdict.json").write_text(json.dumps(verdict))
            sys.stdout.flush()
            os._exit(0)

    def result(self):
        """None while it runs."""
        seconds = time.monotonic() - self.start
        if os.waitpid(self.process, os.WNOHANG)[0] == 0:
            if seconds < SECONDS:
                return None
            os.killpg(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
        verdict = self.folder / "verdict.json"
        late = {"failure": f"no answer after {seconds:.0f} s"}
        found = json.loads(verdict.read_text()) if verdict.exists() else late
        return {**self.case, **found, "seconds": round(seconds, 1)}


def drive(judge, wanted, jobs, folder, keep):
    """Yields the result of each case as it comes."""
    waiting, running = list(reversed(wanted)), []
    while waiting or running:
        while waiting and len(running) < jobs:
            running.append(Trial(judge, waiting[-1], folder / f"{waiting[-1]['class']}.{len(waiting)}"))
            waiting.pop()
        time.sleep(0.05)
        for trial in list(running):
            if (result := trial.result()) is None:
                continue
            running.remove(trial)
            if not keep:
                shutil.rmtree(trial.folder)
            yield result


def run(options, judge, report):
    """Judges the cases that the options want; report: called with each result. All results, in the order of cases."""
    wanted = [s for s in cases() if not options.only or s["class"] in options.only or s["type"] in options.only]
    options.results.parent.mkdir(parents=True, exist_ok=True)
    if options.resume:
        known = read_results(options.results)
        wanted = [s for s in wanted if key(s) not in known]
    elif not options.only:
        options.results.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as temporary, open(options.results, "a") as file:
        for result in drive(judge, wanted, options.jobs, options.keep or Path(temporary), options.keep is not None):
            file.write(json.dumps(result) + "\n")
            file.flush()
            report(result)
    results = read_results(options.results)
    return [results[key(s)] for s in cases() if key(s) in results]


def main(judge, settled, page, description, results, docs):
    """The command line of a judge. settled: makes a finished result of one whose trial did not end; page: `line(result)`,
    `summary(results)` and `write(results, path)`; results: name of the file under build/tf4; docs: the page of --docs."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of classes or model types")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--resume", action="store_true", help="only what has no result yet")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the files of each class here")
    parser.add_argument("--docs", action="store_true", help=f"write {docs}")
    path = ROOT / "build/tf4" / results
    parser.add_argument("--results", type=Path, default=path, metavar="FILE", help=f"default: build/tf4/{results}")
    options = parser.parse_args()
    program()
    import_all()
    found = [settled(result) for result in run(options, judge, lambda r: print(page.line(settled(r)), flush=True))]
    print(page.summary(found))
    if options.docs:
        page.write(found, ROOT / docs)
        figures.write()


def import_all():
    """What children find loaded. Nothing that computes as it is imported (some models' modules do): TensorFlow's threads
    would be missing after a fork."""
    import torch
    import transformers
    from transformers import modeling_tf_utils, modeling_utils  # noqa: F401

    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
