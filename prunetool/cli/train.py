"""``prunetool train``: train a model and prune it on the way."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO

import typer

from prunetool.cli import train_options as option
from prunetool.cli.boundary import REQUIREMENT_NOT_MET, TERMINATED, even_unread
from prunetool.cli.helping import Command
from prunetool.cli.interrupts import INTERRUPTED, raise_missed_interrupt
from prunetool.cli.output import Output
from prunetool.training.processes.ranks import is_main

if TYPE_CHECKING:
    from prunetool.reports.statistics import Report
    from prunetool.training.options.options import TrainOptions
    from prunetool.training.outcome import Outcome

_STDOUT = 1  # the descriptor
# What follows --lottery-ticket is its value only if it can be nothing else: no target looks so.
_EPOCHS = re.compile(r"\d[\d,/-]*")


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(
        cls=_TrainCommand,
        epilog="Example: prunetool train prunetool.demos:DigitsClassifier --sparsity 0.9",
    )(train)


class _TrainCommand(Command):
    """Takes ``--lottery-ticket`` with a value too, which a flag of click's cannot have."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read ``--lottery-ticket=WHEN``, or epochs after it, as ``--lottery-epochs``."""
        return super().parse_args(ctx, _spelt_out(args))


def _spelt_out(args: list[str]) -> list[str]:
    found = list(args)
    for i, arg in enumerate(args):
        if arg == "--lottery-ticket=true":
            found[i] = "--lottery-ticket"
        elif arg.startswith("--lottery-ticket="):
            found[i] = arg.replace("--lottery-ticket", "--lottery-epochs", 1)
        elif arg == "--lottery-ticket" and _EPOCHS.fullmatch("".join(args[i + 1 : i + 2])):
            found[i] = "--lottery-epochs"
    return found


def train(  # one parameter an option: this is the whole interface, in the order of --help
    target: option.Target = None,
    model: option.Model = None,
    model_arg: option.ModelArg = None,
    data: option.Data = None,
    data_arg: option.DataArg = None,
    app_dir: option.AppDir = None,
    masks_from_zeros: option.MasksFromZeros = None,
    include: option.Include = None,
    exclude: option.Exclude = None,
    parameter_names: option.ParameterNames = None,
    global_: option.Global = None,
    allocation: option.Allocation = None,
    max_layer_sparsity: option.MaxLayerSparsity = None,
    min_layer_density: option.MinLayerDensity = None,
    criterion: option.Criterion = None,
    pattern: option.Pattern = None,
    pruning_fn: option.PruningFn = None,
    dim: option.Dim = None,
    norm: option.Norm = None,
    skip_unfit: option.SkipUnfit = None,
    permanent: option.Permanent = None,
    sparsity: option.Sparsity = None,
    amount: option.Amount = None,
    schedule: option.Schedule = None,
    start: option.Start = None,
    end: option.End = None,
    every: option.Every = None,
    apply_pruning: option.ApplyPruning = None,
    lottery_ticket: option.LotteryTicket = None,
    lottery_epochs: option.LotteryEpochs = None,
    rounds: option.Rounds = None,
    retrain: option.Retrain = None,
    rewind_step: option.RewindStep = None,
    resample: option.Resample = None,
    shuffle_masks: option.ShuffleMasks = None,
    max_epochs: option.MaxEpochs = None,
    max_steps: option.MaxSteps = None,
    accelerator: option.Accelerator = None,
    devices: option.Devices = None,
    num_nodes: option.NumNodes = None,
    strategy: option.Strategy = None,
    precision: option.Precision = None,
    seed: option.Seed = None,
    trainer: option.Trainer = None,
    output: option.Output = None,
    resume: option.Resume = False,
    config: option.Config = None,
    print_config: option.PrintConfig = False,
    monitor: option.Monitor = None,
    force: option.Force = False,
    logger: option.Logger = None,
    form: option.Form = option.TrainFormat.TABLE,
    verbose: option.Verbose = 0,
    quiet: option.Quiet = False,
) -> None:
    """Train TARGET, prune it on the way, and leave a run folder.

    Ends with every layer's sparsity; exit code 1 if less was pruned than asked for.
    """
    typed = {name: value for name, value in locals().items() if value not in (None, [])}
    out = Output(quiet=quiet)
    if typed.pop("print_config"):
        _print_config(typed, out)
        return
    with _stdout_for_the_document(form):
        outcome, options = _run(typed, out)
    if not is_main():
        return  # another process of the run shows it
    with even_unread(failed=outcome.is_short):
        match form:
            case option.TrainFormat.TABLE:
                _show(outcome, out)
            case option.TrainFormat.JSON:
                _print_document(outcome, options, out)
    if outcome.is_short:
        typer.echo(
            f"the sparsity asked for was not reached: {outcome.pruned} of {outcome.planned} "
            f"elements, {outcome.achieved:.6f}; prune earlier, train longer, or include more",
            err=True,
        )
        raise typer.Exit(REQUIREMENT_NOT_MET)


