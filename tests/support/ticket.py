"""A model whose training depends on everything that a rewind must bring back, and that training
done by hand: batches in a shuffled order, dropout, momentum, and a learning rate that falls along
the whole of it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, ClassVar

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

STEPS_AN_EPOCH = 4
MATRICES = ("first.weight", "last.weight")


def loader(*, shuffle: bool) -> DataLoader[Any]:
    """Give 60 fixed examples in batches of 16: the last of the four is smaller."""
    inputs = torch.randn(60, 8, generator=torch.Generator().manual_seed(5))
    return DataLoader(TensorDataset(inputs, inputs.sum(1, keepdim=True)), 16, shuffle=shuffle)


def falling(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    """Let the learning rate fall along a line to a tenth."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - 0.9 * step / steps)


class Ticket(pl.LightningModule):
    """8 x 6 + 6 weights in two matrices."""

    # Raises KeyboardInterrupt in this training step of the process, as Ctrl-C would.
    interrupted_at: ClassVar[int | None] = None
    steps_taken: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 6)
        self.dropout = nn.Dropout(0.25)
        self.last = nn.Linear(6, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.last(self.dropout(self.first(inputs).relu()))
        return out

    def training_step(self, batch: Any, _index: int) -> Tensor:
        Ticket.steps_taken += 1
        if Ticket.steps_taken == Ticket.interrupted_at:
            raise KeyboardInterrupt
        loss = (self(batch[0]) - batch[1]).square().mean()
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, _index: int) -> None:
        self.log("val_loss", (self(batch[0]) - batch[1]).square().mean())

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)
        scheduler = falling(optimizer, int(self.trainer.estimated_stepping_batches))
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    def train_dataloader(self) -> DataLoader[Any]:
        return loader(shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        return loader(shuffle=False)


class Stubborn(Ticket):
    """Steps its scheduler itself."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, _index: int) -> None:  # type: ignore[override]
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward((self(batch[0]) - batch[1]).square().mean())
        optimizer.step()
        self.lr_schedulers().step()  # type: ignore[union-attr]


class Impatient(Ticket):
    """Has enough after an epoch."""

    def on_train_epoch_end(self) -> None:
        self.trainer.should_stop = True


def half_at_once(progress: float) -> float:
    """A schedule of the user's: half of it soon, the rest in the end."""
    return 1.0 if progress >= 1 else 0.5


def beyond(progress: float) -> float:
    """No fraction."""
    return 1 + progress


@dataclass
class Moment:
    """Everything as of a step."""

    weights: dict[str, Tensor]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    random: Tensor
    epoch_random: Tensor
    epoch: int
    batch: int


@dataclass
class ByHand:
    """Rounds in plain PyTorch, with a float mask a matrix.

    Args:
        seed: of weights and batches.
        epochs: of each round.
        step: K.
    """

    seed: int
    epochs: int
    step: int
    moment: Moment | None = None
    ends: list[dict[str, Tensor]] = field(default_factory=list)
    momentum: dict[str, Tensor] = field(default_factory=dict)

    def run(self, retrain: str, sparsities: list[float]) -> None:
        pl.seed_everything(self.seed, verbose=False)
        self.model = Ticket()
        self.masks = {name: torch.ones_like(self.model.get_parameter(name)) for name in MATRICES}
        self._begin(scheduled=True)
        self._train(0, 0, None)
        for sparsity in sparsities:
            self._prune(sparsity)
            random = torch.get_rng_state()
            match retrain:
                case "weights":
                    self._begin(scheduled=True)
                    self.model.load_state_dict(self.moment.weights)
                    self.optimizer.load_state_dict(copy.deepcopy(self.moment.optimizer))
                    self.scheduler.load_state_dict(self.moment.scheduler)
                case "lr":
                    self._begin(scheduled=True)
                    for group, early in zip(
                        self.optimizer.param_groups,
                        self.moment.optimizer["param_groups"],
                        strict=True,
                    ):
                        group["lr"] = early["lr"]
                    self.scheduler.load_state_dict(self.moment.scheduler)
                case "finetune":
                    self.scheduler = None
                    torch.set_rng_state(random)
            if retrain == "finetune":
                self._obey()
                self._train(0, 0, None)
            else:
                self._obey()
                torch.set_rng_state(self.moment.epoch_random)
                self._train(self.moment.epoch, self.moment.batch, self.moment.random)

    def _begin(self, *, scheduled: bool) -> None:
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.05, momentum=0.9)
        self.scheduler = falling(self.optimizer, self.epochs * STEPS_AN_EPOCH)

    def _obey(self) -> None:
        for name, mask in self.masks.items():
            parameter = self.model.get_parameter(name)
            parameter.data *= mask
            buffer = self.optimizer.state.get(parameter, {}).get("momentum_buffer")
            if buffer is not None:
                buffer *= mask

    def _prune(self, sparsity: float) -> None:
        """The smallest of all, the first among equals; pruned ones are zero and so the smallest."""
        flat = torch.cat([self.model.get_parameter(name).data.abs().flatten() for name in MATRICES])
        order = torch.argsort(flat, stable=True)
        kept = torch.ones_like(flat)
        kept[order[: round(sparsity * flat.numel())]] = 0
        sizes = [self.masks[name].numel() for name in MATRICES]
        for name, part in zip(MATRICES, kept.split(sizes), strict=True):
            self.masks[name] = part.view_as(self.masks[name])

    def _train(self, epoch: int, skipped: int, random: Tensor | None) -> None:
        batches, check = loader(shuffle=True), loader(shuffle=False)
        first_round = not self.ends
        if first_round and self.step == 0:
            self._note(0, 0, torch.get_rng_state())
        while epoch < self.epochs:
            epoch_random = torch.get_rng_state()
            for number, batch in enumerate(batches):
                if number < skipped:
                    continue
                if number == skipped and random is not None and skipped:
                    torch.set_rng_state(random)
                self._step(batch)
                done = epoch * STEPS_AN_EPOCH + number + 1
                if first_round and done == self.step and number + 1 < STEPS_AN_EPOCH:
                    self._note(epoch, number + 1, epoch_random)
            skipped = 0
            for _ in check:  # it draws from the same generator
                pass
            epoch += 1
            if first_round and self.step == epoch * STEPS_AN_EPOCH:
                self._note(epoch, 0, torch.get_rng_state())
        self.ends.append({k: v.clone() for k, v in self.model.state_dict().items()})
        self.momentum = {
            name: self.optimizer.state[parameter]["momentum_buffer"].clone()
            for name, parameter in self.model.named_parameters()
        }

    def _step(self, batch: Any) -> None:
        self.model.train()
        self.optimizer.zero_grad()
        (self.model(batch[0]) - batch[1]).square().mean().backward()
        for name, mask in self.masks.items():
            self.model.get_parameter(name).grad *= mask
        self.optimizer.step()
        for name, mask in self.masks.items():
            self.model.get_parameter(name).data *= mask
        if self.scheduler is not None:
            self.scheduler.step()

    def _note(self, epoch: int, batch: int, epoch_random: Tensor) -> None:
        self.moment = Moment(
            weights=copy.deepcopy(self.model.state_dict()),
            optimizer=copy.deepcopy(self.optimizer.state_dict()),
            scheduler=copy.deepcopy(self.scheduler.state_dict()),
            random=torch.get_rng_state(),
            epoch_random=epoch_random,
            epoch=epoch,
            batch=batch,
        )
