from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunetool.errors import OptionError
from prunetool.reports.compare import compare
from prunetool.reports.counting.changes import Change
from prunetool.reports.requirements.gates import failures
from prunetool.reports.requirements.metrics import Measure, Metric
from prunetool.reports.requirements.requirements import parse_requirement
from prunetool.reports.statistics import Count, Layer, Macs, Report, Source


def layer(name, zeros, *, of=10, prunable=True, pattern="elements", dead=(0, 0), macs=None):
    return Layer(
        name,
        (of,),
        "float32",
        Count(of, zeros),
        prunable,
        prunable,
        pattern,
        4 * of,
        3 * of,
        dead,
        macs,
    )


def report(*layers, path="new.ckpt", masks="prunetool"):
    return Report(Source(path, "lightning", masks), layers)


REPORT = report(
    layer("enc.weight", 9, pattern="2:4", dead=(1, 2), macs=Macs(100, 10)),
    layer("dec.weight", 5, macs=Macs(50, 25)),
    layer("dec.bias", 0, pattern=None, prunable=False, dead=()),
    layer("layer", 10, prunable=False),
)
OLD = report(
    layer("enc.weight", 9),
    layer("dec.weight", 4),
    layer("dec.bias", 1, of=7, prunable=False),
    layer("gone", 1),
    path="old.ckpt",
)
COMPARISON = compare(
    OLD, REPORT, {"enc.weight": Change(2, 2, 0.001), "dec.weight": Change(0, 1, math.inf)}
)
ELSEWHERE = report(layer("b", 0, prunable=False))


def unmet(text, subject=COMPARISON):
    return [str(failure) for failure in failures(subject, [parse_requirement(text)])]


SET = "the pruned set has"
ALL = "the whole model has"
HALF = "sparsity 0.700000 (14 of 20)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sparsity>=0.7", []),
        ("sparsity<=70%", []),
        ("sparsity==0.7", []),
        ("sparsity<0.71", []),
        ("sparsity>0.69", []),
        ("sparsity!=0.71", []),
        ("sparsity>=0.71", [f"{SET} {HALF}"]),
        ("sparsity>0.7", [f"{SET} {HALF}"]),
        ("sparsity<0.7", [f"{SET} {HALF}"]),
        ("sparsity!=0.7", [f"{SET} {HALF}"]),
        ("sparsity==0.5", [f"{SET} {HALF}"]),
        ("density==0.3", []),
        ("density<=29%", [f"{SET} density 0.300000 (6 of 20)"]),
        ("model:sparsity==60%", []),
        ("model:sparsity>60%", [f"{ALL} sparsity 0.600000 (24 of 40)"]),
        ("enc.*:sparsity==0.9", []),
        ("dec.*:sparsity==0.25", []),
        ("dec.*:sparsity>=0.9", ["dec.* has sparsity 0.250000 (5 of 20)"]),
        (
            "layer dec.*:sparsity>=0.9",
            [
                "dec.weight has sparsity 0.500000 (5 of 10)",
                "dec.bias has sparsity 0.000000 (0 of 10)",
            ],
        ),
        ("layer:sparsity>=0.5", []),
        ("layer:sparsity<=0.8", ["enc.weight has sparsity 0.900000 (9 of 10)"]),
        ("[l]ayer:sparsity==1", []),
        ("zeros==14", []),
        ("zeros>14", [f"{SET} zeros 14"]),
        ("nonzeros<=5", [f"{SET} nonzeros 6"]),
        ("layer *:parameters==10", []),
        ("model:parameters<40", [f"{ALL} parameters 40"]),
        ("model:bytes<=0.1kB", [f"{ALL} bytes 160"]),
        ("bytes==80", []),
        ("sparse_bytes<60", [f"{SET} sparse_bytes 60"]),
        ("dead_channels==0", [f"{SET} dead_channels 3"]),
        ("layer:dead_channels<=2", ["enc.weight has dead_channels 3"]),
        ("macs<=150", []),
        ("model:macs<0.1k", [f"{ALL} macs 150"]),
        ("effective_macs<35", [f"{SET} effective_macs 35"]),
        ("enc.*:pattern==2:4", []),
        ("pattern!=4:8", []),
        ("pattern==2:4", ["dec.weight has pattern elements"]),
        ("enc.*:pattern!=2:4", ["enc.weight has pattern 2:4"]),
        ("*.bias:pattern==none", []),
        ("*.bias:pattern!=none", ["dec.bias has pattern none"]),
        ("regrown==0", [f"{SET} regrown 2"]),
        ("layer:regrown==0", ["enc.weight has regrown 2"]),
        ("dec.weight:regrown==0", []),
        ("newly_pruned<=2", [f"{SET} newly_pruned 3"]),
        ("enc.*:largest_change<=1e-3", []),
        ("enc.*:largest_change<1e-3", ["enc.* has largest_change 0.001"]),
        ("largest_change<=1e9", [f"{SET} largest_change inf"]),
    ],
)
def test_what_comes_of_it(text, expected):
    assert unmet(text) == [f"requirement not met: {text}: {it}" for it in expected]


