"""``scripts/bench_tickets.py`` at a small size; its levels against a plain loop and torch's own."""

from __future__ import annotations

import re
from argparse import Namespace

import numpy as np
import pytest
import torch
import torch.nn.utils.prune as torch_prune
from benches import aligned_table, markdown_table, run_script
from torch.nn import functional as F

# Of the digits' network, 64-300-100-10.
HIDDEN, OUTPUT = 64 * 300 + 300 * 100, 100 * 10


def share_left(level):
    return 100 * (HIDDEN * 0.8**level + OUTPUT * 0.9**level) / (HIDDEN + OUTPUT)


def test_the_digits_give_a_row_a_level_and_a_verdict_a_control():
    done = run_script(
        "bench_tickets.py",
        *("--iterations", 30, "--seeds", 3, "--levels", 2, "--control-levels", "0,2"),
    )
    assert done.returncode == 0, done.stderr
    headings, rows = markdown_table(done.stdout)
    assert headings == [
        *("level", "weights left, %", "ticket, seed 3", "mean"),
        *("re-drawn, seed 3", "mean", "shuffled, seed 3", "mean"),
    ]
    assert aligned_table(done.stdout) == [headings, *rows]
    assert [row[0] for row in rows] == ["0", "1", "2"]
    assert [float(row[1]) for row in rows] == pytest.approx(
        [share_left(level) for level in range(3)], abs=0.01
    )
    assert [[cell != "" for cell in row[2:]] for row in rows] == [
        [True] * 6,
        [True] * 2 + [False] * 4,
        [True] * 6,
    ]
    # Nothing is pruned at level 0: a full mask shuffled is a full mask, and 30 steps learn much.
    assert rows[0][6] == rows[0][2]
    assert rows[0][4] != rows[0][2]
    assert float(rows[0][2]) > 50
    verdicts = done.stdout.split("\n\n")[-1].splitlines()
    assert [line.split(":")[0] for line in verdicts] == [
        "At 100.0 % of the weights",
        f"At {share_left(2):.1f} % of the weights",
    ]
    dense, ticket, redrawn, shuffled = (float(cell) for cell in (rows[0][3], *rows[2][3::2]))
    found = re.search(
        r"ticket >= dense: (yes|no) \((.*) % against (.*) %, (.*) points, .*\); "
        r"(.*) points above the same masks on re-drawn weights, (.*) above shuffled masks",
        verdicts[1],
    )
    assert found, verdicts[1]
    assert found[1] == ("yes" if ticket >= dense else "no")
    assert [float(number) for number in found.groups()[1:]] == pytest.approx(
        [ticket, dense, ticket - dense, ticket - redrawn, ticket - shuffled], abs=0.011
    )
    assert "seed 3, level 2 of 2" in done.stderr


@pytest.mark.slow
def test_other_data_and_two_seeds(tmp_path):
    draw = np.random.default_rng(0)
    classes = {"y_train": np.arange(90) % 3, "y_test": np.arange(30) % 3}
    images = {
        name.replace("y", "x"): (np.eye(3)[of] * 200 + draw.random((len(of), 3)) * 50).astype("u1")
        for name, of in classes.items()
    }
    np.savez(tmp_path / "data.npz", **images, **classes)
    done = run_script(
        "bench_tickets.py",
        *("--data", tmp_path / "data.npz", "--iterations", 40, "--batch-size", 200),
        *("--seeds", "0,1", "--levels", 1),
    )
    assert done.returncode == 0, done.stderr
    headings, rows = markdown_table(done.stdout)
    assert headings[2] == "ticket, seed 0 / 1"
    left = 100 * ((3 * 300 + 300 * 100) * 0.8 + 100 * 3 * 0.9) / (3 * 300 + 300 * 100 + 100 * 3)
    # Brightness alone tells these classes apart.
    assert [row[:4] for row in rows] == [
        ["0", "100.00", "100.00 / 100.00", "100.00"],
        ["1", f"{left:.2f}", "100.00 / 100.00", "100.00"],
    ]
    assert [cell != "" for cell in rows[1]] == [True] * 8
    assert done.stdout.count("\nAt ") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "nowhere.npz"), "error: --data nowhere.npz: expected an npz file with x_train"),
        (("--data", __file__), "expected an npz file with x_train, y_train, x_test, y_test"),
        (("--levels", "3", "--control-levels", "4"), "expected at most --levels 3"),
        (("--seeds", "1,1"), "expected different numbers from 0 on, got 1,1"),
        (("--iterations", "0"), "expected at least 1, got 0"),
    ],
)
def test_bad_arguments_are_named(load_script, monkeypatch, capsys, arguments, message):
    monkeypatch.setattr("sys.argv", ["bench_tickets.py", *arguments])
    with pytest.raises(SystemExit) as end:
        load_script("bench_tickets").main()
    shown = capsys.readouterr()
    assert (end.value.code, shown.out) == (2, "")
    assert message in shown.err


def plain_level(bench, data, model, seed, iterations):
    """Train in a bare loop; give the accuracy in %."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1.2e-3, fused=True)
    for images, classes in bench.lenet.Batches(data, size=60, count=iterations, seed=seed):
        optimizer.zero_grad()
        F.cross_entropy(model(images), classes).backward()
        optimizer.step()
    with torch.no_grad():
        right = int((model(data.x_test).argmax(dim=1) == data.y_test).sum())
    return 100 * right / len(data.y_test)


def test_levels_equal_a_plain_loop_with_torchs_own_pruning(load_script):
    bench = load_script("bench_tickets")
    options = Namespace(
        data=None,
        pixels="unit",
        iterations=100,
        batch_size=60,
        threads=1,
        levels=3,
        control_levels=[],
    )
    levels = bench.run_seed(5, options=options)

    data = bench.lenet.load(None, bench.lenet.Pixels.UNIT)
    model = bench.lenet.LeNet(data.sizes, seed=5)
    initial = [(layer.weight.clone(), layer.bias.clone()) for layer in model.layers]
    expected = []
    for _ in range(4):
        expected.append(plain_level(bench, data, model, 5, options.iterations))
        for layer, (weight, bias), share in zip(
            model.layers, initial, (0.2, 0.2, 0.1), strict=True
        ):
            torch_prune.l1_unstructured(layer, "weight", amount=share)
            with torch.no_grad():
                layer.weight_orig.copy_(weight)
                layer.bias.copy_(bias)
    assert [level.ticket for level in levels] == expected
    assert len(set(expected)) > 2, "levels that do not differ would show nothing"
