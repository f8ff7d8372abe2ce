#!/usr/bin/env python3
"""The figures in README.md and docs/, each written from what a command printed.

.venv/bin/python tools/figures.py               write them into the documents
.venv/bin/python tools/figures.py --check       exit 1 when a document says something else
.venv/bin/python tools/figures.py --tour MODEL  run README's tour on a model folder first, and keep what it prints

A figure stands between `<!--figure NAME-->` and `<!--end-->`. Counts of model types come from docs/coverage.json (`./dev
zoo`), those of TensorFlow classes from the pages that tools/tf4 writes, ratios and printed text from docs/figures.json
(`./dev bench --docs`, `./dev tour`).
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORDS = ROOT / "docs/figures.json"
FIGURE = re.compile(r"<!--figure ([\w.-]+)-->(.*?)<!--end-->", re.S)
STAGE_ROWS = 12  # of the tour's table of stages; the rest is `…`

sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tools/zoo")]
import chromium  # noqa: E402
import coverage  # noqa: E402


def records():
    return json.loads(RECORDS.read_text()) if RECORDS.exists() else {}


def record(name, value):
    """Keeps what a command measured or printed, for the documents; `write` puts it there."""
    RECORDS.write_text(json.dumps(records() | {name: value}, indent=1, sort_keys=True) + "\n")


# ---------------------------------------------------------------------------------------------------- figures


def zoo(entries):
    c = coverage.counts(entries)
    exact, good = c["verified"], c["verified"] + c["within_noise"]
    percent = lambda n: f"{100 * n / c['exported']:.1f} %"  # noqa: E731
    converted = "all of them convert" if c["converted"] == c["exported"] else f"{c['converted']} of them convert"
    return (
        f"{c['subjects']}: {c['exported']} export with PyTorch, {converted}, {exact} ({percent(exact)}) are `verified`, "
        f"{good} ({percent(good)}) or within noise, {c['dynamic']} with dynamic axes"
    )


def line_of(page, pattern):
    found = re.search(pattern, (ROOT / page).read_text(), re.M)
    if not found:
        raise LookupError(f"{page}: no line `{pattern}`")
    return found.groups()


def weights_judged():
    tried, classes = line_of("docs/weights.md", r"^(\d+) configurations of (\d+) classes were tried")
    (to_tf,) = line_of("docs/weights.md", r"^To TensorFlow (\d+) passed")
    (to_pt,) = line_of("docs/weights.md", r"^To PyTorch (\d+) passed")
    return f"of {tried} configurations of {classes} classes, judged by the real classes, {to_tf} pass to TensorFlow and {to_pt} back"


def pt_to_tf_judged():
    tried, counts = line_of("docs/pt_to_tf_classes.md", r"^(\d+) of \d+ configurations were tried: (.*)\.$")
    numbers = {kind: int(n) for n, kind in (part.split(" ") for part in counts.split(", "))}
    text = f"of {tried} tiny configurations of its classes {numbers.pop('verified')} pass"
    words = {
        "bad-input": "{} are refused (hidden states alone, or inputs that cannot be made up)",
        "mismatch": "{} differ by faults of the classes",
    }
    return ", ".join([text, *(words.get(kind, "{} " + kind).format(n) for kind, n in numbers.items())])


def ratio(found):
    return f"{found['median']:.2f} ({found['low']:.2f} to {found['high']:.2f})"


def bench_table(bench):
    """README's table, of the parts that were measured."""
    rows = ["| | against | ratio |", "|---|---|---|"]
    if found := bench.get("conversion"):
        rows += [
            "| conversion with a cached trace, `--no-verify` | `cp` of the weights file | "
            f"{ratio(found['cached_against_cp'])}, {found['cached_beyond_mapped_mib']:.0f} MiB of memory beyond what is mapped |",
            f"| conversion with nothing cached | the same | {ratio(found['cold_against_cp'])} |",
        ]
    for shape, numbers in bench.get("inference", {}).get("shapes", {}).items():
        rows.append(
            f"| inference of the SavedModel, {shape} tokens | eager PyTorch | "
            f"{ratio(numbers['against_pytorch']['signature'])} of its time |"
        )
    if found := bench.get("weights"):
        to_h5, back = found["to_h5"], found["to_safetensors"]
        beyond = max(to_h5["beyond_mapped_mib"], back["beyond_mapped_mib"])
        rows.append(
            f"| `weights` of {to_h5['mib'] / 1024:.2f} GiB to `tf_model.h5`, and back | `cp` of the file | "
            f"{ratio(to_h5['against_cp'])}, {ratio(back['against_cp'])}; {beyond:.0f} MiB beyond what is mapped |"
        )
    return "\n" + "\n".join(rows) + f"\n\n({bench['machine']})\n"


def noise_table(noise):
    lines = ["| | wrong | of | |", "|---|---|---|---|"]
    for kind, (wrong, tried) in noise["rates"].items():
        lines.append(f"| {kind} | {wrong} | {tried} | {100 * wrong / tried:.2f} % |")
    return "\n" + "\n".join(lines) + f"\n\n({noise['models']} tiny models)\n"


def console(commands):
    """What was typed and what came, as a fenced block."""
    return "\n```\n" + "\n".join(f"$ {c['command']}\n{c['printed']}" for c in commands) + "\n```\n"


