"""docs/weights.md from the judge's results."""

LIMIT = "1e-5"

TEXT = """# Weights of the TensorFlow classes of Transformers 4.46

<!-- Written by tools/tf4/judge.py --docs; see there. -->

For every class in Transformers' TensorFlow auto maps, and a few that no map has, a tiny model with weights at trained
scale was converted both ways by `crossload weights`, folder to folder, and the real classes of Transformers 4.46.3 judged
it.

- **To TensorFlow**: `from_pretrained` of the TensorFlow class loads the `tf_model.h5` with no missing and no unexpected
  names but those that the class itself hides, and its outputs are PyTorch's within {limit}. The number is the largest
  difference.
- **To PyTorch**: all weights were changed in the TensorFlow class, which saved them; the `model.safetensors` made of
  that loads whole in the PyTorch class, and every tensor is bit for bit the changed one. The number is how many tensors
  were compared.

{totals}

| class | configuration | to TensorFlow | to PyTorch |
|---|---|---|---|
{rows}
{notes}"""

BUILT = (
    "`from_pretrained` of this class reads only what it builds beforehand ({seen} variables), so"
    " the file was loaded once more after a call. Transformers reads the files that it wrote itself no better."
)


def line(result):
    """A result in one line, for a terminal."""
    words = [result["class"], str(result.get("changes") or "")]
    words += [f"{way}: {result[way] or 'ok'}" for way in ("to_tf", "to_pt")]
    return " | ".join(w for w in [*words, result.get("note")] if w)


def summary(results):
    passed = {way: sum(r[way] is None for r in results) for way in ("to_tf", "to_pt")}
    return f"{passed['to_tf']} of {len(results)} to TensorFlow, {passed['to_pt']} of {len(results)} back"


def totals(results):
    classes = {r["class"] for r in results}
    text = [f"{len(results)} configurations of {len(classes)} classes were tried."]
    for way, name in (("to_tf", "To TensorFlow"), ("to_pt", "To PyTorch")):
        passed = [r for r in results if r[way] is None]
        repaired = sum(bool(r.get("repair")) for r in passed)
        called = sum(bool(r.get("note")) for r in passed)
        text.append(
            f"{name} {len(passed)} passed, {repaired} of them with a class of Transformers repaired and {called} loaded once"
            " more after a call (see the notes)."
        )
    return "\n".join(text)


class Notes:
    """Numbered footnotes; equal texts are one."""

    def __init__(self):
        self.texts = []

    def mark(self, text):
        if text is None:
            return ""
        if text not in self.texts:
            self.texts.append(text)
        return f" [{self.texts.index(text) + 1}]"

    def __str__(self):
        return "".join(f"\n{i}. {text}" for i, text in enumerate(self.texts, 1)) + "\n" if self.texts else ""


def row(result, notes):
    name = result["class"]
    changes = ", ".join(f"`{k}={v}`" for k, v in (result.get("changes") or {}).items())
    to_tf = result["to_tf"] or f"{result['max_error']:.1e}"
    to_pt = result["to_pt"] or f"{result['compared']} tensors"
    if result.get("repair"):
        to_tf += notes.mark(f"With Transformers repaired: {result['repair']}.")
    if found := result.get("note"):
        to_tf += notes.mark(BUILT.format(seen=found.split(" builds ")[1].split(" variables")[0]))
    return f"| `{name}` ({result['type']}) | {changes} | {to_tf} | {to_pt} |"


def write(results, path):
    notes = Notes()
    rows = "\n".join(row(r, notes) for r in results)
    path.write_text(TEXT.format(limit=LIMIT, totals=totals(results), rows=rows, notes=notes))
