"""What the callback says when a fit starts: when it prunes, what that comes to, what it rewinds.

The commonest call in public code, ``ModelPruning("l1_unstructured", amount=0.5)``, is meant as
"half of the weights" and prunes half of what remains at the end of every epoch. Nothing can be
said too plainly here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn

from prunetool.fit.clock import Clock
from prunetool.fit.pruner import Pruner
from prunetool.fit.settings import Settings
from prunetool.fit.timeline import Length, Timeline, Unit
from prunetool.pruning.schedules import require_rising, sparsity_at

# So many points of a curve are said; the others lie evenly between them.
_POINTS = 8
# Below this, a difference of shares is one of rounding.
_ROUNDED = 0.005


@dataclass(frozen=True)
class Plan:
    """The facts to put into words.

    Attributes:
        method: name of the pruning function.
        elements: elements of all targets.
        tensors: number of targets.
        sparsity: absolute target, or None where ``amount`` counts.
        schedule: name of the curve toward ``sparsity``.
        amount: share or number a event, or None where a callable decides.
        events: number of events to come, or None where a callable or the length leaves it open.
        timeline: when they come; None for the end of every epoch (or validation).
        where: the hook in words ("the end of every epoch").
        already: elements pruned before the fit, of ``elements``.
        rewinds: "never", "always", "but the last" or "as called".
        each_tensor: amounts count in each tensor, not over all together.
        unit: "elements" or "channels".
        too_short: the training ends before ``sparsity`` is due.
        curve: moment ("epoch" or "step" and its number) and sparsity of each event to come; empty
            where that is open.
        limit: the most that pattern and bounds let go, a share of the elements; None for all.
        chosen_in_vain: pruning was asked for at epochs that this training does not have.
    """

    method: str
    elements: int
    tensors: int
    sparsity: float | None
    schedule: str
    amount: float | None
    events: int | None
    timeline: Timeline | None
    where: str
    already: int
    rewinds: str
    each_tensor: bool
    unit: str
    too_short: bool = False
    curve: list[tuple[int, str, float]] = field(default_factory=list)
    chosen_in_vain: bool = False
    limit: float | None = None

    @property
    def compounds(self) -> bool:
        """Whether several events each take a share of what is left."""
        several = self.events is None or self.events > 1
        return self.sparsity is None and isinstance(self.amount, float) and several


def in_words(plan: Plan) -> list[str]:
    """Put the plan into lines: how much and when, what compounds, what is rewound."""
    head = f"{plan.method} over {plan.elements} elements in {plan.tensors} tensors"
    if plan.already:
        head += f" ({plan.already / plan.elements:.2%} pruned already)"
    lines = [f"{head}: {_toward_target(plan) if plan.sparsity is not None else _by_amount(plan)}"]
    if len(plan.curve) > 1:
        lines.append(_along(plan.curve))
    if plan.compounds and plan.amount is not None:
        lines.append(_compounding(plan))
    if plan.chosen_in_vain:
        lines.append("none of the epochs to prune at lies within this training: nothing is pruned")
    if plan.too_short:
        lines.append("the training ends before that: train longer, or choose an earlier end")
    lines.extend(_rewinding(plan))
    return lines


def _toward_target(plan: Plan) -> str:
    assert plan.sparsity is not None
    assert plan.timeline is not None
    if plan.sparsity == 0:
        return "nothing is pruned (sparsity 0)"
    if plan.events is None:
        events = "as many events as fall on the chosen epochs"
    else:
        events = "one event" if plan.events == 1 else f"{plan.events} events"
    first = plan.timeline.start + plan.timeline.every
    unit = "epoch" if plan.timeline.unit is Unit.EPOCHS else "step"
    when = f"after {unit} {plan.timeline.end}"
    if plan.events != 1:
        when = f"from {unit} {first} to {unit} {plan.timeline.end}"
    return f"{plan.sparsity:.2%} sparse in {events}, {when} ({plan.schedule})"


def _along(curve: Sequence[tuple[int, str, float]]) -> str:
    """Give the curve, thinned evenly where it is long; its last point always."""
    step = -(-len(curve) // _POINTS)
    points = [*curve[(len(curve) - 1) % step :: step]]
    words = [f"{sparsity:.2%} after {moment}" for moment, _, sparsity in points]
    return f"planned by {curve[0][1]}: {', '.join(words)}"


def _by_amount(plan: Plan) -> str:
    if plan.events == 0:
        return "no event in this training"
    if plan.amount is None:
        return f"as much as `amount` says for the epoch, at {plan.where}"
    if isinstance(plan.amount, float):
        much = f"{plan.amount:.2%} of the {plan.unit} that remain"
    else:
        much = f"{plan.amount} {plan.unit}"
    if plan.each_tensor:
        much += " in each tensor"
    count = "" if plan.events is None else f", {plan.events} times"
    if plan.events == 1:
        count = ", once"
    return f"{much} at {plan.where}{count}"


def _compounding(plan: Plan) -> str:
    assert plan.amount is not None
    share = f"{plan.amount:.2%}"
    if plan.events is None:
        comes_to = f"each event takes {share} of the rest, so the sparsity goes on rising"
    else:
        left = (1 - plan.already / plan.elements) * (1 - plan.amount) ** plan.events
        comes_to = f"this compounds to {1 - left:.2%} after {plan.events} events"
        if plan.limit is not None and plan.limit < 1 - left - _ROUNDED:
            comes_to += f", of which the pattern and the layers' bounds let {plan.limit:.2%} go"
    return f"{comes_to}; for {share} in all, give sparsity={plan.amount:g} instead of amount"


def _rewinding(plan: Plan) -> list[str]:
    match plan.rewinds:
        case "never":
            return []
        case "but the last":
            return [
                "after every event but one after the last training epoch the targets are reset to "
                "their early values (use_lottery_ticket_hypothesis=True)"
            ]
        case _:
            return ["the targets are reset to their early values whenever your callable says so"]


def describe(
    pruner: Pruner,
    clock: Clock,
    amount: float | Callable[[int], float],
    trainer: Any,
    length: Length,
) -> Plan:
    """Collect the facts when training starts."""
    settings = pruner.settings
    if callable(settings.rewinds):
        rewinds = "as called"
    else:
        rewinds = "but the last" if settings.rewinds else "never"
    events, in_vain = _events(settings.applies, clock, trainer, length)
    if events is not None and not callable(amount):
        pruner.expect(amount, events)
    return Plan(
        method=settings.function.log_name,
        elements=pruner.elements,
        tensors=len(pruner.targets),
        sparsity=settings.sparsity,
        schedule=settings.schedule_name,
        amount=None if callable(amount) else amount,
        events=events,
        timeline=clock.timeline,
        where=clock.where,
        already=pruner.pruned,
        rewinds=rewinds,
        each_tensor=settings.each_tensor_for_itself,
        unit=settings.unit,
        too_short=bool(settings.sparsity) and _ends_before(clock.timeline, length),
        curve=_curve(settings, clock, length) if settings.applies is True else [],
        chosen_in_vain=in_vain,
        limit=pruner.limit,
    )


def _events(
    applies: bool | Callable[[int], bool], clock: Clock, trainer: Any, length: Length
) -> tuple[int | None, bool]:
    """Count the events to come, None where that is open; and whether epochs were chosen in vain.

    A callable of the epoch may count its calls: it is never called ahead of time. One that has
    ``epochs``, the set of those at which it is true, need not be.
    """
    events = clock.events_to_come(trainer, length)
    if not callable(applies):
        return (events if applies else 0), False
    chosen = getattr(applies, "epochs", None)
    if chosen is None or events is None or clock.timeline is not None or length.epochs is None:
        return None, False
    count = sum(epoch in chosen for epoch in range(length.epochs - events, length.epochs))
    return count, not count


def _curve(settings: Settings, clock: Clock, length: Length) -> list[tuple[int, str, float]]:
    timeline, sparsity = clock.timeline, settings.sparsity
    total = length.in_unit(timeline.unit) if timeline is not None else None
    if timeline is None or not sparsity or total is None:
        return []
    unit = "epoch" if timeline.unit is Unit.EPOCHS else "step"
    curve = [
        (m, unit, sparsity_at(settings.schedule, timeline.progress(m), target=sparsity))
        for m in timeline.moments(total)
    ]
    require_rising([sparsity for _, _, sparsity in curve])
    return [point for point in curve if point[0] > clock.done]


def _ends_before(timeline: Timeline | None, length: Length) -> bool:
    if timeline is None or timeline.end is None:
        return False
    total = length.in_unit(timeline.unit)
    return total is not None and total < timeline.end


def announce(plan: Plan) -> list[str]:
    """Say the plan once, as a warning where several events compound; give its lines."""
    lines = in_words(plan)
    message = "ModelPruning: " + "; ".join(lines)
    if plan.compounds:
        rank_zero_warn(message)
    else:
        rank_zero_info(message)
    return lines
