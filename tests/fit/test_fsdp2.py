"""FSDP2 through Lightning's ModelParallelStrategy: real processes against one without sharding.

All processes see the same data, so that gradients, and with them weights, are equal to the bit.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from fsdp2 import fit
from ranks import on_ranks

MATRICES = {"default_targets": "matrices"}
PATTERNS: dict[str, dict[str, Any]] = {
    "elements": {"sparsity": 0.7},
    "rows": {"sparsity": 0.5, "pattern": "channels", "pruning_dim": 0},
    "columns": {"sparsity": 0.5, "pattern": "channels", "pruning_dim": 1},
    "2:4": {"sparsity": 0.4, "pattern": "2:4", "exclude": ["block.2.weight"]},
}
ALLOCATIONS = ("global", "uniform", "erk", "lamp")
OTHERS: dict[str, dict[str, Any]] = {
    "amount": {"options": {"amount": 0.4, "default_targets": "documented"}},
    "random": {"options": {"pruning_fn": "random_unstructured", "amount": 0.3, **MATRICES}},
    "random rows": {
        "options": {
            "pruning_fn": "random_structured",
            "use_global_unstructured": False,
            "pruning_dim": 0,
            "amount": 0.3,
            **MATRICES,
        }
    },
    "saliency": {"options": {"sparsity": 0.6, "criterion": "saliency", **MATRICES}},
    "movement": {"options": {"sparsity": 0.6, "criterion": "movement", **MATRICES}},
    "ticket": {"options": {"amount": 0.3, "use_lottery_ticket_hypothesis": True, **MATRICES}},
    "redrawn": {
        "options": {
            "amount": 0.3,
            "use_lottery_ticket_hypothesis": True,
            "resample_parameters": True,
            **MATRICES,
        }
    },
    "kept": {"options": {"amount": 0.3, "make_pruning_permanent": False, **MATRICES}},
}


def every_case() -> dict[str, dict[str, Any]]:
    cases: dict[str, dict[str, Any]] = {}
    switches = itertools.cycle([("sgd", False), ("adamw", True), ("sgd", True), ("adamw", False)])
    for (pattern, options), allocation in itertools.product(PATTERNS.items(), ALLOCATIONS):
        optimizer, by_input = next(switches)
        cases[f"{pattern} {allocation}"] = {
            "options": {**options, "allocation": allocation, **MATRICES},
            "optimizer": optimizer,
            "by_input": by_input,
        }
    return {**cases, **OTHERS}


def sharded(
    cases: dict[str, dict[str, Any]], folder: Path, *, devices: int
) -> dict[str, list[dict[str, dict[str, torch.Tensor]]]]:
    listed = folder / "cases.json"
    listed.write_text(json.dumps(cases, default=str))
    on_ranks(devices, "fsdp2:run", devices, listed, folder, joined=False)
    return {name: torch.load(folder / f"{name}.pt") for name in cases}


def assert_same(got: list[Any], expected: list[Any], about: str) -> None:
    assert len(got) == len(expected), about
    for epoch, (one, other) in enumerate(zip(got, expected, strict=True)):
        for kind in ("masks", "weights"):
            assert one[kind].keys() == other[kind].keys()
            for name, tensor in other[kind].items():
                assert torch.equal(one[kind][name], tensor), f"{about}, epoch {epoch}: {name}"


@pytest.mark.slow
def test_masks_and_weights_are_those_of_one_process(tmp_path: Path) -> None:
    cases = every_case()
    for name, log in sharded(cases, tmp_path, devices=2).items():
        expected = fit(**cases[name], devices=1, sharded=False).epochs
        pruned = [sum(int((~m).sum()) for m in epoch["masks"].values()) for epoch in expected]
        assert 0 < pruned[0] <= pruned[-1], name
        assert_same(log, expected, name)


RESUMED = ("elements global", "columns lamp", "ticket", "movement", "random")


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(2, (1, 2, 4)), (1, (2,))])
def test_a_run_goes_on_with_any_number_of_processes(
    tmp_path: Path, before: int, after: tuple[int, ...]
) -> None:
    cases = {name: every_case()[name] for name in RESUMED}
    folders = {name: tmp_path / f"{name}.ckpt" for name in cases}
    stopped = {n: {**c, "save": folders[n], "stop_after": 2} for n, c in cases.items()}
    sharded(stopped, tmp_path, devices=before)
    for devices in after:
        resumed = {n: {**c, "resume": folders[n]} for n, c in cases.items()}
        for name, log in sharded(resumed, tmp_path, devices=devices).items():
            expected = fit(**cases[name], devices=1, sharded=False).epochs
            assert_same(log, expected[2:], f"{name} on {devices}")


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")
def test_values_under_the_masks_survive_a_resume(tmp_path: Path) -> None:
    """What lies under masks of epoch 1 is written, read, and written again after epoch 2."""
    case = {**OTHERS["kept"], "epochs": 2}
    first, second = tmp_path / "first.ckpt", tmp_path / "second.ckpt"
    sharded({"stopped": {**case, "save": first, "stop_after": 1}}, tmp_path, devices=2)
    sharded({"resumed": {**case, "resume": first, "save": second}}, tmp_path, devices=2)
    before, after = originals_in(first), originals_in(second)
    log = fit(**case, devices=1, sharded=False).epochs
    assert before.keys() == after.keys() == log[0]["masks"].keys()
    for name, mask in log[0]["masks"].items():
        assert before[name][~mask].count_nonzero() == (~mask).sum()
        assert torch.equal(after[name][~mask], before[name][~mask])


def originals_in(folder: Path) -> dict[str, torch.Tensor]:
    from torch.distributed.checkpoint import FileSystemReader, load

    reader, start = FileSystemReader(folder), "state_dict.prunetool.original."
    found = {
        key.removeprefix(start): torch.empty(entry.size)
        for key, entry in reader.read_metadata().state_dict_metadata.items()
        if key.startswith(start)
    }
    load({start + name: it for name, it in found.items()}, storage_reader=reader, no_dist=True)
    return found
