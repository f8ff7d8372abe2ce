#!/usr/bin/env python3
"""Print how fast crossload is, as ratios measured side by side in one run. `./dev bench` calls it."""

import argparse
import json
import os
import pathlib
import platform
import shutil
import sys

import conversion
import inference
import verification
import weights

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import figures  # noqa: E402

PARTS = {"conversion": conversion, "inference": inference, "verification": verification, "weights": weights}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--command", type=pathlib.Path, required=True, help="the crossload command to measure")
    parser.add_argument("--model", type=pathlib.Path, required=True, help="a folder with model.safetensors")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each comparison, at least 5; default 9")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores")
    parser.add_argument("--only", choices=PARTS, help="one part of it")
    parser.add_argument("--giant", action="store_true", help="verification of 4.4 GB of weights; takes 10 GB of disk")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    parser.add_argument("--docs", action="store_true", help="renew the ratios in README.md")
    options = parser.parse_args()
    if options.rounds < 5:
        parser.error("fewer than 5 rounds say nothing")

    folder = ROOT / "build/bench"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    load = os.getloadavg()[0]
    found = {"machine": f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}", "load": load}
    try:
        if options.only == "inference":
            conversion.run([options.command, "convert", options.model, folder / "out", "--no-verify"])
        if options.only in (None, "conversion"):
            found["conversion"] = conversion.measure(options.command, options.model, folder, options.rounds)
        if options.only in (None, "inference"):
            found["inference"] = inference.measure(options.model, folder / "out", options.rounds, options.threads)
        if options.only in (None, "verification"):
            kind = "giant" if options.giant else "large"
            found["verification"] = verification.measure(options.command, folder, kind)
        if options.only in (None, "weights"):
            found["weights"] = weights.measure(options.command, folder, options.rounds)
    except RuntimeError as error:
        print(f"error: bench: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)

    if options.docs:
        kept = figures.records().get("bench", {})
        figures.record(
            "bench", kept | {"machine": found["machine"]} | {part: found[part] for part in PARTS if part in found}
        )
        figures.write()
    if options.json:
        print(json.dumps(found, indent=2))
        return 0
    print(f"\n{found['machine']}")
    if found["load"] > 0.5 * (os.cpu_count() or 1):
        print("other programs were running when this began: do not trust these ratios, least of all PyTorch's times")
    for part, module in PARTS.items():
        if part in found:
            print(f"\n{module.table(found[part])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
