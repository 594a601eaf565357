"""A pruning method, and one event of it: score, share out, choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from prunetool.pruning import ranks
from prunetool.pruning.allocation import Allocation, Room, erk, most_at, uniform
from prunetool.pruning.amounts import ShareToward, units_at, units_to_remove
from prunetool.pruning.criteria import Criterion, Norm
from prunetool.pruning.gathering import Gathered
from prunetool.pruning.lamp import lamp_shares
from prunetool.pruning.masks import MaskSet
from prunetool.pruning.patterns import Elements, NOfM, Pattern
from prunetool.pruning.scoring import UnitScores, unit_scores
from prunetool.pruning.selection import lowest
from prunetool.pruning.targets import Target


@dataclass(frozen=True)
class Method:
    """Three of the four axes: what is scored, what goes together, who gives how much.

    Attributes:
        criterion: what the score is.
        pattern: elements, channels or N:M.
        allocation: how a total is shared among tensors.
        norm: what makes a channel's score of its elements'; unused for elements.
        max_sparsity: no tensor becomes sparser than this, in (0, 1]; what it would have given, the
            others give.
    """

    criterion: Criterion = Criterion.MAGNITUDE
    pattern: Pattern = field(default_factory=Elements)
    allocation: Allocation = Allocation.GLOBAL
    norm: Norm = 2
    max_sparsity: float = 1.0

    def __post_init__(self) -> None:
        if self.allocation is Allocation.LAMP and not self.criterion.is_magnitude_like:
            raise ValueError(f"LAMP compares energies, and {self.criterion.value} scores have none")

    def rooms(self, targets: Sequence[Target], masks: MaskSet | None = None) -> list[Room]:
        """Say what can go of each target; without masks, of one that is whole.

        A collective where targets are sharded, unless there are no masks.
        """
        rooms = []
        for target in targets:
            shape = target.parameter.shape
            units = self.pattern.units(shape)
            lost = 0 if masks is None else self.lost(target, masks)
            prunable = self.pattern.prunable(shape)
            if lost and masks is not None and isinstance(self.pattern, NOfM):
                prunable = lost + self.pattern.still_prunable(
                    masks.pruned(target.name), input_dim=target.input_dim, shard=target.shard
                )
            most = most_at(self.max_sparsity, units, prunable)
            rooms.append(Room(tuple(shape), units, lost, max(most, lost)))
        return rooms

    def lost(self, target: Target, masks: MaskSet) -> int:
        """Count the units of ``target`` that are gone; a collective for sharded channels."""
        if isinstance(self.pattern, Elements):
            return masks.count(target.name)
        pruned = masks.pruned(target.name)
        return int(self.pattern.gone(pruned, target.shard).count_nonzero())


def choose(
    method: Method,
    targets: Sequence[Target],
    masks: MaskSet,
    amount: float,
    *,
    generator: torch.Generator,
    gathered: Gathered | None = None,
) -> dict[str, Tensor]:
    """Decide one event. Neither weights nor masks are changed.

    Args:
        method: what to remove.
        targets: the tensors that take part, in model order; each has its mask already.
        masks: what is gone already; it stays gone.
        amount: a share in [0, 1] of the units that remain, or their number; in each tensor where
            the allocation is uniform, as in ``torch.nn.utils.prune``, and of all together
            otherwise. What bounds do not let go stays. A :class:`ShareToward` lands on its
            absolute sparsity, exactly.
        generator: drawn from by :attr:`Criterion.RANDOM`, in the order of ``targets``.
        gathered: sums over gradients, for the criteria that need them.

    Returns:
        The new masks of the targets of which something goes, by name: bool, True where pruned; of
        this process's part, where targets are sharded. Then it is a collective.

    Raises:
        ValueError: if ``amount`` is outside its interval or more than can go.
        NanScoresError: if a score is not a number.
    """
    rooms = method.rooms(targets, masks)
    lost = {target.name: room.lost for target, room in zip(targets, rooms, strict=True)}
    event = _Event(method, targets, masks, lost, generator, gathered)
    if method.allocation in (Allocation.UNIFORM, Allocation.ERK):
        goals = goals_without_scores(method, rooms, amount)
        return event.apart([goal - room.lost for goal, room in zip(goals, rooms, strict=True)])
    k = _in_all(rooms, amount)
    if k == 0:
        return {}  # Nothing is drawn at random either, as in torch.nn.utils.prune.
    if method.allocation is Allocation.GLOBAL:
        return event.pooled(k, rooms)
    return event.by_lamp(k, [room.open for room in rooms])


def goals_without_scores(method: Method, rooms: Sequence[Room], amount: float) -> list[int]:
    """Share an event out where the allocation is uniform or ERK: units gone of each tensor."""
    share = erk if method.allocation is Allocation.ERK else uniform
    if method.allocation is Allocation.UNIFORM and not isinstance(amount, ShareToward):
        removed = [units_to_remove(amount, room.units - room.lost) for room in rooms]
        goals = [room.lost + more for room, more in zip(rooms, removed, strict=True)]
        if all(goal <= room.most for goal, room in zip(goals, rooms, strict=True)):
            return goals
        return share(rooms, sum(goals))
    return share(rooms, sum(room.lost for room in rooms) + _in_all(rooms, amount))


def _in_all(rooms: Sequence[Room], amount: float) -> int:
    """Count the units that go of all tensors together."""
    units, lost = sum(room.units for room in rooms), sum(room.lost for room in rooms)
    limit = sum(room.open for room in rooms)
    if not isinstance(amount, ShareToward):
        return min(units_to_remove(amount, units - lost), limit)
    missing = max(0, units_at(amount.sparsity, units) - lost)
    if missing > limit:
        raise ValueError(
            f"sparsity={amount.sparsity:g} cannot be reached: of {units} units at most "
            f"{lost + limit} ({(lost + limit) / units:.4f}) may go"
        )
    return missing


@dataclass(frozen=True)
class _Event:
    """One event's choice, once it is known how much goes."""

    method: Method
    targets: Sequence[Target]
    masks: MaskSet
    lost: Mapping[str, int]
    generator: torch.Generator
    gathered: Gathered | None

    def apart(self, removals: Sequence[int]) -> dict[str, Tensor]:
        """Remove so many units of each tensor; a tensor that gives none is not even scored."""
        chosen = {}
        for target, k in zip(self.targets, removals, strict=True):
            if k:
                chosen.update(self._taken([target], [self._scores(target)], k))
        return chosen

    def pooled(self, k: int, rooms: Sequence[Room]) -> dict[str, Tensor]:
        """Remove ``k`` units in all, and of each tensor at most what it has room for.

        A tensor that would give more than it may gives what it may, and the others compete for
        the rest: that only raises the score up to which units go, so it still would.
        """
        scores = [self._scores(target) for target in self.targets]
        pool = list(range(len(self.targets)))
        chosen: dict[str, Tensor] = {}
        while True:
            targets, pooled = [self.targets[i] for i in pool], [scores[i] for i in pool]
            taken = self._taken(targets, pooled, k)
            over = [i for i in pool if self._is_over(rooms[i], self.targets[i], taken)]
            if not over:
                return {**chosen, **taken}
            for i in over:
                chosen.update(self._taken([self.targets[i]], [scores[i]], rooms[i].open))
                k -= rooms[i].open
            pool = [i for i in pool if i not in over]

    def by_lamp(self, k: int, most: Sequence[int]) -> dict[str, Tensor]:
        """Remove ``k`` units in all, shared among tensors by their LAMP scores."""
        units = [self._scores(target) for target in self.targets]
        shares = lamp_shares(
            [u.scores for u in units], k, most=most, staying=[u.staying for u in units]
        )
        chosen = {}
        for target, scores, share in zip(self.targets, units, shares, strict=True):
            if share:
                chosen.update(self._taken([target], [scores], share))
        return chosen

    def _scores(self, target: Target) -> UnitScores:
        return unit_scores(
            self.method.criterion,
            self.method.pattern,
            target,
            self.masks.pruned(target.name).to(target.part.device),
            lost=self.lost[target.name],
            norm=self.method.norm,
            gathered=self.gathered.of(target) if self.gathered else None,
            generator=self.generator,
        )

    def _taken(
        self, targets: Sequence[Target], units: Sequence[UnitScores], k: int
    ) -> dict[str, Tensor]:
        """Choose ``k`` units of a pool, as new masks."""
        chosen = {}
        marked = lowest([u.scores for u in units], k)
        for target, unit, gone in zip(targets, units, marked, strict=True):
            if unit.staying is not None:
                gone &= ~unit.staying
            pruned = self.masks.pruned(target.name)
            new = self.method.pattern.spread(gone, pruned.shape, target.shard)
            if self._has_partly_gone_units(target):
                new = new | pruned.to(new.device)
            chosen[target.name] = new
        return chosen

    def _has_partly_gone_units(self, target: Target) -> bool:
        """Whether channels have lost elements one by one; these stay gone."""
        if isinstance(self.method.pattern, Elements):
            return False
        shape = target.parameter.shape
        size = shape.numel() // max(1, self.method.pattern.units(shape))
        return self.masks.count(target.name) > self.lost[target.name] * size

    def _is_over(self, room: Room, target: Target, taken: Mapping[str, Tensor]) -> bool:
        if room.most == room.units:
            return False
        shard, pattern = target.shard, self.method.pattern
        gone = pattern.gone(taken[target.name], shard).count_nonzero()
        if shard is not None and isinstance(pattern, Elements):
            gone = ranks.total(gone * int(shard.counted), shard.device)
        return int(gone) > room.most


def prune(
    method: Method,
    targets: Sequence[Target],
    masks: MaskSet,
    amount: float,
    *,
    generator: torch.Generator,
    gathered: Gathered | None = None,
) -> None:
    """Prune once: :func:`choose`, and extend ``masks``. Weights stay as they are."""
    chosen = choose(method, targets, masks, amount, generator=generator, gathered=gathered)
    for name, pruned in chosen.items():
        masks.put(name, pruned)
