"""Parts of the test file that is written beside a port; that it passes is shown where Transformers' own tests lie."""

import ast

from crossload.port.test_file import TEXT, literal


def test_literals_are_python_with_double_quotes():
    values = ["it's", 'a "b"', [1, 2.5, None, True], {"a": ["x"]}, 1e-06]
    for value in values:
        assert ast.literal_eval(literal(value)) == value
    assert literal("relu") == '"relu"'


def test_the_pattern_is_a_module():
    names = {part.split("}")[0] for part in TEXT.replace("{{", "").split("{")[1:]}
    filled = TEXT.format(**{name: "" for name in names} | {"stem": "Own", "base": "OwnModel", "config_class": "OwnConfig",
                         "inputs_of": "ids_tensor", "batch": 2, "length": 7, "generative": "()", "head_masking": True,
                         "has_text": True, "imports": "        TFOwnModel,\n", "integration": "None", "torch_dtype": "long"})  # fmt: skip
    assert [s.name for s in ast.parse(filled).body if isinstance(s, ast.ClassDef)] == [
        "TFOwnModelTester", "TFOwnModelTest", "TFOwnModelIntegrationTest",
    ]  # fmt: skip
