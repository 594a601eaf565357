from __future__ import annotations

from prunetool.reports.grouping import TOP, group_by_module
from prunetool.reports.statistics import Count, Layer, Report, Source


def layer(name, zeros, *, prunable=True):
    return Layer(
        name, (2, 2), "float32", Count(4, zeros), prunable, prunable, None, 16, 9, (zeros // 2, 0)
    )


REPORT = Report(
    Source("a", "plain", None),
    (
        layer("encoder.0.weight", 2),
        layer("scale", 0, prunable=False),
        layer("encoder.1.attention.weight", 4),
        layer("encoder.0.bias", 1, prunable=False),
        layer("encoders.weight", 3),
    ),
)


def test_the_outermost_modules():
    encoder, top, encoders = group_by_module(REPORT, 1)

    assert (encoder.name, top.name, encoders.name) == ("encoder", TOP, "encoders")
    assert (encoder.all_layers.layers, encoder.all_layers.count) == (3, Count(12, 7))
    assert encoder.prunable.count == Count(8, 6)
    assert encoder.all_layers.dead_channels == 3
    assert top.prunable.count == Count(0, 0)


def test_modules_that_are_not_as_deep_stay():
    names = [it.name for it in group_by_module(REPORT, 2)]

    assert names == ["encoder.0", TOP, "encoder.1", "encoders"]
    assert [it.name for it in group_by_module(REPORT, 9)][2] == "encoder.1.attention"


def test_every_layer_is_in_one_group():
    for depth in (1, 2, 3):
        groups = group_by_module(REPORT, depth)
        assert sum(it.all_layers.count.zeros for it in groups) == REPORT.total.zeros
        assert sum(it.prunable.count.parameters for it in groups) == REPORT.prunable.parameters
