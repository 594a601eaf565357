"""Which of a run's processes this one is, from the environment: before Lightning can be asked.

Lightning starts further processes by running the command again; ``torchrun`` and clusters start
all of them. Every process goes through the whole command, and only the main one speaks and writes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

# Where there is no RANK, all of these are 0 in the main process: Lightning sets LOCAL_RANK in the
# processes that it starts, also within an allocation of SLURM.
_PARTS = ("SLURM_PROCID", "JSM_NAMESPACE_RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK")


def is_main(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this is the process of rank 0, or the only one."""
    if "RANK" in environ:
        return environ["RANK"] == "0"
    return all(environ.get(name, "0") == "0" for name in _PARTS)


def name_of_this(environ: Mapping[str, str] = os.environ) -> str:
    """Say which process this is, for an error that only one may have."""
    if "RANK" in environ:
        return f"rank {environ['RANK']}"
    node = environ.get("NODE_RANK", "0")
    return f"local rank {environ.get('LOCAL_RANK', '0')}" + (f" of node {node}" * (node != "0"))


def torchrun_layout(environ: Mapping[str, str] = os.environ) -> tuple[int, int] | None:
    """Processes of each machine, and machines, as ``torchrun`` started them; None without it."""
    if "TORCHELASTIC_RUN_ID" not in environ:
        return None
    local = int(environ["LOCAL_WORLD_SIZE"])
    return local, int(environ["WORLD_SIZE"]) // local
