"""The kinds of checkpoints that there are, as a report names them."""

from __future__ import annotations

import enum


class Format(enum.StrEnum):
    """What a checkpoint is, whatever its name."""

    LIGHTNING = "lightning"
    STATE_DICT = "state_dict"
    SAFETENSORS = "safetensors"
    SPARSE = "sparse"  # prunetool's, in safetensors
    SHARDED = "sharded"  # a folder of torch.distributed

    @property
    def is_safetensors(self) -> bool:
        """Whether there is nothing but tensors in it."""
        return self in (Format.SAFETENSORS, Format.SPARSE)

    @property
    def is_lightnings(self) -> bool:
        """Whether Lightning wrote it, as far as can be told."""
        return self in (Format.LIGHTNING, Format.SHARDED)