def figures():
    """{name: text} of every figure that there is a record of."""
    entries = json.loads((ROOT / "docs/coverage.json").read_text())
    found = {
        "zoo.types": zoo(coverage.base_models(entries)),
        "zoo.heads": zoo(coverage.task_classes(entries)),
        "weights.judged": weights_judged(),
        "pt-to-tf.judged": pt_to_tf_judged(),
    }
    kept = records()
    if "bench" in kept:
        found["bench"] = bench_table(kept["bench"])
    if "noise" in kept:
        found["noise"] = noise_table(kept["noise"])
    found |= {f"tour.{name}": console(commands) for name, commands in kept.get("tour", {}).items()}
    return found


# ---------------------------------------------------------------------------------------------------- the tour


def printed(command, folder, environment):
    run = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit code {run.returncode}\n{run.stderr}")
    return "\n".join(line.rstrip() for line in run.stdout.strip("\n").splitlines())


def with_few_stages(text):
    lines = text.splitlines()
    begin = next((i for i, line in enumerate(lines) if line == "Stages"), None)
    if begin is None:
        return text
    end = next((i for i in range(begin, len(lines)) if lines[i] == ""), len(lines))
    end = next((i for i in range(begin, end) if lines[i].startswith("trace ")), end)
    first = begin + 3
    if end - first <= STAGE_ROWS:
        return text
    return "\n".join([*lines[: first + STAGE_ROWS], "      …", *lines[end:]])


def picture_of_report(model, folder, environment):
    """README's picture: the report of a conversion whose model has another activation now."""
    changed = folder / "all-MiniLM-L6-v2-changed"
    shutil.copytree(model, changed)
    config = json.loads((changed / "config.json").read_text())
    (changed / "config.json").write_text(json.dumps(config | {"hidden_act": "gelu_new"}))
    command = ["crossload", "verify", changed.name, "minilm", "-q"]
    run = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if run.returncode != 1:
        raise RuntimeError(f"{' '.join(command)}: exit code {run.returncode}, a mismatch is 1\n{run.stderr}")
    with chromium.Browser() as browser:
        browser.open(folder / "minilm/report.html", 1000)
        # The place on this machine is nobody's business.
        place = json.dumps(str((folder / "minilm").resolve()))
        browser.run(
            f"(e => {{ e.textContent = e.textContent.replace({place}, 'minilm') }})(document.querySelector('.command'))"
        )
        browser.picture(ROOT / "docs/report.png", 1530)


def tour(model):
    """Runs what README and docs/pt_to_tf.md show, and renews docs/report.png, in a folder of its own, on the model under its usual name."""
    folder = ROOT / "build/tour"
    subprocess.run(["rm", "-rf", folder], check=True)
    folder.mkdir(parents=True)
    name = "all-MiniLM-L6-v2"
    (folder / name).symlink_to(Path(model).resolve())
    bin_folder = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{bin_folder}:{os.environ['PATH']}", "TF_CPP_MIN_LOG_LEVEL": "3", "HF_HUB_OFFLINE": "1",
        "CROSSLOAD_CACHE": str(folder / "cache"),
    }  # fmt: skip

    def shown(*command):
        return {"command": " ".join(command), "printed": printed(command, folder, environment)}

    found = {"convert": [shown("crossload", "convert", name, "minilm")]}
    found["convert"][0]["printed"] = with_few_stages(found["convert"][0]["printed"])
    embedding = printed([sys.executable, ROOT / "tools/demo_embedding.py", name, "minilm"], folder, environment)
    found["embedding"] = [{"command": f".venv/bin/python tools/demo_embedding.py {name} minilm", "printed": embedding}]
    found["weights"] = [
        shown("crossload", "weights", name, "for-tf4"),
        shown("crossload", "weights", "for-tf4", "for-pytorch"),
    ]
    found["check"] = [shown("crossload", "check", name)]
    if (ROOT / ".venv-tf4/bin/python").exists():
        arguments = ("--model-name", name, "--local-dir", "minilm-tf", "--no-pr")
        found["pt-to-tf"] = [shown("crossload", "pt-to-tf", *arguments)]
    if chromium.program() is not None:
        picture_of_report(model, folder, environment)
    record("tour", records().get("tour", {}) | found)


# ---------------------------------------------------------------------------------------------------- documents


def documents():
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def renewed(text, found, complain):
    def figure(match):
        name = match.group(1)
        if name not in found:
            complain(f"no command has recorded the figure `{name}`")
            return match.group(0)
        return f"<!--figure {name}-->{found[name]}<!--end-->"

    return FIGURE.sub(figure, text)


def write(check=False):
    """Puts every figure into the documents, or with `check` says which are stale. True when all is well."""
    found, complaints = figures(), []
    for path in documents():
        text = path.read_text()
        after = renewed(text, found, lambda what, path=path: complaints.append(f"{path.relative_to(ROOT)}: {what}"))
        if after == text:
            continue
        if check:
            stale = [m.group(1) for m in FIGURE.finditer(text) if m.group(0) not in after]
            complaints.append(f"{path.relative_to(ROOT)}: stale: {', '.join(stale)}; run tools/figures.py")
        else:
            path.write_text(after)
    for complaint in complaints:
        print(f"error: {complaint}")
    return not complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--tour", metavar="MODEL")
    options = parser.parse_args()
    if options.tour:
        tour(options.tour)
    return 0 if write(options.check) else 1


if __name__ == "__main__":
    sys.exit(main())
