#!/usr/bin/env python3
"""Write docs/cli.md and docs/ops.md from what the installed command says about itself.

.venv/bin/python tools/generated_docs.py            rewrite them
.venv/bin/python tools/generated_docs.py --check    exit 1 when one is stale
"""

import itertools
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMMAND = pathlib.Path(sys.executable).parent / "crossload"
NOTE = "<!-- Written by tools/generated_docs.py; `./dev bless` renews it. -->\n"


def said(*arguments):
    text = subprocess.run([COMMAND, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    # The usage line names the command by the path that it was started with.
    return "\n".join(line.rstrip() for line in text.stdout.replace(str(COMMAND), "crossload").splitlines()).strip()


def cli():
    overview = said("--help")
    listed = re.split(r"^subcommands:\n", overview, flags=re.IGNORECASE | re.MULTILINE)[1]
    parts = ["# The command line\n", NOTE, f"```\n{overview}\n```\n"]
    for name in re.findall(r"^  (\w[\w-]*)", listed, re.MULTILINE):
        parts.append(f"## {name}\n\n```\n{said(name, '--help')}\n```\n")
    return "\n".join(parts)


def ops():
    found = sorted(json.loads(said("ops", "--json"))["ops"], key=lambda op: (op["family"], op["op"]))
    parts = ["# Supported ATen operations\n", NOTE, f"{len(found)} operations, by the family that lowers them.\n"]
    for family, members in itertools.groupby(found, key=lambda op: op["family"]):
        parts.append(f"## {family}\n")
        parts.append("".join(f"- `{op['schema']}`\n" for op in members))
    parts.append(exactness())
    return "\n".join(parts)


def exactness():
    measured = json.loads((ROOT / "docs/figures.json").read_text())["exactness"]
    text = (
        "## How close to PyTorch\n\nFloat32, 18,432 elements, in units in the last place: the largest distance between "
        "TensorFlow and PyTorch, and\nof each to the truth (float64, rounded to float32). Differences between results "
        "that cancel count many units though they are\nsmall. Measured by `tests/ops/exactness.py --docs` on "
        f"{measured['where']}.\n\n"
        "| | equal elements | largest distance | PyTorch to the truth | TensorFlow to the truth |\n|---|---|---|---|---|\n"
    )
    for row in sorted(measured["rows"], key=lambda r: (r["apart"], -r["equal"], r["name"])):
        share = "all" if row["apart"] == 0 else f"{100 * row['equal']:.1f} %"
        text += f"| {row['name']} | {share} | {row['apart']} | {row['pytorch']} | {row['tensorflow']} |\n"
    return text


def main():
    wanted = {ROOT / "docs/cli.md": cli(), ROOT / "docs/ops.md": ops()}
    if "--check" not in sys.argv[1:]:
        for path, text in wanted.items():
            path.write_text(text)
        return 0
    stale = [p for p, text in wanted.items() if not p.exists() or p.read_text() != text]
    for path in stale:
        print(f"error: {path.relative_to(ROOT)}: not what the command says now; run `./dev bless`")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
