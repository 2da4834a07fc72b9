"""What the benchmark of tables concludes from its cells, and what it does with a folder."""

import importlib.util
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def tables(monkeypatch):
    folder = Path(__file__).parents[2] / "benchmarks"
    monkeypatch.syspath_prepend(str(folder))
    # by its path: tests/tables.py has the same name
    spec = importlib.util.spec_from_file_location("benchmark_of_tables", folder / "tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cells_of(errors, **more):
    """errors: (table, model) -> one for each split"""
    return {
        (table, split, model): {"error": error, "n_test": 100, **more}
        for (table, model), of_splits in errors.items()
        for split, error in enumerate(of_splits)
    }


TWO_TABLES = {
    ("a", "hgb"): [0.2, 0.4],
    ("a", "mlp"): [0.4, 0.4],
    ("b", "hgb"): [0.3, 0.3],
    ("b", "mlp"): [0.15, 0.15],
}
KINDS = {"a": "class", "b": "number"}


def compare(tables, errors, models=("hgb", "mlp"), **more):
    return tables.Comparison(cells_of(errors, **more), KINDS, 2, models)


def test_ratios_are_geometric_means_over_splits_and_then_tables(tables):
    comparison = compare(tables, TWO_TABLES)
    assert comparison.ratio("error", "mlp", tables=["a"]).value == pytest.approx(math.sqrt(2))
    assert comparison.ratio("error", "mlp").value == pytest.approx(math.sqrt(math.sqrt(2) / 2))
    assert comparison.ratio("error", "hgb").value == 1


def test_noise_is_the_standard_error_of_the_mean_logarithm(tables):
    comparison = compare(tables, TWO_TABLES)
    of_a = np.std([math.log(2), 0], ddof=1) / math.sqrt(2)
    assert comparison.ratio("error", "mlp", tables=["a"]).noise == pytest.approx(of_a)
    assert comparison.ratio("error", "mlp").noise == pytest.approx(of_a / 2)  # table b has none
    one_split = compare(tables, {**TWO_TABLES, ("b", "mlp"): [0.15]})
    assert one_split.ratio("error", "mlp").noise is None


def test_noise_agrees_with_simulated_splits(tables):
    rng = np.random.RandomState(0)
    logs = 0.1 * rng.standard_normal((400, 2, 5))
    kinds, found = {"a": "number", "b": "number"}, []
    for of_tables in logs:
        errors = {(name, "hgb"): [1.0] * 5 for name in kinds}
        errors |= {(name, "mlp"): np.exp(row) for name, row in zip(kinds, of_tables, strict=True)}
        found.append(tables.Comparison(cells_of(errors), kinds, 5, ["mlp"]).ratio("error", "mlp"))
    expected = np.std([math.log(ratio.value) for ratio in found])
    assert np.sqrt(np.mean([ratio.noise**2 for ratio in found])) == pytest.approx(expected, rel=0.1)


def test_no_wrong_class_counts_as_half_an_error(tables):
    comparison = compare(tables, {**TWO_TABLES, ("a", "mlp"): [0, 0], ("b", "mlp"): [1e-9, 1e-9]})
    assert comparison.mean("error", "a", "mlp") == 0.005
    assert comparison.mean("error", "b", "mlp") == 1e-9  # not a share of classes


def test_ranks_are_of_models_with_all_cells_and_equals_share_one(tables):
    errors = {
        **TWO_TABLES,
        ("a", "forest"): [0.4, 0.4],
        ("b", "forest"): [0.9, 0.9],
        ("a", "realmlp"): [0.1, 0.1],
    }
    comparison = compare(tables, errors, ["hgb", "mlp", "forest", "realmlp"])
    # on a: hgb .3, mlp and forest .4; on b: mlp .15, hgb .3, forest .9
    expected = {"hgb": (1 + 2) / 2, "mlp": (2.5 + 1) / 2, "forest": (2.5 + 3) / 2}
    assert comparison.mean_ranks() == expected
    assert comparison.n_wins("mlp") == 1
    assert comparison.n_wins("realmlp") == 1
    assert tables.n_cells(comparison, "realmlp") == 2


def test_a_model_is_compared_on_the_splits_that_both_have(tables):
    comparison = compare(tables, {("a", "hgb"): [0.2, 0.4], ("a", "mlp"): [0.4]})
    assert comparison.ratio("error", "mlp").value == pytest.approx(2)
    assert comparison.ratio("error", "forest") is None
    assert comparison.ratio("log_loss", "mlp") is None


def test_scores(tables):
    y = np.array([0.0, 2.0, 4.0])
    assert tables.scores("number", y, np.full((3, 1), 2.0), None) == {"error": pytest.approx(1)}
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], dtype=np.float32)
    found = tables.scores("class", np.array(["n", "y", "y"]), probabilities, ["n", "y"])
    assert found["error"] == pytest.approx(1 / 3)
    assert found["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.8]).mean(), rel=1e-6)


def test_the_later_of_two_lines_counts(tables, tmp_path):
    cells = tables.Cells(tmp_path / "new" / "cells.json")
    for error in (0.3, 0.2):
        cells.store("a", 0, "mlp", {"error": error})
    assert tables.Cells(cells.path) == {("a", 0, "mlp"): {"error": 0.2}}


@pytest.fixture
def folder(tmp_path):
    """Two tables with a category, one of them with values missing in each column."""
    rng = np.random.RandomState(0)
    columns = {"x0": rng.standard_normal(80), "c1": rng.choice(["u", "v", "w"], 80)}
    y = columns["x0"] + (columns["c1"] == "u")
    full = pd.DataFrame({**columns, "target": y})
    full.to_csv(tmp_path / "smooth.number.csv.gz", index=False)
    gaps = pd.DataFrame({**columns, "target": np.where(y > 0, "yes", "no")})
    gaps.loc[::9, "x0"] = np.nan
    gaps.loc[::7, "c1"] = np.nan
    gaps.to_csv(tmp_path / "gaps.class.csv.gz", index=False)
    return tmp_path


def test_splits_are_fixed_and_stratified(tables, folder):
    gaps, smooth = tables.find_tables(folder)
    assert (gaps.name, gaps.kind, smooth.name, smooth.kind) == ("gaps", "class", "smooth", "number")
    X_train, X_test, y_train, y_test = gaps.split(3)
    assert X_train["c1"].dtype == "category"
    assert (len(X_train), len(X_test)) == (60, 20)
    assert np.mean(y_test == "yes") == pytest.approx(np.mean(y_train == "yes"), abs=0.04)
    assert X_test.index.equals(gaps.split(3)[1].index)
    assert not X_test.index.equals(gaps.split(4)[1].index)


@pytest.mark.slow
def test_only_what_is_missing_is_computed(tables, folder, capsys):
    known = folder / "cells.json"
    arguments = [str(folder), "--splits", "2", "--results", str(known)]
    tables.main([*arguments, "--models", "hgb", "--tables", "gaps"])
    assert len(known.read_text().splitlines()) == 2
    tables.main([*arguments, "--models", "hgb,mlp,forest"])
    assert len(known.read_text().splitlines()) == 2 * 2 * 3
    tables.main([*arguments, "--models", "hgb", "--again"])
    assert len(known.read_text().splitlines()) == 2 * 2 * 4
    capsys.readouterr()
    tables.main([*arguments, "--report", "--markdown", str(folder / "report.md")])
    shown = capsys.readouterr().out
    assert "**2 tables, 2 splits each**" in shown
    assert shown == (folder / "report.md").read_text()
    assert [line.split()[1] for line in shown.splitlines() if line.startswith("| mlp")] == ["mlp"]


@pytest.mark.slow
def test_a_learner_that_fails_stops_no_other(tables, folder, capsys, monkeypatch):
    def make(kind, seed):
        raise RuntimeError("no such luck")

    hgb = tables.LEARNERS["hgb"]
    monkeypatch.setattr(tables, "LEARNERS", {"mlp": replace(hgb, make=make), "hgb": hgb})
    results = ["--splits", "1", "--results", str(folder / "cells.json")]
    with pytest.raises(SystemExit, match="2 cells could not be computed"):
        tables.main([str(folder), *results])
    printed = capsys.readouterr()
    assert "gaps, split 0, mlp: RuntimeError('no such luck')" in printed.err
    assert "| hgb" in printed.out


def test_what_is_not_there_is_named(tables, folder, tmp_path_factory):
    with pytest.raises(SystemExit, match="no table 'adult'; there are gaps, smooth"):
        tables.find_tables(folder, ["adult"])
    with pytest.raises(SystemExit, match="has no table"):
        tables.find_tables(tmp_path_factory.mktemp("empty"))


def test_the_encoded_table_has_a_column_for_each_category(tables, folder):
    assert tables.encoded_bytes(tables.find_tables(folder)[1]) == 4 * 60 * (1 + 3)
