"""The bytes of a file, read where they are asked for, from the file as it was when opened."""

from __future__ import annotations

import os
import weakref
from pathlib import Path

import torch
from torch import Tensor

from prunetool.checkpoints.lazy import LazyTensor
from prunetool.errors import CheckpointError


class ByteSource:
    """A file that stays open: renaming another one to its name changes nothing here.

    Reading is by position and never maps the file: one that is cut off meanwhile is an error
    that can be told, where a mapped one would end the process.

    Attributes:
        path: what to call it in messages.
        size: bytes, when it was opened.

    Raises:
        CheckpointError: if it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
            weakref.finalize(self, os.close, self._descriptor)
            self.size = os.fstat(self._descriptor).st_size
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read: {error.strerror}; check it") from error

    def read(self, start: int, count: int) -> bytearray:
        """Return ``count`` bytes from ``start`` on.

        Raises:
            CheckpointError: if they are not all there, or cannot be read.
        """
        if start < 0 or count < 0 or start + count > self.size:
            raise CheckpointError(
                f"{self.path}: cut off: expected at least {start + count} bytes, found "
                f"{self.size}; copy it again from where it came from"
            )
        content = bytearray(count)
        with memoryview(content) as whole:
            self._fill(whole, start)
        return content

    def read_tensor(self, start: int, count: int, dtype: torch.dtype) -> Tensor:
        """Return ``count`` elements, stored from byte ``start`` on, as a one-dimensional tensor."""
        if count == 0:
            return torch.empty(0, dtype=dtype)
        values = torch.empty(count * dtype.itemsize, dtype=torch.uint8)
        with values.numpy().data.cast("B") as whole:
            self._fill(whole, start)
        return values.view(dtype)

    def _fill(self, target: memoryview, start: int) -> None:
        done = 0
        try:
            while done < len(target):
                # One call reads 2 GiB at most, on Linux.
                count = os.preadv(self._descriptor, [target[done:]], start + done)
                if count == 0:
                    raise CheckpointError(
                        f"{self.path}: became shorter while it was read; copy it again"
                    )
                done += count
        except OSError as error:
            raise CheckpointError(
                f"{self.path}: cannot be read: {error.strerror}; check the disk"
            ) from error


class FileTensor(LazyTensor):
    """A tensor whose elements lie in a file one after the other, in row-major order."""

    def __init__(
        self, source: ByteSource, start: int, shape: torch.Size, dtype: torch.dtype
    ) -> None:
        super().__init__(shape, dtype)
        self.source = source
        self.start = start

    @property
    def identity(self) -> tuple[int, int, tuple[int, ...], torch.dtype]:
        """Which bytes it is made of, and how they are seen."""
        return id(self.source), self.start, tuple(self.shape), self.dtype

    def flat(self, start: int, stop: int) -> Tensor:
        """Read a range of elements."""
        at = self.start + start * self.dtype.itemsize
        return self.source.read_tensor(at, stop - start, self.dtype)