@pytest.mark.parametrize(
    ("text", "subject", "message"),
    [
        (
            "enc.wieght:sparsity>0",
            REPORT,
            "--require enc.wieght:sparsity>0: enc.wieght: matches no tensor; did you mean "
            "'enc.weight'",
        ),
        (
            "layer x*:zeros>0",
            REPORT,
            "--require layer x*:zeros>0: x*: matches no tensor; the first of 4",
        ),
        (
            "sparsity>0",
            ELSEWHERE,
            "--require sparsity>0: no layer here belongs to the pruned set; name layers with a "
            "glob before a colon, such as in 'encoder.*:sparsity>=0.9'",
        ),
        (
            "macs<=1M",
            report(layer("w", 1)),
            "--require macs<=1M: multiply-accumulates are not known here; say what goes into the "
            "model with --input-shape or --data, such as --input-shape 3,224,224",
        ),
        (
            "regrown==0",
            REPORT,
            "--require regrown==0: compares two checkpoints, got one; put the older one before it, "
            "such as in 'prunetool report OLD NEW'",
        ),
        (
            "dec.*:regrown==0",
            COMPARISON,
            "--require dec.*:regrown==0: dec.bias is 7 in old.ckpt and 10 here, so that nothing is "
            "known of its change; name other layers with a glob, or leave it out with --exclude",
        ),
        (
            "model:largest_change<1",
            compare(report(layer("a", 1), path="old.ckpt"), report(layer("b", 1))),
            "--require model:largest_change<1: b is not in old.ckpt, so that nothing is known of "
            "its change; name other layers with a glob, or leave it out with --exclude",
        ),
        (
            "gone:zeros>0",
            COMPARISON,
            "--require gone:zeros>0: gone matches 1 layer of old.ckpt and none of new.ckpt, which "
            "requirements speak of",
        ),
        ("gnoe:zeros>0", COMPARISON, "--require gnoe:zeros>0: gnoe: matches no tensor"),
    ],
)
def test_what_cannot_be_checked(text, subject, message):
    with pytest.raises(OptionError) as caught:
        unmet(text, subject)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("zeros", "of", "text", "holds"),
    [
        # What pruning to 0.9 delivers: round(0.9 * of) elements.
        (900_004, 1_000_005, "sparsity>=0.9", True),
        (900_004, 1_000_005, "sparsity<0.9", False),
        (900_003, 1_000_005, "sparsity>=0.9", False),
        (900_003, 1_000_005, "sparsity<0.9", True),
        (900_005, 1_000_005, "sparsity<=0.9", True),
        (900_005, 1_000_005, "sparsity>0.9", False),
        (900_006, 1_000_005, "sparsity<=0.9", False),
        (900_005, 1_000_005, "density>=0.1", True),
        (900_005, 1_000_005, "density==10%", True),
        # One element is never within the allowance.
        (1, 1_000_005, "sparsity>0", True),
        (1, 1_000_005, "sparsity==0", False),
        (0, 1_000_005, "density<1", False),
        # Where an element is much, the letter counts.
        (1, 3, "sparsity>=0.4", False),
        (2, 4, "sparsity>=0.51", False),
    ],
)
def test_half_an_element_is_allowed_for(zeros, of, text, holds):
    assert (unmet(text, report(layer("w", zeros, of=of))) == []) is holds


def test_all_requirements_are_checked():
    texts = ["sparsity>=0.8", "sparsity>=0.1", "enc.*:sparsity<0.1", "regrown==0"]

    found = failures(COMPARISON, [parse_requirement(text) for text in texts])

    assert [failure.requirement.text for failure in found] == [texts[0], texts[2], texts[3]]


def test_what_cannot_be_checked_comes_before_what_is_not_met():
    with pytest.raises(OptionError, match="matches no tensor"):
        failures(REPORT, [parse_requirement(it) for it in ("sparsity>=0.8", "x:zeros>0")])


