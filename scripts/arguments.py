"""Values of command lines that several scripts take."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """Read a whole number, at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {number}")
    return number
