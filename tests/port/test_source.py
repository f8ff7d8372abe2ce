"""The reader: what the tree holds of a file, comments and empty lines among it."""

from crossload.port.source import Reader

TEXT = '''"""A file."""

import torch
from torch import nn


# What the class is for.
class Block(nn.Module):
    def forward(self, x, mask=None):
        # before
        y = x.view(2, -1)  # behind

        if mask is not None:  # on the line of the condition
            y = y + mask
        else:
            # alone in a branch
            pass
        return y
'''


def statements(block):
    return [(s["k"], s.get("comment", s["t"] if s["k"] == "Comment" else "")) for s in block["c"]]


def test_comments_stand_where_they_stood():
    tree = Reader(TEXT).read()
    assert [s["k"] for s in tree["c"]] == ["Expr", "Space", "Import", "From", "Space", "Comment", "Class"]
    forward = tree["c"][-1]["c"][2]["c"][0]
    assert statements(forward["c"][3]) == [
        ("Comment", "# before"),
        ("Assign", "# behind"),
        ("Space", ""),
        ("If", "# on the line of the condition"),
        ("Return", ""),
    ]
    otherwise = forward["c"][3]["c"][3]["c"][2]
    assert statements(otherwise) == [("Comment", "# alone in a branch"), ("Pass", "")]


def test_each_observed_expression_has_its_own_number():
    reader = Reader("def f(x):\n    return x.size()[:-1] + (x.shape[0],)\n")
    reader.read()
    numbers = list(reader.ids.values())
    assert len(numbers) == len(set(numbers)) == 9  # x, x.size, x.size(), -1, [:-1], x, x.shape, [0], the sum


def test_adjacent_literals_stay_apart():
    tree = Reader('raise ValueError(\n    f"a {x}"\n    " b"\n)\n').read()
    message = tree["c"][0]["c"][0]["c"][1]
    assert message["k"] == "Concat"
    assert [piece["t"] for piece in message["c"]] == ['f"a {x}"', '" b"']
