"""Damage checkpoints of every kind, and see that every command ends as it should.

    python scripts/fuzz_checkpoints.py                         5000 cases, some minutes
    python scripts/fuzz_checkpoints.py --cases 200 --seed 3
    python scripts/fuzz_checkpoints.py --only 17 --keep DIR    one case again; its files stay

The corpus is made by the tools that people use (``make_corpus.py``). Each case is a damaged copy;
report, finalize and export (dense and sparse) are run on it, each in a fork that is watched. Exit
code 1 if any of them crashes, hangs, prints a traceback, takes 10 s or 1 GB, runs anything, leaves
files behind or touches its input.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT), str(Path(__file__).parent)]

from arguments import positive  # noqa: E402
from forked import Server  # noqa: E402
from fuzz_cases import make_case  # noqa: E402
from fuzz_tally import described, summary  # noqa: E402
from fuzz_trial import SECONDS, Trial, try_case  # noqa: E402

ROOM = 3 * 2**30  # bytes that a command can add at all; above the limit that is checked
BETWEEN_LINES = 250  # cases, of those that say how far it is
SPARSE = ("prune-global", "own-permanent", "hf-gpt2", "torch-dtypes")


def make_corpus(folder: Path, server: Server, names: list[str]) -> dict[str, Path]:
    """Make all checkpoints, and sparse files of some of them."""
    from corpus import MAKERS, make

    made = {name: make(name, folder).path for name in names or MAKERS}
    for name in SPARSE:
        if name not in made:
            continue
        target = folder / f"{name}.sparse.safetensors"
        ran = server.run("export", made[name], "--format", "sparse", "-o", target, folder=folder)
        if ran.code != 0:
            raise SystemExit(f"no sparse file of {name}: {ran.err}")
        made[f"sparse-{name}"] = target
    return made


def run_case(
    number: int,
    *,
    options: Namespace,
    corpus: dict[str, Path],
    place: Path,
    servers: SimpleQueue[Server],
) -> Trial:
    """Make and try one case; its folder stays if it failed."""
    folder = place / f"case-{number}"
    (folder / "in").mkdir(parents=True)
    case = make_case(number, options.seed, corpus, folder / "in")
    server = servers.get()
    try:
        trial = try_case(case, server, folder)
    finally:
        servers.put(server)
    if trial.problems:
        print("\n".join(described(trial, options.seed)), file=sys.stderr, flush=True)
    elif options.only is None:
        shutil.rmtree(folder)
    return trial


def run_cases(options: Namespace, place: Path) -> Iterator[Trial]:
    """Make the corpus and try all cases, ``--jobs`` at a time."""
    with ExitStack() as stack:
        servers: SimpleQueue[Server] = SimpleQueue()
        for _ in range(options.jobs):
            servers.put(stack.enter_context(Server(seconds=SECONDS + 5, room=ROOM)))
        first = servers.get()
        corpus = make_corpus(place / "corpus", first, options.corpus)
        servers.put(first)
        numbers = range(options.cases) if options.only is None else [options.only]
        run = functools.partial(
            run_case, options=options, corpus=corpus, place=place, servers=servers
        )
        pool = stack.enter_context(ThreadPoolExecutor(options.jobs))
        for done, trial in enumerate(pool.map(run, numbers), 1):
            if done % BETWEEN_LINES == 0:
                print(f"{done} of {len(numbers)} cases", file=sys.stderr, flush=True)
            yield trial


def read_options() -> Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Damage checkpoints; every command has to end as it should.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--cases", type=positive, default=5000, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the damage")
    parser.add_argument("--only", type=int, metavar="CASE", help="this one; its files are kept")
    parser.add_argument("--jobs", type=positive, default=2, help="cases side by side")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep failing cases, here")
    parser.add_argument(
        "--corpus", action="append", default=[], metavar="NAME", help="only these checkpoints"
    )
    return parser.parse_args()


def main() -> int:
    """Fuzz; print what it came to."""
    options = read_options()
    os.environ["OMP_NUM_THREADS"] = "1"
    started = time.monotonic()
    with ExitStack() as stack:
        if options.keep is None:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fuzz-")))
        else:
            place = options.keep
        trials = list(run_cases(options, place.resolve()))
    print(summary(trials, seed=options.seed, seconds=time.monotonic() - started))
    return 1 if any(it.problems for it in trials) else 0


if __name__ == "__main__":
    sys.exit(main())
