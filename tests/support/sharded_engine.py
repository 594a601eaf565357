"""One event after another on sharded tensors, beside the same on whole ones; run by ranks.py."""

from __future__ import annotations

import itertools
import resource
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Placement, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, parallelize_module

from prunetool.pruning.allocation import Allocation
from prunetool.pruning.amounts import ShareToward
from prunetool.pruning.criteria import Criterion
from prunetool.pruning.gathering import Gathered
from prunetool.pruning.masks import MaskSet
from prunetool.pruning.method import Method, prune
from prunetool.pruning.patterns import Channels, Elements, NOfM, Pattern
from prunetool.pruning.rewind import EarlyWeights, resampled
from prunetool.pruning.scores import NanScoresError
from prunetool.pruning.shards import local
from prunetool.pruning.targets import Target, all_sites, as_targets

# Odd sizes, fewer rows than processes, ties, one tensor that no group of N:M is cut in.
SHAPES = [(7, 12), (1, 8), (24, 4), (5, 20), (3, 4, 8)]
AIMS = (0.2, 0.45)


@dataclass
class Side:
    """Targets with their masks, and what was gathered."""

    targets: list[Target]
    masks: MaskSet
    gathered: Gathered
    generator: torch.Generator


def values(seed: int, kind: str) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(shape, generator=generator) for shape in SHAPES]
    if kind == "ties":
        return [tensor.mul(2).round() for tensor in drawn]
    if kind == "wide":  # of many exponents
        return [tensor * 2.0 ** (tensor * 10).round() for tensor in drawn]
    if kind == "doubles":
        return [tensor.double() for tensor in drawn]
    return [tensor.to(torch.bfloat16) if kind == "bfloat16" else tensor for tensor in drawn]


def side(method: Method, weights: list[Tensor], placed: list | None, mesh: DeviceMesh) -> Side:
    masks, targets = MaskSet(), []
    for i, weight in enumerate(weights):
        if placed is not None and placed[i] is not None:
            weight = distribute_tensor(weight, mesh, placed[i])
        targets.append(Target(f"t{i}", nn.Parameter(weight.clone()), ()))
        masks.add(f"t{i}", targets[-1].parameter)
    generator = torch.Generator().manual_seed(0)
    return Side(targets, masks, Gathered(method.criterion), generator)


def gather(one: Side, gradients: list[Tensor], placed: list | None, mesh: DeviceMesh) -> None:
    for i, (target, gradient) in enumerate(zip(one.targets, gradients, strict=True)):
        if placed is not None and placed[i] is not None:
            gradient = distribute_tensor(gradient, mesh, placed[i])
        target.parameter.grad = gradient.to(target.parameter.dtype)
    one.gathered.step(one.targets)


def compare(method: Method, kind: str, placed: list, mesh: DeviceMesh) -> None:
    weights = values(1, kind)
    whole = side(method, weights, None, mesh)
    parts = side(method, weights, placed, mesh)
    for number, aim in enumerate(AIMS):
        for one, where in ((whole, None), (parts, placed)):
            gather(one, values(2 + number, "floats"), where, mesh)
            toward = ShareToward(aim, sparsity=aim)
            prune(method, one.targets, one.masks, toward, generator=one.generator,
                  gathered=one.gathered)  # fmt: skip
        about = f"{method} {kind} event {number}"
        for target, sharded in zip(whole.targets, parts.targets, strict=True):
            expected = whole.masks.kept(target.name)
            got = parts.masks.whole(target.name)
            assert torch.equal(got, expected), f"{about}: {target.name}\n{expected}\n{got}"
            assert parts.masks.count(target.name) == whole.masks.count(target.name), about
            assert parts.masks.kept(target.name).shape == local(sharded.parameter).shape
        assert method.rooms(parts.targets, parts.masks) == method.rooms(
            whole.targets, whole.masks
        ), about
    assert parts.masks.packed().keys() == whole.masks.packed().keys()
    for name, entry in whole.masks.packed().items():
        assert torch.equal(parts.masks.packed()[name]["bits"], entry["bits"])


PATTERNS: list[Pattern] = [Elements(), Channels(0), Channels(1), Channels(-1), NOfM(2, 4)]


def methods() -> Iterator[tuple[Method, str]]:
    kinds = itertools.cycle(["floats", "ties", "bfloat16", "wide", "doubles"])
    for pattern, criterion, allocation in itertools.product(PATTERNS, Criterion, Allocation):
        if allocation is Allocation.LAMP and not criterion.is_magnitude_like:
            continue
        bound = 0.6 if isinstance(pattern, Elements) and not isinstance(pattern, NOfM) else 1.0
        for limit in {1.0, bound}:
            yield Method(criterion, pattern, allocation, max_sparsity=limit), next(kinds)


def placements(mesh: DeviceMesh) -> Iterator[list[list[Placement] | None]]:
    if mesh.ndim == 1:
        yield [[Shard(0)] for _ in SHAPES]
        yield [[Shard(1)], [Shard(0)], [Shard(1)], None, [Shard(2)]]
    else:
        yield [[Replicate(), Shard(0)] for _ in SHAPES]
        yield [[Shard(0), Shard(1)], None, [Shard(1), Shard(0)], [Replicate(), Shard(1)],
               [Shard(0), Shard(0)]]  # fmt: skip


