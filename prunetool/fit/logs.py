"""The log lines of an event, in the reference's form and on its logger: scrapers read them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from lightning.pytorch.utilities.rank_zero import rank_zero_only

from prunetool.pruning.masks import MaskSet
from prunetool.pruning.targets import Target

# The reference's logger: its level and handlers are what users have set up.
_log = logging.getLogger("lightning.pytorch.callbacks.pruning")


def pruned_counts(masks: MaskSet, targets: Sequence[Target]) -> list[int]:
    """Count the pruned elements of each target."""
    return [masks.count(target.name) for target in targets]


@rank_zero_only
def log_event(
    method: str,
    amount: float,
    targets: Sequence[Target],
    *,
    before: Sequence[int],
    after: Sequence[int],
    each_tensor: bool,
) -> None:
    """Log what an event did: all targets together and, if asked for, each of them."""
    total = sum(target.parameter.numel() for target in targets)
    _log.info(
        f"Applied `{method}`. Pruned: {_share(sum(before), total)} -> {_share(sum(after), total)}"
    )
    if not each_tensor:
        return
    for target, was, now in zip(targets, before, after, strict=True):
        module, name = target.sites[0]
        size = target.parameter.numel()
        _log.info(
            f"Applied `{method}` to `{module!r}.{name}` with amount={amount}. Pruned:"
            f" {was} ({was / size:.2%}) -> {now} ({now / size:.2%})"
        )


def _share(count: int, total: int) -> str:
    return f"{count}/{total} ({count / total:.2%})"
