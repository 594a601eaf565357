"""Make the corpus of checkpoints that the tests use, to look at or to try things on.

python scripts/make_corpus.py DIR           all of it, in about a minute
python scripts/make_corpus.py DIR hf-bert   some of it, by name
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))


def main() -> int:
    """Make it, and print where each checkpoint is."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from corpus import MAKERS, make

    parser = argparse.ArgumentParser(description="Make checkpoints with the tools that write them.")
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new folder for them")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; all by default")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in MAKERS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(MAKERS)}")
    for name in options.names or MAKERS:
        print(make(name, options.folder).path, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
