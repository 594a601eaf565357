"""What an exported file says of itself: who wrote it, how sparse it is, and from what.

The fields, all in the metadata, and the same in every shard:

``prunetool``
    the version that wrote the file
``sparsity``
    zeros as a fraction of the parameters written, as ``report`` counts them in total: no
    buffers, tied tensors once; six decimals
``source_sha256``
    a digest of what was read, whatever container it was in: SHA-256 over a line for each exported
    tensor, in the order of the names, tied names included. A line is the JSON of
    ``[NAME, DTYPE, SHAPE, SHA256]`` without blanks, and a line feed; the name and dtype are those
    of the input, and SHA256 is that of its values before they are converted, masks applied, in
    row-major order and little-endian bytes
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence, Set

from prunetool._version import __version__
from prunetool.checkpoints.tensors import NamedTensor

FORMAT = "format"  # "pt" in every file for torch
TOOL = "prunetool"
SPARSITY = "sparsity"
SOURCE = "source_sha256"
SPARSE = "sparse"  # what of the file is stored sparsely
RESERVED = frozenset({FORMAT, TOOL, SPARSITY, SOURCE, SPARSE})


class Provenance:
    """Collects what the fields are made of while tensors are written.

    Args:
        tied: by the name of a tensor that is written, others that have the same values.
        counted: the tensors, by name, that the sparsity is of.

    All names are those in the checkpoint.
    """

    def __init__(self, tied: Mapping[str, Sequence[NamedTensor]], counted: Set[str]) -> None:
        self._tied = tied
        self._counted = counted
        self._lines: dict[str, str] = {}
        self._zeros = 0
        self._parameters = 0

    def add(self, tensor: NamedTensor, *, digest: str, zeros: int) -> None:
        """Note a tensor that was written.

        Args:
            digest: SHA-256 of the values that were read, hexadecimal.
            zeros: how many there are among the values that were written.
        """
        if tensor.name in self._counted:
            self._zeros += zeros
            self._parameters += tensor.elements
        for one in (tensor, *self._tied.get(tensor.name, ())):
            dtype = str(one.dtype).removeprefix("torch.")
            line = [one.name, dtype, list(one.shape), digest]
            self._lines[one.name] = json.dumps(line, separators=(",", ":"), ensure_ascii=False)

    def fields(self) -> dict[str, str]:
        """Return the fields; each has as many bytes as at any other time."""
        sparsity = self._zeros / self._parameters if self._parameters else 0.0
        lines = [self._lines[name] + "\n" for name in sorted(self._lines)]
        digest = hashlib.sha256("".join(lines).encode()).hexdigest()
        return {TOOL: __version__, SPARSITY: f"{sparsity:.6f}", SOURCE: digest}
