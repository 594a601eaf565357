"""The options of ``prunetool train``: spelling, panel and one line of help each.

What they mean is in ``training/options/options.py``. Each is None unless given, so that a config
file can give it instead.
"""

from __future__ import annotations

import enum
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from prunetool.cli import completion
from prunetool.cli.completion import one_of, parameter_names

_MODEL = "Model and data"
_WHAT = "What to prune"
_HOW = "How"
_WHEN = "How much and when"
_TICKETS = "Lottery tickets"
_TRAINER = "Trainer"
_RUN = "Run"


class TrainFormat(enum.StrEnum):
    """How to print what a training came to."""

    TABLE = "table"
    JSON = "json"


def _option(*names: str, panel: str, text: str, default: str = "", **more: Any) -> Any:
    shown = f"{text} (default: {default})" if default else text
    return typer.Option(*names, help=shown, rich_help_panel=panel, show_default=False, **more)


Target = Annotated[
    str | None,
    typer.Argument(
        metavar="TARGET",
        help="pkg.mod:Class, path/file.py:Class, a factory function, or a checkpoint.",
        show_default=False,
    ),
]
Model = Annotated[
    str | None,
    _option("--model", panel=_MODEL, text="Class of a checkpoint that records none."),
]
ModelArg = Annotated[
    list[str] | None,
    _option("--model-arg", panel=_MODEL, text="Constructor argument.", metavar="KEY=VALUE"),
]
Data = Annotated[
    str | None,
    _option(
        "--data",
        panel=_MODEL,
        text="A LightningDataModule, or a function that gives one or a DataLoader.",
        default="the model's own",
    ),
]
DataArg = Annotated[
    list[str] | None,
    _option("--data-arg", panel=_MODEL, text="Argument of --data.", metavar="KEY=VALUE"),
]
AppDir = Annotated[
    str | None,
    _option("--app-dir", panel=_MODEL, text="Folder to import from.", default="."),
]
MasksFromZeros = Annotated[
    bool | None,
    _option(
        "--masks-from-zeros",
        panel=_MODEL,
        text="Keep the zeros of a checkpoint without masks.",
    ),
]
Include = Annotated[
    list[str] | None,
    _option(
        "--include",
        panel=_WHAT,
        text="Only parameters of these names.",
        metavar="GLOB",
        autocompletion=parameter_names,
    ),
]
Exclude = Annotated[
    list[str] | None,
    _option(
        "--exclude",
        panel=_WHAT,
        text="Not those of these names.",
        metavar="GLOB",
        autocompletion=parameter_names,
    ),
]
ParameterNames = Annotated[
    str | None,
    _option(
        "--parameter-names",
        panel=_WHAT,
        text="weight, bias or weight,bias.",
        default="all of two or more dimensions",
    ),
]
Global = Annotated[
    bool | None,
    _option(
        "--global/--local",
        panel=_WHAT,
        text="All tensors share one pool, or each gives its share: as --allocation.",
        default="global; channels local",
    ),
]
Allocation = Annotated[
    str | None,
    _option(
        "--allocation",
        panel=_WHAT,
        text="How the total is shared: global, uniform, erk or lamp.",
        default="as --global",
        autocompletion=one_of(completion.ALLOCATIONS),
    ),
]
MaxLayerSparsity = Annotated[
    float | None,
    _option(
        "--max-layer-sparsity",
        panel=_WHAT,
        text="No tensor sparser than this, in (0, 1]; the others give the rest.",
        metavar="FRACTION",
    ),
]
MinLayerDensity = Annotated[
    float | None,
    _option(
        "--min-layer-density",
        panel=_WHAT,
        text="The same said the other way round, in [0, 1).",
        metavar="FRACTION",
    ),
]
Criterion = Annotated[
    str | None,
    _option(
        "--criterion",
        panel=_HOW,
        text="Which go first: magnitude, random, saliency or movement.",
        default="magnitude",
        autocompletion=one_of(completion.CRITERIA),
    ),
]
Pattern = Annotated[
    str | None,
    _option(
        "--pattern",
        panel=_HOW,
        text="What goes together: elements, channels (of --dim), or N:M such as 2:4.",
        default="elements",
        autocompletion=one_of(completion.PATTERNS),
    ),
]
PruningFn = Annotated[
    str | None,
    _option(
        "--pruning-fn",
        panel=_HOW,
        text="Both in one: l1_unstructured, random_unstructured, ln_structured, "
        "random_structured; or your BasePruningMethod.",
        autocompletion=one_of(completion.FUNCTIONS),
    ),
]
Dim = Annotated[
    int | None,
    _option("--dim", panel=_HOW, text="Dimension whose channels are pruned."),
]
Norm = Annotated[
    str | None,
    _option(
        "--norm",
        panel=_HOW,
        text="Norm of a channel: any number, inf, -inf, fro or nuc.",
        default="2",
    ),
]
SkipUnfit = Annotated[
    bool | None,
    _option("--skip-unfit", panel=_HOW, text="Leave out tensors that an N:M pattern does not fit."),
]
Permanent = Annotated[
    bool | None,
    _option(
        "--permanent/--keep-masks",
        panel=_HOW,
        text="Save plain weights with zeros, or torch's NAME_orig and NAME_mask.",
        default="permanent",
    ),
]
Sparsity = Annotated[
    str | None,
    _option(
        "--sparsity",
        panel=_WHEN,
        text="Share removed in the end, in [0, 1); 0 trains dense.",
        default="0.5; 1 - N/M",
        metavar="FRACTION",
    ),
]
Amount = Annotated[
    str | None,
    _option(
        "--amount",
        panel=_WHEN,
        text="Instead: what each event removes of what remains: "
        "a share, a number, or a function of the epoch.",
    ),
]
Schedule = Annotated[
    str | None,
    _option(
        "--schedule",
        panel=_WHEN,
        text="one-shot, linear, cubic, exponential, or a function of the progress in [0, 1].",
        default="cubic; exponential in rounds",
        autocompletion=one_of(completion.SCHEDULES),
    ),
]
Start = Annotated[
    str | None,
    _option("--start", panel=_WHEN, text="Train this long before (500s: steps).", default="0"),
]
End = Annotated[
    str | None,
    _option("--end", panel=_WHEN, text="Reach the sparsity here.", default="70% of training"),
]
Every = Annotated[
    str | None,
    _option("--every", panel=_WHEN, text="Between two events.", default="1 epoch"),
]
ApplyPruning = Annotated[
    str | None,
    _option(
        "--apply-pruning",
        panel=_WHEN,
        text="true, false, epochs as 2-10/2,15 (from 0), or a function of the epoch.",
        default="true",
    ),
]
LotteryTicket = Annotated[
    bool | None,
    _option(
        "--lottery-ticket/--no-lottery-ticket",
        panel=_TICKETS,
        text="Train in rounds of --max-epochs, prune and rewind between them; "
        "with =EPOCHS or =PATH as --lottery-epochs.",
        default="no",
    ),
]
LotteryEpochs = Annotated[
    str | None,
    _option(
        "--lottery-epochs",
        panel=_TICKETS,
        text="Instead, in one training: go back to early weights after the events of these "
        "epochs (2-10/2,15, from 0; all; or a function of the epoch).",
    ),
]
Rounds = Annotated[
    int | None,
    _option(
        "--rounds",
        panel=_TICKETS,
        text="Trainings of a --lottery-ticket, with a pruning between any two.",
        default="20% of the rest each time",
        metavar="R",
    ),
]
Retrain = Annotated[
    str | None,
    _option(
        "--retrain",
        panel=_TICKETS,
        text="A round begins with weights as of --rewind-step, with lr as of it, "
        "or goes on: finetune (schedulers off).",
        default="weights",
        metavar="weights|lr|finetune",
        autocompletion=one_of(completion.RETRAIN),
    ),
]
RewindStep = Annotated[
    int | None,
    _option(
        "--rewind-step",
        panel=_TICKETS,
        text="Go back to the state after K optimizer steps.",
        default="0",
        metavar="K",
    ),
]
Resample = Annotated[
    bool | None,
    _option(
        "--resample",
        panel=_TICKETS,
        text="Control: the last round trains newly drawn weights.",
    ),
]
ShuffleMasks = Annotated[
    bool | None,
    _option(
        "--shuffle-masks",
        panel=_TICKETS,
        text="Control: the last round trains under shuffled masks.",
    ),
]
MaxEpochs = Annotated[
    int | None,
    _option("--max-epochs", panel=_TRAINER, text="Epochs.", default="10"),
]
MaxSteps = Annotated[
    int | None,
    _option("--max-steps", panel=_TRAINER, text="Optimizer steps, at most."),
]
Accelerator = Annotated[
    str | None,
    _option("--accelerator", panel=_TRAINER, text="cpu, gpu, mps, ...", default="auto"),
]
Devices = Annotated[
    str | None,
    _option("--devices", panel=_TRAINER, text="How many, or which (0,1).", default="auto"),
]
NumNodes = Annotated[
    int | None,
    _option("--num-nodes", panel=_TRAINER, text="Machines.", default="1"),
]
Strategy = Annotated[
    str | None,
    _option(
        "--strategy",
        panel=_TRAINER,
        text="ddp, fsdp2, ... over several --devices.",
        default="auto",
        autocompletion=one_of(completion.STRATEGIES),
    ),
]
Precision = Annotated[
    str | None,
    _option("--precision", panel=_TRAINER, text="32, bf16-mixed, ...", default="32"),
]
Seed = Annotated[
    int | None,
    _option("--seed", panel=_TRAINER, text="Of every random choice.", default="0"),
]
Trainer = Annotated[
    list[str] | None,
    _option("--trainer", panel=_TRAINER, text="Any other Trainer argument.", metavar="KEY=VALUE"),
]
Output = Annotated[
    Path | None,
    _option("--output", "-o", panel=_RUN, text="Run folder.", default="runs/NAME-N"),
]
Resume = Annotated[
    bool,
    _option(
        "--resume",
        panel=_RUN,
        text="TARGET is a run folder or its checkpoint: go on; another checkpoint: a new run "
        "with its state.",
    ),
]
Config = Annotated[
    list[Path] | None,
    _option(
        "--config",
        panel=_RUN,
        text="config.yaml of a run or of a LightningCLI. Repeatable: the last one wins.",
        metavar="FILE",
    ),
]
PrintConfig = Annotated[
    bool,
    _option(
        "--print-config",
        panel=_RUN,
        text="Print the whole config with comments, for --config, and train nothing.",
    ),
]
Monitor = Annotated[
    str | None,
    _option(
        "--monitor",
        panel=_RUN,
        text="Metric that decides on best.ckpt.",
        metavar="NAME:min|max",
    ),
]
Force = Annotated[bool, _option("--force", panel=_RUN, text="Replace the run in --output.")]
Logger = Annotated[
    str | None,
    _option(
        "--logger",
        panel=_RUN,
        text="Log to the run folder's logs: csv, tensorboard or none.",
        default="none",
    ),
]
Form = Annotated[
    TrainFormat,
    _option(
        "--format",
        panel=_RUN,
        text="Of what is printed in the end: table, or one JSON document and nothing else.",
        default="table",
    ),
]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose", min=0, max=2, rich_help_panel=_RUN, help="Log events: 1, tensors too: 2."
    ),
]
Quiet = Annotated[bool, _option("--quiet", "-q", panel=_RUN, text="No progress and no notes.")]


def help_by_key() -> dict[str, str]:
    """The help of every option by its key in a config file."""
    found = {}
    for name, kind in globals().items():
        if name[0].isupper() and hasattr(kind, "__metadata__"):
            key = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
            found[key] = kind.__metadata__[0].help
    return found
