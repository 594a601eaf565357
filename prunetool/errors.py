"""What can go wrong, as exceptions.

::

    PrunetoolError               one clear line; the command line prints it and exits with 2
    ├── TargetError              an import path, file or class that cannot be used
    ├── OptionError              an option's value, or options that exclude each other
    ├── CheckpointError          a file that cannot be read, or holds something else
    ├── OutputError              a file or folder that cannot be written
    ├── ProcessError             another process of the run failed; what it said is the message
    └── UserCodeError            the user's own code raised; its traceback is the message

Every message says where, what was expected, what came, and what to do next. The callback raises
Lightning's ``MisconfigurationException`` instead, as the class that it stands in for does.
"""

from __future__ import annotations


class PrunetoolError(Exception):
    """Something the user can mend; ``str(error)`` is one line."""


class TargetError(PrunetoolError):
    """An import path, file or class does not lead to what was asked for."""


class OptionError(PrunetoolError):
    """An option has a value that means nothing, or does not go with another option."""


class CheckpointError(PrunetoolError):
    """A file is not what it should be: missing, truncated, of another format, inconsistent."""


class OutputError(PrunetoolError):
    """A result cannot be written where it was asked for."""


class ProcessError(PrunetoolError):
    """Another process of the same run ended before its time."""


class UserCodeError(PrunetoolError):
    """The user's own code raised; the original exception is ``__cause__`` and keeps its traceback.

    Args:
        doing: what prunetool was doing, for the closing line ("importing models.py").
    """

    def __init__(self, doing: str) -> None:
        super().__init__(doing)
        self.doing = doing
