"""The closest known names to a misspelt one, for error messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str], *, most: int = 3) -> str:
    """Name the known words closest to ``word`` as the end of an error message.

    Returns:
        ``"; did you mean 'a', 'b' or 'c'?"`` with at most ``most`` words, or ``""``.
    """
    close = difflib.get_close_matches(word, list(known), n=most, cutoff=0.5)
    if not close:
        return ""
    quoted = [f"'{name}'" for name in close]
    listed = quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
    return f"; did you mean {listed}?"
