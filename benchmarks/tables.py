"""How well learners predict from tables, and how long they take: fastbp beside trees and networks.

    python benchmarks/tables.py FOLDER                       # all that is installed: an hour or two
    python benchmarks/tables.py FOLDER --models hgb,fastbp --tables adult,wine --splits 2
    python benchmarks/tables.py FOLDER --models fastbp --again      # after a change of fastbp
    python benchmarks/tables.py FOLDER --ablate              # fastbp, each part of its recipe off
    python benchmarks/tables.py FOLDER --memory              # and the memory of a fit, on Linux
    python benchmarks/tables.py FOLDER --report              # what is stored; computes nothing

FOLDER has a file NAME.class.csv.gz (target: a class) or NAME.number.csv.gz (a number) for each
table. Columns c* hold categories, columns x* numbers, the column target the rest. The learners are
in rivals/tables.py. Which tables these are is up to the caller: the project comes with none.

What is computed. Split s of a table is a random one with seed s: three quarters of the rows to
train on, a quarter to test, stratified by class. A cell is one learner on one split: its error on
the test rows, its log loss there (classes only), and the seconds of fit and of prediction. The
error is the share of wrong classes, or the root mean squared error over the standard deviation of
the test rows' targets, which is 1 for a constant. Probabilities of 0 count as 2e-16 in the log
loss, as in scikit-learn.

Seconds are processor time of one thread, so that neighbours matter little; the first fit of a
learner in a process, of few rows, is not timed. Times can be compared only if one machine measured
all of them.

Where results are. Each cell is a line of JSON, appended to the file that --results names as soon as
it is known; of two lines for the same cell the later one counts. Cells that are there are not
computed again, unless --again asks for it. Several calls may write at once, also of environments
that have different packages, and cells of models that are not known here are shown too.

What is concluded. The ratio of a model's error to the baseline's is averaged geometrically: first
over the splits of a table, then over the tables, each counting once. An error rate of 0 counts as
half an error. The noise after ± is the standard error: the standard deviation of the logarithm of
the ratio over the splits, over the square root of their number, combined over the tables. It says
how far another draw of splits may move the figure, not how far other tables may. Splits of one
table overlap, so it is rather too small. The rank of a model on a table is by its mean error,
among the models that have all cells. A model that lacks cells is compared on those that it has.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import warnings
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean, median, stdev
from time import process_time

import numpy as np
import pandas as pd
from instruments.tables import cpu_model, markdown_table, significant
from instruments.timing import progress
from overheads import GIVE_BACK, MB, ONE_THREAD, resident
from rivals.tables import ABLATIONS, LEARNERS
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

BASELINE, OURS, SLOW = "hgb", "fastbp", "realmlp"
KINDS = {"class": "classes", "number": "numbers"}
TEST_SHARE = 0.25
WARM_UP_ROWS = 200
RESULTS = Path(__file__).parents[1] / "build" / "tables.json"


# --- tables


@dataclass(frozen=True)
class Table:
    """A file of the folder. kind: "class" or "number"."""

    name: str
    kind: str
    path: Path

    @cached_property
    def data(self):
        """X, a DataFrame whose categories have that dtype, and the target, an array."""
        X = pd.read_csv(self.path)
        categories = [name for name in X.columns if name.startswith("c")]
        X = X.astype(dict.fromkeys(categories, "category"))
        return X.drop(columns="target"), X["target"].to_numpy()

    def split(self, number):
        """X_train, X_test, y_train, y_test"""
        X, y = self.data
        stratify = y if self.kind == "class" else None
        return train_test_split(X, y, test_size=TEST_SHARE, random_state=number, stratify=stratify)


def find_tables(folder, names=None):
    """The tables of a folder in the order of their names; names: only these."""
    tables = []
    for path in sorted(folder.glob("*.csv.gz")):
        name, kind, *_ = path.name.split(".")
        if kind in KINDS:
            tables.append(Table(name, kind, path))
    if not tables:
        sys.exit(f"{folder} has no table: no file NAME.class.csv.gz or NAME.number.csv.gz")
    check_known("table", names, [table.name for table in tables])
    return [table for table in tables if names is None or table.name in names]


def check_known(what, names, known):
    for name in names or ():
        if name not in known:
            sys.exit(f"there is no {what} {name!r}; there are {', '.join(sorted(known))}")


# --- cells


def compute_cell(learner, kind, split, seed):
    """Fit, predict and score."""
    X_train, X_test, y_train, y_test = split
    model = learner.make(kind, seed)
    start = process_time()
    model.fit(X_train, y_train)
    fitted = process_time()
    outputs = model.predict_proba(X_test) if kind == "class" else model.predict(X_test)
    predicted = process_time()
    return {
        "version": learner.version,
        "n_test": len(y_test),
        "fit": fitted - start,
        "predict": predicted - fitted,
        **scores(kind, y_test, outputs, getattr(model, "classes_", None)),
    }


def scores(kind, y, outputs, classes):
    if kind == "number":
        return {"error": float(root_mean_squared_error(y, np.ravel(outputs)) / np.std(y))}
    probabilities = np.asarray(outputs, dtype=float)
    probabilities /= probabilities.sum(axis=1, keepdims=True)  # float32's sums are rounded
    wrong = np.asarray(classes)[np.argmax(probabilities, axis=1)] != y
    return {
        "error": float(np.mean(wrong)),
        "log_loss": float(log_loss(y, probabilities, labels=classes)),
    }


class Cells(dict):
    """(table, split, model) -> result, and the file that keeps it."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        if path.exists():
            for line in path.read_text().splitlines():
                cell = json.loads(line)
                self[tuple(cell.pop(key) for key in ("table", "split", "model"))] = cell

    def store(self, table, split, model, result):
        self[table, split, model] = result
        line = json.dumps({"table": table, "split": split, "model": model, **result})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # one short write at the end of the file: lines of several processes do not mix
        with self.path.open("a") as file:
            file.write(line + "\n")


