#!/usr/bin/env python3
"""Add up the JUnit files of all test tiers; the last line printed is `N passed, N failed`.

    tools/test_summary.py build/test

Prints one line a tier. A ctest entry stands for a whole doctest program and counts as many cases as the program
reports; one that reports nothing has crashed and counts as one failure. So does a tier whose file is empty or broken,
and a file named `<tier>.failed`, which says that the tier ended without one. Exit code 1 when anything failed.
"""

import pathlib
import re
import sys
from xml.etree import ElementTree

DOCTEST = re.compile(r"test cases:\s*(\d+) \|\s*(\d+) passed \|\s*(\d+) failed(?: \|\s*(\d+) skipped)?")


def of_doctest_program(case):
    """(passed, failed, skipped) of one ctest entry."""
    if case.get("status") in ("disabled", "notrun"):
        return 0, 0, 1
    failed_as_a_whole = case.get("status") == "fail" or case.find("failure") is not None
    found = DOCTEST.search(case.findtext("system-out") or "")
    if not found:
        return (0, 1, 0) if failed_as_a_whole else (1, 0, 0)
    _, passed, failed, skipped = (int(n or 0) for n in found.groups())
    return passed, max(failed, int(failed_as_a_whole)), skipped


def of_pytest_case(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return 0, 1, 0
    return (0, 0, 1) if case.find("skipped") is not None else (1, 0, 0)


def counts(file):
    if file.suffix == ".failed":
        return 0, 1, 0
    try:
        root = ElementTree.parse(file).getroot()
    except ElementTree.ParseError:
        return 0, 1, 0
    of_case = of_doctest_program if re.match(r"cpp\b", file.stem) else of_pytest_case
    return tuple(map(sum, zip((0, 0, 0), *map(of_case, root.iter("testcase")), strict=True)))


def line(passed, failed, skipped):
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def main():
    files = sorted(p for p in pathlib.Path(sys.argv[1]).iterdir() if p.suffix in (".xml", ".failed"))
    tiers = {file.name: counts(file) for file in files}
    print()
    for name, numbers in tiers.items():
        print(f"  {name.rsplit('.', 1)[0]:<12} {line(*numbers)}")
    total = tuple(map(sum, zip((0, 0, 0), *tiers.values(), strict=True)))
    print(line(*total), flush=True)
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
