"""What the zoo found, as docs/coverage.json and docs/coverage.md."""

import json


def is_exported(entry):
    return entry["step"] in ("exported", "converted")


def counts(entries):
    built = [e for e in entries if e["step"] != "unbuilt"]
    exported = [e for e in built if is_exported(e)]
    converted = [e for e in exported if e["step"] == "converted"]
    verified = [e for e in converted if e["verdict"] == "verified"]
    noise = [e for e in converted if e["verdict"] == "within-noise"]
    dynamic = [e for e in converted if e.get("dynamic")]
    return {
        "subjects": len(entries), "built": len(built), "exported": len(exported), "converted": len(converted),
        "verified": len(verified), "within_noise": len(noise), "dynamic": len(dynamic),
    }  # fmt: skip


def share(part, whole):
    return f"{part} ({100 * part / whole:.1f} %)" if whole else "0"


def summary(entries):
    """A few lines: how many subjects there are, and how far they come."""
    lines = []
    for title, chosen in (("base models", base_models(entries)), ("task classes", task_classes(entries))):
        if not chosen:
            continue
        c = counts(chosen)
        lines.append(
            f"{title}: {c['subjects']}, built {share(c['built'], c['subjects'])}, exported {c['exported']}; of these converted "
            f"{share(c['converted'], c['exported'])}, verified {share(c['verified'], c['exported'])}, verified or within noise "
            f"{share(c['verified'] + c['within_noise'], c['exported'])}, dynamic {share(c['dynamic'], c['converted'])}"
        )
    return "\n".join(lines)


def base_models(entries):
    return [e for e in entries if e["key"].endswith("/")]


def task_classes(entries):
    return [e for e in entries if not e["key"].endswith("/")]


def write(entries, folder):
    """Write both files; base models or task classes that the run left out stay as they are in the folder."""
    path = folder / "coverage.json"
    before = json.loads(path.read_text()) if path.exists() else []
    for part in (base_models, task_classes):
        if not part(entries):
            entries = entries + part(before)
    entries = sorted(entries, key=lambda e: (e["type"], e["key"]))
    kept = [{k: v for k, v in e.items() if k not in ("timings", "kind")} for e in entries]
    path.write_text(one_a_line(kept))
    page = folder / "coverage.md"
    page.write_text(markdown(entries) + others_section(page))


OTHERS = "\n## Other libraries\n"  # at the end of the page


def others_section(page):
    """The section that `./dev zoo --others` wrote, or nothing."""
    text = page.read_text() if page.exists() else ""
    return text[text.index(OTHERS) :] if OTHERS in text else ""


def write_others(entries, folder, order):
    """Write the section of other libraries; its rows of models that `entries` lacks stay, and all else on the page."""
    from importlib.metadata import version

    page = folder / "coverage.md"
    section = others_section(page)
    rows = {
        line.split("|")[2].strip(): line for line in section.splitlines() if line.startswith(("| timm", "| diffusers"))
    }
    rows |= {e["name"]: other_row(e) for e in entries}
    lines = [rows[name] for name in order if name in rows]
    good = sum("| verified" in line or "| ≈" in line for line in lines)
    dynamic = sum("dynamic batch" in line for line in lines)
    out = [
        OTHERS,
        f"What `./dev zoo --others` found with timm {version('timm')} and diffusers {version('diffusers')}: weights at trained "
        f"scale, small inputs or configurations. {len(lines)} architectures, {good} verified or within noise, {dynamic} with "
        "dynamic batch.",
        "",
        "| library | architecture | | max error | noise | seconds |",
        "|---|---|---|---|---|---|",
        *lines,
    ]
    text = page.read_text()
    page.write_text(text[: len(text) - len(section)] + "\n".join(out) + "\n")


def other_row(e):
    marks = {"verified": "verified", "within-noise": "≈"}.get(e["verdict"])
    number = lambda v: f"{v:.1e}" if isinstance(v, float) else ""  # noqa: E731
    if marks:
        told = f"{marks}, {'dynamic batch' if e['dynamic'] else 'static batch'}"
    else:
        told = f"{e['verdict'] or 'not converted'}: {(e.get('reason') or '').replace('|', '/')}"
    return f"| {e['library']} | {e['name']} | {told} | {number(e.get('max_error'))} | {number(e.get('noise'))} | {e['seconds']} |"


def one_a_line(entries):
    """A JSON array with an entry a line, so that a change of one reads as a change of one."""
    return "[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n"


def markdown(entries):
    import torch
    import transformers

    out = [
        "# Coverage",
        "",
        f"What `./dev zoo` found with Transformers {transformers.__version__} and PyTorch {torch.__version__.split('+')[0]}: of each "
        "model type a tiny model with weights at trained scale, converted and compared with PyTorch at the traced shape, at "
        "others and at batch 1. Generated; the same as data: [coverage.json](coverage.json).",
        "",
    ]
    out += [f"- {line}" for line in summary(entries).splitlines()]
    out += [
        "",
        "`verified`: every output within 1e-5. `≈`: within PyTorch's own float32 noise; with `choices`: equal given the same discrete "
        "choices, which fell otherwise between near ties. `static`: PyTorch's export fixes "
        "all sizes. `first axes`: only the first axis of each input is dynamic. A model of several modalities that PyTorch "
        "does not export whole is converted as its components.",
    ]
    for title, chosen in (("Base models", base_models(entries)), ("Task classes", task_classes(entries))):
        if not chosen:
            continue
        good = [e for e in chosen if e["verdict"] in ("verified", "within-noise")]
        rest = [e for e in chosen if e not in good]
        out += [
            "",
            f"## {title}",
            "",
            "| model type | class | | max error | noise | seconds |",
            "|---|---|---|---|---|---|",
        ]
        out += [row(e) for e in good]
        out += [
            "",
            f"### {title} that are not there yet",
            "",
            "| model type | class | how far | reason |",
            "|---|---|---|---|",
        ]
        out += [failed_row(e) for e in rest]
    return "\n".join(out) + "\n"


def row(e):
    marks = ["verified" if e["verdict"] == "verified" else "≈"]
    marks += ["static"] if not e.get("dynamic") else ["first axes"] if e.get("static_reason") else []
    marks += ["choices"] if e.get("choices") else []
    marks += ["components"] if e.get("form") == "components" else []
    number = lambda v: f"{v:.1e}" if isinstance(v, float) else ""  # noqa: E731
    return f"| {e['type']} | {e['class']} | {', '.join(marks)} | {number(e.get('max_error'))} | {number(e.get('noise'))} | {e['seconds']} |"


def failed_row(e):
    far = {
        "unbuilt": "not built",
        "unfinished": "not finished",
        "built": "PyTorch does not export it",
        "exported": "not converted",
    }
    text = far.get(e["step"]) or e["verdict"]
    reason = (e.get("reason") or "").replace("|", "\\|").replace("\n", " ")
    return f"| {e['type']} | {e.get('class') or ''} | {text} | {reason} |"