def compute_missing(cells, tables, learners, n_splits, again):
    """Compute and store cells; returns the number of learners' errors."""
    n_failed, warm = 0, set()
    # split by split, so that a run that is cut off has seen all tables
    for number in range(n_splits):
        for table in tables:
            names = [name for name in learners if again or (table.name, number, name) not in cells]
            if not names:
                continue
            split = table.split(number)
            for name in names:
                learner = learners[name]
                try:
                    if (name, table.kind) not in warm:
                        warm_up(learner, table.kind, split)
                        warm.add((name, table.kind))
                    cell = compute_cell(learner, table.kind, split, number)
                except Exception as error:
                    n_failed += 1
                    progress(f"{table.name}, split {number}, {name}: {error!r}")
                    continue
                cells.store(table.name, number, name, cell)
                progress(
                    f"{table.name}, split {number}, {name}: error {cell['error']:.4f}, "
                    f"{cell['fit']:.2f} s"
                )
    return n_failed


def warm_up(learner, kind, split):
    """Imports of libraries, and what they do once, are not timed."""
    X_train, X_test, y_train, _ = split
    model = learner.make(kind, 0).fit(X_train[:WARM_UP_ROWS], y_train[:WARM_UP_ROWS])
    model.predict(X_test[:1])


# --- memory


def measure_memory(table, name):
    """Bytes that one fit adds at its peak; called in a process of its own."""
    learner = {**LEARNERS, **ABLATIONS}[name]
    split = table.split(0)
    warm_up(learner, table.kind, split)
    X_train, _, y_train, _ = split
    model = learner.make(table.kind, 0)
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM restarts from VmRSS
    before = resident("VmRSS")
    model.fit(X_train, y_train)
    return resident("VmHWM") - before


