"""docs/weights.md from the judge's results."""


def line(result):
    """A result in one line, for a terminal."""
    words = [result["class"], str(result.get("changes") or "")]
    words += [f"{way}: {result[way] or 'ok'}" for way in ("to_tf", "to_pt")]
    return " | ".join(w for w in [*words, result.get("note")] if w)


def summary(results):
    passed = {way: sum(r[way] is None for r in results) for way in ("to_tf", "to_pt")}
    return f"{passed['to_tf']} of {len(results)} to TensorFlow, {passed['to_pt']} of {len(results)} back"