def every_method(which: str, *mesh_shape: str) -> None:
    """Compare every pattern, criterion and allocation, on a mesh of the given shape."""
    shape = tuple(map(int, mesh_shape))
    mesh = init_device_mesh("cpu", shape, mesh_dim_names=("a", "b")[: len(shape)])
    cases = list(itertools.product(methods(), list(placements(mesh))))
    cases = {"all": cases, "half": cases[::2], "few": cases[:: len(cases) // 20][:20]}[which]
    for (method, kind), placed in cases:
        compare(method, kind, placed, mesh)
    print(len(cases))


def fsdp_over_tensor_parallel() -> None:
    """Compare tensors whose rows are cut by tensor parallelism and, within that, by FSDP."""
    torch.manual_seed(0)
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("data", "tensor"))
    model = nn.ModuleDict({f"t{i}": nn.Linear(8, 12 + 4 * i, bias=False) for i in range(2)})
    weights = [module.weight.detach().clone() for module in model.values()]
    for name in model:
        parallelize_module(model[name], mesh["tensor"], ColwiseParallel())
        fully_shard(model[name], mesh=mesh["data"])
    for pattern in (Elements(), Channels(0), Channels(1), NOfM(2, 4)):
        for allocation in Allocation:
            method = Method(Criterion.MAGNITUDE, pattern, allocation)
            whole = side(method, weights, None, mesh)
            masks = MaskSet()
            targets = [Target(name, model[name].weight, ()) for name in model]
            for target in targets:
                assert len(target.parameter.placements) == 2
                masks.add(target.name, target.parameter)
            for one, held in ((whole.targets, whole.masks), (targets, masks)):
                prune(method, one, held, 0.4, generator=torch.Generator().manual_seed(0))
            for name in masks:
                assert torch.equal(masks.whole(name), whole.masks.kept(name)), (method, name)


def tickets() -> None:
    """Compare newly drawn values and early ones."""
    torch.manual_seed(0)
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    for module in (nn.Linear(6, 5), nn.Conv2d(4, 3, 3), nn.ConvTranspose1d(5, 4, 3)):
        plain = deepcopy(module)
        fully_shard(module, mesh=mesh)
        sides = []
        for model in (plain, module):
            targets = as_targets(model, all_sites(model))
            drawn = resampled(targets, generator=torch.Generator().manual_seed(3))
            early = EarlyWeights.of(targets)
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.zero_()
            kept = {target.name: early.value(target) for target in targets}
            sides.append((targets, drawn, kept))
        (_, *whole), (targets, *parts) = sides
        for target, expected, got in (
            (t, w[t.name], p[t.name]) for w, p in zip(whole, parts, strict=True) for t in targets
        ):
            assert torch.equal(target.shard.part(expected), got), target.name
            assert expected.count_nonzero()
            assert got.numel() < expected.numel()


def peak_memory() -> None:
    """Print how much the process grew, at most, in one event over weights of 64 MiB in all."""
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    with torch.no_grad():
        shards = [torch.randn(1024, 2048) for _ in range(4)]  # 8 MiB each, of two processes
    targets, masks = [], MaskSet()
    for i, part in enumerate(shards):
        spread = DTensor.from_local(part, mesh, [Shard(0)], run_check=False)
        targets.append(Target(f"t{i}", nn.Parameter(spread), ()))
        masks.add(f"t{i}", targets[-1].parameter)
    method = Method()
    small = side(method, values(1, "floats"), [[Shard(0)] for _ in SHAPES], mesh)
    prune(method, small.targets, small.masks, 0.5, generator=small.generator)  # warms all up
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    prune(method, targets, masks, 0.5, generator=small.generator)
    assert sum(masks.count(name) for name in masks) == 4 * 2048 * 2048 // 2
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)


def norms() -> None:
    """Compare the norms of channels along either dimension."""
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    norms = [0, 1, 2, 3, "fro", float("inf"), -float("inf")]
    for number, (norm, dim) in enumerate(itertools.product(norms, [0, 1])):
        cut = (number + number // 2) % 2  # either way for either dimension
        method = Method(Criterion.MAGNITUDE, Channels(dim), Allocation.UNIFORM, norm)
        compare(method, "floats", [[Shard(cut)] for _ in SHAPES], mesh)


def refusals() -> None:
    """What is wrong in one process's part is refused in all, alike."""
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    weights = values(1, "floats")
    weights[0][0, 0] = torch.nan
    for pattern in (Elements(), NOfM(2, 4)):
        for allocation in Allocation:
            method = Method(Criterion.MAGNITUDE, pattern, allocation)
            one = side(method, weights, [[Shard(0)] for _ in SHAPES], mesh)
            try:
                prune(method, one.targets, one.masks, 0.5, generator=one.generator)
            except NanScoresError as error:
                print(f"{pattern} {allocation.value}: {error}")
            else:
                raise AssertionError(f"{method}: not refused")
