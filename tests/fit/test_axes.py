from __future__ import annotations

import math
from typing import Any

import pytest
import torch.nn.utils.prune as torch_prune
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor

from prunetool import ModelPruning
from prunetool.fit.axes import Axes
from prunetool.pruning.allocation import Allocation, most_at
from prunetool.pruning.criteria import Criterion
from prunetool.pruning.method import Method
from prunetool.pruning.patterns import Channels, Elements, NOfM

GLOBAL, UNIFORM, ERK, LAMP = Allocation
MAGNITUDE, RANDOM, SALIENCY, MOVEMENT = Criterion


class Own(torch_prune.BasePruningMethod):
    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask


def method_of(**arguments: Any) -> Method:
    engine = ModelPruning(**arguments)._settings.function.engine
    assert isinstance(engine, Method)
    return engine


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        # Each axis by itself.
        ({"criterion": "magnitud"}, "^`criterion` should be one of .*did you mean 'magnitude'"),
        ({"criterion": "Magnitude"}, "^`criterion` should be one of"),
        ({"criterion": 1}, "^`criterion` should be one of .*got 1"),
        ({"allocation": "lamb"}, "^`allocation` should be one of .*did you mean 'lamp'"),
        ({"allocation": "ERK"}, "^`allocation` should be one of .*got 'ERK'"),
        ({"pattern": "rows"}, r"^`pattern` should be one of .*'2:4 \(or any N:M\)'.*got 'rows'"),
        ({"pattern": "2:4:8"}, "^`pattern` should be one of"),
        ({"pattern": "2 : 4"}, "^`pattern` should be one of"),
        ({"pattern": "-2:4"}, "^`pattern` should be one of"),
        ({"pattern": 24}, "^`pattern` should be one of .*got 24"),
        ({"pattern": "4:2"}, "^`pattern` 4:2: expected N:M with 1 <= N < M"),
        ({"pattern": "4:4"}, "^`pattern` 4:4: expected N:M"),
        ({"pattern": "0:4"}, "^`pattern` 0:4: expected N:M"),
        (
            {"max_layer_sparsity": 0},
            r"^`max_layer_sparsity` should be a fraction in \(0, 1\], got 0",
        ),
        ({"max_layer_sparsity": 1.01}, r"^`max_layer_sparsity` .* got 1\.01"),
        ({"max_layer_sparsity": 90}, "^`max_layer_sparsity` .* got 90"),
        ({"max_layer_sparsity": math.nan}, "^`max_layer_sparsity` .* got nan"),
        ({"max_layer_sparsity": True}, "^`max_layer_sparsity` .* got True"),
        ({"max_layer_sparsity": "0.9"}, "^`max_layer_sparsity` .* got '0.9'"),
        (
            {"min_layer_density": 1.0},
            r"^`min_layer_density` should be a fraction in \[0, 1\), got 1",
        ),
        ({"min_layer_density": -0.1}, r"^`min_layer_density` .* got -0\.1"),
        ({"min_layer_density": math.nan}, "^`min_layer_density` .* got nan"),
        ({"min_layer_density": False}, "^`min_layer_density` .* got False"),
        # Those that mean nothing together.
        ({"pattern": "channels"}, "^`pattern` 'channels' needs `pruning_dim`"),
        ({"criterion": "random", "allocation": "lamp"}, "^`allocation` 'lamp' .*random scores"),
        ({"criterion": "movement", "allocation": "lamp"}, "^`allocation` 'lamp' .*movement scores"),
        (
            {"pruning_fn": "random_unstructured", "allocation": "lamp"},
            "^`allocation` 'lamp' .*random scores",
        ),
        # Those that contradict what pruning_fn implies.
        (
            {"pruning_fn": "random_unstructured", "criterion": "magnitude"},
            "^`criterion` contradicts `pruning_fn`.*leave `pruning_fn` out",
        ),
        (
            {"pruning_fn": "random_unstructured", "pattern": "2:4"},
            "^`pattern` contradicts `pruning_fn`",
        ),
        (
            {
                "pruning_fn": "ln_structured",
                "pruning_dim": 0,
                "pruning_norm": 1,
                "use_global_unstructured": False,
                "pattern": "elements",
            },
            "^`pattern` contradicts `pruning_fn`",
        ),
        (
            {
                "pruning_fn": "ln_structured",
                "pruning_dim": 0,
                "pruning_norm": 1,
                "allocation": "global",
                "criterion": "movement",
            },
            "^`criterion` contradicts `pruning_fn`",
        ),
        (
            {"pruning_fn": Own, "criterion": "magnitude"},
            "^`criterion` means nothing for a `BasePruningMethod` of your own",
        ),
        ({"pruning_fn": Own, "pattern": "2:4"}, "^`pattern` means nothing for a"),
        ({"pruning_fn": Own, "allocation": "erk"}, "^`allocation` means nothing for a"),
        ({"pruning_fn": Own, "max_layer_sparsity": 0.9}, "^`max_layer_sparsity` means nothing"),
        ({"pruning_fn": Own, "min_layer_density": 0.0}, "^`min_layer_density` means nothing"),
        # What the schedule and the norm refuse.
        ({"schedule": "exponentially"}, "^`schedule` should be one of .*'exponential'"),
        ({"pattern": "channels", "pruning_dim": 0, "pruning_norm": "l2"}, "^`pruning_norm`: "),
    ],
)
def test_refusals(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(MisconfigurationException, match=message):
        ModelPruning(**arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, Method(MAGNITUDE, Elements(), GLOBAL, 2, 1.0)),
        ({"use_global_unstructured": False}, Method(MAGNITUDE, Elements(), UNIFORM)),
        ({"criterion": "saliency"}, Method(SALIENCY, Elements(), GLOBAL)),
        (
            {"criterion": "movement", "use_global_unstructured": False},
            Method(MOVEMENT, Elements(), UNIFORM),
        ),
        ({"criterion": "random", "allocation": "erk"}, Method(RANDOM, Elements(), ERK)),
        ({"allocation": "lamp", "criterion": "saliency"}, Method(SALIENCY, Elements(), LAMP)),
        # An allocation that is named settles what use_global_unstructured would.
        (
            {"allocation": "global", "use_global_unstructured": False},
            Method(MAGNITUDE, Elements(), GLOBAL),
        ),
        ({"pattern": "2:4"}, Method(MAGNITUDE, NOfM(2, 4), GLOBAL)),
        ({"pattern": "16:32", "allocation": "uniform"}, Method(MAGNITUDE, NOfM(16, 32), UNIFORM)),
        # Channels of different tensors compete only if one says so.
        ({"pattern": "channels", "pruning_dim": 0}, Method(MAGNITUDE, Channels(0), UNIFORM)),
        (
            {"pattern": "channels", "pruning_dim": -1, "pruning_norm": 1, "allocation": "global"},
            Method(MAGNITUDE, Channels(-1), GLOBAL, 1),
        ),
        (
            {"pattern": "channels", "pruning_dim": 0, "pruning_norm": "nuc"},
            Method(MAGNITUDE, Channels(0, matrices_only=True), UNIFORM, "nuc"),
        ),
        (
            {"pattern": "channels", "pruning_dim": 0, "pruning_norm": "inf"},
            Method(MAGNITUDE, Channels(0), UNIFORM, math.inf),
        ),
        # Saying what pruning_fn implies is no contradiction.
        (
            {"pruning_fn": "random_unstructured", "criterion": "random", "pattern": "elements"},
            Method(RANDOM, Elements(), GLOBAL),
        ),
        (
            {
                "pruning_fn": "ln_structured",
                "pruning_dim": 1,
                "pruning_norm": 1,
                "allocation": "lamp",
            },
            Method(MAGNITUDE, Channels(1), LAMP, 1),
        ),
        (
            {"pruning_fn": "random_structured", "pruning_dim": 1, "allocation": "global"},
            Method(RANDOM, Channels(1), GLOBAL),
        ),
        ({"max_layer_sparsity": 1.0}, Method()),
        ({"max_layer_sparsity": 0.9}, Method(max_sparsity=0.9)),
        ({"min_layer_density": 0.25}, Method(max_sparsity=0.75)),
        ({"max_layer_sparsity": 0.9, "min_layer_density": 0.25}, Method(max_sparsity=0.75)),
        ({"max_layer_sparsity": 0.5, "min_layer_density": 0.25}, Method(max_sparsity=0.5)),
        ({"pruning_fn": torch_prune.L1Unstructured, "allocation": "erk"}, Method(allocation=ERK)),
    ],
)
def test_what_the_arguments_come_to(arguments: dict[str, Any], expected: Method) -> None:
    assert method_of(**arguments) == expected


@pytest.mark.parametrize("percent", range(0, 100, 5))
def test_a_density_lets_exactly_the_rest_go(percent: int) -> None:
    axes = Axes(min_layer_density=percent / 100)
    assert most_at(axes.max_sparsity, 1000, 1000) == 1000 - 10 * percent


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({}, "L1Unstructured"),
        ({"use_global_unstructured": False}, "l1_unstructured"),
        ({"allocation": "erk"}, "l1_unstructured"),
        ({"criterion": "movement"}, "movement elements"),
        ({"pattern": "2:4"}, "magnitude 2:4"),
        ({"pattern": "channels", "pruning_dim": 0}, "magnitude channels"),
    ],
)
def test_what_log_lines_call_it(arguments: dict[str, Any], name: str) -> None:
    assert ModelPruning(**arguments)._settings.function.log_name == name


def test_the_axes_of_which_something_was_said() -> None:
    assert Axes().given == []
    assert Axes(criterion="random", min_layer_density=0.0).given == [
        "criterion",
        "min_layer_density",
    ]
