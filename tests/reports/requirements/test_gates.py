from __future__ import annotations

import pytest

from prunetool.errors import OptionError
from prunetool.reports.requirements.gates import failures
from prunetool.reports.requirements.requirements import parse_requirement
from prunetool.reports.statistics import Count, Layer, Report, Source


def layer(name, zeros, *, of=10, prunable=True, pattern="elements"):
    size = 4 * of
    count = Count(of, zeros)
    return Layer(name, (of,), "float32", count, prunable, prunable, pattern, size, size, ())


REPORT = Report(
    Source("a.ckpt", "lightning", "prunetool"),
    (
        layer("enc.weight", 9, pattern="2:4"),
        layer("dec.weight", 5),
        layer("dec.bias", 10, prunable=False),
    ),
)


def unmet(text, report=REPORT):
    return [str(failure) for failure in failures(report, [parse_requirement(text)])]


@pytest.mark.parametrize(
    "text",
    [
        "sparsity>=0.7",
        "sparsity<=70%",
        "sparsity==0.7",
        "sparsity<0.71",
        "sparsity>0.69",
        "sparsity!=0.71",
        "enc.*:sparsity==0.9",
        "dec.*:sparsity==0.75",
        "layer:sparsity<=0.9",
        "layer:sparsity>=0.5",
        "enc.*:pattern==2:4",
        "pattern!=4:8",
        "*.bias:sparsity==100%",
    ],
)
def test_what_holds(text):
    assert unmet(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sparsity>=0.71", ["the pruned set has sparsity 0.700000 (14 of 20)"]),
        ("sparsity>0.7", ["the pruned set has sparsity 0.700000 (14 of 20)"]),
        ("sparsity<0.7", ["the pruned set has sparsity 0.700000 (14 of 20)"]),
        ("sparsity!=0.7", ["the pruned set has sparsity 0.700000 (14 of 20)"]),
        ("sparsity==0.5", ["the pruned set has sparsity 0.700000 (14 of 20)"]),
        ("dec.*:sparsity>=0.9", ["dec.* has sparsity 0.750000 (15 of 20)"]),
        ("layer:sparsity<=0.8", ["enc.weight has sparsity 0.900000 (9 of 10)"]),
        (
            "layer:sparsity>0.9",
            [
                "enc.weight has sparsity 0.900000 (9 of 10)",
                "dec.weight has sparsity 0.500000 (5 of 10)",
            ],
        ),
        ("pattern==2:4", ["dec.weight has pattern elements"]),
        ("enc.*:pattern!=2:4", ["enc.weight has pattern 2:4"]),
    ],
)
def test_what_does_not_hold(text, expected):
    assert unmet(text) == [f"requirement not met: {text}: {it}" for it in expected]


@pytest.mark.parametrize(
    ("zeros", "of", "text", "holds"),
    [
        # What pruning to 0.9 delivers: round(0.9 * of) elements.
        (900_004, 1_000_005, "sparsity>=0.9", True),
        (900_003, 1_000_005, "sparsity>=0.9", False),
        (900_005, 1_000_005, "sparsity<=0.9", True),
        (900_006, 1_000_005, "sparsity<=0.9", False),
        # Where an element is much, the letter counts.
        (1, 3, "sparsity>=0.4", False),
        (2, 4, "sparsity>=0.51", False),
    ],
)
def test_half_an_element_is_allowed_for(zeros, of, text, holds):
    report = Report(REPORT.source, (layer("w", zeros, of=of),))

    assert (unmet(text, report) == []) is holds


def test_all_requirements_are_checked():
    texts = ["sparsity>=0.8", "sparsity>=0.1", "enc.*:sparsity<0.1"]

    found = failures(REPORT, [parse_requirement(text) for text in texts])

    assert [failure.requirement.text for failure in found] == [texts[0], texts[2]]


def test_a_glob_that_matches_nothing():
    with pytest.raises(OptionError, match=r"--require enc.wieght: .* mean 'enc.weight'"):
        unmet("enc.wieght:sparsity>0")


def test_no_pruned_set():
    report = Report(REPORT.source, (layer("b", 0, prunable=False),))

    with pytest.raises(OptionError, match="sparsity>0: no layer here belongs to the pruned set"):
        unmet("sparsity>0", report)
