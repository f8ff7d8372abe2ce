"""`crossload.verify(pt_model, keras_model, inputs)`."""

import json

import crossload
import pytest


@pytest.fixture
def pair(keras):
    import small_pairs

    return small_pairs.pair


def stages_of(report):
    return {stage.module: stage for stage in report.stages}


def first_of(report):
    return [stage.module for stage in report.stages if stage.first_over_limit]


def test_what_is_equal_is_verified(pair):
    net, twin, inputs = pair()
    report = crossload.verify(net, twin, inputs)
    assert report.verdict == "verified" and report.against == "KerasNet"
    assert [s.inputs.pixels[0] for s in report.shapes] == [2, 3, 1]
    stages = stages_of(report)
    for module in ("conv", "norm", "blocks.0", "blocks.1.down", "head"):
        assert stages[module].accumulated <= 1e-5 and stages[module].isolated <= 1e-5
    assert stages["conv"].layer == "conv"  # compared although PyTorch has the channels second, TensorFlow last
    assert report.layers.without_layer == report.layers.without_module == []


def test_epsilon_is_found_at_its_layer(pair):
    net, twin, inputs = pair(epsilon=1e-3)
    report = crossload.verify(net, twin, inputs)
    assert report.verdict == "mismatch"
    assert first_of(report) == ["norm"]
    stages = stages_of(report)
    assert stages["norm"].isolated > 1e-3 > 1e-5 > stages["conv"].accumulated
    assert stages["blocks.0"].accumulated > 1e-4 and stages["blocks.0"].isolated <= 1e-5


def test_a_fault_between_layers_is_found_at_the_layer_around(pair):
    net, twin, inputs = pair()
    twin.blocks[1].approximate = True
    report = crossload.verify(net, twin, inputs)
    assert report.verdict == "mismatch" and first_of(report) == ["blocks.1"]
    assert stages_of(report)["blocks.1.down"].isolated <= 1e-5


def test_weights_that_were_not_loaded(pair):
    net, twin, inputs = pair()
    kernel, bias = twin.head.get_weights()
    twin.head.set_weights([kernel, bias + 0.5])
    report = crossload.verify(net, twin, inputs)
    assert first_of(report) == ["head"] and report.max_error == pytest.approx(0.5, abs=1e-5)


def test_other_names_need_a_map(pair):
    net, twin, inputs = pair(up="expand")
    report = crossload.verify(net, twin, inputs)
    assert report.verdict == "verified"
    assert report.layers.without_layer == ["blocks.0.up", "blocks.1.up"]
    assert report.layers.without_module == ["blocks.0.expand", "blocks.1.expand"]
    names = {f"blocks.{i}.expand": f"blocks.{i}.up" for i in range(2)}
    report = crossload.verify(net, twin, inputs, names=names)
    assert report.layers.without_layer == report.layers.without_module == []
    assert stages_of(report)["blocks.1.up"].layer == "blocks.1.expand"
    with pytest.raises(crossload.CrossloadError, match=r"there is no layer `blocks\.9`"):
        crossload.verify(net, twin, inputs, names={"blocks.9": "head"})


def test_another_shape_is_listed_and_a_mismatch(pair):
    net, twin, inputs = pair(scores=4)
    report = crossload.verify(net, twin, inputs)
    assert report.verdict == "mismatch" and report.max_error == "inf"
    (note,) = [n for n in report.layers.other_structure if n.module == "head"]
    assert "[2, 5]" in note.reason and "[2, 4]" in note.reason
    assert any("PyTorch gives float32[2, 5], TensorFlow float32[2, 4]" in n for n in report.notes)


def test_neither_model_is_changed(pair):
    net, twin, inputs = pair()
    net.train()
    before = json.dumps([w.tolist() for w in twin.get_weights()]), {k: v.clone() for k, v in net.state_dict().items()}
    calls = [layer.call for layer in (twin.conv, twin.head)]
    crossload.verify(net, twin, inputs)
    assert net.training and json.dumps([w.tolist() for w in twin.get_weights()]) == before[0]
    assert all(v.equal(before[1][k]) for k, v in net.state_dict().items())
    assert calls == [layer.call for layer in (twin.conv, twin.head)]
    assert not net._forward_hooks and not net._forward_pre_hooks
