from __future__ import annotations

import subprocess
import sys

import pytest

from prunetool.demos import DigitsClassifier, DigitsDataModule
from prunetool.errors import OptionError


def test_importing_the_demo_imports_no_scikit_learn():
    code = (
        "import sys\nfrom prunetool.demos import DigitsClassifier\n"
        "DigitsClassifier()\nassert 'sklearn' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_data():
    data = DigitsDataModule(batch_size=100)
    (images, digits), *others = data.val_dataloader()
    assert others == []
    assert (images.shape, digits.shape) == ((359, 1, 8, 8), (359,))
    assert (float(images.min()), float(images.max())) == (0.0, 1.0)
    assert sorted(set(digits.tolist())) == list(range(10))
    assert [len(batch[1]) for batch in data.train_dataloader()] == [100] * 14 + [38]


def test_training_and_validation_share_no_image():
    data = DigitsDataModule()
    training = {tuple(image.flatten().tolist()) for image, _ in data.train_dataloader().dataset}
    validation = {tuple(image.flatten().tolist()) for image, _ in data.val_dataloader().dataset}
    assert len(training) + len(validation) == 1797
    assert not training & validation


def test_the_counts_of_the_docstring():
    model = DigitsClassifier()
    assert sum(p.numel() for p in model.parameters() if p.dim() > 1) == 62160
    assert DigitsClassifier(channels=4, hidden=8).hparams["hidden"] == 8


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(OptionError, match=r"pip install 'prunetool\[demo\]'"):
        DigitsClassifier().train_dataloader()
