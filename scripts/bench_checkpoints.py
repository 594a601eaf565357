"""What large checkpoints cost: time and memory of report, export and finalize, as a table.

    python scripts/bench_checkpoints.py --folder /somewhere/with/40/GB
    python scripts/bench_checkpoints.py --folder bench-files --only report --gigabytes 2

report    a folder of safetensors shards, against one sequential read of them that counts zeros
          with numpy; with the files in the page cache (warm), and not (cold)
export    to safetensors, of a Lightning checkpoint with half as many bytes of weights and twice
          as many of AdamW's state beside them, against copying a file of the weights' size
finalize  the same with --weights-only

Every figure is the median of processes of their own, the two sides taking turns. Start-up is what
the same command takes for a file of some kilobytes. By CPU time, start-up included, other work on
the machine matters less. All files are deleted at the end.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import bench_children as children
import bench_making as making
import torch
from bench_children import Ran

GB, MB = 10**9, 10**6
BLOCKS = (2**16, 2**18, 2**20, 2**22)  # elements, of the reference
SMALL = 100_000  # bytes of a file whose reading takes no time
CHECKPOINT, PLAIN = "a.ckpt", "plain"  # what is written from, and what is copied
Job = Callable[[], Ran]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def merged(runs: list[Ran]) -> Ran:
    """Give the medians of the times, and the highest peak."""
    return Ran(
        statistics.median(run.seconds for run in runs),
        statistics.median(run.cpu for run in runs),
        max(run.peak for run in runs),
        runs[-1].out,
    )


def taking_turns(repeats: int, jobs: dict[str, Job], before: Callable[[], object]) -> list[Ran]:
    """Run jobs in turn; print each time, and give the runs by job, one after the other."""
    runs: dict[str, list[Ran]] = {name: [] for name in jobs}
    for number in range(repeats):
        for name, job in jobs.items():
            before()
            run = job()
            runs[name].append(run)
            say(
                f"  {number + 1} of {repeats} {name}: {run.seconds:.2f} s, {run.cpu:.2f} s of "
                f"computing, {run.peak / MB:.0f} MB"
            )
    return [merged(of) for of in runs.values()]


def prunetool(*arguments: object) -> Job:
    return lambda: children.run(["-m", "prunetool", *arguments])


def report_rows(options: argparse.Namespace) -> list[list[str]]:
    """Make the folder, and give a row with a warm page cache and one with a cold one."""
    dtype = getattr(torch, options.dtype)
    large, small = options.folder / "large", options.folder / "small"
    say(f"making {options.gigabytes} GB of {options.dtype} in safetensors")
    bytes_ = making.make_safetensors(large, int(options.gigabytes * GB), dtype)
    making.make_safetensors(small, SMALL, dtype)

    def reference(folder: Path, elements: int) -> Job:
        return lambda: children.run(["-c", children.REFERENCE, folder, options.dtype, elements])

    def ours(folder: Path) -> Job:
        return prunetool("report", folder, "--format", "json", "--quiet")

    children.read_into_cache(large)
    best = min(BLOCKS, key=lambda block: reference(large, block)().seconds)
    say(f"the reference is fastest with blocks of {best} elements")
    jobs = {"numpy": reference(small, best), "report": ours(small)}
    starts = taking_turns(options.repeats, jobs, lambda: None)
    rows = []
    before: dict[str, Callable[[], object]] = {
        "warm": lambda: children.read_into_cache(large),
        "cold": lambda: children.drop_from_cache(large),
    }
    for cache, prepare in before.items():
        say(f"report, {cache}")
        jobs = {"numpy": reference(large, best), "report": ours(large)}
        runs = taking_turns(options.repeats, jobs, prepare)
        check_zeros(*runs)
        with_start = [bytes_ / GB / run.seconds for run in runs]
        without = [bytes_ / GB / seconds for seconds in without_start(runs, starts)]
        rows.append(
            [
                f"{options.dtype}, {cache}",
                f"{bytes_ / GB:.2f}",
                *rates(with_start),
                *rates(without),
                f"{100 * runs[0].cpu / runs[1].cpu:.0f} %",
                f"{runs[1].peak / MB:.0f}",
            ]
        )
    shutil.rmtree(large)
    shutil.rmtree(small)
    return rows


def without_start(runs: Sequence[Ran], starts: Sequence[Ran]) -> list[float]:
    """Give the seconds of each run, less those of the same on a tiny file."""
    return [max(run.seconds - it.seconds, 1e-3) for run, it in zip(runs, starts, strict=True)]


def check_zeros(reference: Ran, ours: Ran) -> None:
    """Compare what was counted; an error if the two differ."""
    counted = json.loads(ours.out)["total"]["zeros"]
    if int(reference.out) != counted:
        sys.exit(f"error: numpy counted {reference.out.strip()} zeros, report {counted}")


def rates(pair: list[float]) -> list[str]:
    reference, ours = pair
    return [f"{reference:.2f}", f"{ours:.2f}", f"{100 * ours / reference:.0f} %"]


def writing_rows(options: argparse.Namespace) -> list[list[str]]:
    """Make the checkpoint, and give a row for each command that writes."""
    folder, small = options.folder / "writing", options.folder / "small"
    say(f"making a checkpoint with {options.gigabytes / 2} GB of weights")
    bytes_ = make_writing(folder, int(options.gigabytes / 2 * GB))
    make_writing(small, SMALL)
    commands = {
        "export": (("export", "--format", "dense"), "out.safetensors"),
        "finalize": (("finalize", "--weights-only"), "out.ckpt"),
    }

    def copy(folder: Path, how: str) -> Job:
        files = folder / PLAIN, folder / "copied"
        return lambda: children.run(["-c", children.COPY, *files, how])

    def clear() -> None:
        for path in (*folder.iterdir(), *small.iterdir()):
            if path.name not in (CHECKPOINT, PLAIN):
                path.unlink()

    def jobs(folder: Path, name: str) -> dict[str, Job]:
        command, out = commands[name]
        return {
            "copy, fsync": copy(folder, "fsync"),
            "copy": copy(folder, "leave it to the system"),
            name: prunetool(*command, folder / CHECKPOINT, "-o", folder / out, "--quiet"),
        }

    rows = []
    for name in commands:
        if options.only not in (None, name):
            continue
        say(name)
        starts = taking_turns(options.repeats, jobs(small, name), clear)
        runs = taking_turns(options.repeats, jobs(folder, name), clear)
        with_start = [run.seconds for run in runs]
        without = without_start(runs, starts)
        read = (folder / CHECKPOINT).stat().st_size
        rows.append(
            [
                name,
                *(f"{size / GB:.2f}" for size in (read, bytes_)),
                *times(*with_start),
                *times(*without),
                f"{runs[-1].cpu:.2f}",
                f"{runs[-1].peak / MB:.0f}",
            ]
        )
    shutil.rmtree(folder)
    shutil.rmtree(small)
    return rows


def make_writing(folder: Path, bytes_: int) -> int:
    """Make a checkpoint and a file of as many bytes as its weights, and give these."""
    found = making.make_lightning(folder / CHECKPOINT, bytes_)
    making.make_plain(folder / PLAIN, found)
    return found


def times(synced: float, unsynced: float, ours: float) -> list[str]:
    """Give our seconds, and those of each copy with how many times as long ours are."""
    copies = [it for copy in (synced, unsynced) for it in (f"{copy:.2f}", f"{ours / copy:.2f}")]
    return [f"{ours:.2f}", *copies]


def markdown(headings: list[str], rows: list[list[str]]) -> str:
    cells = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Time and memory of report, export and finalize on large checkpoints.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, required=True, help="new; gets the files")
    parser.add_argument("--gigabytes", type=float, default=8, help="weights for report")
    parser.add_argument("--only", choices=["report", "export", "finalize"], help="one of them")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    options = parser.parse_args()
    if options.folder.exists():
        parser.error(f"--folder {options.folder}: is there already; name a new one")
    if options.gigabytes <= 0 or options.repeats < 1:
        parser.error("--gigabytes, --repeats: expected more than 0")
    return options


def main() -> None:
    """Make, measure, print, delete."""
    options = read_options()
    try:
        if options.only in (None, "report"):
            headings = ["report of", "GB", "numpy GB/s", "GB/s", "of numpy"]
            headings += ["numpy GB/s without start-up", "GB/s", "of numpy"]
            headings += ["of numpy by CPU time", "peak RssAnon, MB"]
            print(markdown(headings, report_rows(options)), end="\n\n", flush=True)
        if options.only != "report":
            headings = ["command", "GB read from", "GB written"]
            for which in ("", " without start-up"):
                headings += [f"s{which}", "copy and fsync, s", "times", "copy, s", "times"]
            headings += ["s of computing", "peak RssAnon, MB"]
            print(markdown(headings, writing_rows(options)))
    finally:
        shutil.rmtree(options.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
