"""How sparse a checkpoint is: statistics as dataclasses, and renderers and gates beside them.

The public names are imported when they are first used, so that asking for one costs no other.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunetool.reports.counting.counting import report_on
    from prunetool.reports.rendering.jsonform import to_json
    from prunetool.reports.rendering.table import render_table
    from prunetool.reports.statistics import Report

__all__ = ["Report", "render_table", "report_on", "to_json"]

_HOMES = {
    "Report": "prunetool.reports.statistics",
    "render_table": "prunetool.reports.rendering.table",
    "report_on": "prunetool.reports.counting.counting",
    "to_json": "prunetool.reports.rendering.jsonform",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'prunetool.reports' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
