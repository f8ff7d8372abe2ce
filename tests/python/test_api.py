"""The Python API's keyword arguments against the fields of the engine's request: neither may drift from the other."""

import inspect

import crossload
import numpy
import pytest
import torch

# Keyword arguments by another name than the field that they fill, and those that fill none.
NAMES = {"model_class": "class", "no_cache": "use_cache"}
IN_PYTHON_ONLY = {"dynamic_shapes", "progress", "names"}
# Fields that the engine fills itself.
OF_THE_ENGINE = {"decompose", "fixed_axes"}
OF_CONVERSION_ONLY = {"dynamic", "verify", "force", "frozen", "jit"}
OF_COMPARISON_ONLY = {"gradients"}


def fields_of(function, **names):
    given = [names.get(n, NAMES.get(n, n)) for n in inspect.signature(function).parameters if n not in IN_PYTHON_ONLY]
    assert len(given) == len(set(given))
    return set(given)


@pytest.fixture
def request_fields(native_module):
    from crossload import native

    return set(native.engine().request_fields()) - OF_THE_ENGINE


def test_every_field_can_be_given(request_fields):
    assert fields_of(crossload.convert) == request_fields - OF_COMPARISON_ONLY
    assert fields_of(crossload.verify, pt_model="model", tf_model="out") == request_fields - OF_CONVERSION_ONLY


@pytest.mark.parametrize("function", [crossload.convert, crossload.verify])
def test_every_argument_has_a_type_and_is_told_of(function):
    for name, parameter in inspect.signature(function).parameters.items():
        assert f"{name}:" in function.__doc__ or f"{name}," in function.__doc__ or function is crossload.verify
        if parameter.kind is parameter.KEYWORD_ONLY:
            assert parameter.annotation is not parameter.empty, name


def test_unknown_arguments_are_refused(tmp_path):
    with pytest.raises(TypeError, match="hidden_state"):
        crossload.convert("model", tmp_path / "out", hidden_state=True)


def test_the_engine_refuses_fields_that_it_does_not_know(native_module, tmp_path):
    from crossload import native

    answer = native.engine().convert('{"model": "m", "out": "o", "no_cahce": true}', str, lambda *_: None, "")
    assert "no_cahce" in answer


def test_run_takes_what_convert_took(tmp_path):
    """None and flags, which the exported program has not, are passed over; nested tensors come by their names."""

    class Module(torch.nn.Module):
        def forward(self, x, mask=None, doubled=False, state=None):
            y = x + state["h"] + state["c"][0]
            return y * 2 if doubled else y

    inputs = {"x": torch.randn(2, 3), "mask": None, "doubled": True}
    inputs["state"] = {"h": torch.randn(2, 3), "c": [torch.randn(2, 3)]}
    conversion = crossload.convert(Module().eval(), tmp_path / "out", inputs, stages=False)
    got = conversion.run(**inputs)["output.0"]
    assert numpy.abs(got - Module()(**inputs).numpy()).max() < 1e-6
    with pytest.raises(crossload.CrossloadError, match="the model takes"):
        conversion.run(**{**inputs, "other": torch.zeros(1)})
    with pytest.raises(crossload.CrossloadError, match="`x`"):
        conversion.run(**{**inputs, "x": None})