@contextmanager
def _stdout_for_the_document(form: option.TrainFormat) -> Iterator[None]:
    """Let what the user's code prints go to stderr, where a program reads stdout."""
    if form is option.TrainFormat.TABLE:
        yield
        return
    document = _kept_for_the_document(sys.stdout)
    with redirect_stdout(sys.stderr):
        yield
    sys.stdout = document


def _kept_for_the_document(stdout: TextIO) -> TextIO:
    """Give stdout by another descriptor; what is written to 1 goes to stderr from now on.

    Programs that the user's code starts write there, and libraries that are not Python's: these
    may keep some of it until the process ends.
    """
    try:
        if stdout.fileno() != _STDOUT:
            return stdout
        stdout.flush()
        kept = os.dup(_STDOUT)
        os.dup2(sys.stderr.fileno(), _STDOUT)
    except (OSError, ValueError):  # a stdout in memory, or no stderr
        return stdout
    return open(kept, "w", encoding=stdout.encoding, errors=stdout.errors)  # to the process's end


def _run(typed: dict[str, Any], out: Output) -> tuple[Outcome, TrainOptions]:
    from prunetool.training.options.command_line import options_from, place_from
    from prunetool.training.processes.interrupts import Terminated
    from prunetool.training.run import Manners, train

    raise_missed_interrupt()

    place = place_from(typed)
    options = place.resumed.options if place.resumed else options_from(typed)
    manners = Manners(
        note=out.note,
        farewell=out.say if is_main() else out.note,
        quiet=out.quiet,
        verbose=typed.get("verbose", 0),
    )
    try:
        return train(options, place, manners), options
    except Terminated:
        raise typer.Exit(TERMINATED) from None
    except KeyboardInterrupt:  # where the run stands has been said
        raise SystemExit(INTERRUPTED) from None


def _print_config(typed: dict[str, Any], out: Output) -> None:
    from prunetool.cli.config_text import as_yaml
    from prunetool.training.full_config import full_config
    from prunetool.training.noise import useful_messages_only
    from prunetool.training.options.command_line import options_to_print

    options = options_to_print(typed)
    only = useful_messages_only(quiet=True, verbose=0, silent=False)
    with only, options.origins.naming("model" if options.model else "target"):
        text = as_yaml(full_config(options), option.help_by_key())
    out.line(text.rstrip())


def _write_report(outcome: Outcome) -> tuple[Report, str]:
    from prunetool.checkpoints.writing import write_text
    from prunetool.reports import report_on, to_json

    report = report_on(outcome.folder.last)
    text = to_json(report)
    write_text(outcome.folder.report, text)
    return report, text


def _print_document(outcome: Outcome, options: TrainOptions, out: Output) -> None:
    from prunetool.cli.train_json import outcome_to_json

    _, text = _write_report(outcome)
    out.line(outcome_to_json(outcome, seed=options.seed, report=text))


def _show(outcome: Outcome, out: Output) -> None:
    from prunetool.reports import render_table

    last = outcome.folder.last
    report, _ = _write_report(outcome)
    _show_course(outcome, out)
    out.result(render_table(report))
    out.line(outcome.line)
    if outcome.is_rounded:
        out.note(
            f"only whole channels, or elements of each tensor, are removed: {outcome.pruned} "
            f"elements, {outcome.achieved:.6f}, is what {outcome.asked:.6f} comes to"
        )
    out.note(f"checkpoint {last}")
    out.note(f"next: prunetool finalize {last}")


def _show_course(outcome: Outcome, out: Output) -> None:
    """What happened on the way: the rounds of a ticket, or the prunings of one training."""
    from prunetool.cli.train_tables import events_table, rounds_table

    if outcome.rounds:
        out.result(rounds_table(outcome))
    elif outcome.history:
        table, left_out = events_table(outcome)
        out.result(table)
        if left_out:
            out.line(left_out)
    else:
        return
    out.line("")
