"""What Lightning says while it trains: what helps is kept, on stderr; the rest is not shown."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_PACKAGES = ("lightning.pytorch", "lightning.fabric", "pytorch_lightning", "lightning_fabric")

_LOG_NOISE = (
    "GPU available:",
    "TPU available:",
    "HPU available:",
    "\N{ELECTRIC LIGHT BULB} Tip:",
    "`weights_only` was not set",
    "Seed set to",
    "Loading `train_dataloader` to estimate",
    "Initializing distributed: GLOBAL_RANK:",
    "distributed_backend=",
    "Received SIGTERM:",
    "Detected KeyboardInterrupt",
)
_RANK = re.compile(r"\[rank: \d+\] ")
_WARNING_NOISE = (
    r".*`isinstance\(treespec, LeafSpec\)` is deprecated",
    r"Starting from v1\.9\.0, `tensorboardX` has been removed",
    # Of --logger csv: what there was of an earlier log stands aside by then.
    r"Experiment logs directory .* exists and is not empty",
)


class _WithoutNoise(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        text = _RANK.sub("", record.getMessage()).lstrip("-\n ")
        return not text.startswith(_LOG_NOISE)


class _ToStderr(logging.StreamHandler[TextIO]):
    """Writes to what ``sys.stderr`` is at the time: above the live line while there is one."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


@contextmanager
def useful_messages_only(*, quiet: bool, verbose: int, silent: bool = False) -> Iterator[None]:
    """Filter Lightning's and prunetool's messages, and show warnings as one line each.

    Args:
        quiet: warnings and errors only.
        verbose: above 0, prunetool's own log (what each event pruned) is shown.
        silent: nothing at all: another process of the run says it.
    """
    handler = _ToStderr()
    handler.addFilter(_WithoutNoise())
    levels = dict.fromkeys(_PACKAGES, logging.WARNING if quiet else logging.INFO)
    levels["prunetool"] = logging.INFO if verbose else logging.WARNING
    if silent:
        levels = dict.fromkeys(levels, logging.CRITICAL)
    before = {name: _redirect(logging.getLogger(name), handler, lv) for name, lv in levels.items()}
    try:
        with warnings.catch_warnings():
            for pattern in _WARNING_NOISE:
                warnings.filterwarnings("ignore", pattern)
            warnings.showwarning = _show_nothing if silent else _show_in_one_line
            yield
    finally:
        for name, state in before.items():
            _restore(logging.getLogger(name), state)


_State = tuple[list[logging.Handler], int, bool]


def _redirect(logger: logging.Logger, handler: logging.Handler, level: int) -> _State:
    before = (logger.handlers, logger.level, logger.propagate)
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(level)
    return before


def _restore(logger: logging.Logger, state: _State) -> None:
    logger.handlers, level, logger.propagate = state
    logger.setLevel(level)


def _show_nothing(*ignored: object, **likewise: object) -> None:
    pass


def _show_in_one_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: str | None = None,
) -> None:
    text = " ".join(str(message).split())
    print(f"warning: {text}", file=sys.stderr)
