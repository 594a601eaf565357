from __future__ import annotations

import pytest

from prunetool.errors import OptionError
from prunetool.training.options.options import from_values

CHANNELS = {"pattern": "channels", "dim": 0}
TICKET = {"lottery_ticket": True}

REFUSED = [
    # values
    ({"criterion": "magnitud"}, "--criterion magnitud: expected one of magnitude, random, sal"),
    ({"pattern": "blocks"}, "--pattern blocks: expected elements, channels, or N:M such as 2:4"),
    ({"pattern": "2-4"}, "--pattern 2-4: expected elements, channels, or N:M such as 2:4"),
    ({"pattern": "4:2"}, "--pattern 4:2: keeps 4 of each 2; expected N:M with 0 < N < M"),
    ({"pattern": "0:4"}, "--pattern 0:4: keeps 0 of each 4; expected"),
    ({"pattern": "4:4"}, "--pattern 4:4: keeps 4 of each 4; expected"),
    (
        {"allocation": "globl"},
        "--allocation globl: expected one of global, uniform, erk, lamp; did",
    ),
    ({"max_layer_sparsity": 0}, "--max-layer-sparsity 0: expected a fraction in (0, 1]"),
    ({"max_layer_sparsity": 1.5}, "--max-layer-sparsity 1.5: expected a fraction in (0, 1]"),
    ({"min_layer_density": 1}, "--min-layer-density 1: expected a fraction in [0, 1)"),
    ({**TICKET, "rounds": 1}, "--rounds 1: expected 2 or more"),
    ({**TICKET, "retrain": "weight"}, "--retrain weight: expected one of weights, lr, finetune"),
    ({"schedule": "cubik"}, "or the import path of a function of the progress in [0, 1]; did you"),
    ({**CHANNELS, "norm": "two"}, "--norm two: expected a number, 'inf', '-inf', 'fro' or 'nuc'"),
    # the method's names
    ({"pruning_fn": "l1_unstructured", **CHANNELS}, "--pruning-fn l1_unstructured means elements"),
    ({"pruning_fn": "l1_unstructured", "pattern": "2:4"}, "--pattern 2:4: --pruning-fn l1_unstr"),
    ({"pruning_fn": "random_unstructured", "criterion": "magnitude"}, "means random; leave --prun"),
    ({"pruning_fn": "l1_unstructured", "criterion": "saliency"}, "--criterion saliency: --pruning"),
    ({"pruning_fn": "ln_structured", "dim": 0, "norm": 1, "pattern": "elements"}, "means channels"),
    ({"pruning_fn": "ln_structured", "dim": 0, "norm": 1, "pattern": "2:4"}, "means channels"),
    (
        {"pruning_fn": "ln_structured", "dim": 0, "norm": 1, "criterion": "random"},
        "means magnitude",
    ),
    ({"pruning_fn": "random_structured", "dim": 0, "criterion": "movement"}, "means random"),
    (
        {"pruning_fn": "mine:Own", "criterion": "random"},
        "--pruning-fn mine:Own decides that itself",
    ),
    ({"pruning_fn": "mine:Own", "pattern": "2:4"}, "--pattern 2:4: --pruning-fn mine:Own decides"),
    ({"pruning_fn": "mine:Own", "allocation": "erk"}, "--allocation erk: --pruning-fn mine:Own"),
    ({"pruning_fn": "mine:Own", "max_layer_sparsity": 0.9}, "--max-layer-sparsity 0.9: --pruning"),
    ({"pruning_fn": "mine:Own", "min_layer_density": 0.1}, "--min-layer-density 0.1: --pruning-fn"),
    ({"pruning_fn": "mine:Own", "dim": 0}, "--dim 0: only channels have one"),
    ({"pattern": "channels"}, "--pattern channels: needs --dim (0 for output channels)"),
    ({"dim": 1}, "--dim 1: only channels have one; add --pattern channels"),
    ({"norm": 2, "pattern": "2:4"}, "--norm 2: only channels have one"),
    ({**CHANNELS, "norm": 2, "criterion": "random"}, "--norm 2: is the magnitude of a channel"),
    # how the total is shared
    ({"global": True, "allocation": "uniform"}, "--global and --allocation uniform contradict"),
    ({"global": False, "allocation": "erk"}, "--local and --allocation erk contradict each other"),
    ({"allocation": "lamp", "criterion": "random"}, "--allocation lamp: compares squared scores"),
    ({"allocation": "lamp", "criterion": "movement"}, "choose magnitude or saliency, or --alloc"),
    ({"allocation": "lamp", "pruning_fn": "random_unstructured"}, "--allocation lamp: compares"),
    (
        {"sparsity": 0.9, "max_layer_sparsity": 0.8},
        "--max-layer-sparsity 0.8: allows every",
    ),
    ({"sparsity": 0.9, "min_layer_density": 0.2}, "give --sparsity 0.8 or less, or loosen the bou"),
    # N:M
    ({"pattern": "2:4", "sparsity": 0.6}, "--sparsity 0.6: --pattern 2:4 removes 0.5 at most"),
    ({"skip_unfit": True}, "--skip-unfit: only an N:M pattern can misfit a shape"),
    ({"skip_unfit": True, **CHANNELS}, "--skip-unfit: only an N:M pattern can misfit a shape"),
    # when
    ({"amount": 0.2, "schedule": "linear"}, "--schedule linear: is the way to a --sparsity"),
    ({**TICKET, "start": 1}, "--start: a --lottery-ticket is pruned between its rounds"),
    ({**TICKET, "end": "5s"}, "--end: a --lottery-ticket is pruned between its rounds"),
    ({**TICKET, "every": 2}, "--every: a --lottery-ticket is pruned between its rounds"),
    ({**TICKET, "apply_pruning": "2-5"}, "--apply-pruning 2-5: a --lottery-ticket is pruned betw"),
    # tickets
    ({"rounds": 3}, "--rounds: belongs to lottery tickets; add --lottery-ticket"),
    ({"retrain": "lr"}, "--retrain: belongs to lottery tickets; add --lottery-ticket"),
    ({"shuffle_masks": True}, "--shuffle-masks: belongs to lottery tickets; add --lottery-ticket"),
    ({"resample": True}, "--resample: belongs to lottery tickets; add --lottery-ticket"),
    ({"rewind_step": 5}, "--rewind-step: belongs to lottery tickets; add --lottery-ticket"),
    ({"lottery_ticket": "0-3", "rounds": 3}, "--rounds: belongs to a ticket of several trainings"),
    ({"lottery_ticket": "all", "retrain": "lr"}, "--retrain: belongs to a ticket of several train"),
    (
        {"lottery_ticket": "m:f", "shuffle_masks": True},
        "--shuffle-masks: belongs to a ticket of se",
    ),
    ({**TICKET, "sparsity": 0}, "--sparsity 0: leaves nothing to find a --lottery-ticket in"),
    ({**TICKET, "amount": 0.2}, "--amount 0.2: how often? add --rounds, or give --sparsity"),
    ({**TICKET, "amount": "m:f", "rounds": 3}, "--amount m:f: a --lottery-ticket prunes the same"),
    (
        {**TICKET, "schedule": "one-shot", "rounds": 3},
        "--rounds 3: --schedule one-shot prunes once",
    ),
    ({**TICKET, "resample": True, "retrain": "lr"}, "--resample: a control for rewound weights"),
    (
        {**TICKET, "shuffle_masks": True, "retrain": "finetune"},
        "--shuffle-masks: a control for rew",
    ),
    ({**TICKET, "resample": True, "rewind_step": 3}, "which --rewind-step 3 does not go back to"),
    ({**TICKET, "retrain": "finetune", "rewind_step": 3}, "goes back to no step; choose --retrain"),
]


