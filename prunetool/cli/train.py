"""``prunetool train``: train a model and prune it on the way."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from prunetool.cli.boundary import REQUIREMENT_NOT_MET
from prunetool.cli.output import Output

if TYPE_CHECKING:
    from prunetool.training.outcome import Outcome

TERMINATED = 143
# What follows --lottery-ticket is its value only if it can be nothing else: no target looks so.
_EPOCHS = re.compile(r"\d[\d,/-]*")

_MODEL = "Model and data"
_WHAT = "What to prune"
_HOW = "How"
_WHEN = "How much and when"
_TICKETS = "Lottery tickets"
_TRAINER = "Trainer"
_RUN = "Run"


def _option(*names: str, panel: str, text: str, default: str = "", **more: Any) -> Any:
    """An option that is None unless given, so that a config file can give it instead."""
    shown = f"{text} (default: {default})" if default else text
    return typer.Option(*names, help=shown, rich_help_panel=panel, show_default=False, **more)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(
        cls=_TrainCommand,
        epilog="Example: prunetool train prunetool.demos:DigitsClassifier --sparsity 0.9",
    )(train)


class _TrainCommand(TyperCommand):
    """Takes ``--lottery-ticket`` with a value too, which a flag of click's cannot have."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read ``--lottery-ticket=WHEN``, or epochs after it, as ``--lottery-epochs``."""
        return super().parse_args(ctx, _spelt_out(args))


def _spelt_out(args: list[str]) -> list[str]:
    found = list(args)
    for i, arg in enumerate(args):
        if arg.startswith("--lottery-ticket="):
            found[i] = arg.replace("--lottery-ticket", "--lottery-epochs", 1)
        elif arg == "--lottery-ticket" and _EPOCHS.fullmatch("".join(args[i + 1 : i + 2])):
            found[i] = "--lottery-epochs"
    return found


