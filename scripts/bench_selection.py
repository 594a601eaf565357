"""What an event costs: torch.nn.utils.prune and prunetool choose what goes of the same weights.

    python scripts/bench_selection.py                                # 12 tensors of 2048 x 2048
    python scripts/bench_selection.py --tensors 239 --only prunetool   # 1.0e9 elements

Each way runs in a process of its own, so that the peak of its memory is its own: a first call, and
later ones (their median) that each take half of what remains. Beside them stands one plain read of
the weights.
N:M, which torch.nn.utils.prune has not, is compared with torch.ao.pruning's WeightNormSparsifier.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

from prunetool.pruning.allocation import Allocation
from prunetool.pruning.criteria import Criterion
from prunetool.pruning.masks import MaskSet
from prunetool.pruning.method import Method, prune
from prunetool.pruning.patterns import Channels, Elements, NOfM
from prunetool.pruning.targets import all_sites, as_targets

AMOUNT = 0.5
Event = Callable[[], None]


@dataclass(frozen=True)
class Figures:
    """What one way took.

    Attributes:
        seconds: of each event, the first one first.
        read: seconds of one plain pass over the weights.
        extra: bytes an element at the peak, the masks included, beyond the weights.
    """

    seconds: list[float]
    read: float
    extra: float

    @property
    def later(self) -> float:
        return statistics.median(self.seconds[1:])


def pooled(model: nn.Sequential) -> Event:
    sites = [(layer, "weight") for layer in model]
    return lambda: torch_prune.global_unstructured(
        sites, pruning_method=torch_prune.L1Unstructured, amount=AMOUNT
    )


def channels(model: nn.Sequential) -> Event:
    def event() -> None:
        for layer in model:
            torch_prune.ln_structured(layer, "weight", amount=AMOUNT, n=2, dim=0)

    return event


def two_of_four(model: nn.Sequential) -> Event:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.ao.pruning import WeightNormSparsifier

        sparsifier = WeightNormSparsifier(
            sparsity_level=1.0, sparse_block_shape=(1, 4), zeros_per_block=2
        )
        sparsifier.prepare(model, [{"tensor_fqn": f"{i}.weight"} for i in range(len(model))])
    return sparsifier.step


def ours(method: Method) -> Callable[[nn.Sequential], Event]:
    def start(model: nn.Sequential) -> Event:
        targets, masks, generator = (
            as_targets(model, all_sites(model)),
            MaskSet(),
            torch.Generator(),
        )

        def event() -> None:
            for target in targets:
                masks.add(target.name, target.parameter)
            prune(method, targets, masks, AMOUNT, generator=generator)
            for target in targets:
                masks.zero_(target.name, target.parameter)

        return event

    return start


ELEMENTS, CHANNELS, N_OF_M = Elements(), Channels(0), NOfM(2, 4)
MAGNITUDE = Criterion.MAGNITUDE
# Name, the reference's name, the reference, prunetool's method.
CASES: list[tuple[str, str, Callable[[nn.Sequential], Event] | None, Method]] = [
    ("global magnitude", "global_unstructured", pooled, Method()),
    (
        "channels, 2-norm",
        "ln_structured",
        channels,
        Method(MAGNITUDE, CHANNELS, Allocation.UNIFORM),
    ),
    ("2:4", "WeightNormSparsifier", two_of_four, Method(MAGNITUDE, N_OF_M)),
    ("uniform", "", None, Method(MAGNITUDE, ELEMENTS, Allocation.UNIFORM)),
    ("ERK", "", None, Method(MAGNITUDE, ELEMENTS, Allocation.ERK)),
    ("LAMP", "", None, Method(MAGNITUDE, ELEMENTS, Allocation.LAMP)),
    ("global, no layer above 60 %", "", None, Method(max_sparsity=0.6)),
]


def measure(case: int, reference: bool, options: argparse.Namespace, results: object) -> None:
    """Run one way in this process, and put its figures into ``results``."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    size = options.size
    layers = [nn.Linear(size, size, bias=False, device="meta") for _ in range(options.tensors)]
    model = nn.Sequential(*layers).to_empty(device="cpu")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    read = min(timed(lambda: reading(model)) for _ in range(3))
    make = CASES[case][2] if reference else ours(CASES[case][3])
    assert make is not None
    event = make(model)
    before = resident()
    seconds = [timed(event) for _ in range(options.events)]
    elements = sum(parameter.numel() for parameter in model.parameters())
    results.put(Figures(seconds, read, (peak() - before) / elements))  # type: ignore[attr-defined]


def reading(model: nn.Module) -> None:
    for parameter in model.parameters():
        parameter.detach().sum()


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def resident() -> int:
    """Bytes that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def peak() -> int:
    """Bytes that this process has held at most (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_a_process(case: int, reference: bool, options: argparse.Namespace) -> Figures:
    name = CASES[case][1] if reference else "prunetool"
    print(f"{CASES[case][0]}: {name} ...", file=sys.stderr, flush=True)
    spawning = multiprocessing.get_context("spawn")
    results = spawning.Queue()
    process = spawning.Process(target=measure, args=(case, reference, options, results))
    process.start()
    while process.is_alive() and results.empty():
        process.join(0.1)
    if results.empty():
        sys.exit(f"{name} ended with exit code {process.exitcode}; was the memory enough?")
    figures: Figures = results.get()
    process.join()
    return figures


def row(name: str, figures: Figures) -> str:
    first, later = figures.seconds[0], figures.later
    passes = f"{first / figures.read:6.1f} {later / figures.read:6.1f}"
    return f"  {name:<22}{first:9.3f} {later:9.3f}   {passes}   {figures.extra:8.2f}"


def show(case: int, options: argparse.Namespace) -> None:
    name, reference_name, reference, _ = CASES[case]
    theirs = None
    if reference is not None and options.only != "prunetool":
        theirs = in_a_process(case, True, options)
    figures = in_a_process(case, False, options)
    print(f"{name}  (one read pass {figures.read * 1e3:.1f} ms)")
    print("                        seconds: first, later   in read passes   bytes/element")
    if theirs is not None:
        print(row(reference_name, theirs))
    print(row("prunetool", figures))
    if theirs is not None:
        faster = theirs.seconds[0] / figures.seconds[0], theirs.later / figures.later
        print(f"  {'ratio':<22}{faster[0]:8.1f}x {faster[1]:8.1f}x", end="")
        print(f"{theirs.extra / figures.extra if figures.extra else math.inf:31.1f}x")
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Time one pruning event with torch and with prunetool.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--tensors", type=int, default=12, help="number of tensors")
    parser.add_argument("--size", type=int, default=2048, help="rows and columns of each")
    parser.add_argument("--events", type=int, default=4, help="events; the first one counts apart")
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    parser.add_argument("--only", choices=["both", "prunetool"], default="both")
    parser.add_argument("--cases", type=int, default=len(CASES), help="only the first so many")
    options = parser.parse_args()
    elements = options.tensors * options.size**2
    print(f"{options.tensors} tensors, {elements:,} elements, {options.threads} threads\n")
    for case in range(min(options.cases, len(CASES))):
        show(case, options)


if __name__ == "__main__":
    main()
