"""What pruning costs at each training step: dense, torch.nn.utils.prune, and prunetool.

    python scripts/bench_step.py                      # 12 layers of 2048 x 2048, about ten minutes
    python scripts/bench_step.py --width 512 --steps 5 --batches 64

The three train copies of one network of linear layers on the same data, a step of each in turn.
The reference is what Lightning's callback leaves on a model: the reparametrisation of
torch.nn.utils.prune and its forward hooks. prunetool's side makes the calls of its callback.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from prunetool.fit.session import Session
from prunetool.pruning.targets import all_sites, as_targets

OPTIMIZERS: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {
    "SGD, momentum": lambda model: torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9),
    "AdamW": lambda model: torch.optim.AdamW(model.parameters(), lr=1e-5),
}


@dataclass
class Variant:
    """One way to train, and how long each step took.

    Attributes:
        before_step: what runs between the backward pass and the optimizer's step.
        extra_bytes: held beside what dense training holds, once it runs.
    """

    name: str
    model: nn.Module
    optimizer: torch.optim.Optimizer
    before_batch: Callable[[], None]
    before_step: Callable[[], None]
    extra_bytes: Callable[[], int]
    masked: Callable[[], list[Tensor]]
    seconds: list[float] = field(default_factory=list)

    def step(self, images: Tensor) -> None:
        self.before_batch()
        self.optimizer.zero_grad()
        self.model(images).square().mean().backward()
        self.before_step()
        self.optimizer.step()

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def times_as_long_as(self, other: Variant) -> float:
        """Compare step by step: what slows the machine down slows down neighbours alike."""
        return statistics.median(
            own / others for own, others in zip(self.seconds, other.seconds, strict=True)
        )


def nothing() -> None:
    """Dense training has nothing to do besides."""


def network(options: argparse.Namespace, *, density: float) -> nn.Sequential:
    """Give a network whose activations keep their size when ``density`` of it is kept.

    With the usual initial weights those of a pruned one fade from layer to layer, down to
    gradients whose squares are denormal numbers: an optimizer's arithmetic takes several times as
    long on those, which has nothing to do with masks.
    """
    torch.manual_seed(0)
    width = options.width
    pairs = [(nn.Linear(width, width, bias=False), nn.ReLU()) for _ in range(options.layers)]
    for layer, _ in pairs:
        nn.init.normal_(layer.weight, std=(2 / (width * density)) ** 0.5)
    return nn.Sequential(*(module for pair in pairs for module in pair)).to(options.device)


def linears(model: nn.Module) -> list[nn.Linear]:
    return [module for module in model.modules() if isinstance(module, nn.Linear)]


def dense(model: nn.Module, make: Callable[[nn.Module], torch.optim.Optimizer]) -> Variant:
    return Variant("dense", model, make(model), nothing, nothing, lambda: 0, list)


def reparametrised(
    model: nn.Module, make: Callable[[nn.Module], torch.optim.Optimizer], kept: list[Tensor]
) -> Variant:
    layers = linears(model)
    for layer, mask in zip(layers, kept, strict=True):
        prune.custom_from_mask(layer, "weight", mask)
    return Variant(
        "torch.nn.utils.prune",
        model,
        make(model),
        nothing,
        nothing,
        lambda: sum(layer.weight_mask.nbytes + layer.weight.nbytes for layer in layers),
        lambda: [layer.weight.detach() for layer in layers],
    )


def in_place(
    model: nn.Module, make: Callable[[nn.Module], torch.optim.Optimizer], kept: list[Tensor]
) -> Variant:
    optimizer = make(model)
    session = Session(model, keep_values=False)
    targets = as_targets(model, all_sites(model))
    session.enrol(targets)
    for target, mask in zip(targets, kept, strict=True):
        session.masks.prune(target.name, ~mask)
    session.watch([optimizer], [])
    session.settle()
    return Variant(
        "prunetool",
        model,
        optimizer,
        session.tidy,
        lambda: session.mask_gradients(optimizer),
        lambda: sum(session.masks.bytes_held(name) for name in session.masks),
        lambda: [target.parameter.detach() for target in targets],
    )


def measure(variants: list[Variant], options: argparse.Namespace, batch: int) -> None:
    """Time steps of each variant in turn, after two that do not count; new data at each step."""
    wait = torch.cuda.synchronize if options.device.startswith("cuda") else nothing
    generator = torch.Generator(options.device).manual_seed(2)
    steps = options.steps
    said = time.perf_counter()
    for count in range(-2, steps):
        # Another first one each time: none always runs on the cache that the same other left.
        images = torch.randn(batch, options.width, generator=generator, device=options.device)
        shift = count % len(variants)
        for variant in variants[shift:] + variants[:shift]:
            wait()
            start = time.perf_counter()
            variant.step(images)
            wait()
            if count >= 0:
                variant.seconds.append(time.perf_counter() - start)
        if time.perf_counter() - said > 2:
            print(f"  step {count + 1} of {steps}", file=sys.stderr)
            said = time.perf_counter()


def compare(options: argparse.Namespace, optimizer: str, batch: int) -> None:
    model = network(options, density=1 - options.sparsity)
    generator = torch.Generator(options.device).manual_seed(1)
    kept = [
        torch.rand(layer.weight.shape, generator=generator, device=options.device)
        >= options.sparsity
        for layer in linears(model)
    ]
    make = OPTIMIZERS[optimizer]
    variants = [
        dense(network(options, density=1), make),
        reparametrised(copy.deepcopy(model), make, kept),
        in_place(model, make, kept),
    ]
    print(f"{optimizer}, batch {batch}", file=sys.stderr)
    measure(variants, options, batch)
    for variant in variants[1:]:
        for weight, mask in zip(variant.masked(), kept, strict=True):
            assert not weight[~mask].any(), f"{variant.name}: a pruned weight is not zero"
    report(f"{optimizer}, batch {batch}", variants, sum(mask.numel() for mask in kept))


def report(title: str, variants: list[Variant], elements: int) -> None:
    plain, reference, ours = variants
    print(f"\n{title}: medians of {len(plain.seconds)} steps")
    for variant in variants:
        slowdown = 100 * (variant.times_as_long_as(plain) - 1)
        extra = variant.extra_bytes() / elements
        print(
            f"  {variant.name:<21}{1e3 * variant.median:9.1f} ms"
            f"{slowdown:+8.1f} %{extra:6.1f} bytes a parameter more"
            f"{1e3 * min(variant.seconds):9.1f} ms at best"
        )
    cost = ours.times_as_long_as(plain) - 1
    if cost > 0:
        ratio = (reference.times_as_long_as(plain) - 1) / cost
        print(f"  the reference slows down {ratio:.1f} times as much as prunetool")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=2048, help="inputs and outputs of a layer")
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 512], help="batch sizes")
    parser.add_argument("--steps", type=int, default=25, help="timed steps of each variant")
    parser.add_argument("--sparsity", type=float, default=0.9, help="pruned share, in [0, 1)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    print(
        f"{options.layers} layers of {options.width} x {options.width}, {options.sparsity:.0%} "
        f"pruned, {options.device}, {options.threads} threads, torch {torch.__version__}"
    )
    for batch in options.batches:
        for optimizer in OPTIMIZERS:
            compare(options, optimizer, batch)


if __name__ == "__main__":
    main()