def train(  # one parameter an option: this is the whole interface, in the order of --help
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET",
            help="pkg.mod:Class, path/file.py:Class, a factory function, or a checkpoint.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        _option("--model", panel=_MODEL, text="Class of a checkpoint that records none."),
    ] = None,
    model_arg: Annotated[
        list[str] | None,
        _option("--model-arg", panel=_MODEL, text="Constructor argument.", metavar="KEY=VALUE"),
    ] = None,
    data: Annotated[
        str | None,
        _option(
            "--data",
            panel=_MODEL,
            text="A LightningDataModule, or a function that gives one or a DataLoader.",
            default="the model's own",
        ),
    ] = None,
    data_arg: Annotated[
        list[str] | None,
        _option("--data-arg", panel=_MODEL, text="Argument of --data.", metavar="KEY=VALUE"),
    ] = None,
    app_dir: Annotated[
        str | None,
        _option("--app-dir", panel=_MODEL, text="Folder to import from.", default="."),
    ] = None,
    masks_from_zeros: Annotated[
        bool | None,
        _option(
            "--masks-from-zeros",
            panel=_MODEL,
            text="Keep the zeros of a checkpoint without masks.",
        ),
    ] = None,
    include: Annotated[
        list[str] | None,
        _option("--include", panel=_WHAT, text="Only parameters of these names.", metavar="GLOB"),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        _option("--exclude", panel=_WHAT, text="Not those of these names.", metavar="GLOB"),
    ] = None,
    parameter_names: Annotated[
        str | None,
        _option(
            "--parameter-names",
            panel=_WHAT,
            text="weight, bias or weight,bias.",
            default="all of two or more dimensions",
        ),
    ] = None,
    global_: Annotated[
        bool | None,
        _option(
            "--global/--local",
            panel=_WHAT,
            text="All tensors share one pool, or each gives its own share.",
            default="global; channels local",
        ),
    ] = None,
    pruning_fn: Annotated[
        str | None,
        _option(
            "--pruning-fn",
            panel=_HOW,
            text="l1_unstructured, random_unstructured, ln_structured, random_structured, "
            "or your BasePruningMethod.",
            default="l1_unstructured",
        ),
    ] = None,
    dim: Annotated[
        int | None,
        _option("--dim", panel=_HOW, text="Dimension whose channels are pruned."),
    ] = None,
    norm: Annotated[
        str | None,
        _option("--norm", panel=_HOW, text="Norm of a channel: a number, inf, fro or nuc."),
    ] = None,
    pattern: Annotated[
        str | None,
        _option(
            "--pattern", panel=_HOW, text="Semi-structured (not available yet).", metavar="N:M"
        ),
    ] = None,
    permanent: Annotated[
        bool | None,
        _option(
            "--permanent/--keep-masks",
            panel=_HOW,
            text="Save plain weights with zeros, or torch's NAME_orig and NAME_mask.",
            default="permanent",
        ),
    ] = None,
    sparsity: Annotated[
        str | None,
        _option(
            "--sparsity",
            panel=_WHEN,
            text="Share removed in the end, in [0, 1); 0 trains dense.",
            default="0.5",
            metavar="FRACTION",
        ),
    ] = None,
    amount: Annotated[
        str | None,
        _option(
            "--amount",
            panel=_WHEN,
            text="Instead: what each event removes of what remains: "
            "a share, a number, or a function of the epoch.",
        ),
    ] = None,
    schedule: Annotated[
        str | None,
        _option(
            "--schedule",
            panel=_WHEN,
            text="one-shot, linear, cubic or exponential.",
            default="cubic",
        ),
    ] = None,
    start: Annotated[
        str | None,
        _option("--start", panel=_WHEN, text="Train this long before (500s: steps).", default="0"),
    ] = None,
    end: Annotated[
        str | None,
        _option("--end", panel=_WHEN, text="Reach the sparsity here.", default="70% of training"),
    ] = None,
    every: Annotated[
        str | None,
        _option("--every", panel=_WHEN, text="Between two events.", default="1 epoch"),
    ] = None,
    apply_pruning: Annotated[
        str | None,
        _option(
            "--apply-pruning",
            panel=_WHEN,
            text="true, false, epochs as 2-10/2,15 (from 0), or a function of the epoch.",
            default="true",
        ),
    ] = None,
    lottery_ticket: Annotated[
        bool | None,
        _option(
            "--lottery-ticket/--no-lottery-ticket",
            panel=_TICKETS,
            text="After each event but the last, go back to the early weights; "
            "with =EPOCHS or =PATH as --lottery-epochs.",
            default="no",
        ),
    ] = None,
    lottery_epochs: Annotated[
        str | None,
        _option(
            "--lottery-epochs",
            panel=_TICKETS,
            text="Only after these epochs (2-10/2,15, from 0), or a function of the epoch.",
        ),
    ] = None,
    rewind_step: Annotated[
        int | None,
        _option(
            "--rewind-step",
            panel=_TICKETS,
            text="Early weights are those after K steps.",
            default="0",
            metavar="K",
        ),
    ] = None,
    resample: Annotated[
        bool | None,
        _option("--resample", panel=_TICKETS, text="Draw new initial weights instead."),
    ] = None,
    max_epochs: Annotated[
        int | None,
        _option("--max-epochs", panel=_TRAINER, text="Epochs.", default="10"),
    ] = None,
    max_steps: Annotated[
        int | None,
        _option("--max-steps", panel=_TRAINER, text="Optimizer steps, at most."),
    ] = None,
    accelerator: Annotated[
        str | None,
        _option("--accelerator", panel=_TRAINER, text="cpu, gpu, mps, ...", default="auto"),
    ] = None,
    devices: Annotated[
        str | None,
        _option("--devices", panel=_TRAINER, text="How many, or which (0,1).", default="auto"),
    ] = None,
    num_nodes: Annotated[
        int | None,
        _option("--num-nodes", panel=_TRAINER, text="Machines.", default="1"),
    ] = None,
    strategy: Annotated[
        str | None,
        _option("--strategy", panel=_TRAINER, text="ddp, fsdp, ...", default="auto"),
    ] = None,
    precision: Annotated[
        str | None,
        _option("--precision", panel=_TRAINER, text="32, bf16-mixed, ...", default="32"),
    ] = None,
    seed: Annotated[
        int | None,
        _option("--seed", panel=_TRAINER, text="Of every random choice.", default="0"),
    ] = None,
    trainer: Annotated[
        list[str] | None,
        _option(
            "--trainer", panel=_TRAINER, text="Any other Trainer argument.", metavar="KEY=VALUE"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        _option("--output", "-o", panel=_RUN, text="Run folder.", default="runs/NAME-N"),
    ] = None,
    resume: Annotated[
        bool,
        _option("--resume", panel=_RUN, text="TARGET is a run folder or its checkpoint: go on."),
    ] = False,
    config: Annotated[
        Path | None,
        _option("--config", panel=_RUN, text="Options from a run's config.yaml.", metavar="FILE"),
    ] = None,
    monitor: Annotated[
        str | None,
        _option(
            "--monitor",
            panel=_RUN,
            text="Metric that decides on best.ckpt.",
            metavar="NAME:min|max",
        ),
    ] = None,
    force: Annotated[
        bool, _option("--force", panel=_RUN, text="Replace the run in --output.")
    ] = False,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose", min=0, max=2, rich_help_panel=_RUN, help="Log events: 1, tensors too: 2."
        ),
    ] = 0,
    quiet: Annotated[
        bool, _option("--quiet", "-q", panel=_RUN, text="No progress and no notes.")
    ] = False,
) -> None:
    """Train TARGET, prune it on the way, and leave a run folder.

    Ends with every layer's sparsity; exit code 1 if less was pruned than asked for.
    """
    typed = {name: value for name, value in locals().items() if value not in (None, [])}
    out = Output(quiet=quiet)
    outcome = _run(typed, out)
    _show(outcome, out)
    if outcome.is_short:
        typer.echo(
            f"the sparsity asked for was not reached: {outcome.pruned} of {outcome.planned} "
            f"elements, {outcome.achieved:.6f}; prune earlier, train longer, or include more",
            err=True,
        )
        raise typer.Exit(REQUIREMENT_NOT_MET)


def _run(typed: dict[str, Any], out: Output) -> Outcome:
    from prunetool.training.command_line import options_from, place_from
    from prunetool.training.interrupts import Terminated
    from prunetool.training.run import Manners, train

    place = place_from(typed)
    options = place.resumed.options if place.resumed else options_from(typed)
    manners = Manners(note=out.note, quiet=out.quiet, verbose=typed.get("verbose", 0))
    try:
        return train(options, place, manners)
    except Terminated:
        raise typer.Exit(TERMINATED) from None


def _show(outcome: Outcome, out: Output) -> None:
    from prunetool.reports import render_table, report_on, to_json
    from prunetool.training.atomic import write_text

    last = outcome.folder.last
    report = report_on(last)
    write_text(outcome.folder.report, to_json(report))
    out.result(render_table(report))
    out.line(outcome.line)
    if outcome.is_rounded:
        out.note(
            f"channels are removed whole: {outcome.planned} elements, {outcome.achieved:.6f}, is "
            f"what rounds {outcome.asked:.6f} in each tensor"
        )
    out.note(f"checkpoint {last}")
    out.note(f"next: prunetool finalize {last}")
