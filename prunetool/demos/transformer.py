"""A small transformer that shards itself where there is a mesh, and its own task: sorting."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

_DIGITS = 10  # symbols: 0 to 9
_TRAINING, _VALIDATION = 4096, 512  # sequences


class TinyTransformer(LightningModule):
    """Sorts sequences of eight digits: an embedding, two blocks and a head, 98,944 weights.

    Position p of the output is the p-th smallest digit of the input. The sequences are drawn from
    a fixed seed, so that nothing is downloaded, and every run has the same.

    Under Lightning's ``ModelParallelStrategy`` (``--strategy fsdp2``) each process holds its share
    of every weight; otherwise the same code trains on one device, or under DDP. The initial
    weights are the same either way.

    Args:
        width: features of a position; a multiple of ``heads``.
        heads: of the attention.
        blocks: attention and MLP, one after the other.
        length: digits of a sequence.
        learning_rate: the highest of AdamW's; it falls to zero along a cosine over the training.
        batch_size: sequences, for the model's own dataloaders; in each process.
    """

    def __init__(
        self,
        width: int = 64,
        heads: int = 4,
        blocks: int = 2,
        length: int = 8,
        learning_rate: float = 3e-3,
        batch_size: int = 64,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.digits = nn.Embedding(_DIGITS, width)
        self.positions = nn.Embedding(length, width)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, _DIGITS)

    def configure_model(self) -> None:
        """Shard the weights over the mesh's data-parallel dimension, once."""
        if self.device_mesh is None:
            return
        from torch.distributed.fsdp import FSDPModule, fully_shard

        if isinstance(self, FSDPModule):
            return  # a second fit finds the layers sharded
        mesh = self.device_mesh["data_parallel"]
        for block in self.blocks:
            fully_shard(block, mesh=mesh)
        # What is in no block; Lightning calls the steps, so the root's hooks belong there too.
        fully_shard(self, mesh=mesh)

    def forward(self, digits: Tensor) -> Tensor:
        """Map digits (batch, length) to logits (batch, 10, length)."""
        places = torch.arange(digits.shape[1], device=digits.device)
        features = self.digits(digits) + self.positions(places)
        for block in self.blocks:
            features = block(features)
        logits: Tensor = self.head(self.norm(features))
        # A tensor of its own: FSDP2 hooks what the outermost module returns, which a view undoes.
        return logits.transpose(1, 2).contiguous()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Give the cross-entropy of a batch."""
        digits, in_order = batch
        loss = F.cross_entropy(self(digits), in_order)
        self.log("train_loss", loss, on_step=False, on_epoch=True, sync_dist=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log loss and accuracy, over all processes."""
        digits, in_order = batch
        logits = self(digits)
        loss = F.cross_entropy(logits, in_order)
        accuracy = (logits.argmax(dim=1) == in_order).float().mean()
        self.log_dict({"val_loss": loss, "val_acc": accuracy}, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """AdamW, its learning rate falling along a cosine at every step."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams["learning_rate"])
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled."""
        data = _sequences(_TRAINING, self.hparams["length"], seed=1)
        return DataLoader(data, batch_size=self.hparams["batch_size"], shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """In order."""
        data = _sequences(_VALIDATION, self.hparams["length"], seed=2)
        return DataLoader(data, batch_size=256)


class _Block(nn.Module):
    """Attention, then an MLP, each added to what comes in (pre-norm)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.mixed = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (batch, length, width) to the same shape."""
        features = features + self._attention(self.norm_attention(features))
        mlp: Tensor = self.down(F.gelu(self.up(self.norm_mlp(features))))
        return features + mlp

    def _attention(self, features: Tensor) -> Tensor:
        parts = self.queries_keys_values(features).chunk(3, dim=-1)
        queries, keys, values = (part.unflatten(-1, (self.heads, -1)) for part in parts)
        attended = F.scaled_dot_product_attention(
            queries.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2)
        )
        mixed: Tensor = self.mixed(attended.transpose(1, 2).flatten(2))
        return mixed


def _sequences(count: int, length: int, *, seed: int) -> TensorDataset:
    """Draw digits (count, length), each with the same in order; int64, in [0, 9]."""
    # Lightning advises worker processes; for a tensor in memory they only cost time.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    generator = torch.Generator().manual_seed(seed)
    digits = torch.randint(0, _DIGITS, (count, length), generator=generator)
    return TensorDataset(digits, digits.sort(dim=1).values)
