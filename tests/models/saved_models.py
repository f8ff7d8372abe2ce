"""Looks into what `crossload convert` wrote, by other means than crossload's own."""

from html.parser import HTMLParser
from pathlib import Path

NUMBER = (int, float, type(None), str)  # null: not measured; "inf"

REPORT = {
    "model": str, "class": str, "model_type": str, "verdict": str, "max_error": NUMBER, "limit": float, "dynamic": bool,
    "shapes": [{"inputs": dict, "max_error": NUMBER, "padded_error": NUMBER}],
    "outputs": [{
        "name": str, "shape": list, "dtype": str, "max_error": NUMBER, "mean_error": NUMBER, "cosine": NUMBER,
        "noise": NUMBER, "tf_truth": NUMBER, "pt_truth": NUMBER,
    }],
    "stages": [{
        "module": str, "class": str, "accumulated": NUMBER, "isolated": NUMBER, "noise": NUMBER,
        "first_over_limit": bool, "ops": [{"op": str, "isolated": NUMBER, "source": str, "node": str}],
    }],
    "diagnosis": [{"module": str, "cause": str, "evidence": str, "counterfactual_error": NUMBER}],
    "weights": {"count": int, "bytes": int, "unused": [str], "missing": [str]},
    "timings_s": {"trace": NUMBER, "lower": NUMBER, "write": NUMBER, "verify": NUMBER, "total": NUMBER},
    "peak_rss_mib": NUMBER, "trace_cache": str, "versions": dict,
}  # fmt: skip


def check_form(value, form=REPORT, where="report"):
    """Fails when a key of crossload.json (docs/report.md) is missing or of another type; further keys are allowed."""
    if isinstance(form, dict):
        assert isinstance(value, dict), where
        for key, inner in form.items():
            assert key in value, f"{where}: no `{key}`"
            check_form(value[key], inner, f"{where}.{key}")
    elif isinstance(form, list):
        assert isinstance(value, list), where
        for number, item in enumerate(value):
            check_form(item, form[0], f"{where}[{number}]")
    else:
        kinds = form if isinstance(form, tuple) else (form,)
        fits = isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds)
        assert fits, f"{where}: {value!r} is no {form}"
        if form is NUMBER and isinstance(value, str):
            assert value == "inf", f"{where}: {value!r}"


class _References(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.tags = [], set()
        self.style = ""
        self._in = None

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self._in = tag
        for name, value in attributes:
            if name in ("src", "href", "srcset", "data", "poster", "action", "background") and tag != "a":
                self.found.append((tag, name, value))
            if name == "style":
                self.style += value or ""

    def handle_data(self, data):
        if self._in in ("style", "script"):
            self.style += data

    def handle_endtag(self, tag):
        self._in = None


def check_self_contained(html):
    """Fails when an HTML file would fetch anything."""
    page = _References()
    page.feed(html)
    outside = [r for r in page.found if not (r[2] or "").startswith(("#", "data:"))]
    assert not outside, outside
    assert not page.tags & {"iframe", "object", "embed", "link", "base"}
    for word in ("@import", "url(", "fetch(", "XMLHttpRequest", "import("):
        assert word not in page.style.replace("url(data:", "").replace("url(#", ""), word
    assert {"html", "body", "title"} <= page.tags


def files_below(folder):
    return {str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file()}


def change_variable(saved_model, change):
    """Rewrite the variables of a SavedModel by TensorFlow, so that all checksums fit; change(name, array) -> array.

    Returns the names whose values differ now.
    """
    import numpy
    import tensorflow as tf

    prefix = str(Path(saved_model) / "variables" / "variables")
    reader = tf.train.load_checkpoint(prefix)
    dtypes = reader.get_variable_to_dtype_map()
    names, tensors, changed = sorted(dtypes), [], []
    for name in names:
        value = reader.get_tensor(name)
        if dtypes[name] != tf.string:
            new = change(name, value)
            if not numpy.array_equal(new, value):
                changed.append(name)
            value = new
        tensors.append(tf.constant(value, dtypes[name]))
    del reader
    for old in Path(prefix).parent.iterdir():
        old.unlink()
    tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names), tensors=tensors)
    return changed