def memory_report(folder, tables, learners):
    if not Path("/proc/self/clear_refs").exists():
        return "**Memory of a fit**: not measured, because only Linux reports the peak."
    lines = []
    for table in tables:
        added = [run_child(folder, table.name, name) for name in learners]
        lines.append(
            [
                table.name,
                f"{encoded_bytes(table) / MB:.2f}",
                *(f"{number / MB:.1f}" for number in added),
            ]
        )
        progress(f"{table.name}: memory")
    return (
        "**Memory of a fit**: megabytes that it adds at its peak, on split 0. Encoded is the table "
        "that is trained on, one-hot, in float32.\n\n"
        + markdown_table(["", "encoded", *learners], lines, n_left=1)
    )


def encoded_bytes(table):
    """The training rows as float32: a column for each number and each category."""
    X, _ = table.data
    n_columns = sum(
        len(X[name].cat.categories) if X[name].dtype == "category" else 1 for name in X.columns
    )
    return 4 * n_columns * round((1 - TEST_SHARE) * len(X))


def run_child(folder, table, name):
    command = [sys.executable, __file__, folder, "--tables", table, "--models", name]
    output = subprocess.run(
        [*command, "--memory-child"],
        env={**os.environ, **ONE_THREAD, **GIVE_BACK},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(output.stdout.splitlines()[-1])


# --- what is concluded


@dataclass(frozen=True)
class Ratio:
    """A geometric mean of ratios, and its standard error as a share of itself."""

    value: float
    noise: float | None = None

    def __str__(self):
        noise = "" if self.noise is None else f" ± {self.value * self.noise:.3f}"
        return f"{self.value:.3f}{noise}"


class Comparison:
    """Cells of some tables, splits and models, one quantity at a time.

    tables: name -> kind
    """

    def __init__(self, cells, tables, n_splits, models, baseline=BASELINE):
        self.cells, self.tables, self.models, self.baseline = cells, tables, models, baseline
        self.splits = range(n_splits)

    def values(self, quantity, table, model):
        """split -> value, of the splits that are known."""
        known = {}
        for split in self.splits:
            cell = self.cells.get((table, split, model), {})
            if quantity not in cell:
                continue
            known[split] = cell[quantity]
            if quantity == "error" and self.tables[table] == "class":
                known[split] = max(known[split], 0.5 / cell["n_test"])
        return known

    def mean(self, quantity, table, model):
        values = self.values(quantity, table, model).values()
        return fmean(values) if values else None

    def median(self, quantity, table, model):
        values = self.values(quantity, table, model).values()
        return median(values) if values else None

    def ratio(self, quantity, model, baseline=None, tables=None):
        """The Ratio of a model to the baseline; None: they have no cell in common."""
        baseline = baseline or self.baseline
        logs = [
            logarithms
            for table in (self.tables if tables is None else tables)
            if (logarithms := self.log_ratios(quantity, table, model, baseline))
        ]
        if not logs:
            return None
        value = math.exp(fmean(fmean(of_table) for of_table in logs))
        if any(len(of_table) < 2 for of_table in logs):
            return Ratio(value)
        variances = [stdev(of_table) ** 2 / len(of_table) for of_table in logs]
        return Ratio(value, math.sqrt(math.fsum(variances)) / len(logs))

    def log_ratios(self, quantity, table, model, baseline):
        """One for each split that both have."""
        ours = self.values(quantity, table, model)
        theirs = self.values(quantity, table, baseline)
        return [math.log(ours[split] / theirs[split]) for split in ours if split in theirs]

    def is_complete(self, model):
        return all(
            len(self.values("error", table, model)) == len(self.splits) for table in self.tables
        )

    def mean_ranks(self):
        """model -> its mean rank by error, of the models that are complete; equals share a rank."""
        models = [model for model in self.models if self.is_complete(model)]
        ranks = defaultdict(list)
        for table in self.tables:
            errors = [self.mean("error", table, model) for model in models]
            for model, error in zip(models, errors, strict=True):
                better = sum(other < error for other in errors)
                equal = sum(other == error for other in errors)
                ranks[model].append(better + (equal + 1) / 2)
        return {model: fmean(of_model) for model, of_model in ranks.items()}

    def n_wins(self, model):
        """On how many tables the geometric mean of the ratio is below 1."""
        ratios = (self.ratio("error", model, tables=[table]) for table in self.tables)
        return sum(ratio is not None and ratio.value < 1 for ratio in ratios)


# --- the report


def report(comparison):
    return "\n\n".join(
        [
            heading(comparison),
            overview(comparison),
            *(
                section(comparison, quantity, title, cell)
                for quantity, title, cell in (
                    ("error", "Error: share of wrong classes, or nRMSE", "{:.4f}".format),
                    ("log_loss", "Log loss", "{:.4f}".format),
                    ("fit", "Fit, seconds (medians)", significant),
                    ("predict", "Prediction of the test rows, milliseconds (medians)", milli),
                )
            ),
        ]
    )


def heading(comparison):
    versions = {
        cell["version"]
        for (table, _, model), cell in comparison.cells.items()
        if table in comparison.tables and model in comparison.models and "version" in cell
    }
    tables = len(comparison.tables)
    return (
        f"**{tables} tables, {len(comparison.splits)} splits each**, one thread, defaults: "
        f"{', '.join(sorted(versions))}; {cpu_model()}.\n\n"
        f"Error, log loss, fit and predict are ratios to {comparison.baseline}'s: geometric means "
        "over the tables, after ± their standard error over the splits; below 1 is better. Ranks "
        f"are by error. Better on: tables with a smaller error than {comparison.baseline}'s. Of "
        f"{SLOW}'s fit over the model's there are the mean over the tables and the smallest."
    )


def overview(comparison):
    """A line for each model."""
    ranks = comparison.mean_ranks()
    of_kind = {
        kind: [table for table, of_table in comparison.tables.items() if of_table == kind]
        for kind in KINDS
    }
    columns = {
        "error": lambda model: text(comparison.ratio("error", model)),
        **{
            f"of {title}": lambda model, kind=kind: text(
                comparison.ratio("error", model, tables=of_kind[kind])
            )
            for kind, title in KINDS.items()
        },
        "mean rank": lambda model: f"{ranks[model]:.2f}" if model in ranks else "",
        "better on": lambda model: str(comparison.n_wins(model)),
        "log loss": lambda model: text(comparison.ratio("log_loss", model)),
        "fit, s": lambda model: text(median_of_tables(comparison, "fit", model)),
        "fit": lambda model: short(comparison.ratio("fit", model)),
        "predict": lambda model: short(comparison.ratio("predict", model)),
        f"{SLOW}'s fit": lambda model: short(comparison.ratio("fit", SLOW, model)),
        "smallest": lambda model: short(smallest_ratio(comparison, "fit", SLOW, model)),
        "cells": lambda model: f"{n_cells(comparison, model)}",
    }
    lines = [[model, *(cell(model) for cell in columns.values())] for model in comparison.models]
    return markdown_table(["", *columns], lines, n_left=1)


def section(comparison, quantity, title, cell):
    """A line for each table, then the summary."""
    middle = comparison.median if quantity in ("fit", "predict") else comparison.mean
    lines = []
    for table in comparison.tables:
        values = [middle(quantity, table, model) for model in comparison.models]
        if any(value is not None for value in values):
            cells = ["" if value is None else cell(value) for value in values]
            lines.append([table, *cells])
    ratios = [comparison.ratio(quantity, model) for model in comparison.models]
    lines.append([f"mean ratio to {comparison.baseline}", *map(text, ratios)])
    return f"**{title}.**\n\n" + markdown_table(["", *comparison.models], lines, n_left=1)


def ablation_report(comparison):
    """What is lost when a part is off: ratios to the whole recipe."""
    lines = [
        [
            model,
            text(comparison.ratio("error", model)),
            str(len(comparison.tables) - comparison.n_wins(model)),
            text(comparison.ratio("log_loss", model)),
            short(comparison.ratio("fit", model)),
            *(text(comparison.ratio("error", model, tables=[t])) for t in comparison.tables),
        ]
        for model in comparison.models
    ]
    header = ["without", "error", "worse on", "log loss", "fit", *comparison.tables]
    return (
        f"**Ablations**: ratios to {comparison.baseline} with its whole recipe; above 1, the part "
        "is worth having.\n\n" + markdown_table(header, lines, n_left=1)
    )


def n_cells(comparison, model):
    return sum(len(comparison.values("error", table, model)) for table in comparison.tables)


def median_of_tables(comparison, quantity, model):
    values = [comparison.median(quantity, table, model) for table in comparison.tables]
    values = [value for value in values if value is not None]
    return significant(median(values)) if values else None


def smallest_ratio(comparison, quantity, model, baseline):
    ratios = [comparison.ratio(quantity, model, baseline, [table]) for table in comparison.tables]
    return min(filter(None, ratios), key=lambda ratio: ratio.value, default=None)


def text(value):
    return "" if value is None else str(value)


def short(ratio):
    return "" if ratio is None else f"{significant(ratio.value)}x"


def milli(seconds):
    return significant(1e3 * seconds)


# --- the program


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = list(LEARNERS)
    parser.add_argument("folder", type=Path, help="where the tables are")
    parser.add_argument("--splits", type=int, default=5, help="splits of a table (default 5)")
    parser.add_argument("--models", type=listed, help=f"some of {','.join(names)}, of --ablate's")
    parser.add_argument("--tables", type=listed, help="names of tables (default all)")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="a line of JSON for each cell"
    )
    parser.add_argument("--again", action="store_true", help="compute what is there, too")
    parser.add_argument("--ablate", action="store_true", help="and each part of the recipe off")
    parser.add_argument("--memory", action="store_true", help="and the memory of fits, on split 0")
    parser.add_argument("--report", action="store_true", help="compute nothing")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report here too")
    parser.add_argument("--memory-child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def listed(names):
    return names.split(",")


def chosen_learners(options):
    """name -> Learner, of those that are asked for and installed."""
    known = {**LEARNERS, **ABLATIONS}
    asked = options.models or [*LEARNERS, *(ABLATIONS if options.ablate else ())]
    learners = {name: known[name] for name in asked if name in known}
    for name, learner in learners.items():
        if not learner.is_installed:
            progress(f"{name} cannot be imported here: only its stored cells are shown")
    return {name: learner for name, learner in learners.items() if learner.is_installed}


def shown_models(cells, tables, options):
    """Known models in their order, then the others that have cells."""
    stored = {model for table, _, model in cells if table in tables}
    if options.models:
        check_known("model or cell of", options.models, stored)
        return options.models
    others = sorted(stored - {*LEARNERS, *ABLATIONS})
    return [name for name in LEARNERS if name in stored] + others


def main(arguments=None):
    options = parse_arguments(arguments)
    # networks that have not converged after their default number of epochs, as users have them
    warnings.simplefilter("ignore", ConvergenceWarning)
    tables = find_tables(options.folder, options.tables)
    if options.memory_child:
        print(measure_memory(tables[0], options.models[0]))
        return
    cells, learners, n_failed = Cells(options.results), chosen_learners(options), 0
    if not options.report:
        with threadpool_limits(limits=1):
            n_failed = compute_missing(cells, tables, learners, options.splits, options.again)
        cells = Cells(options.results)  # what other processes have stored meanwhile
    kinds = {table.name: table.kind for table in tables}
    models = shown_models(cells, kinds, options)
    parts = [report(Comparison(cells, kinds, options.splits, models))]
    parts_off = [name for name in ABLATIONS if any(name == model for _, _, model in cells)]
    if options.ablate and parts_off:
        parts.append(
            ablation_report(Comparison(cells, kinds, options.splits, parts_off, baseline=OURS))
        )
    if options.memory:
        parts.append(memory_report(options.folder, tables, learners))
    text = "\n\n".join(parts)
    print(text)
    if options.markdown:
        options.markdown.write_text(text + "\n")
    if n_failed:
        sys.exit(f"{n_failed} cells could not be computed; see above")


if __name__ == "__main__":
    main()
