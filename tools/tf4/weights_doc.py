"""docs/weights.md from the judge's results."""


def summary(results):
    both = [r for r in results if not r["to_tf"] and not r["to_pt"]]
    return f"{len(both)} of {len(results)} in both directions"
