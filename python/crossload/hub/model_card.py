"""What the Hub shows of an upload: titles, descriptions with the measured errors, and a model card."""

import re

USUAL_LIMIT = 1e-5
MOST_ROWS = 20
# The last line of every card that crossload makes. A card with it may be replaced; any other is its owner's.
MARK = "<!-- made by crossload; without this line the card is never replaced -->"


def conversion_description(report):
    """The description of a commit that uploads a folder with this crossload.json."""
    parts = [
        f"{_origin(report)} to TensorFlow with crossload {_version(report)}.",
        verdict_sentence(report),
        *_caution(report.get("limit"), USUAL_LIMIT),
        *_outputs_table(report),
    ]
    return "\n\n".join(parts)


def weights_description(request):
    """The description of a commit of TF weights, from the fields of the request `push_weights`."""
    from .. import __version__

    figures = request["figures"]
    rows = [
        f"| {label} | {_number(figures[f'{when}_output'])} | {_number(figures[f'{when}_hidden'])} |"
        for label, when in (("loaded from PyTorch's", "crossload"), ("saved and loaded again", "conversion"))
    ]
    parts = [
        "TensorFlow weights, converted from the PyTorch weights of this repository with `crossload pt-to-tf` "
        f"{__version__}. All outputs and hidden states were compared with PyTorch's.",
        "\n".join(["| largest difference, weights | outputs | hidden states |", "|---|---|---|", *rows]),
        *_caution(request["max_error"], request["usual_max_error"]),
        *(request.get("notes") or []),
        *([request["extra_description"]] if request.get("extra_description") else []),
    ]
    return "\n\n".join(parts)


def verdict_sentence(report):
    """How far the result may be trusted, with its numbers."""
    error, limit = _number(report.get("max_error")), _number(report.get("limit"))
    return {
        "verified": f"**Verified**: no output differs from PyTorch's by more than {error} (limit {limit}), at "
        f"{len(report.get('shapes') or [])} shapes of inputs.",
        "within-noise": f"**Within noise**: outputs differ from PyTorch's by up to {error}, over the limit of {limit}, but "
        "are no further from a float64 computation than PyTorch's own float32 runs are.",
        "unverified": "**Not verified**: nobody compared the outputs of this model with PyTorch's.",
    }[report["verdict"]]


def card(report, name, licence_file):
    """README.md for a repository that has none.

    name: of the model, for the heading; licence_file: its name when the folder holds one, else None.
    """
    from huggingface_hub import ModelCardData

    data = {"library_name": "tf", "tags": ["tensorflow", "tf", "saved-model", "crossload"]}
    if _source(report):
        data["base_model"] = _source(report)
    if licence_file:
        data |= {"license": "other", "license_name": "see-file", "license_link": licence_file}
    inputs = ", ".join(f"{key}={key}" for key in _inputs(report)) or "…"
    parts = [
        f"---\n{ModelCardData(**data).to_yaml().strip()}\n---",
        f"# {_plain(name)}",
        f"A TensorFlow SavedModel. {_origin(report)} with crossload {_version(report)}.",
        verdict_sentence(report),
        *_outputs_table(report),
        "Every number, module by module, stands in `crossload.json`, and for reading in `report.html`.",
        "## Use",
        "```python\nimport tensorflow as tf\nfrom huggingface_hub import snapshot_download\n\n"
        f'folder = snapshot_download("{_plain(name)}")\n'
        'serve = tf.saved_model.load(f"{folder}/saved_model/1").signatures["serving_default"]\n'
        f"serve({inputs})\n```",
        MARK,
    ]
    return "\n\n".join(parts) + "\n"


def _source(report):
    """The Hub repository that the model came from; None for a local model, whose path is not published."""
    model = report.get("model")
    is_name = isinstance(model, str) and re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model, re.ASCII)
    return model if report.get("commit") and is_name else None


def _origin(report):
    of = f" of `{_plain(report['class'])}`" if report.get("class") else ""
    source = _source(report)
    if source is None:
        return f"Converted from PyTorch weights{of}"
    link = f"[{source}](https://huggingface.co/{source})"
    return f"Converted from the PyTorch weights{of} in {link}, commit `{_plain(report['commit'])[:12]}`,"


def _version(report):
    return _plain((report.get("versions") or {}).get("crossload", ""))


def _caution(limit, usual):
    if not isinstance(limit, (int, float)) or limit <= usual:
        return []
    return [f"**Caution**: the largest difference allowed was raised by hand from {usual:.0e} to {limit:g}."]


def _outputs_table(report):
    outputs = report.get("outputs") or []
    if not outputs:
        return []
    rows = [
        f"| `{_plain(o['name'])}` | {' x '.join(_plain(d) for d in o.get('shape', []))} | {_number(o.get('max_error'))} "
        f"| {_number(o.get('noise'))} |"
        for o in outputs[:MOST_ROWS]
    ]
    more = [f"\n{len(outputs) - MOST_ROWS} more in `crossload.json`."] if len(outputs) > MOST_ROWS else []
    head = ["| output | shape | largest difference | noise of PyTorch itself |", "|---|---|---|---|"]
    return ["\n".join([*head, *rows, *more])]


def _inputs(report):
    shapes = report.get("shapes") or []
    return [_plain(name) for name in (shapes[0].get("inputs") or {})] if shapes else []


def _number(value):
    return f"{value:.1e}" if isinstance(value, (int, float)) else str(value or "not measured")


def _plain(text):
    """Text from a file, made fit for Markdown: no line break, no markup, no end of code."""
    return re.sub(r"[^\w ./:+,=-]", "", str(text), flags=re.ASCII)
