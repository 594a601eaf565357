"""LBFGS keeps vectors over all parameters and evaluates the model many times a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hygiene import (
    NO_TICKET,
    ByHand,
    Watching,
    assert_same,
    masked_from_the_start,
    random_masks,
    weights_of,
)
from tiny import Tiny, fit
from torch import Tensor, nn

from prunetool import ModelPruning
from prunetool.fit.optimizer_state import zero_state
from prunetool.pruning.masks import MaskSet

NAMES = ["conv.weight", "hidden.weight", "out.weight"]
SEARCHES = [None, "strong_wolfe"]


class Second(Tiny):
    """Trains with LBFGS, and looks at the weights whenever the optimizer evaluates it."""

    def __init__(self, search: str | None, mode: str = "automatic") -> None:
        super().__init__()
        self.search = search
        self.automatic_optimization = mode == "automatic"
        self.wrapped = mode != "raw"
        self.kept: dict[str, Tensor] = {}
        self.evaluations = 0

    def training_step(self, batch: Any, index: int) -> Tensor | None:
        if not self.automatic_optimization:
            optimizer = self.optimizers(use_pl_optimizer=self.wrapped)
            optimizer.step(lambda: self.closure(optimizer, batch, index))
            return None
        return self.evaluated(batch, index)

    def closure(self, optimizer: Any, batch: Any, index: int) -> Tensor:
        optimizer.zero_grad()
        loss = self.evaluated(batch, index)
        if self.wrapped:
            self.manual_backward(loss)
        else:
            loss.backward()  # no hook of Lightning's runs
        return loss

    def evaluated(self, batch: Any, index: int) -> Tensor:
        for name, kept in self.kept.items():
            assert not self.get_parameter(name).detach()[~kept].any(), name
            self.evaluations += 1
        return super().training_step(batch, index)

    def configure_optimizers(self) -> torch.optim.LBFGS:
        return torch.optim.LBFGS(
            self.parameters(), lr=0.1, max_iter=4, history_size=5, line_search_fn=self.search
        )


def second(search: str | None, mode: str = "automatic") -> Second:
    torch.manual_seed(3)
    return Second(search, mode)


@pytest.mark.parametrize("mode", ["automatic", "manual", "raw"])
@pytest.mark.parametrize("search", SEARCHES)
def test_masks_from_the_start(search, mode):
    model = second(search, mode)
    model.kept = random_masks(model, NAMES)
    watching = Watching(model.kept)
    pruning = masked_from_the_start(model.kept, model)
    fit(model, pruning, watching, epochs=2, validate=False)
    reference = second(search, mode)
    fit(reference, ByHand(model.kept), epochs=2, validate=False)
    assert_same(weights_of(model), weights_of(reference))
    assert model.evaluations > watching.looks  # more than one a step


@pytest.mark.parametrize("search", SEARCHES)
def test_closures_see_zeros_from_the_event_on(search):
    model = second(search)

    class Noting(ModelPruning):
        def apply_pruning(self, amount):
            super().apply_pruning(amount)
            model.kept = {name: model.get_parameter(name) != 0 for name in NAMES}

    pruning = Noting(
        "l1_unstructured", model.weights(), apply_pruning=lambda e: e == 0, **NO_TICKET
    )
    run = fit(model, pruning, Watching(lambda: model.kept), epochs=3, validate=False)
    assert model.evaluations > 2 * 5 * 3
    assert pruning.achieved_sparsity == pytest.approx(0.5, abs=1e-3)
    kept = torch.cat(
        [model.kept.get(n, torch.ones_like(p) != 0).flatten() for n, p in model.named_parameters()]
    )
    state = run.optimizers[0].state[model.conv.weight]
    vectors = [state["d"], state["prev_flat_grad"], *state["old_dirs"], *state["old_stps"]]
    assert len(vectors) > 4
    assert all(not vector[~kept].any() for vector in vectors)
    assert all(vector[kept].any() for vector in vectors)


def problem() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(40, 12, generator=generator, dtype=torch.float64)
    return rows, torch.tanh(rows @ torch.randn(12, generator=generator, dtype=torch.float64))


def run_steps(
    optimizer: torch.optim.LBFGS, weights: Callable[[], Tensor], columns: Tensor, mask: MaskSet
) -> None:
    """Make three steps; ``weights`` gives one for each of ``columns``."""
    rows, wanted = problem()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (torch.tanh(rows[:, columns] @ weights()) - wanted).square().mean()
        loss.backward()
        for name in mask:
            mask.zero_(name, optimizer.param_groups[0]["params"][1].grad)
        return loss

    for _ in range(3):
        optimizer.step(closure)


PRUNED = torch.tensor([[True, False], [False, False], [True, True]])


def test_the_history_goes_on_as_that_of_the_kept_elements_alone():
    """The reference: LBFGS over a vector of what is kept, its history cut down by index."""
    first = nn.Parameter(torch.full((3, 2), 0.1, dtype=torch.float64))
    rest = nn.Parameter(torch.zeros(6, dtype=torch.float64))
    options = {"lr": 0.3, "max_iter": 3, "history_size": 4}
    optimizer = torch.optim.LBFGS([rest, first], **options)
    everything = torch.arange(12)
    masks = MaskSet()
    run_steps(optimizer, lambda: torch.cat([rest, first.flatten()]), everything, masks)

    kept = torch.cat([torch.ones(6, dtype=torch.bool), ~PRUNED.flatten()])
    state = optimizer.state[rest]
    whole = torch.cat([rest, first.flatten()]).detach()
    compact = nn.Parameter(whole[kept].clone())
    reference = torch.optim.LBFGS([compact], **options)
    steps = [s[kept] for s in state["old_stps"]]
    changes = [y[kept] for y in state["old_dirs"]]
    curvature = [float(y @ s) for y, s in zip(changes, steps, strict=True)]
    assert min(curvature) > 1e-10
    reference.state[compact] = {
        **{key: state[key] for key in ("func_evals", "n_iter", "t", "prev_loss")},
        "d": state["d"][kept],
        "prev_flat_grad": state["prev_flat_grad"][kept],
        "old_stps": steps,
        "old_dirs": changes,
        "ro": [torch.tensor(1 / c, dtype=torch.float64) for c in curvature],
        "H_diag": curvature[-1] / float(changes[-1] @ changes[-1]),
    }

    masks.add("first", first)
    masks.prune("first", PRUNED)
    masks.zero_("first", first)
    zero_state(masks, optimizer, lambda parameter: "first" if parameter is first else None)
    run_steps(optimizer, lambda: torch.cat([rest, first.flatten()]), everything, masks)
    run_steps(reference, lambda: compact, everything[kept], MaskSet())
    ours = torch.cat([rest, first.flatten()]).detach()
    # Sums over other lengths round differently.
    torch.testing.assert_close(ours[kept], compact.detach(), rtol=1e-9, atol=1e-11)
    assert (ours - whole)[kept].abs().max() > 1e-3
    assert not ours[~kept].any()


def test_pairs_without_curvature_are_dropped():
    weight = nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.LBFGS([weight])
    optimizer.state[weight] = {
        "d": torch.ones(3),
        "prev_flat_grad": torch.ones(3),
        "old_dirs": [torch.tensor([1.0, 0.0, 2.0]), torch.tensor([3.0, 1.0, -1.0])],
        "old_stps": [torch.tensor([1.0, 5.0, 0.5]), torch.tensor([1.0, 0.0, 1.0])],
        "ro": [torch.tensor(0.5), torch.tensor(0.5)],
        "H_diag": torch.tensor(9.0),
    }
    masks = MaskSet()
    masks.add("weight", weight)
    masks.prune("weight", torch.tensor([True, False, False]))
    zero_state(masks, optimizer, lambda _: "weight")
    state = optimizer.state[weight]
    assert state["d"].tolist() == [0, 1, 1]
    assert [y.tolist() for y in state["old_dirs"]] == [[0, 0, 2]]  # the other has y·s = -1
    assert [s.tolist() for s in state["old_stps"]] == [[0, 5, 0.5]]
    assert state["ro"] == [1.0]
    assert float(state["H_diag"]) == 0.25
    masks.prune("weight", torch.tensor([False, False, True]))
    zero_state(masks, optimizer, lambda _: "weight")
    assert (state["old_dirs"], state["ro"], state["H_diag"]) == ([], [], 1)
