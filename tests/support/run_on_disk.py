"""A run folder as ``prunetool train`` leaves it, made by hand: every number in it is known."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from prunetool.training.recording.starting_weights import StartingWeights

EVENTS = """\
event,epoch,step,planned,achieved
1,1,10,0.400000,0.406250
2,2,20,0.750000,0.750000
"""
METRICS = """\
epoch,step,sparsity,train_loss,val_loss,val_acc
1,10,0.406250,2.0,1.5,0.25
2,20,0.750000,1.0,nan,0.5
3,30,0.750000,0.5,0.75,0.875
"""
CONFIG = """\
prunetool: 0.1.0
target: demo:<b>Net</b>
sparsity: 0.75
monitor: val_acc:max
"""


class Net(nn.Module):
    """A convolution and a matrix with a name that is markup; 160 weights that are pruned."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(2, 4, 2)
        self.add_module("<b>&", nn.Linear(16, 8))


def masks_of(net: nn.Module) -> dict[str, torch.Tensor]:
    """Give the masks of the run: a channel of the convolution, and 3 of 4 in the matrix."""
    generator = torch.Generator().manual_seed(1)
    matrix = torch.randperm(128, generator=generator).view(8, 16) >= 96
    conv = torch.ones(4, 2, 2, 2, dtype=torch.bool)
    conv[1:] = False
    return {"conv.weight": conv, "<b>&.weight": matrix}


def make_run(folder: Path, **texts: str | None) -> Path:
    """Make a run folder; ``texts`` replace files (``events="..."``), None leaves one out."""
    checkpoints = folder / "checkpoints"
    checkpoints.mkdir(parents=True)
    net = Net()
    masks = masks_of(net)
    start = StartingWeights()
    start.look(net, masks.keys())
    start.write(folder / "histograms.json")
    state = {}
    for name, value in net.state_dict().items():
        if name in masks:
            # Trained: twice as large, and some of it beyond where it was in the beginning.
            state[f"{name}_orig"], state[f"{name}_mask"] = value * 2, masks[name].float()
        else:
            state[name] = value
    content = {"state_dict": state, "pytorch-lightning_version": "2.6.6"}
    torch.save(content, checkpoints / "last.ckpt")
    files = {"events": "events.csv", "metrics": "metrics.csv", "config": "config.yaml"}
    contents = {"events": EVENTS, "metrics": METRICS, "config": CONFIG} | texts
    for key, text in contents.items():
        file = folder / files.get(key, f"{key}.json")
        if text is not None:
            file.write_text(text)
        else:
            file.unlink(missing_ok=True)
    return folder
