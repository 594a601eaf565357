"""``scripts/demo``, whole, and what it leaves, used where prunetool cannot be imported."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# scripts/demo makes its environment; a test only ever reuses one.
ENVIRONMENT = Path(sys.prefix)

WITHOUT_PRUNETOOL = """
import sys
sys.modules["prunetool"] = None
try:
    import prunetool
except ImportError:
    pass
else:
    raise SystemExit("prunetool can be imported")

import lightning.pytorch as pl
import torch
from safetensors.torch import load_file
from torch import nn

class Classifier(pl.LightningModule):
    def __init__(self, channels, hidden, learning_rate, batch_size):
        super().__init__()
        self.save_hyperparameters()
        self.features = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(channels, 2 * channels, 3, padding=1), nn.BatchNorm2d(2 * channels),
            nn.ReLU(), nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(8 * channels, hidden), nn.ReLU(), nn.Linear(hidden, 10)
        )

model = Classifier.load_from_checkpoint("digits.ckpt")
exported = load_file("digits.safetensors")
assert exported.keys() == model.state_dict().keys()
assert all(torch.equal(tensor, exported[name]) for name, tensor in model.state_dict().items())
matrices = [p for p in model.parameters() if p.dim() > 1]
print(sum(int((p == 0).sum()) for p in matrices), sum(p.numel() for p in matrices))
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not (ENVIRONMENT / ".prunetool-installed").exists(), reason="not run by scripts/test"
)
def test_the_demo_trains_compares_and_exports(tmp_path):
    demo = subprocess.run(
        [ROOT / "scripts" / "demo", "--output", tmp_path / "demo"],
        env={**os.environ, "PRUNETOOL_VENV": sys.prefix},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "sparsity asked 0.900000 achieved 0.900000 pruned 55944 of 62160\n" in demo.stdout
    found = re.search(r"dense ([\d.]+) %, at 90 % sparsity ([\d.]+) %", demo.stdout)
    assert found, demo.stdout
    dense, sparse = float(found[1]), float(found[2])
    assert dense > 97
    assert sparse >= dense - 1

    alone = subprocess.run(
        [sys.executable, "-c", WITHOUT_PRUNETOOL],
        cwd=tmp_path / "demo",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert alone.returncode == 0, alone.stderr
    assert alone.stdout.split() == ["55944", "62160"]
