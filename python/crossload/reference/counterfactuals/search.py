"""Which changes bring a stage's error down to its noise."""

from dataclasses import dataclass, field

MOST_HELD = 2  # causes at once in one stage
MOST_WAYS = 4  # incomplete explanations that are followed


@dataclass
class Change:
    """What is different in a counterfactual: of nodes, weights and inputs, as Stage.run takes them.

    evidence says it in words; cause is that of the table unless the values tell a better one; noise is added to the
    stage's own where the change makes rounding coarser.
    """

    evidence: str
    nodes: dict = field(default_factory=dict)
    weights: dict = field(default_factory=dict)
    inputs: dict = field(default_factory=dict)
    cause: str | None = None
    noise: float = 0.0
    node: str = ""


def together(changes):
    """The changes as one; later ones win where two change the same node."""
    whole = Change("")
    for change in changes:
        for name, function in change.nodes.items():
            first = whole.nodes.get(name)
            whole.nodes[name] = _after(first, function) if first else function
        whole.weights |= change.weights
        whole.inputs |= change.inputs
        whole.noise += change.noise
    return whole


def _after(first, second):
    def both(call, args, kwargs):
        return second(lambda a, k: first(call, list(a), dict(k)), args, kwargs)

    return both


def error_with(stage, changes):
    whole = together(changes)
    try:
        return stage.distance(stage.run(whole.nodes, whole.weights, whole.inputs))
    except Exception:  # noqa: BLE001 (a change that the stage cannot take explains nothing)
        return float("inf")


def explain(stage, tries, makers):
    """[(cause, evidence, error, node)] of the changes that together explain the stage; [] when nothing does.

    tries: [{"cause", "counterfactual", "nodes"}], in the order in which they are believed; makers: {counterfactual:
    function(stage, node names, held) that yields Changes}. One change is looked for first; where none is enough, those
    that help most are kept, one at a time, and another is looked for on top.
    """
    ways = [((), stage.error)]
    for _ in range(MOST_HELD):
        longer = []
        for held, error in ways:
            helpful = []
            for one in tries:
                for change in candidates(stage, one, makers, [c for _, c in held]):
                    whole = [*held, (one["cause"], change)]
                    changes = [c for _, c in whole]
                    found = error_with(stage, changes)
                    if found <= stage.floor + together(changes).noise and found < error / 3:
                        return _told(stage, whole)
                    if found < 0.7 * error:
                        helpful.append((whole, found, one["counterfactual"]))
            longer += _most_helpful(helpful)
        ways = sorted(longer, key=lambda way: way[1])[:MOST_WAYS]
    return []


def _most_helpful(found):
    """[(changes, error)] of those that bring the error down most, two of one kind at most."""
    kept, count = [], {}
    for whole, error, kind in sorted(found, key=lambda item: item[1]):
        count[kind] = count.get(kind, 0) + 1
        if count[kind] <= 2:
            kept.append((whole, error))
    return kept[:MOST_WAYS]


def _told(stage, whole):
    return [
        (change.cause or cause, change.evidence, error_with(stage, [c for _, c in whole[: k + 1]]), change.node)
        for k, (cause, change) in enumerate(whole)
    ]


def candidates(stage, one, makers, held):
    maker = makers.get(one["counterfactual"])
    if maker is None:
        return
    iterator = iter(maker(stage, one["nodes"], held))
    while True:
        try:
            change = next(iterator)
        except StopIteration:
            return
        except Exception:  # noqa: BLE001 (operations in a form that the change does not know)
            return
        yield change


def fitted(stage, make, low, high, held, start=None):
    """The number in [low, high] (positive, searched by its logarithm) with which make(number) explains most.

    A grid first, then its best point's surroundings by golden section.
    """
    import math

    def error(x):
        return error_with(stage, [*held, make(math.exp(x))])

    low, high = math.log(low), math.log(high)
    count = 24
    grid = [low + (high - low) * i / count for i in range(count + 1)]
    errors = [error(x) for x in grid]
    best = min(range(len(grid)), key=errors.__getitem__)
    a, b = grid[max(best - 1, 0)], grid[min(best + 1, count)]
    ratio = (5**0.5 - 1) / 2
    c, d = b - ratio * (b - a), a + ratio * (b - a)
    of_c, of_d = error(c), error(d)
    for _ in range(40):
        if of_c < of_d:
            b, d, of_d = d, c, of_c
            c = b - ratio * (b - a)
            of_c = error(c)
        else:
            a, c, of_c = c, d, of_d
            d = a + ratio * (b - a)
            of_d = error(d)
    return math.exp((a + b) / 2)
