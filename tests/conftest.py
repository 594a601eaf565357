"""Every test process, and every process it starts, computes on one thread: xdist uses the rest."""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
# Pinned, so that what a terminal would show does not depend on who runs the tests.
os.environ.pop("NO_COLOR", None)
os.environ.pop("FORCE_COLOR", None)
os.environ.pop("PRUNETOOL_TRACEBACK", None)
os.environ["COLUMNS"] = "80"


def pytest_collection_modifyitems(items):
    """Begin with the slow tests: a long one at the end would leave the other workers idle."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