@pytest.mark.parametrize(
    ("values", "fragment"),
    REFUSED,
    ids=[" ".join(f"{k}={v}" for k, v in r[0].items()) for r in REFUSED],
)
def test_refused(values, fragment):
    with pytest.raises(OptionError) as error:
        from_values({"target": "net:Net", **values})
    message = str(error.value)
    assert fragment in message
    assert "\n" not in message


TAKEN = [
    {"pruning_fn": "ln_structured", "dim": 0, "norm": 1, "pattern": "channels"},
    {"pruning_fn": "random_structured", "dim": 0, "criterion": "random", "global": True},
    {"pruning_fn": "mine:Own", "global": False},
    {"criterion": "movement", **CHANNELS, "allocation": "erk"},
    {"criterion": "saliency", "allocation": "lamp", "min_layer_density": 0.25},
    {**CHANNELS, "norm": "-inf"},
    {**CHANNELS, "norm": 0.5},
    {"global": True, "allocation": "global"},
    {"global": False, "allocation": "uniform"},
    {"pattern": "2:4", "sparsity": 0.5, "skip_unfit": True},
    {"pattern": "1:3"},
    {"pattern": "2:3", "sparsity": 1 / 3},
    {"sparsity": 0.9, "max_layer_sparsity": 0.9},
    {"schedule": "mine:curve"},
    {"amount": 0.2, "start": 2, "every": "10s"},
    {**TICKET, "amount": 10, "rounds": 3},
    {**TICKET, "resample": True, "shuffle_masks": True},
    {**TICKET, "shuffle_masks": True, "rewind_step": 3},
    {**TICKET, "schedule": "one-shot", "rounds": 2, "retrain": "lr", "rewind_step": 3},
    {"lottery_ticket": "0-3", "rewind_step": 2, "resample": True},
]


@pytest.mark.parametrize("values", TAKEN, ids=lambda v: " ".join(f"{k}={x}" for k, x in v.items()))
def test_taken_and_written_and_read_again(values):
    options = from_values({"target": "net:Net", **values})
    assert from_values(options.as_config()) == options
