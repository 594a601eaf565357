"""Scripts as modules, for what needs no process of its own."""

from __future__ import annotations

import importlib
import logging

import pytest
import torch
from benches import SCRIPTS


@pytest.fixture
def load_script(monkeypatch):
    """Give a function that imports a script; what scripts set for their process is set back."""
    monkeypatch.syspath_prepend(SCRIPTS)
    threads = torch.get_num_threads()
    lightning = logging.getLogger("lightning.pytorch")
    level = lightning.level
    yield importlib.import_module
    lightning.setLevel(level)
    torch.set_flush_denormal(False)
    torch.set_num_threads(threads)