def test_a_failure_is_one_line_whatever_is_in_it():
    name = "a\nb\r::error::x\x1b[2J\u202e\u2028"

    line = unmet("layer:\tsparsity>0.5", report(layer(name, 1)))

    assert line == [
        "requirement not met: layer:\\tsparsity>0.5: a\\nb\\r::error::x\\x1b[2J\\u202e\\u2028 has "
        "sparsity 0.100000 (1 of 10)"
    ]


def test_the_pruned_set_of_a_comparison_is_one_set():
    """A finalized file has no masks; a layer that is new is judged by its own file."""
    old = report(layer("w", 9), layer("b", 0, prunable=False))
    new = report(layer("w", 9), layer("b", 0), layer("extra", 0), masks=None)

    assert unmet("layer:sparsity>0", compare(old, new)) == [
        "requirement not met: layer:sparsity>0: extra has sparsity 0.000000 (0 of 10)"
    ]
    assert unmet("sparsity==45%", compare(old, new)) == []


NEGATIONS = (">=", "<"), ("<=", ">"), ("==", "!="), ("<", ">="), (">", "<="), ("!=", "==")
NAMES = ("a.w", "a.v", "b.w", "b.v")


@st.composite
def comparisons(draw):
    """Reports of four layers, the first in the pruned set, and their changes."""

    def one(name):
        of = draw(st.sampled_from([0, 1, 3, 10, 999, 2001, 10**6 + 5]))
        zeros = draw(st.integers(0, of))
        return layer(
            name,
            zeros,
            of=of,
            prunable=name == NAMES[0] or draw(st.booleans()),
            pattern=draw(st.sampled_from([None, "2:4", "elements", "channels:0"])),
            dead=(draw(st.integers(0, 3)), 1),
            macs=Macs(7 * of, 7 * (of - zeros)),
        )

    new = report(*map(one, NAMES))
    changes = {
        name: Change(
            draw(st.integers(0, 3)),
            draw(st.integers(0, 3)),
            draw(st.sampled_from([0.0, 0.001, 0.1, 3.0, math.inf])),
        )
        for name in NAMES
    }
    return compare(new, new, changes)


def near(draw, metric, subject):
    """A value that may be met, may be missed, and may be within half an element."""
    if metric is Metric.PATTERN:
        return draw(st.sampled_from(["2:4", "elements", "none", "channels:0"]))
    if metric.measure is Measure.CHANGE:
        return draw(st.sampled_from(["0", "1e-3", "0.1", "3", "7"]))
    counts = [it.count for it in subject.second.layers] + [subject.whole.second]
    count = draw(st.sampled_from(counts))
    if metric.measure is Measure.SHARE:
        of = max(count.parameters, 1)
        exact = Fraction(count.zeros if metric is Metric.SPARSITY else of - count.zeros, of)
        nudge = Fraction(
            draw(st.sampled_from([-2, -1, 0, 1, 2])), draw(st.sampled_from([2, 3])) * of
        )
        value = min(max(exact + nudge, Fraction(0)), Fraction(1))
        return f"{value.numerator}/{value.denominator}"
    return str(draw(st.sampled_from([0, 1, 2, 3, count.zeros, count.parameters, 7 * count.zeros])))


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_a_requirement_and_its_negation_never_both_hold(data):
    """Of one number one of the two holds; of layers each by itself each fails one of the two."""
    subject = data.draw(comparisons())
    metric = data.draw(st.sampled_from(list(Metric)))
    scope = data.draw(st.sampled_from(["", "model:", "layer:", "a.*:", "layer *.v:", "layer *:"]))
    pairs = NEGATIONS[2:3] if metric is Metric.PATTERN else NEGATIONS
    operator, negated = data.draw(st.sampled_from(pairs))
    value = near(data.draw, metric, subject)

    found, of_negation = (
        [it.where for it in failures(subject, [parse_requirement(f"{scope}{metric}{op}{value}")])]
        for op in (operator, negated)
    )

    assert found or of_negation
    if scope.startswith("layer") or metric is Metric.PATTERN:
        layers = [it.name for it in subject.second.layers if in_scope(scope, it)]
        assert sorted(found + of_negation) == sorted(layers)
    else:
        assert len(found) + len(of_negation) == 1


def in_scope(scope, it):
    match scope:
        case "" | "layer:":
            return it.prunable
        case "a.*:":
            return it.name.startswith("a.")
        case "layer *.v:":
            return it.name.endswith(".v")
        case _:
            return True
