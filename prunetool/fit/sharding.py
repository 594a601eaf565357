"""What cannot be pruned where processes hold a part of each tensor: refused before the training."""

from __future__ import annotations

from collections.abc import Sequence

from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch.nn.utils.prune import BasePruningMethod

from prunetool.pruning.method import Method
from prunetool.pruning.patterns import Channels, NOfM
from prunetool.pruning.shards import Shard
from prunetool.pruning.straddling import are_cut_twice
from prunetool.pruning.targets import Target

Engine = Method | type[BasePruningMethod]


def require_prunable_in_parts(targets: Sequence[Target], engine: Engine) -> None:
    """Make sure that sharded targets can be pruned by ``engine`` part by part.

    Raises:
        MisconfigurationException: naming the first that cannot, and what to do.
    """
    for target in targets:
        try:
            shard = target.shard
        except ValueError as error:
            raise MisconfigurationException(f"{target.name}: {error}") from None
        if shard is not None and (reason := _misfit(target, shard, engine)):
            raise MisconfigurationException(f"{target.name} is sharded, {reason}")


def _misfit(target: Target, shard: Shard, engine: Engine) -> str | None:
    if not isinstance(engine, Method):
        return (
            "and a `pruning_fn` of your own needs all weights in one place; "
            "name one of prunetool's, or a `criterion`, or train without sharding"
        )
    pattern, dims = engine.pattern, range(len(shard.shape))
    if isinstance(pattern, NOfM) and are_cut_twice(shard, target.input_dim):
        return (
            f"and two dimensions of the device mesh cut its input dimension, so that groups of "
            f"`pattern` {pattern} cannot be told; leave it out (exclude)"
        )
    if isinstance(pattern, Channels) and pattern.matrices_only:
        channel_dim = pattern.dim % len(shard.shape)
        if not all(shard.holds_all_of(dim) for dim in dims if dim != channel_dim):
            return (
                "and the nuclear norm needs whole channels in each process; "
                "choose another `pruning_norm`, or prune along the sharded dimension"
            )
    return None
