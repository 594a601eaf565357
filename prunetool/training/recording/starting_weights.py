"""``histograms.json``: how the weights that take part were spread when a run began.

What they are like in the end is in the checkpoints; the start is in none of them.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from prunetool.checkpoints.writing import write_text
from prunetool.pruning import ranks
from prunetool.pruning.histograms import Histogram, ValueCounts, count_values
from prunetool.pruning.shards import local, shard_of


@dataclass
class StartingWeights:
    """Counts the weights as training starts, and writes the counts once there is a folder.

    Of a sharded tensor each process counts its part; the counts are added up, no weight moves.
    """

    _all: Histogram | None = None
    _tensors: dict[str, Histogram] = field(default_factory=dict)

    def look(self, model: nn.Module, names: Collection[str]) -> None:
        """Count the parameters of these names; to be called by all processes."""
        total = ValueCounts.none()
        for name, parameter in model.named_parameters():
            if name in names:
                counts = _count(parameter)
                self._tensors[name] = counts.histogram()
                total += counts
        self._all = total.histogram()

    def write(self, path: Path) -> None:
        """Write what was seen.

        Raises:
            OutputError: if the file cannot be written.
        """
        if self._all is None:
            return
        rows = [f"  {json.dumps(name)}: {_row(it)}" for name, it in self._tensors.items()]
        tensors = "{\n" + ",\n".join(rows) + "\n}" if rows else "{}"
        write_text(path, f'{{"schema": 1, "all": {_row(self._all)},\n"tensors": {tensors}}}\n')


def _row(histogram: Histogram) -> str:
    content: dict[str, Any] = asdict(histogram)
    return json.dumps(content, separators=(",", ":"))


def _count(parameter: Tensor) -> ValueCounts:
    shard = shard_of(parameter)
    counts = count_values(local(parameter.detach()))
    if shard is None:
        return counts
    own = counts if shard.counted else ValueCounts.none()
    codes = own.codes.clone()
    zeros = codes.new_tensor([own.zeros])
    return ValueCounts(ranks.total(codes, shard.device), int(ranks.total(zeros, shard.device)))
