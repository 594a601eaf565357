from __future__ import annotations

import pytest

from prunetool.errors import OptionError
from prunetool.training.options.options import from_values, option_keys
from prunetool.training.options.sections import PRUNING, TRAINER, as_sections, from_sections

FILE = "--config FILE"


def read(**sections):
    return from_sections(sections, FILE, {"app_dir", "monitor"})


def test_every_option_has_one_place():
    options = from_values({"target": "net:Net", "data": "net:Data", "trainer": {"devices_": 1}})
    sections = as_sections(options.as_config(), is_checkpoint=False)
    assert list(sections) == [
        "seed_everything", "trainer", "model", "data", "optimizer", "lr_scheduler", "ckpt_path",
        "pruning", "prunetool",
    ]  # fmt: skip
    assert set(sections["prunetool"]) == {"version", "app_dir", "monitor", "logger"}
    elsewhere = {
        "target", "model", "model_arg", "data", "data_arg", "trainer", "seed", "optimizer",
        "lr_scheduler", "ckpt_path", "app_dir", "monitor", "logger",
    }  # fmt: skip
    assert {*PRUNING, *TRAINER} == set(option_keys()) - elsewhere


@pytest.mark.parametrize("target", ["net:Net", "some.ckpt"])
def test_there_and_back(target):
    options = from_values(
        {
            "target": target, "model": "net:Net" if target.endswith("ckpt") else None,
            "model_arg": {"a": {"class_path": "x.Y"}}, "data": "net:Data", "data_arg": {"b": [1]},
            "amount": 0.1, "exclude": ["x"], "seed": 4, "max_steps": 9, "monitor": "a:min",
            "trainer": {"callbacks": [{"class_path": "z.Z"}]}, "ckpt_path": "s.ckpt",
            "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 1}},
        }
    )  # fmt: skip
    sections = as_sections(options.as_config(), is_checkpoint=target.endswith("ckpt"))
    assert from_values(from_sections(sections, FILE, {"app_dir", "monitor", "logger"})) == options


@pytest.mark.parametrize(
    ("sections", "values"),
    [
        ({"seed_everything": True}, {}),
        ({"seed_everything": 3}, {"seed": 3}),
        ({"trainer": {"max_epochs": 3, "max_steps": -1, "logger": None, "profiler": None}},
         {"max_epochs": 3, "trainer": {}}),
        ({"trainer": {"max_epochs": -1, "max_steps": 9}}, {"max_steps": 9, "trainer": {}}),
        # LightningCLI writes null where its Trainer takes 1000; prunetool would take 10.
        ({"trainer": {"max_epochs": None, "max_steps": -1}}, {"max_epochs": 1000, "trainer": {}}),
        ({"trainer": {"max_epochs": None}, "prunetool": {}}, {"trainer": {}}),
        ({"trainer": {"accelerator": "cpu"}}, {"accelerator": "cpu", "trainer": {}}),
        ({"model": "net.Net"}, {"target": "net.Net"}),
        ({"model": {"hidden": 3}}, {"model_arg": {"hidden": 3}}),
        ({"model": {"class_path": "n.N", "init_args": None, "dict_kwargs": {"a": 1}}},
         {"target": "n.N", "model_arg": {"a": 1}}),
        ({"model": {"class_path": "n.N"}, "prunetool": {"target": "a.ckpt"}},
         {"target": "a.ckpt", "model": "n.N", "model_arg": {}}),
        ({"data": {"batch_size": 3}}, {"data_arg": {"batch_size": 3}}),
        ({"optimizer": "torch.optim.SGD"},
         {"optimizer": {"class_path": "torch.optim.SGD", "init_args": {}}}),
        ({"pruning": {"include": "a.*, b.*", "lottery_epochs": "0-3"}},
         {"include": ["a.*", "b.*"], "lottery_ticket": "0-3"}),
        ({"fit": {"model": "n.N", "ckpt_path": "x.ckpt"}, "test": {}, "pruning": {"dim": 0}},
         {"target": "n.N", "ckpt_path": "x.ckpt", "dim": 0}),
        ({"weights_only": None, "lr_scheduler": None}, {}),
    ],
)  # fmt: skip
def test_what_a_file_means(sections, values):
    assert {"trainer": {}, **read(**sections)} == {"trainer": {}, **values}


@pytest.mark.parametrize(
    ("sections", "fragment"),
    [
        ({"modle": {}}, "no section 'modle'; did you mean 'model'"),
        ({"sparsity": 0.5}, "no section 'sparsity'; expected seed_everything, trainer, model"),
        ({"pruning": {"sparsty": 1}}, "pruning has no option 'sparsty'; did you mean 'sparsity'"),
        ({"pruning": [1]}, r"pruning: expected names and values, got \[1\]"),
        ({"prunetool": {"moniter": 1}}, "prunetool has no key 'moniter'; did you mean 'monitor'"),
        ({"model": 3}, "model: expected class_path and init_args, got 3"),
        ({"model": {"class_path": "n.N", "init_arg": {}}}, "model has no key 'init_arg'; did you"),
        ({"model": {"class_path": 3}}, r"model\.class_path: expected an import path, got 3"),
        ({"data": {"class_path": "n.N", "init_args": 3}}, r"data\.init_args: expected names and"),
        ({"optimizer": {"lr": 1}}, "optimizer: class_path is missing: which class takes lr?"),
        ({"trainer": {"strategy": {"class_path": "x.Y"}}}, r"trainer\.strategy: expected a name"),
        ({"model": "n.N", "fit": {"model": "n.N"}}, r"model and fit\.model: keep one"),
        ({"fit": 3}, "fit: expected the sections of the subcommand, got 3"),
    ],
)
def test_what_means_nothing(sections, fragment):
    with pytest.raises(OptionError, match=f"^{FILE}: {fragment}"):
        read(**sections)


def test_null_is_a_value_where_the_trainers_default_is_another():
    """``check_val_every_n_epoch: null`` counts batches across epochs; other nulls say nothing."""
    trainer = {"check_val_every_n_epoch": None, "val_check_interval": 3, "logger": None}
    values = from_sections({"trainer": trainer}, "--config FILE", set())
    assert values["trainer"] == {"check_val_every_n_epoch": None, "val_check_interval": 3}
