"""``python -m prunetool``, and the command ``prunetool``."""

from __future__ import annotations

import sys

from prunetool.cli.interrupts import INTERRUPTED, remember_interrupts


def main() -> None:
    """Run the command line and exit with its code; Ctrl-C ends it while it starts, too."""
    try:
        remember_interrupts()
        from prunetool.cli.app import main as run
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    run()


if __name__ == "__main__":
    main()
