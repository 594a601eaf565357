"""``--strategy``: how several processes train one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prunetool.errors import OptionError

if TYPE_CHECKING:
    from prunetool.training.building.trees import Tree

FSDP2 = "fsdp2"
# Processes that are started from within one, which gets back weights but no state of callbacks.
_STARTED_WITHIN = ("ddp_spawn", "ddp_fork", "ddp_notebook")
_REFUSED = {
    "fsdp": "FSDP1 keeps weights as flat pieces, in which a mask has no place",
    "deepspeed": "DeepSpeed steps copies of the weights of its own, which no mask reaches",
}


def check_strategy(name: str) -> None:
    """Refuse what cannot be pruned under, before any work.

    Raises:
        OptionError: saying what to use instead.
    """
    for start, reason in _REFUSED.items():
        if name != FSDP2 and name.startswith(start):
            raise OptionError(
                f"--strategy {name}: {reason}; use --strategy fsdp2 with a model that shards "
                f"itself in configure_model (prunetool.demos:TinyTransformer does), or ddp"
            )


def strategy_for(tree: Tree, name: str) -> Any:
    """Give what the Trainer takes: Lightning's name of a strategy, or one of ours."""
    if name == FSDP2:
        return _fully_sharded(tree)
    for within in _STARTED_WITHIN:
        if name.startswith(within):
            # The same training, in processes that run this command.
            return name.replace(within, "ddp", 1)
    return name


def require_sharding(tree: Tree, module: Any, name: str) -> None:
    """Refuse a model that FSDP2 would leave whole.

    Raises:
        OptionError: if it does not override ``configure_model``.
    """
    if name != FSDP2:
        return
    is_overridden = tree.load("utilities.model_helpers").is_overridden
    if not is_overridden("configure_model", module):
        raise OptionError(
            f"--strategy fsdp2: {type(module).__name__} does not shard itself; override "
            f"configure_model and call fully_shard(..., mesh=self.device_mesh['data_parallel']) "
            f"in it (as prunetool.demos:TinyTransformer does), or use --strategy ddp"
        )


def require_all_sharded(module: Any, name: str) -> None:
    """Refuse weights that every process would train for itself, once the model is sharded.

    Raises:
        OptionError: if ``configure_model`` has left trainable parameters out.
    """
    from torch.distributed.tensor import DTensor

    if name != FSDP2:
        return
    trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
    whole = [name for name, parameter in trained.items() if not isinstance(parameter, DTensor)]
    if whole:
        shown = ", ".join(whole[:3]) + (", ..." if len(whole) > 3 else "")
        raise OptionError(
            f"--strategy fsdp2: {type(module).__name__}.configure_model leaves {len(whole)} of "
            f"{len(trained)} parameters whole ({shown}), and each process would train its own; "
            f"end it with fully_shard(self, mesh=self.device_mesh['data_parallel'])"
        )


def _fully_sharded(tree: Tree) -> Any:
    import torch

    base = tree.load("strategies").ModelParallelStrategy

    class ModelParallelStrategy(base):  # type: ignore[misc, valid-type]
        """Lightning's, with every process in the data-parallel dimension of the mesh."""

        def setup_environment(self) -> None:
            """Set the size now that the devices are known: "auto" is one a machine."""
            self._data_parallel_size = self.num_nodes * self.num_processes
            super().setup_environment()

        def optimizer_state(self, optimizer: Any) -> dict[str, Any]:
            """Take the state of an optimizer that has not stepped yet without a trace.

            Torch makes the state that is missing by a step of no length, and that counts: Adam's
            first real step would be corrected as its second.
            """
            plain = getattr(optimizer, "_optimizer", optimizer)
            is_fresh = not plain.state
            state: dict[str, Any] = super().optimizer_state(optimizer)
            if is_fresh:
                plain.state.clear()
                for entry in state.get("state", {}).values():
                    if "step" in entry:
                        entry["step"] = torch.zeros_like(entry["step"])
            return state

    return ModelParallelStrategy(tensor_parallel_size=1)
