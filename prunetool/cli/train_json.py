"""What a training came to, as JSON: ``train --format json``.

Schema 1 is a contract: keys are added, never changed. The same run gives the same document.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunetool.training.outcome import Outcome

_SCHEMA = 1


def outcome_to_json(outcome: Outcome, *, seed: int, report: str) -> str:
    """Write what a training came to, without a newline at the end.

    Args:
        outcome: its numbers.
        seed: of the run.
        report: of its last checkpoint, as JSON.

    Raises:
        CheckpointError: if a checkpoint of the run cannot be read.
    """
    folder = outcome.folder
    last = _state(folder.last)
    document = {
        "schema": _SCHEMA,
        "run": str(folder.path),
        "config": str(folder.config),
        "checkpoints": {
            "last": str(folder.last),
            "best": str(folder.best) if folder.best.exists() else None,
            "rounds": [str(folder.round(row.number)) for row in outcome.rounds],
        },
        "sparsity": {
            "asked": outcome.asked,
            "achieved": outcome.achieved,
            "pruned": outcome.pruned,
            "elements": outcome.elements,
            "planned": outcome.planned,
            "reached": not outcome.is_short,
        },
        "metrics": {
            "last": last["metrics"],
            "best": _state(folder.best)["metrics"] if folder.best.exists() else None,
        },
        "epochs": last["epochs"],
        "steps": last["steps"],
        "seed": seed,
        "events": [
            {
                "epoch": event.epoch,
                "step": event.step,
                "planned": event.planned,
                "achieved": event.achieved,
            }
            for event in outcome.history
        ],
        "rounds": [asdict(row) for row in outcome.rounds],
        "report": {"path": str(folder.report), "total": json.loads(report)["total"]},
    }
    return json.dumps(_valid(document), indent=2, ensure_ascii=False, allow_nan=False)


def _state(checkpoint: Path) -> dict[str, Any]:
    """Read the epoch that a checkpoint of a run is of, and the metrics of its weights."""
    from prunetool.checkpoints.reader import open_checkpoint
    from prunetool.training.resuming.newest import finished_epochs

    content = open_checkpoint(checkpoint).content
    return {
        "epochs": finished_epochs(content),
        "steps": int(content["global_step"]),
        "metrics": dict(content["prunetool"].get("metrics", {})),
    }


def _valid(value: Any) -> Any:
    """Put null where a number is not finite: JSON has no word for it."""
    if isinstance(value, dict):
        return {key: _valid(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_valid(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
