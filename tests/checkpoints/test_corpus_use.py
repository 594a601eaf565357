"""Finalized files of the corpus in a process that cannot import prunetool."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch
from commandline import invoke
from corpus import MAKERS, make
from corpus_values import VALUES, equal
from ranks import SUPPORT

# Uses every file of the list; prints which gave other outputs than the live model.
_USE = """
import json, sys
sys.modules["prunetool"] = None  # any import of it raises
import torch
from corpus_use import outputs_of
from corpus_values import VALUES, equal

for name, user, path, expected in json.load(sys.stdin):
    try:
        outputs = outputs_of(user, path)
        if not torch.equal(outputs, torch.load(expected)):
            print(f"{name}: other outputs")
        kind = name.removeprefix("lightning-")
        if kind in VALUES:
            content = torch.load(path, weights_only=False)
            if not equal(content["hyper_parameters"]["value"], VALUES[kind]()):
                print(f"{name}: another value")
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {error}")
print("all used")
"""


@pytest.mark.slow
def test_finalized_files_are_used_without_prunetool(monkeypatch, capsys, tmp_path):
    """Real loading, real unpickling, and the same outputs to the bit."""
    uses = []
    for name in MAKERS:
        sample = make(name, tmp_path)
        if sample.user is None:
            continue
        final, outputs = tmp_path / f"{name}.ckpt", tmp_path / f"{name}.pt"
        done = invoke(monkeypatch, capsys, "finalize", sample.path, "-o", final)
        assert (done.code, done.err) == (0, ""), name
        torch.save(sample.outputs, outputs)
        uses.append((name, sample.user, str(final), str(outputs)))

    used = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _USE],
        input=json.dumps(uses),
        env=os.environ | {"PYTHONPATH": str(SUPPORT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert len(uses) > 60
    assert used.stdout.splitlines() == ["all used"], used.stdout + used.stderr


@pytest.mark.parametrize("kind", VALUES)
def test_values_are_told_apart(kind):
    """The comparison above can fail."""
    assert equal(VALUES[kind](), VALUES[kind]())
    others = [other for other in VALUES if equal(VALUES[kind](), VALUES[other]())]
    assert others == [kind]
